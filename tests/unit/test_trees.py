"""What configuration trees mean, and how their differences read."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import (
    canonical,
    describe_difference,
    index_entries,
    instance_path,
    quote,
    same_configuration,
    says_something,
)
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NS = "urn:example:params:xml:ns:yang:pools"


def tag(name: str) -> str:
    return f"{{{NS}}}{name}"


def nodes(*members: SchemaNode) -> dict[str, SchemaNode]:
    return {member.tag: member for member in members}


def leaf(name: str) -> SchemaNode:
    return SchemaNode(tag(name), Kind.LEAF)


RANGE = SchemaNode(
    tag("range"),
    Kind.LIST,
    keys=(tag("name"), tag("type")),
    children=nodes(leaf("name"), leaf("type"), leaf("lower")),
)
RULE = SchemaNode(tag("rule"), Kind.LIST, keys=(tag("id"),), user_ordered=True, children=nodes(leaf("id")))
POOLS = SchemaNode(
    tag("pools"),
    Kind.CONTAINER,
    children=nodes(
        RANGE,
        RULE,
        SchemaNode(tag("server"), Kind.LEAF_LIST),
        SchemaNode(tag("search"), Kind.LEAF_LIST, user_ordered=True),
        SchemaNode(tag("options"), Kind.CONTAINER, children=nodes(leaf("mtu"))),
        SchemaNode(tag("lock"), Kind.CONTAINER, presence=True),
        leaf("note"),
    ),
)
SCHEMA = Schema(nodes(POOLS))


def tree(inner: str, prefix: str = "") -> Element:
    """A configuration whose pools container holds `inner`."""
    name = f"{prefix}:pools" if prefix else "pools"
    binding = f"xmlns:{prefix}" if prefix else "xmlns"
    return etree.fromstring(f"<config><{name} {binding}='{NS}'>{inner}</{name}></config>")


def entry(name: str, kind: str, lower: str) -> str:
    return f"<range><name>{name}</name><type>{kind}</type><lower>{lower}</lower></range>"


SAME = [
    pytest.param(tree("<note>x</note>"), tree("\n  <note>x</note>\n  "), id="white space"),
    pytest.param(tree("<note>x</note>"), tree("<p:note>x</p:note>", "p"), id="prefixes"),
    pytest.param(tree("<note>x</note>"), tree("<!-- c --><note>x<!-- d --></note><?pi?>"), id="comments"),
    pytest.param(
        tree(entry("a", "t", "1") + entry("b", "t", "2")),
        tree(entry("b", "t", "2") + "<range><lower>1</lower><type>t</type><name>a</name></range>"),
        id="order of a list and in its entries",
    ),
    pytest.param(
        tree("<server>a</server><server>b</server>"),
        tree("<server>b</server><server>a</server>"),
        id="leaf-list",
    ),
]


@pytest.mark.parametrize(("a", "b"), SAME)
@pytest.mark.parametrize("schema", [SCHEMA, None], ids=["schema", "none"])
def test_what_does_not_count(a: Element, b: Element, schema: Schema | None) -> None:
    assert same_configuration(a, b, schema)
    assert canonical(a, schema) == canonical(b, schema)
    assert describe_difference(a, b, 10, schema) == []


def test_empty_containers_count_only_with_presence_or_without_a_schema() -> None:
    nothing, empty = etree.fromstring("<data/>"), tree("\n<options>\n</options>")
    assert same_configuration(nothing, empty, SCHEMA)
    assert not same_configuration(nothing, empty)
    assert not same_configuration(nothing, tree("<lock/>"), SCHEMA)
    assert not says_something(empty[0], POOLS)
    assert says_something(tree("<options><mtu>1</mtu></options>")[0], POOLS)


@pytest.mark.parametrize(
    "inner", ["<rule><id>1</id></rule><rule><id>2</id></rule>", "<search>1</search><search>2</search>"]
)
def test_order_counts_where_the_user_orders(inner: str) -> None:
    a, b = tree(inner), tree(inner)
    b[0].append(b[0][0])
    assert not same_configuration(a, b, SCHEMA)
    assert same_configuration(a, b)
    [line] = describe_difference(a, b, 10, SCHEMA)
    assert line.startswith("the order of /pools:pools/pools:")


def test_values_are_exact() -> None:
    assert not same_configuration(tree("<note>x</note>"), tree("<note> x</note>"), SCHEMA)
    assert not same_configuration(tree("<note/>"), tree("<note> </note>"), SCHEMA)
    assert not same_configuration(tree("<note inactive='inactive'>x</note>"), tree("<note>x</note>"), SCHEMA)


def test_other_namespaces_are_other_nodes() -> None:
    other = etree.fromstring("<config><pools xmlns='urn:other'><note>x</note></pools></config>")
    assert not same_configuration(tree("<note>x</note>"), other)


def test_how_often_counts_without_a_schema() -> None:
    assert not same_configuration(tree("<x>1</x><x>1</x>"), tree("<x>1</x>"))


def test_differences_name_entries_by_their_keys() -> None:
    before = tree(entry("a", "v4", "1") + entry("b", "v4", "2") + "<note>old</note>")
    after = tree(entry("c", "v'6", "1") + entry("b", "v4", "3") + "<note>new</note><lock/>")
    assert describe_difference(before, after, 10, SCHEMA) == [
        "/pools:pools/pools:lock was added",
        "/pools:pools/pools:note became 'new', it was 'old'",
        "/pools:pools/pools:range[pools:name='a'][pools:type='v4'] was removed",
        "/pools:pools/pools:range[pools:name='b'][pools:type='v4']/pools:lower became '3', it was '2'",
        "/pools:pools/pools:range[pools:name='c'][pools:type=\"v'6\"] was added",
    ]


def test_differences_without_a_schema_guess_a_key() -> None:
    before = tree(entry("a", "v4", "1") + entry("b", "v4", "2"))
    after = tree(entry("a", "v4", "1") + entry("b", "v4", "3") + entry("c", "v4", "3") + "<x>1</x><x>2</x>")
    assert describe_difference(before, after) == [
        "/pools:pools/pools:range[pools:name='b']/pools:lower became '3', it was '2'",
        "/pools:pools/pools:range[pools:name='c'] was added",
        "/pools:pools/pools:x[.='1'] was added",
        "/pools:pools/pools:x[.='2'] was added",
    ]


def test_differences_without_any_key_are_counted() -> None:
    before, after = (
        tree("<x><y>1</y></x><x><y>1</y></x>"),
        tree("<x><y>1</y></x><x><y>2</y></x><x><y>2</y></x>"),
    )
    assert describe_difference(before, after) == [
        "/pools:pools/pools:x was removed",
        "/pools:pools/pools:x was added",
        "/pools:pools/pools:x was added",
    ]


def test_differences_are_limited() -> None:
    after = tree("".join(entry(f"r{i}", "t", "1") for i in range(20)))
    lines = describe_difference(tree(""), after, 3, SCHEMA)
    assert lines == ["/pools:pools was added"]
    lines = describe_difference(tree("<note>x</note>"), after, 3, SCHEMA)
    assert len(lines) == 4
    assert lines[-1] == "and 18 more"


def test_changed_attributes_are_told() -> None:
    lines = describe_difference(tree("<note>x</note>"), tree("<note inactive='yes'>x</note>"))
    assert lines == ["the attributes of /pools:pools/pools:note became inactive='yes', they were none"]


def test_path_of_a_node() -> None:
    config = tree(entry("a", "v4", "1") + "<server>s1</server>")
    path = instance_path(config[0][0][2], config, SCHEMA)
    assert path.text == "/pools:pools/pools:range[pools:name='a'][pools:type='v4']/pools:lower"
    assert path.namespaces == {"pools": NS}
    assert config.xpath("." + path.text, namespaces=dict(path.namespaces)) == [config[0][0][2]]
    assert instance_path(config[0][1], config, SCHEMA).text == "/pools:pools/pools:server[.='s1']"


def test_namespaces_that_end_alike_get_different_prefixes() -> None:
    config = etree.fromstring("<c><a xmlns='urn:one:x'><b xmlns='urn:two:x'><c xmlns='urn:xml'/></b></a></c>")
    path = instance_path(config[0][0][0], config, Schema({}))
    assert path.text == "/x:a/x_:b/_xml:c"
    assert config.xpath("." + path.text, namespaces=dict(path.namespaces)) == [config[0][0][0]]


@pytest.mark.parametrize("text", ["", "plain", "it's", 'say "x"', "'\"'", '"it\'s"'])
def test_quoting_survives_xpath(text: str) -> None:
    assert etree.XPath(f"string({quote(text)})")(etree.Element("x")) == text


def test_index_of_entries() -> None:
    config = tree(
        entry("a", "v4", "1") + "<range><type>v6</type><name>a</name></range><range><name>a</name></range>"
    )
    index = index_entries(config[0], RANGE)
    assert index == {("a", "v4"): config[0][0], ("a", "v6"): config[0][1]}
    servers = tree("<server>1</server><server>2</server>")
    assert list(index_entries(servers[0], POOLS.children[tag("server")])) == [("1",), ("2",)]
