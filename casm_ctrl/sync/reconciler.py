"""Plan, apply and check over devices: the entry points of sync."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.check import check_one
from casm_ctrl.sync.fleet import over_devices
from casm_ctrl.sync.plan import plan_one
from casm_ctrl.sync.report import Progress
from casm_ctrl.sync.run import Options

__all__ = ["Options", "apply", "check", "plan"]


async def plan(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """The exact edit that apply would send to each device, and the change in words; changes nothing."""
    return await over_devices(database, author, names, options, progress, plan_one)


async def apply(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Make each device hold what the store wants."""
    return await over_devices(database, author, names, options, progress, apply_one)


async def check(
    database: Database, author: Author, names: Sequence[str], options: Options, progress: Progress
) -> Document:
    """Enter each device, compare its modules and capabilities with its driver's needs, and read it."""
    return await over_devices(database, author, names, options, progress, check_one)
