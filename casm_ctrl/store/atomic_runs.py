"""Changes of many devices that are to be all or nothing, while they are not over (design: Shape).

A run is undecided until its decision is stored: before that all its devices go back to the old, after it
all of them go on to the new, whoever sees to it. A run whose devices are all settled is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


class Verdict(Enum):
    """What was decided of a run; stored before the first confirmation is sent."""

    COMMIT = "commit"
    ROLL_BACK = "roll-back"


class Phase(Enum):
    """What one device of a run holds, as far as is known."""

    OLD = "old"
    """Nothing was sent that runs, or a read showed that it was undone."""
    PENDING = "pending"
    """A confirmed commit may have been sent, and none was confirmed."""
    UNKNOWN = "unknown"
    """The confirmation may have been sent: only a read tells."""
    NEW = "new"
    """A read showed it."""
    OTHER = "other"
    """A read showed neither: somebody else changed it meanwhile, or it does not undo what it should."""


@dataclass(frozen=True)
class MemberRow:
    """A device of a run. `settled`: a read proved its phase, and nothing more is to be done there.

    `last`: it has no confirmed commit, and is edited when all others hold the new. `before`: digest of what
    it held where its driver reads.
    """

    run: int
    device_id: int
    device: str
    phase: Phase
    settled: bool
    last: bool
    before: str


@dataclass(frozen=True)
class AtomicRunRow:
    """A run that is not over, with its devices in the order of their names."""

    id: int
    actor: str
    began: Micros
    verdict: Verdict | None
    members: tuple[MemberRow, ...]

    @property
    def open_members(self) -> tuple[MemberRow, ...]:
        return tuple(member for member in self.members if not member.settled)


def insert_run(tx: Transaction, actor: str, members: Iterable[tuple[int, bool, str]]) -> int:
    """A new run, undecided. `members` are (device id, last, before); all hold the old."""
    number = tx.insert(
        "INSERT INTO atomic_run (actor, began) VALUES (:actor, :now) RETURNING id", actor=actor, now=tx.now
    )
    tx.run_many(
        "INSERT INTO atomic_member (run_id, device_id, phase, settled, last_of_all, before)"
        " VALUES (:run, :device, 'old', 0, :last, :before)",
        (
            {"run": number, "device": device, "last": int(last), "before": before}
            for device, last, before in members
        ),
    )
    return number


def find_run(tx: Transaction, number: int) -> AtomicRunRow | None:
    """None where it is over."""
    row = tx.first("SELECT id, actor, began, verdict FROM atomic_run WHERE id = :id", id=number)
    return None if row is None else _run(tx, row)


def open_run(tx: Transaction, device_id: int) -> AtomicRunRow | None:
    """The run in which the device is not settled; there is at most one."""
    row = tx.first("SELECT run_id FROM atomic_member WHERE device_id = :id AND settled = 0", id=device_id)
    return None if row is None else find_run(tx, row[0])


def list_runs(tx: Transaction) -> list[AtomicRunRow]:
    return [_run(tx, row) for row in tx.all("SELECT id, actor, began, verdict FROM atomic_run ORDER BY id")]


def _run(tx: Transaction, row: tuple[object, ...]) -> AtomicRunRow:
    number, actor, began, verdict = row
    members = tx.all(
        "SELECT run_id, device_id, device.name, phase, settled, last_of_all, before FROM atomic_member"
        " JOIN device ON device.id = device_id WHERE run_id = :run ORDER BY device.name",
        run=number,
    )
    return AtomicRunRow(
        int(str(number)),
        str(actor),
        Micros(int(str(began))),
        None if verdict is None else Verdict(verdict),
        tuple(MemberRow(m[0], m[1], m[2], Phase(m[3]), bool(m[4]), bool(m[5]), m[6]) for m in members),
    )


def decide(tx: Transaction, number: int, verdict: Verdict) -> bool:
    """Store the decision; False where there is one already, or the run is over."""
    decided = tx.run(
        "UPDATE atomic_run SET verdict = :verdict WHERE id = :id AND verdict IS NULL",
        verdict=verdict.value,
        id=number,
    )
    if decided and verdict is Verdict.COMMIT:
        tx.run(
            "UPDATE atomic_member SET phase = 'unknown' WHERE run_id = :id AND phase = 'pending'", id=number
        )
    return bool(decided)


def set_phase(tx: Transaction, number: int, device_id: int, phase: Phase, *, settled: bool) -> None:
    """Note how far a device is. The run is forgotten with the last that is settled."""
    tx.run(
        "UPDATE atomic_member SET phase = :phase, settled = :settled"
        " WHERE run_id = :run AND device_id = :device AND settled = 0",
        phase=phase.value,
        settled=int(settled),
        run=number,
        device=device_id,
    )
    if settled and not tx.all("SELECT 1 FROM atomic_member WHERE run_id = :run AND settled = 0", run=number):
        tx.run("DELETE FROM atomic_member WHERE run_id = :run", run=number)
        tx.run("DELETE FROM atomic_run WHERE id = :run", run=number)
