"""Listen to one device: what it tells by itself of its usage, on a session of its own, for as long as one likes.

A session with a subscription may answer no other request (RFC 5277 without `:interleave`), so it is never the one that
polls and applies use. Nothing that a device told counts as all that happened: whoever listens is told to look
whenever something may have been missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from casm_ctrl.base.errors import (
    AuthenticationFailed,
    CasmError,
    DeviceRefused,
    HostKeyRefused,
    IdentityChanged,
    NotFound,
    PeerFault,
    SessionLost,
)
from casm_ctrl.drivers.interface import Driver, ObjectKey
from casm_ctrl.drivers.notices import TellsUsage, UsageNotice, Watched
from casm_ctrl.netconf.client.session import Missed, SubscribingSession, Target
from casm_ctrl.service.identity import known_device
from casm_ctrl.service.watched import watched_pools
from casm_ctrl.sync.announced import read_announced
from casm_ctrl.sync.backoff import pauses
from casm_ctrl.sync.run import Run, alone
from casm_ctrl.sync.subscribing import Pushed, subscribe
from casm_ctrl.sync.visit import target_of

LOOK = UsageNotice(None)
"""Something may have happened that was not told: read the device."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a device is tried again, at first and at the most; random between half of it and all."""
PERSON = 300.0
"""Seconds, where only a person can mend it: a wrong password that is shown often locks an account."""
MUTE = 3600.0
"""Seconds after which a device that tells nothing is asked whether it does now."""
SETTLED = 30.0
"""Seconds that a subscription must have stood for the pauses to begin again at the first."""

RECHECK, FRESH = 300.0, 1.0
"""Seconds after which it is looked up whether the store still has the device where its session goes to: while it tells
nothing, and while it tells."""

_FOR_PERSONS = (AuthenticationFailed, DeviceRefused, HostKeyRefused, IdentityChanged, NotFound)


@dataclass(frozen=True)
class Hearing:
    """Whether a device is listened to. `why`: what is in the way, or what it told that made no sense."""

    listening: bool
    why: str = ""


Tell = Callable[[str, UsageNotice], Awaitable[None] | None]
Note = Callable[[str, Hearing], None]


def pass_over(device: str, hearing: Hearing) -> None:
    """For who does not want to know."""


async def listen(
    run: Run,
    device: str,
    tell: Tell,
    note: Note = pass_over,
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    chance: Callable[[], float] = random.random,
) -> None:
    """Give `tell` each notice of `device`, and LOOK after each subscription and each loss; `note` hears whether the
    device is listened to. Ends only by being cancelled: what fails is tried again, later and later.
    """
    loop = asyncio.get_running_loop()
    waits = pauses(FIRST_PAUSE, LONGEST_PAUSE, chance)
    while True:
        ear = _Ear(run, device, tell, note)
        try:
            await ear.listen()
        except CasmError as error:
            note(device, Hearing(False, error.message))
            longest = PERSON * (1 + chance()) / 2 if isinstance(error, _FOR_PERSONS) else 0.0
        except Exception as error:  # of `tell`, or a fault of ours: the others are listened to all the same
            note(device, Hearing(False, f"listening failed: {error!r}"))
            longest = 0.0
        else:
            note(device, Hearing(False, "the device tells nothing of its usage by itself"))
            longest = MUTE * (1 + chance()) / 2
        if ear.began is not None and loop.time() - ear.began >= SETTLED:
            waits = pauses(FIRST_PAUSE, LONGEST_PAUSE, chance)
        await sleep(max(next(waits), longest))


class _Ear:
    """One session that listens."""

    def __init__(self, run: Run, device: str, tell: Tell, note: Note) -> None:
        self._run = run
        self._device = device
        self._tell = tell
        self._note = note
        self._watched: tuple[Watched, ...] = ()
        self.began: float | None = None
        """When the subscription stood, by the event loop."""
        self._checked = 0.0

    async def listen(self) -> None:
        """Until the session ends; returns where the device has nothing to subscribe to."""
        async with alone(self._run, self._device) as (session, driver, polling):
            announced = await read_announced(session)
            subscribed = await subscribe(session, driver, announced.revisions, polling.hot_interval)
            if subscribed is None:
                return
            self.began = self._checked = asyncio.get_running_loop().time()
            self._note(self._device, Hearing(True))
            await self._give(LOOK)
            watch = asyncio.create_task(self._close_when_moved(session, driver))
            try:
                await self._take(session, driver, subscribed)
            finally:
                watch.cancel()

    async def _take(self, session: SubscribingSession, driver: Driver, subscribed: Pushed) -> None:
        async for told in session.notifications():
            if isinstance(told, Missed):
                self._note(self._device, Hearing(True, f"{told.count} notifications were missed: {told.why}"))
                await self._give(LOOK)
                continue
            try:
                notices = subscribed.notices(told.element, told.event_time)
                if notices is None and isinstance(driver, TellsUsage):
                    notices = driver.parse_notice(told.element, self._watched)
                    if not notices and subscribed.is_wanted(told.element):
                        await self._look_up()
                        notices = driver.parse_notice(told.element, self._watched)
            except PeerFault as fault:
                if subscribed.has_ended(told.element):
                    raise
                self._note(self._device, Hearing(True, fault.message))
                notices = (replace(LOOK, fault=fault.message),)
            if notices:
                await self._check(session, driver)
            for notice in notices or ():
                await self._give(notice)

    async def _close_when_moved(self, session: SubscribingSession, driver: Driver) -> None:
        """What a session hears of a device that has another address by now, or was replaced, is of nobody's."""
        with contextlib.suppress(CasmError):
            while True:
                await asyncio.sleep(RECHECK)
                await self._check(session, driver)
        await session.close()

    async def _check(self, session: SubscribingSession, driver: Driver) -> None:
        """SessionLost where `session` is not the way to the device any more; IdentityChanged, NotFound."""
        now = asyncio.get_running_loop().time()
        if now - self._checked < FRESH:
            return
        row = await self._run.store.run(known_device, self._device)
        self._checked = now
        if _way(target_of(row, False, driver)) != _way(session.target) or row.host_key != session.host_key:
            raise SessionLost(
                f"{session.target} is not where the device is any more",
                "nothing: it is listened to where it is",
            )

    async def _look_up(self) -> None:
        """What is watched changes with each block that comes and goes: looked up where an event is of nothing known."""
        rows = await self._run.store.run(watched_pools, self._device)
        self._watched = tuple(
            Watched(
                row.aaa_name,
                frozenset(ObjectKey(path, keys) for path, keys in row.objects),
                row.usage_high,
                row.usage_low,
            )
            for row in rows
        )

    async def _give(self, notice: UsageNotice) -> None:
        done = self._tell(self._device, notice)
        if inspect.isawaitable(done):
            await done


def _way(target: Target) -> Target:
    return replace(target, host_key=None, accept_new=False)
