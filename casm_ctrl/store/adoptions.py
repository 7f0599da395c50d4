"""Blocks that were found on devices, and the objects there in which they are: theirs until somebody manages them.

An object whose addresses are no prefix is several blocks, and stays one object. A row ends when its block is
managed (an object of ours stands for it then), or freed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.ports import write_block
from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.store.block_numbers import next_numbers
from casm_ctrl.store.blocks import count_blocks
from casm_ctrl.store.devices import DevicePoolRow, Member
from casm_ctrl.store.events import Author, record_alike
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.reserve import reserve_many
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True, order=True)
class PieceRow:
    """A block, and an object on a device of which it is all or a part."""

    block: int
    device_id: int
    device: str
    path: str
    keys: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.path}[{', '.join(self.keys)}]"


_COLUMNS = (
    "block_id, device_id, device.name, path, keys FROM adopted_piece JOIN device ON device.id = device_id"
)


def _piece(row: Row) -> PieceRow:
    return PieceRow(row[0], row[1], row[2], row[3], tuple(json.loads(row[4])))


def adopt_blocks(
    tx: Transaction,
    author: Author,
    device_pool: DevicePoolRow,
    members: Sequence[Member],
    pool: PoolRow,
    prefixes: Sequence[Prefix],
    objects: Mapping[int, tuple[str, tuple[str, ...]]],
    *,
    drained: bool = False,
) -> list[int]:
    """Make `prefixes` (already taken from the pool's free rows) installed blocks of a device pool, all of them in
    one object: (path, keys) by device id. Returns the ids.

    They count as sent: they are on a device, and leave it as others do. `drained`: the object is,
    and is to stay so.
    """
    values: dict[str, object] = {
        "pool_id": pool.id,
        "space_id": pool.space_id,
        "public": int(pool.public),
        "device_pool_id": device_pool.id,
        "owner_id": device_pool.owner_id,
        "expires_at": None,
    }
    numbers = next_numbers(tx, len(prefixes))
    shared = bool(pool.tenant(1))
    wanted = Wanted.DRAINED if drained else Wanted.PRESENT
    reserve_many(
        tx, values, members, prefixes, numbers, shared=shared, state=State.INSTALLED, wanted=wanted, sent=True
    )
    for length, count in Counter(prefix.length for prefix in prefixes).items():
        count_blocks(tx, pool.id, State.INSTALLED, length, count)
    subjects = (
        (number, f"{block_id(number)} {write_block(prefix, pool.psid_offset)}")
        for number, prefix in zip(numbers, prefixes, strict=True)
    )
    record_alike(tx, author, "adopt", "block", subjects, State.FREE.value, State.INSTALLED.value)
    tx.run_many(
        "INSERT INTO adopted_piece (block_id, device_id, path, keys) VALUES (:block, :device, :path, :keys)",
        (
            {"block": number, "device": device_id, "path": path, "keys": json.dumps(keys)}
            for device_id, (path, keys) in sorted(objects.items())
            for number in numbers
        ),
    )
    return numbers


def pieces_on(tx: Transaction, device_id: int) -> list[PieceRow]:
    """Of all adopted objects on a device."""
    return [_piece(row) for row in tx.all(f"SELECT {_COLUMNS} WHERE device_id = :id", id=device_id)]


def pieces_of(tx: Transaction, block: int) -> list[PieceRow]:
    """The objects of one block: one on each device that has it. None where it is managed."""
    rows = tx.all(f"SELECT {_COLUMNS} WHERE block_id = :block ORDER BY device.name", block=block)
    return [_piece(row) for row in rows]


def pieces_in(tx: Transaction, piece: PieceRow) -> list[PieceRow]:
    """All pieces of the object that `piece` is a part of."""
    rows = tx.all(
        f"SELECT {_COLUMNS} WHERE device_id = :device AND path = :path AND keys = :keys ORDER BY block_id",
        device=piece.device_id,
        path=piece.path,
        keys=json.dumps(piece.keys),
    )
    return [_piece(row) for row in rows]


def unmanaged_blocks(tx: Transaction) -> frozenset[int]:
    """All blocks that were adopted and that nobody manages."""
    return frozenset(row[0] for row in tx.all("SELECT DISTINCT block_id FROM adopted_piece"))


def forget_pieces(tx: Transaction, pieces: Iterable[PieceRow]) -> None:
    """The blocks are managed from here on."""
    tx.run_many(
        "DELETE FROM adopted_piece WHERE block_id = :block AND device_id = :device",
        ({"block": piece.block, "device": piece.device_id} for piece in pieces),
    )
