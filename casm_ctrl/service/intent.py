"""Record, before anything is sent, what an edit of a device is about to do (promise 2).

After a crash the next visit reads here what may have happened: which blocks may have reached the device,
which removals may have been sent, and which confirmed commit may be pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import IllegalTransition
from casm_ctrl.service import alarm_causes
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import (
    block_members,
    block_numbers,
    blocks,
    counts,
    devices,
    history,
    leases,
    observations,
)
from casm_ctrl.store.block_members import MemberRow
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.leases import Lease, PendingCommit
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.states import Seen, State
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Intent:
    """What one edit is about to do. `sent` and `removed` are blocks as they were read when it was worked out.

    `emptied`: blocks of `removed` that counts proved empty after a drain. `written`: the objects that the
    edit makes. `newest_mark`: the highest block number in our marks on the device.
    """

    generation: int
    sent: tuple[BlockRow, ...]
    removed: tuple[BlockRow, ...]
    emptied: frozenset[int]
    written: tuple[ObjectRow, ...]
    newest_mark: int
    words: Sequence[str]


def record_intent(database: Database, author: Author, lease: Lease, intent: Intent) -> None:
    """Before the edit. IllegalTransition where what is wanted of a block changed since it was read; LeaseLost."""

    def body(tx: Transaction) -> None:
        leases.check(tx, lease)
        device = devices.get_device(tx, lease.device_id)
        devices.set_edit_generation(tx, device.id, intent.generation)
        block_numbers.raise_block_number(tx, intent.newest_mark)
        for block in intent.sent:
            blocks.mark_sent(tx, _as_it_is(tx, block))
            block_members.set_seen(tx, block.id, device.id, Seen.UNKNOWN)
        history.note_sent(tx, device.id, (block.id for block in intent.sent))
        observations.put_objects(tx, device.id, intent.written)
        words = f"edit {intent.generation}: {'; '.join(intent.words)}"
        record(tx, author, [Event("apply", "device", device.id, device.name, reason=words)])

    database.run(body)


def record_pending(
    database: Database,
    author: Author,
    lease: Lease,
    intent: Intent,
    *,
    persist_id: str | None,
    session_id: int,
    timeout: int,
    digest: str,
) -> PendingCommit:
    """Before the commit is sent: from here on removals cannot be taken back. `timeout`: seconds after which
    the device undoes it unless it is confirmed; 0 where it is final."""

    def body(tx: Transaction) -> PendingCommit:
        leases.renew(tx, lease, session_id)
        device = devices.get_device(tx, lease.device_id)
        for block in (_as_it_is(tx, block) for block in intent.removed):
            members = block_members.list_members(tx, [block.id])[block.id]
            if block.id in intent.emptied and _others_empty(tx, block, members, device.id):
                block = blocks.mark_proven_empty(tx, block)
            if block.state is not State.WITHDRAWING:
                reason = f"a removal is about to be sent to {device.name}"
                blocks.transition(tx, author, block, State.WITHDRAWING, "apply", reason)
                for member in members:
                    block_members.set_seen(tx, block.id, member.device_id, Seen.UNKNOWN)
            block_members.set_seen(tx, block.id, device.id, Seen.UNKNOWN)
        history.note_removal(tx, device.id, (block.id for block in intent.removed))
        pending = PendingCommit(
            device_id=lease.device_id,
            lease_generation=lease.generation,
            edit_generation=intent.generation,
            persist_id=persist_id,
            session_id=session_id,
            began=tx.now,
            deadline=Micros(tx.now + timeout * SECOND),
            digest=digest,
        )
        leases.clear_pending(tx, lease.device_id)
        leases.put_pending(tx, pending)
        return pending

    return database.run(body)


def extend_pending(database: Database, lease: Lease, *, timeout: int) -> PendingCommit:
    """Before a follow-up confirmed commit is sent, which lets the device's timer begin anew."""

    def body(tx: Transaction) -> PendingCommit:
        leases.check(tx, lease)
        return leases.extend_pending(tx, lease.device_id, Micros(tx.now + timeout * SECOND))

    return database.run(body)


def _others_empty(tx: Transaction, block: BlockRow, members: Sequence[MemberRow], device_id: int) -> bool:
    """True where every other member that has the block counted none in use since it drains: one's counts say
    nothing of another's."""
    known = {count.device_id: count for count in counts.member_counts(tx, block.id)}
    others = [member.device_id for member in members if member.device_id != device_id]
    return all(
        number in known and known[number].used == 0 and known[number].at >= block.changed_at
        for number in others
    )


def _as_it_is(tx: Transaction, block: BlockRow) -> BlockRow:
    """The block now; IllegalTransition where something else is wanted of it than when it was read, or it is
    at rest. What other members of its group showed or were sent meanwhile is no matter."""
    now = blocks.find_block(tx, block.id)
    if now is None or now.wanted is not block.wanted or now.state is State.QUARANTINED:
        raise IllegalTransition(
            f"{block.label} was changed by somebody else meanwhile", "look again, and repeat"
        )
    return now


def clear_pending(database: Database, lease: Lease) -> None:
    """Nothing is pending on the device any more: it said so."""

    def body(tx: Transaction) -> None:
        leases.check(tx, lease)
        leases.clear_pending(tx, lease.device_id)

    database.run(body)


def claim_lease(database: Database, device: str, holder: str, who: str) -> Lease:
    """Take the device's lease; LeaseHeld names who has it."""

    def body(tx: Transaction) -> Lease:
        return leases.claim(tx, the_device(tx, device).id, holder, who)

    return database.run(body)


def renew_lease(database: Database, lease: Lease, session_id: int | None = None) -> None:
    def body(tx: Transaction) -> None:
        leases.renew(tx, lease, session_id)

    database.run(body)


def release_lease(database: Database, lease: Lease) -> None:
    def body(tx: Transaction) -> None:
        leases.release(tx, lease)

    database.run(body)


def record_result(
    database: Database, lease: Lease, state: str, error: str | None, *, seen: bool, silent: bool = False
) -> str:
    """How a visit ended: `state` is in-sync, out-of-sync, unknown or failed. Returns what is recorded.
    `silent`: the device did not answer, which is not about what it holds.

    A visit that fails while a commit of ours may be pending leaves the outcome unknown, until one reads.
    """

    def body(tx: Transaction) -> str:
        leases.check(tx, lease)
        pending = leases.get_pending(tx, lease.device_id) is not None
        known = "unknown" if state == "failed" and pending else state
        devices.set_sync(tx, lease.device_id, known, error, seen=seen)
        if not silent:
            alarm_causes.note_result(tx, devices.get_device(tx, lease.device_id), state, error)
        return known

    return database.run(body)
