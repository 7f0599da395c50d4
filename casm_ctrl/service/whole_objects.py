"""Objects on a device that were adopted whole: which blocks each holds, and what of it is none of them.

Such an object is not ours to render, and it may hold several blocks. Once its blocks are managed one by one it
is recorded as ours without a block, and holds them until the next apply replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casm_ctrl.store import adoptions
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.transaction import Transaction

Key = tuple[str, tuple[str, ...]]
"""(path, keys) of an object."""


@dataclass(frozen=True)
class WholeObjects:
    """`pieces`: the blocks of each object that nobody manages. `split`: objects whose blocks are managed."""

    pieces: Mapping[Key, tuple[int, ...]]
    split: frozenset[Key]

    @staticmethod
    def read(tx: Transaction, device_id: int, objects: Iterable[ObjectRow]) -> WholeObjects:
        pieces: dict[Key, tuple[int, ...]] = {}
        for piece in adoptions.pieces_on(tx, device_id):
            key = (piece.path, piece.keys)
            pieces[key] = (*pieces.get(key, ()), piece.block)
        split = (row for row in objects if row.block is None and row.origin == "adopted")
        return WholeObjects(pieces, frozenset((row.path, row.keys) for row in split))

    def given_up(self, owned: Mapping[int, BlockRow]) -> dict[Key, ObjectRow]:
        """The objects none of whose blocks is the device's any more: each as if it were its first block's."""
        return {
            key: ObjectRow(*key, numbers[0], "adopted")
            for key, numbers in self.pieces.items()
            if not any(number in owned for number in numbers)
        }

    def blocks_at(self, key: Key, space: int | None, owned: Mapping[int, BlockRow]) -> list[BlockRow]:
        """Those of the device's blocks (`owned`) that may stand in an object in a space; none where it is no
        adopted one, or none of its blocks is the device's any more."""
        if key in self.pieces:
            numbers = self.pieces[key]
            return [owned[n] for n in numbers if n in owned and owned[n].space_id == space]
        if key not in self.split:
            return []
        return [block for block in owned.values() if block.space_id == space]
