"""A store, simulated devices and a controller of this process: what the tests of the control loop stand on."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import Clock
from casm_ctrl.control.loop.controller import Controller
from casm_ctrl.netconf.client.session_pool import SessionPool, Upkeep
from casm_ctrl.service import control_state
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    ChangeDevice,
    Edit,
    change,
)
from casm_ctrl.simulator import SimulatedDevice
from casm_ctrl.store import blocks
from casm_ctrl.store import decisions as rows
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.store.states import State
from casm_ctrl.sync.run import Options, Run, running
from tests.sync_world import Lab

ME = Author("tester", reason="test")
DEADLINE = 30.0
AUTOMATIC = Automation(grow="automatic", shrink="automatic", hold_down=1, history=0)


@dataclass
class ControlWorld:
    """`database`: with space s, pool p, and one device pool `internet` for each device."""

    database: Database
    lab: Lab
    devices: dict[str, SimulatedDevice] = field(default_factory=dict)

    def add(
        self,
        name: str = "bng1",
        *,
        length: int = 24,
        policy: Automation = AUTOMATIC,
        usage_high: int | None = None,
        **options: Any,
    ) -> SimulatedDevice:
        device = self.devices[name] = self.lab.start(name, **options)
        edits: list[Edit] = [
            AddDevice(
                name=name,
                role="bng",
                driver="ietf-address-pool",
                host="127.0.0.1",
                port=device.port,
                user="casm",
                credential="env:CASM_TEST_PASSWORD",
                space="s",
                host_key=device.host_key,
            ),
            AddDevicePool(
                f"{name}/internet",
                ("p",),
                length,
                gateway="none",
                usage_high=usage_high,
                automation=policy,
            ),
        ]
        change(self.database, ME, edits)
        return device

    def polling(self, name: str, *, interval: int = 300, hot_interval: int = 30) -> None:
        wanted = (("interval", interval), ("hot_interval", min(hot_interval, interval)))
        change(self.database, ME, [ChangeDevice(name, polling=wanted)])

    def blocks(self, device: str = "bng1") -> list[BlockRow]:
        with self.database.read() as tx:
            return [row for row in blocks.list_blocks(tx) if row.device_pool == f"{device}/internet"]

    def installed(self, device: str = "bng1") -> int:
        """How many blocks are, proven, on the device."""
        return sum(block.state is State.INSTALLED for block in self.blocks(device))

    def used(self, device: str = "bng1") -> int:
        """As it was read last."""
        return sum(block.used or 0 for block in self.blocks(device))

    def decisions(self, pool: int = 1) -> list[DecisionRow]:
        """The newest first."""
        with self.database.read() as tx:
            return rows.decisions_of_pool(tx, pool, 100)

    def alarms(self) -> set[tuple[str, bool]]:
        """(type, whether it is cleared) of all alarms."""
        with self.database.read() as tx:
            return {(row[0], bool(row[1])) for row in tx.all("SELECT type_id, is_cleared FROM alarm")}

    def told(self) -> str:
        """The decisions in words, for messages of tests."""
        return "\n".join(
            f"{row.device_pool} {row.action} {row.rule} x{row.times} {row.outcome} {row.blocked_by}: {row.because}"
            f" | {row.words}"
            for number in range(1, len(self.devices) + 1)
            for row in reversed(self.decisions(number))
        )

    def watched(self) -> str:
        """Who watches what, for messages of tests."""
        found = control_state.status(self.database)["control"]
        return "\n".join(map(str, (*found["controller"], *found["device"])))

    async def until(self, true: Callable[[], bool], what: str) -> None:
        end = asyncio.get_running_loop().time() + DEADLINE
        while not true():
            if asyncio.get_running_loop().time() > end:
                raise TimeoutError(f"not in {DEADLINE} s: {what}\n{self.told()}\n{self.watched()}")
            await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def run(self, url: str | None = None) -> AsyncIterator[Run]:
        """What a controller works with."""
        database = self.database if url is None else open_database(url)
        try:
            async with controlling(database) as run:
                yield run
        finally:
            if url is not None:
                database.close()

    async def once(self) -> Controller:
        """One round of a controller of its own."""
        return await look_once(self.database)

    @contextlib.asynccontextmanager
    async def watching(self, *, url: str | None = None, **more: Any) -> AsyncIterator[Controller]:
        """A controller that watches while the block goes on; with a store of its own where `url` names it."""
        async with self.run(url) as run:
            controller = Controller(run, chance=lambda: 0.0, **more)
            stop = asyncio.Event()
            task = asyncio.create_task(controller.watch(stop))
            try:
                yield controller
            finally:
                stop.set()
                await task


@contextlib.asynccontextmanager
async def controlling(database: Database) -> AsyncIterator[Run]:
    """What a controller of this process works with."""
    async with SessionPool(Upkeep(idle_limit=3600)) as sessions:
        options = Options(sessions=sessions, retries=0, wait=10)
        async with running(database, Author("controller"), options, lambda device, words: None) as run:
            yield run


async def look_once(database: Database) -> Controller:
    """One round of a controller that begins with it."""
    async with controlling(database) as run:
        controller = Controller(run, chance=lambda: 0.0)
        await controller.once()
        return controller


@contextlib.contextmanager
def control_template(folder: Path) -> Any:
    path = folder / "template.db"
    database, _ = create_store(str(path))
    change(
        database,
        ME,
        [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/16",), quarantine=0, lease_time=0)],
    )
    database.close()
    yield path


def copy_store(template: Path, folder: Path, clock: Clock | None = None) -> Database:
    return open_database(str(shutil.copyfile(template, folder / "casm.db")), clock)


@contextlib.contextmanager
def world_in(folder: Path, clock: Clock | None = None) -> Iterator[ControlWorld]:
    """A world whose store is in `folder`/store, and that ends with all of its devices. `clock`: of the store; None: the
    machine's."""
    lab = Lab()
    with control_template(folder) as template:
        place = folder / "store"
        place.mkdir()
        database = copy_store(template, place, clock)
    made = ControlWorld(database, lab)
    try:
        yield made
    finally:
        lab.stop(*made.devices.values())
        database.close()
        lab.close()
