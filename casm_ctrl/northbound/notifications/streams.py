"""The subscriptions of all sessions: their table, the look at the store that wakes them, and what ends them.

The newest number of the audit is polled, and only while somebody is subscribed; whoever writes through this process
says so with `wake`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from casm_ctrl.base.clock import Clock
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.notifications.feed import Feed, OnThread
from casm_ctrl.northbound.notifications.subscription import Subscription
from casm_ctrl.service import session_events
from casm_ctrl.service.session_events import Ended
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

POLL = 0.2
"""Seconds between two looks for news, and the grain of all times of subscriptions."""
MOST = 512
MOST_OF_SESSION = 16
"""Subscriptions at once, of all sessions and of one."""
FIRST_ID = 2_147_483_648
"""Dynamic subscriptions have the upper half of the numbers (RFC 8639, 6)."""
LAST_ID = 4_294_967_295

_log = logging.getLogger(__name__)


class Streams:
    """All subscriptions. Everything here is for the event loop."""

    def __init__(
        self, database: Database, clock: Clock, on_thread: OnThread, *, poll: float | None = POLL
    ) -> None:
        """`poll` None: nobody looks by itself, and `tick` must be called."""
        self.clock = clock
        self.feed = Feed(database, on_thread)
        self._database = database
        self._on_thread = on_thread
        self._poll = poll
        self._subscriptions: list[Subscription] = []
        self._live: set[int] = set()
        """The sessions that are open: what one asked for just before it ended is not begun."""
        self._legacy: dict[int, Subscription | None] = {}
        """The subscription of create-subscription, by session; None while it is being made."""
        self._next_id = FIRST_ID
        self._poller: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notes: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._subscriptions))

    def __len__(self) -> int:
        return len(self._subscriptions)

    # --- Sessions ---------------------------------------------------------------------------------

    def session_started(self, caller: Caller) -> None:
        """A client's hello came: told as netconf-session-start."""
        self._live.add(caller.session_id)
        author = Author(caller.actor)
        self._note(
            lambda: session_events.note_start(
                self._database, author, caller.session_id, caller.username, caller.source_host
            )
        )

    def session_ended(self, caller: Caller, ended: Ended = "closed", killed_by: int | None = None) -> None:
        """A session is over, and its subscriptions with it; told as netconf-session-end."""
        self._live.discard(caller.session_id)
        for subscription in self:
            if subscription.caller.session_id == caller.session_id:
                subscription.end()
        self._legacy.pop(caller.session_id, None)
        author = Author(caller.actor)
        self._note(
            lambda: session_events.note_end(
                self._database,
                author,
                caller.session_id,
                caller.username,
                caller.source_host,
                ended,
                killed_by,
            )
        )

    def subscribed(self, session_id: int) -> bool:
        """Whether a session waits for notifications."""
        return any(subscription.caller.session_id == session_id for subscription in self._subscriptions)

    # --- Subscriptions ----------------------------------------------------------------------------

    def has_room(self, session_id: int) -> bool:
        """Whether a session may have another subscription."""
        mine = sum(s.caller.session_id == session_id for s in self._subscriptions)
        return len(self._subscriptions) < MOST and mine < MOST_OF_SESSION

    def kinds(self, session_id: int) -> tuple[bool, bool]:
        """Whether a session has its subscription of RFC 5277, and whether it has any of RFC 8639."""
        dynamic = any(s.number is not None and s.caller.session_id == session_id for s in self._subscriptions)
        return session_id in self._legacy, dynamic

    def claim_legacy(self, session_id: int) -> bool:
        """Reserve a session's one subscription of RFC 5277; False where it has one."""
        if session_id in self._legacy:
            return False
        self._legacy[session_id] = None
        return True

    def release_legacy(self, session_id: int) -> None:
        """Give back what `claim_legacy` reserved."""
        self._legacy.pop(session_id, None)

    def new_id(self) -> int:
        """A number that no subscription has."""
        taken = {subscription.number for subscription in self._subscriptions}
        while self._next_id in taken:
            self._step()
        number = self._next_id
        self._step()
        return number

    def _step(self) -> None:
        self._next_id = FIRST_ID if self._next_id == LAST_ID else self._next_id + 1

    def find(self, number: int) -> Subscription | None:
        return next((found for found in self._subscriptions if found.number == number), None)

    async def prepare(self) -> int:
        """Before a subscription is made: the number of the newest event that can be read."""
        if self._subscriptions:
            await self.feed.refresh()
        else:
            await self.feed.begin()
        return self.feed.newest

    def add(self, subscription: Subscription) -> None:
        """From now on it is woken; it begins after the reply to the request in progress. ConnectionAbortedError
        where its session ended meanwhile."""
        session_id = subscription.caller.session_id
        if session_id not in self._live:
            raise ConnectionAbortedError(f"session {session_id} ended")
        self._subscriptions.append(subscription)
        if subscription.number is None:
            self._legacy[session_id] = subscription
        subscription.caller.outlet.after_reply(subscription.begin)
        self._loop = asyncio.get_running_loop()
        if self._poll is not None and self._poller is None:
            self._poller = self._loop.create_task(self._look())

    def forget(self, subscription: Subscription) -> None:
        """It is over: a subscription's `over`."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        if subscription.number is None:
            self._legacy.pop(subscription.caller.session_id, None)
        if not self._subscriptions and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    # --- Looking ----------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something was written through this process: look at once. From any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._woken.set)

    async def tick(self) -> None:
        """Look for news and for deadlines that have come, and wake whom they concern."""
        news = await self.feed.refresh()
        now = self.clock.now()
        for subscription in self:
            if news or (subscription.deadline is not None and subscription.deadline <= now):
                subscription.wake()

    async def close(self) -> None:
        """End everything, and wait until what was to be written is."""
        for subscription in self:
            subscription.end()
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def _look(self) -> None:
        assert self._poll is not None
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._poll)
            self._woken.clear()
            try:
                await self.tick()
            except Exception:
                _log.exception("cannot look for events; trying again")

    # --- Notes ------------------------------------------------------------------------------------

    def _note(self, write: Callable[[], None]) -> None:
        """Write to the audit in the order of calls, without keeping the caller."""
        self._notes.put_nowait(write)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())
            self._writer.add_done_callback(self._written)

    async def _write(self) -> None:
        while not self._notes.empty():
            try:
                await self._on_thread(self._notes.get_nowait())
            except Exception:
                _log.exception("cannot write to the audit what became of a session")
        self._woken.set()

    def _written(self, done: asyncio.Task[None]) -> None:
        self._writer = None
