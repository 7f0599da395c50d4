"""How much a device pool has: its blocks, the addresses that they can give to subscribers, and the routes that they
need. Of plain rows (block_listing.Span), so that ten thousand blocks cost some milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from casm_ctrl.addressing.capacity import GatewayKind, gateway_address, parse_gateway, served_addresses
from casm_ctrl.addressing.prefix import Family, Prefix, from_key, to_key
from casm_ctrl.addressing.strategy import count_merged
from casm_ctrl.service.verb import Document
from casm_ctrl.store.block_listing import Span
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.states import Wanted


def size_document(row: DevicePoolRow, spans: Sequence[Span]) -> Document:
    """What the leaves of a device pool say of its blocks. Those that are to go count as blocks only."""
    kept = [span for span in spans if span[4] != Wanted.ABSENT.value]
    return {
        "blocks": str(len(spans)),
        "capacity-addresses": str(_capacity(row, kept)),
        "routes": str(_routes(kept)),
    }


def _capacity(row: DevicePoolRow, kept: Sequence[Span]) -> int:
    """How many addresses can be given to subscribers. Of shared addresses each port set counts as one: it serves
    one subscriber."""
    kind, address, _ = parse_gateway(row.gateway)
    if kind is GatewayKind.ADDRESS:  # inside one block at the most: that one is not like others of its length
        prefixes = (Prefix.read(number, first, length) for _, number, first, length, _ in kept)
        return sum(_served(row, prefix, kind, address) for prefix in prefixes)
    origin = to_key(0)
    return sum(
        blocks * _served(row, Prefix.read(number, origin, length), kind, address)
        for (number, length), blocks in Counter([(span[1], span[3]) for span in kept]).items()
    )


def _served(row: DevicePoolRow, prefix: Prefix, kind: GatewayKind, address: int | None) -> int:
    if prefix.psid is not None:
        return 1
    return served_addresses(prefix, gateway_address(prefix, kind, address), row.serve_edges)


def _routes(kept: Sequence[Span]) -> int:
    """When aggregated in their spaces."""
    by_space: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for space, number, first, length, _ in kept:
        by_space.setdefault((space, number), []).append((from_key(first), length))
    routes = 0
    for (_, number), values in by_space.items():
        if number == 4:
            values = [(first >> Family.IPV4.shift, length) for first, length in values]
        routes += count_merged(Family.IPV6 if number == 6 else Family.IPV4, values)
    return routes
