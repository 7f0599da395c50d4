"""Plan, apply and check over devices: the entry points of sync."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service import rest
from casm_ctrl.service.verb import Document
from casm_ctrl.store import spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.atomic import AtomicApply
from casm_ctrl.sync.check import check_one
from casm_ctrl.sync.fleet import choose, over_devices
from casm_ctrl.sync.plan import plan_one
from casm_ctrl.sync.plan_file import DevicePlan, Plan, write_plan
from casm_ctrl.sync.planned import Planned
from casm_ctrl.sync.report import Progress, Report
from casm_ctrl.sync.run import Options, Run, running

__all__ = ["Options", "apply", "apply_atomic", "apply_plan", "check", "make_plan", "plan"]


async def plan(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    out: Path | None = None,
) -> Document:
    """As `make_plan`, and kept at `out` where that is given: the plans of those devices that could be planned."""
    if out is not None and not out.parent.is_dir():
        raise InvalidValue(
            f"the plan cannot be written to '{out}': there is no '{out.parent}'", "make it first"
        )
    document, kept = await make_plan(database, author, names, options, progress)
    if out is not None:
        write_plan(out, kept)
        document["plan"] = {"file": str(out), "digest": kept.digest, "devices": str(len(kept.devices))}
    return document


async def make_plan(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> tuple[Document, Plan]:
    """The exact edit that apply would send to each device, and the change in words; changes nothing."""
    store_id, revision, began = await asyncio.to_thread(_standing, database)
    plans: dict[str, DevicePlan] = {}

    async def work(run: Run, report: Report) -> None:
        plans[report.device] = await plan_one(run, report)

    chosen = await asyncio.to_thread(choose, database, names)
    reports = await over_devices(database, author, chosen, options, progress, work, forced=bool(names))
    return _document(reports), Plan(store_id, revision, began, author.actor, options.remove_zombies, plans)


def _standing(database: Database) -> tuple[str, int, Micros]:
    """Whose store it is, the number of its configuration, and its time."""
    with database.read() as tx:
        store = spaces.get_store(tx)
        return store.store_id, store.config_revision, tx.now


def _begin(database: Database, names: Sequence[str]) -> list[str]:
    """Do what is due in the store, and choose the devices."""
    rest.sweep_store(database)
    return choose(database, names)


async def apply(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Make each device hold what the store wants."""
    chosen = await asyncio.to_thread(_begin, database, names)
    return _document(
        await over_devices(database, author, chosen, options, progress, apply_one, forced=bool(names))
    )


async def apply_atomic(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    *,
    best_effort: bool,
) -> Document:
    """Make all devices hold what the store wants, or none: `atomic-run` says which.

    CasmError where that is not one change (addresses go from one owner to another), or not possible (a device
    without confirmed commit, unless `best_effort`: those are edited last); nothing was sent then.
    """
    reports = [Report(name) for name in sorted(await asyncio.to_thread(_begin, database, names))]
    async with running(database, author, options, progress) as run:
        change = AtomicApply(run, reports, best_effort)
        await change.go()
    return {"atomic-run": change.document(), **_document(reports)}


async def apply_plan(
    database: Database,
    author: Author,
    kept: Plan,
    names: Sequence[str],
    options: Options,
    progress: Progress,
) -> Document:
    """Send exactly what was planned, to all devices of the plan or to those that are named.

    NotFound where the plan has no such device, InvalidValue where it is another store's; else each device
    has its own result, PlanOutdated where it or the store moved on.
    """
    ours, _, _ = await asyncio.to_thread(_standing, database)
    if kept.store_id != ours:
        raise InvalidValue(
            f"the plan was made of store {kept.store_id}, and this is store {ours}",
            "name its store with --database, or make a new plan",
        )
    chosen = list(dict.fromkeys(names)) or sorted(kept.devices)
    unknown = [name for name in chosen if name not in kept.devices]
    if unknown:
        raise NotFound(f"the plan holds nothing for '{unknown[0]}'", "correct the name, or make a new plan")
    await asyncio.to_thread(rest.sweep_store, database)
    planned = {name: Planned(kept.devices[name], kept.short_id) for name in chosen}

    async def work(run: Run, report: Report) -> None:
        await apply_one(run, report, planned[report.device])

    options = replace(options, remove_zombies=kept.zombies)
    return _document(
        await over_devices(database, author, chosen, options, progress, work, forced=bool(names))
    )


async def check(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Enter each device, compare its modules and capabilities with its driver's needs, and read it."""
    chosen = await asyncio.to_thread(choose, database, names)
    return _document(
        await over_devices(database, author, chosen, options, progress, check_one, forced=bool(names))
    )


def _document(reports: Sequence[Report]) -> Document:
    return {"device": [report.document() for report in reports]}
