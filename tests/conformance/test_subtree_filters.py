"""Subtree filters: the examples of RFC 6241, 6.4, and the rules of 6.2 one by one, without a server."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.trees import canonical
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

CONFIG = "http://example.com/schema/1.2/config"
STATS = "http://example.com/schema/1.2/stats"
OTHER = "urn:example:other"

ROOT = """<user><name>root</name><type>superuser</type><full-name>Charlie Root</full-name>
          <company-info><dept>1</dept><id>1</id></company-info></user>"""
FRED = """<user><name>fred</name><type>admin</type><full-name>Fred Flintstone</full-name>
          <company-info><dept>2</dept><id>2</id></company-info></user>"""
BARNEY = """<user><name>barney</name><type>admin</type><full-name>Barney Rubble</full-name>
            <company-info><dept>2</dept><id>3</id></company-info></user>"""
ETH0 = """<t:interface t:ifName="eth0"><t:ifInOctets>45621</t:ifInOctets>
          <t:ifOutOctets>774344</t:ifOutOctets></t:interface>"""
ETH1 = """<t:interface t:ifName="eth1"><t:ifInOctets>1</t:ifInOctets></t:interface>"""


def users(*entries: str) -> str:
    return f"<top xmlns='{CONFIG}'><users>{''.join(entries)}</users></top>"


def interfaces(*entries: str) -> str:
    return f"<t:top xmlns:t='{STATS}'><t:interfaces>{''.join(entries)}</t:interfaces></t:top>"


ALL = users(ROOT, FRED, BARNEY) + interfaces(ETH0, ETH1) + f"<users xmlns='{OTHER}'><user>x</user></users>"


def data(text: str) -> Element:
    return etree.fromstring(f"<data>{text}</data>")


def check(subtree: str | None, expected: str, schema: Schema | None = None) -> None:
    source = data(ALL)
    before = etree.tostring(source)
    element = None if subtree is None else etree.fromstring(f"<filter type='subtree'>{subtree}</filter>")
    result = etree.Element("data")
    result.extend(apply_filter(source, element, schema))
    assert canonical(result) == canonical(data(expected)), etree.tostring(result).decode()
    assert etree.tostring(source) == before


RFC_EXAMPLES = [
    pytest.param(None, ALL, id="6.4.1 no filter"),
    pytest.param("", "", id="6.4.2 empty filter"),
    pytest.param(f"<top xmlns='{CONFIG}'><users/></top>", users(ROOT, FRED, BARNEY), id="6.4.3 users"),
    pytest.param(users("<user/>"), users(ROOT, FRED, BARNEY), id="6.4.3 user"),
    pytest.param(
        users("<user><name/></user>"),
        users(*(f"<user><name>{name}</name></user>" for name in ("root", "fred", "barney"))),
        id="6.4.4 all names",
    ),
    pytest.param(users("<user><name>fred</name></user>"), users(FRED), id="6.4.5 one entry"),
    pytest.param(
        users("<user><name>fred</name><type/><full-name/></user>"),
        users("<user><name>fred</name><type>admin</type><full-name>Fred Flintstone</full-name></user>"),
        id="6.4.6 elements of one entry",
    ),
    pytest.param(
        users(
            "<user><name>root</name><company-info/></user>",
            "<user><name>fred</name><company-info><id/></company-info></user>",
            "<user><name>barney</name><type>superuser</type><company-info><dept/></company-info></user>",
        ),
        users(
            "<user><name>root</name><company-info><dept>1</dept><id>1</id></company-info></user>",
            "<user><name>fred</name><company-info><id>2</id></company-info></user>",
        ),
        id="6.4.7 multiple subtrees",
    ),
    pytest.param(interfaces('<t:interface t:ifName="eth0"/>'), interfaces(ETH0), id="6.4.8 attribute"),
]


@pytest.mark.parametrize(("subtree", "expected"), RFC_EXAMPLES)
def test_examples_of_the_rfc(subtree: str | None, expected: str) -> None:
    """RFC 6241 6.4: the examples of the RFC select what it says."""
    check(subtree, expected)


def test_namespace_selects() -> None:
    """RFC 6241 6.2.1: a node is selected in the namespace that the filter names, and in no other."""
    check(f"<top xmlns='{STATS}'/>", interfaces(ETH0, ETH1))
    check(f"<top xmlns='{OTHER}'/>", "")
    check(users(f"<user xmlns='{OTHER}'/>"), "")


def test_no_namespace_is_any_namespace() -> None:
    """RFC 6241 6.2.1: an element without a namespace is looked for in all of them."""
    check("<top/>", users(ROOT, FRED, BARNEY) + interfaces(ETH0, ETH1))
    check("<top><users><user><name>fred</name></user></users></top>", users(FRED))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('t:ifName="eth1"', interfaces(ETH1)),
        ('ifName="eth1"', ""),
        ('t:ifName="eth1" t:mtu="1"', ""),
        ('t:ifName="eth2"', ""),
    ],
)
def test_attributes_match_by_qualified_name_and_value(attributes: str, expected: str) -> None:
    """RFC 6241 6.2.2: all attributes must be there, by qualified name and value."""
    check(interfaces(f"<t:interface {attributes}/>"), expected)


def test_attributes_match_on_containment_nodes() -> None:
    """RFC 6241 6.2.2: attributes are matched on containment nodes too."""
    check(
        interfaces('<t:interface t:ifName="eth0"><t:ifInOctets/></t:interface>'),
        interfaces('<t:interface t:ifName="eth0"><t:ifInOctets>45621</t:ifInOctets></t:interface>'),
    )


def test_containment_without_a_match_inside_selects_nothing() -> None:
    """RFC 6241 6.2.3: a containment node is there only for what is selected inside."""
    check(users("<user><shoe-size/></user>"), "")
    check(users("<user><company-info><shoe-size/></company-info></user>"), "")


def test_content_matches_are_anded() -> None:
    """RFC 6241 6.2.5: all content match nodes of a sibling set must match."""
    check(users("<user><type>admin</type><full-name>Barney Rubble</full-name></user>"), users(BARNEY))
    check(users("<user><name>fred</name><full-name>Barney Rubble</full-name></user>"), "")
    check(users("<user><name>fred</name><name>barney</name></user>"), "")


def test_sibling_subtrees_are_ored_and_each_node_comes_once() -> None:
    """RFC 6241 6.3: sibling subtrees are taken together, and each node comes once."""
    check(users("<user><name>barney</name></user><user><type>admin</type></user>"), users(FRED, BARNEY))
    check(
        users("<user><type>admin</type><name/></user><user><name>fred</name><full-name/></user>"),
        users(
            "<user><name>fred</name><type>admin</type><full-name>Fred Flintstone</full-name></user>",
            "<user><name>barney</name><type>admin</type></user>",
        ),
    )
    check(users("<user><name/></user><user/>"), users(ROOT, FRED, BARNEY))


def test_results_come_in_the_order_of_the_data() -> None:
    """RFC 6241 6.3: the order is that of the data, and not that of the filter."""
    subtree = users("<user><name>barney</name></user><user><name>root</name></user>")
    [top] = apply_filter(data(ALL), etree.fromstring(f"<filter>{subtree}</filter>"))
    assert [name.text for name in top.iter(f"{{{CONFIG}}}name")] == ["root", "barney"]


def test_white_space_around_a_content_match_is_ignored() -> None:
    """RFC 6241 6.2.5: white space around a content match is ignored, and alone it is a selection node."""
    check(users("<user><name>\n  fred </name></user>"), users(FRED))
    check(users("<user><full-name>Fred  Flintstone</full-name></user>"), "")
    check(
        users("<user><name> </name></user>"),
        users(*(f"<user><name>{n}</name></user>" for n in ("root", "fred", "barney"))),
    )


def test_content_match_in_a_nested_container_does_not_decide_outside() -> None:
    """RFC 6241 6.2.5: a content match decides for its siblings, and not outside of its parent."""
    check(
        users("<user><name/><company-info><dept>2</dept></company-info></user>"),
        users(
            "<user><name>root</name></user>",
            "<user><name>fred</name><company-info><dept>2</dept><id>2</id></company-info></user>",
            "<user><name>barney</name><company-info><dept>2</dept><id>3</id></company-info></user>",
        ),
    )


def test_several_filters_at_the_top() -> None:
    """RFC 6241 6.1: a filter has any number of subtrees."""
    check(
        users("<user><name>fred</name></user>") + interfaces('<t:interface t:ifName="eth1"/>'),
        users(FRED) + interfaces(ETH1),
    )
    check(
        users("<user><name>fred</name></user>") + users("<user><name>root</name></user>"), users(ROOT, FRED)
    )


def test_content_match_at_the_top_decides_for_its_namespace() -> None:
    """RFC 6241 6.3: the roots of one namespace are one sibling set."""
    source = data(
        f"<host xmlns='{OTHER}'>h1</host><place xmlns='{OTHER}'>p</place><place xmlns='urn:b'>q</place>"
    )

    def select(subtree: str) -> list[str | None]:
        return [node.text for node in apply_filter(source, etree.fromstring(f"<filter>{subtree}</filter>"))]

    assert select(f"<host xmlns='{OTHER}'>h1</host>") == ["h1", "p"]
    assert select(f"<host xmlns='{OTHER}'>h1</host><place xmlns='{OTHER}'/>") == ["h1", "p"]
    assert select(f"<host xmlns='{OTHER}'>h2</host><place xmlns='{OTHER}'/><place xmlns='urn:b'/>") == ["q"]


def leaf(name: str) -> SchemaNode:
    return SchemaNode(f"{{{CONFIG}}}{name}", Kind.LEAF)


def nodes(*members: SchemaNode) -> dict[str, SchemaNode]:
    return {member.tag: member for member in members}


USER = SchemaNode(
    f"{{{CONFIG}}}user",
    Kind.LIST,
    keys=(f"{{{CONFIG}}}name", f"{{{CONFIG}}}type"),
    children=nodes(
        leaf("name"),
        leaf("type"),
        leaf("full-name"),
        SchemaNode(f"{{{CONFIG}}}company-info", Kind.CONTAINER, children=nodes(leaf("dept"), leaf("id"))),
    ),
)
USERS = SchemaNode(f"{{{CONFIG}}}users", Kind.CONTAINER, children=nodes(USER))
SCHEMA = Schema(nodes(SchemaNode(f"{{{CONFIG}}}top", Kind.CONTAINER, children=nodes(USERS))))


def test_keys_come_along_where_the_schema_is_known() -> None:
    """RFC 6241 6.2.5: keys may come along; first and in order, and only where something else is selected."""
    subtree = users("<user><type/><company-info><id>3</id><dept/></company-info></user>")
    [top] = apply_filter(data(ALL), etree.fromstring(f"<filter>{subtree}</filter>"), SCHEMA)
    barney = top[0][2]
    assert [etree.QName(child).localname for child in barney] == ["name", "type", "company-info"]
    check(users("<user><shoe-size/></user>"), "", SCHEMA)


def test_the_result_is_a_copy_without_tails() -> None:
    """RFC 6241 6.4.1: without a filter everything is copied, and the datastore keeps what it has."""
    source = etree.fromstring(f"<data>\n <top xmlns='{CONFIG}'/>\n</data>")
    [top] = apply_filter(source, None)
    assert top.tail is None
    assert top.getparent() is None
    assert len(source) == 1


def naive(
    entries: list[tuple[str, str]], wanted: list[tuple[str | None, str | None]]
) -> list[tuple[str, str]]:
    return [
        entry
        for entry in entries
        if any(all(ask in (None, have) for ask, have in zip(want, entry, strict=True)) for want in wanted)
    ]


WORDS = st.sampled_from("abc")


@given(
    st.lists(st.tuples(WORDS, WORDS)),
    st.lists(st.tuples(st.none() | WORDS, st.none() | WORDS), min_size=1),
)
def test_content_matches_find_what_a_scan_finds(
    entries: list[tuple[str, str]], wanted: list[tuple[str | None, str | None]]
) -> None:
    """RFC 6241 6.2.5: any content matches of any entries, held against a plain scan."""
    source = data(users(*(f"<user><name>{name}</name><type>{kind}</type></user>" for name, kind in entries)))
    subtree = users(
        *(
            "<user>"
            + (f"<name>{name}</name>" if name else "")
            + (f"<type>{kind}</type>" if kind else "")
            + "</user>"
            for name, kind in wanted
        )
    )
    result = apply_filter(source, etree.fromstring(f"<filter>{subtree}</filter>"))
    found = [(user[0].text, user[1].text) for top in result for user in top[0]]
    assert found == naive(entries, wanted)


def test_ten_thousand_look_ups_in_ten_thousand_entries() -> None:
    """RFC 6241 6.2.5: ten thousand content matches in ten thousand entries are found by look-ups.

    Some 0.2 s of CPU; a scan for each would be 100 million comparisons.
    """
    names = [f"<user><name>u{i}</name><type>t</type></user>" for i in range(10_000)]
    asked = [f"<user><name>u{i}</name></user>" for i in reversed(range(10_000))]
    start = time.process_time()
    [top] = apply_filter(data(users(*names)), etree.fromstring(f"<filter>{users(*asked)}</filter>"))
    assert time.process_time() - start < 5.0
    assert len(top[0]) == 10_000
