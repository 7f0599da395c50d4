"""What the clients of a server hold of its memory, all together, and who goes where that is too much. Pure but
for `Room`, which waits.

One client alone is bounded by the sizes that it may send and is sent; a thousand of them need a bound in common.
"""

from __future__ import annotations

import asyncio
import ctypes
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

FREE = 64 * 1024
"""Octets of each session that do not count: who only speaks normally never has to go."""
SMALL = 8 * 1024
"""Octets of a message that is taken as it comes: as a tree it has less than half a mebibyte."""
LARGE = 8 << 20
"""Octets of a tree after which the memory is given back at once."""
_OF_NODE, _OF_ELEMENT, _OF_ATTRIBUTE = 120, 250, 150
"""Octets of libxml2's structures, and of what is made of an element while a request is carried out."""


class Memory:
    """Octets that wait, of all sessions: requests that are not whole yet, replies that were not taken yet.

    Where they are more than `most`, sessions are ended: first the one where nothing has moved for longest.
    """

    def __init__(self, most: int, *, free: int = FREE, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._free = free
        self._now = now
        self._accounts: set[Account] = set()
        self.held = 0
        """What counts of all accounts."""
        self.ended = 0
        """Sessions that had to go."""

    def open(self, end: Callable[[], None]) -> Account:
        """The account of a session; `end` ends it at once."""
        return Account(self, end)

    def _counted(self, octets: int) -> int:
        return max(0, octets - self._free)

    def _move(self, account: Account, before: int, after: int) -> None:
        account.moved = self._now()
        self.held += self._counted(after) - self._counted(before)
        if self._counted(after):
            self._accounts.add(account)
        else:
            self._accounts.discard(account)
        while self.held > self._most:
            victim = min(self._accounts, key=lambda found: found.moved)
            victim.close()
            self.ended += 1
            victim.end()


class Account:
    """What one session holds. Once closed it counts nothing any more."""

    def __init__(self, memory: Memory, end: Callable[[], None]) -> None:
        self._memory = memory
        self._incoming = self._outgoing = 0
        self._closed = False
        self.end = end
        self.moved = 0.0

    def receives(self, octets: int) -> None:
        """So many octets of its requests wait now."""
        self._set(octets, self._outgoing)

    def sends(self, octets: int) -> None:
        """So many octets for it wait now."""
        self._set(self._incoming, octets)

    def close(self) -> None:
        self._set(0, 0)
        self._closed = True

    def _set(self, incoming: int, outgoing: int) -> None:
        if self._closed:
            return
        before = self._incoming + self._outgoing
        self._incoming, self._outgoing = incoming, outgoing
        self._memory._move(self, before, incoming + outgoing)


class Room:
    """Memory for requests that are carried out: who finds none waits, first come first served."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._left = most
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, octets: int) -> AsyncIterator[None]:
        """Have so many (at most `most`) until the block ends."""
        if self._waiting or octets > self._left:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((octets, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give(octets)
                else:
                    self._waiting.remove((octets, turn))
                    self._give(0)
                raise
        else:
            self._left -= octets
        try:
            yield
        finally:
            self._give(octets)

    def _give(self, octets: int) -> None:
        self._left += octets
        while self._waiting and self._waiting[0][0] <= self._left:
            wanted, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._left -= wanted
                turn.set_result(None)


def tree_size(message: bytes) -> int:
    """The most octets that `message` may have as a tree: a few characters of XML may be a hundred times as much."""
    if len(message) <= SMALL:
        return 0
    tags = message.count(b"<")
    elements = tags - message.count(b"</")
    return len(message) + _OF_NODE * tags + _OF_ELEMENT * elements + _OF_ATTRIBUTE * message.count(b"=")


def give_back() -> None:
    """Give memory that is free back to the system. glibc keeps what was in small pieces, once for each thread that
    was used; other C libraries have no word for it. On a thread."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
