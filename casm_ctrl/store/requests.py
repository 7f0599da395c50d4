"""Request ids: the same id with the same arguments gets the same answer (promise 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import RequestReused
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Transaction

KEPT_DAYS = 30
KEPT = KEPT_DAYS * 86400 * 1_000_000
"""Microseconds."""


_DIGESTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
_ANSWER = json.JSONEncoder(separators=(",", ":"))


def digest_of(verb: str, arguments: Mapping[str, Any]) -> bytes:
    """What tells one request from another: SHA-256 over the verb and its arguments."""
    return hashlib.sha256(_DIGESTED.encode([verb, arguments]).encode()).digest()


def wait_for_duplicate(tx: Transaction, author: Author) -> None:
    """Wait until nobody else works at this request id; on SQLite all that write wait for each other anyway."""
    if tx.dialect == "postgresql":
        name = json.dumps([author.actor, author.request_id])
        tx.put("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))", name=name)


def find_answer(tx: Transaction, author: Author, digest: bytes) -> dict[str, Any] | None:
    """The stored answer to this very request; RequestReused where the id stands for another."""
    row = tx.first(
        "SELECT digest, answer, verb, at FROM request WHERE actor = :actor AND request_id = :request",
        actor=author.actor,
        request=author.request_id,
    )
    if row is None:
        return None
    if row[0] != digest:
        raise RequestReused(
            f"request id '{author.request_id}' was used by {author.actor} for another request"
            f" ({row[2]}, {to_rfc3339(row[3])})",
            "take a new id, or repeat that request exactly",
        )
    answer: dict[str, Any] = json.loads(row[1])
    return answer


def store_answer(
    tx: Transaction, author: Author, verb: str, digest: bytes, answer: Mapping[str, Any]
) -> None:
    """Keep the answer in the transaction of what it tells of."""
    tx.put(
        "INSERT INTO request (actor, request_id, verb, digest, answer, at, kept_until)"
        " VALUES (:actor, :request, :verb, :digest, :answer, :at, :until)",
        actor=author.actor,
        request=author.request_id,
        verb=verb,
        digest=digest,
        answer=_ANSWER.encode(answer),
        at=tx.now,
        until=tx.now + KEPT,
    )


_OLDEST = (
    "(actor, request_id) IN (SELECT actor, request_id FROM request WHERE kept_until < :now"
    " ORDER BY kept_until LIMIT :limit)"
)
_HAS_BLOCKS = (
    "EXISTS (SELECT 1 FROM event JOIN block ON block.id = event.subject_id WHERE event.actor = request.actor"
    " AND event.request_id = request.request_id AND event.subject_kind = 'block' AND event.source = 'free')"
)


def any_old(tx: Transaction) -> bool:
    """True where there is something for `forget_old` to look at: one look into an index."""
    return tx.first("SELECT 1 FROM request WHERE kept_until < :now LIMIT 1", now=tx.now) is not None


def forget_old(tx: Transaction, limit: int = 1000) -> int:
    """Drop answers past their 30 days whose blocks are all gone. Returns how many.

    One whose blocks are not is looked at again 30 days later: so each sweep looks at few, however many
    old blocks there are.
    """
    gone = tx.run(f"DELETE FROM request WHERE {_OLDEST} AND NOT {_HAS_BLOCKS}", now=tx.now, limit=limit)
    tx.run(
        f"UPDATE request SET kept_until = :later WHERE kept_until < :now AND {_OLDEST} AND {_HAS_BLOCKS}",
        later=tx.now + KEPT,
        now=tx.now,
        limit=limit,
    )
    return gone
