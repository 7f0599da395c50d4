"""What a controller does first with devices that another one watched before it, or itself before it was restarted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.store.states import State
from casm_ctrl.sync.notices import listen
from tests.control_world import ControlWorld, world_in


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with world_in(tmp_path) as made:
        yield made


async def test_who_takes_over_listens_long_before_the_next_poll_is_due(world: ControlWorld) -> None:
    device = world.add(usage_high=80)
    await world.once()
    assert [block.state for block in world.blocks()] == [State.INSTALLED], world.told()
    with world.database.write() as tx:
        tx.run("UPDATE device_watch SET next_poll = next_poll + 300000000")
    async with world.watching(listen=listen) as controller:
        await world.until(lambda: controller.listening == 1, "it listens")
        world.lab.do(lambda: device.log_in("internet", 230))
        await world.until(lambda: world.installed() == 2, "the second block")
