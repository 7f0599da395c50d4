"""Rows of holds: what people keep automation from changing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction

KINDS = ("all", "device", "pool", "device-pool")


@dataclass(frozen=True)
class Hold:
    """`subject` is the name of what is held, DEVICE/NAME of a device pool; empty where all is (`kind` all)."""

    kind: str
    subject_id: int
    subject: str
    since: Micros
    actor: str
    reason: str

    @property
    def words(self) -> str:
        """What is held."""
        return f"{self.kind.replace('-', ' ')} {self.subject}".rstrip()


_HOLD = (
    "kind, subject_id, COALESCE(device.name, pool.name, home.name || '/' || device_pool.name, ''), since, actor,"
    " reason FROM control_hold"
    " LEFT JOIN device ON kind = 'device' AND device.id = subject_id"
    " LEFT JOIN pool ON kind = 'pool' AND pool.id = subject_id"
    " LEFT JOIN device_pool ON kind = 'device-pool' AND device_pool.id = subject_id"
    " LEFT JOIN device AS home ON home.id = device_pool.device_id"
)


def list_holds(tx: Transaction) -> list[Hold]:
    """All, that on everything first."""
    return [Hold(*row) for row in tx.all(f"SELECT {_HOLD} ORDER BY kind, 3")]


def find_hold(tx: Transaction, kind: str, subject_id: int) -> Hold | None:
    row = tx.first(f"SELECT {_HOLD} WHERE kind = :kind AND subject_id = :id", kind=kind, id=subject_id)
    return None if row is None else Hold(*row)


def holds_of(tx: Transaction, device_pool_id: int) -> list[Hold]:
    """What keeps a device pool as it is: holds on all, on itself, on a device of its owner, and on a pool that it may
    draw from or one that such a pool is cut from."""
    rows = tx.all(
        "WITH RECURSIVE source (id) AS ("
        "SELECT pool_id FROM device_pool_source WHERE device_pool_id = :id"
        " UNION SELECT pool.parent_id FROM pool JOIN source ON source.id = pool.id WHERE pool.parent_id IS NOT NULL)"
        f" SELECT {_HOLD} WHERE kind = 'all' OR (kind = 'device-pool' AND subject_id = :id)"
        " OR (kind = 'pool' AND subject_id IN (SELECT id FROM source))"
        " OR (kind = 'device' AND subject_id IN (SELECT member.device_id FROM owner_member AS member"
        " JOIN device_pool AS own ON own.owner_id = member.owner_id WHERE own.id = :id"
        " UNION SELECT device_id FROM device_pool WHERE id = :id))"
        " ORDER BY kind, 3",
        id=device_pool_id,
    )
    return [Hold(*row) for row in rows]


def put_hold(tx: Transaction, kind: str, subject_id: int, *, actor: str, reason: str) -> None:
    """A hold that is there keeps its time: it is who holds, and why, that is new."""
    values: dict[str, Any] = {"kind": kind, "id": subject_id, "now": tx.now, "actor": actor, "reason": reason}
    tx.run(
        "INSERT INTO control_hold (kind, subject_id, since, actor, reason)"
        " VALUES (:kind, :id, :now, :actor, :reason)"
        " ON CONFLICT (kind, subject_id) DO UPDATE SET actor = :actor, reason = :reason",
        **values,
    )


def delete_hold(tx: Transaction, kind: str, subject_id: int) -> None:
    """With what it holds goes a hold."""
    tx.run("DELETE FROM control_hold WHERE kind = :kind AND subject_id = :id", kind=kind, id=subject_id)
