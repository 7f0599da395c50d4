"""The difference of two trees is an edit that makes one the other, whatever the trees."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.netconf.datastores.diff import diff_trees
from casm_ctrl.netconf.datastores.edit import apply_edit
from casm_ctrl.netconf.names import BASE, YANG, Element
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NS = "urn:example:m"
AUGMENT = "urn:example:augment"


def tag(name: str) -> str:
    return f"{{{NS}}}{name}"


def nodes(*members: SchemaNode) -> dict[str, SchemaNode]:
    return {member.tag: member for member in members}


def leaf(name: str, *cases: tuple[str, str], namespace: str = NS) -> SchemaNode:
    return SchemaNode(f"{{{namespace}}}{name}", Kind.LEAF, cases=cases)


SUB = SchemaNode(
    tag("sub"), Kind.LIST, keys=(tag("id"),), user_ordered=True, children=nodes(leaf("id"), leaf("v"))
)
LIST = SchemaNode(
    tag("range"),
    Kind.LIST,
    keys=(tag("name"), tag("type")),
    children=nodes(leaf("name"), leaf("type"), leaf("lower"), leaf("extra", namespace=AUGMENT), SUB),
)
RULE = SchemaNode(
    tag("rule"),
    Kind.LIST,
    keys=(tag("id"), tag("kind")),
    user_ordered=True,
    children=nodes(leaf("id"), leaf("kind"), leaf("v")),
)
INNER = SchemaNode(tag("inner"), Kind.CONTAINER, children=nodes(leaf("v")))
TOP = SchemaNode(
    tag("top"),
    Kind.CONTAINER,
    children=nodes(
        LIST,
        RULE,
        leaf("note"),
        SchemaNode(tag("lock"), Kind.CONTAINER, presence=True, children=nodes(leaf("v"))),
        SchemaNode(tag("server"), Kind.LEAF_LIST),
        SchemaNode(tag("search"), Kind.LEAF_LIST, user_ordered=True),
        SchemaNode(tag("outer"), Kind.CONTAINER, children=nodes(INNER)),
        leaf("a", ("c", "a")),
        leaf("a2", ("c", "a")),
        SchemaNode(tag("b"), Kind.LEAF_LIST, cases=(("c", "b"),)),
    ),
)
SCHEMA = Schema(nodes(TOP, leaf("host")))

# --- Trees ----------------------------------------------------------------------------------------

VALUES = st.sampled_from(["", "1", "2", "x y", "it's", 'say "x"', "'\"", "[m:id='1']", "é"])
WORDS = st.sampled_from("abcdefgh")


def build(schema_node: SchemaNode) -> st.SearchStrategy[list[Element]]:
    """What may stand in a parent for one schema node: any number of elements that its kind allows."""
    if schema_node.kind is Kind.LEAF:
        return st.lists(VALUES.map(lambda value: make(schema_node.tag, value)), max_size=1)
    if schema_node.kind is Kind.LEAF_LIST:
        return st.lists(VALUES, unique=True, max_size=6).map(
            lambda values: [make(schema_node.tag, value) for value in values]
        )
    rest = [child for name, child in schema_node.children.items() if name not in schema_node.keys]
    content = st.tuples(*map(build, rest)).map(lambda groups: [child for group in groups for child in group])
    if schema_node.kind is Kind.CONTAINER:
        return st.lists(content.map(lambda children: make(schema_node.tag, "", children)), max_size=1)
    keys = st.tuples(*(WORDS | VALUES for _ in schema_node.keys))
    return st.dictionaries(keys, content, max_size=6).map(
        lambda entries: [
            make(
                schema_node.tag,
                "",
                [*(make(name, value) for name, value in zip(schema_node.keys, key, strict=True)), *children],
            )
            for key, children in entries.items()
        ]
    )


def make(name: str, text: str = "", children: list[Element] | None = None) -> Element:
    element = etree.Element(name)
    element.text = text or None
    element.extend(children or [])
    return element


def one_case(groups: tuple[list[Element], ...]) -> Element:
    """A tree of at most one case of the choice."""
    root = make("data", "", [element for group in groups for element in group])
    for top in root.iterchildren(TOP.tag):
        if top.find(tag("b")) is not None:
            for node in [*top.iterchildren(tag("a")), *top.iterchildren(tag("a2"))]:
                top.remove(node)
    return root


TREES = st.tuples(*map(build, SCHEMA.roots.values())).map(one_case)


def operations(edit: Element) -> list[tuple[str, str | None]]:
    name = f"{{{BASE}}}operation"
    return [
        (etree.QName(node).localname, node.get(name)) for node in edit.iter("*") if node.get(name) is not None
    ]


@settings(max_examples=200, deadline=None)
@given(TREES, TREES)
def test_the_difference_makes_one_the_other(before: Element, after: Element) -> None:
    texts = etree.tostring(before), etree.tostring(after)
    edit = diff_trees(before, after, SCHEMA)
    sent = etree.fromstring(etree.tostring(edit))
    assert canonical(apply_edit(before, sent, SCHEMA, "none"), SCHEMA) == canonical(after, SCHEMA)
    assert (etree.tostring(before), etree.tostring(after)) == texts


@settings(deadline=None)
@given(TREES)
def test_no_difference_is_no_edit(tree: Element) -> None:
    assert len(diff_trees(tree, etree.fromstring(etree.tostring(tree)), SCHEMA)) == 0


@settings(deadline=None)
@given(TREES, TREES)
def test_the_edit_holds_what_differs_and_no_more(before: Element, after: Element) -> None:
    """Applied, it leaves no difference; and it is empty exactly where there is none."""
    edit = diff_trees(before, after, SCHEMA)
    assert (len(edit) == 0) == (canonical(before, SCHEMA) == canonical(after, SCHEMA))


# --- How the edit looks ---------------------------------------------------------------------------


def top(inner: str) -> Element:
    return etree.fromstring(f"<config><top xmlns='{NS}' xmlns:x='{AUGMENT}'>{inner}</top></config>")


def entry(name: str, lower: str) -> str:
    return f"<range><name>{name}</name><type>t</type><lower>{lower}</lower></range>"


def test_only_changed_nodes_carry_an_operation() -> None:
    before = top(entry("same", "1") + entry("changed", "1") + entry("gone", "1") + "<note>n</note>")
    after = top(entry("same", "1") + entry("changed", "2") + entry("made", "1") + "<lock/>")
    edit = diff_trees(before, after, SCHEMA)
    assert operations(edit) == [
        ("range", "delete"),
        ("note", "delete"),
        ("lower", "merge"),
        ("range", "create"),
        ("lock", "create"),
    ]
    assert [node.text for node in edit.iter(tag("name"))] == ["gone", "changed", "made"]


def test_a_container_without_presence_is_merged() -> None:
    assert operations(diff_trees(top(""), top("<note>x</note>"), SCHEMA)) == [("top", "merge")]


def rules(order: str) -> Element:
    return top("".join(f"<rule><id>{letter}</id><kind>k</kind></rule>" for letter in order))


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("abcdef", "fabcde", "f"),
        ("abcdef", "bcdefa", "a"),
        ("abcdef", "abXcdef", "X"),
        ("abc", "abcXY", "XY"),
        ("abcd", "bacd", "b"),
        ("abcd", "cd", ""),
    ],
)
def test_as_few_entries_move_as_can(before: str, after: str, moved: str) -> None:
    edit = diff_trees(rules(before), rules(after), SCHEMA)
    written = [
        rule[0].text for rule in edit.iter(tag("rule")) if rule.get(f"{{{BASE}}}operation") != "delete"
    ]
    assert sorted(written, key=str) == sorted(moved)


QUOTES = "'\""
"""No key predicate can hold it (RFC 7950, 9.13)."""


@pytest.mark.parametrize(
    "ids", [["a", "b", "c", "d", "X"], ["a", QUOTES, "b", "c", "X"]], ids=["plain", "quotes"]
)
def test_every_order_of_a_few_entries_is_reached(ids: list[str]) -> None:
    def ordered(order: Iterable[str]) -> Element:
        return make(
            "data",
            children=[make(TOP.tag, children=[make(RULE.tag, children=rule_keys(one)) for one in order])],
        )

    def rule_keys(one: str) -> list[Element]:
        return [make(tag("id"), one), make(tag("kind"), "k")]

    before = ordered(ids[:-1])
    for size in range(1, len(ids) + 1):
        for order in permutations(ids, size):
            after = ordered(order)
            edit = diff_trees(before, after, SCHEMA)
            made = apply_edit(before, edit, SCHEMA, "none")
            assert canonical(made, SCHEMA) == canonical(after, SCHEMA), etree.tostring(edit)


def test_insert_names_the_predecessor_in_bound_prefixes() -> None:
    edit = diff_trees(rules("ab"), rules("aXb"), SCHEMA)
    [rule] = edit.iter(tag("rule"))
    assert rule.get(f"{{{YANG}}}insert") == "after"
    assert rule.get(f"{{{YANG}}}key") == "[m:id='a'][m:kind='k']"
    assert rule.nsmap["m"] == NS
    moved = etree.Element("config")
    moved.extend(edit)
    assert rule.nsmap["m"] == NS


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("<nonsense/>", "not in the schema"),
        ("<range><name>a</name></range>", "lacks a key"),
        (entry("a", "1") + entry("a", "2"), "twice"),
    ],
)
def test_trees_that_cannot_be_compared(tree: str, words: str) -> None:
    with pytest.raises(YangInvalid, match=words):
        diff_trees(top("<note/>"), top(tree), SCHEMA)
    with pytest.raises(YangInvalid, match=words):
        diff_trees(top(tree), top("<note/>"), SCHEMA)


def test_unknown_nodes_in_a_new_subtree_are_refused() -> None:
    with pytest.raises(YangInvalid, match="not in the schema"):
        diff_trees(top(""), top("<nonsense/>"), SCHEMA)


# --- Size -----------------------------------------------------------------------------------------


def test_ten_thousand_entries() -> None:
    """Some 0.15 s of CPU; what is quadratic takes minutes, and ends at the suite's deadline for a test."""
    before = top("".join(entry(f"r{i}", "1") for i in range(10_000)))
    after = top("".join(entry(f"r{i}", "2" if i % 10 == 0 else "1") for i in range(500, 10_500)))
    edit = diff_trees(before, after, SCHEMA)
    assert len(operations(edit)) == 500 + 500 + 950
    assert canonical(apply_edit(before, edit, SCHEMA, "none"), SCHEMA) == canonical(after, SCHEMA)


def test_ten_thousand_user_ordered_entries_too() -> None:
    names = [f"<search>{i}</search>" for i in range(10_000)]
    before, after = top("".join(names)), top("".join(names[5_000:] + names[:5_000]))
    edit = diff_trees(before, after, SCHEMA)
    assert len(operations(edit)) == 5_000
    assert canonical(apply_edit(before, edit, SCHEMA, "none"), SCHEMA) == canonical(after, SCHEMA)
