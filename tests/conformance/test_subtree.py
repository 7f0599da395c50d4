"""Subtree filters (RFC 6241, 6), through the whole server: the RFC's examples on our own data.

Where they have users of types and departments, here are pools of scopes and policies.
"""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.trees import same_configuration
from tests.northbound_harness import Client, Endpoint, Refused
from tests.retrieval_world import (
    MONITORING,
    POOLS,
    edit,
    get,
    get_config,
    names,
    node,
    pool,
    serve,
    tops,
    values,
)

Content = str


async def both(client: Client, content: Content, attributes: str = "") -> tuple[Element, Element]:
    """The configuration that a filter selects, by get-config and out of get."""
    filtered = f"<filter {attributes}>{content}</filter>"
    return await get_config(client, filtered=filtered), await client.data(f"<get>{filtered}</get>")


def leafs(data: Element) -> list[str]:
    return [etree.QName(leaf).localname for leaf in data.iter("*") if not len(leaf)]


def pools(content: str) -> Content:
    return f'<pools xmlns="{POOLS}">{content}</pools>'


# --- Components of a filter (6.2) -----------------------------------------------------------------


async def test_namespace(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.1: a node of another namespace than the filter's is not selected"""
    client = await serve(endpoint)
    for data in await both(client, '<pools xmlns="urn:example"/>'):
        assert len(data) == 0


async def test_namespace_wildcard(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.1: a filter node without a namespace matches in all"""
    client = await serve(endpoint)
    for data in await both(client, '<pools xmlns=""><pool><name>kept</name></pool></pools>'):
        assert names(data) == ["kept"]
        assert values(data, "kept", "scope") == ["public"]


async def test_prefixes(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.1: a prefix of the client's is as good as a default namespace"""
    client = await serve(endpoint)
    for data in await both(
        client, f'<x:pools xmlns:x="{POOLS}"><x:pool><x:name>kept</x:name></x:pool></x:pools>'
    ):
        assert names(data) == ["kept"]


async def test_attribute_match(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.2: an attribute in a filter must be there: no node of ours has one"""
    client = await serve(endpoint)
    for data in await both(client, f'<pools xmlns="{POOLS}" xmlns:t="urn:t" t:name="x"/>'):
        assert len(data) == 0


async def test_containment(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.3: a containment node only leads the way"""
    client = await serve(endpoint)
    config, state = await both(client, pools("<pool><policy><quarantine/></policy></pool>"))
    assert leafs(config) == leafs(state) == ["name", "quarantine"]


async def test_selection(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.4: a selection node comes with all that is below it"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><policy/></pool>")):
        assert leafs(data) == ["name", "strategy", "quarantine"]


async def test_white_space(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.4: white space in a selection node does not make it a content match"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool>\n <policy> \n </policy>\n</pool>\n")):
        assert leafs(data) == ["name", "strategy", "quarantine"]


async def test_content_match(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: with content match nodes alone an entry comes whole"""
    client = await serve(endpoint)
    config, state = await both(client, pools("<pool><name>kept</name></pool>"))
    assert names(config) == names(state) == ["kept"]
    assert values(config, "kept", "policy/quarantine") == ["7200"]
    assert values(state, "kept", "usage/total-addresses") == ["256"]


async def test_content_match_with_white_space(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: white space around a value is ignored"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>\n  kept\t</name></pool>")):
        assert names(data) == ["kept"]


async def test_content_match_beside_selection(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: content match nodes decide for their siblings, and are part of the answer"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><scope>public</scope><prefix/></pool>")):
        assert names(data) == ["kept"]
        assert leafs(data) == ["name", "scope", "prefix"]


async def test_several_content_matches(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: all content match nodes of a set of siblings must hold"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>kept</name><scope>private</scope></pool>")):
        assert names(data) == []
    for data in await both(client, pools("<pool><family>ipv4</family><scope>public</scope></pool>")):
        assert names(data) == ["kept"]


async def test_content_match_of_a_list_of_values(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: of a leaf-list any value may match"""
    client = await serve(endpoint)
    await edit(client, pool("plain", "<prefix>10.2.0.0/16</prefix>"))
    await client.rpc("<commit/>")
    for prefix in ("10.0.0.0/16", "10.2.0.0/16"):
        for data in await both(client, pools(f"<pool><prefix>{prefix}</prefix></pool>")):
            assert names(data) == ["plain"]
            assert values(data, "plain", "prefix")


async def test_content_match_inside(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.5: a content match in a node within decides on what is beside it there alone"""
    client = await serve(endpoint)
    for data in await both(
        client, pools("<pool><name/><policy><quarantine>7200</quarantine></policy></pool>")
    ):
        assert names(data) == ["kept", "plain", "told"]
        assert values(data, "kept", "policy/strategy") == ["sparse"]


# --- Processing and examples (6.3, 6.4) -----------------------------------------------------------


async def test_no_filter(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.1: without a filter everything is selected"""
    client = await serve(endpoint)
    data = await client.data("<get/>")
    assert {"address-spaces", "pools", "nacm", "netconf-state", "yang-library"} <= set(tops(data))
    assert tops(await get_config(client)) == ["address-spaces", "pools", "nacm"]


async def test_empty_filter(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.2: an empty filter selects nothing"""
    client = await serve(endpoint)
    for data in (*await both(client, ""), *await both(client, "  \n ")):
        assert len(data) == 0


async def test_entire_subtree(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.3: a node that is selected comes with its whole subtree, however much of the way is named"""
    client = await serve(endpoint)
    (one, _), (other, _) = await both(client, pools("")), await both(client, pools("<pool/>"))
    assert names(one) == ["kept", "plain", "told"]
    assert same_configuration(one, other)


async def test_all_names(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.4: one leaf of every entry"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name/></pool>")):
        assert names(data) == ["kept", "plain", "told"]
        assert set(leafs(data)) == {"name"}


async def test_one_entry(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.5: one entry by its key"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>told</name></pool>")):
        assert names(data) == ["told"]


async def test_elements_of_one_entry(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.6: some elements of one entry"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>kept</name><family/><policy/></pool>")):
        assert leafs(data) == ["name", "family", "strategy", "quarantine"]


async def test_multiple_subtrees(endpoint: Endpoint) -> None:
    """RFC 6241 6.4.7: several filters of one list are one answer, each entry once and in order"""
    client = await serve(endpoint)
    content = pools(
        "<pool><name>told</name><prefix/></pool>"
        "<pool><name>kept</name><policy><quarantine/></policy></pool>"
        "<pool><name>kept</name><scope/></pool>"
    )
    for data in await both(client, content):
        assert names(data) == ["kept", "told"]
        kept = node(data, "kept", "name").getparent()
        assert kept is not None
        assert leafs(kept) == ["name", "scope", "quarantine"]


async def test_several_roots(endpoint: Endpoint) -> None:
    """RFC 6241 6.3: sets of siblings of several modules are each answered"""
    client = await serve(endpoint)
    content = pools("<pool><name>kept</name></pool>") + f'<address-spaces xmlns="{POOLS}"/>'
    content += f'<netconf-state xmlns="{MONITORING}"><statistics/></netconf-state>'
    config, state = await both(client, content)
    assert tops(config) == ["address-spaces", "pools"]
    assert set(tops(state)) == {"address-spaces", "pools", "netconf-state"}


async def test_nothing_selected(endpoint: Endpoint) -> None:
    """RFC 6241 6.3: where nothing matches the answer is an empty data, and no way to it"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>no-such</name></pool>")):
        assert len(data) == 0


async def test_state(endpoint: Endpoint) -> None:
    """RFC 6241 6: state is filtered as configuration is, and decides as well"""
    client = await serve(endpoint)
    data = await get(client, pools("<pool><usage><total-addresses>256</total-addresses></usage></pool>"))
    assert names(data) == ["kept"]
    assert values(data, "kept", "usage/free-addresses") == ["256"]


async def test_the_candidate(endpoint: Endpoint) -> None:
    """RFC 6241 7.1: the filter is held against the datastore that is asked for"""
    client = await serve(endpoint)
    await edit(client, pool("plain", "<scope>public</scope>"))
    filtered = f"<filter>{pools('<pool><scope>public</scope></pool>')}</filter>"
    assert names(await get_config(client, "candidate", "", filtered)) == ["kept", "plain"]
    assert names(await get_config(client, "running", "", filtered)) == ["kept"]


# --- The argument (7.1, 7.7) ----------------------------------------------------------------------


@pytest.mark.parametrize("attributes", ['type="subtree"', f'xmlns:nc="{BASE}" nc:type="subtree"', ""])
async def test_type(endpoint: Endpoint, attributes: str) -> None:
    """RFC 6241 7.1: a filter is a subtree filter where it does not say otherwise, with the attribute's two forms"""
    client = await serve(endpoint)
    for data in await both(client, pools("<pool><name>kept</name></pool>"), attributes):
        assert names(data) == ["kept"]


@pytest.mark.parametrize(
    ("argument", "tag"),
    [
        ('<filter type="regex"/>', "bad-attribute"),
        ('<filter kind="subtree"/>', "unknown-attribute"),
        ("<filter/><filter/>", "bad-element"),
        ('<filter xmlns="urn:example"/>', "unknown-namespace"),
    ],
)
async def test_wrong_filter(endpoint: Endpoint, argument: str, tag: str) -> None:
    """RFC 6241 A: a filter that cannot be understood is refused, not taken for none"""
    client = await serve(endpoint)
    for operation in (
        f"<get>{argument}</get>",
        f"<get-config><source><running/></source>{argument}</get-config>",
    ):
        with pytest.raises(Refused) as caught:
            await client.rpc(operation)
        assert caught.value.tags == [tag]
