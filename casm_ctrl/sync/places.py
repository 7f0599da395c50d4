"""Who may work at the same time, so that the slow never make the others wait.

There are a few places, for a few is what keeps this machine busy. Who has one for longer than a moment is
waiting for somebody else (a dead host, a slow device, a lock) and costs us nothing: it is set aside, and its
place goes to the next. Those set aside are bounded too; when as many are, the next slow one keeps its place
until one of them is done, which its deadlines see to. Where this process was busy all that moment it is we
who are slow: more at a time would make nobody faster, and so nobody is set aside.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

PATIENCE = 1.0
"""Seconds for which the work on a device may keep its place from others."""

BUSY = 0.8
"""The part of the time for which this process computed, from which on it is what the others wait for."""

ASIDE = 128
"""Devices, at most, whose work goes on beside those that have a place. Each has a session, or soon may."""


class Timer(Protocol):
    """What `call_later` of an event loop returns."""

    def cancel(self) -> None: ...


@dataclass(eq=False)
class _Holder:
    timer: Timer | None = None
    aside: bool = False


class Places:
    """`call_later(seconds, action)` is the event loop's where none is given; `computed` tells the seconds for
    which this process has been computing."""

    def __init__(
        self,
        count: int,
        *,
        aside: int = ASIDE,
        patience: float = PATIENCE,
        call_later: Callable[[float, Callable[[], None]], Timer] | None = None,
        computed: Callable[[], float] = time.process_time,
    ) -> None:
        self._places = asyncio.Semaphore(count)
        self._room = aside
        self._patience = patience
        self._call_later = call_later
        self._computed = computed
        self._slow: deque[_Holder] = deque()
        """Those that would be set aside, were there room."""

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, in the order of asking, and have it while the block runs."""
        await self._places.acquire()
        holder = _Holder()
        self._wait_for(holder)
        try:
            yield
        finally:
            if holder.timer is not None:
                holder.timer.cancel()
            self._leave(holder)

    def _wait_for(self, holder: _Holder) -> None:
        call_later = self._call_later or asyncio.get_running_loop().call_later
        began = self._computed()

        def look() -> None:
            if self._computed() - began > BUSY * self._patience:
                self._wait_for(holder)
            else:
                self._set_aside(holder)

        holder.timer = call_later(self._patience, look)

    def _set_aside(self, holder: _Holder) -> None:
        if self._room:
            self._room -= 1
            holder.aside = True
            self._places.release()
        else:
            self._slow.append(holder)

    def _leave(self, holder: _Holder) -> None:
        if not holder.aside:
            if holder in self._slow:
                self._slow.remove(holder)
            self._places.release()
            return
        self._room += 1
        if self._slow:
            self._set_aside(self._slow.popleft())
