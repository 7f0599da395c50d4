"""Which blocks have to go so that a longer run of space is free: those that disturb the fewest.

A block of a wanted length lies at a multiple of its size, as the buddies do. So the places where it could lie are
disjoint, each existing block is in one of them (or holds some), and one walk over the blocks finds what each place
costs: first the subscribers who have to move, then the blocks that are drained, then the routes that are announced
more. The least is found exactly, in O(n log n) for n blocks: nothing is tried.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix
from casm_ctrl.addressing.strategy import Routes


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is in a pool's space: a block, or what is free of blocks and not to be given."""

    prefix: Prefix
    number: int | None = None
    """The block's number; None for what is no block, as a reservation or an excluded prefix."""
    label: str = ""
    """The device pool that has it."""
    subscribers: int | None = None
    """Who is in it; None where the device does not count."""
    stays: str = ""
    """Why it cannot be drained, as `the device cannot drain a block`; empty where it can."""


@dataclass(frozen=True, slots=True)
class Clearing:
    """The place that costs least."""

    place: Prefix
    drains: tuple[Piece, ...]
    """In order of address; empty where it is free already."""
    subscribers: int
    routes: int
    """How many more routes the device pools need without these blocks; fewer where it is negative."""
    because: str
    others: tuple[tuple[Prefix, int, int, int], ...] = ()
    """The next best: (place, subscribers, blocks, routes)."""


@dataclass(slots=True)
class _Place:
    prefix: Prefix
    drains: list[Piece] = field(default_factory=list)
    subscribers: int = 0
    routes: int = 0
    stays: str = ""

    @property
    def cost(self) -> tuple[int, int, int, int]:
        return self.subscribers, len(self.drains), self.routes, self.prefix.first


SHOWN = 5
"""How many of the next best are named."""


def clear(prefixes: Sequence[Prefix], pieces: Iterable[Piece], length: int) -> Clearing | None:
    """The least disruptive drains that free a prefix of `length` inside of a pool's `prefixes`.

    `pieces` are disjoint. None where no place is free of what cannot be drained: `what_stays` says what that is.
    """
    places, free = _places(prefixes, pieces, length)
    if free is not None:
        return Clearing(free, (), 0, 0, f"{free} is free: nothing has to be drained")
    possible = sorted((place for place in places if not place.stays), key=lambda place: place.cost)
    if not possible:
        return None
    best = possible[0]
    return Clearing(
        place=best.prefix,
        drains=tuple(sorted(best.drains, key=lambda piece: piece.prefix.first)),
        subscribers=best.subscribers,
        routes=best.routes,
        because=(
            f"to free {best.prefix}, {len(best.drains)} block(s) with {best.subscribers} subscribers are drained, and "
            f"{abs(best.routes)} route(s) {'more' if best.routes > 0 else 'fewer'} are announced: of {len(possible)} "
            "places it costs least"
        ),
        others=tuple(
            (place.prefix, place.subscribers, len(place.drains), place.routes)
            for place in possible[1 : SHOWN + 1]
        ),
    )


def what_stays(
    prefixes: Sequence[Prefix], pieces: Iterable[Piece], length: int
) -> tuple[tuple[Prefix, str], ...]:
    """(place, why it cannot be freed) of places of `length`, in order of address."""
    places, _ = _places(prefixes, pieces, length)
    return tuple(
        (place.prefix, place.stays)
        for place in sorted(places, key=lambda place: place.prefix.first)
        if place.stays
    )


def _places(
    prefixes: Sequence[Prefix], pieces: Iterable[Piece], length: int
) -> tuple[list[_Place], Prefix | None]:
    """The places in which something is, each with its cost, and the first one that is free."""
    pieces = list(pieces)
    family = _family(prefixes, pieces, length)
    wide = sorted(prefix.of(family) for prefix in prefixes if prefix.of(family).length <= length)
    size = 1 << (family.width - length)
    found: dict[int, _Place] = {}
    announced: dict[str, set[Prefix]] = {}
    taken: list[tuple[int, int]] = []
    for piece in sorted(pieces, key=lambda piece: piece.prefix.of(family).first):
        prefix = piece.prefix.of(family)
        first = prefix.first - prefix.first % size
        if not _inside(wide, first):
            continue
        # Of a block that is larger than the place, its beginning stands for all of it: it goes as a whole.
        place = found.get(first)
        if place is None:
            place = found[first] = _Place(Prefix(family, first, length).plain)
            taken.append((first, max(prefix.last, first + size - 1)))
        if piece.number is None or piece.stays or piece.subscribers is None:
            place.stays = place.stays or _why(piece)
        else:
            place.drains.append(piece)
            place.subscribers += piece.subscribers
        if piece.number is not None:
            announced.setdefault(piece.label, set()).add(_route(prefix))
    if length <= Family.IPV4.width or family is not Family.PORTS:  # inside of one address no route changes
        for own in announced.values():
            _count_routes(own, list(found.values()), length)
    return list(found.values()), _first_free(wide, taken, family, length)


def _count_routes(own: Iterable[Prefix], places: Sequence[_Place], length: int) -> None:
    """Add to each place (they are in order) how many more routes one device pool needs without what it has there.

    A route inside of the place ends with it. A larger one holds the place, or the larger block that it stands for,
    and leaves as many routes as that is longer.
    """
    for route in Routes(own).widest(1 << 62):
        size = 1 << (route.family.width - length)
        first = route.first if route.length < length else route.first - route.first % size
        at = bisect.bisect_left(places, first, key=lambda place: _route(place.prefix).first)
        while at < len(places) and _route(places[at].prefix).first <= route.last:
            place = places[at]
            if route.length >= length:
                place.routes -= 1
            elif not place.stays:
                place.routes += min(length, place.drains[0].prefix.length) - route.length - 1
            at += 1


def _route(prefix: Prefix) -> Prefix:
    """What announces it: of port sets, their address."""
    if prefix.family is not Family.PORTS:
        return prefix
    return Prefix(Family.IPV4, prefix.first >> PORT_BITS, min(prefix.length, Family.IPV4.width))


def _first_free(
    wide: Sequence[Prefix], taken: Sequence[tuple[int, int]], family: Family, length: int
) -> Prefix | None:
    """The first place of `length` with nothing in it. `taken` is in order."""
    size = 1 << (family.width - length)
    index = 0
    for prefix in wide:
        at = prefix.first
        while index < len(taken) and taken[index][0] <= prefix.last:
            if taken[index][0] > at:
                break
            at = max(at, taken[index][1] + 1)
            index += 1
        if at + size - 1 <= prefix.last:
            return Prefix(family, at, length).plain
    return None


def _inside(wide: Sequence[Prefix], first: int) -> bool:
    low, high = 0, len(wide)
    while low < high:
        middle = (low + high) // 2
        if wide[middle].last < first:
            low = middle + 1
        else:
            high = middle
    return low < len(wide) and wide[low].first <= first


def _family(prefixes: Sequence[Prefix], pieces: Sequence[Piece], length: int) -> Family:
    """Port sets and the addresses that they are of have one scale."""
    if length > Family.IPV4.width and all(prefix.family is not Family.IPV6 for prefix in prefixes):
        return Family.PORTS
    families = {prefix.family for prefix in prefixes} | {piece.prefix.family for piece in pieces}
    return Family.PORTS if Family.PORTS in families else families.pop() if families else Family.IPV4


def _why(piece: Piece) -> str:
    if piece.number is None:
        return f"{piece.prefix} is no block: {piece.stays or 'reserved'}"
    return f"b{piece.number} ({piece.prefix}): {piece.stays or 'who is in it is not counted'}"
