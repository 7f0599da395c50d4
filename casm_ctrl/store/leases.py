"""Who works on a device, and what may still be pending there (design: Leases and pending commits).

Times here are the store's clock. A lease that ended may be taken; its generation tells the old holder.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import LeaseHeld, LeaseLost, StoreBroken
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Lease:
    """Our right to work on a device. `previous_session` is the NETCONF session of the holder before us,
    where it ended without giving the lease back."""

    device_id: int
    holder: str
    generation: int
    previous_session: int | None = None


@dataclass(frozen=True)
class PendingCommit:
    """A commit, or an edit of running, that was about to be sent. `deadline`: in our clock, when a confirmed
    commit (RFC 6241, 8.4) times out; of others, when it began."""

    device_id: int
    lease_generation: int
    edit_generation: int
    persist_id: str | None
    session_id: int
    began: Micros
    deadline: Micros
    digest: str


def claim(tx: Transaction, device_id: int, holder: str, who: str) -> Lease:
    """Take the device's lease, or raise LeaseHeld with who has it. `who` is for people: host and pid.

    The session that is noted stays until the new holder has one of its own: it may still hold locks.
    """
    row = tx.first(
        "SELECT holder, who, generation, expires, session_id FROM device_lease WHERE device_id = :id",
        id=device_id,
    )
    if row is not None and row[3] > tx.now and row[0] != holder:
        raise LeaseHeld(
            f"the device is being worked on by {row[1]} for at most {(row[3] - tx.now) / SECOND:.0f} s more",
            "wait until it is done, or give a longer --wait",
        )
    generation = 1 if row is None else row[2] + 1
    tx.run(
        "INSERT INTO device_lease (device_id, holder, who, generation, expires, claimed, session_id)"
        " VALUES (:id, :holder, :who, :generation, :expires, :now, NULL) ON CONFLICT (device_id) DO UPDATE SET"
        " holder = :holder, who = :who, generation = :generation, expires = :expires, claimed = :now",
        id=device_id,
        holder=holder,
        who=who,
        generation=generation,
        expires=tx.now + round(LEASE * SECOND),
        now=tx.now,
    )
    return Lease(device_id, holder, generation, None if row is None else row[4])


def claimed_at(tx: Transaction, device_id: int) -> Micros:
    """When the lease that is held, or was held last, was claimed: its holder's reads began after that."""
    row = tx.first("SELECT claimed FROM device_lease WHERE device_id = :id", id=device_id)
    return Micros(tx.now if row is None else row[0])


def renew(tx: Transaction, lease: Lease, session_id: int | None = None) -> None:
    """Keep the lease for another LEASE seconds, and note our session; LeaseLost where it is not ours now.

    An expired lease that nobody took is still ours: nobody has worked on the device meanwhile.
    """
    touched = tx.run(
        "UPDATE device_lease SET expires = :expires, session_id = COALESCE(:session, session_id)"
        " WHERE device_id = :id AND holder = :holder AND generation = :generation",
        expires=tx.now + round(LEASE * SECOND),
        session=session_id,
        id=lease.device_id,
        holder=lease.holder,
        generation=lease.generation,
    )
    if touched != 1:
        raise LeaseLost(
            "the lease on the device was taken by another process", "nothing more was sent; apply again"
        )


def check(tx: Transaction, lease: Lease) -> None:
    """LeaseLost where the lease is not ours any more; in the transaction that writes what was seen."""
    row = tx.first(
        "SELECT 1 FROM device_lease WHERE device_id = :id AND holder = :holder AND generation = :generation",
        id=lease.device_id,
        holder=lease.holder,
        generation=lease.generation,
    )
    if row is None:
        raise LeaseLost(
            "the lease on the device was taken by another process", "nothing more was sent; apply again"
        )


def release(tx: Transaction, lease: Lease) -> None:
    """Give the lease back; its generation stays. Nothing where it is not ours any more."""
    tx.run(
        "UPDATE device_lease SET expires = 0, session_id = NULL"
        " WHERE device_id = :id AND holder = :holder AND generation = :generation",
        id=lease.device_id,
        holder=lease.holder,
        generation=lease.generation,
    )


def put_pending(tx: Transaction, pending: PendingCommit) -> None:
    tx.run(
        "INSERT INTO pending_commit (device_id, lease_generation, edit_generation, persist_id, session_id, began,"
        " deadline, digest) VALUES (:device, :lease, :edit, :persist, :session, :began, :deadline, :digest)",
        device=pending.device_id,
        lease=pending.lease_generation,
        edit=pending.edit_generation,
        persist=pending.persist_id,
        session=pending.session_id,
        began=pending.began,
        deadline=pending.deadline,
        digest=pending.digest,
    )


def get_pending(tx: Transaction, device_id: int) -> PendingCommit | None:
    row = tx.first(
        "SELECT device_id, lease_generation, edit_generation, persist_id, session_id, began, deadline, digest"
        " FROM pending_commit WHERE device_id = :id",
        id=device_id,
    )
    return None if row is None else PendingCommit(*row)


def extend_pending(tx: Transaction, device_id: int, deadline: Micros) -> PendingCommit:
    """The pending commit of the device with another deadline."""
    tx.run(
        "UPDATE pending_commit SET deadline = :deadline WHERE device_id = :id",
        deadline=deadline,
        id=device_id,
    )
    pending = get_pending(tx, device_id)
    if pending is None:
        raise StoreBroken("a commit that is pending is not recorded", "apply again, and report this")
    return pending


def clear_pending(tx: Transaction, device_id: int) -> None:
    """Nothing can be pending on the device any more."""
    tx.run("DELETE FROM pending_commit WHERE device_id = :id", id=device_id)
