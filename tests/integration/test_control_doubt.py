"""Older readings agree that a block may go, and the device just told what cannot be true: the block stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.control.deciding.view import Decision, Drain, PoolView
from casm_ctrl.control.loop.controller import Controller
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
