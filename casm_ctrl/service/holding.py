"""Free space in which somebody else's configuration was seen is held: nothing is allocated from it."""

from __future__ import annotations

from collections.abc import Collection

from casm_ctrl.addressing.prefix import Prefix, Range
from casm_ctrl.store import free_space, observations, pools
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction


def hold(tx: Transaction, space_id: int, span: Range, device_id: int, reason: str) -> list[Prefix]:
    """Take what is free inside `span`, in every pool of the space and in public ones of all others, and keep it
    until `release_held`."""
    held: list[Prefix] = []
    for pool_id, prefix in (
        *pools.pools_in_range(tx, space_id, span),
        *pools.public_in_range(tx, space_id, span),
    ):
        held += _hold_in(tx, pool_id, prefix, span, device_id, reason)
    return held


def _hold_in(
    tx: Transaction, pool_id: int, prefix: Prefix, span: Range, device_id: int, reason: str
) -> list[Prefix]:
    """In a pool's prefix, and in what child pools were cut from it."""
    inside = Range(span.family, max(span.first, prefix.first), min(span.last, prefix.last))
    pieces = free_space.take_within(tx, pool_id, inside)
    pools.insert_carves(tx, pool_id, "held", pieces, device_id=device_id, reason=reason)
    for child in pools.child_pools(tx, pool_id):
        for piece in pools.pool_prefixes(tx, child):
            if piece.overlaps(inside):
                pieces += _hold_in(tx, child, piece, inside, device_id, reason)
    return pieces


def release_held(
    tx: Transaction, device_id: int, still: list[tuple[int, Range]], *, besides: Collection[int] = ()
) -> list[Prefix]:
    """Give back what was held because of a device and is not wholly under one of `still`: (space id, range)
    pairs, which are then to be held anew.

    Where another device shows a foreign range there too, the space stays held because of that one, unless it is
    one of `besides`.
    """
    released: list[Prefix] = []
    for carve in pools.list_carves(tx, device_id=device_id):
        pool = pools.get_pool(tx, carve.pool_id)
        if any(
            (pool.public or space == pool.space_id) and span.contains(carve.prefix) for space, span in still
        ):
            continue
        pools.delete_carve(tx, carve)
        free_space.give(tx, carve.pool_id, carve.prefix)
        released.append(carve.prefix)
        hold_seen(tx, pool, carve.prefix.range, besides={device_id, *besides})
    return released


def hold_seen(tx: Transaction, pool: PoolRow, span: Range, *, besides: Collection[int] = ()) -> None:
    """Hold what of `span` is under foreign ranges that earlier reads of devices showed."""
    for device_id, space_id, seen in observations.foreign_ranges(tx, pool.space_id, span, public=pool.public):
        if device_id not in besides:
            hold(tx, space_id, seen, device_id, "seen there by an earlier read")
