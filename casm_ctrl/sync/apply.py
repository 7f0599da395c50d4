"""Apply to one device: lease, session, convergence, and how it ended."""

from __future__ import annotations

from functools import partial

from casm_ctrl.base.errors import CasmError, Held
from casm_ctrl.service import atomic, circuits
from casm_ctrl.service.desired import desired, previous_holders
from casm_ctrl.service.observation import observe
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.basis import StoreBasis
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.planned import Planned, PlannedConvergence
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.settling import settle_run_of
from casm_ctrl.sync.visit import sight_of
from casm_ctrl.sync.visiting import converge_held

_SETTLED = 3
"""Times that atomic runs may die while their lease is waited for."""


async def apply_one(run: Run, report: Report, planned: Planned | None = None) -> None:
    """Make the device hold what the store wants, or exactly what was planned; the report says how it ended.

    An atomic run of which the device is a part, and which died, is settled first: also one that dies while
    its lease is waited for.
    """
    if planned is not None and planned.begun is None:
        planned.check_store(StoreBasis.of(await run.store.run(desired, report.device)))
    await settle_run_of(run, report)
    await look_at_previous_holders(run, report)
    for _ in range(_SETTLED):
        async with hold_lease(run.store, report.device, run.options.wait, run.progress) as lease:
            if await run.store.run(atomic.may_go_on, report.device):
                await _converge(run, lease, report, planned)
                return
        await settle_run_of(run, report)
    raise Held(f"{report.device} is part of one atomic run after another", "apply again")


async def _converge(run: Run, lease: Lease, report: Report, planned: Planned | None) -> None:
    if planned is None:
        await converge_held(run, lease, report)
        return
    try:
        await converge_held(run, lease, report, partial(PlannedConvergence, planned=planned))
    except CasmError:
        report.final = planned.begun is not None and report.result is not Result.UNKNOWN
        raise


async def look_at_previous_holders(run: Run, report: Report) -> None:
    """Read the devices that once held what is about to be installed here: a restored backup would show
    as a zombie there, and holds the install (promise 1).

    A device that is being worked on is waited for: what was read there may be older than its restart. Nobody
    waits for us meanwhile, for we hold no lease yet.
    """
    for other in await run.store.run(previous_holders, report.device):
        silent = await run.store.run(circuits.left_alone, other)
        if silent is not None:
            report.warn(f"{other} held some of these addresses before and is not looked at: {silent.message}")
            continue
        run.progress(report.device, f"looking whether {other} really gave its blocks up")
        try:
            async with (
                hold_lease(run.store, other, run.options.wait, run.progress) as lease,
                entered(run, other) as inside,
            ):
                session, driver = inside
                data = await read_ours(session, driver)
                await run.store.run(observe, run.author, lease, sight_of(driver.parse(data), proof=False))
        except CasmError as error:
            report.warn(
                f"{other} held some of these addresses before and could not be looked at: {error.message}"
            )
