"""The whole of the northbound over SSH, as a client sees it: read, edit, commit, allocate, subscribe."""

from __future__ import annotations

import asyncio

from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

from casm_ctrl.netconf.names import Element
from casm_ctrl.store.events import list_events
from tests.northbound_ssh import USER, SshServed

POOLS = "urn:casm:yang:casm-pools"
DEVICES = "urn:casm:yang:casm-devices"
VERBS = "urn:casm:yang:casm-operations"
PATIENCE = 30

SPACE_AND_POOL = f"""
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
  <address-spaces xmlns="{POOLS}"><address-space><name>s</name></address-space></address-spaces>
  <pools xmlns="{POOLS}"><pool><name>p</name><address-space>s</address-space><family>ipv4</family>
    <prefix>10.0.0.0/16</prefix></pool></pools>
  <devices xmlns="{DEVICES}"><device><name>bng1</name><role>bng</role><driver>ietf-address-pool</driver>
    <host>192.0.2.1</host><port>830</port><user>casm</user><credential>env:SECRET</credential>
    <address-space>s</address-space>
    <device-pool><name>home</name><pool>p</pool><length>24</length></device-pool>
  </device></devices>
</config>"""


def text(element: Element, name: str) -> list[str]:
    return [found.text or "" for found in element.iter("{*}" + name)]


async def test_a_client_edits_commits_allocates_and_is_told(ssh_northbound: SshServed) -> None:
    def session() -> tuple[list[str], list[str], list[str], str]:
        with ssh_northbound.ncclient() as listener, ssh_northbound.ncclient() as client:
            listener.create_subscription()
            with client.locked("candidate"):
                client.edit_config(SPACE_AND_POOL, target="candidate")
                client.commit()
            configured = text(client.get_config("running").data_ele, "name")
            reply = client.dispatch(
                to_ele(f'<allocate xmlns="{VERBS}"><device-pool>bng1/home</device-pool></allocate>')
            )
            allocated = text(to_ele(reply.xml), "prefix")
            pools = client.get(("subtree", f'<devices xmlns="{DEVICES}"/>'))
            told = listener.take_notification(timeout=PATIENCE)
            return configured, allocated, text(pools.data_ele, "prefix"), told.notification_xml

    configured, allocated, state, told = await asyncio.to_thread(session)
    assert {"s", "p", "bng1", "home"} <= set(configured)
    assert allocated == ["10.0.0.0/24"]
    assert "10.0.0.0/24" in state
    assert "<notification" in told
    with ssh_northbound.server.database.read() as tx:
        actors = {event.verb: event.actor for event in list_events(tx)}
    assert actors["pool-add"] == actors["login"] == f"{USER}@netconf"


async def test_what_the_store_refuses_is_an_error_with_a_path(ssh_northbound: SshServed) -> None:
    bad = SPACE_AND_POOL.replace(
        "</pool></pools>",
        "</pool><pool><name>q</name><address-space>s</address-space><family>ipv4</family>"
        "<prefix>10.0.1.0/24</prefix></pool></pools>",
    )

    def session() -> tuple[str | None, str | None, list[str]]:
        with ssh_northbound.ncclient() as client:
            client.edit_config(bad, target="candidate")
            try:
                client.commit()
            except RPCError as error:
                return error.tag, error.path, text(client.get_config("running").data_ele, "pool")
            raise AssertionError("it was committed")

    tag, path, pools = await asyncio.to_thread(session)
    assert tag == "operation-failed"
    assert path and "q" in path
    assert pools == []


async def test_a_lock_is_released_when_its_session_hangs_up(ssh_northbound: SshServed) -> None:
    def session() -> None:
        first = ssh_northbound.ncclient()
        first.lock("running")
        first._session._transport.close()
        with ssh_northbound.ncclient() as second:
            for _ in range(300):
                try:
                    second.lock("running")
                    return
                except RPCError as error:
                    assert error.tag == "lock-denied"
            raise AssertionError("the lock stays")

    await asyncio.to_thread(session)
