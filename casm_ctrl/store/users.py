"""Rows of the northbound server's users: their password's hash, their public keys and their groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class UserRow:
    """A user. `password_hash` is None where no password opens a session; a key is its type and base64."""

    id: int
    name: str
    password_hash: str | None = field(repr=False)
    keys: tuple[str, ...]
    groups: tuple[str, ...]


def insert_user(tx: Transaction, name: str, password_hash: str | None) -> int:
    return tx.insert(
        "INSERT INTO account (name, password_hash) VALUES (:name, :hash) RETURNING id",
        name=name,
        hash=password_hash,
    )


def find_user(tx: Transaction, name: str) -> UserRow | None:
    row = tx.first("SELECT id, name, password_hash FROM account WHERE name = :name", name=name)
    return None if row is None else _user(tx, *row)


def list_users(tx: Transaction) -> list[UserRow]:
    return [_user(tx, *row) for row in tx.all("SELECT id, name, password_hash FROM account ORDER BY name")]


def user_names(tx: Transaction) -> frozenset[str]:
    return frozenset(row[0] for row in tx.all("SELECT name FROM account"))


def has_users(tx: Transaction) -> bool:
    return tx.first("SELECT 1 FROM account LIMIT 1") is not None


def delete_user(tx: Transaction, user_id: int) -> None:
    tx.run("DELETE FROM account WHERE id = :id", id=user_id)


def set_password_hash(tx: Transaction, user_id: int, password_hash: str | None) -> None:
    tx.run("UPDATE account SET password_hash = :hash WHERE id = :id", id=user_id, hash=password_hash)


def set_keys(tx: Transaction, user_id: int, keys: Iterable[str]) -> None:
    """Let these be all keys of a user."""
    tx.run("DELETE FROM account_key WHERE account_id = :id", id=user_id)
    tx.run_many(
        "INSERT INTO account_key (account_id, line) VALUES (:id, :line)",
        ({"id": user_id, "line": key} for key in keys),
    )


def set_groups(tx: Transaction, user_id: int, groups: Iterable[str]) -> None:
    """Let these be all groups of a user."""
    tx.run("DELETE FROM account_group WHERE account_id = :id", id=user_id)
    tx.run_many(
        "INSERT INTO account_group (account_id, name) VALUES (:id, :name)",
        ({"id": user_id, "name": group} for group in groups),
    )


def _user(tx: Transaction, user_id: int, name: str, password_hash: str | None) -> UserRow:
    keys = tx.all("SELECT line FROM account_key WHERE account_id = :id ORDER BY line", id=user_id)
    groups = tx.all("SELECT name FROM account_group WHERE account_id = :id ORDER BY name", id=user_id)
    return UserRow(user_id, name, password_hash, tuple(r[0] for r in keys), tuple(r[0] for r in groups))
