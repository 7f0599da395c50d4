"""Take many particular prefixes from a pool's free space at once: an import of blocks.

The cost is that of the free rows that are touched, not of the prefixes: of a whole pool it is one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.store.free_space import ANYBODY, insert_free
from casm_ctrl.store.transaction import Transaction


def take_prefixes(
    tx: Transaction, pool_id: int, prefixes: Iterable[Prefix], tenant: int = ANYBODY
) -> list[Prefix]:
    """Take `prefixes`, which share no address; returns those that one free row does not hold whole, which are
    left as they were."""
    ordered = sorted(prefixes, key=lambda prefix: prefix.first_key)
    missing: list[Prefix] = []
    index = 0
    while index < len(ordered):
        holder = _take_holder(tx, pool_id, ordered[index], tenant)
        if holder is None:
            missing.append(ordered[index])
            index += 1
            continue
        begin = index
        while index < len(ordered) and holder.contains(ordered[index]):
            index += 1
        insert_free(tx, pool_id, _gaps(holder, ordered[begin:index]), tenant)
    return missing


def _take_holder(tx: Transaction, pool_id: int, prefix: Prefix, tenant: int) -> Prefix | None:
    """Delete the free row that holds `prefix`, and return it."""
    scale = Family.IPV6 if prefix.family is Family.IPV6 else Family.PORTS
    prefix = prefix.of(scale)
    for length in range(prefix.length, -1, -1):
        holder = Prefix(scale, prefix.first & (-1 << (scale.width - length)), length)
        deleted = tx.run(
            "DELETE FROM free_block WHERE pool_id = :pool AND tenant = :tenant AND length = :length"
            " AND first = :first",
            pool=pool_id,
            tenant=tenant if scale is Family.PORTS and length > Family.IPV4.width else ANYBODY,
            length=length,
            first=holder.first_key,
        )
        if deleted:
            return holder
    return None


def _gaps(holder: Prefix, taken: Iterable[Prefix]) -> Iterator[Prefix]:
    """The fewest prefixes that cover what of `holder` is not `taken`, which is in order."""
    at = holder.first
    for prefix in taken:
        scaled = prefix.of(holder.family)
        if scaled.first > at:
            yield from Range(holder.family, at, scaled.first - 1).prefixes()
        at = scaled.last + 1
    if at <= holder.last:
        yield from Range(holder.family, at, holder.last).prefixes()
