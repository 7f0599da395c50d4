"""Free space by strategies other than best fit: adjacent and sparse. Every look is one step in an index.

Whole addresses only: a free piece of a shared address has an owner, and best fit uses it up first
(free_space.take).
"""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.addressing.prefix import Family, Prefix, to_key
from casm_ctrl.addressing.strategy import Routes, closest_inside, common_length
from casm_ctrl.store import free_space
from casm_ctrl.store.transaction import Transaction

MOST_PIECES = 256
"""One request looks for so many neighbours, then takes the rest by best fit."""

ANCHORS = 8
"""Where nothing merges, so many of the device pool's widest routes are looked around for the nearest."""

TRIES = 16
"""Another transaction may take what was found: look again so many times, then leave it to best fit."""

_OF_POOL = "SELECT length, first FROM free_block WHERE pool_id = :pool AND tenant = 0"
LARGEST = f"{_OF_POOL} ORDER BY length ASC LIMIT 1"
FIRST_OF = f"{_OF_POOL} AND length = :length ORDER BY first LIMIT 1"
AFTER = f"{_OF_POOL} AND length = :length AND first >= :first ORDER BY first LIMIT 1"
BEFORE = f"{_OF_POOL} AND length = :length AND first < :first ORDER BY first DESC LIMIT 1"
DELETE = "DELETE FROM free_block WHERE pool_id = :pool AND tenant = 0 AND length = :length AND first = :first"


def take_sparse(tx: Transaction, pool_id: int, family: Family, length: int, count: int) -> list[Prefix]:
    """Up to `count` blocks, each the first of the largest free prefix there is.

    So blocks come to lie at the start, the half, the quarters: each with as much free behind it as before
    the next, where it can grow without a second route (RFC 3531: bits assigned from the left). Where others
    are always quicker, the rest is taken by best fit, which waits for its turn.
    """
    taken: list[Prefix] = []
    tries = 0
    while len(taken) < count and tries < TRIES:
        free = _largest(tx, pool_id, family)
        if free is None or free.length > length:
            break
        block = Prefix(free.family, free.first, length)
        if _cut(tx, pool_id, free, block):
            taken.append(block.plain)
            tries = 0
        else:
            tries += 1
    if len(taken) < count:
        taken += free_space.take(tx, pool_id, family, length, count - len(taken))
    return taken


def take_adjacent(
    tx: Transaction, pool_id: int, family: Family, length: int, count: int, have: Sequence[Prefix]
) -> list[Prefix]:
    """Up to `count` blocks that need few routes beside those that the device pool has (`have`).

    First what merges with a route into one, the largest such; then the nearest free space, in as large a
    piece as is left to take. What no neighbour is found for is taken by best fit.
    """
    scale = free_space_scale(family)
    routes = Routes(prefix.of(scale) for prefix in have)
    taken: list[Prefix] = []
    pieces = tries = 0
    while len(routes) and len(taken) < count and pieces < MOST_PIECES and tries < TRIES:
        found = _merging(tx, pool_id, routes, length, count - len(taken)) or _nearest(
            tx, pool_id, family, routes, length, count - len(taken)
        )
        if found is None:
            break
        free, piece = found
        if not _cut(tx, pool_id, free, piece):
            tries += 1
            continue
        routes.add(piece)
        pieces, tries = pieces + 1, 0
        size = 1 << (piece.family.width - length)
        taken += (
            Prefix(piece.family, first, length).plain for first in range(piece.first, piece.last + 1, size)
        )
    if len(taken) < count:
        taken += free_space.take(tx, pool_id, family, length, count - len(taken))
    return taken


def free_space_scale(family: Family) -> Family:
    """The scale of the store's free rows: IPv4 has 48 bits there."""
    return Family.IPV6 if family is Family.IPV6 else Family.PORTS


def _merging(
    tx: Transaction, pool_id: int, routes: Routes, length: int, count: int
) -> tuple[Prefix, Prefix] | None:
    """A free buddy of a route, of one block or of as many as are wanted; it is a free row by itself,
    because its parent holds the route."""
    for bits in range(min(count.bit_length() - 1, length), -1, -1):
        for route in routes.of_length(length - bits):
            if length - bits == 0:
                continue
            buddy = route.buddy
            if _is_free(tx, pool_id, buddy):
                return buddy, buddy
    return None


def _nearest(
    tx: Transaction, pool_id: int, family: Family, routes: Routes, length: int, count: int
) -> tuple[Prefix, Prefix] | None:
    """(free row, piece of it): the piece shares the longest prefix with a route, and is as large as wanted
    and possible; of equals that in the smallest row."""
    largest = _largest(tx, pool_id, family)
    if largest is None or largest.length > length:
        return None
    wanted = max(largest.length, length - (count.bit_length() - 1))
    best: tuple[int, Prefix, Prefix] | None = None
    for anchor in routes.widest(ANCHORS):
        for row_length in range(wanted, largest.length - 1, -1):
            for free in _around(tx, pool_id, anchor, row_length):
                piece = closest_inside(free, wanted, anchor)
                shared = common_length(piece, anchor)
                if best is None or shared > best[0]:
                    best = shared, free, piece
    return None if best is None else best[1:]


def _around(tx: Transaction, pool_id: int, anchor: Prefix, length: int) -> list[Prefix]:
    """The nearest free rows of a length behind and before a prefix."""
    key = to_key(anchor.first)
    rows = (tx.first(sql, pool=pool_id, length=length, first=key) for sql in (AFTER, BEFORE))
    return [Prefix(anchor.family, int.from_bytes(row[1], "big"), row[0]) for row in rows if row is not None]


def _largest(tx: Transaction, pool_id: int, family: Family) -> Prefix | None:
    """The largest free prefix, the first of equals: two steps, because the index runs the other way.

    None too where others took it between the steps.
    """
    row = tx.first(LARGEST, pool=pool_id)
    row = row and tx.first(FIRST_OF, pool=pool_id, length=row[0])
    if row is None:
        return None
    return Prefix(free_space_scale(family), int.from_bytes(row[1], "big"), row[0])


def _is_free(tx: Transaction, pool_id: int, prefix: Prefix) -> bool:
    row = tx.first(AFTER, pool=pool_id, length=prefix.length, first=prefix.first_key)
    return row is not None and row[1] == prefix.first_key


def _cut(tx: Transaction, pool_id: int, free: Prefix, piece: Prefix) -> bool:
    """Take `piece` out of the free row; False where somebody else was quicker."""
    if tx.run(DELETE, pool=pool_id, length=free.length, first=free.first_key) != 1:
        return False
    free_space.insert_free(tx, pool_id, free.subtract(piece))
    return True
