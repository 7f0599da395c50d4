"""When a server is told to end: cleanly at first, and within its time in any case."""

from __future__ import annotations

import asyncio
import os
import signal
import threading

from casm_ctrl.cli.failures import note

LONGEST = 9.0
"""Seconds that a clean end may take. What is not done then is taken back at the next start, as after a crash."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """Waits for a signal to end; from the first one on the process lives for LONGEST seconds, and a second one ends
    it at once. SIGHUP ends it too: users and rules are in the store, so there is nothing to read again."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._timer: threading.Timer | None = None
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._tell)

    async def wait(self) -> None:
        await self._told.wait()

    def done(self) -> None:
        """The end is clean."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        if self._timer is not None:
            _leave()
        # A thread, since what keeps the event loop is what this is for.
        self._timer = threading.Timer(LONGEST, _leave)
        self._timer.daemon = True
        self._timer.start()
        self._told.set()


def _leave() -> None:
    note("something was still at work, and was left: the next start takes back what is pending")
    os._exit(0)
