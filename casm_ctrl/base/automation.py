"""The policy of a device pool as configuration: what may be set, between which bounds, and what holds where it is not.

A value that is None was not set: the role's holds. What sets it, keeps it and decides by it share this one table,
so that a contradiction is refused where it is made.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from casm_ctrl.base.errors import InvalidValue

MODES = ("observe", "automatic")
SCARCITY = ("plan", "apply")
_MOST = 2**31 - 1
_DAY = 86_400
BOUNDS: Mapping[str, tuple[int, int]] = {
    "grow_at": (1, 100),
    "grow_at_free": (0, 1 << 128),
    "shrink_at": (0, 99),
    "shrink_at_free": (1, 1 << 128),
    "reserve": (0, 1000),
    "hold_down": (1, _MOST),
    "history": (0, 366),
    "priority": (0, 255),
    "drain_deadline": (1, _MOST),
    "force_after": (0, _MOST),
}
"""The least and the most: percent, addresses, seconds, and days (history)."""
BAND = 25
"""Percent between the default to shrink at and what it grows at, at least."""
_WINDOW = ("reclaim_from", "reclaim_until", "reclaim_zone")
_TIME = re.compile("([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True)
class Automation:
    """The container `automation` of a device pool, in its leafs' words. Lengths of time are seconds, history days."""

    grow: str | None = None
    shrink: str | None = None
    grow_at: int | None = None
    """Percent in use."""
    grow_at_free: int | None = None
    """Addresses that are free, in the place of a percentage."""
    shrink_at: int | None = None
    shrink_at_free: int | None = None
    reserve: int | None = None
    """Percent of what is used, kept free beyond what is expected."""
    hold_down: int | None = None
    history: int | None = None
    reclaim_from: str | None = None
    """HH:MM in the zone; absent: at any time."""
    reclaim_until: str | None = None
    reclaim_zone: str | None = None
    priority: int | None = None
    """The greater is served first."""
    drain_deadline: int | None = None
    force_after: int | None = None
    """After the drain deadline; absent: never."""
    scarcity: str | None = None

    def over(self, below: Automation) -> Automation:
        """What is set here, and of what is not, what is set `below`. Thresholds in percent and in free addresses
        stand for each other."""
        values = {
            name: getattr(below, name) if value is None else value for name, value in vars(self).items()
        }
        for percent, free in UNITS:
            if getattr(self, free) is not None:
                values[percent] = None
            elif getattr(self, percent) is not None:
                values[free] = None
        return Automation(**values)


UNSET = Automation()
"""All is as the role says."""
UNITS = (("grow_at", "grow_at_free"), ("shrink_at", "shrink_at_free"))
"""Thresholds that stand for each other: in percent, and in free addresses."""
NAMES = tuple(field.name for field in dataclasses.fields(Automation))

_COMMON = Automation(
    grow="observe",
    shrink="observe",
    grow_at=80,
    shrink_at=50,
    reserve=10,
    hold_down=900,
    history=7,
    priority=100,
    drain_deadline=2 * _DAY,
    scarcity="plan",
)
# PPP and DHCP sessions last a day or so; a CGN's mappings minutes, and its pools fill in steps; a DHCP server's leases
# outlast the sessions, so that it fills slowly and empties more slowly.
ROLE_DEFAULTS: Mapping[str, Automation] = {
    "bng": _COMMON,
    "cgn": dataclasses.replace(
        _COMMON, grow_at=75, shrink_at=40, reserve=20, hold_down=1800, drain_deadline=_DAY // 4
    ),
    "dhcp": dataclasses.replace(_COMMON, grow_at=85, hold_down=3600, drain_deadline=7 * _DAY),
}
"""By the role of the device."""


def read_automation(said: Mapping[str, str]) -> Automation:
    """What the texts of leafs say, by their names in YANG."""
    values: dict[str, Any] = {}
    for name in NAMES:
        text = said.get(name.replace("_", "-"))
        if text is not None:
            values[name] = int(text) if name in BOUNDS else text
    return Automation(**values)


def marked(usage_high: int | None) -> Automation:
    """What a device pool's mark of high usage says: grow where the device tells that it is full."""
    return Automation(grow_at=usage_high)


def effective(automation: Automation, role: str, usage_high: int | None) -> Automation:
    """What holds: what is set, else the mark of high usage, else the role's default. A default to shrink at gives
    way to when it grows: it stays BAND below."""
    held = automation.over(marked(usage_high).over(ROLE_DEFAULTS[role]))
    if automation.shrink_at is None and held.shrink_at is not None and held.grow_at is not None:
        return dataclasses.replace(held, shrink_at=min(held.shrink_at, max(held.grow_at - BAND, 0)))
    return held


def check_automation(automation: Automation, role: str, usage_high: int | None) -> None:
    """InvalidValue where a value is out of its bounds, or two contradict each other."""
    _check_values(automation)
    _check_window(automation)
    if automation.grow_at is not None and automation.grow_at_free is not None:
        raise InvalidValue(
            "grow-at and grow-at-free are both set", "say one: percent in use, or addresses that are free"
        )
    if automation.shrink_at is not None and automation.shrink_at_free is not None:
        raise InvalidValue(
            "shrink-at and shrink-at-free are both set", "say one: percent in use, or addresses that are free"
        )
    if automation.force_after is not None and automation.drain_deadline is None:
        raise InvalidValue(
            "force-after is set without a drain-deadline",
            "set drain-deadline too: subscribers are cut that long after it",
        )
    held = effective(automation, role, usage_high)
    if held.grow_at is not None and held.shrink_at is not None and held.shrink_at >= held.grow_at:
        raise InvalidValue(
            f"shrink-at {held.shrink_at} % is not below grow-at {held.grow_at} %"
            f"{_origin(automation, usage_high)}",
            f"set shrink-at below {held.grow_at}, or a higher grow-at",
        )
    free = held.grow_at_free, held.shrink_at_free
    if free[0] is not None and free[1] is not None and free[1] <= free[0]:
        raise InvalidValue(
            f"shrink-at-free {free[1]} is not above grow-at-free {free[0]}",
            f"set shrink-at-free above {free[0]}: it shrinks where more is free than it grows at",
        )


def _origin(automation: Automation, usage_high: int | None) -> str:
    """Where a grow-at comes from that was not set."""
    if automation.grow_at is not None:
        return ""
    return " (of the role)" if usage_high is None else " (of usage-high)"


def _check_values(automation: Automation) -> None:
    for name, words in (("grow", MODES), ("shrink", MODES), ("scarcity", SCARCITY)):
        word = getattr(automation, name)
        if word is not None and word not in words:
            raise InvalidValue(f"'{word}' is not a value of {name}", f"use {' or '.join(words)}")
    for name, (least, most) in BOUNDS.items():
        value = getattr(automation, name)
        if value is not None and not least <= value <= most:
            raise InvalidValue(f"{name.replace('_', '-')} cannot be {value}", f"give {least} to {most}")


def _check_window(automation: Automation) -> None:
    given = [name for name in _WINDOW if getattr(automation, name) is not None]
    if not given:
        return
    if len(given) < len(_WINDOW):
        missing = next(name for name in _WINDOW if name not in given)
        raise InvalidValue(
            f"a reclaim window has no {missing.replace('_', '-')}",
            "a window needs from, until and a time zone, as 02:00 to 05:00 in Europe/Berlin",
        )
    start, end = automation.reclaim_from, automation.reclaim_until
    for text in (start, end):
        if text is None or not _TIME.fullmatch(text):
            raise InvalidValue(f"'{text}' is not a time of day", "write 02:00")
    if start == end:
        raise InvalidValue(f"a reclaim window from {start} until {end} is empty", "leave it away: any time")
    if automation.reclaim_zone is not None and not is_zone(automation.reclaim_zone):
        raise InvalidValue(
            f"'{automation.reclaim_zone}' is not a known time zone", "name one of IANA's, as Europe/Berlin"
        )


@lru_cache(maxsize=256)
def is_zone(name: str) -> bool:
    """Whether the machine knows a time zone of that name."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # not found, a folder, no name at all
        return False
    return True
