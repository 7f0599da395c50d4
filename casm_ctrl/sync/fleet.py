"""Many devices in one run: each on its own, a few at a time, and a result for every one.

Nobody waits for a device that is slow or dead (places), what passes is tried again (backoff), and what was
dead in the last runs is passed over for a while (circuits) or, where it is not, comes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from casm_ctrl.base.errors import CasmError, CircuitOpen, PeerFault
from casm_ctrl.service import circuits
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.backoff import Backoff, is_passing
from casm_ctrl.sync.places import Places
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.run import Options, Run, running
from casm_ctrl.sync.visiting import SILENT

Work = Callable[[Run, Report], Awaitable[None]]
"""What is done with one device; its error is the device's."""


@dataclass(frozen=True)
class Pace:
    """Time and chance, for tests to set. None: the event loop's clock."""

    now: Callable[[], float] | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


@dataclass
class _Fleet:
    run: Run
    work: Work
    forced: bool
    places: Places
    backoff: Backoff
    pace: Pace
    total: int
    done: int = 0
    bad: int = 0

    async def visit(self, name: str) -> Report:
        """The device's result, whatever it is."""
        report = await self._visit(name)
        self.done += 1
        self.bad += report.error is not None
        self.run.progress(name, "")
        failed = f", {self.bad:,} without success" if self.bad else ""
        self.run.progress("", f"{self.done:,} of {self.total:,} devices{failed}")
        return report

    async def _visit(self, name: str) -> Report:
        now = self.pace.now or asyncio.get_running_loop().time
        began, tries, why, probe = now(), 0, "", False
        while True:
            report = Report(name)
            async with self.places.place():
                try:
                    if not (tries or self.forced):
                        probe = await self.run.store.run(circuits.enter, name)
                    await self.work(self.run, report)
                except CircuitOpen as error:
                    report.error, report.result = error, Result.SKIPPED
                    return report
                except CasmError as error:
                    report.error = error
                    if report.result is not Result.UNKNOWN:
                        report.result = Result.FAILED
            tries += 1
            again = self._again(report, probe)
            pause = self.backoff.pause(tries, now() - began, self.pace.chance) if again else None
            if pause is None or again is None:
                break
            why = again.message
            self.run.progress(name, f"tried again in {pause:.1f} s: {why}")
            await self.pace.sleep(pause)
        if tries > 1:
            report.more["tries"] = tries
            if report.error is None:
                report.warn(f"done at try {tries}; the one before failed: {why}")
        await self._note(name, report.error)
        return report

    def _again(self, report: Report, probe: bool) -> CasmError | None:
        """The error after which the device is to be tried again."""
        error = report.error
        return error if error is not None and not (probe or report.final) and is_passing(error) else None

    async def _note(self, name: str, error: CasmError | None) -> None:
        """For the next runs; a store that fails now changes nothing of the result."""
        with contextlib.suppress(CasmError):
            if isinstance(error, SILENT):
                chance = self.pace.chance()
                await self.run.store.run(circuits.record_silence, name, error.message, chance)
            elif error is None or isinstance(error, PeerFault):
                await self.run.store.run(circuits.record_answer, name)


async def over_devices(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    work: Work,
    *,
    forced: bool,
    pace: Pace | None = None,
) -> list[Report]:
    """A report for each of `names`, in their order. `forced`: try those too that runs pass over.

    An error that is not ours to name is raised when all devices are done, so that no other is cut off.
    """
    async with running(database, author, options, progress) as run:
        silent = await run.store.run(circuits.silent_devices)
        fleet = _Fleet(
            run,
            work,
            forced or options.retry,
            Places(options.jobs),
            Backoff(options.retries),
            pace or Pace(),
            len(names),
        )
        tasks = {
            name: asyncio.ensure_future(fleet.visit(name))
            for name in sorted(names, key=lambda name: name in silent)
        }
        done = await asyncio.gather(*tasks.values(), return_exceptions=True)
        for result in done:
            if isinstance(result, BaseException):
                raise result
        return [tasks[name].result() for name in names]


def choose(database: Database, names: Sequence[str]) -> list[str]:
    """The devices that are named, each once, or all. NotFound before anything is done where one is wrong."""
    with database.read() as tx:
        if not names:
            return [row.name for row in devices.list_devices(tx)]
        return list(dict.fromkeys(the_device(tx, name).name for name in names))
