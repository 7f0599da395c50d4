"""Rows of address spaces, and the store's own row."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class StoreRow:
    """Which store this is: `store_id` is in every mark that we leave on a device."""

    store_id: str
    created: int
    config_revision: int


@dataclass(frozen=True)
class SpaceRow:
    id: int
    name: str
    description: str


def get_store(tx: Transaction) -> StoreRow:
    return StoreRow(*tx.one("SELECT store_id, created, config_revision FROM store"))


def bump_config_revision(tx: Transaction) -> int:
    """One more change of configuration; returns its number."""
    return tx.insert("UPDATE store SET config_revision = config_revision + 1 RETURNING config_revision")


def insert_space(tx: Transaction, name: str, description: str) -> int:
    return tx.insert(
        "INSERT INTO space (name, description) VALUES (:name, :description) RETURNING id",
        name=name,
        description=description,
    )


def find_space(tx: Transaction, name: str) -> SpaceRow | None:
    row = tx.first("SELECT id, name, description FROM space WHERE name = :name", name=name)
    return None if row is None else SpaceRow(*row)


def list_spaces(tx: Transaction) -> list[SpaceRow]:
    return [SpaceRow(*row) for row in tx.all("SELECT id, name, description FROM space ORDER BY name")]


def delete_space(tx: Transaction, space_id: int) -> None:
    tx.run("DELETE FROM space WHERE id = :id", id=space_id)


def space_users(tx: Transaction, space_id: int) -> list[str]:
    """What stands on a space, in words: `pool p1`, `device bng1`."""
    rows = tx.all(
        "SELECT 'pool ' || name FROM pool WHERE space_id = :id"
        " UNION ALL SELECT 'device ' || name FROM device WHERE space_id = :id"
        " UNION ALL SELECT 'device ' || device.name FROM device_instance"
        "  JOIN device ON device.id = device_id WHERE device_instance.space_id = :id ORDER BY 1 LIMIT 5",
        id=space_id,
    )
    return [row[0] for row in rows]
