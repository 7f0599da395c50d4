"""The least disruptive drains that free a longer run of space, against trying every place."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.addressing.strategy import count_routes
from casm_ctrl.control.deciding.defragment import Piece, clear, what_stays

POOL = parse_prefix("10.0.0.0/24")


def piece(
    number: int, text: str, subscribers: int | None = 0, label: str = "bng1/home", stays: str = ""
) -> Piece:
    return Piece(parse_prefix(text), number, label, subscribers, stays)


def test_the_place_with_the_fewest_subscribers_is_cleared() -> None:
    found = clear(
        [POOL],
        [
            piece(1, "10.0.0.0/28", 5),
            piece(2, "10.0.0.64/28", 3),
            piece(3, "10.0.0.96/28", 1),
            piece(4, "10.0.0.128/26", 60),
            piece(5, "10.0.0.192/27", 9),
        ],
        26,
    )
    assert found is not None
    assert (str(found.place), [one.number for one in found.drains]) == ("10.0.0.64/26", [2, 3])
    assert (found.subscribers, found.routes) == (4, -2)
    assert found.because == (
        "to free 10.0.0.64/26, 2 block(s) with 4 subscribers are drained, and 2 route(s) fewer are announced: of 4 "
        "places it costs least"
    )
    assert [str(other[0]) for other in found.others] == ["10.0.0.0/26", "10.0.0.192/26", "10.0.0.128/26"]


def test_what_is_free_needs_no_drain() -> None:
    found = clear([POOL], [piece(1, "10.0.0.0/26")], 26)
    assert found is not None
    assert (str(found.place), found.drains) == ("10.0.0.64/26", ())


def test_a_block_that_is_larger_than_wanted_goes_as_a_whole() -> None:
    found = clear([POOL], [piece(1, "10.0.0.0/25", 4), piece(2, "10.0.0.128/25", 3)], 26)
    assert found is not None
    assert ([one.number for one in found.drains], found.routes) == ([2], 0)


def test_what_cannot_be_drained_is_named() -> None:
    pieces = [
        piece(1, "10.0.0.0/28", stays="the device cannot drain a block"),
        piece(2, "10.0.0.64/28", None),
        Piece(parse_prefix("10.0.0.128/25")),
    ]
    assert clear([POOL], pieces, 26) is None
    assert [(str(place), why) for place, why in what_stays([POOL], pieces, 26)] == [
        ("10.0.0.0/26", "b1 (10.0.0.0/28): the device cannot drain a block"),
        ("10.0.0.64/26", "b2 (10.0.0.64/28): who is in it is not counted"),
        ("10.0.0.128/26", "10.0.0.128/25 is no block: reserved"),
    ]


def test_no_place_in_a_pool_of_shorter_runs() -> None:
    assert clear([POOL], [], 23) is None


def test_port_sets_are_one_route_with_their_address() -> None:
    ports = [
        Prefix(Family.PORTS, POOL.first + address << 16 | index << 12, 36)
        for address in (0, 1)
        for index in (0, 1)
    ]
    owned = [Piece(prefix, number, "br1/map", number) for number, prefix in enumerate(ports)]
    found = clear([Prefix(Family.IPV4, POOL.first, 31)], owned, 32)
    assert found is not None
    assert (str(found.place), found.subscribers, found.routes) == ("10.0.0.0/32", 1, 0)
    part = clear([Prefix(Family.IPV4, POOL.first, 32)], owned[:2], 33)
    assert part is not None
    assert (str(part.place), part.drains) == ("10.0.0.0/32 psid 1/1", ())


@st.composite
def layouts(draw: st.DrawFn) -> list[Piece]:
    """Disjoint blocks of several device pools in a /24, by splitting it at random."""
    made: list[Piece] = []

    def split(prefix: Prefix) -> None:
        if prefix.length < 29 and (prefix.length < 25 or draw(st.booleans())):
            for half in prefix.halves():
                split(half)
            return
        kind = draw(st.integers(0, 9))
        if kind < 3:
            return
        made.append(
            Piece(
                prefix,
                None if kind == 3 else len(made),
                draw(st.sampled_from(["a/x", "b/y"])),
                None if kind == 4 else draw(st.integers(0, 3)),
                "it stays" if kind == 5 else "",
            )
        )

    split(POOL)
    return made


@given(layouts(), st.integers(25, 30))
@settings(max_examples=300, deadline=None)
def test_no_place_costs_less(pieces: list[Piece], length: int) -> None:
    found = clear([POOL], pieces, length)
    best: tuple[int, int, int] | None = None
    for place in POOL.beginning(length, 1 << (length - POOL.length)):
        inside = [one for one in pieces if one.prefix.overlaps(place)]
        if any(one.number is None or one.stays or one.subscribers is None for one in inside):
            continue
        routes = 0
        for label in {one.label for one in inside}:
            own = [one for one in pieces if one.label == label and one.number is not None]
            routes += count_routes([one.prefix for one in own if one not in inside])
            routes -= count_routes([one.prefix for one in own])
        cost = sum(one.subscribers or 0 for one in inside), len(inside), routes
        best = cost if best is None else min(best, cost)
    assert best == (None if found is None else (found.subscribers, len(found.drains), found.routes))
