"""How many addresses of a block subscribers use, as its members counted them; a block's count is their sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Count:
    """What one member counted, and when."""

    device_id: int
    used: int
    at: Micros


def note_counts(tx: Transaction, device_id: int, counts: Mapping[int, int]) -> None:
    """Keep what one device counted now, by block. Decimal strings: IPv6 has more than 64 bits count.

    The block gets the sum over its members, with the time of the oldest of their counts.
    """
    for number, used in sorted(counts.items()):
        kept = tx.run(
            "UPDATE block_member SET used = :used, used_at = :now WHERE block_id = :block AND device_id = :device",
            used=str(used),
            now=tx.now,
            block=number,
            device=device_id,
        )
        if kept:
            known = member_counts(tx, number)
            tx.run(
                "UPDATE block SET used = :used, used_at = :at WHERE id = :id",
                used=str(sum(count.used for count in known)),
                at=min(count.at for count in known),
                id=number,
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
