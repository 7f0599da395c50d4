"""The hash chain over the audit: each seal holds one event, and the hash of all before it.

Events are written unchained, in their verb's own transaction: a chain taken there would fork, or make
writers wait for one another. A sealer, one at a time by a lease, appends what was committed. A seal's
number is dense; the order of seals need not be that of the events.

No event is skipped. On PostgreSQL an event may be committed long after others with greater sequence
numbers. So every event above a mark is looked at again each time, and the mark (`Head.complete`) moves
only over numbers whose transactions have all ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.store.transaction import Row, Transaction

NOTHING = bytes(32)
"""What stands for the hash before the first seal."""

_EVENT = (
    "event.seq, event.at, event.actor, event.request_id, event.verb, event.subject_kind, event.subject_id,"
    " event.subject, event.source, event.target, event.reason, event.revision, event.session_id"
)
_UNSEALED = "NOT EXISTS (SELECT 1 FROM seal WHERE seal.event_seq = event.seq)"


@dataclass(frozen=True)
class Horizon:
    """Which transactions have ended: all with a number below `oldest`. None had `following` yet."""

    oldest: int
    following: int


ALONE = Horizon(0, 0)
"""Writers come one after the other, so what can be read is all that there was."""


@dataclass(frozen=True)
class Head:
    """Where the chain stands: how many seals, the hash of the last, and up to which event all are sealed.

    `mark_seq` will be complete when all transactions with a number below `mark_tx` have ended.
    """

    sealed: int
    hash: bytes
    complete: int
    mark_seq: int
    mark_tx: int


@dataclass(frozen=True)
class Sealed:
    """One seal beside its event as both are stored; `event` None: there is no such event."""

    number: int
    event_seq: int
    hash: bytes
    event: Row | None


def encode(values: Sequence[Any]) -> bytes:
    """`values` as bytes, each with its type and length, so that no two lists have the same."""
    parts = []
    for value in values:
        data = value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        parts.append(b"%s:%d:%s;" % (type(value).__name__.encode(), len(data), data))
    return b"".join(parts)


def chain(previous: bytes, number: int, event: Row) -> bytes:
    """The hash of seal `number` over `event`: SHA-256 over the hash before it, its number and the row."""
    return hashlib.sha256(previous + encode((number, *event))).digest()


def _stored(value: Any) -> bytes:
    """A hash as it is stored; what is none, because somebody wrote it there, as bytes that no hash has."""
    return value if isinstance(value, bytes) else encode((value,))


# --- Who may seal ---------------------------------------------------------------------------------


def claim(tx: Transaction, holder: str) -> Head | None:
    """Take or keep the sealer's lease for LEASE seconds, and see where the chain stands; None where another
    has it. StoreBroken where there are seals and no head."""
    if tx.first("SELECT 1 FROM sealer") is None:
        if tx.first("SELECT 1 FROM seal LIMIT 1") is not None:
            raise StoreBroken("the head of the audit's chain is missing", "look at 'casm audit verify'")
        tx.run(
            "INSERT INTO sealer (id, holder, expires, sealed, hash, complete, mark_seq, mark_tx)"
            " VALUES (1, '', 0, 0, :nothing, 0, 0, 0) ON CONFLICT DO NOTHING",
            nothing=NOTHING,
        )
    mine = tx.run(
        "UPDATE sealer SET holder = :holder, expires = :expires WHERE holder = :holder OR expires <= :now",
        holder=holder,
        expires=tx.now + round(LEASE * SECOND),
        now=tx.now,
    )
    return get_head(tx) if mine else None


def release(tx: Transaction, holder: str) -> None:
    """Give the lease back. Nothing where it is another's."""
    tx.run("UPDATE sealer SET expires = 0 WHERE holder = :holder", holder=holder)


def get_head(tx: Transaction) -> Head | None:
    """None where nothing was ever sealed, or the head is missing."""
    row = tx.first("SELECT sealed, hash, complete, mark_seq, mark_tx FROM sealer")
    return None if row is None else Head(row[0], _stored(row[1]), row[2], row[3], row[4])


# --- Sealing --------------------------------------------------------------------------------------


def horizon(tx: Transaction) -> Horizon:
    """Which transactions have ended now."""
    if tx.dialect == "sqlite":
        return ALONE
    row = tx.one(
        "SELECT pg_snapshot_xmin(snapshot)::text::bigint, pg_snapshot_xmax(snapshot)::text::bigint"
        " FROM pg_current_snapshot() AS snapshot"
    )
    return Horizon(row[0], row[1])


def last_event(tx: Transaction) -> int:
    """The greatest sequence number of an event that was committed."""
    row = tx.first("SELECT seq FROM event ORDER BY seq DESC LIMIT 1")
    return 0 if row is None else int(row[0])


def append(tx: Transaction, head: Head, limit: int, last: int, ended: Horizon) -> Head:
    """Seal up to `limit` committed events that are not, in the order of their numbers; returns the new head.

    `last` is `last_event`, read before `ended` was: whoever has a number up to it began before.
    """
    rows = tx.all(
        f"SELECT {_EVENT} FROM event WHERE seq > :complete AND {_UNSEALED} ORDER BY seq LIMIT :limit",
        complete=head.complete,
        limit=limit,
    )
    new: list[dict[str, object]] = []
    number, previous = head.sealed, head.hash
    for row in rows:
        number, previous = number + 1, chain(previous, number + 1, row)
        new.append({"number": number, "seq": row[0], "hash": previous})
    tx.run_many("INSERT INTO seal (number, event_seq, hash) VALUES (:number, :seq, :hash)", new)
    after = _move_mark(tx, replace(head, sealed=number, hash=previous), last, ended)
    if after != head:
        tx.run(
            "UPDATE sealer SET sealed = :sealed, hash = :hash, complete = :complete, mark_seq = :mark_seq,"
            " mark_tx = :mark_tx",
            sealed=after.sealed,
            hash=after.hash,
            complete=after.complete,
            mark_seq=after.mark_seq,
            mark_tx=after.mark_tx,
        )
    return after


def _move_mark(tx: Transaction, head: Head, last: int, ended: Horizon) -> Head:
    if ended.oldest >= ended.following:  # nobody else writes
        head = replace(head, mark_seq=last, mark_tx=ended.following)
    complete = head.complete
    if head.mark_tx <= ended.oldest:
        left = tx.first(
            f"SELECT seq FROM event WHERE seq > :complete AND {_UNSEALED} ORDER BY seq LIMIT 1",
            complete=complete,
        )
        complete = max(complete, head.mark_seq if left is None else min(head.mark_seq, left[0] - 1))
    elsewhere = head.mark_tx > ended.following  # of a server on which the store was before
    reached = head.mark_tx <= ended.oldest and complete >= head.mark_seq
    if elsewhere or reached:
        return replace(head, complete=complete, mark_seq=last, mark_tx=ended.following)
    return replace(head, complete=complete)


# --- Looking --------------------------------------------------------------------------------------


def walk(tx: Transaction, at_once: int = 5000) -> Iterator[Sealed]:
    """Every seal in the order of numbers, beside its event; reads `at_once` rows at a time."""
    after = -(1 << 63)
    while True:
        rows = tx.all(
            f"SELECT number, event_seq, hash, {_EVENT} FROM seal LEFT JOIN event ON event.seq = event_seq"
            " WHERE number > :after ORDER BY number LIMIT :limit",
            after=after,
            limit=at_once,
        )
        for row in rows:
            yield Sealed(row[0], row[1], _stored(row[2]), None if row[3] is None else tuple(row[3:]))
        if len(rows) < at_once:
            return
        after = rows[-1][0]


def unsealed(tx: Transaction, above: int) -> tuple[int, Micros | None]:
    """How many events above a number have no seal, and the time of the oldest."""
    row = tx.one(f"SELECT COUNT(*), MIN(at) FROM event WHERE seq > :above AND {_UNSEALED}", above=above)
    return row[0], row[1]


def unsealed_below(tx: Transaction, complete: int, limit: int) -> list[int]:
    """Events up to `complete` without a seal: each was added, or lost its seal. Reads the whole audit."""
    rows = tx.all(
        f"SELECT seq FROM event WHERE seq <= :complete AND {_UNSEALED} ORDER BY seq LIMIT :limit",
        complete=complete,
        limit=limit,
    )
    return [row[0] for row in rows]
