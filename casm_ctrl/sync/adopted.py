"""What was adopted on a device and is in objects that are not rendered by us: where its blocks stand. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange
from casm_ctrl.service.desired import Desired
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.states import State

_OWNED = (State.RESERVED, State.INSTALLED, State.DRAINING, State.WITHDRAWING)


@dataclass(frozen=True)
class AdoptedObject:
    """An object that nobody manages, and the blocks in it, in the order of their addresses."""

    key: ObjectKey
    blocks: tuple[BlockRow, ...]

    @property
    def span(self) -> Range:
        """What the object held when it was adopted."""
        first, last = self.blocks[0].prefix, self.blocks[-1].prefix
        if first.family is last.family:
            return Range(first.family, first.first, last.last)
        return Range.read(first.family.number, first.first_key, last.last_key)


def adopted_objects(desired: Desired) -> Iterator[AdoptedObject]:
    """Those whose blocks are still the device's."""
    by_number = {block.id: block for block in desired.blocks if block.state in _OWNED}
    found: dict[ObjectKey, list[BlockRow]] = {}
    for piece in desired.adopted:
        if piece.block in by_number:
            found.setdefault(ObjectKey(piece.path, piece.keys), []).append(by_number[piece.block])
    for key, blocks in found.items():
        yield AdoptedObject(key, tuple(sorted(blocks, key=lambda block: block.prefix.first_key)))


def standing(desired: Desired, seen: Seen) -> Mapping[int, SeenRange]:
    """By block without an object of its own, the adopted object on the device: that which nobody manages, or one
    that was split and is not replaced yet."""
    by_key = {one.key: one for one in seen.ranges}
    found: dict[int, SeenRange] = {}
    for piece in desired.adopted:
        there = by_key.get(ObjectKey(piece.path, piece.keys))
        if there is not None:
            found[piece.block] = there
    split = [
        by_key[key]
        for row in desired.objects
        if row.block is None and row.origin == "adopted"
        if (key := ObjectKey(row.path, row.keys)) in by_key
    ]
    placed = {row.block for row in desired.objects} | found.keys()
    for block in desired.blocks if split else ():
        if block.id in placed:
            continue
        for one in split:
            if one.range is not None and one.range.contains(block.prefix):
                found[block.id] = one
    return found
