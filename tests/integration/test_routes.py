"""Routes that somebody announces by hand, through `casm` processes and a simulated device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, change
from casm_ctrl.service.release import cancel_drain
from casm_ctrl.store.states import State
from tests.sync_world import ME, World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("routes"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """A device with the device pool bng1/out, whose routes are announced elsewhere."""
    with worlds.world() as made:
        made.add("bng1")
        out = AddDevicePool(
            "bng1/out", ("p",), 26, announcement="external", next_hop="192.0.2.1", route_tag=7
        )
        change(made.database, ME, [out])
        allocate(made.database, ME, "bng1/out")
        yield made


def listed(world: World) -> dict[str, Any]:
    (route,) = json.loads(world.casm("route", "list", code=0).out)["route"]
    found: dict[str, Any] = route
    return found


def test_a_block_serves_when_its_route_is_confirmed(world: World) -> None:
    planned = world.casm("plan", code=0).device()
    assert planned["route"] == [
        {
            "action": "announce",
            "block": "b1",
            "prefix": "198.51.100.0/26",
            "announcement": "external",
            "proof": "unproven",
            "next-hop": "192.0.2.1",
            "route-tag": 7,
        }
    ]
    applied = world.apply(code=0)
    assert "casm route confirm b1" in applied.warnings()
    assert (world.states()["b1"], listed(world)["serving"]) == (State.INSTALLED, False)
    world.casm("route", "confirm", "b1", code=0)
    route = listed(world)
    assert (route["serving"], route["route"]["proof"], route["next-hop"]) == (True, "present", "192.0.2.1")
    assert "confirm" not in world.apply(code=0).warnings()
    shown = json.loads(world.casm("block", "show", "b1", code=0).out)["block"]
    assert shown["serving"] is True
    assert "route-confirm" in {event["verb"] for event in shown["event"]}


def test_a_block_rests_only_when_its_route_is_gone_too(world: World) -> None:
    world.apply(code=0)
    world.casm("route", "confirm", "b1", code=0)
    world.take_back("b1")
    for _ in range(2):
        applied = world.apply(code=0)
        assert world.states()["b1"] is State.WITHDRAWING
        assert "casm route confirm b1 --gone" in str(applied.device()["waiting"])
    assert world.shown() == set()
    world.casm("route", "confirm", "b1", "--gone", code=0)
    assert world.states()["b1"] is State.QUARANTINED


def test_a_route_that_was_never_confirmed_must_be_said_to_be_gone_all_the_same(world: World) -> None:
    world.apply(code=0)
    world.take_back("b1")
    world.apply(code=0)
    assert world.states()["b1"] is State.WITHDRAWING
    world.casm("route", "confirm", "b1", "--gone", code=0)
    assert world.states()["b1"] is State.QUARANTINED


def test_a_route_may_go_before_its_block(world: World) -> None:
    world.apply(code=0)
    world.take_back("b1")
    world.casm("route", "confirm", "b1", "--gone", code=0)
    assert world.states()["b1"] is State.INSTALLED
    world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED


def test_a_word_is_for_one_release(world: World) -> None:
    """Who keeps the block announces its route again, and need not say so."""
    world.apply(code=0)
    world.take_back("b1")
    world.casm("route", "confirm", "b1", "--gone", code=0)
    cancel_drain(world.database, ME, ["b1"])
    assert listed(world)["route"]["proof"] == "unproven"
    world.take_back("b1")
    world.apply(code=0)
    assert world.states()["b1"] is State.WITHDRAWING


def test_what_was_never_sent_needs_no_word(world: World) -> None:
    world.take_back("b1")
    assert world.states() == {}


def test_words_that_cannot_be_true_are_refused(world: World) -> None:
    world.apply(code=0)
    gone = world.casm("route", "confirm", "b1", "--gone", code=1)
    assert "release it first" in gone.err
    world.give(1)
    plain = world.casm("route", "confirm", "b2", code=1)
    assert "announced 'none'" in plain.err
    world.take_back("b1")
    world.casm("route", "confirm", "b1", "--gone", code=0)
    world.apply(code=0)
    back = world.casm("route", "confirm", "b1", code=1)
    assert "the block rests" in back.err
