"""How a device is asked to tell of its usage, by what it announces; and what comes of it that no driver has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import DeviceRefused, SessionLost
from casm_ctrl.drivers.interface import AsksUsage, Driver, Element
from casm_ctrl.drivers.notices import TellsUsage, UsageNotice, check_usage
from casm_ctrl.netconf.client.session import Capabilities, SubscribingSession
from casm_ctrl.netconf.client.subscriptions import (
    create_subscription,
    sn,
    subscribe_changes,
    subscribe_events,
    subscribe_periods,
    yp,
)

DAMPENING = 1.0
"""Seconds between two changes that are pushed, at the least: counts change with each login."""

_SUBSCRIBED, _PUSH = "ietf-subscribed-notifications", "ietf-yang-push"
_ENDS = frozenset(
    {sn("subscription-terminated"), "{urn:ietf:params:xml:ns:netmod:notification}notificationComplete"}
)
_GAPS = frozenset({sn("subscription-suspended"), sn("subscription-resumed")})


class Telling(Enum):
    """What a device tells by itself, in the words of `casm device check`."""

    EVENTS = "events"
    PUSH = "push"
    NONE = "none"


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
    events = _events_of(driver, announced)
    pushed = Pushed(driver, str(session.target), frozenset(event.tag for event in events))
    way = way_to_tell(session.capabilities, driver, announced)
    if way is Telling.EVENTS:
        await _subscribe_events(session, events)
        return pushed
    return pushed if way is Telling.PUSH and await _push(session, driver, period) else None


def way_to_tell(capabilities: Capabilities, driver: Driver, announced: Mapping[str, str | None]) -> Telling:
    """How a device tells of its usage by itself, as far as it announces that."""
    if _events_of(driver, announced) and (_has_rfc_5277(capabilities) or _SUBSCRIBED in announced):
        return Telling.EVENTS
    pushes = _PUSH in announced and not isinstance(driver, AsksUsage) and bool(driver.usage_filter())
    return Telling.PUSH if pushes else Telling.NONE


def _events_of(driver: Driver, announced: Mapping[str, str | None]) -> tuple[Element, ...]:
    wanted = driver.subscriptions(announced) if isinstance(driver, TellsUsage) else ()
    return tuple(event for one in wanted for event in one.events)


def _has_rfc_5277(capabilities: Capabilities) -> bool:
    return capabilities.has(":notification")


async def _subscribe_events(session: SubscribingSession, events: tuple[Element, ...]) -> None:
    """Where the device knows no filter all that it tells is taken."""
    if not _has_rfc_5277(session.capabilities):
        await session.subscribe(subscribe_events(events))
        return
    try:
        await session.subscribe(create_subscription(events))
    except DeviceRefused:
        await session.subscribe(create_subscription())


async def _push(session: SubscribingSession, driver: Driver, period: float) -> bool:
    """On change where the device can, else periodic; False where it will not push usage at all."""
    state = driver.usage_filter()
    for operation in (subscribe_changes(state, DAMPENING), subscribe_periods(state, period)):
        try:
            await session.subscribe(operation)
        except DeviceRefused:
            continue
        return True
    return False
