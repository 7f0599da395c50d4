"""One run over devices: what its parts share, and the one way into a device."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from casm_ctrl.drivers.interface import Driver
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.opening import open_session
from casm_ctrl.netconf.session import Session
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.identity import check_identity
from casm_ctrl.sync.report import Progress
from casm_ctrl.sync.visit import target_of


@dataclass(frozen=True)
class Options:
    """How a run behaves. `wait`: seconds to wait for a lease or a lock that somebody else holds."""

    wait: float = 30.0
    accept_new: bool = False
    confirm_removal: int | None = None
    remove_zombies: bool = False


@dataclass(frozen=True)
class Run:
    """What the work on each device of a run is given."""

    store: StoreAccess
    author: Author
    options: Options
    progress: Progress


@contextlib.asynccontextmanager
async def entered(run: Run, name: str) -> AsyncIterator[tuple[Session, Driver]]:
    """A session with a device that is the one we know and fits its driver."""
    row = await run.store.run(_device, name)
    driver = load_driver(row.driver)
    run.progress(name, "connecting")
    async with await open_session(target_of(row, run.options.accept_new, driver)) as session:
        await check_identity(run.store, run.author, row, session, run.options.wait)
        yield session, driver


def _device(database: Database, name: str) -> DeviceRow:
    with database.read() as tx:
        return the_device(tx, name)
