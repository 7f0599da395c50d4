"""What automation may do at the most, for all device pools: the container `control` as configuration.

Fields have the names of their YANG leaves with underscores. Lengths of time are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from casm_ctrl.base.errors import InvalidValue

PERCENTS: Final = frozenset({"breaker_devices", "gentle_percent", "scarce_at"})
SECONDS: Final = frozenset({"breaker_window", "breaker_reset", "away_after", "gentle_time"})
MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What automation may do at the most, for all device pools. Blocks are counted in the last 3600 s.

    A cap of 0 stops what it caps. InvalidValue where a value cannot be.
    """

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
            least, most = bounds(field.name)
            if not least <= value <= most:
                raise InvalidValue(f"{leaf(field.name)} cannot be {value}", f"give {least} to {most}")


def bounds(name: str) -> tuple[int, int]:
    """The least and the most of a field."""
    return _LEAST.get(name, 0), 100 if name in PERCENTS else MOST


def leaf(name: str) -> str:
    """A field's name in YANG."""
    return name.replace("_", "-")


_LEAST: Mapping[str, int] = {
    "breaker_failures": 1,
    "breaker_window": 1,
    "gentle_readings": 1,
    "gentle_percent": 1,
}

DEFAULT_LIMITS = Limits()
NAMES = tuple(field.name for field in fields(Limits))
