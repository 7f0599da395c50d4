"""What differs between what a device runs and what was put there: made by somebody else, or not yet applied.

Nothing is recorded by a look: a block that somebody took away is found missing again by the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from casm_ctrl.drivers.interface import Action, Change, ObjectKey
from casm_ctrl.service.desired import Desired
from casm_ctrl.service.documents import finding_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.apply import apply_one
from casm_ctrl.sync.fleet import choose, over_devices
from casm_ctrl.sync.look import look_at
from casm_ctrl.sync.report import Progress, Report, Result
from casm_ctrl.sync.run import Options, Run

BY_HAND = frozenset({"foreign", "drift", "orphan", "other-store", "zombie"})
"""Findings that are addresses on the device which the controller did not put there as they are."""


class DriftKind(Enum):
    """How an object of ours differs."""

    MISSING = "missing"
    """It was put there, and is not there any more."""
    ALTERED = "altered"
    """It is there, and says something else."""
    DRAINED = "drained"
    """Somebody drained it."""
    UNDRAINED = "undrained"
    """It was drained, and gives out addresses again."""


@dataclass(frozen=True)
class Drift:
    """One object of ours on a device that is not as it was put there."""

    kind: DriftKind
    change: Change
    block: BlockRow | None

    def document(self) -> Document:
        document: Document = {
            "kind": self.kind.value,
            "object": str(self.change.key),
            "words": self.change.words,
        }
        if self.block is not None:
            document["block"] = self.block.name
            document["prefix"] = str(self.block.prefix)
        return document


def find_drift(changes: Iterable[Change], before: Desired) -> tuple[Drift, ...]:
    """Those of the changes that would be sent which the controller did not ask for since it was there last.

    `before`: what the store knew before the device was read now. A container is looked at only where no block
    in it is about to change: an edit of a block writes to its container too.
    """
    changes = tuple(changes)
    known = {ObjectKey(row.path, row.keys): row.block for row in before.objects}
    blocks = {block.id: block for block in before.blocks}
    found = []
    busy: set[str] = set()
    containers: list[Change] = []
    for change in changes:
        number = change.block or known.get(change.key)
        block = None if number is None else blocks.get(number)
        if block is None:
            containers.append(change)
            continue
        kind = _kind(change.action, block)
        if kind is None:
            busy.update(change.key.keys)
        else:
            found.append(Drift(kind, change, block))
    for change in containers:
        if change.key not in known or busy.intersection(change.key.keys):
            continue
        if change.action is Action.ADD:
            found.append(Drift(DriftKind.MISSING, change, None))
        elif change.action is Action.CHANGE and not any(
            set(change.key.keys) & set(drift.change.key.keys) for drift in found
        ):
            found.append(Drift(DriftKind.ALTERED, change, None))
    return tuple(found)


def _kind(action: Action, block: BlockRow) -> DriftKind | None:
    """None where the change is one that the store wants and has not made yet."""
    if block.wanted is Wanted.ABSENT:
        return None
    if action is Action.ADD:
        was_there = block.state in (State.INSTALLED, State.DRAINING) or block.sent
        return DriftKind.MISSING if was_there else None
    if action is Action.CHANGE:
        return DriftKind.ALTERED
    if action is Action.DRAIN:
        return DriftKind.UNDRAINED if block.state is State.DRAINING else None
    if action is Action.UNDRAIN:
        return DriftKind.DRAINED if block.state is not State.DRAINING else None
    return None


async def drift(
    database: Database,
    author: Author,
    names: Sequence[str],
    options: Options,
    progress: Progress,
    *,
    restore: bool = False,
) -> Document:
    """What drifted on the devices (all, or those named). `restore`: make those on which objects of ours did
    hold what the store wants, which is an apply; what others configured is left alone there too."""
    looked = await over_devices(
        database, author, choose(database, names), options, progress, drift_one, forced=bool(names)
    )
    drifted = [report.device for report in looked if report.more.get("drift")] if restore else []
    applied = {
        report.device: report
        for report in await over_devices(
            database, author, drifted, options, progress, apply_one, forced=bool(names)
        )
    }
    return {
        "device": [_merged(report, applied.get(report.device)).document() for report in looked],
    }


def _merged(looked: Report, applied: Report | None) -> Report:
    """What was found, and how it was restored."""
    if applied is None:
        return looked
    restored = applied.result is Result.CHANGED
    return replace(
        applied,
        result=Result.RESTORED if restored else applied.result,
        warnings=list(dict.fromkeys((*looked.warnings, *applied.warnings))),
        more={**applied.more, **looked.more},
    )


async def drift_one(run: Run, report: Report) -> None:
    """Read one device and tell what drifted; nothing is written, there or here."""
    look = await look_at(run, report.device)
    changes = look.difference.edit.changes
    drifted = find_drift(changes, look.before)
    by_hand = [finding for finding in look.wanted.findings if finding.kind in BY_HAND]
    report.result = Result.DRIFT if drifted or by_hand else Result.CHANGES if changes else Result.IN_SYNC
    report.more = {
        "drift": [drift.document() for drift in drifted],
        "finding": [finding_document(finding) for finding in by_hand],
        "pending": str(len(changes) - len(drifted)),
    }
