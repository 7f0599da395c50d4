"""What devices may tell of: device pools, by the name that AAA uses and by the objects of their blocks."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import blocks, observations, owners
from casm_ctrl.store.database import Database


@dataclass(frozen=True)
class WatchedPool:
    """A device pool as one of its devices knows it. `objects`: path and keys of each."""

    aaa_name: str
    usage_high: int | None
    usage_low: int | None
    objects: tuple[tuple[str, tuple[str, ...]], ...]


def watched_pools(database: Database, device: str) -> list[WatchedPool]:
    """Those that `device` serves from. NotFound where there is no such device."""
    with database.read() as tx:
        row = the_device(tx, device)
        objects: dict[int, list[tuple[str, tuple[str, ...]]]] = {}
        for one in observations.list_objects(tx, row.id):
            if one.block is not None:
                objects.setdefault(one.block, []).append((one.path, one.keys))
        return [
            WatchedPool(
                pool.aaa_name,
                pool.usage_high,
                pool.usage_low,
                tuple(
                    one
                    for block in blocks.list_blocks(tx, device_pool_id=pool.id)
                    for one in objects.get(block.id, ())
                ),
            )
            for pool in owners.device_pools_on(tx, row.id)
        ]
