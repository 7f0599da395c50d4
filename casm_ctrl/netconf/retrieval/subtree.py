"""Subtree filters (RFC 6241, section 6).

A filter is read once into criteria; then each data node is held against all criteria for it at the same
time, so that what several filters select of one node comes out once. Whole subtrees are copied in C, and
a content match (`<range><name>r1</name></range>`) is looked up, not searched for sibling by sibling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.depth import copy_to_depth
from casm_ctrl.netconf.trees import NO_NODES, hollow, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode


@dataclass(frozen=True)
class _Criterion:
    """One node of a filter. `tag` is as `iterchildren` takes it: `{*}name` where any namespace will do."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    value: str | None
    """What a content match node (6.2.5) asks for; None for selection and containment nodes."""
    contents: tuple[_Criterion, ...]
    children: tuple[_Criterion, ...]
    """All children, content match nodes among them."""
    depth: int | None = None
    """Levels that are left of a node that was selected above; None: as many as the filter has."""

    @property
    def takes_all(self) -> bool:
        """True where a matching node comes with its whole subtree (6.2.4, and the last rule of 6.2.5)."""
        return len(self.contents) == len(self.children)

    def matches(self, node: Element) -> bool:
        """True where attributes, value and content match nodes all agree with `node`, whose tag does already."""
        return (
            all(node.get(name) == value for name, value in self.attributes)
            and (self.value is None or text_of(node).strip() == self.value)
            and all(
                any(content.matches(child) for child in node.iterchildren(content.tag))
                for content in self.contents
            )
        )


def apply_filter(
    data: Element, subtree: Element | None, schema: Schema | None = None, depth: int | None = None
) -> list[Element]:
    """Copies of the top-level nodes under `data`, cut down to what the filter selects, and each node that it selects
    to `depth` levels, itself the first (max-depth of RFC 8526, 3.1.1).

    `subtree` is the `<filter>` element; None selects everything, one without children nothing. With a Schema
    the keys of a list entry come along with whatever is selected in it (6.2.5 allows it), so that the
    entry can be told.
    """
    nodes = schema.roots if schema else NO_NODES
    if subtree is None:
        return [copy_to_depth(child, nodes.get(str(child.tag)), depth) for child in data.iterchildren("*")]
    criteria = [_read(child) for child in subtree.iterchildren("*")]
    return list(_select(data, _root_criteria(data, criteria), nodes, depth))


def _read(element: Element) -> _Criterion:
    children = tuple(_read(child) for child in element.iterchildren("*"))
    name = etree.QName(element)
    return _Criterion(
        tag=f"{{{name.namespace or '*'}}}{name.localname}",
        attributes=tuple((str(key), str(value)) for key, value in element.items()),
        value=None if children else text_of(element).strip() or None,
        contents=tuple(child for child in children if child.value is not None),
        children=children,
    )


def _root_criteria(data: Element, criteria: Sequence[_Criterion]) -> list[_Criterion]:
    """The criteria that stand after the content match nodes among the roots: one sibling set a namespace (6.3)."""
    sets: dict[str, list[_Criterion]] = {}
    for criterion in criteria:
        sets.setdefault(criterion.tag.partition("}")[0], []).append(criterion)
    standing: list[_Criterion] = []
    for namespace, members in sets.items():
        contents = [member for member in members if member.value is not None]
        if not all(any(map(content.matches, data.iterchildren(content.tag))) for content in contents):
            continue
        standing.extend(members)
        if len(contents) == len(members):
            standing.append(_Criterion(f"{namespace}}}*", (), None, (), ()))
    return standing


def _select(
    parent: Element, criteria: Iterable[_Criterion], nodes: Mapping[str, SchemaNode], depth: int | None
) -> Iterator[Element]:
    candidates = _candidates(parent, criteria)
    # Most filters name one entry or one container; only where they name more is there an order to keep.
    ordered: Iterable[Element] = candidates
    if len(candidates) > 1:
        ordered = (child for child in parent.iterchildren("*") if child in candidates)
    for child in ordered:
        selected = _cut(child, candidates[child], nodes.get(str(child.tag)), depth)
        if selected is not None:
            yield selected


def _candidates(parent: Element, criteria: Iterable[_Criterion]) -> dict[Element, list[_Criterion]]:
    """The children that may match, each with the criteria that it may match."""
    candidates: dict[Element, list[_Criterion]] = {}
    indexes: dict[tuple[str, str], dict[str, list[Element]]] = {}
    for criterion in criteria:
        found: Iterable[Element]
        if criterion.contents:
            content = criterion.contents[0]
            where = (criterion.tag, content.tag)
            if where not in indexes:
                indexes[where] = _index(parent, *where)
            found = indexes[where].get(content.value or "", ())
        else:
            found = parent.iterchildren(criterion.tag)
        for child in found:
            candidates.setdefault(child, []).append(criterion)
    return candidates


def _index(parent: Element, tag: str, leaf_tag: str) -> dict[str, list[Element]]:
    """The children named `tag`, by the value of their `leaf_tag`."""
    index: dict[str, list[Element]] = {}
    for leaf in cast("list[Element]", _leaf_finder(tag, leaf_tag)(parent)):
        index.setdefault(text_of(leaf).strip(), []).append(cast(Element, leaf.getparent()))
    return index


@lru_cache(maxsize=256)
def _leaf_finder(tag: str, leaf_tag: str) -> etree.XPath:
    """All `tag/leaf_tag` below a node; libxml2 finds them some four times as fast as a walk from Python."""
    namespaces: dict[str, str] = {}
    steps = []
    for prefix, name in zip("ab", (tag, leaf_tag), strict=True):
        namespace, _, local = name[1:].partition("}")
        namespaces[prefix] = namespace
        steps.append(f"*[local-name()='{local}']" if namespace == "*" else f"{prefix}:{local}")
    return etree.XPath("/".join(steps), namespaces=namespaces)


def _cut(
    element: Element, criteria: Iterable[_Criterion], node: SchemaNode | None, depth: int | None
) -> Element | None:
    """A copy of what the criteria select of `element`; None where that is nothing."""
    matching = [criterion for criterion in criteria if criterion.matches(element)]
    if not matching:
        return None
    wanted = [child for criterion in matching if not criterion.takes_all for child in criterion.children]
    whole = [criterion for criterion in matching if criterion.takes_all]
    if whole:
        levels = None if depth is None else max(criterion.depth or depth for criterion in whole)
        if levels is None or not wanted or not len(element):
            return copy_to_depth(element, node, levels)
        if levels > 1:  # all that is in it, and more of what other criteria select
            wanted.append(_Criterion("{*}*", (), None, (), (), levels - 1))
    selected = list(_select(element, wanted, node.children if node else NO_NODES, depth))
    if not selected and not whole:
        return None
    result = hollow(element)
    if node is not None and node.kind is Kind.LIST:
        selected = _keys_first(element, selected, node.keys)
    result.extend(selected)
    return result


def _keys_first(entry: Element, selected: Sequence[Element], keys: Sequence[str]) -> list[Element]:
    """`selected` with all keys of the entry in front, in the order of the key statement (RFC 7950, 7.8.5)."""
    have = {child.tag: child for child in selected if child.tag in keys}
    front = [
        have[key] if key in have else copy_to_depth(leaf, None, None)
        for key in keys
        for leaf in entry.iterchildren(key)
    ]
    return front + [child for child in selected if child.tag not in have]
