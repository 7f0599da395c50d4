"""One run over devices: what its parts share, and the one way into a device."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from casm_ctrl.base.errors import HostKeyRefused
from casm_ctrl.base.polling import Polling
from casm_ctrl.drivers.interface import Driver
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.client.host_key_scan import scan_host_key
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Session, SubscribingSession, Target
from casm_ctrl.netconf.client.session_pool import SessionPool, Upkeep
from casm_ctrl.service.identity import hold_device, known_device
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.spaces import get_store
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.device_modules import DeviceModels, obtain_models
from casm_ctrl.sync.identity import check_identity
from casm_ctrl.sync.inventory import Sources
from casm_ctrl.sync.report import Progress
from casm_ctrl.sync.visit import target_of
from casm_ctrl.yang.modules import path_of_environment

AT_ONCE = 8
"""Devices that are worked on at the same time, where nothing else is said."""

RETRIES = 2
"""How often a device is tried again whose session could not be opened, or ended too early."""

_AT_THE_DOOR = 64
"""A thousand that open at once would miss their deadlines on the cost of keys alone."""

_WITHIN_A_RUN = Upkeep(idle_limit=10, most=64)
"""Sessions are kept for a device that is visited twice: for itself, and because it held another's addresses."""


@dataclass(frozen=True)
class Options:
    """How a run behaves. `wait`: seconds to wait for a lease or a lock that somebody else holds. `retry`: try
    those devices too that did not answer in the last runs."""

    wait: float = 30.0
    accept_new: bool = False
    confirm_removal: int | None = None
    remove_zombies: bool = False
    jobs: int = AT_ONCE
    retries: int = RETRIES
    retry: bool = False
    yang_path: tuple[Path, ...] | None = None
    """Folders with the texts of devices' YANG modules; None: those that CASM_YANG_PATH names."""
    sessions: SessionPool | None = None
    """Sessions that are kept between runs, by whoever makes several of them."""


@dataclass(frozen=True)
class Run:
    """What the work on each device of a run is given."""

    store: StoreAccess
    author: Author
    options: Options
    progress: Progress
    sessions: SessionPool
    store_id: str

    @cached_property
    def door(self) -> asyncio.Semaphore:
        """For sessions beside those of `sessions`: so many are opened at the same time."""
        return asyncio.Semaphore(_AT_THE_DOOR)

    @cached_property
    def sources(self) -> Sources:
        """Where the texts of YANG modules come from."""
        named = self.options.yang_path
        return Sources(yang_path=path_of_environment() if named is None else named)


@contextlib.asynccontextmanager
async def running(
    database: Database, author: Author, options: Options, progress: Progress
) -> AsyncIterator[Run]:
    """A run, with an executor for the store and sessions that end with it, unless the options have some."""
    store = StoreAccess(database)
    try:
        store_id = await store.run(_store_id)
        if options.sessions is not None:
            yield Run(store, author, options, progress, options.sessions, store_id)
            return
        async with SessionPool(_WITHIN_A_RUN) as sessions:
            yield Run(store, author, options, progress, sessions, store_id)
    finally:
        store.close()


@contextlib.asynccontextmanager
async def entered(run: Run, name: str) -> AsyncIterator[tuple[Session, Driver]]:
    """A session with a device that is the one we know and fits its driver. IdentityChanged where it is another:
    it is held from then on."""
    row = await run.store.run(known_device, name)
    driver = load_driver(row.driver)
    run.progress(name, "connecting")
    async with contextlib.AsyncExitStack() as stack:
        target = target_of(row, run.options.accept_new, driver)
        async with _known_key(run, target):
            lent = await stack.enter_async_context(run.sessions.use(target))
        await check_identity(run.store, run.author, row, lent.session, run.options.wait)
        yield lent.session, driver


@contextlib.asynccontextmanager
async def alone(run: Run, name: str) -> AsyncIterator[tuple[SubscribingSession, Driver, Polling]]:
    """The same with a session that nobody else uses, now or later, and how the device is polled."""
    row = await run.store.run(known_device, name)
    driver = load_driver(row.driver)
    target = target_of(row, run.options.accept_new, driver)
    async with contextlib.AsyncExitStack() as stack:
        async with run.door, _known_key(run, target):
            session = await stack.enter_async_context(await open_session(target))
            await check_identity(run.store, run.author, row, session, run.options.wait)
        yield session, driver, row.polling


@contextlib.asynccontextmanager
async def _known_key(run: Run, target: Target) -> AsyncIterator[None]:
    """IdentityChanged, with the device held, where a session is refused because the host key is another."""
    try:
        yield
    except HostKeyRefused as refused:
        if not refused.changed:
            raise
        presented = refused.presented or await scan_host_key(target) or ""
        held = partial(hold_device, host_key=presented)
        raise await run.store.run(held, run.author, target.device) from refused


async def models_of(run: Run, session: Session, driver: Driver) -> DeviceModels:
    """The device's own YANG modules, ready to judge edits. DeviceUnfit names what is missing."""
    return await obtain_models(session, driver, run.sources, models_key(run, session))


def models_key(run: Run, session: Session) -> str:
    """Names the device among all devices of all stores."""
    return f"{run.store_id}/{session.target.device}"


def _store_id(database: Database) -> str:
    with database.read() as tx:
        return get_store(tx).store_id
