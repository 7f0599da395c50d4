"""What the store says of all devices together: the address spaces that they serve, and what is public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.store import devices, pools, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.spaces import StoreRow


@dataclass(frozen=True)
class Network:
    """`spaces`: names by id. `instances`: by device, the space of each of its network instances. `public`:
    the prefixes of all root pools of scope public, which are unique across all spaces."""

    store: StoreRow
    spaces: Mapping[int, str]
    instances: Mapping[str, Mapping[str, int]]
    public: tuple[Prefix, ...]


def read_network(database: Database) -> Network:
    """One snapshot."""
    with database.read() as tx:
        public = [pool for pool in pools.list_pools(tx) if pool.public and pool.parent_id is None]
        return Network(
            spaces.get_store(tx),
            {space.id: space.name for space in spaces.list_spaces(tx)},
            {device.name: devices.device_instances(tx, device.id) for device in devices.list_devices(tx)},
            tuple(prefix for pool in public for prefix in pools.pool_prefixes(tx, pool.id)),
        )
