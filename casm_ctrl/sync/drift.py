"""What differs between what a device runs and what was put there: made by somebody else, or not yet applied.

Nothing but an alarm is recorded by a look: a block that somebody took away is found missing again by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from casm_ctrl.drivers.interface import Action, Change, ObjectKey, Seen
from casm_ctrl.service import alarm_causes
from casm_ctrl.service.desired import Desired
from casm_ctrl.service.documents import finding_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.adopted import adopted_objects, standing
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
    managed: bool = True
    """False for an object that was adopted and that we do not write, and so do not restore."""

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.change.key} is {self.kind.value}: {self.change.words}"

    def document(self) -> Document:
        document: Document = {
            "kind": self.kind.value,
            "object": str(self.change.key),
            "words": self.change.words,
        }
        if self.block is not None:
            document["block"] = self.block.name
            document["prefix"] = str(self.block.prefix)
        if not self.managed:
            document["managed"] = False
        return document


def find_drift(
    changes: Iterable[Change], before: Desired, standing: Container[int] = ()
) -> tuple[Drift, ...]:
    """Those of the changes that would be sent which the controller did not ask for since it was there last.

    `standing`: blocks that are on the device in an adopted object, which is to be replaced.
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
        kind = None if block.id in standing else _kind(change.action, block)
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


def find_adopted_drift(before: Desired, seen: Seen) -> Iterator[Drift]:
    """Objects that were adopted, that nobody manages, and that are gone or hold other addresses now."""
    by_key = {one.key: one.range for one in seen.ranges}
    remedy = "adopted and not managed: correct it on the device, or take it over with 'casm block manage'"
    for adopted in adopted_objects(before):
        there, block = by_key.get(adopted.key), adopted.blocks[0]
        if there is None:
            change = Change(Action.ADD, adopted.key, block.id, f"{adopted.span} is gone; {remedy}")
            yield Drift(DriftKind.MISSING, change, block, managed=False)
        elif there != adopted.span:
            change = Change(Action.CHANGE, adopted.key, block.id, f"{there} (was {adopted.span}); {remedy}")
            yield Drift(DriftKind.ALTERED, change, block, managed=False)


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
    restore: bool | None = None,
) -> Document:
    """What drifted on the devices (all, or those named). `restore`: make those on which objects of ours did
    hold what the store wants, which is an apply; what others configured is left alone there too. None: as
    each device's `on-drift` says."""
    chosen = await asyncio.to_thread(choose, database, names)
    looked = await over_devices(database, author, chosen, options, progress, drift_one, forced=bool(names))
    drifted = [
        report.device
        for report in looked
        if report.more.get("drift") and (report.restores if restore is None else restore)
    ]
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
    settled = applied.result in (Result.CHANGED, Result.IN_SYNC)
    left = any(not drift.get("managed", True) for drift in looked.more.get("drift", ()))
    restored = Result.RESTORED if applied.result is Result.CHANGED else applied.result
    return replace(
        applied,
        result=Result.DRIFT if left and settled else restored,
        warnings=list(dict.fromkeys((*looked.warnings, *applied.warnings))),
        more={**applied.more, **looked.more},
    )


async def drift_one(run: Run, report: Report) -> None:
    """Read one device and tell what drifted; nothing is written there, and here an alarm alone."""
    look = await look_at(run, report.device)
    changes = look.difference.edit.changes
    report.restores = look.before.device.on_drift == "restore"
    own = find_drift(changes, look.before, standing(look.before, look.seen))
    drifted = (*own, *find_adopted_drift(look.before, look.seen))
    await run.store.run(alarm_causes.note_drift, report.device, [drift.words for drift in drifted])
    by_hand = [finding for finding in look.wanted.findings if finding.kind in BY_HAND]
    report.result = Result.DRIFT if drifted or by_hand else Result.CHANGES if changes else Result.IN_SYNC
    report.more = {
        "drift": [drift.document() for drift in drifted],
        "finding": [finding_document(finding) for finding in by_hand],
        "pending": str(len(changes) - len(own)),
    }
