"""The events, as all subscribers share them: what is newest in memory, everything else read from the store again.

Memory is bounded by octets, however many subscribers there are and however slow they read: who falls behind what is
kept reads the store from the number that it has, and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from casm_ctrl.base.clock import Micros
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.notifications.names import envelope
from casm_ctrl.northbound.notifications.telling import tell
from casm_ctrl.store.database import Database
from casm_ctrl.store.event_feed import Horizon, first_event, read_after, sequence_before

KEPT = 4 << 20
"""Octets of messages that are kept for all subscribers together."""
BATCH = 200
"""Events that are read at once; a subscriber has so many in memory at the most."""

_T = TypeVar("_T")


class OnThread(Protocol):
    """Does work that uses the store on a thread."""

    def __call__(self, work: Callable[[], _T]) -> Awaitable[_T]: ...


@dataclass(frozen=True)
class Message:
    """One notification: the root of its own document, never changed, and the message that carries it."""

    content: Element
    octets: bytes


@dataclass(frozen=True)
class Told:
    """A row of the audit, and what is told of it."""

    sequence: int
    at: Micros
    messages: tuple[Message, ...]

    @property
    def size(self) -> int:
        return sum(len(message.octets) for message in self.messages)


class Feed:
    """`newest` is the number up to which everything can be read now."""

    def __init__(self, database: Database, on_thread: OnThread, kept: int = KEPT) -> None:
        self._database = database
        self._on_thread = on_thread
        self._horizon = Horizon()
        self._kept = kept
        self._window: deque[Told] = deque()
        self._size = 0
        self._after = 0
        """Everything above this number and up to `_upto` is in the window."""
        self._upto = 0
        self.newest = 0
        self._looking = asyncio.Lock()

    async def begin(self) -> None:
        """Look how far the audit goes; nothing is kept yet. Again after nobody listened for a while."""
        async with self._looking:
            self.newest = await self._on_thread(lambda: self._horizon.advance(self._database))
            self._forget(self.newest)

    async def refresh(self) -> bool:
        """Look for news; True where there are some."""
        async with self._looking:
            newest = await self._on_thread(lambda: self._horizon.advance(self._database))
            if newest <= self.newest:
                return False
            if newest - self._upto <= BATCH:
                self._keep(await self._read(self._upto, newest, BATCH), newest)
            else:  # a burst: everybody reads it at their own pace
                self._forget(newest)
            self.newest = newest
            return True

    async def after(self, sequence: int) -> list[Told]:
        """The next events above `sequence`, at most BATCH; empty where there are none yet."""
        if sequence >= self.newest:
            return []
        if sequence >= self._after:
            return list(self._recent(sequence))
        return await self._read(sequence, self.newest, BATCH)

    async def before(self, moment: Micros) -> int:
        """The number to read on from for all events from `moment` on."""

        def find() -> int:
            with self._database.read() as tx:
                return sequence_before(tx, moment)

        return await self._on_thread(find)

    async def oldest(self) -> Micros | None:
        """When the log begins; None where it is empty."""

        def find() -> Micros | None:
            with self._database.read() as tx:
                found = first_event(tx)
            return None if found is None else found[1]

        return await self._on_thread(find)

    @property
    def size(self) -> int:
        """Octets that are kept now."""
        return self._size

    def _forget(self, upto: int) -> None:
        self._window.clear()
        self._size = 0
        self._after = self._upto = upto

    def _recent(self, sequence: int) -> Iterator[Told]:
        for count, told in enumerate(told for told in self._window if told.sequence > sequence):
            if count == BATCH:
                return
            yield told

    def _keep(self, news: list[Told], upto: int) -> None:
        for told in news:
            self._window.append(told)
            self._size += told.size
        self._upto = upto
        while self._size > self._kept:
            gone = self._window.popleft()
            self._size -= gone.size
            self._after = gone.sequence

    async def _read(self, sequence: int, upto: int, limit: int) -> list[Told]:
        def read() -> list[Told]:
            with self._database.read() as tx:
                rows = read_after(tx, sequence, upto, limit)
            return [
                Told(
                    row.event.seq,
                    row.event.at,
                    tuple(Message(node, envelope(row.event.at, node)) for node in tell(row)),
                )
                for row in rows
            ]

        return await self._on_thread(read)
