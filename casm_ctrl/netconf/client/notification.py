"""A notification as a client hears it (RFC 5277, 4), and what is told where one could not be heard. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name

_ROOT = f"{{{NOTIFICATION}}}notification"
_TIME = f"{{{NOTIFICATION}}}eventTime"
_BEGINNING = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<\?.*?\?>\s*)*<(?:[^\s<>/:]+:)?notification(?=[\s/>]|\Z)",
    re.DOTALL,
)
_LOOKED_AT = 4096
"""Octets in which a message that is not well-formed must say what it is."""


@dataclass(frozen=True)
class Notification:
    """One event. `element` is what stands beside `eventTime`."""

    event_time: Micros | None
    """When it happened, as the device says; None where what it says is no time."""
    element: Element
    octets: int = 0
    """The size of the message."""


@dataclass(frozen=True)
class Missed:
    """Notifications came that nobody can be given: what they said has to be read from the device."""

    count: int
    why: str


def read_notification(root: Element, octets: int = 0) -> Notification | Missed | None:
    """What a message is, where it is a notification of any kind; None where it is something else.

    One that makes no sense is `Missed`, and no error: it answers no request, so that replies are not in doubt.
    """
    if local_name(root) != "notification":
        return None
    if root.tag != _ROOT:
        return Missed(1, "a notification came that is not in the namespace of RFC 5277")
    events = [child for child in root.iterchildren("*") if child.tag != _TIME]
    if len(events) != 1:
        return Missed(1, f"a notification came with {len(events)} events in it, where RFC 5277 has one")
    return Notification(_time(root.findtext(_TIME) or ""), events[0], octets)


def begins_notification(message: bytes) -> bool:
    """True where a message that cannot be read would have been a notification."""
    return _BEGINNING.match(message[:_LOOKED_AT]) is not None


def _time(text: str) -> Micros | None:
    try:
        return from_rfc3339(text.strip())
    except InvalidValue:
        return None
