"""What the members of an owner show and count of a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.states import Seen
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class MemberRow:
    """What the last proof or read showed of a block on one device."""

    block_id: int
    device_id: int
    device: str
    role: str
    seen: Seen
    since: Micros
    used: int | None = None
    """How many addresses of the block it counted in use, where it counts."""
    used_at: Micros | None = None


def list_members(tx: Transaction, block_ids: Iterable[int]) -> dict[int, list[MemberRow]]:
    """The members of each of `block_ids`."""
    members: dict[int, list[MemberRow]] = {}
    for number in block_ids:
        members[number] = [
            MemberRow(
                row[0],
                row[1],
                row[2],
                row[3],
                Seen(row[4]),
                row[5],
                None if row[6] is None else int(row[6]),
                row[7],
            )
            for row in tx.all(
                "SELECT block_id, device_id, device.name, block_member.role, seen, since, used, used_at"
                " FROM block_member"
                " JOIN device ON device.id = device_id WHERE block_id = :block ORDER BY device.name",
                block=number,
            )
        ]
    return members


def set_seen(tx: Transaction, number: int, device_id: int, seen: Seen) -> bool:
    """Note what a read of one member showed; True where that is news."""
    return (
        tx.run(
            "UPDATE block_member SET seen = :seen, since = :now"
            " WHERE block_id = :block AND device_id = :device AND seen != :seen",
            seen=seen.value,
            now=tx.now,
            block=number,
            device=device_id,
        )
        == 1
    )
