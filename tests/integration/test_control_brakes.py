"""What keeps the loop back, with real sessions and a clock that a test moves: the breaker, an absence, a clock that
jumps, and quotas."""

from __future__ import annotations

import asyncio

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.control.loop.controller import Controller, Watch
from casm_ctrl.service import control_state, rest
from casm_ctrl.service.configuration import ChangeDevicePool, SetLimits, SetQuota, change
from casm_ctrl.store.states import State, Wanted
from tests.brakes_world import DAY, HOUR, Slow
from tests.control_world import ME


@pytest.fixture
def world(slow_world: Slow) -> Slow:
    return slow_world


# --- The breaker ----------------------------------------------------------------------------------


async def stopped(world: Slow) -> None:
    """Three devices refused in a row, and so all is stopped; bng4 is well, and wants its first block."""
    change(world.database, ME, [SetLimits((("breaker_failures", 3),))])
    for number in (1, 2, 3):
        world.add(f"bng{number}")
    world.refuse(*world.devices)
    await world.once()
    assert [
        words.startswith("3 automatic changes in a row failed")
        for words in world.raised("automation-stopped")
    ]
    world.add("bng4")
    world.heal()
    world.pass_time(30)
    await world.once()
    assert world.blocks("bng4") == []
    assert world.decisions(4)[0].blocked_by == "breaker"
    assert len(world.raised("decision-blocked")) == 1
    assert world.installed("bng1") == world.installed("bng2") == world.installed("bng3") == 0, "tried again"


def all_well(world: Slow) -> bool:
    counts = {name: (world.installed(name), len(world.blocks(name))) for name in world.devices}
    return set(counts.values()) == {(1, 1)}


async def test_the_breaker_stops_all_devices_until_somebody_resumes(world: Slow) -> None:
    await stopped(world)
    control_state.resume(world.database, ME)
    assert world.raised("automation-stopped") == []
    await world.once()
    assert all_well(world), world.told()
    assert world.alarms() >= {("automation-stopped", True), ("decision-blocked", True)}
    assert not any(not cleared for _, cleared in world.alarms()), world.alarms()


async def test_the_breaker_lets_it_go_on_when_its_time_is_over(world: Slow) -> None:
    await stopped(world)
    world.pass_time(1700)
    await world.once()
    assert world.installed("bng1") == 0
    world.pass_time(100)
    for _ in range(2):
        await world.once()
    assert all_well(world), world.told()
    assert world.raised("automation-stopped") == []


async def test_the_first_failure_after_its_time_stops_all_again(world: Slow) -> None:
    await stopped(world)
    world.refuse("bng4")
    world.pass_time(1800)
    await world.once()
    assert [row.outcome for row in world.acted("grow", 4)] == ["failed"]
    assert [words.startswith("1 automatic change") for words in world.raised("automation-stopped")] == [True]
    world.add("bng5")
    world.pass_time(30)
    await world.once()
    assert world.blocks("bng5") == []


async def test_a_device_that_refuses_is_tried_ever_more_rarely(world: Slow) -> None:
    world.add()
    world.refuse("bng1")
    async with world.run() as run:
        controller = Controller(run, chance=lambda: 0.0)
        controller._number = controller._actor.controller = await run.store.run(control_state.begin)
        await run.store.run(control_state.keep, controller._number)
        watch = Watch("bng1", 0.0)
        pauses = []
        for _ in range(6):
            await controller._visit(watch, told=False)
            pauses.append(round(watch.due - asyncio.get_running_loop().time()))
        await controller._end()
    assert pauses == [10, 20, 40, 80, 160, 300]


async def test_devices_that_restart_at_once_stop_all(world: Slow) -> None:
    for number in (1, 2, 3):
        world.add(f"bng{number}")
    await world.once()
    world.pass_time(120)
    for device in world.devices.values():
        world.lab.run(device.reboot())
    await world.once()
    assert [words.startswith("3 of 3 devices restarted") for words in world.raised("automation-stopped")] == [
        True
    ]
    for number in (1, 2, 3):
        change(world.database, ME, [ChangeDevicePool(f"bng{number}/internet", (("min_blocks", 2),))])
    world.pass_time(30)
    await world.once()
    assert [len(world.blocks(name)) for name in world.devices] == [1, 1, 1]
    control_state.resume(world.database, ME)
    world.pass_time(30)
    await world.once()
    assert [world.installed(name) for name in world.devices] == [2, 2, 2], world.told()
    assert world.raised("automation-stopped") == []


# --- Away for a day -------------------------------------------------------------------------------


async def test_who_was_away_cuts_nobody_off_with_the_first_look(world: Slow) -> None:
    """The drain is overdue, and force-after over, only since nobody looked."""
    await world.draining(used=3, drain_deadline=2 * HOUR, force_after=HOUR)
    world.pass_time(DAY)
    await world.once()
    assert world.state(2) == (State.DRAINING, Wanted.DRAINED), world.told()
    assert world.decisions()[0].blocked_by == "gentle-start"
    assert len(world.raised("decision-blocked")) == 1
    for _ in range(2):
        world.pass_time(1800)
        await world.once()
    assert world.decisions()[0].blocked_by is None or world.acted("give-back")
    world.pass_time(30)
    await world.once()
    assert [row.rule for row in world.acted("give-back")] == ["forced"], world.told()


async def test_who_was_away_gives_nothing_back_by_old_readings(world: Slow) -> None:
    """A hold-down that is longer than the absence: what was read before it agrees with what is read after it."""
    await world.grown(drain_deadline=2 * HOUR)
    world.use(2, 3)
    values = (("shrink", "automatic"), ("hold_down", 2 * HOUR))
    change(world.database, ME, [ChangeDevicePool("bng1/internet", values)])
    for seconds in (30, 3500):
        world.pass_time(seconds)
        await world.once()
    assert world.decisions()[0].rule == "one-reading"
    world.pass_time(3750)
    await world.once()
    assert world.acted("drain") == [], world.told()
    assert world.decisions()[0].blocked_by == "gentle-start"


async def test_who_was_away_adds_few_blocks_at_first(world: Slow) -> None:
    change(world.database, ME, [SetLimits((("grow_per_hour", 4),))])
    names = [f"bng{number}" for number in range(1, 5)]
    for name in names:
        world.add(name, policy=Automation())
    await world.once()
    world.pass_time(DAY)
    values = (("grow", "automatic"),)
    change(world.database, ME, [ChangeDevicePool(f"{name}/internet", values) for name in names])
    for _ in range(3):
        await world.once()
        world.pass_time(30)
    assert sum(len(world.blocks(name)) for name in names) == 1, world.told()
    world.pass_time(1800)
    await world.once()
    world.pass_time(1800)
    for _ in range(3):
        world.pass_time(30)
        await world.once()
    assert [len(world.blocks(name)) for name in names] == [1] * 4, world.told()


# --- A clock that jumps ---------------------------------------------------------------------------


async def test_a_clock_that_jumped_forwards_forces_nothing(world: Slow) -> None:
    await world.draining(used=3, drain_deadline=900, force_after=0)
    world.clock.jump(3000)
    for _ in range(3):
        await world.once()
        world.pass_time(30)
    assert world.state(2) == (State.DRAINING, Wanted.DRAINED), world.told()
    assert world.decisions()[0].blocked_by == "clock", world.told()
    assert "accept-clock" in world.raised("decision-blocked")[0]
    rest.accept_clock(world.database, ME)
    await world.once()
    assert [row.rule for row in world.acted("give-back")] == ["forced"], world.told()


@pytest.mark.parametrize("seconds", [2 * HOUR, -2 * HOUR], ids=["forwards", "backwards"])
async def test_whatever_the_clock_says_it_grows(world: Slow, seconds: int) -> None:
    """Readings from before a jump back are of the future, and say nothing."""
    world.add()
    await world.once()
    world.use(1, 10)
    world.pass_time(30)
    await world.once()
    world.clock.jump(seconds)
    world.use(1, 250)
    for _ in range(4):
        world.pass_time(30)
        await world.once()
    assert world.installed() == 2, world.told()
    assert world.acted("drain") == []


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["forwards", "backwards"])
async def test_a_controller_that_runs_goes_on_when_the_clock_jumps(
    world: Slow, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """By its row it is late then, and nobody watches; its next heartbeat says that it is there."""
    monkeypatch.setattr("casm_ctrl.control.loop.controller.HEARTBEAT", 0.1)
    world.add()
    world.polling("bng1", interval=1, hot_interval=1)
    async with world.watching():
        await world.until(lambda: world.installed() == 1, "the first block")
        world.clock.jump(seconds)
        world.use(1, 250)

        def grown() -> bool:
            world.pass_time(0.1)
            return world.installed() == 2

        await world.until(grown, "the second block")
    assert world.acted("drain") == []


# --- Quotas ---------------------------------------------------------------------------------------


async def test_what_a_quota_refuses_is_recorded_and_alarmed_and_not_asked_for_madly(world: Slow) -> None:
    world.add()
    change(world.database, ME, [SetQuota("little", "device", "bng1", 256, "ipv4")])
    await world.once()
    world.use(1, 250)
    for _ in range(5):
        world.pass_time(30)
        controller = await world.once()
        assert controller.summary.looks <= 2
    assert len(world.blocks()) == 1
    newest, *older = world.decisions()
    assert (newest.action, newest.blocked_by) == ("grow", "refused")
    assert "quota 'little'" in newest.because
    assert newest.times >= 4
    assert [row.blocked_by for row in older].count("refused") == 0
    assert ["quota 'little'" in words for words in world.raised("decision-blocked")] == [True]
    assert world.changes_of("decision-blocked") == 1
    change(world.database, ME, [SetQuota("little", "device", "bng1", 512, "ipv4")])
    world.pass_time(30)
    await world.once()
    assert world.installed() == 2
    assert world.raised("decision-blocked") == []


async def test_of_what_a_quota_refuses_a_part_is_better_than_nothing(world: Slow) -> None:
    device = world.add()
    change(world.database, ME, [SetQuota("little", "device", "bng1", 512, "ipv4")])
    change(world.database, ME, [ChangeDevicePool("bng1/internet", (("min_blocks", 3),))])
    await world.once()
    assert len(world.blocks()) >= 1, world.told()
    assert device is world.devices["bng1"]
    assert any("quota 'little'" in row.because and row.acted_at for row in world.decisions())
