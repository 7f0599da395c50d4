"""Rows of routes: whether the network knows the way to a block, as far as that was proven."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction

CONFIRMED = 0
"""In place of a device: somebody confirmed it."""


@dataclass(frozen=True)
class RouteRow:
    """What was last confirmed, or read of one device, about the route to a block."""

    block_id: int
    device_id: int
    present: bool
    since: Micros
    actor: str


def put_route(tx: Transaction, block_id: int, device_id: int, actor: str, *, present: bool) -> bool:
    """True where that is news."""
    return (
        tx.run(
            "INSERT INTO block_route (block_id, device_id, present, since, actor)"
            " VALUES (:block, :device, :present, :now, :actor) ON CONFLICT (block_id, device_id)"
            " DO UPDATE SET present = :present, since = :now, actor = :actor"
            " WHERE block_route.present != :present",
            block=block_id,
            device=device_id,
            present=int(present),
            now=tx.now,
            actor=actor,
        )
        == 1
    )


def forget_gone(tx: Transaction, block_id: int) -> None:
    """Somebody's word that the route is gone was for a release that is taken back: the next needs another."""
    tx.run(
        "DELETE FROM block_route WHERE block_id = :block AND device_id = :confirmed AND present = 0",
        block=block_id,
        confirmed=CONFIRMED,
    )


def list_routes(tx: Transaction, block_id: int) -> list[RouteRow]:
    rows = tx.all(
        "SELECT block_id, device_id, present, since, actor FROM block_route WHERE block_id = :block"
        " ORDER BY device_id",
        block=block_id,
    )
    return [RouteRow(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]


def device_routes(tx: Transaction, device_id: int) -> dict[int, bool]:
    """By block, whether the last read of a device that tells showed the route to it there."""
    rows = tx.all("SELECT block_id, present FROM block_route WHERE device_id = :device", device=device_id)
    return {row[0]: bool(row[1]) for row in rows}
