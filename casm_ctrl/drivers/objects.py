"""A device's data model as data: which list entries a driver works with, and what names them.

A driver lists its kinds of objects here and gets their reading, naming and finding for nothing; the edit
that makes them what is wanted is in `object_edit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lxml import etree

from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.drivers.elements import add_leaf, text_of, top_element
from casm_ctrl.drivers.interface import Element, ObjectKey


@dataclass(frozen=True)
class Step:
    """One data node on the way to an object: a list with the tags of its keys, or a container without.

    Or, with `value`, an entry of a leaf-list, whose only key is its value.
    """

    tag: str
    """In Clark notation, `{namespace}name`, as all tags here."""
    keys: tuple[str, ...] = ()
    value: bool = False

    @property
    def count(self) -> int:
        """How many keys name one such node among its siblings."""
        return len(self.keys) + self.value

    def name(self, parent: Element | None, keys: Iterator[str]) -> Element:
        """The node below `parent`, with the key leaves that it needs taken from `keys`."""
        namespace = self.tag[1:].partition("}")[0]
        if self.value:
            assert parent is not None, "a leaf-list stands in something"
            return add_leaf(parent, self.tag, next(keys))
        if parent is None:
            node = top_element(self.tag, namespace)
        else:
            own = None if parent.tag.startswith(f"{{{namespace}}}") else {None: namespace}
            node = etree.SubElement(parent, self.tag, nsmap=own)  # type: ignore[arg-type]
        for tag in self.keys:
            add_leaf(node, tag, next(keys))
        return node


@dataclass(frozen=True)
class Kind:
    """One kind of object: `path` is its name in an `ObjectKey`, `steps` lead from the top to its entry."""

    path: str
    steps: tuple[Step, ...]
    own: frozenset[str] | None = None
    """For an object that others may put things into: the tags of what we write on it ourselves. It is
    removed only where nothing else would be left in it. None: it is ours with all that is in it."""

    def entry(self, key: ObjectKey) -> Element:
        """An entry that holds its keys and nothing else, in a tree of its own from the top node down."""
        keys = iter(key.keys)
        node: Element | None = None
        for step in self.steps:
            node = step.name(node, keys)
        assert node is not None
        return node

    def key(self, *keys: str) -> ObjectKey:
        return ObjectKey(self.path, keys)

    @cached_property
    def count(self) -> int:
        """How many keys name one object."""
        return sum(step.count for step in self.steps)


@dataclass(frozen=True)
class Model:
    """What reading and editing must know of a data model."""

    kinds: tuple[Kind, ...]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Key tags by list tag, of lists inside objects."""
    leaf_lists: frozenset[str] = frozenset()
    """Inside objects."""
    drains: frozenset[str] = frozenset()
    """The nodes that say whether an object is drained."""
    canonical: Callable[[str, str], str] = lambda _tag, text: text.strip()
    """The one way to write a leaf's value: two texts that it makes equal mean the same."""

    @cached_property
    def by_path(self) -> Mapping[str, Kind]:
        return {kind.path: kind for kind in self.kinds}

    @cached_property
    def keys(self) -> Mapping[str, tuple[str, ...]]:
        """Key tags by list tag, of all lists. Lists of one tag in several places share all of their keys."""
        keys = dict(self.lists)
        for step in (step for kind in self.kinds for step in kind.steps if step.keys):
            keys[step.tag] = tuple(dict.fromkeys((*keys.get(step.tag, ()), *step.keys)))
        return keys

    @cached_property
    def values(self) -> frozenset[str]:
        """The tags of all leaf-lists."""
        return self.leaf_lists | {step.tag for kind in self.kinds for step in kind.steps if step.value}

    def kind_of(self, key: ObjectKey) -> Kind | None:
        """None where `key` names nothing of this model: such an object is never looked for."""
        kind = self.by_path.get(key.path)
        return kind if kind is not None and kind.count == len(key.keys) else None


def objects(data: Element, kind: Kind) -> Iterator[tuple[ObjectKey, Element]]:
    """Every object of one kind in `data` (the element around the top-level nodes), in document order.

    ProtocolViolation where an entry lacks a key.
    """
    yield from _below(data, kind, kind.steps, ())


def _below(
    parent: Element, kind: Kind, steps: tuple[Step, ...], keys: tuple[str, ...]
) -> Iterator[tuple[ObjectKey, Element]]:
    for node in parent.iterchildren(steps[0].tag):
        own = [text_of(node).strip()] if steps[0].value else [_key_text(node, tag) for tag in steps[0].keys]
        named = (*keys, *own)
        if len(steps) == 1:
            yield ObjectKey(kind.path, named), node
        else:
            yield from _below(node, kind, steps[1:], named)


def _key_text(node: Element, tag: str) -> str:
    leaf = node.find(tag)
    if leaf is None:
        name = etree.QName(node).localname
        raise ProtocolViolation(
            f"the device sent an entry of the list {name} without its key {etree.QName(tag).localname}",
            "look at the device's answer; without its key the entry cannot be named",
        )
    return text_of(leaf).strip()
