"""One session with each device, kept between its uses: checked before it is lent, kept alive, given up when idle.

A session that is kept holds no lock and no edit: who leaves by an error, or leaves something behind on the
device, has it closed, which is what gives locks back. Nothing here waits for a dead peer without a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from casm_ctrl.base.errors import CasmError, DeviceRefused
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.client.session import Session, Target


@dataclass(frozen=True)
class Upkeep:
    """How long sessions are trusted and kept. Seconds."""

    check_after: float = 5.0
    """One that the device was not heard on for so long answers an empty get before it is lent."""
    check_deadline: float = 5.0
    """For that answer, and for those that keep a session alive."""
    keep_alive: float = 60.0
    """An idle session is asked so often: devices and firewalls between drop what is silent."""
    idle_limit: float = 600.0
    """A session that nobody used for so long is closed."""
    most: int = 2000
    """How many are kept: beyond it the one that was idle longest is closed. Each is a file descriptor."""


@dataclass(frozen=True)
class Lent:
    """A session for one use. `fresh`: it was opened for this use, because there was none, or the one before
    was lost: what the device did meanwhile is not known, and all that is ours there is read before anything
    else."""

    session: Session
    fresh: bool


class SessionPool:
    """Sessions by device. Enter it, and it tends them in the background until it is left."""

    def __init__(
        self,
        upkeep: Upkeep | None = None,
        *,
        opener: Callable[[Target], Awaitable[Session]] = open_session,
        now: Callable[[], float] | None = None,
    ) -> None:
        """`now`: seconds that never go back; the event loop's where None."""
        self.upkeep = upkeep or Upkeep()
        self._open = opener
        self._now = now or asyncio.get_running_loop().time
        self._places: dict[str, _Place] = {}
        self._closed = False
        self._tending: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many sessions are kept and not in use."""
        return sum(place.session is not None for place in self._places.values())

    @contextlib.asynccontextmanager
    async def use(self, target: Target) -> AsyncIterator[Lent]:
        """The device's session, for this task alone; others wait for it. Errors are those of `open_session`.

        It is kept where the block ends without an error and the session is still open.
        """
        place = self._places.setdefault(target.device, _Place())
        with self._present(target.device, place):
            async with place.turn:
                lent = await self._lend(place, target)
                kept = False
                try:
                    yield lent
                    kept = not (self._closed or lent.session.ended)
                finally:
                    if kept:
                        place.keep(lent.session, self._now())
                        self._give_up_oldest()
                    else:
                        await lent.session.close()

    async def tend(self) -> None:
        """Close what has ended or was idle too long, and ask what was silent too long."""
        idle = [(name, place) for name, place in self._places.items() if not place.turn.locked()]
        await asyncio.gather(*(self._tend(name, place) for name, place in idle))

    async def close(self) -> None:
        """Close all that is kept; what is in use is closed after its use. Bounded; may be repeated."""
        self._closed = True
        if self._tending is not None:
            self._tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tending
        kept = [place.take() for place in self._places.values()]
        await asyncio.gather(*self._leaving, *(session.close() for session in kept if session is not None))

    async def __aenter__(self) -> Self:
        self._tending = asyncio.create_task(self._keep_tending())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- Lending ----------------------------------------------------------------------------------

    async def _lend(self, place: _Place, target: Target) -> Lent:
        session = place.take()
        if session is not None:
            good = False
            try:
                good = await self._is_good(place, session, target)
            finally:
                if not good:
                    await session.close()
            if good:
                return Lent(session, fresh=False)
        return Lent(await self._open(target), fresh=True)

    async def _is_good(self, place: _Place, session: Session, target: Target) -> bool:
        """It is what `target` would open, with a host key that was checked, and the device answers on it."""
        if session.ended or _way(session.target) != _way(target):
            return False
        if target.host_key not in (None, session.host_key):
            return False
        if self._now() - place.heard < self.upkeep.check_after:
            return True
        return await self._answers(session)

    async def _answers(self, session: Session) -> bool:
        """False, with the session closed, where no answer comes in time."""
        deadline = min(self.upkeep.check_deadline, session.target.deadlines.rpc)
        try:
            await session.rpc(get_nothing(), deadline=deadline)
        except DeviceRefused:
            return True  # an answer too
        except CasmError:
            return False
        return True

    # --- Tending ----------------------------------------------------------------------------------

    async def _keep_tending(self) -> None:
        while True:
            await asyncio.sleep(self._until_due())
            await self.tend()

    def _until_due(self) -> float:
        """Seconds until the next session has to be looked at. One that comes later is due later."""
        upkeep, now = self.upkeep, self._now()
        longest = min(upkeep.keep_alive, upkeep.idle_limit)
        due = [
            min(place.heard + upkeep.keep_alive, place.used + upkeep.idle_limit)
            for place in self._places.values()
            if place.session is not None
        ]
        return max(min(min(due, default=now + longest) - now, longest), _SHORTEST_PAUSE)

    async def _tend(self, name: str, place: _Place) -> None:
        with self._present(name, place):
            async with place.turn:
                session, now = place.session, self._now()
                if session is None:
                    return
                if not session.ended and now - place.used < self.upkeep.idle_limit:
                    if now - place.heard < self.upkeep.keep_alive:
                        return
                    if await self._answers(session):
                        place.heard = self._now()
                        return
                place.take()
                await session.close()

    def _give_up_oldest(self) -> None:
        """Close, without waiting for it, what is too many."""
        if len(self) <= self.upkeep.most:
            return
        idle = [place for place in self._places.values() if place.session is not None]
        session = min(idle, key=lambda place: place.used).take()
        assert session is not None
        task = asyncio.create_task(session.close())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    @contextlib.contextmanager
    def _present(self, name: str, place: _Place) -> Iterator[None]:
        """A place without a session goes with the last who is at it."""
        place.users += 1
        try:
            yield
        finally:
            place.users -= 1
            if not place.users and place.session is None and self._places.get(name) is place:
                del self._places[name]


_SHORTEST_PAUSE = 0.1
"""Seconds between two looks, whatever is due."""


class _Place:
    """A device's: its session while nobody uses it, and whose turn it is."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.users = 0
        self.session: Session | None = None
        self.used = 0.0
        self.heard = 0.0

    def take(self) -> Session | None:
        session, self.session = self.session, None
        return session

    def keep(self, session: Session, now: float) -> None:
        self.session, self.used, self.heard = session, now, now


def _way(target: Target) -> Target:
    """What must be the same for a session to be reused: all but the host key, which is compared by itself."""
    return replace(target, host_key=None, accept_new=False)
