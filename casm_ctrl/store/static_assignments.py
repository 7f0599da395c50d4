"""Static assignments in blocks that were adopted: addresses that a device gives to one subscriber for ever.

As long as the block lives they are its own matter. When it is freed they stay out of the pool's free space,
as reservations: whoever has the address still believes in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix, Range, subtract_all
from casm_ctrl.store import pools
from casm_ctrl.store.free_space import give
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True, order=True)
class StaticRow:
    """One address, or one delegated prefix, that an object on a device assigns."""

    device: str
    path: str
    keys: tuple[str, ...]
    prefix: Prefix

    @property
    def label(self) -> str:
        return f"{self.path}[{', '.join(self.keys)}]"


def put_statics(tx: Transaction, device_id: int, space_id: int, statics: Iterable[StaticRow]) -> None:
    """Note them; one that is noted already gets the address that it has now."""
    tx.run_many(
        "INSERT INTO static_assignment (device_id, path, keys, space_id, family, first, length)"
        " VALUES (:device, :path, :keys, :space, :family, :first, :length)"
        " ON CONFLICT (device_id, path, keys) DO UPDATE SET space_id = :space, family = :family, first = :first,"
        " length = :length",
        (
            {
                "device": device_id,
                "path": row.path,
                "keys": json.dumps(row.keys),
                "space": space_id,
                "family": row.prefix.family.number,
                "first": row.prefix.first_key,
                "length": row.prefix.length,
            }
            for row in statics
        ),
    )


def statics_in(tx: Transaction, space_id: int, span: Range | Prefix) -> list[StaticRow]:
    """Those inside `span`, in the order of their addresses."""
    rows = tx.all(
        "SELECT device.name, path, keys, family, first, length FROM static_assignment"
        " JOIN device ON device.id = device_id"
        " WHERE static_assignment.space_id = :space AND family = :family AND first BETWEEN :first AND :last"
        " ORDER BY first, device.name",
        space=space_id,
        family=span.family.number,
        first=span.first_key,
        last=span.last_key,
    )
    return [StaticRow(r[0], r[1], tuple(json.loads(r[2])), Prefix.read(r[3], r[4], r[5])) for r in rows]


def give_around(tx: Transaction, pool: PoolRow, prefix: Prefix, tenant: int) -> None:
    """Put a freed block back, and keep the static assignments in it as reservations: those that are all in it."""
    statics = [row for row in statics_in(tx, pool.space_id, prefix) if prefix.contains(row.prefix)]
    if not statics:
        give(tx, pool.id, prefix, tenant)
        return
    kept: dict[Prefix, list[str]] = {}
    for row in statics:
        kept.setdefault(row.prefix, []).append(f"{row.device} {row.label}")
    for piece in subtract_all([prefix], kept):
        give(tx, pool.id, piece, tenant)
    for static, names in kept.items():
        pools.insert_carves(tx, pool.id, "reservation", [static], reason=f"static: {', '.join(names)}")
    tx.run_many(
        "DELETE FROM static_assignment WHERE space_id = :space AND family = :family AND first = :first"
        " AND length = :length",
        (
            {
                "space": pool.space_id,
                "family": static.family.number,
                "first": static.first_key,
                "length": static.length,
            }
            for static in kept
        ),
    )
