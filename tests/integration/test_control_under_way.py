"""What comes between while the loop has something under way: holds, people, subscribers who come back, and devices
that do not count."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import ChangeDevicePool, change
from casm_ctrl.service.holds import hold, unhold
from casm_ctrl.service.release import cancel_drain
from casm_ctrl.simulator import Fault, FaultKind
from casm_ctrl.store.states import State, Wanted
from tests.brakes_world import HOUR, Slow
from tests.control_world import ME


@pytest.fixture
def world(slow_world: Slow) -> Slow:
    return slow_world


# --- Holds while something is under way -----------------------------------------------------------

HOLDS = [("all", None), ("device", "bng1"), ("pool", "p"), ("device-pool", "bng1/internet")]


@pytest.mark.parametrize(("kind", "subject"), HOLDS, ids=[kind for kind, _ in HOLDS])
async def test_a_drain_that_failed_is_not_tried_again_while_it_is_held(
    world: Slow, kind: str, subject: str | None
) -> None:
    await world.grown()
    change(world.database, ME, [ChangeDevicePool("bng1/internet", (("shrink", "automatic"),))])
    world.refuse("bng1")
    world.pass_time(30)
    await world.once()
    assert world.state(2) == (State.INSTALLED, Wanted.DRAINED), world.told()
    world.heal()
    hold(world.database, ME, kind, subject)
    before = world.commits()
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.commits() == before
    assert world.state(2) == (State.INSTALLED, Wanted.DRAINED)
    unhold(world.database, ME, kind, subject)
    world.pass_time(30)
    await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.DRAINED)
    assert [row.outcome for row in world.acted("drain")] == ["done"]


async def test_what_is_seen_already_is_finished_while_it_is_held(world: Slow) -> None:
    """As when the loop was killed between the visit and its last word."""
    await world.draining(used=3, drain_deadline=HOUR)
    with world.database.write() as tx:
        tx.run("UPDATE decision SET outcome = 'pending', unfinished = 1 WHERE action = 'drain'")
    hold(world.database, ME, "all")
    before = world.commits()
    world.pass_time(30)
    await world.once()
    assert [(row.outcome, row.unfinished) for row in world.acted("drain")] == [("done", False)]
    assert world.commits() == before


@pytest.mark.parametrize(("kind", "subject"), HOLDS, ids=[kind for kind, _ in HOLDS])
async def test_an_empty_block_is_not_given_back_while_it_is_held(
    world: Slow, kind: str, subject: str | None
) -> None:
    await world.draining()
    hold(world.database, ME, kind, subject)
    for _ in range(3):
        world.pass_time(30)
        await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.DRAINED), world.told()
    assert world.decisions()[0].blocked_by == "hold"
    assert len(world.raised("decision-blocked")) == 1
    unhold(world.database, ME, kind, subject)
    world.pass_time(30)
    await world.once()
    assert world.state(2) is None, world.told()
    assert world.raised("decision-blocked") == []


# --- What a person did --------------------------------------------------------------------------------


async def test_a_drain_that_a_person_took_back_is_not_begun_again_at_once(world: Slow) -> None:
    """Also of a block that nobody ever used: somebody wants it."""
    await world.draining()
    change(world.database, ME, [ChangeDevicePool("bng1/internet", (("hold_down", 600),))])
    hold(world.database, ME, "all")
    world.pass_time(900)
    cancel_drain(world.database, ME, ["b2"])
    await world.apply("bng1")
    assert world.state(2) == (State.INSTALLED, Wanted.PRESENT)
    unhold(world.database, ME, "all")
    for _ in range(4):
        world.pass_time(140)
        await world.once()
        assert world.state(2) == (State.INSTALLED, Wanted.PRESENT), world.told()
    for _ in range(2):
        world.pass_time(140)
        await world.once()
    assert len(world.acted("drain")) == 2, world.told()


async def test_a_block_that_a_person_added_is_not_drained_at_once(world: Slow) -> None:
    await world.grown()
    world.use(2, 3)
    values = (("hold_down", 600), ("shrink", "automatic"), ("min_blocks", 2))
    change(world.database, ME, [ChangeDevicePool("bng1/internet", values)])
    for _ in range(6):
        world.pass_time(140)
        await world.once()
    allocate(world.database, ME, "bng1/internet")
    await world.apply("bng1")
    for _ in range(4):
        world.pass_time(140)
        await world.once()
        assert world.acted("drain") == [], world.told()
    assert (world.decisions()[0].rule, world.decisions()[0].blocked_by) == ("hold-down", "hold-down")
    for _ in range(2):
        world.pass_time(140)
        await world.once()
    assert len(world.acted("drain")) == 1, world.told()


# --- Subscribers who come back --------------------------------------------------------------------


async def released(world: Slow) -> None:
    """Two readings find b2 empty."""
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.ABSENT), world.told()


async def refilled(world: Slow, **policy: Any) -> None:
    """b2 was empty and is given back, and somebody is in it when it is to go."""
    await world.draining(**policy)
    world.refuse("bng1", operation="edit-config")
    await released(world)
    world.heal()
    device = world.devices["bng1"]
    world.lab.do(lambda: device.faults.set(Fault(FaultKind.DRAIN_IGNORED)))
    world.use(2, 3)


async def test_who_is_in_a_block_that_was_to_go_stays_and_an_operator_hears_of_it(world: Slow) -> None:
    await refilled(world, drain_deadline=900)
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.ABSENT), world.told()
    assert world.raised("drain-overdue") == []
    world.pass_time(900)
    await world.once()
    assert ["3 subscribers are in it" in words for words in world.raised("drain-overdue")] == [True]
    world.use(2, 0)
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) is None, world.told()
    assert world.raised("drain-overdue") == []
    assert {row.outcome for row in world.acted("give-back")} == {"done"}


async def test_one_in_whom_somebody_is_goes_after_all_where_its_policy_forces_it(world: Slow) -> None:
    await refilled(world, drain_deadline=900, force_after=0)
    world.pass_time(1000)
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) in (None, (State.QUARANTINED, Wanted.ABSENT)), world.told()
    assert not any(row.unfinished for row in world.acted("give-back"))


async def test_a_block_that_is_not_counted_when_it_is_to_go_stays(world: Slow) -> None:
    """Two readings found it empty; then the device leaves it out, and nobody knows who uses it."""
    await world.draining()
    world.refuse("bng1", operation="edit-config")
    await released(world)
    world.heal()
    device = world.devices["bng1"]
    world.lab.do(lambda: device.faults.set(Fault(FaultKind.MISSING_BLOCKS)))
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.ABSENT), world.told()
    world.heal()
    for _ in range(2):
        world.pass_time(30)
        await world.once()
    assert world.state(2) is None, world.told()
