"""What all subscriptions have in common: a task that sends at the pace of its client, woken when there is something
to do, and ended from outside or by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Literal

from casm_ctrl.base.clock import Clock, Micros
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.notifications.names import IDENTITIES, add, element, envelope, sn
from casm_ctrl.northbound.notifications.terms import Terms, add_terms

MayReceive = Callable[[Caller, Element], bool]
"""Whether access control lets a session have a notification (RFC 8341, 3.4.6). On the event loop."""

_log = logging.getLogger(__name__)


class Subscription:
    """One subscription of one session. `number` is None for that of create-subscription (RFC 5277)."""

    def __init__(
        self,
        number: int | None,
        caller: Caller,
        terms: Terms,
        clock: Clock,
        over: Callable[[Subscription], None],
    ) -> None:
        """`over` is called once, when it ended, however it did."""
        self.number = number
        self.caller = caller
        self.terms = terms
        self.state: Literal["active", "suspended"] = "active"
        self.sent = 0
        self.excluded = 0
        self._finished = False
        self.idle = False
        """True while it waits for something to happen."""
        self._clock = clock
        self._over = over
        self._due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def deadline(self) -> Micros | None:
        """When it has something to do, even if nothing happens; None: never."""
        return self.terms.stop

    def begin(self) -> None:
        """Start to send. The reply to who subscribed must be written."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """Something happened, or its deadline has come."""
        self.idle = False
        self._due.set()

    def end(self, reason: str | None = None) -> None:
        """Stop at once; with a reason, an identity as sn:NAME or yp:NAME, the client is told."""
        if self._task is not None:
            self._task.cancel()
        if reason is not None:
            self.tell_state("subscription-terminated", reason)
        self._finish()

    def modify(self, terms: Terms) -> None:
        """Go on with other terms, and tell the client from where on (RFC 8639, 2.7.2)."""
        if not self._finished:
            self.change(terms)
            self.tell_state("subscription-modified")

    def change(self, terms: Terms) -> None:
        """Go on with other terms."""
        self.terms = terms
        self.wake()

    async def work(self) -> None:
        """Do what there is to do, until nothing is left or the subscription is over."""
        raise NotImplementedError

    # --- Sending ----------------------------------------------------------------------------------

    def send(self, content: Element) -> None:
        """Send a notification of now."""
        self.caller.outlet.send(envelope(self._clock.now(), content))

    def tell_state(self, name: str, reason: str | None = None) -> None:
        """Send a subscription state change notification (RFC 8639, 2.7)."""
        told = element(sn(name), prefixes=IDENTITIES)
        add(told, "id", str(self.number))
        if reason is not None:
            add(told, "reason", reason)
        elif name == "subscription-modified":
            add_terms(told, self.terms)
        self.send(told)

    # --- The task ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                while not self._is_over():
                    self._due.clear()
                    await self.work()
                    if not self._due.is_set() and not self._is_over():
                        self.idle = True
                        await self._due.wait()
            except Exception:
                _log.exception("the subscription of session %s failed", self.caller.session_id)
                if self.number is not None:
                    self.tell_state("subscription-terminated", "sn:stream-unavailable")
        self._finish()

    def _is_over(self) -> bool:
        return self._finished

    def _finish(self) -> None:
        if not self._finished:
            self._finished = True
            self.idle = True
            self._over(self)
