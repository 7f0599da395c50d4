"""How a device is asked to tell of its usage, by what it announces; and what comes of it that no driver has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import DeviceRefused, SessionLost
from casm_ctrl.drivers.interface import AsksUsage, Driver, Element
from casm_ctrl.drivers.notices import TellsUsage, UsageNotice, check_usage
from casm_ctrl.netconf.client.session import SubscribingSession
from casm_ctrl.netconf.client.subscriptions import (
    create_subscription,
    sn,
    subscribe_changes,
    subscribe_events,
    subscribe_periods,
    yp,
)
from casm_ctrl.netconf.names import NOTIFICATION

DAMPENING = 1.0
"""Seconds between two changes that are pushed, at the least: counts change with each login."""

_SUBSCRIBED, _PUSH = "ietf-subscribed-notifications", "ietf-yang-push"
_ENDS = frozenset(
    {sn("subscription-terminated"), "{urn:ietf:params:xml:ns:netmod:notification}notificationComplete"}
)
_GAPS = frozenset({sn("subscription-suspended"), sn("subscription-resumed")})


@dataclass(frozen=True)
class Pushed:
    """What was subscribed to. `wanted`: the events that a driver reads."""

    driver: Driver
    device: str
    wanted: frozenset[str] = frozenset()

    def is_wanted(self, event: Element) -> bool:
        return event.tag in self.wanted

    def has_ended(self, event: Element) -> bool:
        return event.tag in _ENDS

    def notices(self, event: Element, at: Micros | None) -> tuple[UsageNotice, ...] | None:
        """What an event of the subscription itself says: an update of YANG-Push, a pause; None where it is a driver's.

        SessionLost where it is the end of the subscription; PeerFault where counts in it cannot be true.
        """
        if self.has_ended(event):
            reason = event.findtext(sn("reason")) or "it gives no reason"
            raise SessionLost(
                f"{self.device} ended the subscription: {reason}", "nothing: it is subscribed to again"
            )
        if event.tag in _GAPS or event.tag == yp("push-change-update"):
            return (UsageNotice(None),)
        if event.tag != yp("push-update"):
            return None
        contents = event.find(yp("datastore-contents"))
        if contents is None:
            return (UsageNotice(None),)
        check_usage(self.driver, contents)
        return (UsageNotice(None, readings=self.driver.parse_usage(contents), sampled_at=at),)


async def subscribe(
    session: SubscribingSession, driver: Driver, announced: Mapping[str, str | None], period: float
) -> Pushed | None:
    """Subscribe to what tells most: the driver's own events, or else changes of its usage, or that every `period`
    seconds. None where a device has nothing of it. Errors are those of `Session.rpc`.
    """
    wanted = driver.subscriptions(announced) if isinstance(driver, TellsUsage) else ()
    events = tuple(event for one in wanted for event in one.events)
    pushed = Pushed(driver, str(session.target), frozenset(event.tag for event in events))
    if events and await _events(session, announced, events):
        return pushed
    if _PUSH in announced and not isinstance(driver, AsksUsage) and await _push(session, driver, period):
        return pushed
    return None


async def _events(
    session: SubscribingSession, announced: Mapping[str, str | None], events: tuple[Element, ...]
) -> bool:
    """False where the device has no notifications. Where it knows no filter all that it tells is taken."""
    if session.capabilities.has(":notification") or session.capabilities.has(NOTIFICATION):
        try:
            await session.subscribe(create_subscription(events))
        except DeviceRefused:
            await session.subscribe(create_subscription())
        return True
    if _SUBSCRIBED in announced:
        await session.subscribe(subscribe_events(events))
        return True
    return False


async def _push(session: SubscribingSession, driver: Driver, period: float) -> bool:
    """On change where the device can, else periodic; False where it will not push usage at all."""
    state = driver.usage_filter()
    if not state:
        return False
    for operation in (subscribe_changes(state, DAMPENING), subscribe_periods(state, period)):
        try:
            await session.subscribe(operation)
        except DeviceRefused:
            continue
        return True
    return False
