"""XPath filters of get, get-config and get-data through the whole server (RFC 6241, 8.9; RFC 8526, 3.1.1)."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, XPATH, Element, nc
from casm_ctrl.service.configuration import (
    AddAccessMember,
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    Edit,
    ResetAccess,
    change,
)
from casm_ctrl.store.events import Author
from tests.northbound_harness import Client, Endpoint, Refused

POOLS, DEVICES = "urn:casm:yang:casm-pools", "urn:casm:yang:casm-devices"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
STORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
BOUND = f'xmlns:p="{POOLS}" xmlns:d="{DEVICES}"'


@pytest.fixture
async def client(endpoint: Endpoint) -> Client:
    """Two spaces with a pool each, and two devices with three device pools."""
    edits: list[Edit] = [AddSpace("one", "first"), AddSpace("two", "second")]
    edits += [AddPool("p1", "one", ("10.0.0.0/16",)), AddPool("p2", "two", ("10.1.0.0/16",))]
    for number, name in enumerate(("bng1", "bng2"), start=1):
        host = f"192.0.2.{number}"
        edits.append(AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:SECRET", "one"))
    edits += [AddDevicePool(label, ("p1",), 24) for label in ("bng1/a", "bng1/b", "bng2/a")]
    change(endpoint.database, Author("test"), edits)
    return await endpoint.open()


def quoted(select: str) -> str:
    return f"'{select}'" if '"' in select else f'"{select}"'


def get(select: str, bound: str = BOUND) -> str:
    return f'<get><filter type="xpath" {bound} select={quoted(select)}/></get>'


def get_config(select: str, source: str = "running", bound: str = BOUND) -> str:
    chosen = f'<filter type="xpath" {bound} select={quoted(select)}/>'
    return f"<get-config><source><{source}/></source>{chosen}</get-config>"


def get_data(select: str, more: str = "", datastore: str = "running") -> str:
    return (
        f'<get-data xmlns="{NMDA}" xmlns:ds="{STORES}"><datastore>ds:{datastore}</datastore>'
        f"<xpath-filter {BOUND}>{select}</xpath-filter>{more}</get-data>"
    )


def told(data: Element) -> list[str]:
    """The leaves of an answer in document order, each as its path of local names and its value."""
    found = []
    for leaf in data.iter("*"):
        if not len(leaf) and leaf is not data:
            above = [etree.QName(node).localname for node in leaf.iterancestors()]
            inner = above[: above.index("data")]
            found.append("/".join([*reversed(inner), f"{etree.QName(leaf).localname}={leaf.text or ''}"]))
    return found


async def config(client: Client, select: str, bound: str = BOUND) -> list[str]:
    return told(await client.data(get_config(select, bound=bound)))


async def refused(client: Client, operation: str) -> tuple[str | None, str]:
    """error-tag and error-message."""
    with pytest.raises(Refused) as found:
        await client.rpc(operation)
    [error] = found.value.errors
    return found.value.tags[0], error.findtext("{*}error-message") or ""


P1_SPACE = ["pools/pool/name=p1", "pools/pool/address-space=one"]
ALL_SPACES = [
    f"pools/pool/{leaf}" for leaf in ("name=p1", "address-space=one", "name=p2", "address-space=two")
]


async def test_the_capability_is_announced(client: Client) -> None:
    """RFC 6241 8.9.3: the :xpath capability, and the feature of ietf-netconf that goes with it"""
    assert client.hello.has(XPATH)
    [own] = [one for one in client.hello.capabilities if "module=ietf-netconf&" in one]
    assert "xpath" in own.partition("features=")[2].split("&")[0].split(",")


async def test_a_subtree_is_selected(client: Client) -> None:
    """RFC 6241 8.9.1: the answer is the subtrees that the expression selects, with the way to them"""
    found = await client.data(get_config("/p:pools/p:pool[p:name='p1']/p:address-space"))
    assert told(found) == P1_SPACE
    assert [node.tag for node in found] == [f"{{{POOLS}}}pools"]


async def test_a_selected_node_comes_whole(client: Client) -> None:
    """RFC 6241 8.9.1: all that is below a selected node is selected with it"""
    found = await config(client, "/p:pools/p:pool[p:name='p1']")
    assert found == [*P1_SPACE, "pools/pool/family=ipv4", "pools/pool/prefix=10.0.0.0/16"]


async def test_keys_come_along(client: Client) -> None:
    """RFC 6241 8.9.1: what identifies an entry on the way is in the answer, at each level"""
    found = await config(client, "//d:device-pool[d:name='b']/d:pool")
    assert found == [
        "devices/device/name=bng1",
        "devices/device/device-pool/name=b",
        "devices/device/device-pool/pool=p1",
    ]


async def test_nothing_comes_twice(client: Client) -> None:
    """RFC 6241 8.9.1: data instances that several parts of an expression select come once"""
    both = "//p:pool[p:name='p1'] | /p:pools/p:pool[1] | //p:pool/p:name | //p:address-space[.='one']/.."
    found = await config(client, both)
    assert found.count("pools/pool/name=p1") == 1
    assert found.count("pools/pool/address-space=one") == 1
    assert [line for line in found if "p2" in line] == ["pools/pool/name=p2"]


async def test_document_order(client: Client) -> None:
    """RFC 6241 8.9.1: a union comes in the order of the datastore, not of the expression"""
    found = await client.data(get_config("/d:devices/d:device/d:name | //p:pool/p:name | //p:address-space"))
    wanted = await client.data("<get-config><source><running/></source></get-config>")
    tops = [node.tag for node in found]
    assert tops == [node.tag for node in wanted if node.tag in tops]
    names = [str(leaf.text) for leaf in found.iter(f"{{{POOLS}}}pool")]
    assert len(names) == 2


async def test_a_relative_path(client: Client) -> None:
    """RFC 6241 8.9.1: the context node is the root node, so a relative path begins where an absolute one does"""
    assert await config(client, "p:pools/p:pool[p:name='p1']/p:address-space") == P1_SPACE
    assert await config(client, "./p:pools/p:pool[p:name='p1']/p:address-space") == P1_SPACE
    assert await config(client, "child::p:pools/child::p:pool[p:name='p1']/p:address-space") == P1_SPACE


async def test_the_root_node(client: Client) -> None:
    """RFC 6241 8.9.1: the root node is above all top-level nodes, and selects all; nothing is above it"""
    everything = told(await client.data("<get-config><source><running/></source></get-config>"))
    assert await config(client, "/") == everything
    assert await config(client, "/*/..") == everything
    assert await config(client, "/*") == everything
    assert await config(client, "/..") == []


async def test_namespaces_of_the_filter(client: Client) -> None:
    """RFC 6241 8.9.1: prefixes are those in scope of the filter, whatever others use for the same namespace"""
    bound = f'xmlns:d="{POOLS}"'
    assert await config(client, "/d:pools/d:pool[d:name='p1']/d:address-space", bound) == P1_SPACE


async def test_namespaces_of_outer_elements(client: Client) -> None:
    """RFC 6241 8.9.1: bindings of <get-config> are in scope of the filter, and its own go before"""
    select = "/p:pools/p:pool[p:name='p1']/p:address-space"
    outer = get_config(select, bound="").replace("<get-config>", f'<get-config xmlns:p="{POOLS}">')
    assert told(await client.data(outer)) == P1_SPACE
    inner = get_config(select, bound=f'xmlns:p="{POOLS}"')
    assert told(await client.data(inner.replace("<get-config>", '<get-config xmlns:p="urn:x">'))) == P1_SPACE


async def test_namespaces_of_the_rpc(client: Client) -> None:
    """RFC 6241 8.9.1: bindings of <rpc> are in scope of the filter"""
    select = "/p:pools/p:pool[p:name='p1']/p:address-space"
    client.send(
        f'<x:rpc message-id="1" xmlns:x="{BASE}" xmlns:p="{POOLS}"><x:get><x:filter type="xpath" '
        f'select="{select}"/></x:get></x:rpc>'.encode()
    )
    reply = await client.next_reply()
    data = reply.find(nc("data"))
    assert data is not None
    assert told(data) == P1_SPACE


async def test_a_qualified_type_and_select(client: Client) -> None:
    """RFC 6241 8.9.5: attributes with the prefix of the base namespace are taken too, as old clients write them"""
    select = "/p:pools/p:pool[p:name='p1']/p:address-space"
    chosen = f'<nc:filter xmlns:nc="{BASE}" nc:type="xpath" {BOUND} nc:select="{select}"/>'
    assert told(await client.data(f"<get>{chosen}</get>")) == P1_SPACE


async def test_a_name_without_a_prefix(client: Client) -> None:
    """RFC 6241 8.9.1: a name without a prefix is one in any namespace, as in a subtree filter; a default namespace
    does not count"""
    assert await config(client, "/pools/pool[name='p1']/address-space", "") == P1_SPACE
    assert await config(client, "/p:pools/pool[name='p1']/p:address-space") == P1_SPACE
    assert await config(client, "/pools/pool[name='p1']/address-space", f'xmlns:p="{POOLS}"') == P1_SPACE


async def test_a_wildcard(client: Client) -> None:
    """RFC 6241 8.9.1: XPath's own wildcards, for a namespace and for all"""
    spaces = ["address-spaces/address-space/name=one", "address-spaces/address-space/name=two"]
    found = await config(client, "/p:*/*/p:name")
    assert found == [*spaces, "pools/pool/name=p1", "pools/pool/name=p2"]


async def test_two_kinds_of_quotes(client: Client) -> None:
    """RFC 6241 8.9.1: literals in either kind of quotes"""
    assert await config(client, '/p:pools/p:pool[p:name="p1"]/p:address-space') == P1_SPACE
    text = get_config("/p:pools/p:pool[p:name=&quot;p1&quot;]/p:address-space")
    assert told(await client.data(text)) == P1_SPACE


async def test_several_predicates(client: Client) -> None:
    """RFC 6241 8.9.1: predicates are applied one after the other"""
    found = await config(client, "//p:pool[p:family='ipv4'][p:address-space='two'][1]/p:address-space")
    assert found == ALL_SPACES[2:]
    assert await config(client, "//p:pool[p:name='p1'][p:address-space='two']") == []
    found = await config(client, "//p:pool[p:name='p1' and p:address-space='one']/p:address-space")
    assert found == P1_SPACE
    found = await config(client, "/p:pools/p:pool[p:name='p1' or p:name='p2']/p:address-space")
    assert found == ALL_SPACES


async def test_positions(client: Client) -> None:
    """RFC 6241 8.9.1: position() and last() count the entries that the step and the predicates before it leave"""
    one, two = P1_SPACE, ALL_SPACES[2:]
    for predicate, expected in (
        ("[1]", one),
        ("[2]", two),
        ("[3]", []),
        ("[last()]", two),
        ("[position() = 1]", one),
        ("[position() &lt; last()]", one),
        ("[p:name='p2'][1]", two),
        ("[2][p:name='p2']", two),
        ("[1][p:name='p2']", []),
        ("[count(//p:pool)]", two),
    ):
        assert await config(client, f"/p:pools/p:pool{predicate}/p:address-space") == expected, predicate


async def test_the_way_up(client: Client) -> None:
    """RFC 6241 8.9.1: parents, ancestors and siblings may be selected"""
    pool = [*P1_SPACE, "pools/pool/family=ipv4", "pools/pool/prefix=10.0.0.0/16"]
    assert await config(client, "//p:address-space[.='one']/..") == pool
    assert await config(client, "//p:name[.='p1']/parent::p:pool") == pool
    assert await config(client, "//p:prefix[.='10.0.0.0/16']/ancestor::p:pool") == pool
    assert await config(client, "/p:pools/p:pool[p:name='p2']/preceding-sibling::p:pool") == pool
    found = await config(client, "/p:pools/p:pool[p:name='p1']/p:name/following-sibling::*[1]")
    assert found == P1_SPACE


async def test_a_predicate_that_looks_elsewhere(client: Client) -> None:
    """RFC 6241 8.9.1: an expression may join what stands in different top-level nodes"""
    found = await config(client, "/p:pools/p:pool[p:name = //d:device-pool/d:pool]/p:address-space")
    assert found == P1_SPACE
    found = await config(
        client, "/p:address-spaces/p:address-space[p:name = //p:pool[2]/p:address-space]/p:name"
    )
    assert found == ["address-spaces/address-space/name=two"]
    found = await config(client, "/d:devices/d:device[count(d:device-pool) > 1][count(//p:pool) = 2]/d:name")
    assert found == ["devices/device/name=bng1"]


async def test_functions(client: Client) -> None:
    """RFC 6241 8.9.1: the core function library"""
    for predicate, expected in (
        ("starts-with(p:prefix, '10.1.')", ALL_SPACES[2:]),
        ("contains(p:prefix, '.1.')", ALL_SPACES[2:]),
        ("not(p:name = 'p2')", P1_SPACE),
        ("string-length(p:name) = 2", ALL_SPACES),
        ("substring-after(p:name, 'p') > 1", ALL_SPACES[2:]),
        ("translate(p:name, 'p', 'q') = 'q1'", P1_SPACE),
        ("local-name(*[1]) = 'name'", ALL_SPACES),
        (f"namespace-uri(.) = '{POOLS}'", ALL_SPACES),
        ("concat(p:name, '-', p:address-space) = 'p1-one'", P1_SPACE),
        ("true() and not(false())", ALL_SPACES),
    ):
        assert await config(client, f"/p:pools/p:pool[{predicate}]/p:address-space") == expected, predicate


async def test_texts_and_attributes(client: Client) -> None:
    """RFC 6241 8.9.1: a text selects its leaf; there are no attributes in this data, so that they select nothing"""
    assert await config(client, "/p:pools/p:pool[p:name='p1']/p:address-space/text()") == P1_SPACE
    assert await config(client, "//@*") == []


async def test_state_is_selected_by_get(client: Client) -> None:
    """RFC 6241 8.9.5.1: get takes XPath, of configuration and state together"""
    select = "/p:pools/p:pool[p:name='p1']/p:usage[p:free-addresses=65536]/p:free-addresses"
    found = told(await client.data(get(select)))
    assert found == ["pools/pool/name=p1", "pools/pool/usage/free-addresses=65536"]


async def test_state_decides_nothing_in_a_configuration(client: Client) -> None:
    """RFC 6241 7.1: what get-config selects is decided by configuration alone, with either kind of filter"""
    assert await config(client, "//p:pool[p:usage/p:free-addresses=65536]") == []
    assert await config(client, "//p:pool[p:usage]") == []
    assert await config(client, "//p:pool[not(p:usage)]/p:address-space") == ALL_SPACES
    inner = "<pool><name/><usage><free-addresses>65536</free-addresses></usage></pool>"
    subtree = f'<filter><pools xmlns="{POOLS}">{inner}</pools></filter>'
    for source in ("running", "candidate"):
        found = told(await client.data(f"<get-config><source><{source}/></source>{subtree}</get-config>"))
        assert found == ["pools/pool/name=p1", "pools/pool/name=p2"]


async def test_the_candidate(client: Client) -> None:
    """RFC 6241 8.9.5.1: get-config takes XPath of the candidate"""
    space = (
        f'<address-spaces xmlns="{POOLS}"><address-space><name>new</name></address-space></address-spaces>'
    )
    await client.rpc(f"<edit-config><target><candidate/></target><config>{space}</config></edit-config>")
    select = "//p:address-space[p:name='new']"
    assert told(await client.data(get_config(select, "candidate"))) == [
        "address-spaces/address-space/name=new"
    ]
    assert await config(client, select) == []


async def test_nothing_selected(client: Client) -> None:
    """RFC 6241 8.9.1: where nothing is selected the data is empty"""
    for select in ("/p:nothing", "/p:pools/p:pool[p:name='x']", "//d:pools", "/p:pools[false()]"):
        assert await config(client, select) == [], select


async def test_what_is_no_node_set(client: Client) -> None:
    """RFC 6241 8.9.1: an expression that does not give a node-set is an invalid-value"""
    for select in ("count(//p:pool)", "'text'", "//p:pool = 1", "1 + 1", "true()", "-//p:pool", "string(/)"):
        tag, message = await refused(client, get_config(select))
        assert tag == "invalid-value", select
        assert "must select nodes" in message


async def test_what_is_no_expression(client: Client) -> None:
    """RFC 6241 8.9.1: what is no XPath expression is an invalid-value that says where"""
    for select in (
        "",
        "/p:pools[",
        "//",
        "/p:pools/p:pool[p:name='p1'",
        "p:pools p:pool",
        "$x",
        "/p:pools/]",
    ):
        tag, message = await refused(client, get_config(select, bound=BOUND))
        assert (tag, message[:20]) == ("invalid-value", "the XPath expression"), select
    tag, message = await refused(client, get_config("document('/etc/passwd')"))
    assert (tag, "there is no function document()" in message) == ("invalid-value", True)


async def test_a_prefix_that_is_not_bound(client: Client) -> None:
    """RFC 6241 8.9.1: a prefix that nothing binds is an invalid-value that names it"""
    tag, message = await refused(client, get_config("/p:pools/nobody:pool"))
    assert tag == "invalid-value"
    assert "'nobody'" in message


async def test_select_is_needed(client: Client) -> None:
    """RFC 6241 8.9.5.1: a filter of type xpath has a select attribute"""
    with pytest.raises(Refused) as found:
        await client.rpc('<get><filter type="xpath"/></get>')
    assert found.value.tags == ["missing-attribute"]
    assert found.value.reply.findtext(".//{*}bad-attribute") == "select"
    assert found.value.reply.findtext(".//{*}bad-element") == "filter"


async def test_select_is_for_xpath(client: Client) -> None:
    """RFC 6241 8.9.5.1: where select is there, type is xpath"""
    for attributes in ('select="/"', 'type="subtree" select="/"'):
        with pytest.raises(Refused) as found:
            await client.rpc(f"<get><filter {attributes}/></get>")
        assert found.value.tags == ["bad-attribute"]
        assert found.value.reply.findtext(".//{*}bad-attribute") == "select"


async def test_an_unknown_type(client: Client) -> None:
    """RFC 6241 8.9.5.1: a filter's type is subtree or xpath"""
    with pytest.raises(Refused) as found:
        await client.rpc('<get><filter type="XPath" select="/"/></get>')
    assert found.value.tags == ["bad-attribute"]
    assert found.value.reply.findtext(".//{*}bad-attribute") == "type"


async def test_an_xpath_filter_has_no_content(client: Client) -> None:
    """RFC 6241 8.9.5.1: an expression and a subtree cannot be asked for at once"""
    subtree = f'<get><filter type="xpath" select="/"><pools xmlns="{POOLS}"/></filter></get>'
    assert (await refused(client, subtree))[0] == "unknown-element"
    assert told(
        await client.data(
            '<get-config><source><running/></source><filter type="xpath" select="/*"> \n </filter></get-config>'
        )
    )


async def test_without_a_type_it_is_a_subtree_filter(client: Client) -> None:
    """RFC 6241 7.7: the type of a filter is subtree where it has none"""
    subtree = f'<pools xmlns="{POOLS}"><pool><name>p1</name><address-space/></pool></pools>'
    assert told(await client.data(f"<get><filter>{subtree}</filter></get>")) == P1_SPACE


async def test_expressions_that_would_take_long_are_refused(client: Client) -> None:
    """RFC 6241 8.9.1: an expression whose evaluation could take minutes is refused at once, with resource-denied"""
    for select in (
        "//*[..//*[..//*[..//*[..//*[..//*]]]]]",
        "//*[count(preceding::*[count(preceding::*[count(preceding::*) > 1]) > 1]) > 1]",
        "//*[//*[. = //*[. = //*[. = //*]]] = //*]/ancestor::*[following::*[preceding::*[. = ..//*]]]",
    ):
        tag, message = await refused(client, get(select))
        assert tag == "resource-denied", select
        assert "name whole paths" in message


async def test_deep_predicates_that_cost_little_are_taken(client: Client) -> None:
    """RFC 6241 8.9.1: a predicate that depends on no node is evaluated once, however deep it stands"""
    everything = told(await client.data("<get-config><source><running/></source></get-config>"))
    assert await config(client, "//*[//*[//*[//*[//*[//*]]]]]") == everything
    assert await config(client, "//*[count(//*[count(//*) > 3]) > 3]") == everything


async def test_expressions_are_bounded(client: Client) -> None:
    """RFC 6241 8.9.1: expressions that are too long or too deep are an invalid-value"""
    for select in (
        "/" + "p:pools/" * 2000 + "p:pools",
        "//*" + "[*" * 100 + "]" * 100,
        "(" * 500 + "/" + ")" * 500,
    ):
        assert (await refused(client, get_config(select)))[0] == "invalid-value"


async def test_what_may_not_be_read_decides_nothing(client: Client, endpoint: Endpoint) -> None:
    """RFC 8341 3.2.4: an expression sees only what the user may read"""
    change(endpoint.database, Author("test"), [ResetAccess(), AddAccessMember("hidden", "bob")])
    rules = (
        '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><rule-list><name>a</name><group>hidden</group>'
        f'<rule><name>r</name><path xmlns:p="{POOLS}">/p:pools/p:pool/p:prefix</path>'
        "<access-operations>read</access-operations><action>deny</action></rule></rule-list></nacm>"
    )
    await client.rpc(f"<edit-config><target><candidate/></target><config>{rules}</config></edit-config>")
    await client.rpc("<commit/>")
    bob = await endpoint.open("bob", groups=frozenset())
    by_prefix = "/p:pools/p:pool[p:prefix='10.0.0.0/16']/p:address-space"
    assert await config(client, by_prefix) == P1_SPACE
    for operation in (get_config(by_prefix), get(by_prefix), get("//p:pool[starts-with(p:prefix, '1')]")):
        assert told(await bob.data(operation)) == []
    assert told(await bob.data(get("//p:prefix"))) == []
    found = told(await bob.data(get_config("/p:pools/p:pool[not(p:prefix)]/p:address-space")))
    assert found == ALL_SPACES
    assert told(await bob.data(get("/p:address-spaces/p:address-space[//p:prefix]"))) == []


async def test_get_data(client: Client) -> None:
    """RFC 8526 3.1.1: get-data takes XPath in xpath-filter, with the prefixes of that leaf"""
    select = "/p:pools/p:pool[p:name='p1']/p:address-space"
    assert told(await data_of(client, get_data(select))) == P1_SPACE
    usage = "//p:usage[../p:name='p2']/p:free-addresses"
    found = told(await data_of(client, get_data(usage, datastore="operational")))
    assert found == ["pools/pool/name=p2", "pools/pool/usage/free-addresses=65536"]


async def test_get_data_to_a_depth(client: Client) -> None:
    """RFC 8526 3.1.1: max-depth counts from each selected node, nested ones too"""
    deep = "<max-depth>1</max-depth>"
    found = told(await data_of(client, get_data("/p:pools/p:pool[p:name='p1']", deep)))
    assert found == ["pools/pool/name=p1"]
    both = "/p:pools/p:pool[p:name='p1'] | //p:pool[p:name='p1']/p:address-space"
    assert told(await data_of(client, get_data(both, deep))) == P1_SPACE


async def test_get_data_has_the_functions_of_yang(client: Client) -> None:
    """RFC 8526 3.1.1: XPath functions of RFC 7950, section 10, as far as they are supported; the others are named"""
    select = "/p:pools/p:pool[p:name = current()//d:device-pool/d:pool]/p:address-space"
    assert told(await data_of(client, get_data(select))) == P1_SPACE
    select = "/p:pools/p:pool[bit-is-set(p:name, 'p1')]/p:address-space"
    assert told(await data_of(client, get_data(select))) == P1_SPACE
    select = r"/p:pools/p:pool[re-match(p:prefix, '10\.0(\.\d{1,3}){2}/\d+')]/p:address-space"
    assert told(await data_of(client, get_data(select))) == P1_SPACE
    tag, message = await refused(client, get_data("//p:pool[deref(p:address-space)]"))
    assert (tag, "deref()" in message) == ("invalid-value", True)


async def test_get_data_has_one_filter(client: Client) -> None:
    """RFC 8526 3.1.1: a subtree filter or an XPath filter, not both"""
    assert (await refused(client, get_data("/", "<subtree-filter/>")))[0] == "bad-element"
    assert (await refused(client, get_data("1")))[0] == "invalid-value"


async def data_of(client: Client, operation: str) -> Element:
    data = (await client.rpc(operation)).find(f"{{{NMDA}}}data")
    assert data is not None
    return data
