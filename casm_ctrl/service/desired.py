"""What the store wants of one device, in one snapshot, for those who talk to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from casm_ctrl.base.clock import Micros
from casm_ctrl.service.automatic import GIVE_BACK
from casm_ctrl.service.device_pool_edits import network_instance
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.routes import EXTERNAL, ON_DEVICE, Route, route_of
from casm_ctrl.store import (
    adoptions,
    block_numbers,
    blocks,
    control_state,
    counts,
    decisions,
    devices,
    leases,
    observations,
    owners,
    past_blocks,
    pools,
    spaces,
)
from casm_ctrl.store.adoptions import PieceRow
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.leases import PendingCommit
from casm_ctrl.store.observations import FindingRow, ObjectRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class DesiredPool:
    """A device pool that the device serves from, with its live blocks; there may be none (any more).

    `role`: what the device does in the group that owns it; None where the device owns it alone.
    """

    row: DevicePoolRow
    services: tuple[str, ...]
    blocks: tuple[BlockRow, ...]
    role: str | None = None
    network_instance: str | None = None
    """That of this device which serves the pool's address space; None: the default one."""
    delegated_length: int | None = None
    psid_offset: int | None = None


@dataclass(frozen=True)
class Desired:
    """`holds`: why a block must not be installed now, by its number; `findings`: what is wrong on this
    device. `last_block`: the highest number ever given, so that a mark from a later copy of this store is
    known as such."""

    store: str
    now: Micros
    device: DeviceRow
    pools: tuple[DesiredPool, ...]
    objects: tuple[ObjectRow, ...]
    holds: Mapping[int, tuple[FindingRow, ...]]
    findings: tuple[FindingRow, ...]
    pending: PendingCommit | None
    last_block: int
    counted_elsewhere: Mapping[int, int] = field(default_factory=dict)
    """By block that is released, how many of its addresses the other members use, by their last counts."""
    routes: Mapping[int, Route] = field(default_factory=dict)
    """By block, where routes to it must be proven."""
    adopted: tuple[PieceRow, ...] = ()
    """Blocks that were adopted here and that nobody manages, with their objects: they are not rendered."""
    forced: frozenset[int] = frozenset()
    """Released blocks whose drain took longer than their device pool's force-after: they go with their subscribers."""
    given_back: frozenset[int] = frozenset()
    """Blocks that automation released, and no person."""

    @property
    def blocks(self) -> tuple[BlockRow, ...]:
        return tuple(block for pool in self.pools for block in pool.blocks)


def desired(database: Database, device: str) -> Desired:
    """Everything that is wanted of `device` and known of it. NotFound where there is no such device."""
    with database.read() as tx:
        return read_desired(tx, the_device(tx, device))


def read_desired(tx: Transaction, device: DeviceRow) -> Desired:
    by_pool: dict[int, list[BlockRow]] = {row.id: [] for row in owners.device_pools_on(tx, device.id)}
    for block in blocks.list_blocks(tx, device_id=device.id):
        by_pool.setdefault(block.device_pool_id, []).append(block)
    rows = [devices.get_device_pool(tx, number) for number in by_pool]
    held = {
        block.id: tuple(observations.holds_on(tx, block.id)) for group in by_pool.values() for block in group
    }
    return Desired(
        store=spaces.get_store(tx).store_id,
        now=tx.now,
        device=device,
        pools=tuple(
            _desired_pool(tx, device, row, by_pool[row.id]) for row in sorted(rows, key=lambda row: row.label)
        ),
        objects=tuple(observations.list_objects(tx, device.id)),
        holds={number: findings for number, findings in held.items() if findings},
        findings=tuple(observations.list_findings(tx, device_id=device.id)),
        adopted=tuple(adoptions.pieces_on(tx, device.id)),
        pending=leases.get_pending(tx, device.id),
        forced=control_state.forced_blocks(tx, device.id),
        given_back=decisions.unfinished_blocks(tx, device.id, GIVE_BACK),
        last_block=block_numbers.last_block_number(tx),
        counted_elsewhere=counts.counted_elsewhere(
            tx, (b.id for held in by_pool.values() for b in held if b.wanted is Wanted.ABSENT), device.id
        ),
        routes={
            block.id: route_of(tx, block, row)
            for row in rows
            if row.announcement in (EXTERNAL, ON_DEVICE)
            for block in by_pool[row.id]
        },
    )


def _desired_pool(
    tx: Transaction, device: DeviceRow, row: DevicePoolRow, held: Sequence[BlockRow]
) -> DesiredPool:
    source = pools.get_pool(tx, devices.device_pool_sources(tx, row.id)[0])
    own = row.network_instance if row.device_id == device.id else None
    return DesiredPool(
        row,
        tuple(devices.device_pool_services(tx, row.id)),
        tuple(held),
        owners.role_in_group(tx, row.owner_id, device.id),
        network_instance(tx, device, source.space_id, own),
        source.delegated_length,
        source.psid_offset,
    )


def previous_holders(database: Database, device: str) -> list[str]:
    """Other devices that once held what is about to be installed on `device`: to be read before it."""
    with database.read() as tx:
        row = the_device(tx, device)
        found: set[int] = set()
        for block in blocks.list_blocks(tx, device_id=row.id):
            if block.state is State.RESERVED:
                for past in past_blocks.past_holders(tx, block.space_id, block.prefix):
                    found.update(past.members)
        found.discard(row.id)
        return sorted(devices.get_device(tx, number).name for number in found)
