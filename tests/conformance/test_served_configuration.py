"""The configuration as a client of the whole server changes it: what an edit may say, and what a commit makes of it."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.netconf.names import BASE, Element
from tests.northbound_harness import Client, Endpoint, Refused

POOLS, DEVICES = "urn:casm:yang:casm-pools", "urn:casm:yang:casm-devices"
NAMES = {"p": POOLS, "d": DEVICES}
COMMIT, DISCARD, CONFIRMED = "<commit/>", "<discard-changes/>", "<commit><confirmed/></commit>"
DEVICE = (
    "<role>bng</role><driver>ietf-address-pool</driver><host>192.0.2.1</host><user>casm</user>"
    "<credential>env:SECRET</credential><address-space>s</address-space>"
    "<device-pool><name>x</name><pool>p</pool><length>24</length></device-pool>"
)


def pool(name: str, inner: str = "", attributes: str = "") -> str:
    return f"<pool {attributes}><name>{name}</name>{inner}</pool>"


def new_pool(name: str, prefix: str) -> str:
    return pool(name, f"<address-space>s</address-space><family>ipv4</family><prefix>{prefix}</prefix>")


def pools(*entries: str) -> str:
    return f'<pools xmlns="{POOLS}">{"".join(entries)}</pools>'


def edit(config: str, **options: str) -> str:
    said = "".join(
        f"<{name.replace('_', '-')}>{text}</{name.replace('_', '-')}>" for name, text in options.items()
    )
    return (
        f"<edit-config><target><candidate/></target>{said}"
        f'<config xmlns:nc="{BASE}" xmlns:yang="urn:ietf:params:xml:ns:yang:1">{config}</config></edit-config>'
    )


async def refused(client: Client, operation: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    return caught.value


async def names(client: Client, datastore: str = "running") -> list[str]:
    """Of the pools there."""
    data = await client.data(f"<get-config><source><{datastore}/></source></get-config>")
    return found(data, "p:pools/p:pool/p:name")


def found(data: Element, path: str) -> list[str]:
    nodes = data.xpath(path, namespaces=NAMES)
    assert isinstance(nodes, list)
    return [str(node.text) for node in nodes if isinstance(node, etree._Element)]


async def network(endpoint: Endpoint) -> Client:
    """A space, the pools p (which a device draws from), q and r."""
    client = await endpoint.open("alice")
    config = (
        f'<address-spaces xmlns="{POOLS}"><address-space><name>s</name></address-space></address-spaces>'
        + pools(new_pool("p", "10.0.0.0/16"), new_pool("q", "10.1.0.0/16"), new_pool("r", "10.2.0.0/16"))
        + f'<devices xmlns="{DEVICES}"><device><name>bng1</name>{DEVICE}</device></devices>'
    )
    await client.rpc(edit(config))
    await client.rpc(COMMIT)
    return client


# --- What a confirmed commit removes --------------------------------------------------------------


async def test_a_confirmed_commit_removes_one_entry_of_a_list(endpoint: Endpoint) -> None:
    """RFC 6241 8.4: a confirmed commit that takes away one entry takes away no other, pending and confirmed."""
    client = await network(endpoint)
    await client.rpc(edit(pools(pool("q", attributes='nc:operation="delete"'))))
    await client.rpc(CONFIRMED)
    assert await names(client) == ["p", "r"]
    await client.rpc(COMMIT)
    assert await names(client) == ["p", "r"]


async def test_a_confirmed_commit_that_removes_one_entry_is_taken_back(endpoint: Endpoint) -> None:
    """RFC 6241 8.4.4.1: cancel-commit brings back the entry that a confirmed commit took away."""
    client = await network(endpoint)
    await client.rpc(edit(pools(pool("q", attributes='nc:operation="delete"'))))
    await client.rpc(CONFIRMED)
    await client.rpc("<cancel-commit/>")
    assert await names(client) == ["p", "q", "r"]


# --- What is no change, and what is no edit -------------------------------------------------------


@pytest.mark.parametrize("defaults", ["trim", "report-all", "report-all-tagged"])
async def test_what_was_read_can_be_copied_back(endpoint: Endpoint, defaults: str) -> None:
    """RFC 6243 4.5.3: a configuration that was read with its defaults is the same one when it is copied."""
    client = await network(endpoint)
    read = await client.data(
        "<get-config><source><running/></source><with-defaults"
        f' xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults">{defaults}</with-defaults></get-config>'
    )
    config = "".join(etree.tostring(node, encoding="unicode") for node in read)
    await client.rpc(
        f"<copy-config><target><candidate/></target><source><config>{config}</config></source></copy-config>"
    )
    before = endpoint.server.running.tree()[0]
    await client.rpc(COMMIT)
    assert endpoint.server.running.tree()[0] == before
    if defaults == "trim":
        await client.rpc(
            f"<copy-config><target><candidate/></target><source><config>{config}</config></source></copy-config>"
        )
        await client.rpc("<lock><target><candidate/></target></lock>")


async def test_the_configuration_of_an_edit_has_no_operation(endpoint: Endpoint) -> None:
    """RFC 6241 7.2: the operation attribute is of elements in the <config> subtree, not of <config>."""
    client = await network(endpoint)
    error = await refused(client, edit("").replace("<config ", '<config nc:operation="replace" '))
    assert error.tags == ["unknown-attribute"]


# --- Values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("test_option", ["set", "test-then-set", "test-only"])
async def test_a_value_that_its_type_forbids_is_never_taken(endpoint: Endpoint, test_option: str) -> None:
    """RFC 7950 8.3.1: a leaf that does not match its type is invalid-value while the edit is read."""
    client = await network(endpoint)
    error = await refused(client, edit(pools(pool("p", "<family>ipv5</family>")), test_option=test_option))
    assert error.tags == ["invalid-value"]
    data = await client.data("<get-config><source><candidate/></source></get-config>")
    assert found(data, "p:pools/p:pool[p:name='p']/p:family") == ["ipv4"]


async def test_a_configuration_with_such_a_value_is_not_copied(endpoint: Endpoint) -> None:
    """RFC 7950 8.3.1: so it is for the configuration in a copy-config."""
    client = await network(endpoint)
    config = pools(new_pool("n", "10.9.0.0/33"))
    error = await refused(
        client,
        f"<copy-config><target><candidate/></target><source><config>{config}</config></source></copy-config>",
    )
    assert error.tags == ["invalid-value"]
    assert await names(client, "candidate") == ["p", "q", "r"]


async def test_values_are_shown_in_canonical_form(endpoint: Endpoint) -> None:
    """RFC 7950 9.1: a value is told in its canonical form, in the candidate too, however it was written."""
    client = await network(endpoint)
    config = (
        f'<devices xmlns="{DEVICES}"><device><name>bng1</name><port> +0831 </port>'
        "<deadlines><tcp>3</tcp></deadlines></device></devices>"
    )
    await client.rpc(edit(config))
    shown = await client.data("<get-config><source><candidate/></source></get-config>")
    assert found(shown, "d:devices/d:device/d:port") == ["831"]
    assert found(shown, "d:devices/d:device/d:deadlines/d:tcp") == ["3.0"]


async def test_a_value_written_otherwise_is_no_change(endpoint: Endpoint) -> None:
    """RFC 7950 9.1: two ways to write a value are one value: nothing is changed, nothing stands in a lock's way."""
    client = await network(endpoint)
    config = (
        f'<devices xmlns="{DEVICES}"><device><name>bng1</name><deadlines><tcp>3.0</tcp></deadlines>'
        "</device></devices>"
    )
    await client.rpc(edit(config))
    await client.rpc(COMMIT)
    await client.rpc(edit(config.replace("3.0", "03.000")))
    await client.rpc("<lock><target><candidate/></target></lock>")


async def test_an_entry_is_found_however_its_key_is_written(endpoint: Endpoint) -> None:
    """RFC 7950 9.1: values are compared in canonical form: another way to write a prefix is the same entry."""
    client = await network(endpoint)
    inner = "<address-space>s</address-space><family>ipv6</family><prefix>2001:DB8:0::/32</prefix>"
    await client.rpc(edit(pools(pool("six", inner))))
    await client.rpc(
        edit(pools(pool("six", "<prefix>2001:0db8::/32</prefix><prefix>2001:db9::/32</prefix>")))
    )
    path = "p:pools/p:pool[p:name='six']/p:prefix"
    shown = await client.data("<get-config><source><candidate/></source></get-config>")
    assert found(shown, path) == ["2001:db8::/32", "2001:db9::/32"]
    await client.rpc(edit(pools(pool("six", '<prefix nc:operation="delete">2001:DB8::/32</prefix>'))))
    await client.rpc(COMMIT)
    shown = await client.data("<get-config><source><running/></source></get-config>")
    assert found(shown, path) == ["2001:db9::/32"]


# --- Paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "tag", "app_tag", "path"),
    [
        (
            pools(pool("n", "<address-space>none</address-space><family>ipv4</family><prefix>10.9.0.0/16</prefix>")),
            "data-missing",
            "instance-required",
            "p:pools/p:pool[p:name='n']/p:address-space",
        ),
        (
            pools(pool("n", "<address-space>s</address-space><family>ipv4</family>")),
            "operation-failed",
            "too-few-elements",
            "p:pools/p:pool[p:name='n']/p:prefix",
        ),
        (
            pools(pool("p", "<parent>p</parent>")),
            "operation-failed",
            "must-violation",
            "p:pools/p:pool[p:name='p']/p:parent",
        ),
        (
            pools(pool("n", "<address-space>s</address-space><prefix>10.9.0.0/16</prefix>")),
            "data-missing",
            None,
            "p:pools/p:pool[p:name='n']",
        ),
    ],
    ids=["leafref", "min-elements", "must", "mandatory"],
)  # fmt: skip
async def test_the_path_of_what_is_not_valid(
    endpoint: Endpoint, config: str, tag: str, app_tag: str | None, path: str
) -> None:
    """RFC 7950 15: what breaks a constraint is named with its app-tag, by a path with a prefix on every name."""
    client = await network(endpoint)
    error = await refused(client, edit(config))
    assert (error.tags, error.app_tags) == ([tag], [app_tag])
    assert error.paths == ["/" + path.replace("p:", "casm-pools:")]


NO_DRIVER = DEVICE.replace("ietf-address-pool", "acme")
NO_CGN = DEVICE.replace(">bng<", ">cgn<")


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (pools(new_pool("n", "10.0.0.0/30")), "casm-pools:pools/casm-pools:pool[casm-pools:name='n']"
         "/casm-pools:prefix[.='10.0.0.0/30']"),
        (f'<devices xmlns="{DEVICES}"><device><name>n</name>{NO_DRIVER}</device></devices>',
         "casm-devices:devices/casm-devices:device[casm-devices:name='n']/casm-devices:driver"),
        (f'<devices xmlns="{DEVICES}"><device><name>n</name>{NO_CGN}</device></devices>',
         "casm-devices:devices/casm-devices:device[casm-devices:name='n']/casm-devices:driver"),
    ],
    ids=["overlap", "no driver", "a driver for others"],
)  # fmt: skip
async def test_the_path_of_what_the_store_refuses(endpoint: Endpoint, config: str, path: str) -> None:
    """RFC 6241 8.3: a commit that is refused names the node to blame, and changes nothing."""
    client = await network(endpoint)
    before = await client.data("<get-config><source><running/></source></get-config>")
    await client.rpc(edit(config))
    error = await refused(client, COMMIT)
    assert error.paths == [f"/{path}"]
    after = await client.data("<get-config><source><running/></source></get-config>")
    assert etree.tostring(before) == etree.tostring(after)


async def test_running_is_no_target(endpoint: Endpoint) -> None:
    """RFC 6241 8.2: without :writable-running an edit of running is refused, and told where to."""
    client = await network(endpoint)
    error = await refused(client, edit(pools(pool("p"))).replace("candidate", "running"))
    assert error.tags == ["unknown-element"]
    assert "<target> has no <running> here: give <candidate>" in str(error).replace("&lt;", "<").replace(
        "&gt;", ">"
    )


async def test_remedies_name_leafs(endpoint: Endpoint) -> None:
    """RFC 6241 4.3: error-message is for the reader, who has leafs and no options of a command line."""
    client = await network(endpoint)
    renew = '<renew xmlns="urn:casm:yang:casm-operations"><block>b1</block></renew>'
    await client.rpc(
        '<allocate xmlns="urn:casm:yang:casm-operations"><device-pool>bng1/x</device-pool></allocate>'
    )
    assert "give lifetime, or expires (never: for good)" in str(await refused(client, renew))


@pytest.mark.parametrize("device_pool", ["none/x", "bng1/none"])
async def test_the_path_of_a_name_that_nothing_has(endpoint: Endpoint, device_pool: str) -> None:
    """RFC 6241 4.3: the error of an operation names the element of its input that is to blame."""
    client = await network(endpoint)
    words = f"<device-pool>{device_pool}</device-pool>"
    error = await refused(client, f'<allocate xmlns="urn:casm:yang:casm-operations">{words}</allocate>')
    assert (error.tags, error.app_tags) == (["data-missing"], ["not-found"])
    assert error.paths == ["/nc:rpc/casm-o:allocate/casm-o:device-pool"]
