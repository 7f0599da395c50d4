"""Subscriptions to a datastore: YANG-Push, periodic and on change (RFC 8641).

The selection is read as a get-data of the subscriber would read it, so that filters and access control are the
same. What is on change is read again when the audit went on: no event, no read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lxml import etree

from casm_ctrl.base.clock import SECOND, Clock, Micros
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.notifications.feed import Feed, OnThread
from casm_ctrl.northbound.notifications.patches import Differ, weigh, write_patch, write_update
from casm_ctrl.northbound.notifications.subscription import Subscription
from casm_ctrl.northbound.notifications.terms import CENTISECOND, DatastoreTarget, OnChange, Periodic, Terms

LARGEST = 8 << 20
"""Octets of an update, and of what is kept of an on-change selection to compare the next reading with."""
PATCHES = 1 << 32
"""How many patches are numbered before the count begins again."""
PAUSE = 60 * SECOND
"""Microseconds after which a selection that was too large is tried again."""


class ReadDatastore(Protocol):
    """Reads what a subscriber may see of a selection; RpcError where it cannot be read. On a thread."""

    def __call__(self, caller: Caller, target: DatastoreTarget) -> Sequence[Element]: ...


class TooBig(Exception):
    """A selection is larger than LARGEST; `octets` is its size."""

    def __init__(self, octets: int) -> None:
        super().__init__(f"the selection has {octets} octets, and an update at the most {LARGEST}")
        self.octets = octets


class PushSubscription(Subscription):
    """One subscription of YANG-Push. `prepare` must be awaited before it begins."""

    number: int

    def __init__(
        self,
        number: int,
        caller: Caller,
        terms: Terms,
        clock: Clock,
        over: Callable[[Subscription], None],
        *,
        feed: Feed,
        read: ReadDatastore,
        differ: Differ,
        on_thread: OnThread,
    ) -> None:
        super().__init__(number, caller, terms, clock, over)
        self.number = number
        self._feed = feed
        self._read = read
        self._differ = differ
        self._on_thread = on_thread
        self._began = clock.now()
        self._next: Micros | None = None
        """When the next update is due; None: when something happens."""
        self._known: Element | None = None
        self._sequence = 0
        """The audit's newest number when the selection was read last."""
        self._patches = 0
        """The number of the next patch: from 0 on, and again after everything was sent (RFC 8641, 3.7)."""
        self._resync = False
        self._quiet_until = 0
        """When the dampening, or the pause of a suspension, is over."""

    @property
    def target(self) -> DatastoreTarget:
        assert isinstance(self.terms.target, DatastoreTarget)
        return self.terms.target

    @property
    def deadline(self) -> Micros | None:
        moments = [moment for moment in (self.terms.stop, self._next) if moment is not None]
        return min(moments) if moments else None

    async def prepare(self) -> None:
        """Read the selection for the first time: what is wrong with it is known before the reply. TooBig; RpcError
        where it cannot be read."""
        sequence = self._feed.newest
        found = await self._select()
        if isinstance(self.target.trigger, OnChange):
            self._known, self._sequence = found, sequence
            self._resync = self.target.trigger.sync
        else:
            self._next = self._first(self.target.trigger)

    def resync(self) -> None:
        """Send everything once more, and go on from there (RFC 8641, 5: resync-subscription)."""
        self._resync = True
        self.wake()

    def change(self, terms: Terms) -> None:
        same = terms.target == self.terms.target
        self.terms = terms
        trigger = self.target.trigger
        if same:
            pass
        elif isinstance(trigger, Periodic):
            self._began = self._clock.now()
            self._next = self._first(trigger)
        else:
            self._resync, self._next = True, None
        self.wake()

    async def work(self) -> None:
        now = self._clock.now()
        if self.terms.stop is not None and now >= self.terms.stop:
            self.tell_state("subscription-terminated", "sn:no-such-subscription")
            self._finish()
            return
        trigger = self.target.trigger
        try:
            if isinstance(trigger, Periodic):
                await self._tell_all_in_time(trigger, now)
            else:
                await self._tell_changes(trigger, now)
        except TooBig:
            self._suspend(now)
        except RpcError:
            # What could be read can be read no more: the rules of access changed, or what they are about.
            self.tell_state("subscription-terminated", "yp:datastore-not-subscribable")
            self._finish()
            return
        await self.caller.outlet.drain()

    def _first(self, trigger: Periodic) -> Micros:
        """At once, or with an anchor at the next moment that it names."""
        now = self._clock.now()
        return now if trigger.anchor is None else trigger.next_after(now, self._began)

    async def _tell_all_in_time(self, trigger: Periodic, now: Micros) -> None:
        if self._next is None or now < self._next:
            return
        # Whatever was missed, because the client did not read, is missed: the next is due after now.
        self._next = trigger.next_after(now, self._began)
        self._tell_all(await self._select())

    async def _tell_changes(self, trigger: OnChange, now: Micros) -> None:
        if self.state == "suspended" and now < self._quiet_until:
            self._next = Micros(self._quiet_until)
            return
        if self._resync:
            sequence = self._feed.newest
            found = await self._select()
            self._resync, self._known, self._sequence = False, found, sequence
            if len(found):  # who may read nothing of it hears nothing (RFC 8641, 3.9)
                self._tell_all(found)
            self._patches = 0
            self._next = None
            self._quiet_until = now + trigger.dampening * CENTISECOND
            return
        if self._sequence == self._feed.newest:
            self._next = None
            return
        if now < self._quiet_until:
            self._next = Micros(self._quiet_until)
            return
        self._next = None
        sequence = self._feed.newest
        found = await self._select()
        assert self._known is not None
        changes = self._differ.changes(self._known, found)
        self._known, self._sequence = found, sequence
        wanted = [change for change in changes if change.operation not in trigger.excluded]
        self.excluded += bool(changes) and not wanted
        if wanted:
            self.send(write_patch(self.number, self._patches, wanted))
            self._patches = (self._patches + 1) % PATCHES
            self.sent += 1
            self._quiet_until = now + trigger.dampening * CENTISECOND

    def _tell_all(self, found: Element) -> None:
        self.send(write_update(self.number, list(found)))
        self.sent += 1

    async def _select(self) -> Element:
        def select() -> Element:
            holder = etree.Element("selection")
            holder.extend(self._read(self.caller, self.target))
            size = weigh(list(holder))
            if size > LARGEST:
                raise TooBig(size)
            return holder

        found = await self._on_thread(select)
        if self.state == "suspended":
            self.state = "active"
            self.tell_state("subscription-resumed")
        return found

    def _suspend(self, now: Micros) -> None:
        """Nothing is sent while the selection is too large; what was known of it is not kept."""
        if self.state == "active":
            self.state = "suspended"
            self.tell_state("subscription-suspended", "yp:update-too-big")
        if isinstance(self.target.trigger, OnChange):
            self._known, self._resync = None, True
            self._quiet_until = now + PAUSE
            self._next = Micros(self._quiet_until)
