"""How full one device says that it is: read in one session, without its lock, and put in the words of the store.

Whether that may be true is judged by who asked (control.usage). What is in use is counted in subscribers: addresses,
delegated prefixes, or one for a port set, in whatever unit the device counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.addressing.capacity import subscribers_of
from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.base.readings import (
    COUNT,
    NONE,
    NOTICE,
    PERCENT,
    POLL,
    BlockReading,
    DeviceReading,
    PoolReading,
)
from casm_ctrl.drivers.interface import (
    AsksUsage,
    BlockMark,
    Driver,
    Element,
    ObjectKey,
    Seen,
    UsageKind,
    UsageReading,
)
from casm_ctrl.drivers.notices import (
    PoolUsage,
    UsageNotice,
    boot_filter_of,
    booted_at_of,
    faults_of,
    pool_usage_of,
)
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.service.countable import Countable, CountableBlock, CountablePool, countable
from casm_ctrl.sync.announced import Announced, read_announced
from casm_ctrl.sync.fitness import check_fitness
from casm_ctrl.sync.reading import read_ours
from casm_ctrl.sync.run import Run, entered

GRACE, JUST = 600 * SECOND, SECOND
"""A block that was installed more lately may still be missing in a report: in one that does not say when its sample was
taken, and in one that does."""


@dataclass(frozen=True)
class Told:
    """What a device answered, parsed by its driver."""

    kind: UsageKind
    seen: Seen
    readings: tuple[UsageReading, ...] = ()
    pools: tuple[PoolUsage, ...] = ()
    faults: tuple[str, ...] = ()
    booted_at: Micros | None = None


async def poll(run: Run, device: str) -> DeviceReading:
    """Ask `device` how full it is. Errors are those of opening a session (IdentityChanged where it is another
    device), of reading, and DeviceUnfit."""
    before = await run.store.run(countable, device)
    async with entered(run, device) as (session, driver):
        announced = await read_announced(session)
        check_fitness(session, driver, announced.revisions)
        run.progress(device, "reading usage")
        told = await _ask(session, driver, announced, before)
    return reading_of(device, told, before, await run.store.run(countable, device))


async def _ask(session: Session, driver: Driver, announced: Announced, known: Countable) -> Told:
    kind = driver.abilities(announced.revisions).usage
    seen = driver.parse(await read_ours(session, driver))
    ours = [ObjectKey(path, keys) for path, keys in known.objects]
    boot = boot_filter_of(driver, announced.revisions)
    if kind is UsageKind.NONE:
        data = await _get(session, (), boot)
        return Told(kind, seen, booted_at=booted_at_of(driver, data, known.now))
    if isinstance(driver, AsksUsage):
        data = await _get(session, (), boot)
        await _request(session, driver.usage_requests(ours), data)
        readings = driver.parse_usage_replies(data, ours)
    else:
        data = await _get(session, driver.usage_filter(), boot)
        readings = driver.parse_usage(data)
    return Told(
        kind,
        seen,
        readings,
        pool_usage_of(driver, data),
        tuple(str(fault) for fault in faults_of(driver, data)),
        booted_at_of(driver, data, known.now),
    )


async def _get(session: Session, usage: Sequence[Element], boot: Sequence[Element]) -> Element:
    """One request for both; without the second where the device does not let us read that."""
    if not usage and not boot:
        return etree.Element("data")
    try:
        return await Client(session).get([*usage, *boot])
    except DeviceRefused:
        if not boot:
            raise
    return await Client(session).get(usage) if usage else etree.Element("data")


async def _request(session: Session, requests: Iterable[Element], data: Element) -> None:
    for request in requests:
        try:
            data.extend(await session.rpc(request))
        except DeviceRefused:
            continue  # of an object that is not there, for one: it has no reading then


# --- What was told, in our words ------------------------------------------------------------------


def reading_of(device: str, told: Told, before: Countable, after: Countable) -> DeviceReading:
    """`before` and `after`: what the device should count, as the store held it around the request: what changed
    meanwhile is missed by neither side."""
    shown = {(r.key.path, r.key.keys) for r in told.seen.ranges}
    found: dict[int, list[UsageReading]] = {}
    for reading in told.readings:
        block = before.objects.get((reading.key.path, reading.key.keys))
        if block is not None and block in after.blocks and reading.kind is told.kind:
            found.setdefault(block, []).append(reading)
    sampled = max(filter(None, _sample_times(told)), default=None)
    lasting = {
        block: key
        for key, block in before.objects.items()
        if after.objects.get(key) == block
        and _is_due(before, block, sampled)
        and _is_due(after, block, sampled)
    }
    gone = [block for block, key in lasting.items() if key not in shown]
    counts = told.kind is not UsageKind.NONE
    untold = lasting.keys() - found.keys() - set(gone) if counts else set[int]()
    unseen = set[int]() if before.last is None else untold - _blocks_of(before.last)
    without = {after.blocks[block].pool for block in unseen}
    return DeviceReading(
        device=device,
        kind={UsageKind.COUNT: COUNT, UsageKind.PERCENT: PERCENT}.get(told.kind, NONE),
        source=POLL,
        at=after.now,
        pools=tuple(
            _pool_reading(pool, after, found, told)
            for pool in after.pools.values()
            if counts and pool.id not in without
        ),
        sampled_at=sampled,
        booted_at=told.booted_at,
        missing=tuple(sorted(untold - unseen)),
        absent=tuple(sorted(gone)),
        unseen=tuple(sorted(unseen)),
        strangers=_strangers(told, after, shown=len(lasting) - len(gone), counted=len(found)),
        faults=told.faults,
    )


def _is_due(known: Countable, block: int, sampled: Micros | None) -> bool:
    """Whether a report should hold the block: one did before, its sample is newer than the block, or that is there for
    long enough."""
    row = known.blocks.get(block)
    if row is None or row.installed_at is None:
        return False
    told_before = known.last is not None and block in _blocks_of(known.last)
    newer = sampled is not None and sampled - row.installed_at >= JUST
    return told_before or newer or known.now - row.installed_at >= GRACE


def _blocks_of(reading: DeviceReading) -> set[int]:
    return {block.block for pool in reading.pools for block in pool.blocks}


def _sample_times(told: Told) -> Iterable[Micros | None]:
    yield from (reading.sampled_at for reading in told.readings)
    yield from (pool.sampled_at for pool in told.pools)


def _strangers(told: Told, known: Countable, *, shown: int, counted: int) -> tuple[str, ...]:
    """Objects with a mark of ours for blocks that are not this device's, where they are more than its own: one or
    two may have been left behind, all are another device's. And all that a report tells of that tells of none of
    those that the configuration shows."""
    if shown and not counted:
        return tuple(sorted(str(reading.key) for reading in told.readings))
    keys = {r.key for r in told.seen.ranges} | {reading.key for reading in told.readings}
    marks = {mark for key in keys for part in key.keys if (mark := BlockMark.parse(part)) is not None}
    marks |= {r.mark for r in told.seen.ranges if isinstance(r.mark, BlockMark)}
    strange = sorted(
        str(mark) for mark in marks if mark.store == known.store and mark.block not in known.blocks
    )
    return tuple(strange) if len(strange) > shown else ()


def _pool_reading(
    pool: CountablePool, known: Countable, found: dict[int, list[UsageReading]], told: Told
) -> PoolReading:
    blocks = [
        (row, _block_reading(pool, row, found[row.id]))
        for row in known.blocks.values()
        if row.pool == pool.id and row.id in found
    ]
    readings = [reading for _, reading in blocks]
    counter = _counter(pool, told.pools)
    refused, since = (None, None) if counter is None else (counter.refused, counter.counters_since)
    if told.kind is UsageKind.COUNT:
        return PoolReading.of_blocks(pool.id, pool.label, readings, refused, since)
    used = _weighted([(row.prefix.size, reading.used) for row, reading in blocks])
    return PoolReading(pool.id, pool.label, used, 100, tuple(readings), refused, since)


def _block_reading(
    pool: CountablePool, row: CountableBlock, readings: Sequence[UsageReading]
) -> BlockReading:
    """Of several objects for one block the fullest counts."""
    reading = max(readings, key=lambda one: one.used)
    if reading.kind is not UsageKind.COUNT:
        return BlockReading(row.id, reading.used, 100)
    used, capacity = subscribers_of(row.prefix, pool.delegated_length, reading.used, reading.capacity)
    if reading.capacity is None:
        capacity = max(row.capacity, used)
    peak = None
    if reading.peak is not None:
        peak, _ = subscribers_of(row.prefix, pool.delegated_length, reading.peak, reading.capacity)
    return BlockReading(row.id, used, capacity, peak)


def _weighted(shares: Collection[tuple[int, int]]) -> int:
    """Percent of the whole, rounded up; of parts as (size, percent)."""
    whole = sum(size for size, _ in shares)
    return -(-sum(size * used for size, used in shares) // whole) if whole else 0


def _counter(pool: CountablePool, told: Iterable[PoolUsage]) -> PoolUsage | None:
    """What the device counts of a device pool as a whole."""
    number = pool.family.number
    for usage in told:
        if usage.pool == pool.aaa_name and (usage.family is None or usage.family.number == number):
            return usage
    return None


# --- What a device told by itself -----------------------------------------------------------------


async def noticed(run: Run, device: str, notice: UsageNotice) -> DeviceReading | None:
    """A notice as a reading; None where it has neither counts of a device pool that we know nor a fault."""
    return notice_reading(device, notice, await run.store.run(countable, device))


def notice_reading(device: str, notice: UsageNotice, known: Countable) -> DeviceReading | None:
    """Counts of blocks where the device told them; else of the device pool, with what was last counted in blocks
    that are drained, which such a notice leaves out. What cannot be true is a reading that is to be refused."""
    if notice.fault:
        return DeviceReading(device, COUNT, NOTICE, known.now, (), faults=(notice.fault,))
    found: dict[int, list[UsageReading]] = {}
    for reading in notice.readings:
        block = known.objects.get((reading.key.path, reading.key.keys))
        if block is not None and block in known.blocks and reading.kind is UsageKind.COUNT:
            found.setdefault(block, []).append(reading)
    counters = [
        PoolUsage(notice.pool or "", notice.family, None, None, notice.refused, notice.counters_since)
    ]
    told = Told(UsageKind.COUNT, Seen((), ()), pools=tuple(counters))
    touched = {known.blocks[block].pool for block in found}
    pools = [_pool_reading(known.pools[number], known, found, told) for number in sorted(touched)]
    if not pools and notice.used is not None and notice.capacity is not None:
        pools = [
            _whole_pool(pool, notice, known)
            for pool in known.pools.values()
            if _counter(pool, counters) is not None
        ]
    if not pools:
        return None
    return DeviceReading(device, COUNT, NOTICE, known.now, tuple(pools), notice.sampled_at, notice.started_at)


def _whole_pool(pool: CountablePool, notice: UsageNotice, known: Countable) -> PoolReading:
    assert notice.used is not None
    assert notice.capacity is not None
    used, capacity = notice.used, notice.capacity
    own = [block for block in known.blocks.values() if block.pool == pool.id]
    most = sum(max(block.capacity, 1) for block in own)
    if pool.delegated_length is not None and max(used, capacity) > most:
        unit = 1 << (pool.family.width - pool.delegated_length)
        used, capacity = -(-used // unit), capacity // unit
    drained = {block.id for block in own if block.draining}
    last = () if known.last is None else known.last.pools
    rest = [b for told in last if told.pool == pool.id for b in told.blocks if b.block in drained]
    return PoolReading(
        pool.id,
        pool.label,
        used + sum(block.used for block in rest),
        capacity + sum(block.capacity for block in rest),
        (),
        notice.refused,
        notice.counters_since,
    )
