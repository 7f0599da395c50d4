"""The guards of promise 7 against removing too much, or out of an old store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from casm_ctrl.base.errors import MassRemoval, StoreBehind
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.states import State

SHARE = 10
"""Percent of a device's owned addresses that one apply may remove unasked; one block always may go."""

_ON_DEVICE = (State.INSTALLED, State.DRAINING, State.WITHDRAWING)


def guard_removal(
    device: str, removed: Sequence[BlockRow], owned: Sequence[BlockRow], confirmed: int | None
) -> None:
    """MassRemoval where `removed` are more than the larger of one block and SHARE percent, and nobody
    confirmed that many. Each family is judged by itself: beside one IPv6 block all of IPv4 is nothing."""
    if len(removed) <= 1 or (confirmed is not None and len(removed) <= confirmed):
        return
    for number in sorted({block.prefix.family.number for block in removed}):
        going = _addresses(removed, number)
        held = _addresses((block for block in owned if block.state in _ON_DEVICE), number)
        if going * 100 > held * SHARE:
            share = f"{100 * going // held} % of" if held else "all"
            raise MassRemoval(
                f"apply would remove {len(removed)} blocks ({going:,} IPv{number} addresses,"
                f" {share} what {device} holds) at once",
                f"look at 'casm plan {device}', then run 'casm apply {device} --confirm-removal {len(removed)}'",
            )


def _addresses(blocks: Iterable[BlockRow], number: int) -> int:
    return sum(block.prefix.size for block in blocks if block.prefix.family.number == number)


def guard_generation(
    device: str,
    marked: int | None,
    known: int,
    newest_mark: int | None,
    last_block: int,
    removals: int,
    confirmed: int | None,
) -> None:
    """StoreBehind where the device was last edited by a later state of this store than this one.

    `marked` is the generation on the device, `known` the store's own; `newest_mark` the highest block
    number in our marks there, `last_block` the highest that this store ever gave.
    """
    if confirmed is not None and removals <= confirmed:
        return
    if marked is not None and marked > known:
        found = f"edit {marked} on it, and this store made only {known}"
    elif newest_mark is not None and newest_mark > last_block:
        found = f"block b{newest_mark} on it, and this store's last is b{last_block}"
    else:
        return
    raise StoreBehind(
        f"{device} was last written by a later copy of this store: there is {found}",
        f"use that copy; or, if it is lost, look at 'casm plan {device}' and run"
        f" 'casm apply {device} --confirm-removal {removals}'",
    )
