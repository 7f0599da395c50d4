"""What keeps the loop back, with real sessions and a clock that a test moves: the breaker, an absence, a clock that
jumps, quotas, and holds while something is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.control.loop.controller import Controller, Watch
from casm_ctrl.service import control_state, rest
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import ChangeDevicePool, SetLimits, SetQuota, change
from casm_ctrl.service.holds import hold, unhold
from casm_ctrl.service.release import cancel_drain
from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.report import Report
from tests.control_world import ME, ControlWorld, copy_store
from tests.sync_world import Lab

BEGIN = 2_000_000_000 * SECOND
HOUR, DAY = 3600, 86_400
POOL = 1
"""The number of the device pool that is added first."""


@dataclass
class Slow(ControlWorld):
    """`clock` is the store's, `devices_clock` that of all devices."""

    clock: ManualClock = None  # type: ignore[assignment]
    devices_clock: ManualClock = None  # type: ignore[assignment]

    def add(self, name: str = "bng1", **options: Any) -> SimulatedDevice:
        return super().add(name, clock=self.devices_clock, **options)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.lab.do(lambda: self.devices_clock.advance(seconds))

    def use(self, number: int, used: int, device: str = "bng1") -> None:
        """Let so many addresses of a block be in use."""
        [block] = [row for row in self.blocks(device) if row.id == number]
        served = str(block.prefix)
        assert self.lab.do(lambda: self.devices[device].set_subscribers_in(served, used)) == used

    def refuse(self, *names: str, operation: str = "commit") -> None:
        fault = Fault(FaultKind.REFUSE, operation, tag="resource-denied")
        for device in map(self.devices.__getitem__, names):
            self.lab.do(partial(device.faults.set, fault))

    def heal(self) -> None:
        for device in self.devices.values():
            self.lab.do(device.faults.clear)

    def commits(self, device: str = "bng1") -> int:
        """How often it was told to commit."""
        entries = self.lab.do(lambda: self.devices[device].journal.entries)
        return sum("commit" in entry.names for entry in entries)

    async def apply(self, device: str) -> None:
        """As a person does."""
        async with self.run() as run:
            await apply_one(run, Report(device))

    def state(self, number: int) -> tuple[State, Wanted] | None:
        """None: it is free."""
        found = [row for name in self.devices for row in self.blocks(name) if row.id == number]
        return (found[0].state, found[0].wanted) if found else None

    def raised(self, kind: str) -> list[str]:
        """What an alarm that is not cleared says, by resource."""
        with self.database.read() as tx:
            rows = tx.all("SELECT text FROM alarm WHERE type_id = :kind AND is_cleared = 0", kind=kind)
        return [row[0] for row in rows]

    def changes_of(self, kind: str) -> int:
        """How often it was raised, changed or cleared."""
        with self.database.read() as tx:
            row = tx.one(
                "SELECT COUNT(*) FROM alarm_status JOIN alarm ON alarm.id = alarm_id WHERE type_id = :kind",
                kind=kind,
            )
        return int(row[0])

    def acted(self, action: str, pool: int = POOL) -> list[DecisionRow]:
        """The oldest first."""
        rows = [row for row in self.decisions(pool) if row.acted_at is not None and row.action == action]
        return rows[::-1]

    async def grown(self, **policy: Any) -> None:
        """bng1 has b1 with 100 subscribers, and b2 which nobody uses."""
        self.add(policy=Automation(grow="automatic", hold_down=1, history=0, **policy))
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("min_blocks", 2),))])
        await self.once()
        assert self.installed() == 2, self.told()
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("min_blocks", 0),))])
        self.use(1, 100)
        self.pass_time(30)
        await self.once()

    async def draining(self, used: int = 0, **policy: Any) -> None:
        """The loop drains b2, in which `used` are; all that follows is by `policy` too."""
        await self.grown(**policy)
        change(self.database, ME, [ChangeDevicePool("bng1/internet", (("shrink", "automatic"),))])
        self.use(2, used)
        for _ in range(3):
            if self.state(2) != (State.INSTALLED, Wanted.PRESENT):
                break
            self.pass_time(30)
            await self.once()
        assert self.state(2) == (State.DRAINING, Wanted.DRAINED), self.told()


@pytest.fixture
def world(
    control_lab: Lab, control_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slow]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    clock = ManualClock(BEGIN)
    database = copy_store(control_store, tmp_path, clock)
    made = Slow(database, control_lab, clock=clock, devices_clock=ManualClock(BEGIN))
    yield made
    control_lab.stop(*made.devices.values())
    database.close()


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
