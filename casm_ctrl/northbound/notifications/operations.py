"""The operations on subscriptions, of RFC 5277, RFC 8639 and RFC 8641."""

from __future__ import annotations

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.messages import Answer, Ok, Output
from casm_ctrl.netconf.names import NOTIFICATION, Element
from casm_ctrl.northbound.interface import Caller, Operations
from casm_ctrl.northbound.notifications.events import EventSubscription
from casm_ctrl.northbound.notifications.feed import OnThread
from casm_ctrl.northbound.notifications.names import element, sn, yp
from casm_ctrl.northbound.notifications.patches import Differ
from casm_ctrl.northbound.notifications.push import LARGEST, PushSubscription, ReadDatastore, TooBig
from casm_ctrl.northbound.notifications.refusals import Rpc, refuse
from casm_ctrl.northbound.notifications.requests import (
    read_create,
    read_establish,
    read_id,
    read_modify,
)
from casm_ctrl.northbound.notifications.streams import Streams
from casm_ctrl.northbound.notifications.subscription import MayReceive, Subscription
from casm_ctrl.northbound.notifications.terms import EventTarget, OnChange, Terms


class SubscriptionOperations:
    """What sessions may do with subscriptions. `read` reads a datastore for one; `differ` compares what it read."""

    def __init__(
        self,
        streams: Streams,
        may_receive: MayReceive,
        read: ReadDatastore,
        differ: Differ,
        on_thread: OnThread,
    ) -> None:
        self._streams = streams
        self._may_receive = may_receive
        self._read = read
        self._differ = differ
        self._on_thread = on_thread

    @property
    def operations(self) -> Operations:
        return Operations(
            awaited={
                f"{{{NOTIFICATION}}}create-subscription": self._create,
                sn("establish-subscription"): self._establish,
                sn("modify-subscription"): self._modify,
                sn("delete-subscription"): self._delete,
                sn("kill-subscription"): self._kill,
                yp("resync-subscription"): self._resync,
            }
        )

    # --- RFC 5277 ---------------------------------------------------------------------------------

    async def _create(self, caller: Caller, operation: Element) -> Answer:
        terms = read_create(operation, self._streams.clock.now())
        _, dynamic = self._streams.kinds(caller.session_id)
        if dynamic:
            raise _mixed("establish-subscription")
        if not self._streams.claim_legacy(caller.session_id):
            raise rpc_error.in_use("this session has a subscription already (RFC 5277): open another session")
        try:
            if not self._streams.has_room(caller.session_id):
                raise rpc_error.resource_denied("there are too many subscriptions")
            self._streams.add(await self._event_subscription(None, caller, terms))
        except BaseException:
            self._streams.release_legacy(caller.session_id)
            raise
        return Ok()

    async def _event_subscription(
        self, number: int | None, caller: Caller, terms: Terms
    ) -> EventSubscription:
        assert isinstance(terms.target, EventTarget)
        newest = await self._streams.prepare()
        start = terms.target.start
        after = newest if start is None else await self._streams.feed.before(start)
        return EventSubscription(
            number,
            caller,
            terms,
            self._streams.clock,
            self._streams.forget,
            feed=self._streams.feed,
            may_receive=self._may_receive,
            after=min(after, newest),
            replay_end=None if start is None else newest,
        )

    # --- RFC 8639 ---------------------------------------------------------------------------------

    async def _establish(self, caller: Caller, operation: Element) -> Answer:
        terms = read_establish(operation, self._streams.clock.now())
        push = not isinstance(terms.target, EventTarget)
        legacy, _ = self._streams.kinds(caller.session_id)
        if legacy:
            raise _mixed("create-subscription")
        if not self._streams.has_room(caller.session_id):
            message = "there are too many subscriptions: delete one"
            raise refuse("establish", "insufficient-resources", message, push=push)
        number = self._streams.new_id()
        if push:
            self._streams.add(await self._push_subscription(number, caller, terms))
            return Output([element(sn("id"), str(number))])
        self._streams.add(await self._event_subscription(number, caller, terms))
        answer = [element(sn("id"), str(number))]
        assert isinstance(terms.target, EventTarget)
        if terms.target.start is not None:
            oldest = await self._streams.feed.oldest()
            if oldest is not None and oldest > terms.target.start:
                answer.append(element(sn("replay-start-time-revision"), to_rfc3339(oldest)))
        return Output(answer)

    async def _modify(self, caller: Caller, operation: Element) -> Answer:
        def known(number: int) -> Terms:
            return self._own(caller, number, "modify").terms

        number, terms = read_modify(operation, known, self._streams.clock.now())
        subscription = self._own(caller, number, "modify")

        caller.outlet.after_reply(lambda: subscription.modify(terms))
        return Ok()

    async def _delete(self, caller: Caller, operation: Element) -> Answer:
        self._own(caller, read_id(operation), "delete").end()
        return Ok()

    async def _kill(self, caller: Caller, operation: Element) -> Answer:
        number = read_id(operation)
        subscription = self._streams.find(number)
        if subscription is None:
            raise _unknown("kill", number)
        subscription.end("sn:no-such-subscription")
        return Ok()

    def _own(self, caller: Caller, number: int, rpc: Rpc) -> Subscription:
        """A subscription of the caller's session; others' are not there (RFC 8639, 2.4.3 and 2.4.4)."""
        found = self._streams.find(number)
        if found is None or found.caller.session_id != caller.session_id:
            raise _unknown(rpc, number)
        return found

    # --- RFC 8641 ---------------------------------------------------------------------------------

    async def _push_subscription(self, number: int, caller: Caller, terms: Terms) -> PushSubscription:
        await self._streams.prepare()
        subscription = PushSubscription(
            number,
            caller,
            terms,
            self._streams.clock,
            self._streams.forget,
            feed=self._streams.feed,
            read=self._read,
            differ=self._differ,
            on_thread=self._on_thread,
        )
        try:
            await subscription.prepare()
        except TooBig as error:
            sync = isinstance(subscription.target.trigger, OnChange)
            raise refuse(
                "establish",
                "sync-too-big" if sync else "update-too-big",
                str(error),
                push=True,
                object_count_estimate="0",
                kilobytes_estimate=str(error.octets // 1024),
                kilobytes_limit=str(LARGEST // 1024),
            ) from None
        return subscription

    async def _resync(self, caller: Caller, operation: Element) -> Answer:
        number = read_id(operation)
        found = self._streams.find(number)
        mine = isinstance(found, PushSubscription) and found.caller.session_id == caller.session_id
        if not mine or not isinstance(found, PushSubscription):
            raise refuse("resync", "no-such-subscription-resync", f"there is no subscription {number}")
        if not isinstance(found.target.trigger, OnChange):
            message = f"subscription {number} is periodic: only what is on-change can be synchronised"
            raise refuse("resync", "no-such-subscription-resync", message)
        caller.outlet.after_reply(found.resync)
        return Ok()


def _unknown(rpc: Rpc, number: int) -> rpc_error.RpcError:
    return refuse(rpc, "no-such-subscription", f"there is no subscription {number} of this session")


def _mixed(other: str) -> rpc_error.RpcError:
    """A session has subscriptions of RFC 5277 or of RFC 8639, and never both (RFC 8640, 3)."""
    message = f"this session has a subscription by {other} (RFC 8640, section 3): open another session"
    return rpc_error.operation_not_supported(message, layer="application")
