"""Two control loops on one PostgreSQL: they share the devices, and one goes on where the other was killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from casm_ctrl.service import automatic, control_state
from casm_ctrl.service.automatic import Superseded, Warrant
from casm_ctrl.service.configuration import AddPool, AddSpace, change
from casm_ctrl.service.decisions import Made
from casm_ctrl.store import watches
from casm_ctrl.store.migrate import create_store
from tests.control_world import ME, ControlWorld
from tests.peers.postgresql import Postgresql
from tests.sync_world import Lab

pytestmark = pytest.mark.peer


@pytest.fixture
def world(postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    database, _ = create_store(postgresql.url(postgresql.make()))
    change(database, ME, [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/16",), quarantine=0, lease_time=0)])
    lab = Lab()
    yield ControlWorld(database, lab)
    database.close()
    lab.close()


async def test_they_share_the_devices_and_add_each_block_once(world: ControlWorld) -> None:
    for number in range(6):
        world.add(f"bng{number}")
        world.polling(f"bng{number}", interval=1)
    url = world.database.url.render_as_string(hide_password=False)
    async with world.watching() as one, world.watching(url=url) as other:
        await world.until(lambda: all(world.installed(name) for name in world.devices), "all have a block")
        await world.until(lambda: one.watched == other.watched == 3, "they share them")
        for device in world.devices.values():
            world.lab.do(lambda device=device: device.log_in("internet", 230))  # type: ignore[misc]
    async with world.watching(url=url) as third:
        await world.until(lambda: all(world.installed(n) == 2 for n in world.devices), "all have two blocks")
        assert third.watched == 6
    assert all(len(world.blocks(name)) == 2 for name in world.devices), world.told()


async def test_who_lost_its_devices_changes_none(world: ControlWorld) -> None:
    world.add()
    dead = control_state.begin(world.database)
    control_state.keep(world.database, dead)
    with world.database.write() as tx:
        tx.run("UPDATE controller SET expires = 0, who = 'process 1 on another.example'")
    async with world.watching():
        await world.until(lambda: world.installed() == 1, "the other took it over")
        made = Made(1, "bng1/internet", 1, "grow", "rule", "too late")
        with pytest.raises(Superseded):
            automatic.grow(world.database, made, Warrant(1, 1, dead), 1, 24)
    with world.database.read() as tx:
        assert watches.list_controllers(tx, live=True) == []
    assert len(world.blocks()) == 1
