"""Retrievals held against each other: what one step adds another takes away, in any order."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.cutting import Contents
from casm_ctrl.netconf.retrieval.depth import copy_to_depth
from casm_ctrl.netconf.retrieval.selection import EVERYTHING, Selection
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.retrieval.with_defaults import DEFAULT, Defaults, trim, trimmed
from casm_ctrl.netconf.trees import NO_NODES, canonical
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NS = "urn:x"


def tag(name: str) -> str:
    return f"{{{NS}}}{name}"


def leaf(name: str, default: str | None = None, *, config: bool = True) -> SchemaNode:
    base = "uint8" if default is not None and default.isdigit() else "string"
    return SchemaNode(tag(name), Kind.LEAF, config, default=default, base=base)


def inner(name: str, *children: SchemaNode, keys: tuple[str, ...] = (), config: bool = True) -> SchemaNode:
    return SchemaNode(
        tag(name),
        Kind.LIST if keys else Kind.CONTAINER,
        config,
        keys=tuple(map(tag, keys)),
        children={child.tag: child for child in children},
    )


POLICY = inner("policy", leaf("rest", "3600"), leaf("word", "best-fit"), leaf("note"))
USAGE = inner("usage", leaf("used", "0", config=False), leaf("free", config=False), config=False)
POOL = inner("pool", leaf("name"), leaf("scope", "private"), POLICY, leaf("more"), USAGE, keys=("name",))
SCHEMA = Schema({tag("pools"): inner("pools", leaf("mode", "on"), POOL)})
_NAMES: dict[str, tuple[str, ...]] = {
    "word": ("best-fit", "sparse"),
    "rest": ("3600", "60"),
    "scope": ("private", "public"),
}
_NAMES |= {"mode": ("on", "off"), "used": ("0", "7"), "name": ("a", "b", "c")}


def _instances(node: SchemaNode) -> st.SearchStrategy[list[Element]]:
    if node.kind is Kind.LEAF:
        name = etree.QName(node.tag).localname
        return st.sampled_from(_NAMES.get(name, ("x", "y"))).map(lambda text: [_leaf(node, text)])
    parts = st.tuples(
        *(
            _instances(child) if child.tag in node.keys else st.one_of(st.just([]), _instances(child))
            for child in node.children.values()
        )
    )
    made = parts.map(lambda groups: _element(node, [one for group in groups for one in group]))
    if node.kind is Kind.LIST:
        return st.lists(made, max_size=3, unique_by=lambda entry: entry[0].text)
    return made.map(lambda one: [one])


def _leaf(node: SchemaNode, text: str) -> Element:
    made = etree.Element(node.tag)
    made.text = text
    return made


def _element(node: SchemaNode, children: list[Element]) -> Element:
    made = etree.Element(node.tag)
    made.extend(copy.deepcopy(child) for child in children)
    return made


@st.composite
def trees(draw: st.DrawFn) -> Element:
    """A `<data>` that fits the schema."""
    top = etree.Element("data")
    for root in SCHEMA.roots.values():
        for made in draw(st.one_of(st.just([]), _instances(root))):
            top.append(copy.deepcopy(made))
    return top


@st.composite
def filters(draw: st.DrawFn) -> Element:
    """A `<filter>` on that."""
    top = etree.Element("filter")
    for child in draw(_criteria(SCHEMA.roots)):
        top.append(copy.deepcopy(child))
    return top


def _criteria(nodes: Mapping[str, SchemaNode]) -> st.SearchStrategy[list[Element]]:
    return st.tuples(*(st.one_of(st.just([]), _criterion(node)) for node in nodes.values())).map(
        lambda groups: [one for group in groups for one in group]
    )


def _criterion(node: SchemaNode) -> st.SearchStrategy[list[Element]]:
    bare = st.just([etree.Element(node.tag)])
    if node.kind is Kind.LEAF:
        return st.one_of(bare, _instances(node))
    return st.one_of(bare, _criteria(node.children).map(lambda children: [_element(node, children)]))


def filled(tree: Element, selection: Selection = EVERYTHING) -> Element:
    made = copy.deepcopy(tree)
    Defaults(SCHEMA).fill(made, selection)
    return made


def without_defaults(tree: Element) -> Element:
    made = copy.deepcopy(tree)
    trimmed(list(made), SCHEMA)
    return made


@given(trees())
def test_trim_after_report_all_is_trim(tree: Element) -> None:
    """RFC 6243 3.1, 3.2"""
    assert canonical(without_defaults(filled(tree)), SCHEMA) == canonical(without_defaults(tree), SCHEMA)


@given(trees())
def test_report_all_after_trim_is_report_all(tree: Element) -> None:
    """RFC 6243 3.1, 3.2; where what is at the top says anything"""
    assert canonical(filled(without_defaults(tree)), SCHEMA) == canonical(filled(tree), SCHEMA)


@given(trees())
def test_report_all_twice_is_once(tree: Element) -> None:
    once = filled(tree)
    assert etree.tostring(filled(once)) == etree.tostring(once)


@given(trees())
def test_tags_are_on_default_data_alone(tree: Element) -> None:
    """RFC 6243 3.4"""
    made = copy.deepcopy(tree)
    Defaults(SCHEMA).fill(made, EVERYTHING, attributes={DEFAULT: ("wd", "true")}, tag_all=True)
    kept = {etree.tostring(node) for node in without_defaults(made).iter("*") if not len(node)}
    assert not any(DEFAULT.encode() in text for text in kept)
    for node in list(made.iter("*")):
        node.attrib.pop(DEFAULT, "")
    assert canonical(made, SCHEMA) == canonical(filled(tree), SCHEMA)


@given(trees(), filters())
def test_what_is_read_by_the_loosened_selection_is_enough(tree: Element, subtree: Element) -> None:
    """Default data that is filled into what a selection reads, and then filtered, is that of the whole."""
    selection = Selection.from_subtree(subtree)
    defaults = Defaults(SCHEMA)
    whole = apply_filter(filled(tree, selection), subtree, SCHEMA)
    if not defaults.concern(selection):
        plain = apply_filter(tree, subtree, SCHEMA)
        assert [etree.tostring(one) for one in whole] == [etree.tostring(one) for one in plain]
    loosened = defaults.loosened(selection)
    part = etree.Element("data")
    for top in tree:
        cut = _read(top, SCHEMA.roots[str(top.tag)], loosened)
        if cut is not None:
            part.append(cut)
    found = apply_filter(filled(part, selection), subtree, SCHEMA)
    assert [canonical(_around(one), SCHEMA) for one in found] == [
        canonical(_around(one), SCHEMA) for one in whole
    ]


def _read(element: Element, node: SchemaNode, around: Selection) -> Element | None:
    """What a store gives at the least that only knows which entries and nodes are asked for."""

    def holds(name: str, value: str) -> bool:
        return any((one.text or "") == value for one in element.iterchildren(name))

    if node.kind is Kind.LEAF:
        inside = around.below(node.tag, value=(element.text or "").strip())
        return None if inside.nothing else copy.deepcopy(element)
    inside = around.below(node.tag, holds)
    if inside.nothing:
        return None
    if inside.everything:
        return copy.deepcopy(element)
    made = etree.Element(node.tag)
    for child in element:
        below = node.children[str(child.tag)]
        part = copy.deepcopy(child) if child.tag in node.keys else _read(child, below, inside)
        if part is not None:
            made.append(part)
    return made


def _around(node: Element) -> Element:
    top = etree.Element("data")
    top.append(copy.deepcopy(node))
    return top


@given(trees(), filters(), st.integers(1, 5))
def test_depth_goes_with_the_filter(tree: Element, subtree: Element, depth: int) -> None:
    """RFC 8526 3.1.1: a depth takes nothing from what is selected but what is below it, and without end nothing"""
    whole = apply_filter(tree, subtree, SCHEMA)
    deep = apply_filter(tree, subtree, SCHEMA, depth)
    assert [etree.tostring(one) for one in apply_filter(tree, subtree, SCHEMA, 9)] == [
        etree.tostring(one) for one in whole
    ]
    assert [one.tag for one in deep] == [one.tag for one in whole]
    for shallow, full in zip(deep, whole, strict=True):
        assert set(_paths(shallow)) <= set(_paths(full))


@given(trees(), st.integers(1, 5))
def test_depth_alone(tree: Element, depth: int) -> None:
    """RFC 8526 3.1.1: the nodes at the top are the first level; keys come along"""
    for top in tree:
        cut = copy_to_depth(top, SCHEMA.roots[str(top.tag)], depth)
        for node in cut.iter("*"):
            level = sum(1 for _ in node.iterancestors()) + 1
            assert level <= depth or (level == depth + 1 and node.tag == tag("name"))
    assert all(node.children is not NO_NODES for node in SCHEMA.roots.values())


def _paths(top: Element) -> list[str]:
    tree = etree.ElementTree(top)
    return [tree.getelementpath(node) + "=" + (node.text or "") for node in top.iter("*") if node.text]


@given(trees())
def test_config_and_nonconfig_are_all(tree: Element) -> None:
    """RFC 8526 3.1.1: config-filter parts the nodes, but for the way to them"""
    contents = Contents(SCHEMA)
    found: list[str] = []
    for content in ("config", "nonconfig"):
        made = copy.deepcopy(tree)
        for top in contents.cut(list(made), content):
            found += [
                str(node.text)
                for node in top.iter("*")
                if not len(node) and node.text and (content == "config" or node.tag != tag("name"))
            ]
    assert sorted(found) == sorted(str(node.text) for node in tree.iter("*") if not len(node) and node.text)


def test_a_leaf_in_a_case_is_kept() -> None:
    """RFC 7950 7.9: it chooses the case, whatever its value is"""
    node = inner("c", SchemaNode(tag("a"), Kind.LEAF, default="1", base="uint8", cases=(("ch", "one"),)))
    element = etree.fromstring(f'<c xmlns="{NS}"><a>1</a></c>')
    assert len(trim(element, node)) == 1


def test_a_default_in_a_case_is_for_that_case() -> None:
    """RFC 7950 7.6.1: it is in use where a node of the case is there"""
    case = (("ch", "one"),)
    root = inner(
        "c",
        SchemaNode(tag("a"), Kind.LEAF, default="1", base="uint8", cases=case),
        SchemaNode(tag("b"), Kind.LEAF, base="string", cases=case),
        SchemaNode(tag("o"), Kind.LEAF, base="string", cases=(("ch", "other"),)),
    )
    defaults = Defaults(Schema({root.tag: root}))
    for content, expected in (("<b>x</b>", ["1"]), ("<o>x</o>", []), ("", [])):
        top = etree.fromstring(f'<data><c xmlns="{NS}">{content}</c></data>')
        defaults.fill(top, EVERYTHING)
        assert [leaf.text for leaf in top.iter(tag("a"))] == expected


@given(trees(), filters(), filters(), st.integers(1, 5))
def test_depth_of_two_filters_is_that_of_both(tree: Element, a: Element, b: Element, depth: int) -> None:
    """RFC 6241 6.3, RFC 8526 3.1.1: what several filters select is there once, each to its depth"""
    union = etree.Element("filter")
    union.extend(copy.deepcopy(child) for child in (*a, *b))
    found = _leafs(apply_filter(tree, union, SCHEMA, depth))
    apart = _leafs(apply_filter(tree, a, SCHEMA, depth)) | _leafs(apply_filter(tree, b, SCHEMA, depth))
    if not any(len(child) == 0 and child.text for child in union):  # at the top a leaf decides for the others
        assert found == apart


def _leafs(tops: list[Element]) -> set[str]:
    """Each leaf with the keys on its way."""
    found = set()
    for top in tops:
        for node in top.iter("*"):
            if node.text:
                way = [etree.QName(node).localname]
                for above in node.iterancestors():
                    key = above.findtext(tag("name")) if above.tag == POOL.tag else ""
                    way.append(f"{etree.QName(above).localname}[{key}]")
                found.add("/".join(reversed(way)) + "=" + node.text)
    return found
