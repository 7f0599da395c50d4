"""What a device should count: its device pools, their blocks, and where on it these are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.readings import DeviceReading
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.pool_facts import block_capacity
from casm_ctrl.service.samples import last_reading
from casm_ctrl.store import blocks, devices, observations, owners, pools, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.states import State


@dataclass(frozen=True)
class CountablePool:
    """A device pool. `aaa_name`: what devices know it by. `delegated_length`: what its subscribers are given."""

    id: int
    label: str
    aaa_name: str
    family: Family
    delegated_length: int | None


@dataclass(frozen=True)
class CountableBlock:
    """A block. `capacity`: how many subscribers it serves by our configuration. `installed_at`: since when it was
    seen on the device; None: it was not, or is on its way out."""

    id: int
    pool: int
    prefix: Prefix
    capacity: int
    draining: bool
    installed_at: Micros | None


@dataclass(frozen=True)
class Countable:
    """What one device should count. `objects`: block by (path, keys) of the object that is that block alone.

    `last`: the last reading that was believed. `interval`: seconds between two polls.
    """

    store: str
    now: Micros
    interval: int
    pools: Mapping[int, CountablePool]
    blocks: Mapping[int, CountableBlock]
    objects: Mapping[tuple[str, tuple[str, ...]], int]
    last: DeviceReading | None

    @property
    def sizes(self) -> dict[int, int]:
        """By block, the most subscribers that it could ever have."""
        return {
            block.id: max(block.capacity, block.prefix.size if self._is_plain(block) else 1)
            for block in self.blocks.values()
        }

    def _is_plain(self, block: CountableBlock) -> bool:
        return self.pools[block.pool].delegated_length is None and block.prefix.family is not Family.PORTS


def countable(database: Database, device: str) -> Countable:
    """What `device` should count now. NotFound where there is no such device."""
    with database.read() as tx:
        row = the_device(tx, device)
        found, held = {}, {}
        source_of = cache(partial(pools.get_pool, tx))
        for pool in owners.device_pools_on(tx, row.id):
            source = source_of(devices.device_pool_sources(tx, pool.id)[0])
            found[pool.id] = CountablePool(
                pool.id, pool.label, pool.aaa_name, source.family, source.delegated_length
            )
            for block in blocks.list_blocks(tx, device_pool_id=pool.id):
                stays = block.state in (State.INSTALLED, State.DRAINING)
                held[block.id] = CountableBlock(
                    block.id,
                    pool.id,
                    block.prefix,
                    block_capacity(pool, source_of(block.pool_id), block),
                    block.state is State.DRAINING,
                    block.changed_at if stays else None,
                )
        objects = [one for one in observations.list_objects(tx, row.id) if one.block is not None]
        of_object = Counter((one.path, one.keys) for one in objects)
        return Countable(
            store=spaces.get_store(tx).store_id,
            now=tx.now,
            interval=row.polling.interval,
            pools=found,
            blocks=held,
            objects={
                (one.path, one.keys): one.block
                for one in objects
                if one.block is not None and of_object[one.path, one.keys] == 1
            },
            last=last_reading(tx, device),
        )
