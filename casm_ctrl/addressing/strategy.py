"""Which free space a block is cut from, and how many routes the blocks of a device pool need. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix

BEST_FIT, ADJACENT, SPARSE = "best-fit", "adjacent", "sparse"
STRATEGIES = (BEST_FIT, ADJACENT, SPARSE)


class Routes:
    """The fewest prefixes that cover exactly what was added: what has to be announced.

    All prefixes are of one family's scale (`Prefix.of`) and disjoint, as blocks of one space are.
    """

    def __init__(self, prefixes: Iterable[Prefix] = ()) -> None:
        self._routes: set[Prefix] = set()
        for prefix in prefixes:
            self.add(prefix)

    def add(self, prefix: Prefix) -> None:
        """One more prefix; it merges with its buddy as far up as that is there too."""
        while prefix.length > 0 and prefix.buddy in self._routes:
            self._routes.remove(prefix.buddy)
            prefix = prefix.parent
        self._routes.add(prefix)

    def __len__(self) -> int:
        return len(self._routes)

    def of_length(self, length: int) -> list[Prefix]:
        """The routes of one length, in order."""
        return sorted(route for route in self._routes if route.length == length)

    def widest(self, limit: int) -> list[Prefix]:
        """Up to `limit` routes, the shortest prefixes first."""
        return sorted(self._routes, key=lambda route: (route.length, route.first))[:limit]


def count_routes(prefixes: Iterable[Prefix]) -> int:
    """How many routes announce these prefixes and nothing else. Port sets of one address are one route:
    traffic to an address is routed by address. All of one family, on whatever scale, and disjoint."""
    family = Family.IPV4
    values: list[tuple[int, int]] = []
    for prefix in prefixes:
        family = Family.IPV6 if prefix.family is Family.IPV6 else Family.IPV4
        shift = PORT_BITS if prefix.family is Family.PORTS else 0
        values.append((prefix.first >> shift, prefix.length))
    return count_merged(family, values)


def count_merged(family: Family, values: Iterable[tuple[int, int]]) -> int:
    """As count_routes, of (first address, length) pairs. A length above the family's is that of a port set."""
    width = family.width
    left: list[tuple[int, int]] = []
    before = -1
    for first, length in sorted(values):
        if first == before:  # another port set of one address
            continue
        before = first
        if length > width:
            length = width
        # What is below is whole: buddies merge as soon as the upper one comes.
        while left and left[-1][1] == length and length and left[-1][0] ^ first == 1 << (width - length):
            first, length = left.pop()[0], length - 1
        left.append((first, length))
    return len(left)


def common_length(one: Prefix, other: Prefix) -> int:
    """The length of the longest prefix that holds both."""
    shared = one.family.width - (one.first ^ other.first).bit_length()
    return min(one.length, other.length, shared)


def closest_inside(free: Prefix, length: int, anchor: Prefix) -> Prefix:
    """The block of `length` in `free` that is nearest to `anchor`, which lies outside of it."""
    size = 1 << (free.family.width - length)
    first = free.first if free.first > anchor.first else free.last + 1 - size
    return Prefix(free.family, first, length)


def cover(addresses: int, family: Family, unit: int, shortest: int) -> list[tuple[int, int]]:
    """Blocks for a number of addresses: (length, how many), the largest blocks first.

    They add up to the least multiple of the smallest block (`unit` is its length) that is enough, so that
    less than one such block is wasted; and among all sets with that sum they are the fewest, because they
    are its binary digits. No block is larger than /`shortest`.
    """
    wanted = addresses << PORT_BITS if family is Family.PORTS else addresses
    units = -(-wanted // (1 << (family.width - unit)))
    pieces: list[tuple[int, int]] = []
    large = unit - shortest
    whole = units >> large
    if whole:
        pieces.append((shortest, whole))
    for bit in range(large - 1, -1, -1):
        if units >> bit & 1:
            pieces.append((unit - bit, 1))
    return pieces
