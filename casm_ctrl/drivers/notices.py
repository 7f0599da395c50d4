"""What a device tells of its usage beside counts of objects: by itself, of a device pool as a whole, and since when.

Each is a protocol of its own, for few device models have words for any of it; the functions at the end ask a
driver that may not know it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import PeerFault, ProtocolViolation
from casm_ctrl.drivers.boot import booted_by_system, system_filters
from casm_ctrl.drivers.interface import Driver, Element, ObjectKey, UsageReading


class Level(Enum):
    """How full a device pool is, in a device's own judgement."""

    NORMAL = "normal"
    HIGH = "high"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True)
class Watched:
    """A device pool whose device may tell of it. `objects`: those of its blocks."""

    name: str
    """The one that AAA uses."""
    objects: frozenset[ObjectKey] = frozenset()
    usage_high: int | None = None
    usage_low: int | None = None


@dataclass(frozen=True)
class Subscription:
    """What to ask a device for, so that it tells. `events`: a subtree filter for the stream NETCONF (RFC 5277, 3.6);
    empty: the whole stream."""

    events: tuple[Element, ...]


@dataclass(frozen=True)
class UsageNotice:
    """What a device told by itself.

    `level` is None where it told counts and no judgement, and `pool` None where these are of the device as a whole;
    `readings` are counts of objects. Counts of the pool are of what is not drained.
    """

    pool: str | None
    """The name that AAA uses."""
    level: Level | None = None
    family: Family | None = None
    readings: tuple[UsageReading, ...] = ()
    used: int | None = None
    capacity: int | None = None
    refused: int | None = None
    """Requests, since `counters_since`."""
    counters_since: Micros | None = None
    sampled_at: Micros | None = None
    started_at: Micros | None = None
    fault: str = ""
    """What it told that cannot be true: nothing else of it is known then."""


@dataclass(frozen=True)
class PoolUsage:
    """What a device counts of a pool as a whole. `family` is None where it does not tell them apart."""

    pool: str
    family: Family | None = None
    used: int | None = None
    capacity: int | None = None
    refused: int | None = None
    """Requests that were refused because nothing was free, since `counters_since`."""
    counters_since: Micros | None = None
    sampled_at: Micros | None = None


@dataclass(frozen=True)
class UsageFault:
    """A value that no device can mean. Its object has no reading."""

    key: ObjectKey
    leaf: str
    value: str
    why: str

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= _SHOWN else f"{self.value[:_SHOWN]}…"
        return f"{self.leaf} of {self.key} is '{shown}': {self.why}"


_SHOWN = 60


@runtime_checkable
class TellsUsage(Protocol):
    """A driver whose devices tell when a pool fills up."""

    def subscriptions(self, announced: Mapping[str, str | None]) -> tuple[Subscription, ...]:
        """What to subscribe to on a device with these modules; empty where it tells nothing."""
        ...

    def parse_notice(self, event: Element, watched: Collection[Watched]) -> tuple[UsageNotice, ...]:
        """What an event says of pools; empty where it is about something else. PeerFault, with the leaf and its
        value, where it is one of ours and makes no sense."""
        ...


@runtime_checkable
class CountsPools(Protocol):
    """A driver whose devices count pools as a whole, and the requests that they refused."""

    def parse_pools(self, data: Element) -> tuple[PoolUsage, ...]:
        """Read the answer to `usage_filter`. What cannot be true is None."""
        ...


@runtime_checkable
class NamesFaults(Protocol):
    """A driver that says which values it left out because they cannot be true."""

    def usage_faults(self, data: Element) -> tuple[UsageFault, ...]:
        """Of the answer to `usage_filter`, or of the replies to `usage_requests`."""
        ...


@runtime_checkable
class TellsStart(Protocol):
    """A driver whose usage says when the device began to count."""

    def started_at(self, data: Element) -> Micros | None:
        """Read the answer to `usage_filter`."""
        ...


# --- Of any driver --------------------------------------------------------------------------------


def boot_filter_of(driver: Driver, announced: Mapping[str, str | None]) -> tuple[Element, ...]:
    """What to read besides usage, to know when a device with these modules started; there may be nothing."""
    return system_filters(announced)


def booted_at_of(driver: Driver, data: Element, now: Micros) -> Micros | None:
    """When the device, or the part of it that gives out addresses, last started: the later of the two.

    `data` is the answer to `usage_filter` and `boot_filter_of`. Where a device tells for how long it has run it is
    counted back from `now`, which is ours: two such answers differ by some seconds.
    """
    found = [booted_by_system(data, now)]
    if isinstance(driver, TellsStart):
        found.append(driver.started_at(data))
    known = [moment for moment in found if moment is not None]
    return max(known) if known else None


def pool_usage_of(driver: Driver, data: Element) -> tuple[PoolUsage, ...]:
    """What the answer to `usage_filter` says of pools as a whole."""
    return driver.parse_pools(data) if isinstance(driver, CountsPools) else ()


def faults_of(driver: Driver, data: Element) -> tuple[UsageFault, ...]:
    """The values in an answer about usage that cannot be true."""
    return driver.usage_faults(data) if isinstance(driver, NamesFaults) else ()


def check_usage(driver: Driver, data: Element) -> None:
    """PeerFault, with the leaf and its value, where anything in an answer about usage cannot be true."""
    faults = faults_of(driver, data)
    if faults:
        raise fault_of(faults[0], len(faults) - 1)


def fault_of(fault: UsageFault, more: int = 0) -> PeerFault:
    """As an error."""
    rest = f", and {more} more values cannot be true" if more else ""
    return ProtocolViolation(
        f"{fault}{rest}",
        "look at the device: what it says of its usage is not believed, and nothing is done by it",
    )
