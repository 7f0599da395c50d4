"""Spans of addresses beside blocks: which blocks were touched, and what lies outside of all of them. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, Range
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.observations import RangeRow


def touched_blocks(mine: Iterable[BlockRow], ranges: Iterable[RangeRow]) -> set[int]:
    """The blocks with whose addresses any range that was seen in their space, anybody's, shares one."""
    by_scope: dict[tuple[int | None, int], list[BlockRow]] = {}
    for block in mine:
        by_scope.setdefault((block.space_id, block.prefix.family.number), []).append(block)
    for group in by_scope.values():
        group.sort(key=_first)
    touched: set[int] = set()
    for row in ranges:
        group = by_scope.get((row.space_id, row.range.family.number), [])
        first, last = _scaled(row.range)  # whole addresses hold port sets, which are of another family
        index = bisect.bisect_right(group, last, key=_first)
        while index > 0 and _scaled(group[index - 1].prefix)[1] >= first:
            index -= 1
            touched.add(group[index].id)
    return touched


def _first(block: BlockRow) -> int:
    return _scaled(block.prefix)[0]


def outside(span: Range, homes: Iterable[BlockRow]) -> list[Range]:
    """The parts of `span` that lie in none of `homes`, in order."""
    near = [home.prefix for home in homes if home.prefix.overlaps(span)]
    if not near:
        return [span]
    family = Family.IPV6 if span.family is Family.IPV6 else Family.PORTS
    parts: list[Range] = []
    first, last = _scaled(span)
    for low, high in sorted(map(_scaled, near)):
        if low > first:
            parts.append(_plain(family, first, low - 1))
        first = max(first, high + 1)
    if first <= last:
        parts.append(_plain(family, first, last))
    return parts


def _scaled(span: Range | Prefix) -> tuple[int, int]:
    """First and last value on the store's scale."""
    return span.first << span.family.shift, ((span.last + 1) << span.family.shift) - 1


def _plain(family: Family, first: int, last: int) -> Range:
    """Whole addresses as IPv4."""
    whole = (1 << PORT_BITS) - 1
    if family is Family.PORTS and first & whole == 0 and last & whole == whole:
        return Range(Family.IPV4, first >> PORT_BITS, last >> PORT_BITS)
    return Range(family, first, last)
