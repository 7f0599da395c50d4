"""The datastores of NMDA (RFC 8342) and the operations on them (RFC 8526), through the whole server."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import same_configuration
from tests.northbound_harness import Client, Endpoint, Refused
from tests.retrieval_world import (
    BOUND,
    DEFAULT,
    MONITORING,
    NACM,
    NMDA,
    ORIGIN,
    POOLS,
    edit,
    get,
    get_config,
    get_data,
    locals_of,
    names,
    node,
    pool,
    serve,
    subtree,
    tops,
    values,
)

POOL = f'<pools xmlns="{POOLS}"><pool><name>plain</name></pool></pools>'
LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
TRIM = "<with-defaults>trim</with-defaults>"


async def refused(client: Client, arguments: str, datastore: str = "operational") -> Refused:
    with pytest.raises(Refused) as caught:
        await get_data(client, datastore, arguments)
    return caught.value


async def refused_rpc(client: Client, operation: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    return caught.value


def datastore(name: str) -> str:
    return f"<datastore {BOUND}>ds:{name}</datastore>"


def leafs(data: Element) -> list[str]:
    """The local names of all nodes that hold no others, in order."""
    return [etree.QName(leaf).localname for leaf in data.iter("*") if not len(leaf)]


# --- Datastores -----------------------------------------------------------------------------------


async def test_conventional_datastores(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: get-data reads running and the candidate as get-config does"""
    client = await serve(endpoint)
    await edit(client, pool("plain", "<description>draft</description>"))
    for name in ("running", "candidate"):
        assert same_configuration(await get_data(client, name), await get_config(client, name))
    assert values(await get_data(client, "running"), "plain", "description") == []
    assert values(await get_data(client, "candidate"), "plain", "description") == ["draft"]


async def test_intended(endpoint: Endpoint) -> None:
    """RFC 8342 5.1.4: without templates and inactive configuration intended is running"""
    client = await serve(endpoint)
    assert same_configuration(await get_data(client, "intended"), await get_data(client, "running"))


async def test_operational(endpoint: Endpoint) -> None:
    """RFC 8342 5.3: operational has the configuration in use, and state"""
    client = await serve(endpoint)
    data = await get_data(client, "operational")
    assert values(data, "kept", "policy/quarantine") == ["7200"]
    assert values(data, "kept", "usage/total-addresses") == ["256"]
    assert {"pools", "nacm", "netconf-state", "yang-library", "streams"} <= set(tops(data))


async def test_operational_in_a_confirmed_commit(endpoint: Endpoint) -> None:
    """RFC 8342 5.3: operational is as running is while a confirmed commit is pending"""
    client = await serve(endpoint)
    await edit(client, pool("plain", "<description>tried</description>"))
    await client.rpc("<commit><confirmed/></commit>")
    for name in ("running", "intended", "operational"):
        assert values(await get_data(client, name), "plain", "description") == ["tried"]
    await client.rpc("<cancel-commit/>")
    for name in ("running", "intended", "operational"):
        assert values(await get_data(client, name), "plain", "description") == []


async def test_datastores_of_the_library(endpoint: Endpoint) -> None:
    """RFC 8525 3: yang-library lists the datastores that get-data reads"""
    client = await endpoint.open()
    data = await get(client, f'<yang-library xmlns="{LIBRARY}"><datastore/></yang-library>')
    found = [
        str(leaf.text).rpartition(":")[2]
        for leaf in data.iterfind(f"*/{{{LIBRARY}}}datastore/{{{LIBRARY}}}name")
    ]
    assert sorted(found) == ["candidate", "intended", "operational", "running"]
    for name in found:
        await get_data(client, name, subtree(POOL))


@pytest.mark.parametrize(
    "name",
    ["ds:startup", "ds:conventional", "ds:datastore", "ds:none", "running", "or:running", "no:running", ""],
)
async def test_unknown_datastore(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.1.1: a datastore that the server does not have is an invalid-value"""
    client = await endpoint.open()
    refusal = await refused_rpc(client, f"<get-data {BOUND}><datastore>{name}</datastore></get-data>")
    assert refusal.tags == ["invalid-value"]
    assert refusal.paths == ["/nc:rpc/ietf-netconf-nmda:get-data/ietf-netconf-nmda:datastore"]


async def test_identity_in_scope(endpoint: Endpoint) -> None:
    """RFC 7950 9.10.3: the prefix of a datastore is bound where it stands, to any word"""
    client = await serve(endpoint)
    reply = await client.rpc(
        f'<get-data xmlns="{NMDA}"><datastore xmlns:x="urn:ietf:params:xml:ns:yang:ietf-datastores"> x:running '
        "</datastore></get-data>"
    )
    assert reply.find(f"{{{NMDA}}}data/{{{POOLS}}}pools") is not None


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [
        ("", "missing-element"),
        (f"{datastore('running')}{datastore('running')}", "bad-element"),
        (f"{datastore('running')}<source/>", "unknown-element"),
        (f'{datastore("running")}<filter xmlns="urn:example"/>', "unknown-namespace"),
        (f"{datastore('running')}<with-defaults>most</with-defaults>", "invalid-value"),
    ],
)
async def test_wrong_arguments(endpoint: Endpoint, arguments: str, tag: str) -> None:
    """RFC 7950 8.3.1: what get-data does not know is refused, and what it needs must be there"""
    client = await endpoint.open()
    assert (await refused_rpc(client, f"<get-data {BOUND}>{arguments}</get-data>")).tags == [tag]


# --- Filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["running", "candidate", "intended", "operational"])
async def test_subtree_filter(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.1.1: subtree-filter selects as a filter of RFC 6241 does"""
    client = await serve(endpoint)
    assert names(await get_data(client, name, subtree(POOL))) == ["plain"]


@pytest.mark.parametrize("name", ["running", "candidate", "intended", "operational"])
async def test_xpath_filter(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.1.1: xpath-filter has the namespaces that are in scope where it stands"""
    client = await serve(endpoint)
    expression = "/x:pools/x:pool[x:scope='public']"
    argument = f'<xpath-filter xmlns:x="{POOLS}">{expression}</xpath-filter>'
    assert names(await get_data(client, name, argument)) == ["kept"]


async def test_one_filter(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: filter-spec is a choice"""
    client = await serve(endpoint)
    refusal = await refused(client, f'{subtree(POOL)}<xpath-filter xmlns:x="{POOLS}">/x:pools</xpath-filter>')
    assert refusal.tags == ["bad-element"]


@pytest.mark.parametrize("expression", ["/x:pools[", "1 + 1", "/y:pools", ""])
async def test_wrong_xpath(endpoint: Endpoint, expression: str) -> None:
    """RFC 8526 3.1.1: get-data fails where the expression gives no set of nodes"""
    client = await serve(endpoint)
    refusal = await refused(client, f'<xpath-filter xmlns:x="{POOLS}">{expression}</xpath-filter>')
    assert refusal.tags == ["invalid-value"]


async def test_empty_filter(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: what selects nothing gives an empty data"""
    client = await serve(endpoint)
    assert len(await get_data(client, "operational", "<subtree-filter/>")) == 0


# --- config-filter --------------------------------------------------------------------------------


async def test_config_true(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: config-filter true selects configuration alone"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", f"<config-filter>true</config-filter>{TRIM}")
    assert same_configuration(data, await get_config(client))


async def test_config_false(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: config-filter false selects state, with the nodes and keys around it"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", f"{subtree()}<config-filter>false</config-filter>")
    assert names(data) == ["kept", "plain", "told"]
    entry = node(data, "plain", "name").getparent()
    assert entry is not None
    assert locals_of(entry) == ["name", "usage"]


async def test_config_false_of_configuration(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: a conventional datastore has no state to select"""
    client = await serve(endpoint)
    for name in ("running", "candidate", "intended"):
        assert len(await get_data(client, name, "<config-filter>false</config-filter>")) == 0
        assert names(await get_data(client, name, "<config-filter>true</config-filter>"))


async def test_state_decides_on_configuration(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: the filters are held against all nodes, and config-filter is one more"""
    client = await serve(endpoint)
    expression = "/x:pools/x:pool[x:usage/x:total-addresses=256]"
    argument = f'<xpath-filter xmlns:x="{POOLS}">{expression}</xpath-filter>'
    data = await get_data(client, "operational", f"{argument}<config-filter>true</config-filter>")
    assert names(data) == ["kept"]
    assert "usage" not in [etree.QName(found).localname for found in data.iter("*")]


@pytest.mark.parametrize("word", ["yes", "1", "True", ""])
async def test_wrong_config_filter(endpoint: Endpoint, word: str) -> None:
    """RFC 7950 9.5.1: a boolean is true or false"""
    client = await serve(endpoint)
    assert (await refused(client, f"<config-filter>{word}</config-filter>")).tags == ["invalid-value"]


# --- max-depth ------------------------------------------------------------------------------------


async def test_depth_of_one(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: a depth of 1 gives the selected nodes without children"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", "<max-depth>1</max-depth>")
    assert "pools" in tops(data)
    assert all(len(top) == 0 for top in data)


async def test_depth_is_counted_from_what_is_selected(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: levels are counted for each node that the filter selects, whose ancestors come along"""
    client = await serve(endpoint)
    wanted = f'<pools xmlns="{POOLS}"><pool><name>kept</name><policy/></pool></pools>'
    one = await get_data(client, "running", f"{subtree(wanted)}<max-depth>1</max-depth>")
    two = await get_data(client, "running", f"{subtree(wanted)}<max-depth>2</max-depth>")
    assert leafs(one) == ["name", "policy"]
    assert leafs(two) == ["name", "strategy", "quarantine"]


async def test_depth_and_keys(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: the keys of an entry are always there"""
    client = await serve(endpoint)
    data = await get_data(client, "running", f"{subtree()}<max-depth>2</max-depth>")
    assert names(data) == ["kept", "plain", "told"]
    assert set(leafs(data)) == {"name"}


async def test_depth_with_xpath(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: so it is with xpath-filter"""
    client = await serve(endpoint)
    argument = f'<xpath-filter xmlns:x="{POOLS}">//x:pool[x:name="kept"]</xpath-filter>'
    data = await get_data(client, "running", f"{argument}<max-depth>2</max-depth>")
    assert leafs(data) == ["name", "address-space", "family", "scope", "prefix", "policy"]


@pytest.mark.parametrize("depth", ["65535", "unbounded", " unbounded "])
async def test_no_end(endpoint: Endpoint, depth: str) -> None:
    """RFC 8526 3.1.1: without a bound, as by default, all descendants are there"""
    client = await serve(endpoint)
    bounded = await get_data(client, "operational", f"{subtree()}<max-depth>{depth}</max-depth>")
    assert etree.tostring(bounded) == etree.tostring(await get_data(client, "operational", subtree()))


@pytest.mark.parametrize("depth", ["0", "65536", "-1", "all", "1.5", "", "99999999999999999999"])
async def test_wrong_depth(endpoint: Endpoint, depth: str) -> None:
    """RFC 8526 3.1.1: max-depth is from 1 to 65535, or unbounded"""
    client = await serve(endpoint)
    refusal = await refused(client, f"<max-depth>{depth}</max-depth>")
    assert refusal.tags == ["invalid-value"]
    assert refusal.paths == ["/nc:rpc/ietf-netconf-nmda:get-data/ietf-netconf-nmda:max-depth"]


# --- Origins --------------------------------------------------------------------------------------


def origin(element: Element) -> str | None:
    """The origin that an element says, by name; its prefix is held against what is bound."""
    value = element.get(ORIGIN)
    if value is None:
        return None
    prefix, _, name = value.partition(":")
    assert element.nsmap[prefix] == "urn:ietf:params:xml:ns:yang:ietf-origin"
    return str(name)


async def test_with_origin(endpoint: Endpoint) -> None:
    """RFC 8342 5.3.4: configuration at the top says where it comes from, state does not"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", "<with-origin/>")
    said = {etree.QName(top).localname: origin(top) for top in data}
    assert said["pools"] == said["nacm"] == "intended"
    assert said["netconf-state"] is None
    usage = node(data, "plain", "usage")
    assert {origin(found) for found in usage.iter("*")} == {None}


async def test_origin_of_defaults(endpoint: Endpoint) -> None:
    """RFC 8342 5.3.4: a value in use that nobody configured is of origin default, the rest is of its parent's"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", f"{subtree()}<with-origin/>")
    assert origin(node(data, "plain", "policy/quarantine")) == "default"
    assert origin(node(data, "kept", "policy/quarantine")) is None
    assert origin(node(data, "plain", "prefix")) is None


async def test_origin_and_tags(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: origins and tags of default data go together"""
    client = await serve(endpoint)
    arguments = f"{subtree()}<with-origin/><with-defaults>report-all-tagged</with-defaults>"
    leaf = node(await get_data(client, "operational", arguments), "plain", "scope")
    assert (origin(leaf), leaf.get(DEFAULT)) == ("default", "true")


@pytest.mark.parametrize("name", ["running", "candidate", "intended"])
async def test_origin_of_configuration(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.1.1: with-origin is an invalid-value for another datastore than operational"""
    client = await serve(endpoint)
    refusal = await refused(client, "<with-origin/>", name)
    assert refusal.tags == ["invalid-value"]
    assert str(refusal.paths[0]).endswith("ietf-netconf-nmda:with-origin")


async def test_origin_filter_intended(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: origin-filter takes configuration of that origin, and leaves state alone"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", f"{subtree()}<origin-filter>or:intended</origin-filter>")
    assert values(data, "kept", "policy/quarantine") == ["7200"]
    assert values(data, "plain", "policy/quarantine") == []
    assert values(data, "plain", "usage/total-addresses") == ["65536"]
    assert not [found for found in data.iter("*") if found.get(ORIGIN)]


async def test_origin_filter_default(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: ancestors and keys come along with what is of the origin"""
    client = await serve(endpoint)
    arguments = (
        f"{subtree(POOL)}<origin-filter>or:default</origin-filter><config-filter>true</config-filter>"
        "<with-origin/>"
    )
    data = await get_data(client, "operational", arguments)
    assert leafs(data) == ["name", "scope", "port-routed", "strategy", "quarantine", "lease-time"]
    assert origin(node(data, "plain", "scope")) == "default"


@pytest.mark.parametrize("named", ["or:system", "or:learned", "or:unknown", "or:dynamic"])
async def test_origin_filter_others(endpoint: Endpoint, named: str) -> None:
    """RFC 8526 3.1.1: where no configuration is of the origin, state is left"""
    client = await serve(endpoint)
    arguments = f"{subtree()}<origin-filter>{named}</origin-filter>"
    data = await get_data(client, "operational", arguments)
    state = await get_data(client, "operational", f"{subtree()}<config-filter>false</config-filter>")
    assert etree.tostring(data) == etree.tostring(state)


async def test_origin_filters(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: of several origins either will do, and every origin is derived from origin"""
    client = await serve(endpoint)
    whole = etree.tostring(await get_data(client, "operational", f"{subtree()}<with-origin/>"))
    for arguments in (
        "<origin-filter>or:intended</origin-filter><origin-filter>or:default</origin-filter>",
        "<origin-filter>or:origin</origin-filter>",
        "<negated-origin-filter>or:system</negated-origin-filter>",
    ):
        found = await get_data(client, "operational", f"{subtree()}{arguments}<with-origin/>")
        assert etree.tostring(found) == whole


async def test_negated_origin_filter(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: negated-origin-filter takes what is of none of the origins"""
    client = await serve(endpoint)
    wanted = "<origin-filter>or:intended</origin-filter>"
    unwanted = "".join(
        f"<negated-origin-filter>or:{name}</negated-origin-filter>" for name in ("default", "system")
    )
    one, other = [
        await get_data(client, "operational", f"{subtree()}{argument}") for argument in (wanted, unwanted)
    ]
    assert etree.tostring(one) == etree.tostring(other)


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [
        (
            "<origin-filter>or:system</origin-filter><negated-origin-filter>or:system</negated-origin-filter>",
            "bad-element",
        ),
        ("<origin-filter>or:mine</origin-filter>", "invalid-value"),
        ("<origin-filter>ds:system</origin-filter>", "invalid-value"),
        ("<origin-filter>intended</origin-filter>", "invalid-value"),
        ("<with-origin>yes</with-origin>", "bad-element"),
    ],
)
async def test_wrong_origins(endpoint: Endpoint, arguments: str, tag: str) -> None:
    """RFC 8526 3.1.1: origins are identities of ietf-origin, and filtered in one way"""
    client = await serve(endpoint)
    assert (await refused(client, arguments)).tags == [tag]


async def test_origin_filter_of_configuration(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: origin filters are there for operational alone (when)"""
    client = await serve(endpoint)
    refusal = await refused(client, "<origin-filter>or:intended</origin-filter>", "running")
    assert refusal.tags == ["unknown-element"]


# --- Access ---------------------------------------------------------------------------------------


async def test_access(endpoint: Endpoint) -> None:
    """RFC 8341 3.2.4: what a caller may not read is silently left out of every datastore"""
    client = await serve(endpoint)
    other = await endpoint.open("reader", groups=frozenset())
    assert "nacm" in tops(await get_data(client, "operational"))
    for name in ("running", "candidate", "intended", "operational"):
        for arguments in ("", "<max-depth>1</max-depth>", "<with-defaults>report-all</with-defaults>"):
            assert "nacm" not in tops(await get_data(other, name, arguments))


async def test_counters_of_access_control(endpoint: Endpoint) -> None:
    """RFC 8341 4: state among configuration that is only kept is in operational, and filtered there"""
    client = await serve(endpoint)
    wanted = subtree(f'<nacm xmlns="{NACM}"/>')
    data = await get_data(client, "operational", f"{wanted}<config-filter>false</config-filter>")
    assert leafs(data) == ["denied-operations", "denied-data-writes", "denied-notifications"]
    counters = await get_data(
        client, "operational", f'<xpath-filter xmlns:a="{NACM}">/a:nacm/a:denied-operations</xpath-filter>'
    )
    assert leafs(counters) == ["denied-operations"]
    assert (await get_data(client, "running", wanted)).find(f".//{{{NACM}}}denied-operations") is None


async def test_state_of_other_parts(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1: state of any module can be selected"""
    client = await serve(endpoint)
    expression = f'<xpath-filter xmlns:m="{MONITORING}">/m:netconf-state/m:sessions/m:session/m:username</xpath-filter>'
    data = await get_data(client, "operational", expression)
    assert [leaf.text for leaf in data.iter(f"{{{MONITORING}}}username")] == ["admin"]


# --- edit-data ------------------------------------------------------------------------------------


def edit_data(content: str, name: str = "candidate", more: str = "") -> str:
    return (
        f'<edit-data {BOUND} xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f"<datastore>ds:{name}</datastore>{more}<config>{content}</config></edit-data>"
    )


async def test_edit_data(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.2: edit-data edits the candidate as edit-config does"""
    client = await serve(endpoint)
    reply = await client.rpc(edit_data(pool("plain", "<description>new</description>")))
    assert locals_of(reply) == ["ok"]
    assert values(await get_data(client, "candidate"), "plain", "description") == ["new"]
    await client.rpc(edit_data(pool("plain", '<description nc:operation="delete"/>')))
    assert values(await get_data(client, "candidate"), "plain", "description") == []


async def test_default_operation_of_edit_data(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.2: default-operation is merge, replace or none"""
    client = await serve(endpoint)
    nothing = "<default-operation>none</default-operation>"
    refusal = await refused_rpc(client, edit_data(pool("new", ""), more=nothing))
    assert refusal.tags == ["data-missing"]
    await client.rpc(edit_data("", more="<default-operation>replace</default-operation>"))
    assert len(await get_config(client, "candidate")) == 0
    wrong = "<default-operation>delete</default-operation>"
    assert (await refused_rpc(client, edit_data("", more=wrong))).tags == ["bad-element"]


@pytest.mark.parametrize("name", ["running", "intended", "operational", "startup"])
async def test_edit_data_of_others(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.1.2: a datastore that cannot be written is an invalid-value"""
    client = await serve(endpoint)
    assert (await refused_rpc(client, edit_data(POOL, name))).tags == ["invalid-value"]


@pytest.mark.parametrize(
    ("arguments", "tag"),
    [
        ("<config/>", "missing-element"),
        (datastore("candidate"), "missing-element"),
        (f"{datastore('candidate')}<url>file:///etc/passwd</url>", "unknown-element"),
        (f"{datastore('candidate')}<config/><test-option>set</test-option>", "unknown-element"),
    ],
)
async def test_wrong_edit_data(endpoint: Endpoint, arguments: str, tag: str) -> None:
    """RFC 8526 3.1.2: edit-data needs a datastore and its content"""
    client = await serve(endpoint)
    assert (await refused_rpc(client, f"<edit-data {BOUND}>{arguments}</edit-data>")).tags == [tag]


async def test_edit_data_is_all_or_nothing(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.2: where an error occurs the datastore is as it was"""
    client = await serve(endpoint)
    content = pool("plain", "<description>new</description>") + POOL.replace("plain", "no-such").replace(
        "<pool>", '<pool nc:operation="delete">'
    ).replace("pools", "pools", 1)
    content = content.replace(f'</pools><pools xmlns="{POOLS}">', "")
    assert (await refused_rpc(client, edit_data(content))).tags == ["data-missing"]
    assert same_configuration(await get_config(client, "candidate"), await get_config(client))


async def test_edit_data_and_locks(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.2: edit-data stands behind others' locks and access rules"""
    client = await serve(endpoint)
    await client.rpc("<lock><target><candidate/></target></lock>")
    other = await endpoint.open("other")
    assert (await refused_rpc(other, edit_data(POOL))).tags == ["in-use"]
    reader = await endpoint.open("reader", groups=frozenset())
    assert (await refused_rpc(reader, edit_data(POOL))).tags == ["access-denied"]


# --- lock, unlock, validate -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["candidate", "running"])
async def test_lock_and_unlock(endpoint: Endpoint, name: str) -> None:
    """RFC 8526 3.2: lock and unlock take a datastore by its identity; the lock is the same"""
    client, other = await serve(endpoint), await endpoint.open("other")
    await client.rpc(f"<lock><target>{datastore(name)}</target></lock>")
    for target in (datastore(name), f"<{name}/>"):
        assert (await refused_rpc(other, f"<lock><target>{target}</target></lock>")).tags == ["lock-denied"]
    await client.rpc(f"<unlock><target><{name}/></target></unlock>")
    await other.rpc(f"<lock><target><{name}/></target></lock>")
    await other.rpc(f"<unlock><target>{datastore(name)}</target></unlock>")


@pytest.mark.parametrize("name", ["operational", "intended", "startup", "none"])
@pytest.mark.parametrize("operation", ["lock", "unlock"])
async def test_lock_of_others(endpoint: Endpoint, operation: str, name: str) -> None:
    """RFC 8526 3.2: a datastore that cannot be locked is an invalid-value"""
    client = await endpoint.open()
    refusal = await refused_rpc(client, f"<{operation}><target>{datastore(name)}</target></{operation}>")
    assert refusal.tags == ["invalid-value"]


async def test_lock_of_two(endpoint: Endpoint) -> None:
    """RFC 8526 3.2: the datastore is a case of the choice"""
    client = await endpoint.open()
    target = f"<target>{datastore('running')}<candidate/></target>"
    assert (await refused_rpc(client, f"<lock>{target}</lock>")).tags == ["bad-element"]


async def test_validate(endpoint: Endpoint) -> None:
    """RFC 8526 3.2: validate takes a datastore by its identity"""
    client = await serve(endpoint)
    for name in ("running", "candidate"):
        await client.rpc(f"<validate><source>{datastore(name)}</source></validate>")
    for name in ("operational", "startup"):
        refusal = await refused_rpc(client, f"<validate><source>{datastore(name)}</source></validate>")
        assert refusal.tags == ["invalid-value"]
