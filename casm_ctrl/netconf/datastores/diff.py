"""The difference between two configurations, as an edit that makes one the other.

The edit goes with default-operation `none`: what carries no operation only leads the way to what does.
Nodes are told apart by tag, list keys and leaf-list values, never by position, and one walk over both
trees finds everything. Attributes of data nodes (annotations) are no part of an edit and are not compared.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.netconf.datastores.edit_reader import INSERT, INSERT_KEY, INSERT_VALUE, OPERATION
from casm_ctrl.netconf.names import BASE, YANG, Element, nc
from casm_ctrl.netconf.trees import Prefixes, add_child, is_implicit, key_of, quote, says_something, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

Key = tuple[str, ...]

_NONE: Mapping[Key, Element] = {}
_NOWHERE: Mapping[str, str] = {}
_NO_PLACES: Mapping[Key, Mapping[str, str]] = {}


class _Change(NamedTuple):
    """One node of the edit. `source` is the node of a tree that names it."""

    source: Element
    node: SchemaNode
    operation: str | None
    whole: bool = False
    """True where all of `source` goes into the edit, and not only what names it."""
    place: Mapping[str, str] = _NOWHERE
    """The attributes of yang:insert."""
    children: Sequence[_Change] = ()


def diff_trees(before: Element, after: Element, schema: Schema) -> Element:
    """A `<config>` whose children turn `before` into `after`; without children where they mean the same.

    Operations are create and delete for what appears and goes, merge for what changes or moves. Removals
    come before all else at each level, so that leaving one case of a choice never meets another. YangInvalid
    where a tree holds a node that the schema does not know, a list entry without its keys, or one twice.
    """
    config = etree.Element(nc("config"), nsmap={"nc": BASE, "yang": YANG})
    prefixes = Prefixes()
    for change in _diff_children(before, after, schema.roots, prefixes):
        _write(config, change, prefixes)
    return config


# --- Finding --------------------------------------------------------------------------------------


def _diff_children(
    before: Element, after: Element, nodes: Mapping[str, SchemaNode], prefixes: Prefixes
) -> Iterator[_Change]:
    """What to do to the children of one node that both trees have."""
    olds, news = _group(before, nodes), _group(after, nodes)
    for tag, members in olds.items():
        for key, gone in members.items():
            if key not in news.get(tag, _NONE):
                yield _Change(gone, nodes[tag], "delete")
    for tag, members in news.items():
        node, old = nodes[tag], olds.get(tag, _NONE)
        places = _places(node, list(old), list(members), prefixes) if node.user_ordered else _NO_PLACES
        for key, member in members.items():
            change = _diff_node(old.get(key), member, node, places.get(key, _NOWHERE), prefixes)
            if change is not None:
                yield change


def _diff_node(
    before: Element | None, after: Element, node: SchemaNode, place: Mapping[str, str], prefixes: Prefixes
) -> _Change | None:
    """What to do to one node that `after` has; None where that is nothing."""
    if before is None:
        # A non-presence container may stand on the device already, empty: it cannot be created there.
        return _Change(after, node, "merge" if is_implicit(node) else "create", True, place)
    if node.kind is Kind.LEAF:
        return None if text_of(before) == text_of(after) else _Change(after, node, "merge", True)
    children = []
    if node.kind is not Kind.LEAF_LIST:
        children = list(_diff_children(before, after, node.children, prefixes))
    if not children and not place:
        return None
    return _Change(after, node, "merge" if place else None, False, place, children)


def _group(element: Element, nodes: Mapping[str, SchemaNode]) -> dict[str, dict[Key, Element]]:
    """The children that say something, by tag and key, in document order."""
    groups: dict[str, dict[Key, Element]] = {}
    for child in element.iterchildren("*"):
        tag = str(child.tag)
        node = _known(child, nodes)
        if not says_something(child, node):
            continue
        key: Key | None = ()
        if node.kind is Kind.LEAF_LIST:
            key = (text_of(child),)
        elif node.kind is Kind.LIST:
            key = key_of(child, node.keys)
        members = groups.setdefault(tag, {})
        if key is None or key in members:
            what = "lacks a key" if key is None else "is there twice"
            raise YangInvalid(f"{tag} {' '.join(key or ())} {what}", "read the configuration again")
        members[key] = child
    return groups


def _known(element: Element, nodes: Mapping[str, SchemaNode]) -> SchemaNode:
    node = nodes.get(str(element.tag))
    if node is None:
        raise YangInvalid(f"{element.tag} is not in the schema", "compare what the schema's modules define")
    return node


# --- Writing --------------------------------------------------------------------------------------


def _write(parent: Element, change: _Change, prefixes: Prefixes) -> None:
    element = add_child(parent, change.source, prefixes)
    if change.operation is not None:
        element.set(OPERATION, change.operation)
    for name, value in change.place.items():
        element.set(name, value)
    if change.whole:
        _write_content(element, change.source, change.node, prefixes)
        return
    if change.node.kind is Kind.LEAF_LIST:
        element.text = text_of(change.source) or None
    for tag in change.node.keys:
        leaf = next(change.source.iterchildren(tag))
        add_child(element, leaf, prefixes).text = text_of(leaf) or None
    for child in change.children:
        _write(element, child, prefixes)


def _write_content(element: Element, source: Element, node: SchemaNode, prefixes: Prefixes) -> None:
    if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
        element.text = text_of(source) or None
        return
    for child in source.iterchildren("*"):
        child_node = _known(child, node.children)
        _write_content(add_child(element, child, prefixes), child, child_node, prefixes)


# --- The order of what the user orders (RFC 7950, 7.7.9 and 7.8.6) --------------------------------


def _places(
    node: SchemaNode, old: Sequence[Key], new: Sequence[Key], prefixes: Prefixes
) -> Mapping[Key, Mapping[str, str]]:
    """The attributes that put each new or moved entry in its place; the fewest that do.

    Applied in the order of `new`, each entry goes right behind its predecessor, which is in place then.
    """
    positions = {key: position for position, key in enumerate(old)}
    kept = [key for key in new if key in positions]
    staying = {kept[i] for i in longest_rise([positions[key] for key in kept])}
    tail = len(new)
    while tail and new[tail - 1] not in positions:
        tail -= 1  # new entries at the end get there by themselves
    places: dict[Key, dict[str, str]] = {}
    for position, key in enumerate(new[:tail]):
        if key in staying:
            continue
        if position == 0:
            places[key] = {INSERT: "first"}
        elif (point := _insert_point(node, new[position - 1], prefixes)) is not None:
            places[key] = {INSERT: "after", **point}
        else:
            return _places_at_end(old, new)
    return places


def _places_at_end(old: Sequence[Key], new: Sequence[Key]) -> dict[Key, dict[str, str]]:
    """As `_places`, without naming an entry: what follows the first difference goes to the end, one by one."""
    present = set(new)
    kept = [key for key in old if key in present]
    same = 0
    while same < len(kept) and kept[same] == new[same]:
        same += 1
    return {key: {INSERT: "last"} for key in new[same:]}


def _insert_point(node: SchemaNode, key: Key, prefixes: Prefixes) -> dict[str, str] | None:
    """What names an entry for yang:insert; None where key predicates cannot (RFC 7950, 9.13)."""
    if node.kind is Kind.LEAF_LIST:
        return {INSERT_VALUE: key[0]}
    if any("'" in value and '"' in value for value in key):
        return None
    return {
        INSERT_KEY: "".join(
            f"[{prefixes.qualify(tag)}={quote(value)}]" for tag, value in zip(node.keys, key, strict=True)
        )
    }


def longest_rise(numbers: Sequence[int]) -> list[int]:
    """The positions of a longest increasing subsequence of `numbers`, in O(n log n)."""
    ends: list[int] = []  # ends[i]: the smallest number that ends a rise of length i + 1
    at: list[int] = []
    previous: list[int] = []
    for position, number in enumerate(numbers):
        length = bisect_left(ends, number)
        previous.append(at[length - 1] if length else -1)
        if length == len(ends):
            ends.append(number)
            at.append(position)
        else:
            ends[length], at[length] = number, position
    rise = []
    position = at[-1] if at else -1
    while position >= 0:
        rise.append(position)
        position = previous[position]
    return rise[::-1]
