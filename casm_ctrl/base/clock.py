"""Time as the store keeps it: whole microseconds since 1970 in UTC, from a clock that tests can set."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NewType, Protocol

from casm_ctrl.base.errors import InvalidValue

Micros = NewType("Micros", int)
"""Microseconds since 1970-01-01T00:00:00Z, or a length of time in microseconds."""

SECOND = Micros(1_000_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Clock(Protocol):
    """Something that knows the time."""

    def now(self) -> Micros: ...

    def elapsed(self) -> tuple[str, Micros]:
        """(an epoch, the time since it began): runs on evenly when somebody sets the clock."""
        ...


class SystemClock:
    """The machine's clock. The epoch of `elapsed` is the boot; it counts sleep too."""

    def now(self) -> Micros:
        return Micros(time.time_ns() // 1000)

    def elapsed(self) -> tuple[str, Micros]:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, Micros(time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000)


class ManualClock:
    """A clock that stands still until it is moved, for tests and replays."""

    def __init__(self, start: int = 1_700_000_000 * SECOND) -> None:
        self._now = start
        self._elapsed = 0

    def now(self) -> Micros:
        return Micros(self._now)

    def elapsed(self) -> tuple[str, Micros]:
        return "manual", Micros(self._elapsed)

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self._now += round(seconds * SECOND)
        self._elapsed += round(seconds * SECOND)

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock: no time passes."""
        self._now += round(seconds * SECOND)


def to_rfc3339(moment: int) -> str:
    """`moment` as RFC 3339 in UTC, to the microsecond: 2026-11-23T03:35:00.000000Z."""
    minute, rest = divmod(moment, 60_000_000)
    digits = str(100_000_000 + rest)
    return f"{_write_minute(minute)}:{digits[1:3]}.{digits[3:]}Z"


@lru_cache(maxsize=4096)
def _write_minute(minute: int) -> str:
    """Moments that are written together are near each other, and the calendar is the costly part."""
    return (_EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M")


def from_rfc3339(text: str) -> Micros:
    """The moment that `text` names; InvalidValue where it has no zone or is no date-and-time."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise InvalidValue(f"'{text}' is not a date and time of RFC 3339", "write 2026-11-23T03:35:00Z")
    return Micros((when - _EPOCH) // timedelta(microseconds=1))


def parse_duration(text: str) -> int:
    """Seconds in `text`: a number with s, m, h, d or w behind it (no unit means seconds)."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    if not re.fullmatch("[0-9]{1,10}", number):
        raise InvalidValue(f"'{text}' is not a length of time", "write 90s, 15m, 24h, 7d or 0")
    return int(number) * _UNITS[unit]


def show_duration(seconds: int) -> str:
    """`seconds` in the largest unit that divides it: 5400 is 90m."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds // _UNITS[unit]}{unit}"
    return f"{seconds}s"
