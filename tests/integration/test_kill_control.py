"""`kill -9` of the control loop while it changes a device: who starts next finishes it, and nothing is done twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.store import automation
from casm_ctrl.store import decisions as rows
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.states import State
from casm_ctrl.sync.boundary import Boundary
from tests.sync_world import World, Worlds

AT_ONCE = 4
BOUNDARIES = [boundary for boundary in Boundary if boundary is not Boundary.STARTUP]
ALL = Automation(grow="automatic", shrink="automatic", hold_down=1, history=0)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("kill-control"))
    yield made
    made.close()


@contextmanager
def prepared(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        made.add()
        with made.database.write() as tx:
            automation.put_automation(tx, 1, ALL)
        yield made


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with prepared(worlds) as made:
        yield made


def once(world: World, stop_at: str = "") -> int:
    return world.casm("control", "run", "--once", CASM_STOP_AT=stop_at).code


def acted(world: World) -> list[DecisionRow]:
    with world.database.read() as tx:
        return [row for row in reversed(rows.decisions_of_pool(tx, 1, 100)) if row.acted_at is not None]


def grow_killed(worlds: Worlds, boundary: Boundary) -> None:
    with prepared(worlds) as world:
        assert once(world, f"{boundary.value}:1") == -signal.SIGKILL
        world.expire_leases()
        assert once(world) == 0
        assert world.states() == {"b1": State.INSTALLED}
        [grown] = acted(world)
        assert (grown.action, grown.outcome, grown.unfinished) == ("grow", "done", False)
        world.check()


@pytest.fixture(scope="module")
def killed(worlds: Worlds) -> Iterator[dict[Boundary, Future[None]]]:
    """All of them begun at once; each test waits for its own."""
    with ThreadPoolExecutor(AT_ONCE) as executor:
        yield {boundary: executor.submit(grow_killed, worlds, boundary) for boundary in BOUNDARIES}


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=str)
def test_a_growth_is_finished_and_not_repeated(
    boundary: Boundary, killed: dict[Boundary, Future[None]]
) -> None:
    killed[boundary].result(100)


def test_sigterm_ends_it_and_leaves_its_devices(world: World) -> None:
    casm = world.start("control", "run")
    end = time.monotonic() + 30
    while world.states() != {"b1": State.INSTALLED}:
        assert time.monotonic() < end
        time.sleep(0.02)
    status = world.casm("control", "status", code=0).answer["control"]
    assert [device["name"] for device in status["device"] if "watched-by" in device] == ["bng1"]
    casm.send(signal.SIGTERM)
    done = casm.wait(20)
    assert done.code == 0, done.err
    assert done.answer["control"]["changes"] == 1
    status = world.casm("control", "status", code=0).answer["control"]
    assert status["controller"] == []
    assert [device for device in status["device"] if "watched-by" in device] == []
