"""A redundancy pair through `casm` processes: a group's blocks on every member, and gone from every member."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddGroup, change
from casm_ctrl.store.states import State
from tests.sync_world import ME, World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("groups"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    """Group `pair`: bng1 and bng2 serve, bng3 stands by, relay relays; it owns bng1/home."""
    with worlds.world() as made:
        for name in ("bng1", "bng2", "bng3", "relay"):
            made.add(name)
        members = (("bng1", "serves"), ("bng2", "serves"), ("bng3", "stands-by"), ("relay", "relays"))
        home = AddDevicePool("bng1/home", ("p",), 26, group="pair")
        change(made.database, ME, [AddGroup("pair", members), home])
        yield made


def test_a_groups_block_comes_to_all_members_and_leaves_all(world: World) -> None:
    allocate(world.database, ME, "bng1/home", count=2)
    world.apply("bng1", code=0)
    assert set(world.states().values()) == {State.RESERVED}, "bng2 does not serve it yet"
    world.apply(code=0)
    assert set(world.states().values()) == {State.INSTALLED}
    for name in ("bng1", "bng2", "bng3"):
        assert world.shown(name) == {1, 2}
        assert world.casm("plan", name, code=0).device(name)["result"] == "in-sync"
    assert world.shown("relay") == set()

    world.take_back("b2")
    world.apply("bng3", code=0)
    world.apply("bng1", code=0)
    assert world.states()["b2"] is State.INSTALLED, "bng2 still gives addresses out"
    assert world.shown("bng3") == {1, 2}, "it stands by until one that serves let go"
    for name in ("bng2", "bng1", "bng2"):
        world.apply(name, code=0)
    assert world.states()["b2"] is State.WITHDRAWING, "bng3 still has it"
    assert world.shown("bng3") == {1, 2}
    world.apply("bng3", code=0)
    assert world.states() == {"b1": State.INSTALLED, "b2": State.QUARANTINED}
    for name in ("bng1", "bng2", "bng3"):
        assert world.shown(name) == {1}


def test_a_member_that_cannot_be_reached_keeps_the_block(world: World) -> None:
    allocate(world.database, ME, "bng1/home")
    world.apply(code=0)
    world.take_back("b1")
    world.lab.stop(world.devices.pop("bng3"))
    for _ in range(3):
        world.apply(code=1)
    assert world.states()["b1"] is State.WITHDRAWING
    assert world.shown("bng1") == world.shown("bng2") == set()
