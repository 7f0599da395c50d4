"""Notifications of the whole server: events of other processes, replay over a restart, clients that do not read."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author, Event, record
from tests.northbound_harness import PATIENCE, Client, Endpoint
from tests.northbound_ssh import SshServed

EVENTS = "urn:casm:yang:casm-events"
ME = Author("tester")
MANY = 3000
ALLOCATE = ("allocate", "bng1/internet")


def furnish(database: Database) -> None:
    """A pool, and a device pool to allocate for."""
    device = AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s")
    edits: list[Edit] = [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/16",)), device]
    change(database, ME, [*edits, AddDevicePool("bng1/internet", ("p",), 24)])


def flood(database: Database, many: int = MANY) -> None:
    """Many events."""
    events = [Event("space-change", "space", 1, f"n{number}") for number in range(many)]
    database.run(lambda tx: record(tx, ME, events))


def create(inner: str = "") -> str:
    return f'<create-subscription xmlns="{NOTIFICATION}">{inner}</create-subscription>'


def only(kind: str, path: str = "") -> str:
    return f'<filter type="xpath" xmlns:e="{EVENTS}" select="/e:{kind}{path}"/>'


def leaf(message: Element, name: str) -> str | None:
    return message.findtext(f".//{{{EVENTS}}}{name}")


async def take(client: Client, many: int) -> list[Element]:
    return [await client.notification() for _ in range(many)]


async def test_an_allocation_of_the_command_line_is_seen_by_ncclient(ssh_northbound: SshServed) -> None:
    database = ssh_northbound.server.database
    furnish(database)

    def session() -> str:
        with ssh_northbound.ncclient() as client:
            client.create_subscription(
                filter=("xpath", ({"e": EVENTS}, "/e:block-transition")),
            )
            subprocess.run(
                [sys.executable, "-m", "casm_ctrl", "--database", str(database.url.database), *ALLOCATE],
                check=True,
                capture_output=True,
            )
            told = client.take_notification(timeout=PATIENCE)
            return str(told.notification_xml)

    told = await asyncio.to_thread(session)
    assert "block-transition" in told
    assert "10.0.0.0/24" in told
    assert "<to-state>reserved</to-state>" in told


async def test_what_happened_before_a_restart_is_replayed(
    northbound_template: Path, northbound_models: Models, tmp_path: Path
) -> None:
    path = shutil.copyfile(northbound_template, tmp_path / "casm.db")
    numbers: list[int] = []
    database = open_database(str(path))
    try:
        began = to_rfc3339(database.clock.now())
        for name in ("first", "second"):
            async with Endpoint(Northbound(database, northbound_models)) as served:
                client = await served.open()
                await client.rpc(create(f"{only('configuration-changed')}<startTime>{began}</startTime>"))
                messages = await take(client, len(numbers) + 1)
                assert local_name(messages[-1][1]) == "replayComplete"
                assert [int(leaf(m, "sequence") or 0) for m in messages[:-1]] == numbers
                change(database, ME, [AddSpace(name)])
                (message,) = await take(client, 1)
                assert leaf(message, "subject") == name
                numbers.append(int(leaf(message, "sequence") or 0))
    finally:
        database.close()
    assert numbers == sorted(set(numbers))


async def test_a_client_that_does_not_read_loses_nothing_and_costs_little(endpoint: Endpoint) -> None:
    client, other = await endpoint.open(), await endpoint.open()
    await client.rpc(create(only("configuration-changed")))
    await other.rpc(create(only("configuration-changed", "[e:subject='after']")))
    client.channel.writable.clear()
    flood(endpoint.database)
    change(endpoint.database, ME, [AddSpace("after")])
    await take(other, 1)  # by now everything was looked at
    waiting = client.channel.to_client.qsize()
    assert waiting < MANY / 4
    client.channel.writable.set()
    subjects = [leaf(message, "subject") for message in await take(client, MANY + 1)]
    assert subjects == [*(f"n{number}" for number in range(MANY)), "after"]
    assert endpoint.server.notifications.streams.feed.size <= 8 << 20


async def test_requests_are_answered_beside_notifications(endpoint: Endpoint) -> None:
    client = await endpoint.open()
    await client.rpc(create(only("configuration-changed")))
    furnish(endpoint.database)
    await client.rpc("<get-config><source><running/></source></get-config>")
    messages = await take(client, 4)
    assert {leaf(message, "subject") for message in messages} == {"s", "p", "bng1", "bng1/internet"}


async def test_sessions_are_told(endpoint: Endpoint) -> None:
    watcher = await endpoint.open()
    await watcher.rpc(create())
    other = await endpoint.open("bob", groups=frozenset())
    await other.rpc("<close-session/>")
    seen: list[tuple[str, str | None]] = []
    while ("netconf-session-end", "bob") not in seen:
        message = await watcher.notification()
        seen.append((local_name(message[1]), message.findtext(".//{*}username")))
    assert ("netconf-session-start", "bob") in seen


async def test_the_streams_are_in_get(endpoint: Endpoint) -> None:
    client = await endpoint.open()
    data = await client.data(
        '<get><filter><netconf xmlns="urn:ietf:params:xml:ns:netmod:notification"/></filter></get>'
    )
    assert data.findtext(".//{*}stream/{*}name") == "NETCONF"


async def test_a_block_is_pushed_when_it_changes(endpoint: Endpoint) -> None:
    furnish(endpoint.database)
    client = await endpoint.open()
    reply = await client.rpc(
        '<establish-subscription xmlns="urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"'
        ' xmlns:yp="urn:ietf:params:xml:ns:yang:ietf-yang-push">'
        '<yp:datastore xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">ds:operational</yp:datastore>'
        '<yp:datastore-subtree-filter><pools xmlns="urn:casm:yang:casm-pools"><pool><name>p</name><usage>'
        "<free-addresses/></usage></pool></pools></yp:datastore-subtree-filter>"
        "<yp:on-change/></establish-subscription>"
    )
    assert reply.findtext(".//{*}id")
    (first,) = await take(client, 1)
    assert local_name(first[1]) == "push-update"
    assert first.findtext(".//{*}free-addresses") == "65536"
    await asyncio.to_thread(allocate, endpoint.database, ME, "bng1/internet")
    (second,) = await take(client, 1)
    assert local_name(second[1]) == "push-change-update"
    assert second.findtext(".//{*}target") == "/casm-pools:pools/pool=p/usage/free-addresses"
    assert second.findtext(".//{*}free-addresses") == "65280"
