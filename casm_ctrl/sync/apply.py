"""Apply to one device: lease, session, convergence, and how it ended."""

from __future__ import annotations

from casm_ctrl.base.errors import CasmError, LeaseLost
from casm_ctrl.service import intent
from casm_ctrl.service.desired import previous_holders
from casm_ctrl.service.observation import observe
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.boundary import Boundary, reach
from casm_ctrl.sync.converge import Convergence, Limits, OutcomeUnknown
from casm_ctrl.sync.fitness import announced_modules, check_fitness
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.visit import Visit, sight_of


async def apply_one(run: Run, report: Report) -> None:
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


async def _note(run: Run, lease: Lease, state: str, error: CasmError | None) -> None:
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


async def _converge(run: Run, lease: Lease, report: Report) -> None:
    async with entered(run, report.device) as (session, driver):
        await run.store.run(intent.renew_lease, lease, session.session_id)
        reach(Boundary.SESSION)
        modules = await announced_modules(session)
        check_fitness(session, driver, modules)
        visit = Visit(run.store, lease, session, driver, modules, run.options.wait, run.progress)
        limits = Limits(run.options.confirm_removal, run.options.remove_zombies)
        await Convergence(visit, run.author, limits, report).run()


async def _look_at_previous_holders(run: Run, report: Report) -> None:
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
                entered(run, other) as inside,
            ):
                session, driver = inside
                data = await read_ours(session, driver)
                await run.store.run(observe, run.author, lease, sight_of(driver.parse(data), proof=False))
        except CasmError as error:
            report.warn(
                f"{other} held some of these addresses before and could not be looked at: {error.message}"
            )
