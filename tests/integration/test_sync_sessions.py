"""Sessions that runs share: one for each device, opened anew after a loss, and never kept with a lock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.netconf.client.session_pool import SessionPool
from casm_ctrl.service.configuration import ChangeDevice, change
from casm_ctrl.service.verb import Document
from casm_ctrl.simulator import FaultKind
from casm_ctrl.sync.reconciler import Options, apply, check
from tests.sync_world import ME, World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("sessions"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with worlds.world() as made:
        yield made


@pytest.fixture
async def sessions() -> AsyncIterator[SessionPool]:
    async with SessionPool() as pool:
        yield pool


async def applied(world: World, *names: str, sessions: SessionPool | None = None) -> dict[str, Document]:
    """The reports by device."""
    options = Options(wait=5, retries=0, sessions=sessions)
    document = await apply(world.database, ME, names, options, lambda device, words: None)
    return {row["name"]: row for row in document["device"]}


def used(world: World, name: str = "bng1") -> set[int]:
    """The sessions on which the device was asked something."""
    return {entry.session_id for entry in world.devices[name].journal.entries if entry.session_id}


@pytest.mark.parametrize("client", CLIENTS)
async def test_runs_after_each_other_share_a_session(
    world: World, sessions: SessionPool, client: str
) -> None:
    world.add()
    change(world.database, ME, [ChangeDevice("bng1", client)])
    for _ in range(3):
        world.give()
        assert (await applied(world, sessions=sessions))["bng1"]["result"] == "changed"
    await check(world.database, ME, ["bng1"], Options(sessions=sessions), lambda device, words: None)
    assert len(used(world)) == 1
    assert world.shown() == {1, 2, 3}
    world.check()


async def test_a_run_of_its_own_leaves_no_session(world: World) -> None:
    device = world.installed()
    world.give()
    await applied(world)
    for _ in range(500):
        if not device.session_ids:
            break
        await asyncio.sleep(0.01)
    assert device.session_ids == ()


async def test_after_a_loss_the_next_run_has_a_new_session(world: World, sessions: SessionPool) -> None:
    device = world.add()
    world.give()
    await applied(world, sessions=sessions)
    before = used(world)
    world.lab.run(device.reboot())
    end = asyncio.get_running_loop().time() + 30
    while any(place.session is not None and not place.session.ended for place in sessions._places.values()):
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
    world.give()
    assert (await applied(world, sessions=sessions))["bng1"]["result"] == "changed"
    assert len(used(world) - before) == 1
    assert world.shown() == {1, 2}
    world.check()


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_kept_session_whose_device_vanished_costs_a_deadline(
    world: World, sessions: SessionPool, client: str
) -> None:
    """Nothing tells that the peer is gone: the connection looks alive. It is found out, and the next one is new."""
    device = world.add(deadlines=(("rpc", 1.0),))
    change(world.database, ME, [ChangeDevice("bng1", client)])
    world.give()
    await applied(world, sessions=sessions)
    before = used(world)
    world.lab.do(device.vanish)
    world.give()
    results = [(await applied(world, sessions=sessions))["bng1"]["result"] for _ in range(2)]
    assert results[-1] in ("changed", "in-sync")
    assert set(results) <= {"failed", "changed", "in-sync"}
    assert len(used(world) - before) == 1
    assert world.shown() == {1, 2}
    world.check()


async def test_a_session_whose_locks_could_not_be_given_back_is_not_kept(
    world: World, sessions: SessionPool
) -> None:
    world.add()
    world.give()
    world.fault("bng1", FaultKind.REFUSE, "unlock", occurrence=0)
    report = (await applied(world, sessions=sessions))["bng1"]
    assert report["result"] == "changed"
    assert any("locks are given back" in words for words in report["warning"])
    assert len(sessions) == 0
    world.clear_faults()
    world.give()
    assert (await applied(world, sessions=sessions))["bng1"]["result"] == "changed"
    assert len(used(world)) == 2
    world.check()


async def test_a_visit_that_fails_gives_its_locks_back_by_closing(
    world: World, sessions: SessionPool
) -> None:
    world.add()
    world.give()
    world.fault("bng1", FaultKind.REFUSE, "edit-config", occurrence=1)
    assert (await applied(world, sessions=sessions))["bng1"]["result"] == "failed"
    assert len(sessions) == 0
    assert (await applied(world, sessions=sessions))["bng1"]["result"] == "changed"
    world.check()
