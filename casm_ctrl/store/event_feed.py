"""The audit as a feed: what came after a sequence number, in batches, and how far it is complete.

Every question here is answered from the primary key: its cost does not grow with the audit.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import EventRow
from casm_ctrl.store.seals import horizon, last_event
from casm_ctrl.store.transaction import Transaction

SKEW = 10_000
"""On PostgreSQL an event may have an earlier time than so many before it: its transaction was slower."""


@dataclass(frozen=True)
class FeedRow:
    """An event, and where its block belongs; None for what is no block, or is gone without a trace."""

    event: EventRow
    pool: str | None = None
    device: str | None = None
    device_pool: str | None = None


def read_after(tx: Transaction, sequence: int, upto: int, limit: int) -> list[FeedRow]:
    """At most `limit` events above `sequence` and up to `upto`, in order."""
    rows = tx.all(
        "SELECT e.seq, e.at, e.actor, e.request_id, e.verb, e.subject_kind, e.subject_id, e.subject, e.source,"
        " e.target, e.reason, e.revision, e.session_id,"
        " COALESCE(pool.name, past.pool), device.name, device_pool.name, past.device_pool"
        " FROM (SELECT * FROM event WHERE seq > :after AND seq <= :upto ORDER BY seq LIMIT :limit) AS e"
        " LEFT JOIN block ON e.subject_kind = 'block' AND block.id = e.subject_id"
        " LEFT JOIN past_block AS past ON e.subject_kind = 'block' AND past.id = e.subject_id"
        " LEFT JOIN pool ON pool.id = block.pool_id"
        " LEFT JOIN device_pool ON device_pool.id = block.device_pool_id"
        " LEFT JOIN device ON device.id = device_pool.device_id"
        " ORDER BY e.seq",
        after=sequence,
        upto=upto,
        limit=limit,
    )
    return [_feed_row(EventRow(*row[:13]), *row[13:]) for row in rows]


def _feed_row(
    event: EventRow, pool: str | None, device: str | None, device_pool: str | None, label: str | None
) -> FeedRow:
    if device is None and label is not None:
        device, _, device_pool = label.partition("/")
    return FeedRow(event, pool, device, device_pool)


def first_event(tx: Transaction) -> tuple[int, Micros] | None:
    """The oldest event that is kept: its sequence and its time."""
    row = tx.first("SELECT seq, at FROM event ORDER BY seq LIMIT 1")
    return None if row is None else (int(row[0]), Micros(row[1]))


def sequence_before(tx: Transaction, moment: Micros) -> int:
    """A sequence number with no event from `moment` on below it, or little below it: whoever reads on from there
    skips what is too old. Times grow with the numbers, so halving finds it without an index on time."""
    row = tx.one("SELECT MIN(seq), MAX(seq) FROM event")
    if row[0] is None:
        return 0
    low, high = int(row[0]) - 1, int(row[1])
    while low < high:
        middle = (low + high + 1) // 2
        found = tx.one("SELECT seq, at FROM event WHERE seq >= :seq ORDER BY seq LIMIT 1", seq=middle)
        if found[1] < moment:
            low = int(found[0])
        else:
            high = middle - 1
    return max(0, low - SKEW) if tx.dialect == "postgresql" else low


class Horizon:
    """Up to which sequence number everything was committed or will never be.

    On SQLite that is the newest event. On PostgreSQL an event may be committed after others with greater
    numbers: what was the newest counts once every transaction has ended that ran then.
    """

    def __init__(self) -> None:
        self.complete = 0
        self._mark: tuple[int, int] | None = None
        """A sequence number, and the transaction number below which all must have ended."""

    def advance(self, database: Database) -> int:
        """Look again, and return how far the audit is complete now. Not from two threads at once."""
        with database.read() as tx:
            newest = last_event(tx)
        if newest == self.complete:
            return newest
        if database.dialect == "sqlite":
            self.complete = newest
            return newest
        with database.read() as tx:  # a later snapshot: whoever has a number up to the newest began before it
            ended = horizon(tx)
        if ended.oldest >= ended.following:
            self.complete, self._mark = newest, None
        elif self._mark is None:
            self._mark = (newest, ended.following)
        elif self._mark[1] <= ended.oldest:
            self.complete = max(self.complete, self._mark[0])
            self._mark = (newest, ended.following)
        return self.complete
