"""What it costs to take a block away: the subscribers in it, and the routes that are needed without it."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Sequence

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix


def routes_without(prefixes: Sequence[Prefix]) -> list[int]:
    """How many routes are left when one of the disjoint `prefixes` goes, for each of them.

    A block that is a route by itself takes it along; out of a larger one it leaves as many as its prefix is longer.
    Port sets of one address are one route, which stays while another set of the address does. O(n log n).
    """
    if not prefixes:
        return []
    width = prefixes[0].family.width if prefixes[0].family is not Family.PORTS else Family.IPV4.width
    values = [_value(prefix, width) for prefix in prefixes]
    shared = Counter(values)
    routes: list[tuple[int, int]] = []
    for first, length in sorted(shared):
        while (
            routes and length and routes[-1][1] == length and routes[-1][0] ^ first == 1 << (width - length)
        ):
            first, length = routes.pop()[0], length - 1
        routes.append((first, length))
    starts = [first for first, _ in routes]
    found = []
    for value in values:
        if shared[value] > 1:
            found.append(len(routes))
            continue
        route = routes[bisect.bisect_right(starts, value[0]) - 1]
        found.append(len(routes) - 1 + value[1] - route[1])
    return found


def _value(prefix: Prefix, width: int) -> tuple[int, int]:
    """(first address, length), of a port set those of its address."""
    first = prefix.first >> PORT_BITS if prefix.family is Family.PORTS else prefix.first
    return first, min(prefix.length, width)
