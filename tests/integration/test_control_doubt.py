"""Older readings agree that a block may go, and the device just told what cannot be true: the block stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.control.deciding.view import Decision, Drain, PoolView
from casm_ctrl.control.loop.controller import Controller, Watch
from casm_ctrl.drivers.notices import UsageNotice
from casm_ctrl.simulator import Fault, FaultKind
from casm_ctrl.store.states import State, Wanted
from tests.control_world import ControlWorld, world_in


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with world_in(tmp_path) as made:
        yield made


def drain(view: PoolView, now: int) -> Decision:
    return Decision(action=Drain(view.blocks[0].number), rule="idle", because="it idles", inputs={})


async def look(world: ControlWorld) -> None:
    """Once, by a controller that wants to drain whatever it sees."""
    async with world.run() as run:
        controller = Controller(run, chance=lambda: 0.0)
        controller._looker.decide = drain
        await controller.once()


async def test_a_block_stays_where_only_what_its_device_told_by_itself_is_nonsense(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it answers when it is asked is sound."""
    world.add()
    await world.once()
    nonsense = UsageNotice(None, fault="addresses-used of a pool is 'NaN': it is no count")
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "take", lambda watch: [nonsense])
        await look(world)
    assert [(block.state, block.wanted) for block in world.blocks()] == [(State.INSTALLED, Wanted.PRESENT)]
    assert world.decisions()[0].blocked_by == "bad-reading", world.told()
    assert world.alarms() == {("bad-reading", False)}
    await look(world)
    assert [block.wanted for block in world.blocks()] == [Wanted.DRAINED], world.told()
    assert ("bad-reading", True) in world.alarms()


@pytest.mark.parametrize("kind", [FaultKind.USAGE_NAN, FaultKind.MISSING_BLOCKS])
async def test_a_block_stays_while_its_device_tells_nonsense(world: ControlWorld, kind: FaultKind) -> None:
    device = world.add()
    await world.once()
    world.lab.do(lambda: device.faults.set(Fault(kind)))
    await look(world)
    assert [(block.state, block.wanted) for block in world.blocks()] == [(State.INSTALLED, Wanted.PRESENT)]
    assert world.decisions()[0].blocked_by == "bad-reading", world.told()
    world.lab.do(device.faults.clear)
    await look(world)
    assert [block.wanted for block in world.blocks()] == [Wanted.DRAINED], world.told()
