"""A visit of a device whose lease is held: session, identity, fitness."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from casm_ctrl.base.errors import (
    CasmError,
    DeadlineExceeded,
    LeaseLost,
    PlanOutdated,
    ProtocolViolation,
    SessionLost,
    Unreachable,
)
from casm_ctrl.service import intent
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.boundary import Boundary, reach
from casm_ctrl.sync.converge import Convergence, Limits, OutcomeUnknown
from casm_ctrl.sync.device_modules import DeviceModels
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Options, Run, entered, models_of
from casm_ctrl.sync.visit import Visit

SILENT = (Unreachable, DeadlineExceeded, SessionLost, ProtocolViolation)
"""Errors of a device that does not speak NETCONF with us. Any other one of a device is an answer."""

Make = Callable[[Visit, Author, Limits, Report], Convergence]
"""How a visit goes about it."""


@contextlib.asynccontextmanager
async def visiting(run: Run, lease: Lease, name: str) -> AsyncIterator[Visit]:
    """Inside, the device may be locked, read and changed."""
    async with entered(run, name) as (session, driver):
        await run.store.run(intent.renew_lease, lease, session.session_id)
        reach(Boundary.SESSION)
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        models = _once(partial(models_of, run, session, driver))
        yield Visit(run.store, lease, session, driver, modules, run.options.wait, run.progress, models)


def _once(obtain: Callable[[], Awaitable[DeviceModels]]) -> Callable[[], Awaitable[DeviceModels]]:
    """What `obtain` gave the first time: a device does not change its modules within a session."""
    kept: list[DeviceModels] = []

    async def models() -> DeviceModels:
        if not kept:
            kept.append(await obtain())
        return kept[0]

    return models


@contextlib.asynccontextmanager
async def converging(run: Run, lease: Lease, report: Report) -> AsyncIterator[Convergence]:
    """The same, for who makes the device hold what is wanted."""
    async with visiting(run, lease, report.device) as visit:
        yield Convergence(visit, run.author, limits_of(run.options), report)


def limits_of(options: Options) -> Limits:
    return Limits(options.confirm_removal, options.remove_zombies)


async def converge_held(run: Run, lease: Lease, report: Report, make: Make = Convergence) -> None:
    """Visit the device until it is known what it holds: once more where a visit ended and nobody can know."""
    for last in (False, True):
        try:
            async with visiting(run, lease, report.device) as visit:
                await make(visit, run.author, limits_of(run.options), report).run()
        except OutcomeUnknown as unknown:
            report.result = Result.UNKNOWN
            if last:
                await note_result(run, lease, report, "unknown", unknown.error)
                raise unknown.error from unknown
            report.warn(f"{unknown.error.message}: the device is read again")
        except LeaseLost:
            raise
        except CasmError as error:
            refused = isinstance(error, PlanOutdated)
            await note_result(run, lease, report, "out-of-sync" if refused else "failed", error)
            raise
        else:
            settled = report.result in (Result.CHANGED, Result.IN_SYNC)
            await note_result(run, lease, report, "in-sync" if settled else "out-of-sync", None)
            reach(Boundary.DONE)
            return


async def note_result(run: Run, lease: Lease, report: Report, state: str, error: CasmError | None) -> None:
    """How it ended, for `status`; a store that fails now has failed the run already.

    What is recorded decides whether the outcome is known. LeaseLost where the lease was taken: that is why
    it failed, whatever it failed with.
    """
    words = None if error is None else str(error)
    try:
        recorded = await run.store.run(
            intent.record_result,
            lease,
            state,
            words,
            seen=error is None,
            silent=isinstance(error, SILENT),
        )
    except LeaseLost as lost:
        raise lost from error
    except CasmError:
        return
    if error is not None:
        report.result = Result.UNKNOWN if recorded == "unknown" else Result.FAILED
