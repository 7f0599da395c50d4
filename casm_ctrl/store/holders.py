"""Who had an address at a time: live and freed blocks, by exact look-ups.

A block that holds an address is found without a scan: live blocks of a space are disjoint, so the one that
begins last at or before the address is the only one to ask; of freed ones, each prefix length that ever was
in use is probed with the address cut to it. The index has the time behind the prefix, so of a prefix that
was given out a million times one row is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from casm_ctrl.addressing.ports import port_spot
from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, to_key
from casm_ctrl.base.clock import Micros
from casm_ctrl.store import blocks, past_blocks, pools
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.past_blocks import PastBlock
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Spot:
    """An address, and a port where it matters which one of a shared address is meant."""

    family: Family
    value: int
    port: int | None = None

    @property
    def prefix(self) -> Prefix:
        return Prefix(self.family, self.value, self.family.width)


@dataclass(frozen=True)
class Place:
    """What an address is now that no block holds: `what` is free, exclusion, reservation, held or outside.

    `pool` is the innermost pool around it. Outside all pools: `nearest` are the pool prefixes next to it.
    """

    what: str
    pool: PoolRow | None
    reason: str = ""
    nearest: tuple[tuple[str, Prefix], ...] = ()


def spaces_with_history(tx: Transaction) -> list[int]:
    """The ids of the spaces that are there or had blocks; reads one row of history for each."""
    found = {int(row[0]) for row in tx.all("SELECT id FROM space")}
    last = -1
    while True:
        row = tx.first(
            "SELECT space_id FROM past_block WHERE space_id > :last ORDER BY space_id LIMIT 1", last=last
        )
        if row is None:
            return sorted(found)
        last = int(row[0])
        found.add(last)


# --- Live blocks ----------------------------------------------------------------------------------


def live_holders(tx: Transaction, space_id: int, spot: Spot) -> list[BlockRow]:
    """The live blocks that hold the address, or the port of it: one, or every port set of the address."""
    if spot.port is None:
        return blocks.blocks_in_range(tx, space_id, spot.prefix.range)
    last = _before(tx, space_id, spot.family.number, spot.prefix.last_key)
    if last is None or last.prefix.last_key < spot.prefix.first_key:
        return []
    if last.prefix.psid is None:
        return [last]
    offset = pools.get_pool(tx, last.pool_id).psid_offset
    bits = None if offset is None else port_spot(spot.port, offset)
    if bits is None:
        return []
    key = to_key((spot.value << PORT_BITS) | bits)
    block = _before(tx, space_id, spot.family.number, key)
    return [] if block is None or block.prefix.last_key < key else [block]


def _before(tx: Transaction, space_id: int, family: int, key: bytes) -> BlockRow | None:
    """The live block that begins last at or before `key`."""
    row = tx.first(
        "SELECT id FROM block WHERE space_id = :space AND family = :family AND first <= :key"
        " ORDER BY first DESC LIMIT 1",
        space=space_id,
        family=family,
        key=key,
    )
    return None if row is None else blocks.get_block(tx, row[0])


# --- Freed blocks ---------------------------------------------------------------------------------


def past_holders_at(tx: Transaction, space_id: int, spot: Spot, moment: Micros) -> list[PastBlock]:
    """Of each prefix around the address the freed block that was the last to be allocated by `moment`.

    Some of them were free again by then: the caller looks at `freed_at`.
    """
    family = spot.family.number
    found: list[PastBlock] = []
    for length in _lengths(tx, space_id, family):
        if length <= spot.family.width:
            cut = spot.value & (-1 << (spot.family.width - length))
            keys: list[tuple[bytes, int | None]] = [(Prefix(spot.family, cut, length).first_key, None)]
        else:
            keys = list(_port_sets(tx, space_id, spot, length))
        for key, offset in keys:
            past = _last_by(tx, space_id, family, length, key, moment)
            if past is not None and (offset is None or past.psid_offset == offset):
                found.append(past)
    return found


def _lengths(tx: Transaction, space_id: int, family: int) -> Iterator[int]:
    """The prefix lengths that freed blocks of a space have; one look-up each."""
    length = -1
    while True:
        row = tx.first(
            "SELECT length FROM past_block WHERE space_id = :space AND family = :family AND length > :length"
            " ORDER BY length LIMIT 1",
            space=space_id,
            family=family,
            length=length,
        )
        if row is None:
            return
        length = int(row[0])
        yield length


def _port_sets(tx: Transaction, space_id: int, spot: Spot, length: int) -> Iterator[tuple[bytes, int | None]]:
    """(first key, PSID offset) of each port set of `length` that the port may be in, for the offset was the
    pool's at that time; without a port (key, None) of all that the address ever had."""
    bits = length - Family.IPV4.width
    if spot.port is not None:
        for offset in range(PORT_BITS - bits + 1):
            port_bits = port_spot(spot.port, offset)
            if port_bits is not None:
                cut = port_bits & (-1 << (PORT_BITS - bits))
                yield to_key((spot.value << PORT_BITS) | cut), offset
        return
    key, last = to_key((spot.value << PORT_BITS) - 1) if spot.value else b"", spot.prefix.last_key
    while True:
        row = tx.first(
            "SELECT first FROM past_block WHERE space_id = :space AND family = 4 AND length = :length"
            " AND first > :key AND first <= :last ORDER BY first LIMIT 1",
            space=space_id,
            length=length,
            key=key,
            last=last,
        )
        if row is None:
            return
        key = bytes(row[0])
        yield key, None


def _last_by(
    tx: Transaction, space_id: int, family: int, length: int, key: bytes, moment: Micros
) -> PastBlock | None:
    row = tx.first(
        "SELECT id FROM past_block WHERE space_id = :space AND family = :family AND length = :length"
        " AND first = :key AND allocated_at <= :moment ORDER BY allocated_at DESC LIMIT 1",
        space=space_id,
        family=family,
        length=length,
        key=key,
        moment=moment,
    )
    return None if row is None else past_blocks.past_block(tx, row[0])


# --- What no block holds --------------------------------------------------------------------------


def place_of(tx: Transaction, space_id: int, spot: Spot) -> Place:
    """What an address is in the pools as they are now."""
    key, family = spot.prefix.first_key, spot.family.number
    pool_id = _pool_around(tx, space_id, family, key)
    if pool_id is None:
        return Place("outside", None, nearest=_neighbours(tx, space_id, family, key))
    while True:
        row = tx.first(
            "SELECT kind, child_id, reason, last FROM carve WHERE pool_id = :pool AND first <= :key"
            " ORDER BY first DESC LIMIT 1",
            pool=pool_id,
            key=key,
        )
        if row is None or bytes(row[3]) < key:
            return Place("free", pools.get_pool(tx, pool_id))
        if row[1] is None:
            return Place(row[0], pools.get_pool(tx, pool_id), row[2])
        pool_id = int(row[1])


def _pool_around(tx: Transaction, space_id: int, family: int, key: bytes) -> int | None:
    row = tx.first(
        "SELECT pool_id, last FROM pool_prefix WHERE space_id = :space AND family = :family AND first <= :key"
        " ORDER BY first DESC LIMIT 1",
        space=space_id,
        family=family,
        key=key,
    )
    return None if row is None or bytes(row[1]) < key else int(row[0])


def _neighbours(tx: Transaction, space_id: int, family: int, key: bytes) -> tuple[tuple[str, Prefix], ...]:
    """The pool prefixes right below and above, with their pools' names."""
    found: list[tuple[str, Prefix]] = []
    for side, order in (("<", "DESC"), (">", "ASC")):
        row = tx.first(
            "SELECT pool.name, pool_prefix.first, length FROM pool_prefix JOIN pool ON pool.id = pool_id"
            f" WHERE pool_prefix.space_id = :space AND pool_prefix.family = :family"
            f" AND pool_prefix.first {side} :key ORDER BY pool_prefix.first {order} LIMIT 1",
            space=space_id,
            family=family,
            key=key,
        )
        if row is not None:
            found.append((row[0], Prefix.read(family, row[1], row[2])))
    return tuple(found)
