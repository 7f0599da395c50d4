"""All that the store knows of the device pools of one device, in one snapshot: what decisions about them are made from.

What it costs depends on the device's own blocks and samples, and not on how much else the store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.capacity import gateway_address, parse_gateway, served_addresses
from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.automation import Automation, effective
from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.limits import Limits
from casm_ctrl.base.readings import Sample
from casm_ctrl.service import samples
from casm_ctrl.service.control_settings import get_limits
from casm_ctrl.service.holds import holds_on
from casm_ctrl.service.usage import pool_usage
from casm_ctrl.store import (
    adoptions,
    automation,
    blocks,
    clock_watch,
    control_state,
    decisions,
    devices,
    owners,
    pools,
    watches,
)
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.control_state import BreakerRow, ControlledBlock, PoolControlRow
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.free_space import free_lengths
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.store.watches import WatchRow

HOUR = 3600 * SECOND
_DAY = 86_400 * SECOND
_BACK = 120
"""Seconds of samples before those of the hold-down, at least: rates of logins are told from a minute of them."""
_TOGETHER = 1000
"""Readings of one look are kept a microsecond apart from its beginning on; what is later is of a clock that was set
back."""
_COUNTED = 1000
"""So many free prefixes of a pool are counted by length, the largest; what else is free is counted in one sum."""


@dataclass(frozen=True)
class BlockFacts:
    """A block of a device pool. `controlled`: what the loop knows of it. `capacity`: how many subscribers it serves
    by its configuration. `managed`: it was not adopted, or somebody took it over."""

    row: BlockRow
    controlled: ControlledBlock | None
    capacity: int
    managed: bool


@dataclass(frozen=True)
class StockFacts:
    """What is free of a pool: prefixes by length, and values in all. Both, and `size`, on the scale of `family`."""

    pool: PoolRow
    size: int
    free: Mapping[int, int]
    total_free: int


@dataclass(frozen=True)
class History:
    """Of a device pool: when its samples begin, the peaks of its last days, oldest first, the last today's, and those
    of the hours of these days, without a gap, the last one's so far."""

    first_sample: Micros | None
    peaks: tuple[int, ...]
    hours: tuple[int, ...] = ()


@dataclass(frozen=True)
class PoolFacts:
    """A device pool. `samples` are those of its hold-down and a few before, oldest first. `serves`: how many
    subscribers a block to come serves, by length. `members`: the devices that its blocks are configured on."""

    row: DevicePoolRow
    family: Family
    automation: Automation
    blocks: tuple[BlockFacts, ...]
    serves: Mapping[int, int]
    samples: tuple[Sample, ...]
    stock: tuple[StockFacts, ...]
    control: PoolControlRow
    held: str | None
    members: tuple[str, ...]
    history: History


@dataclass(frozen=True)
class DeviceFacts:
    """A device, at one time. `changes` are the automatic ones of the last hour everywhere, as
    store.decisions.changes_since tells them; `drains`: how many of the loop's go on here. `clock_held`: the store's
    clock jumped, and nobody has said since that it is right."""

    now: Micros
    device: DeviceRow
    watch: WatchRow | None
    limits: Limits
    breaker: BreakerRow
    changes: Sequence[tuple[str, int, int, int, int]]
    drains: int
    pools: tuple[PoolFacts, ...]
    unfinished: tuple[DecisionRow, ...]
    clock_held: bool


HistoryOf = Callable[[Transaction, int, int], History]
"""As `history`, which may be remembered: it changes slowly."""


def history(tx: Transaction, device_pool_id: int, days: int) -> History:
    """The last `days` days of a device pool, and today. It reads rows for each day: not for every decision."""
    since = tx.now - tx.now % _DAY - days * _DAY
    hours = samples.hours(tx, device_pool_id, since)
    spans = samples.days(tx, device_pool_id, since)
    known = {span.begin: span.peak for span in hours}
    peaks = tuple(span.peak for span in spans)
    if not hours:
        return History(None, peaks)
    begins = range(hours[0].begin, tx.now + 1, HOUR)
    return History(hours[0].begin, peaks, tuple(known.get(Micros(begin), 0) for begin in begins))


def read_facts(tx: Transaction, device: DeviceRow, history_of: HistoryOf = history) -> DeviceFacts:
    """What is known of `device` now."""
    adopted = {piece.block for piece in adoptions.pieces_on(tx, device.id)}
    return DeviceFacts(
        now=tx.now,
        device=device,
        watch=watches.find_watch(tx, device.id),
        limits=get_limits(tx),
        breaker=control_state.get_breaker(tx),
        changes=decisions.changes_since(tx, tx.now - HOUR),
        drains=control_state.count_drains(tx, device.id),
        pools=tuple(
            _pool_facts(tx, device, row, adopted, history_of) for row in owners.device_pools_on(tx, device.id)
        ),
        unfinished=tuple(decisions.unfinished_decisions(tx, device.id)),
        clock_held=clock_watch.is_held(tx),
    )


def _pool_facts(
    tx: Transaction, device: DeviceRow, row: DevicePoolRow, adopted: set[int], history_of: HistoryOf
) -> PoolFacts:
    given = automation.get_automation(tx, row.id)
    policy = effective(given, device.role, row.usage_high)
    back = (policy.hold_down or 0) + max(2 * device.polling.interval, _BACK)
    known = control_state.blocks_of(tx, row.id)
    told = samples.recent(tx, row.id, tx.now - back * SECOND)
    sources = [pools.get_pool(tx, number) for number in devices.device_pool_sources(tx, row.id)]
    by_id = {pool.id: pool for pool in sources}
    return PoolFacts(
        row=row,
        family=sources[0].family,
        automation=given,
        blocks=tuple(
            BlockFacts(
                block,
                known.get(block.id),
                block_capacity(row, by_id.get(block.pool_id) or pools.get_pool(tx, block.pool_id), block),
                block.id not in adopted,
            )
            for block in blocks.list_blocks(tx, device_pool_id=row.id)
        ),
        serves={length: next_capacity(row, sources[0], length) for length in _lengths(row)},
        samples=tuple(sample for sample in told if sample.at < tx.now + _TOGETHER),
        stock=tuple(_stock(tx, pool, row) for pool in sources),
        control=control_state.get_pool_control(tx, row.id),
        held=held_by(tx, row),
        members=tuple(
            devices.get_device(tx, member.device_id).name
            for member in devices.owner_members(tx, row.owner_id)
            if member.holds_blocks
        ),
        history=history_of(tx, row.id, policy.history or 0),
    )


def block_capacity(row: DevicePoolRow, pool: PoolRow, block: BlockRow) -> int:
    """How many subscribers a block serves."""
    return prefix_capacity(row, pool, block.prefix)


def prefix_capacity(row: DevicePoolRow, pool: PoolRow, prefix: Prefix) -> int:
    """Addresses without gateway and edges, delegated prefixes, or one by port set."""
    if prefix.psid is not None:
        return 1
    if pool.delegated_length is not None:
        return 1 << (pool.delegated_length - prefix.length)
    kind, address, _ = parse_gateway(row.gateway)
    return served_addresses(prefix, gateway_address(prefix, kind, address), row.serve_edges)


def next_capacity(row: DevicePoolRow, pool: PoolRow, length: int) -> int:
    """What a block of `length` to come will serve: wherever it lies."""
    return prefix_capacity(row, pool, Prefix(pool.family, 0, length).plain)


def _lengths(row: DevicePoolRow) -> set[int]:
    return {row.length, row.first_length or row.length, row.next_length or row.length}


def _stock(tx: Transaction, pool: PoolRow, row: DevicePoolRow) -> StockFacts:
    usage = pool_usage(tx, pool)
    shift = usage.scale.width - pool.family.width
    free = free_lengths(tx, pool.id, max(_lengths(row)), _COUNTED)
    return StockFacts(pool, usage.total >> shift, free, usage.free >> shift)


def held_by(tx: Transaction, row: DevicePoolRow) -> str | None:
    """What a person holds back from automatic changes of a device pool, and why, in words; None: nothing."""
    for hold in holds_on(tx, row):
        what = "everything" if hold.kind == "all" else hold.words
        return f"{what} by {hold.actor}: {hold.reason}"
    return None


def block_size(pool: PoolRow, block: BlockRow) -> int:
    """How many subscribers a block can have at the very most, whatever is configured."""
    if block.prefix.psid is not None:
        return 1
    if pool.delegated_length is not None:
        return 1 << (pool.delegated_length - block.prefix.length)
    return block.prefix.size


def block_sizes(tx: Transaction, device_id: int) -> dict[int, int]:
    """`block_size` of each block on a device, by number."""
    return {
        block.id: block_size(pools.get_pool(tx, block.pool_id), block)
        for block in blocks.list_blocks(tx, device_id=device_id)
    }
