"""Lifetimes: given, renewed, ended, and held while nobody knows what time it is."""

from __future__ import annotations

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import IllegalTransition, InvalidValue
from casm_ctrl.base.identifiers import parse_block_id
from casm_ctrl.service import rest, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool
from casm_ctrl.service.lifetime import renew
from casm_ctrl.service.release import cancel_drain, force_release, release
from casm_ctrl.store import blocks
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.allocation_world import ME, configure, give, refused

HOUR = 3600


def send(database: Database, name: str) -> None:
    with database.write() as tx:
        blocks.mark_sent(tx, blocks.get_block(tx, parse_block_id(name) or 0))


def test_a_lifetime_is_answered_and_shown(network: Database) -> None:
    by_length = allocate(network, ME, "bng1/internet", lifetime=HOUR)
    by_moment = allocate(network, ME, "bng1/internet", expires="2023-11-14T23:13:20+00:00")
    assert [a["block"][0]["expires"] for a in (by_length, by_moment)] == ["2023-11-14T23:13:20.000000Z"] * 2
    assert [b["expires"] for b in views.list_blocks(network)] == ["2023-11-14T23:13:20.000000Z"] * 2
    assert "expires" not in allocate(network, ME, "bng1/internet", expires="never")["block"][0]


def test_at_its_end_a_release_starts(network: Database, clock: ManualClock) -> None:
    give(network, count=2, lifetime=HOUR)
    give(network)
    send(network, "b1")
    clock.advance(HOUR - 0.000001)
    rest.sweep_store(network)
    assert len(views.list_blocks(network)) == 3
    clock.advance(0.000001)
    rest.sweep_store(network)
    assert [(b["id"], b["wanted"]) for b in views.list_blocks(network)] == [
        ("b1", "absent"),
        ("b3", "present"),
    ]
    last = views.show_block(network, "b1")["event"][-1]
    assert (last["actor"], last["verb"]) == ("controller", "expire")
    assert last["reason"] == "its lifetime ended at 2023-11-14T23:13:20.000000Z"
    assert views.show_block(network, "b2")["state"] == "free", "it was never sent"
    rest.sweep_store(network)
    assert len(views.show_block(network, "b1")["event"]) == 2, "once"


def test_an_allocation_ends_what_has_expired(network: Database, clock: ManualClock) -> None:
    give(network, count=256, lifetime=HOUR)
    clock.advance(HOUR)
    assert len(give(network, "bng2/internet", count=rest.AT_ONCE)) == rest.AT_ONCE


def test_nothing_expires_while_the_clock_is_held(network: Database, clock: ManualClock) -> None:
    give(network, lifetime=HOUR)
    clock.jump(2 * HOUR)
    rest.sweep_store(network)
    assert views.status(network)["clock-held"]
    assert len(views.list_blocks(network)) == 1
    rest.accept_clock(network, ME)
    rest.sweep_store(network)
    assert views.list_blocks(network) == []


def test_renew(network: Database, clock: ManualClock) -> None:
    give(network, count=2, lifetime=HOUR)
    answer = renew(network, Author("tester", "r1", "they stay"), ["b1"], lifetime=2 * HOUR)
    assert answer["block"][0]["expires"] == "2023-11-15T00:13:20.000000Z"
    event = views.show_block(network, "b1")["event"][-1]
    assert (event["verb"], event["reason"]) == ("renew", "expires 2023-11-15T00:13:20.000000Z: they stay")
    assert "expires" not in renew(network, ME, ["b2"], expires="never")["block"][0]
    clock.advance(HOUR)
    rest.sweep_store(network)
    assert len(views.list_blocks(network)) == 2
    assert renew(network, Author("tester", "r1", "they stay"), ["b1"], lifetime=2 * HOUR) == answer


def test_an_expired_block_is_kept_after_it_was_renewed(network: Database, clock: ManualClock) -> None:
    give(network, lifetime=HOUR)
    send(network, "b1")
    clock.advance(HOUR)
    rest.sweep_store(network)
    refused(
        network,
        IllegalTransition,
        "b1 10.0.0.0/24 cannot be kept: its lifetime ended at 2023-11-14T23:13:20.000000Z",
        lambda: cancel_drain(network, ME, ["b1"]),
    )
    assert renew(network, ME, ["b1"], lifetime=HOUR)["block"][0]["wanted"] == "absent"
    assert cancel_drain(network, ME, ["b1"])["block"][0]["wanted"] == "present"


def test_what_cannot_be_renewed(network: Database) -> None:
    give(network)
    refused(network, InvalidValue, "no new lifetime was given", lambda: renew(network, ME, ["b1"]))
    refused(
        network,
        InvalidValue,
        "the lifetime ends at 2023-01-01T00:00:00.000000Z, and it is 2023-11-14T22:13:20.000000Z already",
        lambda: renew(network, ME, ["b1"], expires="2023-01-01T00:00:00Z"),
    )
    force_release(network, ME, ["b1"])
    refused(
        network,
        IllegalTransition,
        "b1 10.0.0.0/24 is quarantined and cannot be renewed",
        lambda: renew(network, ME, ["b1"], lifetime=HOUR),
    )


def test_the_least_number_of_blocks_does_not_outlive_a_lifetime(
    network: Database, clock: ManualClock
) -> None:
    configure(network, AddDevicePool("bng1/one", ("p",), 24, min_blocks=1))
    give(network, "bng1/one", lifetime=HOUR)
    clock.advance(HOUR)
    rest.sweep_store(network)
    assert views.list_blocks(network) == []


def test_a_released_block_does_not_expire_again(network: Database, clock: ManualClock) -> None:
    give(network, lifetime=HOUR)
    send(network, "b1")
    release(network, ME, ["b1"])
    clock.advance(HOUR)
    rest.sweep_store(network)
    assert [e["verb"] for e in views.show_block(network, "b1")["event"]] == ["allocate", "release"]
