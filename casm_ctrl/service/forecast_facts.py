"""What forecasts are made from: device pools with what was counted of them, and what is free of their pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.automation import Automation, effective
from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import NotFound
from casm_ctrl.base.readings import COUNT, PERCENT, Span
from casm_ctrl.service import samples
from casm_ctrl.service.pool_facts import block_capacity, next_capacity
from casm_ctrl.service.usage import pool_usage
from casm_ctrl.store import automation, blocks, configuration_changes, devices, pools, spaces
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

HOURS, DAYS = 35, 90
"""Days back for which hours, and days, are read."""
_DAY = 86400 * SECOND
SERVING = (State.RESERVED, State.INSTALLED)


@dataclass(frozen=True)
class Demand:
    """A device pool. `names` and `labels`: what a growth may name it by. `sources`: its pools in order.

    `capacity`: how many subscribers its blocks serve, as the device tells where it does, those that drain left out;
    `serves`: how many a block of `size` values does. `used`: by the last hour that was counted, or None.
    """

    row: DevicePoolRow
    automation: Automation
    names: frozenset[str]
    labels: frozenset[tuple[str, str]]
    sources: tuple[str, ...]
    size: int
    serves: int
    blocks: int
    capacity: int
    hours: tuple[Span, ...]
    days: tuple[Span, ...]

    @property
    def used(self) -> int | None:
        return self.hours[-1].peak if self.hours else None


@dataclass(frozen=True)
class Stock:
    """A pool: what is free of it and what it has in all, in values of its family."""

    row: PoolRow
    free: int
    total: int


@dataclass(frozen=True)
class Facts:
    """All at one time. `chosen`: labels and names of what was asked for, in the three kinds; empty: all."""

    now: Micros
    demands: tuple[Demand, ...]
    stocks: tuple[Stock, ...]
    chosen: frozenset[str]


def forecast_facts(database: Database, subjects: Sequence[str] = ()) -> Facts:
    """`subjects`: device pools (DEVICE/NAME), devices, pools or address spaces; none: all. All device pools that draw
    from a pool come along, for they share it. NotFound names what is none of these."""
    with database.read() as tx:
        rows = devices.list_device_pools(tx)
        by_device = {row.name: row for row in devices.list_devices(tx)}
        every_pool = {row.id: row for row in pools.list_pools(tx)}
        chosen = _chosen(tx, subjects, rows, set(by_device), list(every_pool.values()))
        sources = {row.id: devices.device_pool_sources(tx, row.id) for row in rows}
        near = _near(rows, sources, every_pool, chosen)
        return Facts(
            tx.now,
            tuple(
                _demand(tx, row, by_device[row.device], [every_pool[number] for number in sources[row.id]])
                for row in rows
                if not chosen or (sources[row.id] and set(sources[row.id]) & near)
            ),
            tuple(_stock(tx, row) for row in every_pool.values() if not chosen or row.id in near),
            chosen,
        )


def _chosen(
    tx: Transaction,
    subjects: Sequence[str],
    rows: Sequence[DevicePoolRow],
    known_devices: set[str],
    known_pools: Sequence[PoolRow],
) -> frozenset[str]:
    """What is meant, by name: a device means its device pools, a space its pools and itself."""
    labels = {row.label for row in rows}
    names = {row.name for row in known_pools}
    known_spaces = {row.name for row in spaces.list_spaces(tx)}
    found: set[str] = set()
    for subject in subjects:
        if subject not in labels | known_devices | names | known_spaces:
            raise NotFound(
                f"'{subject}' is no device pool, device, pool or address space", "see 'casm device-pool list'"
            )
        found.add(subject)
        if subject in known_devices:
            found |= {row.label for row in rows if row.device == subject}
        if subject in known_spaces:
            found |= {row.name for row in known_pools if row.space == subject}
    return frozenset(found)


def _near(
    rows: Sequence[DevicePoolRow],
    sources: dict[int, list[int]],
    known: dict[int, PoolRow],
    chosen: frozenset[str],
) -> set[int]:
    """The pools that are chosen, those of chosen device pools, and those that these share with others."""
    near = {number for number, row in known.items() if row.name in chosen}
    near |= {number for row in rows if row.label in chosen for number in sources[row.id]}
    return near | {number for row in rows if set(sources[row.id]) & near for number in sources[row.id]}


def _demand(tx: Transaction, row: DevicePoolRow, device: DeviceRow, sources: Sequence[PoolRow]) -> Demand:
    last = samples.latest(tx, row.id)
    counted = last.blocks if last is not None and last.kind == COUNT else ()
    told = {reading.block: reading.capacity for reading in counted}
    held = [
        (block.prefix.length, told.get(block.id) or _reckoned(row, sources, block))
        for block in blocks.list_blocks(tx, device_pool_id=row.id)
        if block.state in SERVING and block.wanted.value == "present"
    ]
    labels = set(configuration_changes.device_labels(tx, device.id).items())
    for pool in sources:
        labels |= set(pools.pool_labels(tx, pool.id).items())
    length = row.next_length or row.length
    serves = dict(held).get(length) or next_capacity(row, sources[0], length)
    hours = tuple(span for span in samples.hours(tx, row.id, tx.now - HOURS * _DAY))
    days = tuple(span for span in samples.days(tx, row.id, tx.now - DAYS * _DAY)) if hours else ()
    capacity = sum(number for _, number in held)
    if hours and hours[-1].kind == PERCENT:
        capacity = 100  # it tells shares only, of what it has now
        serves = capacity // max(1, len(held))
    return Demand(
        row=row,
        automation=effective(automation.get_automation(tx, row.id), device.role, row.usage_high),
        names=frozenset({row.label, row.device, *(pool.name for pool in sources), sources[0].space}),
        labels=frozenset(labels),
        sources=tuple(pool.name for pool in sources),
        size=1 << (sources[0].family.width - length),
        serves=max(1, serves),
        blocks=len(held),
        capacity=capacity,
        hours=hours,
        days=days,
    )


def _reckoned(row: DevicePoolRow, sources: Sequence[PoolRow], block: BlockRow) -> int:
    pool = next((source for source in sources if source.id == block.pool_id), sources[0])
    return block_capacity(row, pool, block)


def _stock(tx: Transaction, pool: PoolRow) -> Stock:
    usage = pool_usage(tx, pool)
    shift = usage.scale.width - pool.family.width
    return Stock(pool, usage.free >> shift, usage.total >> shift)
