"""Owner groups: who may be in one, what each member is to have, and what reads of all of them prove."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import AlreadyExists, InUse, InvalidValue, NotFound, Refusal
from casm_ctrl.service import groups, intent, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddSpace,
    RemoveDevice,
    RemoveDevicePool,
    RemoveGroup,
    change,
)
from casm_ctrl.service.desired import desired
from casm_ctrl.service.intent import Intent
from casm_ctrl.service.observation import Sight, Sighting, observe
from casm_ctrl.service.release import drain, release
from casm_ctrl.store import blocks, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.states import State
from tests.allocation_world import ME, configure, give, refused

PATH = "ipv4-address-range"
PAIR = AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"), ("bng3", "stands-by"), ("relay", "relays")))
HOME = AddDevicePool("bng1/home", ("p",), 24, group="pair")


@pytest.fixture
def grouped(network: Database) -> Database:
    """Group `pair`: bng1 and bng2 serve, bng3 stands by, relay relays. Device pool bng1/home is the group's."""
    for number, name in enumerate(("bng3", "relay"), start=3):
        host = f"192.0.2.{number}"
        configure(network, AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:SECRET", "s"))
    configure(network, PAIR, HOME)
    return network


def state(database: Database, number: int = 1) -> str:
    return str(views.show_block(database, f"b{number}")["state"])


def see(database: Database, device: str, *numbers: int, drained: bool = False) -> None:
    """A proving read of a device shows our objects for these blocks, and nothing else."""
    with database.read() as tx:
        store = spaces.get_store(tx).store_id
        rows = [blocks.get_block(tx, number) for number in numbers]
    sightings = tuple(
        Sighting(PATH, ("home", row.name), row.prefix.range, None, store, row.id, drained) for row in rows
    )
    lease = intent.claim_lease(database, device, "tester", "the test")
    observe(database, ME, lease, Sight(sightings, (), proof=True))
    intent.release_lease(database, lease)


def send(database: Database, device: str, number: int = 1) -> None:
    """What apply records before it sends an edit that installs the block."""
    lease = intent.claim_lease(database, device, "tester", "the test")
    with database.read() as tx:
        row = blocks.get_block(tx, number)
    objects = (ObjectRow(PATH, ("home", row.name), number, "wrote"),)
    intent.record_intent(database, ME, lease, Intent(1, (row,), (), frozenset(), objects, 0, ["add"]))
    intent.release_lease(database, lease)


def remove(database: Database, device: str, number: int = 1) -> None:
    """What apply records before it commits the block's removal, with counts that say it is empty there."""
    lease = intent.claim_lease(database, device, "tester", "the test")
    with database.read() as tx:
        row = blocks.get_block(tx, number)
    words = Intent(2, (), (row,), frozenset({number}), (), 0, ["remove"])
    intent.record_pending(database, ME, lease, words, persist_id="x", session_id=1, timeout=60, digest="d")
    intent.clear_pending(database, lease)
    intent.release_lease(database, lease)


def install(database: Database) -> None:
    give(database, "bng1/home")
    for device in ("bng1", "bng2", "bng3"):
        send(database, device)
        see(database, device, 1)


# --- Configuration --------------------------------------------------------------------------------


def test_what_a_group_shows(grouped: Database) -> None:
    shown = {
        "name": "pair",
        "member": [
            {"device": "bng1", "role": "serves"},
            {"device": "bng2", "role": "serves"},
            {"device": "bng3", "role": "stands-by"},
            {"device": "relay", "role": "relays"},
        ],
        "device-pool": ["bng1/home"],
    }
    assert groups.show_group(grouped, "pair") == shown
    assert groups.list_groups(grouped) == [shown]
    assert views.show_device_pool(grouped, "bng1/home")["owner-group"] == "pair"


@pytest.mark.parametrize(
    ("edit", "kind", "words"),
    [
        (PAIR, AlreadyExists, "there is an owner group 'pair' already"),
        (
            AddGroup("g", (("bng1", "serves"), ("bng1", "relays"))),
            InvalidValue,
            "device 'bng1' is given twice",
        ),
        (AddGroup("g", (("bng1", "leads"),)), InvalidValue, "'leads' is not what 'bng1' can do in a group"),
        (AddGroup("g", (("bng1", "stands-by"),)), InvalidValue, "no member of group 'g' serves"),
        (AddGroup("g", ()), InvalidValue, "no member of group 'g' serves"),
        (AddGroup("g", (("bng9", "serves"),)), NotFound, "there is no device 'bng9'"),
        (RemoveGroup("g"), NotFound, "there is no owner group 'g' (known are pair)"),
        (RemoveGroup("pair"), InUse, "owner group 'pair' has the device pools bng1/home"),
        (RemoveDevice("relay"), InUse, "device 'relay' is used by owner group pair"),
        (
            AddDevicePool("relay/x", ("p",), 24, group="pair"),
            InvalidValue,
            "device 'relay' does not serve or stand by in group 'pair'",
        ),
        (
            AddDevicePool("bng2/home", ("p",), 24),
            AlreadyExists,
            "device pool 'bng1/home' has the AAA name 'home' already",
        ),
        (
            AddDevicePool("bng3/internet", ("p",), 24, group="pair"),
            AlreadyExists,
            "device pool 'bng1/internet' has the AAA name 'internet' already",
        ),
        (AddDevicePool("bng1/x", ("p",), 24, group="nix"), NotFound, "there is no owner group 'nix'"),
    ],
)
def test_what_is_refused(grouped: Database, edit: Any, kind: type[Refusal], words: str) -> None:
    refused(grouped, kind, words, lambda: change(grouped, ME, [edit]))


def test_every_member_serves_the_pools_space(grouped: Database) -> None:
    far = AddDevice("far", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:SECRET", "t")
    configure(grouped, AddSpace("t"), AddPool("q", "s", ("192.0.2.0/24",)), far)
    configure(grouped, AddGroup("odd", (("bng1", "serves"), ("far", "stands-by"))))
    refused(
        grouped,
        InvalidValue,
        "pool 'q' is in space 's', and device 'far' serves 't'",
        lambda: change(grouped, ME, [AddDevicePool("bng1/q", ("q",), 26, group="odd")]),
    )


def test_a_group_goes_when_it_owns_nothing(grouped: Database) -> None:
    configure(grouped, RemoveDevicePool("bng1/home"), RemoveGroup("pair"), RemoveDevice("relay"))
    assert groups.list_groups(grouped) == []


# --- What each member is to have ------------------------------------------------------------------


def test_members_that_serve_or_stand_by_are_to_have_the_block(grouped: Database) -> None:
    allocate(grouped, ME, "bng1/home")
    assert [(m["device"], m["role"]) for m in views.show_block(grouped, "b1")["member"]] == [
        ("bng1", "serves"),
        ("bng2", "serves"),
        ("bng3", "stands-by"),
    ]
    for device, wanted in (("bng1", [1]), ("bng2", [1]), ("bng3", [1]), ("relay", [])):
        assert [block.id for block in desired(grouped, device).blocks] == wanted


def test_an_empty_pool_of_the_group_is_known_on_every_member(grouped: Database) -> None:
    for device in ("bng1", "bng2", "bng3"):
        assert "bng1/home" in [pool.row.label for pool in desired(grouped, device).pools]
    assert desired(grouped, "relay").pools == ()


# --- What reads prove -----------------------------------------------------------------------------


def test_installed_when_all_that_serve_show_it(grouped: Database) -> None:
    give(grouped, "bng1/home")
    for device in ("bng1", "bng3"):
        send(grouped, device)
        see(grouped, device, 1)
        assert state(grouped) == "reserved"
    send(grouped, "bng2")
    see(grouped, "bng2", 1)
    assert state(grouped) == "installed"


def test_a_standby_that_lacks_it_changes_nothing(grouped: Database) -> None:
    install(grouped)
    events = len(views.show_block(grouped, "b1")["event"])
    see(grouped, "bng3")
    assert state(grouped) == "installed"
    assert len(views.show_block(grouped, "b1")["event"]) == events
    see(grouped, "bng2")
    assert state(grouped) == "reserved", "vanished from one that serves"


def test_draining_when_all_that_serve_drain(grouped: Database) -> None:
    install(grouped)
    drain(grouped, ME, ["b1"])
    see(grouped, "bng1", 1, drained=True)
    assert state(grouped) == "installed", "bng2 still gives addresses out"
    see(grouped, "bng3", 1)
    see(grouped, "bng2", 1, drained=True)
    assert state(grouped) == "draining"
    see(grouped, "bng3", 1)
    assert state(grouped) == "draining"
    see(grouped, "bng2", 1)
    assert state(grouped) == "installed"


def test_gone_when_all_that_held_it_show_it_gone(grouped: Database, clock: ManualClock) -> None:
    install(grouped)
    release(grouped, ME, ["b1"])
    for device in ("bng1", "bng2"):
        remove(grouped, device)
        see(grouped, device)
        assert state(grouped) == "withdrawing", "bng3 may still have it"
    remove(grouped, "bng3")
    see(grouped, "bng3")
    assert state(grouped) == State.QUARANTINED.value
    assert views.show_block(grouped, "b1")["quarantined-until"] == "2023-11-15T22:13:20.000000Z", (
        "the counts of one member prove nothing of the others: a whole lease time"
    )


def test_shared_addresses_of_a_group_have_one_owner(grouped: Database) -> None:
    configure(
        grouped,
        AddPool("shared", "s", ("203.0.113.0/31",), psid_offset=6),
        AddDevicePool("bng1/ports", ("shared",), 36, group="pair"),
        AddDevicePool("bng2/mine", ("shared",), 36),
    )
    assert give(grouped, "bng1/ports") == ["203.0.113.0/32"]
    assert give(grouped, "bng2/mine") == ["203.0.113.1/32"]
