"""The audit: one row for each change of a subject, and one for each request that made changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Author:
    """Who changes something, by which request, and why. `session`: the NETCONF session that asked; None: none did."""

    actor: str
    request_id: str | None = None
    reason: str = ""
    session: Holder | None = None


@dataclass(frozen=True)
class Event:
    """One row of the audit. `source` and `target` are a block's states before and after."""

    verb: str
    subject_kind: str
    subject_id: int
    subject: str
    source: str | None = None
    target: str | None = None
    reason: str | None = None
    """Why; None: what the author said."""


@dataclass(frozen=True)
class EventRow:
    """An event as it was stored. Order is `seq`, not `at`."""

    seq: int
    at: Micros
    actor: str
    request_id: str | None
    verb: str
    subject_kind: str
    subject_id: int
    subject: str
    source: str | None
    target: str | None
    reason: str
    revision: int | None = None
    """Of the configuration from then on, where that is what changed."""
    session_id: int | None = None
    """The NETCONF session that changed the configuration; None where none did."""


_COLUMNS = (
    "seq, at, actor, request_id, verb, subject_kind, subject_id, subject, source, target, reason, revision,"
    " session_id FROM event"
)
_MOVES = "COALESCE(source, '') != COALESCE(target, '')"

_SKEW = 10_000
"""On PostgreSQL an event may have an earlier time than so many before it: its transaction was slower."""


def record(tx: Transaction, author: Author, events: Iterable[Event], *, revision: int | None = None) -> None:
    """Append `events` in the transaction of the change that they tell of. `revision` is the configuration's, where
    that is what changed; the author's session is kept then too."""
    session = None if revision is None or author.session is None else author.session.session_id
    tx.run_many(
        "INSERT INTO event (at, actor, request_id, verb, subject_kind, subject_id, subject, source, target, reason,"
        " revision, session_id) VALUES (:at, :actor, :request, :verb, :kind, :id, :subject, :source, :target,"
        " :reason, :revision, :session)",
        (
            {
                "at": tx.now,
                "actor": author.actor,
                "request": author.request_id,
                "verb": event.verb,
                "kind": event.subject_kind,
                "id": event.subject_id,
                "subject": event.subject,
                "source": event.source,
                "target": event.target,
                "reason": author.reason if event.reason is None else event.reason,
                "revision": revision,
                "session": session,
            }
            for event in events
        ),
    )


def record_alike(
    tx: Transaction,
    author: Author,
    verb: str,
    subject_kind: str,
    subjects: Iterable[tuple[int, str]],
    source: str | None,
    target: str | None,
) -> None:
    """Append an event for each (id, name) of `subjects`, to all of which the same happened."""
    alike = {
        "at": tx.now,
        "actor": author.actor,
        "request_id": author.request_id,
        "verb": verb,
        "subject_kind": subject_kind,
        "source": source,
        "target": target,
        "reason": author.reason,
    }
    tx.insert_rows("event", alike, ("subject_id", "subject"), subjects)


def list_events(
    tx: Transaction, *, subject_kind: str | None = None, subject_id: int | None = None, limit: int = 100
) -> list[EventRow]:
    """The latest events, oldest first; of one subject where it is named."""
    if subject_kind is None:
        rows = tx.all(f"SELECT {_COLUMNS} ORDER BY seq DESC LIMIT :limit", limit=limit)
    else:
        rows = tx.all(
            f"SELECT {_COLUMNS} WHERE subject_kind = :kind AND subject_id = :id ORDER BY seq DESC LIMIT :limit",
            kind=subject_kind,
            id=subject_id,
            limit=limit,
        )
    return [EventRow(*row) for row in reversed(rows)]


def first_event(tx: Transaction, block_id: int) -> EventRow | None:
    """How a block came to be."""
    row = tx.first(
        f"SELECT {_COLUMNS} WHERE subject_kind = 'block' AND subject_id = :id ORDER BY seq LIMIT 1",
        id=block_id,
    )
    return None if row is None else EventRow(*row)


def state_event_at(tx: Transaction, block_id: int, moment: Micros) -> EventRow | None:
    """The event that brought a block into the state that it had at a moment; None: there was no such block.

    After the clock was set back, the times that came twice are those of the second time or of the first.
    """
    row = tx.first(
        f"SELECT {_COLUMNS} WHERE subject_kind = 'block' AND subject_id = :id AND seq <= :bound"
        f" AND at <= :moment AND {_MOVES} ORDER BY seq DESC LIMIT 1",
        id=block_id,
        bound=_sequence_at(tx, block_id, moment) + _SKEW,
        moment=moment,
    )
    return None if row is None else EventRow(*row)


def next_state_event(tx: Transaction, event: EventRow) -> EventRow | None:
    """The event that ended the state that `event` began; None where it lasts."""
    row = tx.first(
        f"SELECT {_COLUMNS} WHERE subject_kind = 'block' AND subject_id = :id AND seq > :seq AND {_MOVES}"
        " ORDER BY seq LIMIT 1",
        id=event.subject_id,
        seq=event.seq,
    )
    return None if row is None else EventRow(*row)


def _sequence_at(tx: Transaction, block_id: int, moment: Micros) -> int:
    """The last event by a moment, of all between a block's first and last: times grow with the numbers, so
    halving finds it without an index on time that every writer would pay for."""
    mine = "SELECT seq FROM event WHERE subject_kind = 'block' AND subject_id = :id ORDER BY seq"
    first = tx.first(f"{mine} LIMIT 1", id=block_id)
    last = tx.first(f"{mine} DESC LIMIT 1", id=block_id)
    low, high = (0, 0) if first is None or last is None else (int(first[0]), int(last[0]))
    while low < high:
        middle = (low + high + 1) // 2
        row = tx.one("SELECT seq, at FROM event WHERE seq <= :seq ORDER BY seq DESC LIMIT 1", seq=middle)
        if row[1] <= moment:
            low = middle
        else:
            high = int(row[0]) - 1
    return low
