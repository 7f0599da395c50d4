"""With-defaults (RFC 6243), through the whole server. What mtu is in the examples of its appendix A is quarantine here:
the client set it in `kept` and in `told`, where it is the default, and nobody did in `plain`."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import same_configuration
from casm_ctrl.yang.engine import forest
from tests.northbound_harness import Client, Endpoint, Refused
from tests.retrieval_world import (
    CONTENT,
    DEFAULT,
    DEVICES,
    MONITORING,
    NACM,
    POOLS,
    edit,
    get,
    get_config,
    get_data,
    mode,
    names,
    node,
    pool,
    serve,
    subtree,
    tops,
    values,
)

CAPABILITY = "urn:ietf:params:netconf:capability:with-defaults:1.0"
QUARANTINE = "policy/quarantine"
SESSIONS = f'<netconf-state xmlns="{MONITORING}"><statistics/></netconf-state>'


def quarantines(data: Element) -> dict[str, list[str]]:
    return {name: values(data, name, QUARANTINE) for name in ("kept", "plain", "told")}


async def refused(client: Client, operation: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    return caught.value


async def refused_edit(client: Client, content: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await edit(client, content)
    return caught.value


# --- What is announced ----------------------------------------------------------------------------


async def test_capability(endpoint: Endpoint) -> None:
    """RFC 6243 4.3: the capability says the basic mode, and which others there are"""
    client = await endpoint.open()
    (found,) = [uri for uri in client.hello.capabilities if uri.startswith(CAPABILITY)]
    parameters = dict(part.split("=") for part in found.partition("?")[2].split("&"))
    assert parameters["basic-mode"] == "trim"
    assert set(parameters["also-supported"].split(",")) == {"report-all", "report-all-tagged"}


async def test_module(endpoint: Endpoint) -> None:
    """RFC 6243 4.3: the module is among those that the server has"""
    client = await endpoint.open()
    reply = await client.rpc(
        f'<get-schema xmlns="{MONITORING}"><identifier>ietf-netconf-with-defaults</identifier></get-schema>'
    )
    assert "typedef with-defaults-mode" in "".join(str(text) for text in reply.itertext())


# --- The basic mode -------------------------------------------------------------------------------


async def test_basic_mode_of_get(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.1: without the argument no configuration with its default value is reported"""
    data = await get(await serve(endpoint))
    assert quarantines(data) == {"kept": ["7200"], "plain": [], "told": []}
    assert values(data, "told", "scope") == [] == values(data, "told", "port-routed")


async def test_basic_mode_of_get_config(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.1: nor is it by get-config, of running and of the candidate before the commit"""
    client = await endpoint.open()
    await edit(client, CONTENT)
    assert quarantines(await get_config(client, "candidate")) == {"kept": ["7200"], "plain": [], "told": []}
    await client.rpc("<commit/>")
    assert quarantines(await get_config(client)) == {"kept": ["7200"], "plain": [], "told": []}


async def test_basic_mode_of_other_modules(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.1: nor is that of modules whose configuration is only kept"""
    client = await serve(endpoint)
    await edit(client, f'<nacm xmlns="{NACM}"><read-default>permit</read-default></nacm>')
    for source in ("candidate", "running"):
        data = await get_config(client, source)
        assert data.find(f"{{{NACM}}}nacm/{{{NACM}}}exec-default") is not None
        assert data.find(f"{{{NACM}}}nacm/{{{NACM}}}read-default") is None
        assert "*" not in [leaf.text for leaf in data.iter(f"{{{NACM}}}module-name")]


async def test_create_default_data(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.3: to create a node that has its default succeeds, for it does not exist"""
    client = await serve(endpoint)
    created = '<policy><quarantine nc:operation="create">3600</quarantine></policy>'
    await edit(client, pool("plain", created))
    await edit(client, pool("told", created))
    await client.rpc("<commit/>")
    assert quarantines(await get_config(client)) == {"kept": ["7200"], "plain": [], "told": []}


async def test_create_other_data(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.3: a node with another value than its default exists"""
    client = await serve(endpoint)
    for value in ("3600", "9000"):
        refusal = await refused_edit(
            client, pool("kept", f'<policy><quarantine nc:operation="create">{value}</quarantine></policy>')
        )
        assert refusal.tags == ["data-exists"]
        assert str(refusal.paths[0]).endswith(":policy/casm-pools:quarantine")


@pytest.mark.parametrize("name", ["plain", "told"])
async def test_delete_default_data(endpoint: Endpoint, name: str) -> None:
    """RFC 6243 2.2.3: to delete a node that has its default fails with data-missing"""
    client = await serve(endpoint)
    refusal = await refused_edit(
        client, pool(name, '<policy><quarantine nc:operation="delete">3600</quarantine></policy>')
    )
    assert refusal.tags == ["data-missing"]


async def test_remove_default_data(endpoint: Endpoint) -> None:
    """RFC 6241 7.2: to remove it is no error"""
    client = await serve(endpoint)
    await edit(client, pool("plain", '<policy><quarantine nc:operation="remove"/></policy>'))
    assert quarantines(await get_config(client, "candidate"))["plain"] == []


async def test_delete_gives_default(endpoint: Endpoint) -> None:
    """RFC 6243 2.2.3: what is deleted has its default afterwards"""
    client = await serve(endpoint)
    await edit(client, pool("kept", '<policy><quarantine nc:operation="delete"/></policy>'))
    await client.rpc("<commit/>")
    assert quarantines(await get(client))["kept"] == []
    assert quarantines(await get(client, defaults="report-all"))["kept"] == ["3600"]


@pytest.mark.parametrize("value", ["3600", "+3600", "03600"])
async def test_set_to_default(endpoint: Endpoint, value: str) -> None:
    """RFC 6243 2.2.3: a node that is set to its default, however it is written, is as good as deleted"""
    client = await serve(endpoint)
    await edit(client, pool("kept", f"<policy><quarantine>{value}</quarantine></policy>"))
    assert quarantines(await get_config(client, "candidate"))["kept"] == []
    await client.rpc("<commit/>")
    assert quarantines(await get_config(client))["kept"] == []


# --- The modes ------------------------------------------------------------------------------------


async def test_report_all(endpoint: Endpoint) -> None:
    """RFC 6243 3.1: report-all reports every node, as in the example of A.3.1"""
    data = await get(await serve(endpoint), defaults="report-all")
    assert quarantines(data) == {"kept": ["7200"], "plain": ["3600"], "told": ["3600"]}
    assert values(data, "plain", "scope") == ["private"]
    assert values(data, "kept", "scope") == ["public"]
    assert not [leaf for leaf in data.iter("*") if leaf.get(DEFAULT)]


async def test_report_all_in_order(endpoint: Endpoint) -> None:
    """RFC 7950 7.8.5: what is filled in stands in its place, and makes the document no less valid"""
    client = await serve(endpoint)
    for defaults in ("report-all", "report-all-tagged"):
        data = await get_config(client, defaults=defaults)
        for leaf in data.iter("*"):
            leaf.attrib.pop(DEFAULT, "")
        endpoint.server.models.engine.validate(forest(data))
        pool_of = node(data, "plain", "name").getparent()
        assert pool_of is not None
        found = [etree.QName(child).localname for child in pool_of]
        order = [etree.QName(tag).localname for tag in _pool_node(endpoint)]
        assert found == sorted(found, key=order.index)


def _pool_node(endpoint: Endpoint) -> list[str]:
    pools = endpoint.server.models.schema.roots[f"{{{POOLS}}}pools"]
    return list(pools.children[f"{{{POOLS}}}pool"].children)


async def test_trim(endpoint: Endpoint) -> None:
    """RFC 6243 3.2: trim reports no node that has its default, as in the example of A.3.3"""
    client = await serve(endpoint)
    assert quarantines(await get(client, defaults="trim")) == {"kept": ["7200"], "plain": [], "told": []}


async def test_explicit(endpoint: Endpoint) -> None:
    """RFC 6243 3.3: a mode that is not announced is refused: who set a default is not kept here"""
    client = await serve(endpoint)
    refusal = await refused(client, f"<get>{mode('explicit')}</get>")
    assert refusal.tags == ["invalid-value"]
    assert refusal.paths == ["/nc:rpc/nc:get/ietf-netconf-with-defaults:with-defaults"]


async def test_report_all_tagged(endpoint: Endpoint) -> None:
    """RFC 6243 3.4: report-all-tagged marks default data, as in the example of A.3.2"""
    data = await get(await serve(endpoint), defaults="report-all-tagged")
    assert quarantines(data) == {"kept": ["7200"], "plain": ["3600"], "told": ["3600"]}
    assert node(data, "kept", QUARANTINE).get(DEFAULT) is None
    assert node(data, "plain", QUARANTINE).get(DEFAULT) == "true"
    assert node(data, "told", "scope").get(DEFAULT) == "true"
    tagged = [etree.QName(leaf).localname for leaf in data.iter("*") if leaf.get(DEFAULT)]
    assert set(tagged) == {"scope", "port-routed", "strategy", "quarantine", "lease-time"}


async def test_states_of_each_mode(endpoint: Endpoint) -> None:
    """RFC 6243 3.4: state is default data too, where it has its default"""
    client = await endpoint.open()
    counters = f".//{{{MONITORING}}}dropped-sessions"
    assert (await get(client, SESSIONS, "trim")).find(counters) is None
    (reported,) = (await get(client, SESSIONS, "report-all")).iterfind(counters)
    (tagged,) = (await get(client, SESSIONS, "report-all-tagged")).iterfind(counters)
    assert reported.text == tagged.text == "0"
    assert (reported.get(DEFAULT), tagged.get(DEFAULT)) == (None, "true")
    (other,) = (await get(client, SESSIONS, "report-all-tagged")).iterfind(f".//{{{MONITORING}}}in-sessions")
    assert other.text == "1"
    assert other.get(DEFAULT) is None


@pytest.mark.parametrize("source", ["running", "candidate"])
async def test_get_config(endpoint: Endpoint, source: str) -> None:
    """RFC 6243 4.5.1: get-config takes the argument"""
    data = await get_config(await serve(endpoint), source, "report-all-tagged")
    assert quarantines(data) == {"kept": ["7200"], "plain": ["3600"], "told": ["3600"]}
    assert node(data, "told", QUARANTINE).get(DEFAULT) == "true"
    assert data.find(f".//{{{POOLS}}}usage") is None


async def test_lists_below_lists(endpoint: Endpoint) -> None:
    """RFC 6243 3.1: defaults are reported wherever their parents are"""
    client = await serve(endpoint)
    await edit(
        client,
        f'<devices xmlns="{DEVICES}"><device><name>d</name><role>bng</role><driver>ietf-address-pool</driver>'
        "<host>192.0.2.1</host><user>u</user><credential>env:SECRET</credential>"
        "<address-space>s</address-space><device-pool><name>home</name><pool>plain</pool>"
        "<length>24</length></device-pool></device></devices>",
    )
    data = await get_config(client, "candidate", "report-all")
    device = f"{{{DEVICES}}}devices/{{{DEVICES}}}device/{{{DEVICES}}}"
    assert data.findtext(f"{device}port") == "830"
    assert data.findtext(f"{device}device-pool/{{{DEVICES}}}withdraw-when-unknown") == "operator"


async def test_containers(endpoint: Endpoint) -> None:
    """RFC 7950 7.5.1: a container without presence is there for its defaults, even at the top"""
    client = await serve(endpoint)
    await edit(client, f'<nacm xmlns="{NACM}" nc:operation="delete"/>')
    data = await get_config(client, "candidate", "report-all")
    assert tops(data) == ["address-spaces", "pools", "control", "alarms", "nacm"]
    assert data.findtext(f"{{{NACM}}}nacm/{{{NACM}}}exec-default") == "permit"
    assert tops(await get_config(client, "candidate")) == ["address-spaces", "pools"]


# --- The argument ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "tag"),
    [
        (mode("some"), "invalid-value"),
        (mode(""), "invalid-value"),
        (mode("trim") * 2, "bad-element"),
        (mode("<trim/>"), "bad-element"),
        ("<with-defaults>trim</with-defaults>", "unknown-element"),
        ('<with-defaults xmlns="urn:example">trim</with-defaults>', "unknown-namespace"),
    ],
)
async def test_wrong_arguments(endpoint: Endpoint, argument: str, tag: str) -> None:
    """RFC 6243 4.5.1: the argument is of the module's namespace, and one of its words"""
    client = await endpoint.open()
    for operation in (
        f"<get>{argument}</get>",
        f"<get-config><source><running/></source>{argument}</get-config>",
        f"<copy-config><target><candidate/></target><source><running/></source>{argument}</copy-config>",
    ):
        assert (await refused(client, operation)).tags == [tag]


async def test_white_space(endpoint: Endpoint) -> None:
    """RFC 7950 9.6.1: white space around the word does not count"""
    data = await get(await serve(endpoint), defaults="\n report-all \n")
    assert quarantines(data)["plain"] == ["3600"]


# --- Filters --------------------------------------------------------------------------------------


async def test_content_match(endpoint: Endpoint) -> None:
    """RFC 6243 4.5.1: a filter is held against what the mode reports, defaults too"""
    client = await serve(endpoint)
    private = f'<pools xmlns="{POOLS}"><pool><name/><scope>private</scope></pool></pools>'
    assert names(await get(client, private, "report-all")) == ["plain", "told"]
    assert names(await get(client, private, "report-all-tagged")) == ["plain", "told"]
    assert names(await get(client, private)) == []
    filtered = f"<filter>{private}</filter>"
    for source in ("running", "candidate"):
        assert names(await get_config(client, source, "report-all", filtered)) == ["plain", "told"]
        assert names(await get_config(client, source, "", filtered)) == []


async def test_selection_of_default(endpoint: Endpoint) -> None:
    """RFC 6241 6.2.4: a selection node selects default data, and nothing more than it says"""
    client = await serve(endpoint)
    wanted = f'<pools xmlns="{POOLS}"><pool><name>plain</name><policy><quarantine/></policy></pool></pools>'
    data = await get(client, wanted, "report-all")
    assert names(data) == ["plain"]
    assert [etree.QName(leaf).localname for leaf in data.iter("*") if not len(leaf)] == ["name", "quarantine"]
    assert "policy" not in [etree.QName(leaf).localname for leaf in (await get(client, wanted)).iter("*")]


async def test_xpath(endpoint: Endpoint) -> None:
    """RFC 6243 4.5.1: an expression sees the defaults that the mode reports"""
    client = await serve(endpoint)
    expression = "/p:pools/p:pool[p:policy/p:quarantine &lt; 7000]/p:name"
    filtered = f'<filter xmlns:p="{POOLS}" type="xpath" select="{expression}"/>'
    assert names(await client.data(f"<get>{filtered}{mode('report-all')}</get>")) == ["plain", "told"]
    assert names(await client.data(f"<get>{filtered}</get>")) == []
    assert names(await get_config(client, "candidate", "report-all", filtered)) == ["plain", "told"]


# --- Access ---------------------------------------------------------------------------------------


async def test_hidden_defaults(endpoint: Endpoint) -> None:
    """RFC 8341 3.2.4: default data is hidden as all other is"""
    client = await serve(endpoint)
    await edit(
        client,
        f'<nacm xmlns="{NACM}"><rule-list><name>hide</name><group>*</group><rule><name>policy</name>'
        f'<path xmlns:p="{POOLS}">/p:pools/p:pool/p:policy</path><action>deny</action></rule></rule-list></nacm>',
    )
    await client.rpc("<commit/>")
    other = await endpoint.open("reader", groups=frozenset())
    data = await get(other, defaults="report-all")
    assert values(data, "plain", "scope") == ["private"]
    assert data.find(f".//{{{POOLS}}}policy") is None
    wanted = f'<pools xmlns="{POOLS}"><pool><policy><quarantine>3600</quarantine></policy></pool></pools>'
    assert names(await get(other, wanted, "report-all")) == []
    assert (await get_config(other, "running", "report-all")).find(f"{{{NACM}}}nacm") is None


# --- Editing with the attribute -------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["merge", "replace"])
@pytest.mark.parametrize("word", ["true", "1"])
async def test_tagged_edit(endpoint: Endpoint, operation: str, word: str) -> None:
    """RFC 6243 4.5.2: what is tagged as default data is set back to its default"""
    client = await serve(endpoint)
    await edit(
        client,
        pool(
            "kept",
            f'<policy><quarantine nc:operation="{operation}" wd:default="{word}">3600</quarantine></policy>',
        ),
    )
    await client.rpc("<commit/>")
    assert quarantines(await get_config(client))["kept"] == []


async def test_tagged_create(endpoint: Endpoint) -> None:
    """RFC 6243 4.5.2: create with the tag fails where the node exists (data-exists by erratum 4688)"""
    client = await serve(endpoint)
    tagged = '<policy><quarantine nc:operation="create" wd:default="true">3600</quarantine></policy>'
    await edit(client, pool("plain", tagged))
    assert (await refused_edit(client, pool("kept", tagged))).tags == ["data-exists"]


async def test_tagged_other_value(endpoint: Endpoint) -> None:
    """RFC 6243 4.5.2: a tagged node with another value than its default is an invalid-value"""
    client = await serve(endpoint)
    refusal = await refused_edit(
        client, pool("plain", '<policy><quarantine wd:default="true">3601</quarantine></policy>')
    )
    assert refusal.tags == ["invalid-value"]
    assert str(refusal.paths[0]).endswith("[casm-pools:name='plain']/casm-pools:policy/casm-pools:quarantine")


async def test_tagged_without_default(endpoint: Endpoint) -> None:
    """RFC 6243 4.5.2: so is one that has no default"""
    client = await serve(endpoint)
    refusal = await refused_edit(client, pool("plain", '<description wd:default="true">x</description>'))
    assert refusal.tags == ["invalid-value"]


@pytest.mark.parametrize(
    ("leaf", "tag"),
    [
        ('<quarantine nc:operation="delete" wd:default="true">3600</quarantine>', "invalid-value"),
        ('<quarantine nc:operation="remove" wd:default="true">3600</quarantine>', "invalid-value"),
        ('<quarantine wd:default="yes">3600</quarantine>', "bad-attribute"),
    ],
)
async def test_wrong_tag(endpoint: Endpoint, leaf: str, tag: str) -> None:
    """RFC 6243 4.5.2: the tag is a boolean, and goes with create, merge and replace"""
    client = await serve(endpoint)
    assert (await refused_edit(client, pool("kept", f"<policy>{leaf}</policy>"))).tags == [tag]


@pytest.mark.parametrize("word", ["false", "0"])
async def test_untagged_edit(endpoint: Endpoint, word: str) -> None:
    """RFC 6243 4.5.2: a tag that is false says nothing"""
    client = await serve(endpoint)
    await edit(client, pool("plain", f'<policy><quarantine wd:default="{word}">60</quarantine></policy>'))
    assert quarantines(await get_config(client, "candidate"))["plain"] == ["60"]


@pytest.mark.parametrize("operation", ["edit-config", "copy-config"])
@pytest.mark.parametrize("defaults", ["report-all", "report-all-tagged", "trim"])
async def test_back_again(endpoint: Endpoint, defaults: str, operation: str) -> None:
    """RFC 6243 4.5.2: what was read in any mode may be written again, and changes nothing"""
    client = await serve(endpoint)
    before = await get_config(client)
    data = await get_config(client, defaults=defaults)
    content = "".join(etree.tostring(child, encoding="unicode") for child in data)
    config = f"<config>{content}</config>"
    if operation == "edit-config":
        await client.rpc(
            f"<edit-config><target><candidate/></target><default-operation>replace</default-operation>{config}"
            "</edit-config>"
        )
    else:
        await client.rpc(f"<copy-config><target><candidate/></target><source>{config}</source></copy-config>")
    assert same_configuration(before, await get_config(client, "candidate"))
    await client.rpc("<commit/>")
    assert same_configuration(before, await get_config(client))


@pytest.mark.parametrize("defaults", ["report-all", "report-all-tagged", "trim", "explicit"])
async def test_copy_config(endpoint: Endpoint, defaults: str) -> None:
    """RFC 6243 4.5.1: copy-config takes the argument, and ignores it where its target is a datastore"""
    client = await serve(endpoint)
    await edit(client, pool("plain", "<description>other</description>"))
    await client.rpc(
        f"<copy-config><target><candidate/></target><source><running/></source>{mode(defaults)}</copy-config>"
    )
    assert same_configuration(await get_config(client), await get_config(client, "candidate"))


# --- get-data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("datastore", ["running", "candidate", "intended"])
async def test_get_data(endpoint: Endpoint, datastore: str) -> None:
    """RFC 8526 3.1.1.2: get-data of a conventional datastore takes the argument, and trims without it"""
    client = await serve(endpoint)
    trimmed = {"kept": ["7200"], "plain": [], "told": []}
    filled = {"kept": ["7200"], "plain": ["3600"], "told": ["3600"]}
    assert quarantines(await get_data(client, datastore, subtree())) == trimmed
    for word, found in (("report-all", filled), ("report-all-tagged", filled), ("trim", trimmed)):
        argument = f"{subtree()}<with-defaults>{word}</with-defaults>"
        assert quarantines(await get_data(client, datastore, argument)) == found


async def test_get_data_of_operational(endpoint: Endpoint) -> None:
    """RFC 8526 3.1.1.2: with-operational-defaults: the modes go for operational too"""
    client = await serve(endpoint)
    assert client.hello.has("urn:ietf:params:netconf:capability:with-operational-defaults:1.0")
    trim = await get_data(client, "operational", f"{subtree()}<with-defaults>trim</with-defaults>")
    assert quarantines(trim) == {"kept": ["7200"], "plain": [], "told": []}
    tagged = await get_data(
        client, "operational", f"{subtree()}<with-defaults>report-all-tagged</with-defaults>"
    )
    assert node(tagged, "plain", QUARANTINE).get(DEFAULT) == "true"


async def test_values_in_use(endpoint: Endpoint) -> None:
    """RFC 8342 5.3: operational has the values in use, whatever the default is"""
    client = await serve(endpoint)
    data = await get_data(client, "operational", subtree())
    assert quarantines(data) == {"kept": ["7200"], "plain": ["3600"], "told": ["3600"]}
