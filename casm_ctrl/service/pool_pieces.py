"""Everything that lies in a pool, and who draws from it, for who looks where space could be won."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.service.pool_facts import DeviceFacts, PoolFacts, read_facts
from casm_ctrl.store import adoptions, blocks, devices, pools
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.pools import Carve, PoolRow


@dataclass(frozen=True)
class PoolPieces:
    """A pool in one snapshot. `drawing`: the device pools that draw from it, with what is known of their devices;
    `drivers`: the driver of each device that serves one of its blocks, by the label of the device pool."""

    pool: PoolRow
    prefixes: tuple[Prefix, ...]
    carves: tuple[Carve, ...]
    blocks: tuple[BlockRow, ...]
    unmanaged: frozenset[int]
    drawing: tuple[tuple[DeviceFacts, PoolFacts], ...]
    drivers: Mapping[str, str]


def pool_pieces(database: Database, name: str) -> PoolPieces:
    """NotFound where there is no such pool."""
    with database.read() as tx:
        pool = the_pool(tx, name)
        drawing: list[tuple[DeviceFacts, PoolFacts]] = []
        drivers: dict[str, str] = {}
        for device in devices.list_devices(tx):
            rows = devices.list_device_pools(tx, device.id)
            drivers |= {row.label: device.driver for row in rows}
            if any(pool.id in devices.device_pool_sources(tx, row.id) for row in rows):
                facts = read_facts(tx, device)
                drawing += [
                    (facts, found)
                    for found in facts.pools
                    if found.row.device_id == device.id
                    and any(stock.pool.id == pool.id for stock in found.stock)
                ]
        return PoolPieces(
            pool,
            tuple(pools.pool_prefixes(tx, pool.id)),
            tuple(pools.list_carves(tx, pool_id=pool.id)),
            tuple(blocks.list_blocks(tx, pool_id=pool.id)),
            frozenset(adoptions.unmanaged_blocks(tx)),
            tuple(drawing),
            drivers,
        )
