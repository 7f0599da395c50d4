"""The control loop with real sessions to simulated devices: what it polls, decides, does, and leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.store.states import State, Wanted
from tests.control_world import ControlWorld, control_template, copy_store
from tests.sync_world import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with control_template(tmp_path_factory.mktemp("control")) as path:
        yield path


@pytest.fixture
def world(
    lab: Lab, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ControlWorld]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    database = copy_store(template, tmp_path)
    made = ControlWorld(database, lab)
    yield made
    lab.stop(*made.devices.values())
    database.close()


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
