"""What an operator wants of a device pool, and what automation may do at the most in an hour.

Fields have the names of their YANG leaves with underscores. Lengths of time are seconds; moments are
microseconds since 1970, as everywhere; times of day are texts as an operator writes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from casm_ctrl.base.errors import InvalidValue

DAY: Final = 86_400
MARGIN: Final = 10
"""Percent that usage stays below the mark for growing after a block was taken away: else it would come back."""


class Mode(StrEnum):
    """What automation does with a decision."""

    OBSERVE = "observe"
    """It says what it would do."""
    AUTOMATIC = "automatic"
    """It does it."""


class Scarcity(StrEnum):
    """What is done for others with blocks that are idle here while the stock is nearly empty."""

    PLAN = "plan"
    """A plan is shown to who asks."""
    APPLY = "apply"
    """Blocks that the next hours will not need are drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a device pool gets blocks and gives them back. InvalidValue where the values contradict each other."""

    grow: Mode = Mode.OBSERVE
    shrink: Mode = Mode.OBSERVE
    grow_at: int | None = 80
    """Percent of the capacity in use from which on it grows; None where `grow_at_free` says it."""
    grow_at_free: int | None = None
    """It grows from that many free addresses down; None where `grow_at` says it."""
    shrink_at: int | None = 50
    """Percent in use up to which a block may go; None where `shrink_at_free` says it."""
    shrink_at_free: int | None = None
    """A block may go from that many free addresses on; None where `shrink_at` says it."""
    reserve: int = 10
    """Percent of what is in use that stays free beyond what is expected."""
    hold_down: int = 900
    """Seconds between opposite changes, and between the two readings that agree on a shrink."""
    history: int = 7
    """Days of samples before the first shrink; what their peaks needed stays."""
    reclaim_from: str | None = None
    """HH:MM from which on blocks are drained; None: at any time."""
    reclaim_until: str | None = None
    """HH:MM at which that ends; before `reclaim_from` where the window lies over midnight."""
    reclaim_zone: str = "UTC"
    """The zone of both, by its IANA name."""
    priority: int = 100
    """0 to 255: the greater is served first, and gives back last."""
    length: int = 24
    first_length: int | None = None
    """Of the first block; None: `length`."""
    next_length: int | None = None
    """Of those after it; None: `length`."""
    min_blocks: int = 0
    max_blocks: int | None = None
    drain_deadline: int = DAY
    """Seconds after which a drain that has not emptied its block is overdue."""
    force_after: int | None = None
    """Seconds after that at which the block goes with its subscribers; None: never."""
    scarcity: Scarcity = Scarcity.PLAN

    def __post_init__(self) -> None:
        _need((self.grow_at is None) != (self.grow_at_free is None), "give one of grow-at and grow-at-free")
        _need(
            (self.shrink_at is None) != (self.shrink_at_free is None),
            "give one of shrink-at and shrink-at-free",
        )
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            leaf = name.replace("_", "-")
            _need(value is None or low <= value <= high, f"{leaf} {value} is not within {low} to {high}")
        if self.grow_at is not None and self.shrink_at is not None:
            _need(
                self.shrink_at < self.grow_at,
                f"shrink-at {self.shrink_at} is not below grow-at {self.grow_at}",
            )
        if self.grow_at_free is not None and self.shrink_at_free is not None:
            _need(
                self.shrink_at_free > self.grow_at_free,
                f"shrink-at-free {self.shrink_at_free} is not above grow-at-free {self.grow_at_free}",
            )
        _need(
            self.max_blocks is None or self.max_blocks >= max(1, self.min_blocks),
            f"max-blocks {self.max_blocks} is below min-blocks {self.min_blocks}",
        )
        _need(
            (self.reclaim_from is None) == (self.reclaim_until is None),
            "give both of reclaim-from and reclaim-until",
        )
        if self.reclaim_from is not None and self.reclaim_until is not None:
            start, end = _minutes(self.reclaim_from), _minutes(self.reclaim_until)
            _need(start != end, f"the reclaim window from {self.reclaim_from} is empty")
            _zone(self.reclaim_zone)

    @staticmethod
    def defaults(role: str, length: int = 24) -> Policy:
        """What holds for a device pool on a device of `role` (bng, cgn, dhcp) where nothing was set."""
        return Policy(length=length, **_ROLES[role])

    @staticmethod
    def of(role: str, given: Mapping[str, Any], usage_high: int | None = None) -> Policy:
        """The policy with what was set (`given`: by field; None is not set) over the defaults of `role`.

        A mark in addresses replaces the default in percent. Where no mark for growing was set, it is
        `usage_high` of the device pool. A mark for shrinking that was not set stays 25 below that for growing.
        """
        values = {name: value for name, value in given.items() if value is not None}
        unknown = sorted(values.keys() - _FIELDS)
        _need(not unknown, f"a policy has no {', '.join(unknown)}")
        base: dict[str, Any] = dict(_ROLES[role])
        for percent, free in (("grow_at", "grow_at_free"), ("shrink_at", "shrink_at_free")):
            if free in values and percent not in values:
                base[percent] = None
        if usage_high is not None and base["grow_at"] is not None:
            base["grow_at"] = usage_high
        mark = values.get("grow_at", base["grow_at"])
        if mark is not None and base["shrink_at"] is not None:
            base["shrink_at"] = max(0, min(base["shrink_at"], mark - 25))
        for name, kind in (("grow", Mode), ("shrink", Mode), ("scarcity", Scarcity)):
            if name in values:
                values[name] = kind(values[name])
        return Policy(**(base | values))

    @staticmethod
    def sources(given: Mapping[str, Any], usage_high: int | None = None) -> dict[str, str]:
        """Where each field that `of` makes has its value from: set, usage-high or default."""
        found = {name: "default" if given.get(name) is None else "set" for name in _FIELDS}
        if usage_high is not None and found["grow_at"] == found["grow_at_free"] == "default":
            found["grow_at"] = "usage-high"
        return found

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that its blocks may have, the largest block first."""
        return tuple(sorted({self.length, self.first_length or self.length, self.next_length or self.length}))

    def in_window(self, now: int) -> bool:
        """Whether blocks may be drained at `now` (microseconds)."""
        if self.reclaim_from is None or self.reclaim_until is None:
            return True
        moment = (_EPOCH + timedelta(microseconds=now)).astimezone(_zone(self.reclaim_zone))
        minute = moment.hour * 60 + moment.minute
        start, end = _minutes(self.reclaim_from), _minutes(self.reclaim_until)
        return start <= minute < end if start < end else minute >= start or minute < end

    @property
    def window_words(self) -> str:
        return f"{self.reclaim_from} to {self.reclaim_until} {self.reclaim_zone}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What automation may do at the most, for all device pools. Blocks are counted in the last 3600 s."""

    grow_per_device_pool: int = 32
    """Blocks added to one device pool in an hour."""
    grow_per_device: int = 128
    grow_per_pool: int = 512
    """Blocks added from one pool in an hour."""
    grow_per_hour: int = 2048
    """Blocks added everywhere in an hour."""
    drain_per_device_pool: int = 4
    """Drains begun in one device pool in an hour; at any time only one goes on."""
    drain_per_device: int = 16
    drain_per_pool: int = 64
    drain_per_hour: int = 256
    drains_per_device: int = 4
    """Drains that go on at once on one device."""
    breaker_failures: int = 5
    """Automatic changes in a row that fail within `breaker_window` before all are stopped."""
    breaker_window: int = 600
    breaker_devices: int = 30
    """Percent of the devices (and at least three) that restart or lose their subscribers within
    `breaker_window` before all automatic changes are stopped."""
    breaker_reset: int = 1800
    """Seconds after which they are tried again, one at first; 0: when an operator says so."""
    away_after: int = 3600
    """Seconds without a look after which the controller counts as having been away."""
    gentle_readings: int = 3
    """Readings of its own that must agree before its first change of a device pool when it was away."""
    gentle_percent: int = 25
    """Percent of all caps that hold for `gentle_time` seconds when it was away."""
    gentle_time: int = 3600
    scarce_at: int = 10
    """Percent of its size that is free in a pool below which it counts as scarce."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            high = 100 if field.name in _PERCENTS else 2**31 - 1
            leaf = field.name.replace("_", "-")
            _need(0 <= value <= high, f"{leaf} {value} is not within 0 to {high}")


_FIELDS = frozenset(field.name for field in fields(Policy))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PERCENTS = frozenset({"breaker_devices", "gentle_percent", "scarce_at"})
_SECONDS = 2**31 - 1
_BOUNDS: tuple[tuple[str, int, int], ...] = (
    ("grow_at", 1, 100),
    ("grow_at_free", 0, 2**63 - 1),
    ("shrink_at", 0, 99),
    ("shrink_at_free", 1, 2**63 - 1),
    ("reserve", 0, 1000),
    ("hold_down", 1, _SECONDS),
    ("history", 0, 366),
    ("priority", 0, 255),
    ("length", 0, 128),
    ("first_length", 0, 128),
    ("next_length", 0, 128),
    ("min_blocks", 0, _SECONDS),
    ("max_blocks", 1, _SECONDS),
    ("drain_deadline", 1, _SECONDS),
    ("force_after", 0, _SECONDS),
)
_ROLES: dict[str, dict[str, Any]] = {
    # PPP and DHCP sessions last a day or so; a CGN's mappings minutes, and its pools fill in steps; a DHCP
    # server's leases outlast the sessions, so that it fills slowly and empties more slowly.
    "bng": {"grow_at": 80, "shrink_at": 50, "reserve": 10, "hold_down": 900, "drain_deadline": 2 * DAY},
    "cgn": {"grow_at": 75, "shrink_at": 40, "reserve": 20, "hold_down": 1800, "drain_deadline": DAY // 4},
    "dhcp": {"grow_at": 85, "shrink_at": 50, "reserve": 10, "hold_down": 3600, "drain_deadline": 7 * DAY},
}


def _need(holds: bool, words: str) -> None:
    if not holds:
        raise InvalidValue(words, "see the device pool's automation and its defaults")


@lru_cache(maxsize=4096)
def _minutes(text: str) -> int:
    if not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise InvalidValue(f"'{text}' is not a time of day", "write HH:MM, 00:00 to 23:59")
    return int(text[:2]) * 60 + int(text[3:])


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidValue(
            f"'{name}' is not a time zone", "write its IANA name, as Europe/Berlin or UTC"
        ) from None
