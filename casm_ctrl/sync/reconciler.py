"""Plan, apply and check over devices: each on its own, a few at a time, and a result for every one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import CasmError, LeaseHeld, LeaseLost
from casm_ctrl.drivers.interface import Driver, Element, UsageKind
from casm_ctrl.drivers.registry import load_driver
from casm_ctrl.netconf.names import nc
from casm_ctrl.netconf.session import Session, open_session
from casm_ctrl.service import intent
from casm_ctrl.service.desired import previous_holders
from casm_ctrl.service.documents import finding_document
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.observation import observe, preview
from casm_ctrl.service.verb import Document
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.access import StoreAccess
from casm_ctrl.sync.boundary import Boundary, reach
from casm_ctrl.sync.converge import Convergence, Limits, OutcomeUnknown
from casm_ctrl.sync.decision import decide
from casm_ctrl.sync.difference import work_out
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.identity import check_identity
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import blocks_shown, read_counts, read_ours
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.visit import Visit, sight_of, target_of

AT_ONCE = 8
"""Devices that are worked on at the same time."""

TRIES = 2
"""Visits of a device in one run: an outcome that nobody knows is settled by a second one."""


@dataclass(frozen=True)
class Options:
    """How a run behaves. `wait`: seconds to wait for a lease or a lock that somebody else holds."""

    wait: float = 30.0
    accept_new: bool = False
    confirm_removal: int | None = None
    remove_zombies: bool = False


@dataclass(frozen=True)
class _Run:
    store: StoreAccess
    author: Author
    options: Options
    progress: Progress


_Work = Callable[[_Run, Report], Awaitable[None]]


async def plan(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """The exact edit that apply would send to each device, and the change in words; changes nothing."""
    return await _over_devices(database, author, names, options, progress, _plan_one)


async def apply(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Make each device hold what the store wants."""
    return await _over_devices(database, author, names, options, progress, _apply_one)


async def check(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Enter each device, compare its modules and capabilities with its driver's needs, and read it."""
    return await _over_devices(database, author, names, options, progress, _check_one)


async def _over_devices(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    work: _Work,
) -> Document:
    """All devices where none is named. NotFound before anything is done where a name is wrong."""
    chosen = _choose(database, names)
    store = StoreAccess(database)
    run = _Run(store, author, options, progress)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Report:
        report = Report(name)
        async with places:
            try:
                await work(run, report)
            except CasmError as error:
                report.error = error
                if report.result is not Result.UNKNOWN:
                    report.result = Result.FAILED
        return report

    try:
        reports = await asyncio.gather(*(one(name) for name in chosen))
    finally:
        store.close()
    return {"device": [report.document() for report in reports]}


def _choose(database: Database, names: Sequence[str]) -> list[str]:
    with database.read() as tx:
        if not names:
            return [row.name for row in devices.list_devices(tx)]
        return list(dict.fromkeys(the_device(tx, name).name for name in names))


def _device(database: Database, name: str) -> DeviceRow:
    with database.read() as tx:
        return the_device(tx, name)


@contextlib.asynccontextmanager
async def _entered(run: _Run, name: str) -> AsyncIterator[tuple[Session, Driver]]:
    """A session with a device that is the one we know and fits its driver."""
    row = await run.store.run(_device, name)
    driver = load_driver(row.driver)
    run.progress(name, "connecting")
    async with await open_session(target_of(row, run.options.accept_new, driver)) as session:
        await check_identity(run.store, run.author, row, session, run.options.wait)
        yield session, driver


# --- Apply ----------------------------------------------------------------------------------------


async def _apply_one(run: _Run, report: Report) -> None:
    await _look_at_previous_holders(run, report)
    async with hold_lease(run.store, report.device, run.options.wait, run.progress) as lease:
        for last in (False, True):
            try:
                await _converge(run, lease, report)
            except OutcomeUnknown as unknown:
                report.result = Result.UNKNOWN
                if last:
                    await _note(run, lease, "unknown", unknown.error)
                    raise unknown.error from unknown
                report.warn(f"{unknown.error.message}: the device is read again")
            except LeaseLost:
                raise
            except CasmError as error:
                await _note(run, lease, "unknown" if report.result is Result.UNKNOWN else "failed", error)
                raise
            else:
                settled = report.result in (Result.CHANGED, Result.IN_SYNC)
                await _note(run, lease, "in-sync" if settled else "out-of-sync", None)
                reach(Boundary.DONE)
                return


async def _note(run: _Run, lease: Lease, state: str, error: CasmError | None) -> None:
    """How it ended, for `status`; a store that fails now has failed the run already.

    LeaseLost where the lease was taken: that is why it failed, whatever it failed with.
    """
    words = None if error is None else str(error)
    try:
        await run.store.run(intent.record_result, lease, state, words, seen=error is None)
    except LeaseLost as lost:
        raise lost from error
    except CasmError:
        return


async def _converge(run: _Run, lease: Lease, report: Report) -> None:
    async with _entered(run, report.device) as (session, driver):
        await run.store.run(intent.renew_lease, lease, session.session_id)
        reach(Boundary.SESSION)
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        visit = Visit(run.store, lease, session, driver, modules, run.options.wait, run.progress)
        limits = Limits(run.options.confirm_removal, run.options.remove_zombies)
        await Convergence(visit, run.author, limits, report).run()


async def _look_at_previous_holders(run: _Run, report: Report) -> None:
    """Read the devices that once held what is about to be installed here: a restored backup would show
    as a zombie there, and holds the install (promise 1).

    A device that is being worked on is waited for: what was read there may be older than its restart. Nobody
    waits for us meanwhile, for we hold no lease yet.
    """
    for other in await run.store.run(previous_holders, report.device):
        run.progress(report.device, f"looking whether {other} really gave its blocks up")
        try:
            async with (
                hold_lease(run.store, other, run.options.wait, run.progress) as lease,
                _entered(run, other) as entered,
            ):
                session, driver = entered
                data = await read_ours(session, driver)
                await run.store.run(observe, run.author, lease, sight_of(driver.parse(data), proof=False))
        except CasmError as error:
            report.warn(
                f"{other} held some of these addresses before and could not be looked at: {error.message}"
            )


# --- Plan -----------------------------------------------------------------------------------------


async def _plan_one(run: _Run, report: Report) -> None:
    async with _entered(run, report.device) as (session, driver):
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        run.progress(report.device, "reading")
        running = await read_ours(session, driver)
        seen = driver.parse(running)
        wanted = await run.store.run(preview, run.author, report.device, sight_of(seen, proof=True))
        on_device = blocks_shown(wanted.objects, seen)
        abilities = driver.abilities(modules)
        counts = (
            await read_counts(session, driver, wanted.objects) if abilities.usage is UsageKind.COUNT else {}
        )
        decision = decide(wanted, on_device, counts, abilities)
        difference = work_out(driver, modules, wanted, decision, running, zombies=run.options.remove_zombies)
        report.changes = list(difference.edit.changes)
        report.result = Result.CHANGES if report.changes else Result.IN_SYNC
        if difference.edit.config:
            report.more["edit-config"] = _pretty(difference.edit.config)
        report.more["waiting"] = list(decision.waiting.values())
        for words in (*decision.warnings, *decision.held.values()):
            report.warn(words)
        for finding in wanted.findings:
            report.warn(f"{finding.kind}: {finding.words}")
        if wanted.pending is not None:
            report.warn("a confirmed commit of an earlier visit may be pending: apply settles it first")


def _pretty(config: Sequence[Element]) -> str:
    root = etree.Element(nc("config"), nsmap={"nc": nc("")[1:-1]})
    for element in config:
        root.append(etree.fromstring(etree.tostring(element)))
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


# --- Check ----------------------------------------------------------------------------------------


async def _check_one(run: _Run, report: Report) -> None:
    async with _entered(run, report.device) as (session, driver):
        modules = await announced_modules(session)
        abilities = driver.abilities(modules)
        report.more = {
            "session-id": str(session.session_id),
            "host-key": session.host_key,
            "capability": list(session.capabilities.uris),
            "module": [{"name": n, **({"revision": r} if r else {})} for n, r in sorted(modules.items())],
            "ability": {"drain": abilities.drain, "usage": abilities.usage.value},
            "quirk": [{"name": quirk.name, "reason": quirk.reason} for quirk in driver.quirks],
            "finding": [],
        }
        check_fitness(session, driver, modules)
        report.result = Result.FIT
        run.progress(report.device, "reading")
        sight = sight_of(driver.parse(await read_ours(session, driver)), proof=False)
        try:
            async with hold_lease(run.store, report.device, 0, run.progress) as lease:
                findings = (await run.store.run(observe, run.author, lease, sight)).findings
        except LeaseHeld:
            findings = (await run.store.run(preview, run.author, report.device, sight)).findings
        report.more["finding"] = [finding_document(finding) for finding in findings]
        for finding in findings:
            report.warn(f"{finding.kind}: {finding.words}")
