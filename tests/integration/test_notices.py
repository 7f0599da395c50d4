"""Listening to devices: simulated ones over SSH, that tell, fall silent, come back, or are somebody else."""

from __future__ import annotations

import asyncio

import pytest

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.drivers.notices import Level
from casm_ctrl.service.configuration import ChangeDevice, change
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import identities
from casm_ctrl.sync import notices
from casm_ctrl.sync.notices import LOOK, listen
from casm_ctrl.sync.run import entered
from tests.control_world import ME, ControlWorld
from tests.listening_world import DEADLINE, Heard, listening


@pytest.fixture
def world(control_world: ControlWorld) -> ControlWorld:
    return control_world


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_device_tells_what_it_has_to_refuse(world: ControlWorld, client: str) -> None:
    device = world.add()
    change(world.database, ME, [ChangeDevice("bng1", client=client)])
    async with world.run() as run, listening(run, "bng1") as heard:
        await heard.until_looks(1)
        world.lab.do(lambda: device.log_in("internet", 5))
        told = await heard.notice()
    assert (told.pool, told.level, told.family) == ("internet", Level.EXHAUSTED, Family.IPV4)
    assert (told.used, told.capacity) == (0, 0)
    assert told.refused
    assert told.sampled_at is not None
    assert told.started_at is not None


async def test_a_device_that_was_away_is_listened_to_again(world: ControlWorld) -> None:
    device = world.add()
    async with world.run() as run, listening(run, "bng1") as heard:
        await heard.until_looks(1)
        world.lab.run(device.reboot(downtime=0.1))
        await heard.until_looks(2)
        world.lab.do(lambda: device.log_in("internet", 5))
        assert (await heard.notice()).level is Level.EXHAUSTED
    assert [hearing.listening for _, hearing in heard.states][:2] == [True, False]


async def test_a_device_without_notifications_is_left_alone(world: ControlWorld) -> None:
    device = world.add(notifications=False)
    async with world.run() as run:
        asleep = asyncio.Event()

        async def nap(seconds: float) -> None:
            assert seconds >= 1000
            asleep.set()
            await asyncio.Event().wait()

        heard = Heard()
        task = asyncio.create_task(listen(run, "bng1", heard.tell, heard.note, sleep=nap))
        await asyncio.wait_for(asleep.wait(), DEADLINE)
        assert "tells nothing" in await heard.deaf()
        assert heard.notices == []
        await world.until(lambda: device.session_ids == (), "the session ends")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_another_device_in_its_place_is_not_listened_to(world: ControlWorld) -> None:
    device = world.add()
    world.lab.do(device.change_host_key)
    async with world.run() as run, listening(run, "bng1") as heard:
        assert "host key" in await heard.deaf()
        world.lab.do(lambda: device.log_in("internet", 5))
    assert heard.notices == []
    with world.database.read() as tx:
        assert identities.get_identity(tx, the_device(tx, "bng1").id).hold is not None


@pytest.mark.parametrize("silent", [True, False])
async def test_a_device_that_moved_is_listened_to_where_it_is(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    """Whether or not the old one goes on telling."""
    monkeypatch.setattr(notices, "FRESH", 0.0)
    if silent:
        monkeypatch.setattr(notices, "RECHECK", 0.05)
    old = world.add()
    new = world.lab.start("elsewhere")
    async with world.run() as run, listening(run, "bng1") as heard:
        await heard.until_looks(1)
        change(world.database, ME, [ChangeDevice("bng1", port=new.port, host_key=new.host_key)])
        if not silent:
            world.lab.do(lambda: old.log_in("internet", 5))
        await heard.until_looks(2)
        assert all(notice == LOOK for _, notice in heard.notices)
        assert "not where the device is" in await heard.deaf() or silent
        world.lab.do(lambda: new.log_in("internet", 5))
        assert (await heard.notice()).level is Level.EXHAUSTED
    world.lab.stop(new)


async def test_listening_is_in_nobodys_way(world: ControlWorld) -> None:
    """A session that subscribed may answer nothing else, and applies and polls have their own."""
    device = world.add()
    async with world.run() as run, listening(run, "bng1") as heard:
        await heard.until_looks(1)
        async with asyncio.timeout(DEADLINE):
            async with entered(run, "bng1") as (session, _):
                assert len(device.session_ids) == 2
                assert session.session_id in device.session_ids
        world.lab.do(lambda: device.log_in("internet", 1))
        await heard.notice()


async def test_whoever_stops_listening_leaves_no_session(world: ControlWorld) -> None:
    device = world.add()
    async with world.run() as run:
        async with listening(run, "bng1") as heard:
            await heard.until_looks(1)
            assert len(device.session_ids) == 1
        await world.until(lambda: device.session_ids == (), "the session ends")


async def test_many_devices_are_listened_to_at_once(world: ControlWorld) -> None:
    names = [f"bng{number}" for number in range(1, 31)]
    for name in names:
        world.add(name)
    async with world.run() as run, listening(run, *names) as heard:
        await heard.until_looks(len(names))
        for device in world.devices.values():
            world.lab.do(lambda device=device: device.log_in("internet", 1))  # type: ignore[misc]
        await world.until(
            lambda: {name for name, notice in heard.notices if notice != LOOK} == set(names),
            "all of them tell",
        )
