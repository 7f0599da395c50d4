"""Does a change of many devices take addresses from one owner and give them to another? Pure.

That is never one change: the taker may have them only after reads proved them gone from the giver, and a
rest (promise 3). It is two plans.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers.interface import Action
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.sync.converge import Found


@dataclass(frozen=True)
class Part:
    """Addresses that a device has to give up, or is to get. `owner` None: nobody who is known."""

    device: str
    owner: int | None
    space: int
    range: Range


@dataclass(frozen=True)
class Moves:
    """What one device's change takes away there, and what it is to get: also what is held back now."""

    taken: tuple[Part, ...]
    given: tuple[Part, ...]


def moves_of(found: Found) -> Moves:
    """Of a device's objects that the change removes or alters, all they span; of its blocks, those that are
    added or held."""
    desired, seen = found.wanted, found.seen
    blocks = {block.id: block for block in desired.blocks}
    spans = {r.key: r.range for r in seen.ranges}
    name, home = desired.device.name, desired.device.space_id
    taken, given = [], []
    for change in found.difference.edit.changes:
        block = None if change.block is None else blocks.get(change.block)
        span = spans.get(change.key)
        if change.action in (Action.REMOVE, Action.CHANGE) and span is not None:
            owner = None if block is None else block.owner_id
            taken.append(Part(name, owner, home if block is None else block.space_id, span))
        if change.action is Action.ADD and block is not None:
            given.append(_whole(name, block))
    given += [_whole(name, blocks[number]) for number in found.decision.held if number in blocks]
    return Moves(tuple(taken), tuple(given))


def moved(found: Iterable[Moves]) -> Iterator[tuple[Part, Part]]:
    """Each part that is taken from one owner, with a part of another owner that shares addresses with it."""
    moves = list(found)
    given: dict[tuple[int, int], list[Part]] = {}
    for part in (part for one in moves for part in one.given):
        given.setdefault((part.space, part.range.family.number), []).append(part)
    for parts in given.values():
        parts.sort(key=_first_key)
    for taken in (part for one in moves for part in one.taken):
        parts = given.get((taken.space, taken.range.family.number), [])
        index = bisect.bisect_right(parts, taken.range.last_key, key=_first_key)
        # What is given is disjoint but for members of a group, which get the same.
        while index > 0 and parts[index - 1].range.last_key >= taken.range.first_key:
            index -= 1
            if parts[index].device != taken.device and parts[index].owner != taken.owner:
                yield taken, parts[index]


def _first_key(part: Part) -> bytes:
    """Port sets and whole addresses on one scale."""
    return part.range.first_key


def _whole(device: str, block: BlockRow) -> Part:
    return Part(device, block.owner_id, block.space_id, block.prefix.range)
