"""Rows of configuration that change in place: spaces, devices, owner groups, and what a pool is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.store.devices import Member, insert_instances
from casm_ctrl.store.pools import Carve
from casm_ctrl.store.transaction import Transaction


def set_space_description(tx: Transaction, space_id: int, description: str) -> None:
    tx.run("UPDATE space SET description = :description WHERE id = :id", description=description, id=space_id)


# --- Pools ----------------------------------------------------------------------------------------


def set_pool_kind(
    tx: Transaction,
    pool_id: int,
    *,
    space_id: int,
    parent_id: int | None,
    family: Family,
    scope: str,
    psid_offset: int | None,
    port_routed: bool,
    delegated_length: int | None,
) -> None:
    """What the prefixes of a pool are kept by: only for one that has none."""
    tx.run(
        "UPDATE pool SET space_id = :space, parent_id = :parent, family = :family, scope = :scope,"
        " psid_offset = :psid_offset, port_routed = :port_routed, delegated_length = :delegated_length"
        " WHERE id = :id",
        space=space_id,
        parent=parent_id,
        family=family.number,
        scope=scope,
        psid_offset=psid_offset,
        port_routed=int(port_routed),
        delegated_length=delegated_length,
        id=pool_id,
    )


def set_carve_reason(tx: Transaction, carve: Carve, reason: str) -> None:
    tx.run("UPDATE carve SET reason = :reason WHERE id = :id", reason=reason, id=carve.id)


def pools_drawing(tx: Transaction, pool_id: int) -> list[int]:
    """The ids of the device pools that may draw from a pool."""
    rows = tx.all(
        "SELECT device_pool_id FROM device_pool_source WHERE pool_id = :pool ORDER BY 1", pool=pool_id
    )
    return [row[0] for row in rows]


# --- Devices --------------------------------------------------------------------------------------


def update_device(
    tx: Transaction,
    device_id: int,
    *,
    role: str,
    driver: str,
    host: str,
    port: int,
    username: str,
    credential: str,
    host_key: str | None,
    space_id: int,
    client: str,
    deadlines: Mapping[str, float],
    on_drift: str,
) -> None:
    """Set all columns that configuration has, but for the name."""
    tx.run(
        "UPDATE device SET role = :role, driver = :driver, host = :host, port = :port, username = :username,"
        " credential = :credential, host_key = :host_key, space_id = :space, client = :client,"
        " deadlines = :deadlines, on_drift = :on_drift WHERE id = :id",
        role=role,
        driver=driver,
        host=host,
        port=port,
        username=username,
        credential=credential,
        host_key=host_key,
        space=space_id,
        client=client,
        deadlines=json.dumps(dict(deadlines)),
        on_drift=on_drift,
        id=device_id,
    )


def set_instances(tx: Transaction, device_id: int, instances: Mapping[str, int]) -> None:
    """The whole map from a device's network instances to our spaces (ids)."""
    tx.run("DELETE FROM device_instance WHERE device_id = :id", id=device_id)
    insert_instances(tx, device_id, instances)


def set_device_labels(tx: Transaction, device_id: int, labels: Mapping[str, str]) -> None:
    """All labels of a device."""
    tx.run("DELETE FROM device_label WHERE device_id = :id", id=device_id)
    tx.run_many(
        "INSERT INTO device_label (device_id, name, value) VALUES (:device, :name, :value)",
        ({"device": device_id, "name": name, "value": value} for name, value in labels.items()),
    )


def device_labels(tx: Transaction, device_id: int) -> dict[str, str]:
    rows = tx.all("SELECT name, value FROM device_label WHERE device_id = :id ORDER BY name", id=device_id)
    return {row[0]: row[1] for row in rows}


def doubt_reading(tx: Transaction, device_id: int) -> None:
    """What the last read showed says nothing of the device as it is described now."""
    tx.run("UPDATE device SET sync_state = 'unknown' WHERE id = :id AND sync_state != 'never'", id=device_id)


def installed_on(tx: Transaction, device_id: int) -> str | None:
    """Something of ours that is, or may be, on a device, in words; None where there is nothing."""
    row = tx.first(
        "SELECT 'block b' || block_id FROM block_member WHERE device_id = :id AND role != 'relays'"
        " UNION ALL SELECT 'object ' || path || ' ' || keys FROM device_object WHERE device_id = :id LIMIT 1",
        id=device_id,
    )
    return None if row is None else str(row[0])


# --- Owner groups ---------------------------------------------------------------------------------


def set_members(tx: Transaction, group_id: int, members: Iterable[Member]) -> None:
    """All members of a group."""
    tx.run("DELETE FROM owner_member WHERE owner_id = :id", id=group_id)
    tx.run_many(
        "INSERT INTO owner_member (owner_id, device_id, role) VALUES (:owner, :device, :role)",
        ({"owner": group_id, "device": member.device_id, "role": member.role} for member in members),
    )


def lock_pools_of(tx: Transaction, owner_id: int) -> list[int]:
    """The ids of an owner's device pools. On PostgreSQL no allocation for them goes on beside this transaction."""
    beside = " FOR UPDATE" if tx.dialect == "postgresql" else ""
    rows = tx.all(f"SELECT id FROM device_pool WHERE owner_id = :id ORDER BY id{beside}", id=owner_id)
    return [row[0] for row in rows]
