"""Take over blocks that were adopted: from here on they are rendered, drained and released as any other.

A block that is all of its object keeps that object: the driver keeps the key under which it was found. An object
that holds several blocks is split: it becomes ours to remove, and the next apply puts one object for each block in its
place, in one edit.
"""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.errors import IllegalTransition, InUse
from casm_ctrl.service.release import each_block
from casm_ctrl.service.verb import Document
from casm_ctrl.store import adoptions, blocks, observations
from casm_ctrl.store.adoptions import PieceRow
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.store.static_assignments import statics_in
from casm_ctrl.store.transaction import Transaction

_SHOWN = 4


def manage(
    database: Database, author: Author, names: Sequence[str], *, space: str | None = None, split: bool = False
) -> Document:
    """Manage adopted blocks; those that are managed already stay as they are. Nothing is sent.

    IllegalTransition where an object holds more than the block, unless `split`: then all its blocks are managed.
    """

    def one(tx: Transaction, block: BlockRow) -> BlockRow:
        pieces = adoptions.pieces_of(tx, block.id)
        together = sorted({mate.block for piece in pieces for mate in adoptions.pieces_in(tx, piece)})
        if not together:
            return block
        if len(together) > 1:
            mates = [blocks.get_block(tx, number) for number in together]
            if not split:
                raise _refuse(block, pieces[0], mates)
            _refuse_statics(tx, mates)
            for mate in mates:
                _manage(tx, author, mate, "split")
            return blocks.get_block(tx, block.id)
        _manage(tx, author, block, "managed as it is")
        return blocks.get_block(tx, block.id)

    return each_block(database, author, "manage", names, space, one, {"split": split})


def _refuse(block: BlockRow, piece: PieceRow, mates: Sequence[BlockRow]) -> IllegalTransition:
    listed = ", ".join(mate.label for mate in mates[:_SHOWN])
    more = f" and {len(mates) - _SHOWN} more" if len(mates) > _SHOWN else ""
    return IllegalTransition(
        f"{block.label} is a part of {piece.label} on {piece.device}, whose range is no prefix: {listed}{more}",
        f"'casm block manage {block.name} --split' manages all of them; the next apply puts an object for each in"
        " its place",
    )


def _refuse_statics(tx: Transaction, mates: Sequence[BlockRow]) -> None:
    """What replaces the object would not have them."""
    for mate in mates:
        for static in statics_in(tx, mate.space_id, mate.prefix):
            raise InUse(
                f"{static.prefix} is assigned by {static.label} on {static.device}, and a split replaces the object"
                " in which it stands",
                "move the static assignment out of it on the device, and adopt again",
            )


def _manage(tx: Transaction, author: Author, block: BlockRow, how: str) -> None:
    for piece in adoptions.pieces_of(tx, block.id):
        whole = len(adoptions.pieces_in(tx, piece)) == 1 and how != "split"
        row = ObjectRow(piece.path, piece.keys, block.id if whole else None, "adopted")
        observations.put_objects(tx, piece.device_id, [row])
    words = f"{how}: {', '.join(f'{p.label} on {p.device}' for p in adoptions.pieces_of(tx, block.id))}"
    adoptions.forget_pieces(tx, adoptions.pieces_of(tx, block.id))
    after = blocks.mark_sent(tx, block)  # what was planned before is another plan now
    state = after.state.value
    record(tx, author, [Event("manage", "block", block.id, block.label, state, state, words)])
