"""What the server says of itself and of its store is whole and valid, whatever is in the store and whoever is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.errors import NotSupported
from casm_ctrl.netconf.names import BASE, MONITORING, NOTIFICATION, Element
from casm_ctrl.northbound import server as server_module
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.alarms.names import TOLD as TOLD_OF_ALARMS
from casm_ctrl.northbound.interface import Operations
from casm_ctrl.northbound.models import NEVER_TOLD, Models
from casm_ctrl.northbound.notifications import part
from casm_ctrl.northbound.notifications.names import OF_SUBSCRIPTIONS, PUSH, STREAMS, SUBSCRIBED
from casm_ctrl.northbound.notifications.state import state_builders
from casm_ctrl.northbound.notifications.telling import TOLD
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service import control_state, holds
from casm_ctrl.service.alarm_actions import set_operator_state_of
from casm_ctrl.service.alarms import of_device, raise_alarm
from casm_ctrl.service.configuration import AddShelf, change
from casm_ctrl.service.control_state import Look
from casm_ctrl.store import decisions
from casm_ctrl.store.control_state import open_breaker
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.operations import notification_tags, read_operations
from casm_ctrl.yang.schema import Kind, SchemaNode
from tests.northbound_harness import Client, Endpoint, Refused

DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
WITH_DEFAULTS = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"

NOT_TOLD = {
    "partial-lock": "RFC 5717 is not implemented",
    "yang-library/module-set/module/location": "a module is had by get-schema, and has no address",
    "yang-library/module-set/module/submodule": "no module that we use has one",
    "yang-library/module-set/import-only-module/location": "as above",
    "yang-library/module-set/import-only-module/submodule": "as above",
    "modules-state/module/schema": "as above",
    "modules-state/module/submodule": "as above",
    "replay-log-aged-time": "the log is the audit, of which nothing is thrown away",
    "replayLogAgedTime": "as above",
}
"""Nodes of state that no server of ours can ever show, with what is below them, and why."""


async def everybody(filled: Endpoint) -> Client:
    """A client, beside others that hold locks and subscriptions."""
    listener, pusher, client = [await filled.open(name) for name in ("listener", "pusher", "client")]
    await listener.rpc(f'<create-subscription xmlns="{NOTIFICATION}"/>')
    await pusher.rpc(
        f'<establish-subscription xmlns="{SUBSCRIBED}" xmlns:yp="{PUSH}"><yp:datastore xmlns:ds="{DATASTORES}">'
        "ds:operational</yp:datastore><yp:datastore-xpath-filter>/*</yp:datastore-xpath-filter>"
        "<yp:periodic><yp:period>6000</yp:period></yp:periodic></establish-subscription>"
    )
    await pusher.rpc(
        f'<establish-subscription xmlns="{SUBSCRIBED}"><stream>NETCONF</stream>'
        "<replay-start-time>2000-01-01T00:00:00Z</replay-start-time></establish-subscription>"
    )
    await pusher.rpc("<lock><target><candidate/></target></lock>")
    await listener.rpc("<lock><target><running/></target></lock>")
    return client


def judge(filled: Endpoint, data: Element, what: str) -> None:
    document = b"".join(etree.tostring(node) for node in data)
    filled.server.models.engine.validate(document, what="data" if what == "data" else "config")


async def test_all_that_get_tells_is_valid(filled: Endpoint) -> None:
    automate(filled.database)
    data = await (await everybody(filled)).data("<get/>")
    assert len(data) >= 12
    judge(filled, data, "data")


@pytest.mark.parametrize("mode", ["report-all", "trim"])
async def test_it_is_valid_however_defaults_are_told(filled: Endpoint, mode: str) -> None:
    client = await everybody(filled)
    asked = f'<with-defaults xmlns="{WITH_DEFAULTS}">{mode}</with-defaults>'
    judge(filled, await client.data(f"<get>{asked}</get>"), "data")


async def test_operational_is_valid(filled: Endpoint) -> None:
    client = await everybody(filled)
    reply = await client.rpc(
        f'<get-data xmlns="{NMDA}"><datastore xmlns:ds="{DATASTORES}">ds:operational</datastore></get-data>'
    )
    judge(filled, reply[0], "data")


@pytest.mark.parametrize("source", ["running", "candidate"])
async def test_configuration_is_valid(filled: Endpoint, source: str) -> None:
    client = await filled.open()
    judge(filled, await client.data(f"<get-config><source><{source}/></source></get-config>"), "config")


def state_nodes(nodes: Mapping[str, SchemaNode], path: str = "") -> Iterator[str]:
    """The paths of the leafs of state, but for those that cannot be."""
    for tag, node in nodes.items():
        below = f"{path}/{etree.QName(tag).localname}"
        if any(below.endswith(f"/{one}") for one in NOT_TOLD):
            continue
        if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
            if not node.config:
                yield below
        else:
            yield from state_nodes(node.children, below)


def paths(nodes: Element, path: str = "") -> Iterator[str]:
    for node in nodes.iterchildren("*"):
        below = f"{path}/{etree.QName(node).localname}"
        yield below
        yield from paths(node, below)


def alarm(database: Database) -> None:
    """An alarm that somebody acted on, and one that is shelved."""

    def raise_both(tx: Transaction) -> None:
        raise_alarm(tx, of_device("bng1"), "drift", "minor", "an entry is gone")
        raise_alarm(tx, of_device("gone"), "device-unreachable", "major", "it does not answer")

    author = Author("tester", reason="soon")
    database.run(raise_both)
    set_operator_state_of(database, author, (of_device("bng1"), "drift", ""), "ack")
    change(database, author, [AddShelf("later", types=("device-unreachable",))])


def automate(database: Database) -> None:
    """A controller that watches devices, of which one does not answer, held, stopped, and after a change."""
    watched = control_state.keep(database, control_state.begin(database)).devices
    looked_at = Look(watched["bng1"].next_poll, booted_at=watched["bng1"].since)

    def look(tx: Transaction) -> None:
        open_breaker(tx, "5 changes failed")
        control_state.note_look(tx, watched["bng1"], looked_at)
        decisions.insert_decision(
            tx,
            device_pool_id=1,
            device_pool="bng1/internet",
            device_id=watched["bng1"].device_id,
            action="grow",
            rule="threshold",
            because="it fills up",
            blocked_by=None,
            would=False,
            inputs="{}",
            candidates="[]",
            acted=True,
        )

    database.run(look)
    control_state.note_failed_look(database, "gone", "no <answer>", lambda failures: 10.0)
    holds.hold(database, Author("tester", reason="work"), "all")


async def test_every_state_node_of_every_module_is_told(filled: Endpoint) -> None:
    alarm(filled.database)
    automate(filled.database)
    told = set(paths(await (await everybody(filled)).data("<get/>")))
    assert [path for path in state_nodes(filled.server.models.schema.roots) if path not in told] == []


async def test_every_input_of_every_rpc_is_known(filled: Endpoint) -> None:
    models = filled.server.models
    unknown = []
    for name in models.implemented:
        for operation in read_operations(models.engine.context, name).values():
            for tag in operation.input:
                client = await filled.open()
                try:
                    await client.rpc(
                        f"{opening(operation.tag)}{opening(tag)}{closing(tag)}{closing(operation.tag)}"
                    )
                except Refused as refused:
                    if {"unknown-element", "unknown-namespace", "operation-not-supported"} & set(
                        refused.tags
                    ):
                        unknown.append((operation.tag, tag, refused.tags))
                await client.close()
    assert unknown == []


def opening(tag: str) -> str:
    return f'<{etree.QName(tag).localname} xmlns="{etree.QName(tag).namespace}">'


def closing(tag: str) -> str:
    return f"</{etree.QName(tag).localname}>"


@pytest.mark.parametrize(
    "request_",
    [
        "<get/>",
        "<get-config><source><candidate/></source></get-config>",
        "<commit/>",
        f'<get-schema xmlns="{MONITORING}"><identifier>casm-pools</identifier></get-schema>',
        f'<get-data xmlns="{NMDA}"><datastore xmlns:ds="{DATASTORES}">ds:running</datastore></get-data>',
        f'<establish-subscription xmlns="{SUBSCRIBED}"><stream>NETCONF</stream>'
        "<replay-start-time>2000-01-01T00:00:00Z</replay-start-time></establish-subscription>",
        "<lock><target><candidate/></target></lock>",
    ],
)
async def test_replies_are_valid(filled: Endpoint, request_: str) -> None:
    client = await filled.open()
    reply = etree.tostring(await client.rpc(request_))
    message = f'<rpc message-id="1" xmlns="{BASE}">{request_}</rpc>'.encode()
    filled.server.models.engine.validate(reply, what="reply", request=message)


# --- What has no handler --------------------------------------------------------------------------


async def start_of(northbound: Path, models: Models) -> str:
    """The one line with which a server refuses to start."""
    database = open_database(str(northbound))
    try:
        with pytest.raises(NotSupported) as refused:
            async with Northbound(database, models):
                pass
    finally:
        database.close()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", ["allocate", "verify"])
async def test_no_start_without_the_handler_of_an_rpc(
    northbound_template: Path, northbound_models: Models, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def without(context: VerbContext) -> Operations:
        made, gone = whole(context), verbs.tag(name)
        return Operations(
            {tag: act for tag, act in made.plain.items() if tag != gone},
            {tag: act for tag, act in made.awaited.items() if tag != gone},
        )

    whole = verbs.operations
    monkeypatch.setattr(verbs, "operations", without)
    line = await start_of(northbound_template, northbound_models)
    assert f"no handler for the RPC casm-operations:{name}: " in line


async def test_no_start_without_a_notification(
    northbound_template: Path, northbound_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = next(tag for tag in TOLD if tag.endswith("}drift-found"))
    monkeypatch.setattr(server_module, "TOLD", TOLD - {gone})
    line = await start_of(northbound_template, northbound_models)
    assert "no handler for the notification casm-events:drift-found: " in line


async def test_no_start_without_a_node_of_the_ietf(
    northbound_template: Path, northbound_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"{{{STREAMS}}}netconf"
    whole = state_builders
    monkeypatch.setattr(
        part,
        "state_builders",
        lambda *given: {tag: build for tag, build in whole(*given).items() if tag != gone},
    )
    line = await start_of(northbound_template, northbound_models)
    assert "no handler for the data node nc-notifications:netconf: " in line


async def test_no_start_without_a_node_of_ours(
    northbound_template: Path, northbound_models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casm_ctrl.northbound.reading.TOP", ("casm-pools:pools",))
    line = await start_of(northbound_template, northbound_models)
    assert "the data node casm-devices:quotas" in line


def test_every_notification_that_is_named_is_in_a_module(northbound_models: Models) -> None:
    context = northbound_models.engine.context
    known = {tag for name in northbound_models.implemented for tag in notification_tags(context, name)}
    assert known == TOLD | TOLD_OF_ALARMS | OF_SUBSCRIPTIONS | NEVER_TOLD
