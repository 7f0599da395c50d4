"""Rows of owner groups: devices that have blocks together, and what each does with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.store.devices import DevicePoolRow, Member, get_device_pool
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class GroupRow:
    id: int
    name: str


def insert_group(tx: Transaction, name: str, members: Iterable[Member]) -> int:
    number = tx.insert("INSERT INTO owner (kind, name) VALUES ('group', :name) RETURNING id", name=name)
    tx.run_many(
        "INSERT INTO owner_member (owner_id, device_id, role) VALUES (:owner, :device, :role)",
        ({"owner": number, "device": member.device_id, "role": member.role} for member in members),
    )
    return number


def find_group(tx: Transaction, name: str) -> GroupRow | None:
    row = tx.first("SELECT id, name FROM owner WHERE kind = 'group' AND name = :name", name=name)
    return None if row is None else GroupRow(*row)


def list_groups(tx: Transaction) -> list[GroupRow]:
    return [GroupRow(*row) for row in tx.all("SELECT id, name FROM owner WHERE kind = 'group' ORDER BY name")]


def group_of(tx: Transaction, owner_id: int) -> str | None:
    """The name of the group that an owner is; None where it is one device."""
    row = tx.first("SELECT name FROM owner WHERE id = :id AND kind = 'group'", id=owner_id)
    return None if row is None else str(row[0])


def role_in_group(tx: Transaction, owner_id: int, device_id: int) -> str | None:
    """What a device does in a group; None where the owner is no group, or the device no member of it."""
    row = tx.first(
        "SELECT owner_member.role FROM owner JOIN owner_member ON owner_member.owner_id = owner.id"
        " WHERE owner.id = :owner AND owner.kind = 'group' AND owner_member.device_id = :device",
        owner=owner_id,
        device=device_id,
    )
    return None if row is None else str(row[0])


def group_pools(tx: Transaction, group_id: int) -> list[str]:
    """The device pools that a group owns, as DEVICE/NAME."""
    rows = tx.all(
        "SELECT device.name || '/' || device_pool.name FROM device_pool"
        " JOIN device ON device.id = device_pool.device_id WHERE device_pool.owner_id = :id ORDER BY 1",
        id=group_id,
    )
    return [row[0] for row in rows]


def device_pools_on(tx: Transaction, device_id: int) -> list[DevicePoolRow]:
    """The device pools that are configured on a device: its own, and those of groups in which it serves or
    stands by."""
    rows = tx.all(
        "SELECT device_pool.id FROM owner_member JOIN device_pool ON device_pool.owner_id = owner_member.owner_id"
        " WHERE owner_member.device_id = :device AND owner_member.role != 'relays' ORDER BY 1",
        device=device_id,
    )
    return [get_device_pool(tx, row[0]) for row in rows]


def delete_group(tx: Transaction, group_id: int) -> None:
    """Remove a group that owns nothing."""
    tx.run("DELETE FROM owner_member WHERE owner_id = :id", id=group_id)
    tx.run("DELETE FROM owner WHERE id = :id", id=group_id)
