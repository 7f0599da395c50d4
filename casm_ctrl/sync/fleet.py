"""Many devices in one run: each on its own, a few at a time, and a result for every one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from casm_ctrl.base.errors import CasmError
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import devices
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.run import Options, Run, running

AT_ONCE = 8
"""Devices that are worked on at the same time."""

Work = Callable[[Run, Report], Awaitable[None]]


async def over_devices(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    work: Work,
) -> Document:
    """All devices where none is named. NotFound before anything is done where a name is wrong."""
    chosen = _choose(database, names)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(run: Run, name: str) -> Report:
        report = Report(name)
        async with places:
            try:
                await work(run, report)
            except CasmError as error:
                report.error = error
                if report.result is not Result.UNKNOWN:
                    report.result = Result.FAILED
        return report

    async with running(database, author, options, progress) as run:
        reports = await asyncio.gather(*(one(run, name) for name in chosen))
    return {"device": [report.document() for report in reports]}


def _choose(database: Database, names: Sequence[str]) -> list[str]:
    with database.read() as tx:
        if not names:
            return [row.name for row in devices.list_devices(tx)]
        return list(dict.fromkeys(the_device(tx, name).name for name in names))
