"""The hold switch: what is held, by whom and why, and which device pools that keeps as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from casm_ctrl.base.errors import CasmError, InvalidValue, NotFound
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.access.questions import Questions
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    Edit,
    RemoveDevicePool,
    RemovePool,
    change,
)
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.service.holds import hold, holds_on, list_holds, unhold
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.service.views import audit, status
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from tests.verbs_world import Verbs, text, texts

ME = Author("tester", reason="maintenance")


def _held(database: Database, label: str) -> list[str]:
    with database.read() as tx:
        return [found.words for found in holds_on(tx, the_device_pool(tx, label))]


def _device(name: str, host: str) -> AddDevice:
    return AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:X", "s")


@pytest.fixture
def world(network: Database) -> Database:
    """A child pool, another device, a group of both, and a device pool of each kind."""
    edits: list[Edit] = [
        AddPool("child", "s", ("10.0.64.0/18",), parent="p"),
        _device("other", "192.0.2.77"),
        AddGroup("pair", (("bng1", "serves"), ("other", "stands-by"))),
        AddDevicePool("bng1/pair", ("p",), 27, group="pair"),
        AddDevicePool("other/child", ("child",), 28),
    ]
    change(network, ME, edits)
    return network


def test_nothing_is_held_at_first(world: Database) -> None:
    assert list_holds(world) == []
    assert _held(world, "bng1/internet") == []


@pytest.mark.parametrize(
    ("kind", "subject", "kept"),
    [
        ("all", None, {"bng1/internet", "bng1/pair", "other/child"}),
        ("device", "bng1", {"bng1/internet", "bng1/pair"}),
        ("device", "other", {"bng1/pair", "other/child"}),
        ("device-pool", "bng1/pair", {"bng1/pair"}),
        ("pool", "p", {"bng1/internet", "bng1/pair", "other/child"}),
        ("pool", "child", {"other/child"}),
    ],
)
def test_a_hold_keeps_what_stands_on_it(
    world: Database, kind: str, subject: str | None, kept: set[str]
) -> None:
    hold(world, ME, kind, subject)
    everything = ("bng1/internet", "bng1/pair", "other/child")
    assert {label for label in everything if _held(world, label)} == kept
    unhold(world, ME, kind, subject)
    assert not any(_held(world, label) for label in everything)


def test_holds_add_up_and_end_one_by_one(world: Database) -> None:
    hold(world, ME, "device", "bng1")
    hold(world, ME, "all")
    assert _held(world, "bng1/internet") == ["all", "device bng1"]
    unhold(world, ME, "all")
    assert _held(world, "bng1/internet") == ["device bng1"]


def test_who_why_and_since_when_is_told_and_audited(network: Database) -> None:
    first = hold(network, Author("ann", reason="ticket 1"), "device", "bng1")["hold"]
    second = hold(network, Author("bob", reason="ticket 2"), "device", "bng1")["hold"]
    assert list_holds(network) == status(network)["hold"] == [second]
    assert second == {
        "kind": "device",
        "subject": "bng1",
        "since": first["since"],
        "actor": "bob",
        "reason": "ticket 2",
    }
    unhold(network, Author("ann", reason="done"), "device", "bng1")
    told = [(e["actor"], e["verb"], e["subject"], e["reason"]) for e in audit(network, limit=3)]
    assert told == [
        ("ann", "hold", "device bng1", "ticket 1"),
        ("bob", "hold", "device bng1", "ticket 2"),
        ("ann", "unhold", "device bng1", "done"),
    ]


def test_a_hold_does_not_change_the_configuration(network: Database) -> None:
    before = status(network)["config-revision"]
    hold(network, ME, "all")
    assert status(network)["config-revision"] == before


@pytest.mark.parametrize(
    ("kind", "subject", "error", "words"),
    [
        ("device", "none", NotFound, "no device 'none'"),
        ("pool", "none", NotFound, "no pool 'none'"),
        ("device-pool", "bng1/none", NotFound, "no device pool 'bng1/none'"),
        ("device", None, InvalidValue, "no device is named"),
        ("block", "b1", InvalidValue, "'block' cannot be held"),
    ],
)
def test_what_cannot_be_held_is_refused(
    network: Database, kind: str, subject: str | None, error: type[CasmError], words: str
) -> None:
    with pytest.raises(error, match=words):
        hold(network, ME, kind, subject)
    assert list_holds(network) == []


def test_a_hold_needs_a_reason(network: Database) -> None:
    with pytest.raises(InvalidValue, match="no reason"):
        hold(network, Author("tester", reason=" "), "all")


def test_the_end_of_what_is_not_held_tells_what_is(network: Database) -> None:
    with pytest.raises(NotFound, match=r"no hold on everything \(nothing is held\)"):
        unhold(network, ME, "all")
    hold(network, ME, "pool", "p")
    with pytest.raises(NotFound, match="held: pool p"):
        unhold(network, ME, "device", "bng1")


def test_a_repeated_request_holds_once(network: Database) -> None:
    author = Author("tester", "r1", "maintenance")
    first = hold(network, author, "all")
    unhold(network, ME, "all")
    assert hold(network, author, "all") == first
    assert list_holds(network) == []


def test_a_hold_goes_with_what_it_holds(world: Database) -> None:
    hold(world, ME, "device-pool", "other/child")
    hold(world, ME, "pool", "child")
    hold(world, ME, "device", "bng1")
    change(world, ME, [RemoveDevicePool("other/child"), RemovePool("child")])
    assert [found["subject"] for found in list_holds(world)] == ["bng1"]


# --- Over NETCONF ---------------------------------------------------------------------------------


@pytest.fixture
def verbs(network: Database) -> Verbs:
    return Verbs(VerbContext(network))


def test_an_rpc_holds_and_lets_go(network: Database, verbs: Verbs) -> None:
    named = "<device-pool>bng1/internet</device-pool>"
    said = verbs.call("hold", f"{named}<reason>work</reason>")
    assert text(said, "hold/kind") == "device-pool"
    assert text(said, "hold/subject") == "bng1/internet"
    assert text(said, "hold/actor") == "alice@netconf"
    assert texts(verbs.call("read-status"), "hold/reason") == ["work"]
    assert text(verbs.call("unhold", named), "hold/reason") == "work"
    assert list_holds(network) == []
    assert text(verbs.call("hold", "<all/><reason>work</reason>"), "hold/subject") is None


@pytest.mark.parametrize(
    ("content", "tag", "path"),
    [
        ("<all/>", "missing-element", "hold/casm-o:reason"),
        ("<reason>x</reason>", "data-missing", "hold"),
        ("<all/><device>bng1</device><reason>x</reason>", "bad-element", "hold/casm-o:device"),
        ("<device>none</device><reason>x</reason>", "data-missing", "hold/casm-o:device"),
    ],
)
def test_an_rpc_that_is_wrong_is_refused(verbs: Verbs, content: str, tag: str, path: str) -> None:
    with pytest.raises(RpcError) as refused:
        verbs.call("hold", content)
    assert (refused.value.tag, refused.value.path) == (tag, f"/nc:rpc/casm-o:{path}")


@pytest.mark.parametrize("name", ["hold", "unhold"])
def test_operators_hold_and_guests_do_not(tmp_path: Path, name: str) -> None:
    """As the access rules of a new store have it."""
    database, _ = create_store(str(tmp_path / "new.db"), documents=first_documents())
    try:
        questions = Questions(database, Models())
        for groups, may in (((), False), (("operator",), True), (("admin",), True)):
            assert questions.ask("anna", name, None, frozenset(groups)).document()["permitted"] is may
        assert questions.ask("anna", "read-status", None).document()["permitted"]
        limits = "/casm-control:control/grow-per-hour"
        for groups, may in ((("operator",), False), (("admin",), True)):
            assert questions.ask("anna", "update", limits, frozenset(groups)).document()["permitted"] is may
    finally:
        database.close()
