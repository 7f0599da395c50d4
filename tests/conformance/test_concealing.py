"""What is refused tells nothing of what the user may not read (RFC 8341, 3.2.5)."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.access.rules import NAMESPACE
from casm_ctrl.netconf.names import BASE
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.store.events import Author
from tests.northbound_harness import Client, Endpoint, Refused

POOLS, DEVICES = "urn:casm:yang:casm-pools", "urn:casm:yang:casm-devices"
NETWORK = (
    AddSpace("s"),
    AddPool("secret", "s", ("10.0.0.0/16",)),
    AddPool("open", "s", ("10.1.0.0/16",)),
    AddDevice("hidden", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
    AddDevicePool("hidden/x", ("open",), 24),
)


def rule(name: str, path: str, operations: str, action: str) -> str:
    return (
        f"<rule><name>{name}</name><path>{path}</path>"
        f"<access-operations>{operations}</access-operations><action>{action}</action></rule>"
    )


EDITORS = (
    f'<nacm xmlns="{NAMESPACE}" xmlns:p="{POOLS}" xmlns:d="{DEVICES}"><rule-list><name>editors</name>'
    "<group>editor</group>"
    + rule("devices", "/d:devices", "read", "deny")
    + rule("secret", "/p:pools/p:pool[p:name='secret']", "read", "deny")
    + rule("pools", "/p:pools", "create update delete", "permit")
    + "<rule><name>netconf</name><module-name>ietf-netconf</module-name><rpc-name>*</rpc-name>"
    "<access-operations>exec</access-operations><action>permit</action></rule></rule-list></nacm>"
)


def edit(*pools: str) -> str:
    config = f'<pools xmlns="{POOLS}">{"".join(pools)}</pools>'
    return (
        f'<edit-config><target><candidate/></target><config xmlns:nc="{BASE}">{config}</config></edit-config>'
    )


async def opened(endpoint: Endpoint) -> Client:
    """A session of somebody to whom all devices and one pool are hidden."""
    change(endpoint.database, Author("test"), NETWORK)
    admin = await endpoint.open()
    await admin.rpc(f"<edit-config><target><candidate/></target><config>{EDITORS}</config></edit-config>")
    await admin.rpc("<commit/>")
    return await endpoint.open("eve", groups=frozenset({"editor"}))


async def refused(client: Client, operation: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    assert "10.0.0.0/16" not in str(caught.value)
    assert "<name>hidden" not in str(caught.value) and "'hidden'" not in str(caught.value)
    return caught.value


async def test_an_edit_of_hidden_data_does_not_tell_that_it_is_there(endpoint: Endpoint) -> None:
    """RFC 8341 5: an edit of data that the user may not read is access-denied, there or not."""
    eve = await opened(endpoint)
    error = await refused(eve, edit('<pool nc:operation="create"><name>secret</name></pool>'))
    assert error.tags == ["access-denied"]
    gone = f'<devices xmlns="{DEVICES}"><device nc:operation="delete"><name>%s</name></device></devices>'
    for name in ("hidden", "absent"):
        words = f'<config xmlns:nc="{BASE}">{gone % name}</config>'
        error = await refused(eve, f"<edit-config><target><candidate/></target>{words}</edit-config>")
        assert error.tags == ["access-denied"]
    assert endpoint.server.access.counters.data_writes == 3


async def test_what_hidden_data_refers_to_is_not_named(endpoint: Endpoint) -> None:
    """RFC 8341 3.2.5: an error for a reference that hidden data has tells neither where nor of what."""
    eve = await opened(endpoint)
    error = await refused(eve, edit('<pool nc:operation="delete"><name>open</name></pool>'))
    assert (error.tags, error.app_tags, error.paths) == (["data-missing"], ["instance-required"], [None])
    assert "hidden" not in str(error)


async def test_what_the_store_finds_in_the_way_is_not_named(endpoint: Endpoint) -> None:
    """RFC 8341 3.2.5: hidden data that a commit does not go together with is not told of."""
    eve = await opened(endpoint)
    await eve.rpc(
        edit(
            "<pool><name>mine</name><address-space>s</address-space><family>ipv4</family>"
            "<prefix>10.0.3.0/24</prefix></pool>"
        )
    )
    error = await refused(eve, "<commit/>")
    assert error.app_tags == ["overlap"]
    pool = "/casm-pools:pools/casm-pools:pool[casm-pools:name='mine']"
    assert error.paths == [f"{pool}/casm-pools:prefix[.='10.0.3.0/24']"]
    assert "secret" not in str(error)
