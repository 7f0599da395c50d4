"""May a reading be true? It is judged by itself, by what the store expects, and by the last one that was believed.

What cannot be true is refused whole: who tells one impossible value may be wrong in the others too. A clock that was
set, or a counter that was cleared, is refused once: the next reading that goes on from there is believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.readings import (
    NONE,
    PERCENT,
    POLL,
    Accepted,
    DeviceReading,
    PoolReading,
    Refused,
)

CLOCK_JUMP = 300 * SECOND
"""How far a device's clock may be from where it should be by ours: from one reading to the next, and at first."""
LATE = 900 * SECOND
"""How much older than the reading before it, by our clock, a sample may be: a device may take samples rarely."""
OVERTAKEN = 60 * SECOND
"""How much older than the last one a sample may be that was only slower on its way: it is left out."""
BOOT_JITTER = 60 * SECOND
"""A device that tells when it started by its uptime does not always tell the same second."""
LOST_LEAST = 16
"""Fewer subscribers may leave at once by chance."""


@dataclass(frozen=True)
class Expected:
    """What the store knows of a device. `sizes`: by block, how many addresses it has; `interval`: seconds between
    two polls."""

    sizes: Mapping[int, int] = field(default_factory=dict)
    interval: int = 300


def judge(previous: DeviceReading | None, reading: DeviceReading, expected: Expected) -> Accepted | Refused:
    """`previous`: the last reading of the device that was believed; None: there is none yet."""
    for kind, reason in _faults(reading, expected):
        # Of a device that is read for the first time nobody knows what it ever tells: what it leaves out once more
        # is left out of its readings then.
        first = previous is None and kind == "missing-blocks"
        return Refused(reading.device, kind, reason, renewed=_renew(None, reading) if first else None)
    if previous is None:
        return _first(reading)
    restarted = _has_restarted(previous, reading)
    return (
        _clock(previous, reading, expected)
        or (None if restarted else _counters(previous, reading))
        or Accepted(reading, restarted, _is_mass_loss(previous, reading))
    )


# --- By itself ------------------------------------------------------------------------------------


def _faults(reading: DeviceReading, expected: Expected) -> Iterator[tuple[str, str]]:
    """What is wrong with the reading alone: (kind, reason)."""
    name = reading.device
    if reading.faults:
        yield "impossible-value", f"{name} told {_listed(reading.faults)}"
    if reading.strangers:
        yield "another-device", f"{name} answered with another device's objects: {_listed(reading.strangers)}"
    known = [block for pool in reading.pools for block in pool.blocks]
    if reading.source == POLL and reading.kind != NONE and reading.absent and not known:
        blocks = _listed([f"b{number}" for number in reading.absent])
        yield "another-device", f"{name} shows none of its blocks ({blocks})"
    if reading.missing:
        blocks = _listed([f"b{number}" for number in reading.missing])
        yield "missing-blocks", f"the report of {name} leaves out {blocks}, which its configuration holds"
    for pool in reading.pools:
        for what, value in (("used", pool.used), ("capacity", pool.capacity), ("refused", pool.refused)):
            if not _is_count(value) and not (value is None and what == "refused"):
                yield "impossible-value", f"{name} told {what} {value} of {pool.label or 'a device pool'}"
        if _is_count(pool.used) and _is_count(pool.capacity) and pool.used > pool.capacity:
            yield _above(name, pool.label or "a device pool", pool.used, pool.capacity, reading.kind)
    for block in known:
        for what, value in (("used", block.used), ("capacity", block.capacity), ("peak", block.peak)):
            if not _is_count(value) and not (value is None and what == "peak"):
                yield "impossible-value", f"{name} told {what} {value} of b{block.block}"
        size = expected.sizes.get(block.block) if reading.kind != PERCENT else None
        if _is_count(block.used) and _is_count(block.capacity):
            most = min(block.capacity, size or block.capacity)
            if block.used > most:
                yield _above(name, f"b{block.block}", block.used, most, reading.kind)


def _above(device: str, what: str, used: int, most: int, kind: str) -> tuple[str, str]:
    if kind == PERCENT:
        return "above-capacity", f"{device} told that {used} % of {what} are in use"
    return "above-capacity", f"{device} told {used} in use of {what}, which has {most}"


def _is_count(value: object) -> bool:
    """A whole number that is not negative; NaN is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _first(reading: DeviceReading) -> Accepted | Refused:
    if reading.sampled_at is not None and abs(reading.sampled_at - reading.at) > CLOCK_JUMP:
        return _jumped(
            None,
            reading,
            f"the clock of {reading.device} says {to_rfc3339(reading.sampled_at)}, and ours {to_rfc3339(reading.at)}",
        )
    return Accepted(reading)


# --- By the last one ------------------------------------------------------------------------------


def _clock(previous: DeviceReading, reading: DeviceReading, expected: Expected) -> Refused | None:
    """Whether the device's clock went on as ours did, and the sample is a new one."""
    if reading.sampled_at is None or previous.sampled_at is None:
        return None
    theirs, ours = reading.sampled_at - previous.sampled_at, reading.at - previous.at
    if theirs == 0:
        limit = max(LATE, 3 * expected.interval * SECOND)
        words = f"{reading.device} still tells the sample of {to_rfc3339(reading.sampled_at)}"
        if ours > limit:
            return Refused(reading.device, "stale", f"{words}, {ours // SECOND} s after it was new")
        # Notices of several device pools may be of one moment, and a poll beside them.
        again = POLL == reading.source == previous.source
        return Refused(reading.device, "stale", words, grave=False) if again else None
    if -OVERTAKEN <= theirs < 0:
        words = f"{reading.device} told of a moment before the last"
        return Refused(reading.device, "stale", words, grave=False)
    if theirs < 0 or not -LATE <= theirs - ours <= CLOCK_JUMP:
        went = "back" if theirs < 0 else "on"
        return _jumped(
            previous,
            reading,
            f"the clock of {reading.device} went {went} by {abs(theirs) // SECOND} s, to"
            f" {to_rfc3339(reading.sampled_at)}, while ours went on by {ours // SECOND} s",
        )
    return None


def _jumped(previous: DeviceReading | None, reading: DeviceReading, reason: str) -> Refused:
    return Refused(reading.device, "clock-jump", reason, renewed=_renew(previous, reading))


def _has_restarted(previous: DeviceReading, reading: DeviceReading) -> bool:
    if reading.booted_at is None or previous.booted_at is None:
        return False
    return reading.booted_at - previous.booted_at > BOOT_JITTER


def _counters(previous: DeviceReading, reading: DeviceReading) -> Refused | None:
    """Peaks and refused logins never fall by themselves."""
    if previous.kind != reading.kind:
        return None
    for before, now in _both(previous, reading):
        if _moved(before.refused_since, now.refused_since):
            continue  # cleared, and the device says so
        if before.refused is not None and now.refused is not None and now.refused < before.refused:
            words = f"the refused logins of {now.label or 'a device pool'}"
            return _back(previous, reading, words, before.refused, now.refused)
        peaks = {block.block: block.peak for block in before.blocks}
        for block in now.blocks:
            peak = peaks.get(block.block)
            if peak is not None and block.peak is not None and block.peak < peak:
                return _back(previous, reading, f"the peak of b{block.block}", peak, block.peak)
    return None


def _moved(before: Micros | None, now: Micros | None) -> bool:
    return before is not None and now is not None and now - before > SECOND


def _back(previous: DeviceReading, reading: DeviceReading, what: str, before: int, now: int) -> Refused:
    return Refused(
        reading.device,
        "counter-backwards",
        f"{what} went back from {before} to {now}, and {reading.device} did not restart",
        renewed=_renew(previous, reading),
    )


def _is_mass_loss(previous: DeviceReading, reading: DeviceReading) -> bool:
    """Most of the subscribers of the device, or of one device pool, are gone."""
    if previous.kind != reading.kind:
        return False
    pairs = [(before.used, now.used) for before, now in _both(previous, reading)]
    pairs.append((sum(before for before, _ in pairs), sum(now for _, now in pairs)))
    return any(before - now >= LOST_LEAST and now * 2 < before for before, now in pairs)


def _both(previous: DeviceReading, reading: DeviceReading) -> Iterator[tuple[PoolReading, PoolReading]]:
    known = {pool.pool: pool for pool in previous.pools}
    for pool in reading.pools:
        if pool.pool in known:
            yield known[pool.pool], pool


def _renew(previous: DeviceReading | None, now: DeviceReading) -> DeviceReading:
    """By what the next reading is judged: clocks and counters as they are now, usage as it was believed last."""
    told = {pool.pool: pool for pool in now.pools}
    pools = []
    for pool in () if previous is None else previous.pools:
        new = told.get(pool.pool)
        if new is None:
            pools.append(pool)
            continue
        peaks = {block.block: block.peak for block in new.blocks}
        blocks = tuple(replace(block, peak=peaks.get(block.block, block.peak)) for block in pool.blocks)
        pools.append(replace(pool, blocks=blocks, refused=new.refused, refused_since=new.refused_since))
    return replace(now, pools=tuple(pools))


def _listed(words: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return ", ".join(words[:3]) + more
