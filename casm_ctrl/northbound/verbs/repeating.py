"""Repeat a request safely whose work is more than one transaction: it talks to devices (promise 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from casm_ctrl.service.verb import Document, find_repeated, keep_answer
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author


class Repeats:
    """One for a server. A duplicate in flight waits for the first, and gets its answer.

    What was cut off has no answer: the same request then goes on from what the devices hold, as a new one does.
    """

    def __init__(self) -> None:
        self._turns: dict[tuple[str, str], _Turn] = {}

    async def once(
        self,
        database: Database,
        author: Author,
        verb: str,
        arguments: Mapping[str, Any],
        work: Callable[[], Awaitable[Document]],
    ) -> Document:
        """The answer of `work`, or the one that this request got before. RequestReused where the id stands for
        another. A refusal is not kept."""
        if author.request_id is None:
            return await work()
        key = (author.actor, author.request_id)
        turn = self._turns.setdefault(key, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                kept = await asyncio.to_thread(find_repeated, database, author, verb, arguments)
                if kept is not None:
                    return kept
                answer = await work()
                return await asyncio.to_thread(keep_answer, database, author, verb, arguments, answer)
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                self._turns.pop(key, None)


class _Turn:
    """Those who wait with one request id."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
