"""Rows of devices, their owners, and their device pools."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.polling import EVERYWHERE, Polling
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class DeviceRow:
    """A device. `edit_generation` counts the edits that were recorded for it, sent or not.

    `sync_state` is never, in-sync, out-of-sync, unknown or failed; `error` is the last one, for people.
    """

    id: int
    name: str
    owner_id: int
    role: str
    driver: str
    host: str
    port: int
    username: str
    credential: str
    host_key: str | None
    space_id: int
    space: str
    deadlines: Mapping[str, float]
    """Seconds by phase, where the device has its own."""
    client: str
    on_drift: str
    """report or restore."""
    edit_generation: int
    sync_state: str
    seen_at: Micros | None
    error: str | None
    polling: Polling = EVERYWHERE


@dataclass(frozen=True)
class Member:
    """A device of an owner. `role` is serves, stands-by or relays."""

    device_id: int
    role: str

    @property
    def holds_blocks(self) -> bool:
        """Relays forward to those who serve: no block is configured on them."""
        return self.role != "relays"


@dataclass(frozen=True)
class DevicePoolRow:
    """`gateway` is first, last, none, an address, or unnumbered:INTERFACE. `strategy` None: the pool's.

    `first_length` and `next_length` (None: `length`) are those of its first block and of the others.
    `max_blocks` None: any number.
    """

    id: int
    device_id: int
    device: str
    name: str
    owner_id: int
    aaa_name: str
    length: int
    gateway: str
    gateway_mask: int | None
    access: str | None
    withdraw_when_unknown: str
    description: str
    strategy: str | None = None
    first_length: int | None = None
    next_length: int | None = None
    min_blocks: int = 0
    max_blocks: int | None = None
    network_instance: str | None = None
    """That on its own device; None: by the address space of its pools."""
    announcement: str = "none"
    next_hop: str | None = None
    route_tag: int | None = None
    usage_high: int | None = None
    usage_low: int | None = None
    serve_edges: bool = False
    """Subscribers get the addresses at the edges of a block too (its network and broadcast address)."""

    @property
    def label(self) -> str:
        return f"{self.device}/{self.name}"


_DEVICE = (
    "device.id, device.name, owner_id, role, driver, host, port, username, credential, host_key,"
    " device.space_id, space.name, deadlines, client, on_drift, edit_generation, sync_state, seen_at, error,"
    " poll_interval, hot_interval, notifications"
    " FROM device JOIN space ON space.id = device.space_id"
)
_DEVICE_POOL = (
    "device_pool.id, device_id, device.name, device_pool.name, device_pool.owner_id, aaa_name, length, gateway,"
    " gateway_mask, access, withdraw_when_unknown, description, device_pool.strategy, first_length, next_length,"
    " min_blocks, max_blocks, network_instance, announcement, next_hop, route_tag, usage_high, usage_low,"
    " serve_edges"
    " FROM device_pool JOIN device ON device.id = device_pool.device_id"
)


def _device(row: Sequence[Any]) -> DeviceRow:
    *values, interval, hot_interval, notifications = row
    values[12] = json.loads(str(values[12]))
    return DeviceRow(*values, polling=Polling(interval, hot_interval, bool(notifications)))  # type: ignore[misc]


def _device_pool(row: Sequence[Any]) -> DevicePoolRow:
    return DevicePoolRow(*(*row[:-1], bool(row[-1])))


# --- Devices --------------------------------------------------------------------------------------


def insert_device(
    tx: Transaction,
    *,
    name: str,
    role: str,
    driver: str,
    host: str,
    port: int,
    username: str,
    credential: str,
    host_key: str | None,
    space_id: int,
    deadlines: Mapping[str, float],
    client: str,
    on_drift: str,
) -> int:
    """A device, and the owner that is this one device."""
    owner_id = tx.insert("INSERT INTO owner (kind, name) VALUES ('device', :name) RETURNING id", name=name)
    device_id = tx.insert(
        "INSERT INTO device (name, owner_id, role, driver, host, port, username, credential, host_key,"
        " space_id, deadlines, client, on_drift) VALUES (:name, :owner, :role, :driver, :host, :port, :username,"
        " :credential, :host_key, :space, :deadlines, :client, :on_drift) RETURNING id",
        name=name,
        owner=owner_id,
        role=role,
        driver=driver,
        host=host,
        port=port,
        username=username,
        credential=credential,
        host_key=host_key,
        space=space_id,
        deadlines=json.dumps(dict(deadlines)),
        client=client,
        on_drift=on_drift,
    )
    tx.run(
        "INSERT INTO owner_member (owner_id, device_id, role) VALUES (:owner, :device, 'serves')",
        owner=owner_id,
        device=device_id,
    )
    return device_id


def insert_instances(tx: Transaction, device_id: int, instances: Mapping[str, int]) -> None:
    """The map from a device's network instances to our spaces (ids)."""
    tx.run_many(
        "INSERT INTO device_instance (device_id, name, space_id) VALUES (:device, :name, :space)",
        ({"device": device_id, "name": name, "space": space} for name, space in instances.items()),
    )


def device_instances(tx: Transaction, device_id: int) -> dict[str, int]:
    rows = tx.all("SELECT name, space_id FROM device_instance WHERE device_id = :device", device=device_id)
    return {row[0]: row[1] for row in rows}


def find_device(tx: Transaction, name: str) -> DeviceRow | None:
    row = tx.first(f"SELECT {_DEVICE} WHERE device.name = :name", name=name)
    return None if row is None else _device(row)


def get_device(tx: Transaction, device_id: int) -> DeviceRow:
    return _device(tx.one(f"SELECT {_DEVICE} WHERE device.id = :id", id=device_id))


def list_devices(tx: Transaction) -> list[DeviceRow]:
    return [_device(row) for row in tx.all(f"SELECT {_DEVICE} ORDER BY device.name")]


def names_at(tx: Transaction, host: str, port: int) -> list[str]:
    """The devices at one address."""
    sql = "SELECT name FROM device WHERE host = :host AND port = :port ORDER BY name"
    return [row[0] for row in tx.all(sql, host=host, port=port)]


def set_host_key(tx: Transaction, device_id: int, host_key: str) -> None:
    tx.run("UPDATE device SET host_key = :key WHERE id = :id", key=host_key, id=device_id)


def devices_with_key(tx: Transaction, host_key: str, *, besides: int) -> list[str]:
    """Other devices that have this host key: one identity, perhaps."""
    rows = tx.all(
        "SELECT name FROM device WHERE host_key = :key AND id != :id ORDER BY name", key=host_key, id=besides
    )
    return [row[0] for row in rows]


def set_sync(tx: Transaction, device_id: int, state: str, error: str | None, *, seen: bool) -> None:
    """How the last visit of a device ended; `seen`: its configuration was read."""
    tx.run(
        "UPDATE device SET sync_state = :state, error = :error,"
        " seen_at = CASE WHEN :seen = 1 THEN :now ELSE seen_at END WHERE id = :id",
        state=state,
        error=error,
        seen=int(seen),
        now=tx.now,
        id=device_id,
    )


def set_edit_generation(tx: Transaction, device_id: int, generation: int) -> None:
    tx.run(
        "UPDATE device SET edit_generation = :generation WHERE id = :id", generation=generation, id=device_id
    )


def device_users(tx: Transaction, device_id: int) -> list[str]:
    """What stands on a device, in words."""
    rows = tx.all(
        "SELECT 'device pool ' || device.name || '/' || device_pool.name FROM device_pool"
        " JOIN device ON device.id = device_id WHERE device_id = :id"
        " UNION ALL SELECT 'owner group ' || owner.name FROM owner_member JOIN owner ON owner.id = owner_id"
        " WHERE device_id = :id AND owner.kind = 'group'"
        " UNION ALL SELECT 'block b' || block_id FROM block_member WHERE device_id = :id"
        " UNION ALL SELECT 'atomic run ' || run_id FROM atomic_member WHERE device_id = :id"
        " UNION ALL SELECT 'object ' || path || ' ' || keys FROM device_object WHERE device_id = :id"
        " ORDER BY 1 LIMIT 5",
        id=device_id,
    )
    return [row[0] for row in rows]


def delete_device(tx: Transaction, device: DeviceRow) -> None:
    """Remove a device that nothing stands on, with what was seen of it."""
    for table in (
        "finding",
        "seen_range",
        "static_assignment",
        "device_lease",
        "device_circuit",
        "pending_commit",
        "owner_member",
    ):
        tx.run(f"DELETE FROM {table} WHERE device_id = :id", id=device.id)
    tx.run("DELETE FROM device WHERE id = :id", id=device.id)
    tx.run("DELETE FROM owner WHERE id = :id", id=device.owner_id)


# --- Device pools ---------------------------------------------------------------------------------


def insert_device_pool(
    tx: Transaction,
    *,
    device: DeviceRow,
    owner_id: int,
    name: str,
    aaa_name: str,
    length: int,
    gateway: str,
    gateway_mask: int | None,
    serve_edges: bool,
    access: str | None,
    withdraw_when_unknown: str,
    description: str,
    strategy: str | None,
    first_length: int | None,
    next_length: int | None,
    min_blocks: int,
    max_blocks: int | None,
    network_instance: str | None,
    announcement: str,
    next_hop: str | None,
    route_tag: int | None,
    usage_high: int | None,
    usage_low: int | None,
    pool_ids: Iterable[int],
    services: Iterable[str],
) -> int:
    number = tx.insert(
        "INSERT INTO device_pool (device_id, name, owner_id, aaa_name, length, gateway, gateway_mask, serve_edges,"
        " access, withdraw_when_unknown, description, strategy, first_length, next_length, min_blocks, max_blocks,"
        " network_instance, announcement, next_hop, route_tag, usage_high, usage_low)"
        " VALUES (:device, :name, :owner, :aaa_name, :length, :gateway, :gateway_mask, :serve_edges,"
        " :access, :withdraw, :description, :strategy, :first_length, :next_length, :min_blocks, :max_blocks,"
        " :network_instance, :announcement, :next_hop, :route_tag, :usage_high, :usage_low)"
        " RETURNING id",
        device=device.id,
        name=name,
        owner=owner_id,
        aaa_name=aaa_name,
        length=length,
        gateway=gateway,
        gateway_mask=gateway_mask,
        serve_edges=int(serve_edges),
        access=access,
        withdraw=withdraw_when_unknown,
        description=description,
        strategy=strategy,
        first_length=first_length,
        next_length=next_length,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        network_instance=network_instance,
        announcement=announcement,
        next_hop=next_hop,
        route_tag=route_tag,
        usage_high=usage_high,
        usage_low=usage_low,
    )
    insert_device_pool_lists(tx, number, pool_ids, services)
    return number


def insert_device_pool_lists(
    tx: Transaction, number: int, pool_ids: Iterable[int], services: Iterable[str]
) -> None:
    """What it may draw from, in order, and what draws from it."""
    tx.run_many(
        "INSERT INTO device_pool_source (device_pool_id, position, pool_id) VALUES (:id, :position, :pool)",
        ({"id": number, "position": position, "pool": pool} for position, pool in enumerate(pool_ids)),
    )
    tx.run_many(
        "INSERT INTO device_pool_service (device_pool_id, name) VALUES (:id, :name)",
        ({"id": number, "name": service} for service in services),
    )


def find_device_pool(tx: Transaction, device: str, name: str) -> DevicePoolRow | None:
    rows = tx.known(
        f"SELECT {_DEVICE_POOL} WHERE device.name = :device AND device_pool.name = :name",
        device=device,
        name=name,
    )
    return _device_pool(rows[0]) if rows else None


def get_device_pool(tx: Transaction, number: int) -> DevicePoolRow:
    return _device_pool(tx.one(f"SELECT {_DEVICE_POOL} WHERE device_pool.id = :id", id=number))


def list_device_pools(tx: Transaction, device_id: int | None = None) -> list[DevicePoolRow]:
    where = "" if device_id is None else " WHERE device_id = :device"
    sql = f"SELECT {_DEVICE_POOL}{where} ORDER BY device.name, device_pool.name"
    return [_device_pool(row) for row in tx.all(sql, device=device_id)]


def device_pool_sources(tx: Transaction, device_pool_id: int) -> list[int]:
    """The ids of the pools it may draw from, in order."""
    rows = tx.known(
        "SELECT pool_id FROM device_pool_source WHERE device_pool_id = :id ORDER BY position",
        id=device_pool_id,
    )
    return [row[0] for row in rows]


def device_pool_services(tx: Transaction, device_pool_id: int) -> list[str]:
    rows = tx.all(
        "SELECT name FROM device_pool_service WHERE device_pool_id = :id ORDER BY name", id=device_pool_id
    )
    return [row[0] for row in rows]


def owner_members(tx: Transaction, owner_id: int) -> list[Member]:
    """The devices of an owner, those that only relay too."""
    rows = tx.known(
        "SELECT device_id, role FROM owner_member WHERE owner_id = :id ORDER BY device_id", id=owner_id
    )
    return [Member(*row) for row in rows]


def delete_device_pool(tx: Transaction, device_pool_id: int) -> None:
    tx.run("DELETE FROM device_pool WHERE id = :id", id=device_pool_id)
