"""Subscriptions to the events of a stream, with replay: of RFC 5277, and of RFC 8639.

One reads the feed from a number on, at the pace of its client: nothing waits in memory for a client that does not
read, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from casm_ctrl.base.clock import SECOND, Clock
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.notifications.feed import Feed, Told
from casm_ctrl.northbound.notifications.names import STREAMS, add, element, sn
from casm_ctrl.northbound.notifications.subscription import MayReceive, Subscription
from casm_ctrl.northbound.notifications.terms import EventTarget, Terms

LATE = 3600 * SECOND
"""An event that is so much later than a stop time comes after all that happened before it, however uneven the clocks
of those who wrote the audit are."""


class EventSubscription(Subscription):
    """`after` is the number of the last event that it does not get; `replay_end` that of the last which is a
    replay, None where nothing is replayed."""

    def __init__(
        self,
        number: int | None,
        caller: Caller,
        terms: Terms,
        clock: Clock,
        over: Callable[[Subscription], None],
        *,
        feed: Feed,
        may_receive: MayReceive,
        after: int,
        replay_end: int | None,
    ) -> None:
        super().__init__(number, caller, terms, clock, over)
        self._feed = feed
        self._may_receive = may_receive
        self._sequence = after
        self._replay_end = replay_end

    @property
    def target(self) -> EventTarget:
        assert isinstance(self.terms.target, EventTarget)
        return self.terms.target

    async def work(self) -> None:
        while True:
            # Judged before the feed is read: what happened until stop is then in what is read.
            stopping = self.terms.stop is not None and self._clock.now() >= self.terms.stop
            if stopping:
                await self._feed.refresh()
            batch = await self._feed.after(self._sequence)
            for told in batch:
                if self.terms.stop is not None and told.at > self.terms.stop + LATE:
                    self._end_replay(told.sequence + self._feed.newest)
                    self._complete()
                    return
                self._end_replay(told.sequence)
                self._tell(told)
                self._sequence = told.sequence
            if batch:
                await self.caller.outlet.drain()
                continue
            self._sequence = max(self._sequence, self._feed.newest)
            self._end_replay(self._sequence + 1)
            if stopping:
                self._complete()
            return

    def _tell(self, told: Told) -> None:
        start, stop = self.target.start, self.terms.stop
        if (start is not None and told.at < start) or (stop is not None and told.at > stop):
            return
        wanted = self.target.filter
        for message in told.messages:
            if (wanted is None or wanted.passes(message.content)) and self._may_receive(
                self.caller, message.content
            ):
                self.caller.outlet.send(message.octets)
                self.sent += 1
            else:
                self.excluded += 1

    def _end_replay(self, sequence: int) -> None:
        """Tell that the replay is over, before the first event that is none (RFC 5277, 3.3.2)."""
        if self._replay_end is None or sequence <= self._replay_end:
            return
        self._replay_end = None
        if self.number is None:
            self.send(element(f"{{{STREAMS}}}replayComplete"))
        else:
            told = element(sn("replay-completed"))
            add(told, "id", str(self.number))
            self.send(told)

    def _complete(self) -> None:
        """The stop time has come, and all that happened before it was sent."""
        if self.number is None:
            self.send(element(f"{{{STREAMS}}}notificationComplete"))
        else:
            # subscription-completed is for configured subscriptions only (RFC 8639, 2.7.5).
            self.tell_state("subscription-terminated", "sn:no-such-subscription")
        self._finish()
