"""Work on devices that a session asked for, and that ends with the session where it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Underway:
    """One for a server. Event loop only."""

    def __init__(self) -> None:
        self._tasks: dict[int, set[asyncio.Task[Any]]] = {}

    async def run(self, session_id: int, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. ConnectionAbortedError where its session ended first: it was cut off then, and
        has put in order what it was at."""
        task = asyncio.ensure_future(work)
        tasks = self._tasks.setdefault(session_id, set())
        tasks.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            raise ConnectionAbortedError(f"session {session_id} was killed") from None
        finally:
            tasks.discard(task)
            if not tasks:
                self._tasks.pop(session_id, None)

    def session_ended(self, session_id: int) -> None:
        """Cut off what the session asked for; does not wait for that."""
        for task in self._tasks.get(session_id, ()):
            task.cancel()
