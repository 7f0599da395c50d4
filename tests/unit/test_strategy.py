"""Routes, covers and neighbours, against sets of addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.addressing.strategy import Routes, closest_inside, common_length, count_routes, cover

SMALL = 6
"""Bits of the little universe at the end of IPv4 in which all is counted by hand."""


@st.composite
def disjoint(draw: st.DrawFn) -> list[Prefix]:
    """Some disjoint prefixes of the last 64 addresses."""
    found: list[Prefix] = []
    for _ in range(draw(st.integers(0, 12))):
        length = draw(st.integers(32 - SMALL, 32))
        size = 1 << (32 - length)
        first = (1 << 32) - (1 << SMALL) + draw(st.integers(0, (1 << SMALL) // size - 1)) * size
        prefix = Prefix(Family.IPV4, first, length)
        if not any(prefix.overlaps(other) for other in found):
            found.append(prefix)
    return found


def naive_routes(prefixes: list[Prefix]) -> int:
    """The fewest prefixes that cover exactly these addresses: halve, and look."""
    addresses = {a for p in prefixes for a in range(p.first, p.last + 1)}

    def needed(prefix: Prefix) -> int:
        inside = sum(prefix.first <= a <= prefix.last for a in addresses)
        if inside in (0, prefix.size):
            return int(inside > 0)
        return sum(needed(half) for half in prefix.halves())

    return needed(Prefix(Family.IPV4, (1 << 32) - (1 << SMALL), 32 - SMALL))


@given(disjoint())
def test_routes_are_the_fewest(prefixes: list[Prefix]) -> None:
    assert len(Routes(prefixes)) == count_routes(prefixes) == naive_routes(prefixes)


def test_port_sets_of_one_address_are_one_route() -> None:
    whole = Prefix(Family.PORTS, 0xC0000201 << 16, 32)
    low, high = whole.halves()
    assert count_routes([low, high.halves()[0]]) == 1
    assert count_routes([low, parse_prefix("192.0.2.0/32")]) == 1


@given(
    addresses=st.integers(1, 1 << 24),
    unit=st.integers(8, 32),
    data=st.data(),
)
def test_a_cover_wastes_less_than_one_block_and_is_the_fewest(
    addresses: int, unit: int, data: st.DataObject
) -> None:
    shortest = data.draw(st.integers(max(0, unit - 16), unit))
    pieces = cover(addresses, Family.IPV4, unit, shortest)
    held = sum(count << (32 - length) for length, count in pieces)
    assert 0 <= held - addresses < 1 << (32 - unit)
    assert all(shortest <= length <= unit and count > 0 for length, count in pieces)
    assert all(count == 1 for length, count in pieces if length > shortest), "two of them would be one larger"
    assert [length for length, _ in pieces] == sorted({length for length, _ in pieces})


@pytest.mark.parametrize(
    ("addresses", "family", "unit", "expected"),
    [
        (1000, Family.IPV4, 24, [(22, 1)]),
        (1025, Family.IPV4, 24, [(22, 1), (24, 1)]),
        (1, Family.IPV4, 24, [(24, 1)]),
        (1 << 33, Family.IPV4, 8, [(16 - 16, 2)]),
        (3, Family.PORTS, 32, [(31, 1), (32, 1)]),
        (1, Family.PORTS, 36, [(32, 1)]),
        (1 << 88, Family.IPV6, 48, [(40, 1)]),
    ],
)
def test_covers(addresses: int, family: Family, unit: int, expected: list[tuple[int, int]]) -> None:
    assert cover(addresses, family, unit, 0) == expected


def test_what_is_near() -> None:
    anchor, before, behind = map(parse_prefix, ("10.0.8.0/24", "10.0.0.0/22", "10.0.12.0/22"))
    assert str(closest_inside(before, 24, anchor)) == "10.0.3.0/24"
    assert str(closest_inside(behind, 24, anchor)) == "10.0.12.0/24"
    assert common_length(anchor, behind) == 21
    assert common_length(anchor, before) == 20
