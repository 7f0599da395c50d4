"""Which of two configurations' differences a user may not make (RFC 8341, 3.2.5 to 3.2.8).

What counts is what becomes of the data, not the words of the edit: a node that appears needs `create`, one that goes
`delete`, a leaf that says something else and an entry that moves `update`. Nothing else needs a right: neither what
stays as it is, nor a non-presence container, which is always there (RFC 7950, 7.5.1), nor what goes because another
case of its choice came (3.2.5, the last paragraph). In a subtree that appears or goes every node is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.access.rules import Right
from casm_ctrl.netconf.access.user import WRITES, Place
from casm_ctrl.netconf.datastores.diff import longest_rise
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import instance_path, is_implicit, key_of, says_something, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

_Key = tuple[str, ...]
_Groups = dict[str, dict[_Key, Element]]
_NONE: Mapping[_Key, Element] = {}


class _Level(NamedTuple):
    """One node on the way down, in the tree that is to blame, and its place."""

    element: Element
    place: Place


def check_changes(before: Element, after: Element, root: Place, schema: Schema) -> None:
    """Raise access-denied where a user whose places begin at `root` may not make `before` into `after`."""
    if not _all_whole(root) and not _same(before, after):
        _Checker(before, after, schema).check(before, after, root, schema.roots, [])


class _Checker:
    def __init__(self, before: Element, after: Element, schema: Schema) -> None:
        self._before = before
        self._after = after
        self._schema = schema

    def check(
        self,
        before: Element,
        after: Element,
        place: Place,
        nodes: Mapping[str, SchemaNode],
        way: Sequence[_Level],
    ) -> None:
        """What became of the children of one node that both trees have."""
        olds, news = _group(before, nodes), _group(after, nodes)
        for tag, members in olds.items():
            for key, gone in members.items():
                if key not in news.get(tag, _NONE) and not _pushed_out(nodes[tag], olds, news, nodes):
                    self._check_subtree(gone, place.enter(gone), nodes[tag], Right.DELETE, way)
        for tag, members in news.items():
            node, old = nodes[tag], olds.get(tag, _NONE)
            moved = _moved(list(old), list(members)) if node.user_ordered else frozenset()
            for key, member in members.items():
                there = place.enter(member)
                if key not in old:
                    self._check_subtree(member, there, node, Right.CREATE, way)
                    continue
                if key in moved:
                    self._require(member, there, Right.UPDATE, way)
                if not _all_whole(there) and not _same(old[key], member):
                    self._check_both(old[key], member, there, node, way)

    def _check_both(
        self, old: Element, new: Element, place: Place, node: SchemaNode, way: Sequence[_Level]
    ) -> None:
        if node.kind in (Kind.CONTAINER, Kind.LIST):
            self.check(old, new, place, node.children, (*way, _Level(new, place)))
        elif text_of(old) != text_of(new):
            self._require(new, place, Right.UPDATE, way)

    def _check_subtree(
        self, element: Element, place: Place, node: SchemaNode, right: Right, way: Sequence[_Level]
    ) -> None:
        """A node that appears or goes, with everything in it."""
        if place.whole(right):
            return
        if not is_implicit(node):
            self._require(element, place, right, way)
        inner = (*way, _Level(element, place))
        for child in element.iterchildren("*"):
            below = node.children.get(str(child.tag))
            if below is not None and says_something(child, below):
                self._check_subtree(child, place.enter(child), below, right, inner)

    def _require(self, element: Element, place: Place, right: Right, way: Sequence[_Level]) -> None:
        if place.may(right):
            return
        error = rpc_error.access_denied(f"this user may not {right.value} the node")
        self._locate(error, (*way, _Level(element, place)))
        raise error

    def _locate(self, error: RpcError, way: Sequence[_Level]) -> None:
        """Name the node, or the last one above it that the user may read: an error shows no data that is denied
        (3.2.5)."""
        last = None
        for level in way:
            if not level.place.reads:
                break
            last = level.element
        if last is None:
            return
        root = self._after if self._after in last.iterancestors() else self._before
        path = instance_path(last, root, self._schema)
        error.path, error.namespaces = path.text, path.namespaces


def _all_whole(place: Place) -> bool:
    return all(place.whole(right) for right in WRITES)


def _same(a: Element, b: Element) -> bool:
    """True where they are written alike; of those that are not, some mean the same."""
    return a is b or etree.tostring(a, with_tail=False) == etree.tostring(b, with_tail=False)


def _group(element: Element, nodes: Mapping[str, SchemaNode]) -> _Groups:
    """The children that say something, by tag and key, in document order."""
    groups: _Groups = {}
    for child in element.iterchildren("*"):
        tag = str(child.tag)
        node = nodes.get(tag)
        if node is None or not says_something(child, node):
            continue
        key: _Key = ()
        if node.kind is Kind.LEAF_LIST:
            key = (text_of(child),)
        elif node.kind is Kind.LIST:
            key = key_of(child, node.keys) or ()
        groups.setdefault(tag, {})[key] = child
    return groups


def _pushed_out(node: SchemaNode, olds: _Groups, news: _Groups, nodes: Mapping[str, SchemaNode]) -> bool:
    """Whether a node that goes had to, since a node of another case of its choice came (RFC 7950, 7.9)."""
    came = [nodes[tag] for tag in news if tag not in olds and nodes[tag].cases]
    for depth, (choice, case) in enumerate(node.cases):
        for other in came:
            if (
                len(other.cases) > depth
                and other.cases[:depth] == node.cases[:depth]
                and other.cases[depth][0] == choice
                and other.cases[depth][1] != case
            ):
                return True
    return False


def _moved(old: list[_Key], new: list[_Key]) -> frozenset[_Key]:
    """The entries that both have and that are not in their old order; the fewest that explain it."""
    positions = {key: position for position, key in enumerate(old)}
    kept = [key for key in new if key in positions]
    staying = {kept[index] for index in longest_rise([positions[key] for key in kept])}
    return frozenset(key for key in kept if key not in staying)
