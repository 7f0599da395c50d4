"""How many addresses of a block subscribers use, as its members counted them; a block's count is their sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.capacity import subscribers_of
from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Count:
    """What one member counted, and when."""

    device_id: int
    used: int
    at: Micros


@dataclass(frozen=True)
class MarkedPool:
    """A device pool that has marks, in percent, and the level that was told of it last."""

    id: int
    label: str
    high: int
    low: int | None
    level: str


def note_counts(tx: Transaction, device_id: int, counts: Mapping[int, int]) -> None:
    """Keep what one device counted now, by block. Decimal strings: IPv6 has more than 64 bits count.

    The block gets the sum over its members, with the time of the oldest of their counts.
    """
    tx.run_many(
        "UPDATE block_member SET used = :used, used_at = :now WHERE block_id = :block AND device_id = :device",
        (
            {"used": str(used), "now": tx.now, "block": number, "device": device_id}
            for number, used in sorted(counts.items())
        ),
    )
    known: dict[int, list[Count]] = {}
    for block, *count in tx.all(
        "SELECT every.block_id, every.device_id, every.used, every.used_at FROM block_member AS mine"
        " JOIN block_member AS every ON every.block_id = mine.block_id"
        " WHERE mine.device_id = :device AND every.used IS NOT NULL",
        device=device_id,
    ):
        known.setdefault(block, []).append(Count(count[0], int(count[1]), count[2]))
    tx.run_many(
        "UPDATE block SET used = :used, used_at = :at WHERE id = :id",
        (
            {
                "used": str(sum(count.used for count in known[number])),
                "at": min(count.at for count in known[number]),
                "id": number,
            }
            for number in sorted(counts.keys() & known.keys())
        ),
    )


def member_counts(tx: Transaction, number: int) -> list[Count]:
    """The last count of each member that ever counted the block."""
    rows = tx.all(
        "SELECT device_id, used, used_at FROM block_member WHERE block_id = :block AND used IS NOT NULL",
        block=number,
    )
    return [Count(row[0], int(row[1]), row[2]) for row in rows]


def counted_elsewhere(tx: Transaction, numbers: Iterable[int], device_id: int) -> dict[int, int]:
    """By block, how many addresses its other members use by their last counts; those that count some."""
    found = {
        number: sum(count.used for count in member_counts(tx, number) if count.device_id != device_id)
        for number in numbers
    }
    return {number: used for number, used in found.items() if used}


def marked_pools(tx: Transaction, device_id: int) -> list[MarkedPool]:
    """The device pools that have a mark, and blocks on this device."""
    rows = tx.all(
        "SELECT device_pool.id, device.name || '/' || device_pool.name, usage_high, usage_low, usage_level"
        " FROM device_pool JOIN device ON device.id = device_pool.device_id WHERE usage_high IS NOT NULL"
        " AND device_pool.owner_id IN (SELECT owner_id FROM owner_member WHERE device_id = :device)"
        " ORDER BY device_pool.id",
        device=device_id,
    )
    return [MarkedPool(*row) for row in rows]


def pool_fill(tx: Transaction, device_pool_id: int) -> tuple[int, int]:
    """How much of a device pool is in use, and how much of it there is, of blocks that serve and were counted; in
    subscribers, whatever the device counts."""
    rows = tx.all(
        "SELECT block.family, first, length, delegated_length, used FROM block JOIN pool ON pool.id = pool_id"
        " WHERE device_pool_id = :id AND used IS NOT NULL AND (state = 'installed' OR state = 'draining')",
        id=device_pool_id,
    )
    fills = [
        subscribers_of(Prefix.read(family, bytes(first), length), delegated, int(counted), None)
        for family, first, length, delegated, counted in rows
    ]
    return sum(used for used, _ in fills), sum(capacity for _, capacity in fills)


def set_level(tx: Transaction, device_pool_id: int, level: str) -> None:
    """Remember what was told of a device pool."""
    tx.run("UPDATE device_pool SET usage_level = :level WHERE id = :id", level=level, id=device_pool_id)
