"""What devices tell of their usage, as values: what one answer said, what was made of it, and what is kept of it.

Counts are of the unit in which a device counts a block (addresses, delegated prefixes, port sets); of a device that
tells shares only they are whole percents, and capacity is 100.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros

COUNT, PERCENT, NONE = "count", "percent", "none"
"""What a reading proves: only counts prove that a block is empty."""
POLL, NOTICE = "poll", "notice"
"""How a reading came: we asked, or the device told by itself."""


@dataclass(frozen=True, slots=True)
class BlockReading:
    """How full a block is on one device. `peak`: the most that the device saw since it started."""

    block: int
    used: int
    capacity: int
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class PoolReading:
    """How full a device pool is on one device. `refused`: logins that it refused since `refused_since`, or since it
    started where it does not say when the counter began.

    `blocks` is empty where the device told of the device pool as a whole.
    """

    pool: int
    label: str
    used: int
    capacity: int
    blocks: tuple[BlockReading, ...] = ()
    refused: int | None = None
    refused_since: Micros | None = None

    @staticmethod
    def of_blocks(
        pool: int,
        label: str,
        blocks: Iterable[BlockReading],
        refused: int | None = None,
        refused_since: Micros | None = None,
    ) -> PoolReading:
        """Of counts: the device pool is the sum of its blocks."""
        known = tuple(sorted(blocks, key=lambda block: block.block))
        used, capacity = sum(block.used for block in known), sum(block.capacity for block in known)
        return PoolReading(pool, label, used, capacity, known, refused, refused_since)


@dataclass(frozen=True, slots=True)
class DeviceReading:
    """One answer of a device.

    `at` is our time and `sampled_at` the device's own, where it tells one; `booted_at`: when it started. `missing`:
    blocks that its configuration holds and its report does not; `absent`: installed blocks that its configuration
    does not hold. `unseen`: blocks that it never told of; their device pools are left out. `strangers`: objects of
    another device, as their marks or the lack of all of ours say. `faults`: values that cannot be true, each with where
    it stands.
    """

    device: str
    kind: str
    source: str
    at: Micros
    pools: tuple[PoolReading, ...]
    sampled_at: Micros | None = None
    booted_at: Micros | None = None
    missing: tuple[int, ...] = ()
    absent: tuple[int, ...] = ()
    unseen: tuple[int, ...] = ()
    strangers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A reading that may be true. `restarted`: the device started anew since the last one. `suspicious`: it lost
    most of its subscribers at once, so nothing is taken back because of it."""

    reading: DeviceReading
    restarted: bool = False
    suspicious: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """A reading that cannot be true. `kind` is one word for what is wrong, `reason` a sentence with the numbers.

    `grave`: somebody should know; what says nothing new is only left out. `renewed`: clocks and counters that began
    anew are believed from here on, where the next reading goes on from them.
    """

    device: str
    kind: str
    reason: str
    grave: bool = True
    renewed: DeviceReading | None = None


# --- What is kept ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """How full a device pool was at a moment: summed over the members of its owner. `refused`: as the device that
    told this counts, since `refused_since`."""

    at: Micros
    source: str
    kind: str
    used: int
    capacity: int
    blocks: tuple[BlockReading, ...] = ()
    refused: int | None = None
    restarted: bool = False
    suspicious: bool = False
    sampled_at: Micros | None = None
    refused_since: Micros | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """How full a device pool was in an hour or a day that began at `begin` (UTC).

    `average` is over time, `peak` the highest sample. `covered`: the percent of the time that samples stand for, so
    that a gap is not taken for an empty pool. `refused`: logins refused in it.
    """

    begin: Micros
    kind: str
    covered: int
    average: int
    peak: int
    capacity: int
    refused: int = 0
