"""The notifications of one session that nobody has taken yet: bounded, in order, told of what was lost."""

from __future__ import annotations

import asyncio
from collections import deque

from casm_ctrl.netconf.client.notification import Missed, Notification

MOST = 1000
"""Notifications that wait for whoever listens."""
MOST_OCTETS = 16 << 20
"""The size of all of them as they came."""


class Inbox:
    """For one task that takes, on the event loop. Where it is too slow the oldest are dropped: the newest count."""

    def __init__(self, most: int = MOST, most_octets: int = MOST_OCTETS) -> None:
        self._most = most
        self._most_octets = most_octets
        self._waiting: deque[Notification | Missed] = deque()
        self._octets = 0
        self._dropped = 0
        self._end: Exception | None = None
        self._told = asyncio.Event()

    def put(self, told: Notification | Missed) -> None:
        """Never blocks, never fails."""
        if self._end is not None:
            return
        self._waiting.append(told)
        self._octets += _octets(told)
        while len(self._waiting) > self._most or (
            self._octets > self._most_octets and len(self._waiting) > 1
        ):
            oldest = self._waiting.popleft()
            self._octets -= _octets(oldest)
            self._dropped += oldest.count if isinstance(oldest, Missed) else 1
        self._told.set()

    def end(self, cause: Exception) -> None:
        """Nothing comes any more; what waits can still be taken."""
        self._end = self._end or cause
        self._told.set()

    async def take(self) -> Notification | Missed:
        """The next one. After the last, the cause of the end is raised, each time."""
        while True:
            if self._dropped:
                missed, self._dropped = Missed(self._dropped, "more came than were taken"), 0
                return missed
            if self._waiting:
                told = self._waiting.popleft()
                self._octets -= _octets(told)
                return told
            if self._end is not None:
                raise self._end
            self._told.clear()
            await self._told.wait()


def _octets(told: Notification | Missed) -> int:
    return told.octets if isinstance(told, Notification) else 0
