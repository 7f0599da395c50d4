"""How a verb runs: one transaction, repeated safely under a request id (promise 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.requests import digest_of, find_answer, store_answer, wait_for_duplicate
from casm_ctrl.store.transaction import Mode, Transaction

Document = dict[str, Any]


def perform(
    database: Database,
    author: Author,
    verb: str,
    arguments: Mapping[str, Any],
    body: Callable[[Transaction], Document],
    *,
    mode: Mode = Mode.WRITE,
) -> Document:
    """Run `body` in one write transaction; its answer is durable when this returns.

    With a request id, a repetition with the same arguments gets the stored answer and changes nothing.
    A refusal raises, is not stored, and leaves nothing behind. `body` may run more than once, where another
    transaction or a lost connection ended it. With Mode.SHARE it locks what it decides by, but for the configuration.
    """

    def once(tx: Transaction) -> Document:
        if author.request_id is None:
            return body(tx)
        digest = digest_of(verb, arguments)
        wait_for_duplicate(tx, author)
        answer = find_answer(tx, author, digest)
        if answer is None:
            answer = body(tx)
            store_answer(tx, author, verb, digest, answer)
        return answer

    return database.run(once, mode)


def find_repeated(
    database: Database, author: Author, verb: str, arguments: Mapping[str, Any]
) -> Document | None:
    """The answer that was kept for this very request, where its work is not one transaction. RequestReused where
    the id stands for another."""
    with database.read() as tx:
        return find_answer(tx, author, digest_of(verb, arguments))


def keep_answer(
    database: Database, author: Author, verb: str, arguments: Mapping[str, Any], answer: Document
) -> Document:
    """Keep the answer to a request, after its work was done. Where another process was first, its answer."""
    return perform(database, author, verb, arguments, lambda tx: answer)
