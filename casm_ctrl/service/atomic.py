"""Record how far a change of many devices is, so that whoever comes after a crash goes the same way (promise 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import Held
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import atomic_runs, devices, leases
from casm_ctrl.store.atomic_runs import AtomicRunRow, Phase, Verdict
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Joining:
    """A device that takes part. `last` and `before`: see `MemberRow`."""

    lease: Lease
    last: bool
    before: str


def begin(database: Database, author: Author, members: Sequence[Joining]) -> int:
    """Before anything is staged: a new run, undecided. LeaseLost; Held where another run of a device is not
    over."""

    def body(tx: Transaction) -> int:
        for member in members:
            leases.check(tx, member.lease)
            other = atomic_runs.open_run(tx, member.lease.device_id)
            if other is not None:
                name = devices.get_device(tx, member.lease.device_id).name
                raise Held(f"{name} is part of atomic run {other.id}, which is not over", "apply again")
        number = atomic_runs.insert_run(
            tx, author.actor, ((m.lease.device_id, m.last, m.before) for m in members)
        )
        _record(tx, author, (m.lease.device_id for m in members), f"atomic run {number} begins")
        return number

    return database.run(body)


def note(database: Database, lease: Lease, run: int, phase: Phase) -> None:
    """Before the device is told something that makes it so."""

    def body(tx: Transaction) -> None:
        leases.check(tx, lease)
        atomic_runs.set_phase(tx, run, lease.device_id, phase, settled=False)

    database.run(body)


def settle(database: Database, author: Author, lease: Lease, run: int, phase: Phase) -> None:
    """After a read proved what the device holds: it needs nothing more of the run."""

    def body(tx: Transaction) -> None:
        leases.check(tx, lease)
        atomic_runs.set_phase(tx, run, lease.device_id, phase, settled=True)
        _record(tx, author, [lease.device_id], f"atomic run {run}: it holds the {phase.value}")

    database.run(body)


def decide(database: Database, author: Author, run: int, held: Sequence[Lease]) -> None:
    """From here on all go forward. LeaseLost where one of the devices is another's now; Held where somebody
    decided otherwise. Nothing was decided then."""

    def body(tx: Transaction) -> None:
        for lease in held:
            leases.check(tx, lease)
        if not atomic_runs.decide(tx, run, Verdict.COMMIT):
            raise Held(f"atomic run {run} was taken back by another process", "apply again")
        words = f"atomic run {run} is decided: what was committed is confirmed"
        _record(tx, author, (lease.device_id for lease in held), words)

    database.run(body)


def give_up(database: Database, author: Author, run: int, lease: Lease) -> AtomicRunRow | None:
    """Whoever holds `lease`, of a device of the run, settles it: what was not decided is taken back now.

    The run as it stands after that; None where it is over.
    """

    def body(tx: Transaction) -> AtomicRunRow | None:
        leases.check(tx, lease)
        if atomic_runs.decide(tx, run, Verdict.ROLL_BACK):
            words = f"atomic run {run} is decided: everything is taken back"
            _record(tx, author, [lease.device_id], words)
        return atomic_runs.find_run(tx, run)

    return database.run(body)


def open_run(database: Database, device: str) -> AtomicRunRow | None:
    """The run in which the device is not settled."""
    with database.read() as tx:
        return atomic_runs.open_run(tx, the_device(tx, device).id)


def may_go_on(database: Database, device: str) -> bool:
    """Whether a visit may change the device: no run that it is part of waits for a decision, or to go back."""
    found = open_run(database, device)
    return found is None or found.verdict is Verdict.COMMIT


def run_document(run: AtomicRunRow) -> Document:
    """What `status` shows: a device whose commit may be pending is unknown until it is read."""
    return {
        "id": str(run.id),
        "actor": run.actor,
        "began": to_rfc3339(run.began),
        "decision": "none" if run.verdict is None else run.verdict.value,
        "device": [{"name": m.device, "holds": holds(m.phase), "settled": m.settled} for m in run.members],
    }


def holds(phase: Phase) -> str:
    """A phase in the words of answers."""
    return Phase.UNKNOWN.value if phase is Phase.PENDING else phase.value


def _record(tx: Transaction, author: Author, numbers: Iterable[int], words: str) -> None:
    rows = [devices.get_device(tx, number) for number in numbers]
    record(tx, author, [Event("apply", "device", row.id, row.name, reason=words) for row in rows])
