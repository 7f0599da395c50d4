"""What people and programs read: each view is one snapshot of the store."""

from __future__ import annotations

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import NotFound
from casm_ctrl.base.identifiers import parse_block_id
from casm_ctrl.service import alarm_views, atomic, circuits, documents, holds, pending_commit, sealing
from casm_ctrl.service.identity import identity_document
from casm_ctrl.service.lookup import the_block, the_device, the_device_pool, the_pool, the_space
from casm_ctrl.service.routes import route_document, route_of
from casm_ctrl.service.usage import pool_usage, space_usage, usage_document
from casm_ctrl.service.verb import Document
from casm_ctrl.store import (
    adoptions,
    atomic_runs,
    block_listing,
    block_members,
    blocks,
    clock_watch,
    configuration_changes,
    devices,
    events,
    holdings,
    leases,
    observations,
    past_blocks,
    pools,
    spaces,
    static_assignments,
)
from casm_ctrl.store import circuits as store_circuits
from casm_ctrl.store.database import Database
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction


def list_spaces(database: Database) -> list[Document]:
    with database.read() as tx:
        return [documents.space_document(row) for row in spaces.list_spaces(tx)]


def show_space(database: Database, name: str) -> Document:
    """A space, the names of its pools, and its usage by family."""
    with database.read() as tx:
        space = the_space(tx, name)
        rows = pools.list_pools(tx, space.id)
        return {
            **documents.space_document(space),
            "pool": [row.name for row in rows],
            "usage": space_usage(tx, rows),
        }


def list_pools(database: Database, space: str | None = None) -> list[Document]:
    with database.read() as tx:
        wanted = None if space is None else the_space(tx, space).id
        return [
            documents.pool_document(tx, row) for row in pools.list_pools(tx) if wanted in (None, row.space_id)
        ]


def show_pool(database: Database, name: str) -> Document:
    with database.read() as tx:
        return documents.pool_document(tx, the_pool(tx, name))


def list_devices(database: Database) -> list[Document]:
    with database.read() as tx:
        return [_device(tx, row) for row in devices.list_devices(tx)]


def show_device(database: Database, name: str) -> Document:
    """A device, its device pools, and what the last read found."""
    with database.read() as tx:
        row = the_device(tx, name)
        return {
            **_device(tx, row),
            "device-pool": [
                documents.device_pool_document(tx, pool) for pool in devices.list_device_pools(tx, row.id)
            ],
            "finding": [
                documents.finding_document(finding)
                for finding in observations.list_findings(tx, device_id=row.id)
            ],
        }


def _device(tx: Transaction, row: devices.DeviceRow) -> Document:
    names = {space.id: space.name for space in spaces.list_spaces(tx)}
    instances = {name: names[number] for name, number in devices.device_instances(tx, row.id).items()}
    labels = configuration_changes.device_labels(tx, row.id)
    return {**documents.device_document(row, instances, labels), "sync": sync_of(tx, row)}


def sync_of(tx: Transaction, row: devices.DeviceRow) -> Document:
    """How a device stands, whether it is left alone, and who it is beside its host key."""
    circuit = store_circuits.find_circuit(tx, row.id)
    return {
        **documents.sync_document(row),
        **circuits.circuit_document(circuit, tx.now),
        **identity_document(tx, row),
    }


def findings_of(tx: Transaction, row: devices.DeviceRow) -> list[Document]:
    """What the last read of a device showed that should not be, as entries of a list with keys."""
    found: dict[tuple[str, ...], Document] = {}
    for finding in observations.list_findings(tx, device_id=row.id):
        document = documents.finding_document(finding)
        del document["device"]
        document["block-id"] = document.pop("block", "none")
        found[document["kind"], document["object"], document["block-id"]] = document
    return list(found.values())


def list_device_pools(database: Database, device: str | None = None) -> list[Document]:
    with database.read() as tx:
        number = None if device is None else the_device(tx, device).id
        return [documents.device_pool_document(tx, row) for row in devices.list_device_pools(tx, number)]


def show_device_pool(database: Database, label: str) -> Document:
    """A device pool with its blocks."""
    with database.read() as tx:
        row = the_device_pool(tx, label)
        held = blocks.list_blocks(tx, device_pool_id=row.id)
        adopted = adoptions.unmanaged_blocks(tx)
        return {
            **documents.device_pool_document(tx, row),
            "block": [documents.block_document(b, managed=b.id not in adopted) for b in held],
        }


def devices_served(database: Database, label: str) -> list[str]:
    """The devices on which a device pool's blocks are configured: one, or those of a group."""
    with database.read() as tx:
        members = devices.owner_members(tx, the_device_pool(tx, label).owner_id)
        return sorted(devices.get_device(tx, m.device_id).name for m in members if m.holds_blocks)


def list_blocks(
    database: Database,
    *,
    device: str | None = None,
    device_pool: str | None = None,
    pool: str | None = None,
    state: State | None = None,
) -> list[Document]:
    with database.read() as tx:
        found = blocks.list_blocks(
            tx,
            device_id=None if device is None else the_device(tx, device).id,
            device_pool_id=None if device_pool is None else the_device_pool(tx, device_pool).id,
            pool_id=None if pool is None else the_pool(tx, pool).id,
            state=state,
        )
        adopted = adoptions.unmanaged_blocks(tx)
        return [documents.block_document(block, managed=block.id not in adopted) for block in found]


def show_block(database: Database, name: str, space: str | None = None) -> Document:
    """A block, live or freed, with its members, its history, and what holds it back."""
    with database.read() as tx:
        number = parse_block_id(name)
        past = None if number is None else past_blocks.past_block(tx, number)
        if past is not None:
            document, number = documents.past_block_document(past), past.id
        else:
            block = the_block(tx, name, space)
            number = block.id
            pieces = adoptions.pieces_of(tx, number)
            members = block_members.list_members(tx, [number])[number]
            document = documents.block_document(block, members, managed=not pieces)
            document |= documents.adoption_document(
                pieces, static_assignments.statics_in(tx, block.space_id, block.prefix)
            )
            document |= documents.kind_document(pools.get_pool(tx, block.pool_id), block.prefix)
            reason = block_listing.reason_of(tx, number)
            document |= {"reason": reason} if reason else {}
            document |= route_document(block.state, route_of(tx, block))
        document["finding"] = [documents.finding_document(row) for row in observations.holds_on(tx, number)]
        history = events.list_events(tx, subject_kind="block", subject_id=number, limit=1000)
        document["event"] = [documents.event_document(event) for event in history]
        return document


def audit(database: Database, *, limit: int, block: str | None = None) -> list[Document]:
    """The latest events, oldest first; of one block (its id, live or freed) where it is named."""
    with database.read() as tx:
        if block is None:
            rows = events.list_events(tx, limit=limit)
        else:
            number = parse_block_id(block)
            if number is None:
                number = the_block(tx, block).id
            rows = events.list_events(tx, subject_kind="block", subject_id=number, limit=limit)
            if not rows:
                raise NotFound(f"there is no block {block}", "list them with 'casm block list'")
        return [documents.event_document(row) for row in rows]


def status(database: Database) -> Document:
    """All at a glance: pools and their usage, devices and how they stand, and what wants a person's eye."""
    with database.read() as tx:
        store = spaces.get_store(tx)
        device_rows = []
        for row in devices.list_devices(tx):
            counts = holdings.device_counts(tx, row.id)
            document: Document = {
                "name": row.name,
                "role": row.role,
                "sync": sync_of(tx, row),
                "block-count": [{"state": s.value, "blocks": str(n)} for s, n in counts.items()],
            }
            pending = leases.get_pending(tx, row.id)
            if pending is not None:
                document["pending-commit-until"] = to_rfc3339(pending.deadline)
            device_rows.append(document)
        return {
            "store-id": store.store_id,
            "config-revision": str(store.config_revision),
            "clock-held": clock_watch.is_held(tx),
            "hold": holds.held(tx),
            "alarm-summary": alarm_views.summary(tx),
            "pool": [
                {
                    "name": row.name,
                    "address-space": row.space,
                    "family": documents.family_word(row),
                    "usage": usage_document(pool_usage(tx, row)),
                }
                for row in pools.list_pools(tx)
            ],
            "device": device_rows,
            "atomic-run": [atomic.run_document(run) for run in atomic_runs.list_runs(tx)],
            "finding": [documents.finding_document(row) for row in observations.list_findings(tx)],
            "audit": sealing.standing(tx),
            **pending_commit.status(tx),
        }
