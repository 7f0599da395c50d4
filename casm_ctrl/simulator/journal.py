"""What a device was asked, in order, and what should happen at a point of it.

A point is an operation's nth arrival, execution or reply. At a point a process can be signalled (so that
a test kills or stops a controller exactly there), and who waits for it goes on.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from casm_ctrl.base.clock import Clock, Micros, to_rfc3339
from casm_ctrl.netconf.names import Element, local_name, nc


class Moment(Enum):
    """The boundaries of an operation on a device."""

    RECEIVED = "received"
    EXECUTED = "executed"
    """Done, or refused; nothing of the reply was sent."""
    REPLIED = "replied"


def names_of(operation: Element, *, commit_pending: bool) -> tuple[str, ...]:
    """What an operation goes by: its own name and, for a commit, the part that it plays.

    `confirmed-commit` begins or extends a confirmed commit, `confirming-commit` makes one permanent;
    edits and copies are also known with their target: `edit-config:candidate`.
    """
    name = local_name(operation)
    if operation.tag == nc("commit"):
        if operation.find(nc("confirmed")) is not None:
            return (name, "confirmed-commit")
        return (name, "confirming-commit") if commit_pending else (name,)
    for place in (nc("target"), nc("source")):
        parent = operation.find(place)
        if parent is not None and len(parent):
            return (name, f"{name}:{local_name(parent[0])}")
    return (name,)


@dataclass
class Entry:
    """One operation, or what the device did by itself, with session 0."""

    number: int
    time: Micros
    session_id: int
    names: tuple[str, ...]
    outcome: str = ""
    """`ok` or the error-tag; empty while, or where, it was not done."""
    fault: str = ""
    """The fault that kept it from being answered."""
    moments: list[Moment] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        return {
            "number": self.number,
            "time": to_rfc3339(self.time),
            "session-id": self.session_id,
            "operation": self.names[0],
            "names": list(self.names),
            "outcome": self.outcome,
            "fault": self.fault,
            "moments": [moment.value for moment in self.moments],
        }


@dataclass(frozen=True)
class Point:
    """The `occurrence`th time that an operation of a name reaches a moment."""

    operation: str
    moment: Moment = Moment.RECEIVED
    occurrence: int = 1


@dataclass
class _Trigger:
    point: Point
    signal: int
    pid: int
    met: int = 0


class Journal:
    """The operations of one device since it was made or the journal was cleared."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self._triggers: list[_Trigger] = []
        self._moved = asyncio.Event()

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    def count(self, operation: str, moment: Moment = Moment.RECEIVED) -> int:
        """How often an operation of that name reached `moment`."""
        return sum(operation in entry.names and moment in entry.moments for entry in self._entries)

    def clear(self) -> None:
        self._entries.clear()

    def add(self, session_id: int, names: Iterable[str]) -> Entry:
        """A new entry, which has reached no moment yet."""
        entry = Entry(len(self._entries) + 1, self._clock.now(), session_id, tuple(names))
        self._entries.append(entry)
        return entry

    def reach(self, entry: Entry, moment: Moment) -> None:
        """Note that `entry` is at `moment`; signals are sent before this returns."""
        entry.moments.append(moment)
        for trigger in list(self._triggers):
            if trigger.point.operation in entry.names and trigger.point.moment is moment:
                trigger.met += 1
                if trigger.met == trigger.point.occurrence:
                    self._triggers.remove(trigger)
                    os.kill(trigger.pid, trigger.signal)
        self._moved.set()
        self._moved = asyncio.Event()

    def happen(self, name: str) -> None:
        """Note what the device did by itself: `reboot` or `rollback`, of session 0."""
        self.reach(self.add(0, [name]), Moment.EXECUTED)

    def on(self, point: Point, *, signal: int, pid: int) -> None:
        """Send `signal` to `pid` when `point` is reached, counted from now."""
        self._triggers.append(_Trigger(point, signal, pid))

    async def wait(self, point: Point) -> None:
        """Return when `point` is reached, counted from the beginning of the journal."""
        while self.count(point.operation, point.moment) < point.occurrence:
            await self._moved.wait()
