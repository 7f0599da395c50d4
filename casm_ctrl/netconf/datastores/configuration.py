"""A configuration as a set of pieces, so that its next revision shares what did not change.

A piece is an entry of a list that stands alone in a top-level container (`/devices/device[name='bng1']`), or a
whole top-level node of any other shape. Making the next revision costs by what is touched, and so does finding what
two revisions do not have in common. The whole tree is made where somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from lxml import etree

from casm_ctrl.netconf.datastores.diff import diff_trees
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.datastores.edit_reader import OPERATION, Operation
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.trees import InstancePath, instance_path, key_of, same_configuration
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

_MOST_MOVED = 64
"""Pieces to look at instead of all, so that a difference costs nothing by the size of the network."""


class Name(NamedTuple):
    """What a piece is: the top-level node's tag and, of an entry of the list in it, the entry's keys."""

    root: str
    key: tuple[str, ...] = ()


def listed(root: SchemaNode) -> SchemaNode | None:
    """The list that is all of a top-level container's configuration; None where it is of another shape."""
    if root.kind is not Kind.CONTAINER or root.presence:
        return None
    inside = [node for node in root.children.values() if node.config]
    if len(inside) != 1 or inside[0].kind is not Kind.LIST or inside[0].user_ordered or not inside[0].keys:
        return None
    return inside[0]


@dataclass(frozen=True, eq=False)
class Configuration:
    """`pieces` in the order in which they are shown. No piece is ever changed, nor moved into another document."""

    schema: Schema
    pieces: Mapping[Name, Element]
    root: object = field(default_factory=object, repr=False)
    """What it was made from, piece by piece: those of one root differ in what either says in `moved` at most."""
    moved: frozenset[Name] = frozenset()

    @cached_property
    def tree(self) -> Element:
        """All of it in one `<config>`, not to be changed."""
        return self.part(self.pieces)

    def part(self, names: Iterable[Name]) -> Element:
        """A `<config>` with copies of the pieces of those names that there are."""
        wanted = [name for name in names if name in self.pieces]
        if any(name.root != wanted[0].root for name in wanted):
            order = {tag: position for position, tag in enumerate(self.schema.roots)}
            wanted.sort(key=lambda name: order.get(name.root, len(order)))
        written = [f'<config xmlns="{BASE}">'.encode()]
        for root, members in groupby(wanted, key=lambda name: name.root):
            pieces = [_write(self.pieces[name]) for name in members]
            qualified = etree.QName(root)
            opened, closed = b"", b""
            if listed(self.schema.roots[root]) is not None:
                opened = f"<{qualified.localname} xmlns={quoteattr(qualified.namespace or '')}>".encode()
                closed = f"</{qualified.localname}>".encode()
            written += [opened, *pieces, closed]
        return etree.fromstring(b"".join([*written, b"</config>"]), _PARSER)

    def edited(self, edit: Element, default_operation: str = "merge") -> Configuration:
        """What the edit in a `<config>` makes of it; RpcError as of `apply_edit`. Default data is not kept (RFC 6243,
        2.2)."""
        touched = self._touched(edit, default_operation)
        after = apply_edit(self.part(touched), edit, self.schema, default_operation, trims=True)
        return self._replaced(touched, split(after, self.schema))

    def sharing(self, other: Configuration) -> Configuration:
        """The same with the pieces of `other` where they are written alike."""
        pieces: dict[Name, Element] = {}
        for name, piece in self.pieces.items():
            theirs = other.pieces.get(name)
            pieces[name] = theirs if theirs is not None and _write(theirs) == _write(piece) else piece
        return Configuration(self.schema, pieces)

    def with_pieces(self, pieces: Mapping[Name, Element | None]) -> Configuration:
        """The same with other pieces; None: without it. New ones come last among their kind."""
        found = dict(self.pieces)
        for name, piece in pieces.items():
            if piece is None:
                found.pop(name, None)
            else:
                found[name] = piece
        moved = self.moved.union(pieces)
        if len(moved) > _MOST_MOVED:
            return Configuration(self.schema, found)
        return Configuration(self.schema, found, self.root, moved)

    def _replaced(self, touched: Iterable[Name], new: Mapping[Name, Element]) -> Configuration:
        """Only pieces that mean something else count as changed."""
        changes: dict[Name, Element | None] = {}
        for name in dict.fromkeys((*touched, *new)):
            old, piece = self.pieces.get(name), new.get(name)
            if old is None or piece is None:
                if old is not piece:
                    changes[name] = piece
            elif not same_piece(old, piece, self.schema):
                changes[name] = piece
        return self.with_pieces(changes) if changes else self

    def _touched(self, edit: Element, default_operation: str) -> list[Name]:
        """The pieces whose content the edit's outcome stands on."""
        if default_operation == "replace":
            return list(self.pieces)
        touched: list[Name] = []
        for root in edit.iterchildren("*"):
            tag = str(root.tag)
            node = self.schema.roots.get(tag)
            entries = None if node is None else listed(node)
            if entries is None or root.get(OPERATION) not in (None, "merge"):
                touched += [name for name in self.pieces if name.root == tag]
                continue
            for entry in root.iterchildren(entries.tag):
                key = key_of(entry, entries.keys)
                if key is not None and Name(tag, key) in self.pieces:
                    touched.append(Name(tag, key))
        return list(dict.fromkeys(touched))


def split(tree: Element, schema: Schema) -> dict[Name, Element]:
    """Copies of the pieces of a whole configuration that fits the schema."""
    return {name: piece for top in tree.iterchildren("*") for name, piece in pieces_of(top, schema)}


def pieces_of(top: Element, schema: Schema) -> Iterator[tuple[Name, Element]]:
    """Copies of the pieces of one top-level node."""
    tag = str(top.tag)
    entries = listed(schema.roots[tag])
    if entries is None:
        yield Name(tag), _copy(top)
        return
    for entry in top.iterchildren(entries.tag):
        key = key_of(entry, entries.keys)
        assert key is not None
        yield Name(tag, key), _copy(entry)


def changed(before: Configuration, after: Configuration) -> list[Name]:
    """The pieces that the two do not share, by name."""
    old, new = before.pieces, after.pieces
    if before.root is after.root:
        names = before.moved | after.moved
        return sorted(name for name in names if old.get(name) is not new.get(name))
    found = [name for name, piece in old.items() if new.get(name) is not piece]
    return sorted([*found, *(name for name in new if name not in old)])


def difference(before: Configuration, after: Configuration, names: Collection[Name]) -> Element:
    """A `<config>` that makes `after` of `before` by default-operation none; `names` are the pieces that differ."""
    edit = diff_trees(before.part(names), after.part(names), before.schema)
    for top in edit.iterchildren("*"):
        entries = listed(before.schema.roots[str(top.tag)])
        if entries is None or top.get(OPERATION) != Operation.DELETE.value:
            continue
        # Of the parts all entries go; of the configuration those only.
        del top.attrib[OPERATION]
        for name in names:
            if name.root == top.tag:
                entry = etree.SubElement(top, entries.tag, {OPERATION: Operation.DELETE.value})
                for tag, text in zip(entries.keys, name.key, strict=True):
                    etree.SubElement(entry, tag).text = text
    return edit


def path_of(configuration: Configuration, name: Name) -> InstancePath:
    """Where one of its pieces stands, for errors."""
    part = configuration.part([name])
    return instance_path(part[0][0] if name.key else part[0], part, configuration.schema)


def same_piece(a: Element, b: Element, schema: Schema) -> bool:
    """True where two pieces mean the same."""
    return a is b or same_configuration(_around(a, schema), _around(b, schema), schema)


def _around(piece: Element, schema: Schema) -> Element:
    """The piece where it stands in a configuration."""
    tag = str(piece.tag)
    root = next((root.tag for root in schema.roots.values() if tag in root.children), None)
    name = Name(tag) if tag in schema.roots or root is None else Name(root, ("",))
    return Configuration(schema, {name: piece}).part([name])


def _copy(piece: Element) -> Element:
    """By way of text: lxml forgets prefixes that only values use when it moves an element."""
    return etree.fromstring(_write(piece), _PARSER)


def _write(piece: Element) -> bytes:
    return etree.tostring(piece, with_tail=False)


_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
