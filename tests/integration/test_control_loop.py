"""The control loop with real sessions to simulated devices: what it polls, decides, does, and leaves alone."""

from __future__ import annotations

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.service import control_state
from casm_ctrl.service.configuration import ChangeDevicePool, change
from casm_ctrl.service.holds import hold, unhold
from casm_ctrl.simulator import Fault, FaultKind
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.notices import listen
from tests.control_world import ME, ControlWorld


@pytest.fixture
def world(control_world: ControlWorld) -> ControlWorld:
    return control_world


async def test_a_device_pool_that_is_automatic_gets_its_first_block(world: ControlWorld) -> None:
    world.add()
    await world.once()
    assert [block.state for block in world.blocks()] == [State.INSTALLED], world.told()
    newest = next(row for row in world.decisions() if row.action == "grow")
    assert (newest.outcome, newest.words, newest.unfinished) == ("done", "seen in running", False)


async def test_one_that_observes_gets_none(world: ControlWorld) -> None:
    world.add(policy=Automation())
    await world.once()
    assert world.blocks() == []
    assert [(row.action, row.would) for row in world.decisions()] == [("grow", True)], world.told()


async def test_it_grows_by_poll(world: ControlWorld) -> None:
    device = world.add()
    await world.once()
    world.lab.do(lambda: device.log_in("internet", 230))
    await world.once()
    assert [block.state for block in world.blocks()] == [State.INSTALLED] * 2, world.told()


def done(world: ControlWorld) -> list[str]:
    """What was done, in order."""
    return [row.action for row in reversed(world.decisions()) if row.acted_at is not None]


async def test_what_was_added_and_never_used_goes_back(world: ControlWorld) -> None:
    device = world.add()
    world.polling("bng1", interval=2, hot_interval=1)
    async with world.watching():
        await world.until(lambda: world.installed() == 1, "the first block")
        world.lab.do(lambda: device.log_in("internet", 210))
        await world.until(lambda: world.installed() == 2, "the second block")
        world.lab.do(lambda: device.log_out("internet", 40))
        await world.until(lambda: len(world.blocks()) == 1, "one goes back")
    [left] = world.blocks()
    assert (left.name, left.state, left.wanted) == ("b1", State.INSTALLED, Wanted.PRESENT)
    assert done(world) == ["grow", "grow", "drain", "give-back"], world.told()
    assert {row.outcome for row in world.decisions() if row.acted_at is not None} == {"done"}
    with world.database.read() as tx:
        assert tx.one("SELECT SUM(1 << (48 - length)) FROM free_block")[0] == (1 << 32) - (1 << 24)


async def test_what_is_idle_is_drained_until_it_is_empty(world: ControlWorld) -> None:
    device = world.add()
    world.polling("bng1", interval=1, hot_interval=1)
    async with world.watching():
        await world.until(lambda: world.installed() == 1, "the first block")
        world.lab.do(lambda: device.log_in("internet", 240))
        await world.until(lambda: world.installed() == 2, "a second block")
        world.lab.do(lambda: device.log_in("internet", 60))
        await world.until(lambda: world.used() == 300, "all are seen")
        while world.used() > 60:  # few at a time: many at once are a loss
            left = world.used() - (1 + world.used() // 6)
            world.lab.do(lambda left=left: device.log_out("internet", world.used() - left))  # type: ignore[misc]
            await world.until(lambda left=left: world.used() == left, "a look")  # type: ignore[misc]
        await world.until(lambda: "drain" in done(world), "a drain")
        while len(world.blocks()) == 2 and world.used():
            left = max(0, world.used() - 12)
            world.lab.do(lambda left=left: device.log_out("internet", world.used() - left))  # type: ignore[misc]
            await world.until(lambda left=left: world.used() <= left, "a look")  # type: ignore[misc]
        await world.until(lambda: len(world.blocks()) == 1, "it goes")
    assert done(world)[-2:] == ["drain", "give-back"], world.told()


async def test_it_grows_by_notice_long_before_the_next_poll(world: ControlWorld) -> None:
    device = world.add(usage_high=80)
    async with world.watching(listen=listen) as controller:
        await world.until(lambda: world.installed() == 1 and controller.listening == 1, "it listens")
        world.lab.do(lambda: device.log_in("internet", 230))
        await world.until(lambda: world.installed() == 2, "the second block")
    assert controller.summary.notices


async def test_a_device_that_restarted_gives_nothing_back(world: ControlWorld) -> None:
    device = world.add()
    world.polling("bng1", interval=1, hot_interval=1)
    async with world.watching():
        await world.until(lambda: world.installed() == 1, "the first block")
        world.lab.do(lambda: device.log_in("internet", 240))
        await world.until(lambda: world.installed() == 2, "the second block")
        world.lab.do(lambda: device.log_in("internet", 60))
        await world.until(lambda: world.used() == 300, "all are seen")
        world.lab.run(device.reboot())
        world.lab.do(lambda: device.log_out("internet", 300))  # they do not come back
        await world.until(lambda: world.used() == 0, "it is idle")
        seen = world.decisions()[0].id
        await world.until(
            lambda: any(row.blocked_by == "loss" or row.rule == "loss" for row in world.decisions()),
            "it is not believed to be idle",
        )
    assert seen
    assert world.installed() == 2
    assert "drain" not in done(world)


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.USAGE_NAN,
        FaultKind.USAGE_NEGATIVE,
        FaultKind.USAGE_ABOVE,
        FaultKind.ANOTHER_DEVICE,
    ],
)
async def test_what_cannot_be_true_moves_nothing(world: ControlWorld, kind: FaultKind) -> None:
    device = world.add()
    await world.once()
    world.lab.do(lambda: device.log_in("internet", 100))
    await world.once()
    before = (world.used(), len(done(world)))
    world.lab.do(lambda: device.faults.set(Fault(kind)))
    for _ in range(3):
        await world.once()
    assert (world.used(), len(done(world))) == before
    assert world.alarms() == {("bad-reading", False)}
    world.lab.do(device.faults.clear)
    await world.once()
    assert world.alarms() == {("bad-reading", True)}
    assert world.used() == 100


async def test_what_a_hold_keeps_is_not_changed(world: ControlWorld) -> None:
    world.add()
    hold(world.database, ME, "device", "bng1")
    await world.once()
    assert world.blocks() == []
    assert world.decisions()[0].blocked_by == "hold"
    assert ("decision-blocked", False) in world.alarms()
    unhold(world.database, ME, "device", "bng1")
    await world.once()
    assert world.installed() == 1
    assert ("decision-blocked", True) in world.alarms()


async def test_a_device_that_does_not_answer_is_alarmed_and_asked_again(world: ControlWorld) -> None:
    device = world.add()
    world.lab.run(device.stop())
    for _ in range(3):
        await world.once()
    assert world.blocks() == []
    assert ("device-unreachable", False) in world.alarms()
    [row] = control_state.status(world.database)["control"]["device"]
    assert row["failures"] == 3


async def test_a_block_that_cannot_be_installed_is_not_allocated_again(world: ControlWorld) -> None:
    device = world.add()
    world.lab.do(lambda: device.faults.set(Fault(FaultKind.REFUSE, "commit", tag="resource-denied")))
    await world.once()
    await world.once()
    [block] = world.blocks()
    assert block.state is State.RESERVED
    [grown] = [row for row in world.decisions() if row.acted_at is not None]
    assert (grown.outcome, grown.unfinished) == ("failed", True)
    assert "bng1: " in grown.words
    world.lab.do(device.faults.clear)
    await world.once()
    assert world.installed() == 1
    [grown] = [row for row in world.decisions() if row.acted_at is not None]
    assert (grown.outcome, grown.words, grown.unfinished) == ("done", "seen in running", False)


@pytest.mark.parametrize("protocol", ["dhcp", "ppp"])
async def test_a_burst_is_served_with_as_many_blocks_as_it_needs(world: ControlWorld, protocol: str) -> None:
    """544 at once, who ask again as their protocol says, and are counted once however often they ask."""
    device = world.add(usage_high=80, policy=Automation(grow="automatic", hold_down=60))
    world.polling("bng1", hot_interval=1)
    async with world.watching(listen=listen) as controller:
        await world.until(lambda: world.installed() == 1 and controller.listening == 1, "it listens")
        world.lab.do(lambda: device.log_in("internet", 544, protocol=protocol))
        await world.until(lambda: device.logins("internet").waiting == 0, "all are served")
        await world.until(lambda: world.used() == 544, "and seen")
    assert len(world.blocks()) in (3, 4), world.told()


async def test_many_who_ask_where_there_is_no_block_get_enough_at_once(world: ControlWorld) -> None:
    """The device tells who asks for a pool that it does not have: the first decision is large enough."""
    device = world.add(policy=Automation(grow="automatic", hold_down=60))
    world.lab.do(lambda: device.log_in("internet", 544))
    async with world.watching(listen=listen):
        await world.until(lambda: world.installed() > 0, "the first block is in")
        assert len(world.blocks()) == 3, world.told()
        await world.until(lambda: device.logins("internet").waiting == 0, "all are served")
    assert len(world.blocks()) in (3, 4), world.told()


async def test_many_who_ask_for_a_pool_that_a_watched_device_lacks_are_counted(world: ControlWorld) -> None:
    device = world.add(policy=Automation())
    async with world.watching(listen=listen) as controller:
        await world.until(lambda: controller.listening == 1 and bool(world.decisions()), "it listens")
        world.lab.do(lambda: device.log_in("internet", 544))
        await world.until(lambda: "3 blocks" in world.decisions()[0].because, "what it would add")
    assert world.blocks() == []


async def test_many_who_ask_while_the_first_block_is_on_its_way_get_enough_at_once(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was decided before anybody asked; nobody is refused a second time."""
    monkeypatch.setattr("casm_ctrl.control.loop.controller.HEARTBEAT", 0.2)
    device = world.add(policy=Automation())
    async with world.watching(listen=listen) as controller:
        await world.until(lambda: controller.listening == 1 and bool(world.decisions()), "it listens")
        change(world.database, ME, [ChangeDevicePool("bng1/internet", (("grow", "automatic"),))])
        await world.until(lambda: bool(world.blocks()), "the first block is decided")
        world.lab.do(lambda: device.log_in("internet", 544))
        await world.until(lambda: device.logins("internet").waiting == 0, "all are served")
    assert len(world.blocks()) in (3, 4), world.told()


async def test_two_controllers_share_the_devices_of_one_store(world: ControlWorld) -> None:
    for number in range(4):
        world.add(f"bng{number}")
    async with world.watching() as one, world.watching() as other:
        await world.until(lambda: all(world.installed(name) for name in world.devices), "all have a block")
        await world.until(lambda: one.watched == other.watched == 2, "they share them")
    assert all(len(world.blocks(name)) == 1 for name in world.devices)


async def test_what_is_switched_on_is_done_before_the_next_poll(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casm_ctrl.control.loop.controller.HEARTBEAT", 0.2)
    world.add(policy=Automation())
    async with world.watching():
        await world.until(lambda: bool(world.decisions()), "a decision")
        assert world.blocks() == []
        values = (("grow", "automatic"),)
        change(world.database, ME, [ChangeDevicePool("bng1/internet", values)])
        await world.until(lambda: world.installed() == 1, "its first block")
