"""Listeners for tests, and what they heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from casm_ctrl.drivers.notices import UsageNotice
from casm_ctrl.sync.notices import LOOK, Hearing, listen
from casm_ctrl.sync.run import Run

DEADLINE = 30.0


class Heard:
    """What listeners gave, for tests that wait for it."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, UsageNotice]] = []
        self.states: list[tuple[str, Hearing]] = []
        self._more = asyncio.Event()

    def tell(self, device: str, notice: UsageNotice) -> None:
        self.notices.append((device, notice))
        self._more.set()

    def note(self, device: str, hearing: Hearing) -> None:
        self.states.append((device, hearing))
        self._more.set()

    async def until_looks(self, count: int) -> None:
        """Until so many LOOKs were told: one follows each subscription."""
        async with asyncio.timeout(DEADLINE):
            while sum(notice == LOOK for _, notice in self.notices) < count:
                await self._wait()

    async def notice(self) -> UsageNotice:
        """The next one that is no LOOK."""
        async with asyncio.timeout(DEADLINE):
            while True:
                told = [notice for _, notice in self.notices if notice != LOOK]
                if told:
                    self.notices.clear()
                    return told[0]
                await self._wait()

    async def deaf(self) -> str:
        """Why the device is not listened to."""
        async with asyncio.timeout(DEADLINE):
            while True:
                found = [hearing.why for _, hearing in self.states if not hearing.listening]
                if found:
                    return found[-1]
                await self._wait()

    async def _wait(self) -> None:
        self._more.clear()
        await self._more.wait()


@contextlib.asynccontextmanager
async def listening(run: Run, *devices: str) -> AsyncIterator[Heard]:
    """Listeners of the devices, with short pauses."""

    async def nap(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))

    heard = Heard()
    tasks = [asyncio.create_task(listen(run, name, heard.tell, heard.note, sleep=nap)) for name in devices]
    try:
        yield heard
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends
