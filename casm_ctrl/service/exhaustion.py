"""Why not all of a request can be had: what is left in its pools, and which other pool has it."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.addressing.prefix import Prefix, count_addresses
from casm_ctrl.base.errors import Exhausted
from casm_ctrl.service.request import Piece, Request
from casm_ctrl.store import devices, free_space, pools
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction

_LISTED = 3
"""So many other pools are named."""


def exhausted(
    tx: Transaction,
    row: DevicePoolRow,
    sources: Sequence[PoolRow],
    runs: Sequence[tuple[PoolRow, Sequence[Prefix]]],
    request: Request,
    piece: Piece,
) -> Exhausted:
    """The refusal of a request for which `runs` were cut out of `sources`, and no `piece` more.

    To be asked before the transaction is taken back, so that what was found is not free any more.
    """
    found = sum(len(prefixes) for _, prefixes in runs)
    stock, left, largest = [], 0, None
    for pool in sources:
        length = free_space.largest_free_length(tx, pool.id)
        words = "has nothing else free" if length is None else f"has a /{length} as its largest free block"
        stock.append(f"pool '{pool.name}' {words}")
        left += free_space.free_addresses(tx, pool.id, pool.family)
        largest = length if largest is None else min(largest, length or largest)
    family = sources[0].family
    if request.addresses is None:
        asked, had = f"{request.count} block(s) of /{piece.length}", str(found)
        short = (request.count - found) << max(0, family.width - piece.length)
    else:
        asked = f"{request.addresses} addresses"
        size = sum(p.of(family).size for _, prefixes in runs for p in prefixes)
        had = count_addresses(family, size)
        short = 0
    message = f"{asked} were asked for '{row.label}', {had} could be had; then {', '.join(stock)}"
    remedy = "ask for fewer or for a longer length, add a pool, or release blocks"
    if short and left >= short and largest is not None and largest > piece.length:
        message += f"; {count_addresses(family, left)} addresses are free, but in pieces too small"
        remedy = f"ask for blocks of /{largest} or longer, or for --addresses; or release blocks beside what is free"
    elsewhere, how = _elsewhere(tx, row, sources, piece.length)
    return Exhausted(message + elsewhere, f"{how}, or {remedy}" if how else remedy)


def _elsewhere(
    tx: Transaction, row: DevicePoolRow, sources: Sequence[PoolRow], length: int
) -> tuple[str, str]:
    """Pools that were not tried and have a free block of `length`: (what was found, what to do), or twice
    nothing. First those that the device pool draws from, then others of its spaces and family."""
    drawn = devices.device_pool_sources(tx, row.id)
    tried = {pool.id for pool in sources}
    spaces = {pool.space_id for pool in sources}
    others = [
        (pool, free)
        for pool in pools.list_pools(tx)
        if pool.id not in tried
        and pool.space_id in spaces
        and (pool.family, pool.delegated_length) == (sources[0].family, sources[0].delegated_length)
        and length <= pool.longest
        and (free := free_space.largest_free_length(tx, pool.id)) is not None
        and free <= length
    ]
    own = [(pool, free) for pool, free in others if pool.id in drawn]
    listed = [f"pool '{pool.name}' has a /{free}" for pool, free in (own or others)[:_LISTED]]
    if not listed:
        return "", ""
    found = f"; {', '.join(listed)}"
    if own:
        return f"{found}, and was not to be used", f"allow it with --pool {own[0][0].name}"
    name = others[0][0].name
    kept = " ".join(f"--pool {pools.get_pool(tx, number).name}" for number in drawn)
    return (
        f"{found}, and '{row.label}' does not draw from {'it' if len(listed) == 1 else 'them'}",
        f"let it do so with 'casm device-pool change {row.label} {kept} --pool {name}'",
    )
