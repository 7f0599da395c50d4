"""The audit: one row for each change of a subject, and one for each request that made changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Author:
    """Who changes something, by which request, and why."""

    actor: str
    request_id: str | None = None
    reason: str = ""


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


def record(tx: Transaction, author: Author, events: Iterable[Event]) -> None:
    """Append `events` in the transaction of the change that they tell of."""
    tx.run_many(
        "INSERT INTO event (at, actor, request_id, verb, subject_kind, subject_id, subject, source, target, reason)"
        " VALUES (:at, :actor, :request, :verb, :kind, :id, :subject, :source, :target, :reason)",
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
            }
            for event in events
        ),
    )


def list_events(
    tx: Transaction, *, subject_kind: str | None = None, subject_id: int | None = None, limit: int = 100
) -> list[EventRow]:
    """The latest events, oldest first; of one subject where it is named."""
    columns = "seq, at, actor, request_id, verb, subject_kind, subject_id, subject, source, target, reason FROM event"
    if subject_kind is None:
        rows = tx.all(f"SELECT {columns} ORDER BY seq DESC LIMIT :limit", limit=limit)
    else:
        rows = tx.all(
            f"SELECT {columns} WHERE subject_kind = :kind AND subject_id = :id ORDER BY seq DESC LIMIT :limit",
            kind=subject_kind,
            id=subject_id,
            limit=limit,
        )
    return [EventRow(*row) for row in reversed(rows)]
