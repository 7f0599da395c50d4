"""What becomes of an atomic run whose controller died: whoever comes next goes the way that was decided.

Not decided: all go back, each proven by reading. Decided: all go forward, each as in a normal apply. One
device's lease is held at a time, so that two who settle the same run never wait for each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from casm_ctrl.base.errors import CasmError, Held, LeaseLost
from casm_ctrl.service import atomic
from casm_ctrl.store.atomic_runs import AtomicRunRow, MemberRow, Phase, Verdict
from casm_ctrl.store.leases import Lease
from casm_ctrl.sync.converge import Convergence
from casm_ctrl.sync.lease import hold_lease
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Run
from casm_ctrl.sync.visit import digest
from casm_ctrl.sync.visiting import converge_held, converging

T = TypeVar("T")
_FIRST, _LONGEST = 0.5, 5.0
"""Seconds between two tries to reach a device of a run: doubled each time, up to the second."""


async def settle_run_of(run: Run, report: Report) -> None:
    """Settle the run in which the report's device is not, if there is one; what other devices of it come to
    is a warning."""
    found = await run.store.run(atomic.open_run, report.device)
    if found is None:
        return
    report.warn(f"atomic run {found.id} of {found.actor} was not over: {_way(found)}")
    for member in sorted(found.open_members, key=lambda m: (m.last, m.device != report.device, m.device)):
        try:
            await _settle_member(run, found.id, member)
        except CasmError as error:
            if member.device == report.device:
                raise
            report.warn(f"{member.device}, which is part of it, could not be settled: {error.message}")


def _way(found: AtomicRunRow) -> str:
    if found.verdict is Verdict.COMMIT:
        return "it was decided, and its devices go on to the new"
    return "it was not decided, and its devices go back to the old"


async def _settle_member(run: Run, number: int, member: MemberRow) -> None:
    run.progress(member.device, f"settling atomic run {number}")
    async with hold_lease(run.store, member.device, run.options.wait, run.progress) as lease:
        found = await run.store.run(atomic.give_up, run.author, number, lease)
        row = next((m for m in found.open_members if m.device == member.device), None) if found else None
        if found is None or row is None:
            return
        if found.verdict is Verdict.COMMIT:
            waits = [m.device for m in found.open_members if not m.last]
            if row.last and waits:
                raise Held(f"{row.device} is edited after {', '.join(waits)}", "apply again")
            phase = await go_forward(run, lease, Report(member.device))
        else:
            phase = await go_back(run, lease, row)
        if phase is not Phase.UNKNOWN:
            await run.store.run(atomic.settle, run.author, lease, number, phase)


async def go_forward(run: Run, lease: Lease, report: Report) -> Phase:
    """A visit as in a normal apply. UNKNOWN where something is held back now: it does not hold all of the new."""
    await converge_held(run, lease, report)
    return Phase.UNKNOWN if report.result is Result.HELD else Phase.NEW


async def go_back(run: Run, lease: Lease, row: MemberRow) -> Phase:
    """A visit that takes back what may be pending and changes nothing else; what the device holds then."""
    if row.phase is Phase.OLD:
        return Phase.OLD  # nothing that runs was sent
    async with converging(run, lease, Report(row.device)) as convergence:
        try:
            await convergence.lock()
            await convergence.read()
            phase = await look(convergence, row.before)
            await convergence.unlock()
        except BaseException as error:
            await convergence.fail(error)
            raise
    return phase


async def look(convergence: Convergence, before: str) -> Phase:
    """With nothing pending: record what the device holds, and say whether that is the old."""
    running = await read_ours(convergence.visit.session, convergence.driver)
    await convergence.see(running)
    return Phase.OLD if digest(running) == before else Phase.OTHER


async def persist(visit: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Try for so many seconds; the last error where none of the tries was good. LeaseLost ends it at once."""
    clock = asyncio.get_running_loop().time
    until, pause = clock() + seconds, _FIRST
    while True:
        try:
            return await visit()
        except LeaseLost:
            raise
        except CasmError:
            if clock() + pause >= until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)
