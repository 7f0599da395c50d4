"""What of a block subscribers can get: where its gateway sits, and what the gateway and the edges cost."""

from __future__ import annotations

from enum import Enum

from casm_ctrl.addressing.prefix import Family, Prefix, parse_address


class GatewayKind(Enum):
    """Where subscribers of a block find their gateway."""

    FIRST = "first"
    LAST = "last"
    ADDRESS = "address"
    UNNUMBERED = "unnumbered"
    NONE = "none"


def edge_addresses(prefix: Prefix) -> tuple[int, ...]:
    """The addresses at the block's edges that a host does not take unless the operator says so.

    IPv4: network and broadcast (RFC 1122, 3.2.1.3); none in a /31 (RFC 3021) or /32.
    IPv6: the Subnet-Router anycast address (RFC 4291, 2.6.1); none in a /127 (RFC 6164) or /128.
    """
    if prefix.size <= 2:
        return ()
    return (prefix.first, prefix.last) if prefix.family is Family.IPV4 else (prefix.first,)


def gateway_address(prefix: Prefix, kind: GatewayKind, address: int | None = None) -> int | None:
    """The gateway inside `prefix`, or None where the block holds none.

    FIRST and LAST are the outermost addresses that are no edges. `address` is that of ADDRESS; where it
    lies outside `prefix`, another block holds the gateway.
    """
    edges = edge_addresses(prefix)
    if kind is GatewayKind.FIRST:
        return prefix.first + (prefix.first in edges)
    if kind is GatewayKind.LAST:
        return prefix.last - (prefix.last in edges)
    if kind is GatewayKind.ADDRESS and address is not None and prefix.first <= address <= prefix.last:
        return address
    return None


def parse_gateway(text: str) -> tuple[GatewayKind, int | None, str | None]:
    """(kind, address, interface) of `first`, `last`, `none`, an address, or `unnumbered:INTERFACE`."""
    if text in (GatewayKind.FIRST.value, GatewayKind.LAST.value, GatewayKind.NONE.value):
        return GatewayKind(text), None, None
    kind, _, interface = text.partition(":")
    if kind == GatewayKind.UNNUMBERED.value and interface:
        return GatewayKind.UNNUMBERED, None, interface
    return GatewayKind.ADDRESS, parse_address(text)[1], None


def served_addresses(prefix: Prefix, gateway: int | None, serve_edges: bool) -> int:
    """How many addresses of `prefix` can be handed out. A `gateway` outside of it costs nothing here."""
    kept: set[int] = set() if serve_edges else set(edge_addresses(prefix))
    if gateway is not None and prefix.first <= gateway <= prefix.last:
        kept.add(gateway)
    return prefix.size - len(kept)


def subscribers_of(
    prefix: Prefix, delegated_length: int | None, used: int, capacity: int | None
) -> tuple[int, int]:
    """(used, capacity) of a block in subscribers: addresses, delegated prefixes, or one port set.

    A device may count a delegated prefix as one, or as all of its addresses, as RFC 8512 counts the address of a port
    set: its own `capacity` tells which; where it has none, what is used must fit. Nothing used stays nothing, and
    what is partly used is used.
    """
    if prefix.family is Family.PORTS and prefix.length > Family.IPV4.width:
        return min(used, 1), 1
    if delegated_length is None:
        return used, prefix.size if capacity is None else capacity
    most = 1 << max(0, delegated_length - prefix.length)
    unit = 1 << (prefix.family.width - delegated_length)
    if max(used, capacity or 0) <= most:
        return used, most if capacity is None else capacity
    return -(-used // unit), most if capacity is None else max(1, capacity // unit)
