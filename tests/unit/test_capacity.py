"""Gateways and capacity of a block."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.capacity import (
    GatewayKind,
    edge_addresses,
    gateway_address,
    parse_gateway,
    served_addresses,
)
from casm_ctrl.addressing.prefix import Family, Prefix, format_address, parse_address, parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, change
from casm_ctrl.service.release import release
from casm_ctrl.service.views import show_device_pool
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

FIRST, LAST, ADDRESS = GatewayKind.FIRST, GatewayKind.LAST, GatewayKind.ADDRESS


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    family = draw(st.sampled_from((Family.IPV4, Family.IPV6)))
    length = draw(st.integers(0, family.width))
    bits = draw(st.integers(0, (1 << length) - 1))
    return Prefix(family, bits << (family.width - length), length)


@pytest.mark.parametrize(
    ("prefix", "kind", "gateway"),
    [
        ("192.0.2.0/24", FIRST, "192.0.2.1"),
        ("192.0.2.0/24", LAST, "192.0.2.254"),
        ("192.0.2.4/30", FIRST, "192.0.2.5"),
        ("192.0.2.4/30", LAST, "192.0.2.6"),
        ("192.0.2.4/31", FIRST, "192.0.2.4"),
        ("192.0.2.4/31", LAST, "192.0.2.5"),
        ("192.0.2.4/32", FIRST, "192.0.2.4"),
        ("192.0.2.4/32", LAST, "192.0.2.4"),
        ("2001:db8::/64", FIRST, "2001:db8::1"),
        ("2001:db8::/64", LAST, "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::/127", FIRST, "2001:db8::"),
        ("2001:db8::/128", FIRST, "2001:db8::"),
    ],
)
def test_first_and_last_skip_the_edges(prefix: str, kind: GatewayKind, gateway: str) -> None:
    block = parse_prefix(prefix)
    found = gateway_address(block, kind)
    assert found is not None
    assert format_address(block.family, found) == gateway


def test_an_address_is_the_gateway_of_the_block_that_holds_it_only() -> None:
    address = parse_address("192.0.2.9")[1]
    assert gateway_address(parse_prefix("192.0.2.0/28"), ADDRESS, address) == address
    assert gateway_address(parse_prefix("192.0.2.16/28"), ADDRESS, address) is None


@pytest.mark.parametrize("kind", [GatewayKind.NONE, GatewayKind.UNNUMBERED])
def test_some_kinds_take_no_address(kind: GatewayKind) -> None:
    assert gateway_address(parse_prefix("192.0.2.0/28"), kind) is None


@pytest.mark.parametrize(
    ("prefix", "gateway", "serve_edges", "served"),
    [
        ("192.0.2.0/24", "192.0.2.1", False, 253),
        ("192.0.2.0/24", "192.0.2.1", True, 255),
        ("192.0.2.0/24", None, False, 254),
        ("192.0.2.0/24", None, True, 256),
        ("192.0.2.0/24", "192.0.2.0", False, 254),
        ("192.0.2.0/24", "198.51.100.1", False, 254),
        ("192.0.2.0/31", None, False, 2),
        ("192.0.2.0/31", "192.0.2.0", False, 1),
        ("192.0.2.0/32", "192.0.2.0", False, 0),
        ("2001:db8::/64", "2001:db8::1", False, 2**64 - 2),
        ("2001:db8::/127", None, False, 2),
    ],
)
def test_capacity_leaves_out_gateway_and_edges(
    prefix: str, gateway: str | None, serve_edges: bool, served: int
) -> None:
    value = None if gateway is None else parse_address(gateway)[1]
    assert served_addresses(parse_prefix(prefix), value, serve_edges) == served


@given(prefixes(), st.sampled_from([FIRST, LAST]))
def test_a_gateway_lies_in_its_block_and_is_no_edge(prefix: Prefix, kind: GatewayKind) -> None:
    gateway = gateway_address(prefix, kind)
    assert gateway is not None
    assert prefix.first <= gateway <= prefix.last
    assert gateway not in edge_addresses(prefix)


@given(prefixes(), st.booleans(), st.booleans())
def test_capacity_is_what_enumeration_says(prefix: Prefix, with_gateway: bool, serve_edges: bool) -> None:
    gateway = gateway_address(prefix, FIRST) if with_gateway else None
    served = served_addresses(prefix, gateway, serve_edges)
    assert 0 <= served <= prefix.size
    if prefix.size <= 64:
        edges = () if serve_edges else edge_addresses(prefix)
        addresses = range(prefix.first, prefix.last + 1)
        assert served == sum(1 for address in addresses if address != gateway and address not in edges)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("first", (GatewayKind.FIRST, None, None)),
        ("none", (GatewayKind.NONE, None, None)),
        ("unnumbered:lo0", (GatewayKind.UNNUMBERED, None, "lo0")),
        ("192.0.2.1", (GatewayKind.ADDRESS, 0xC0000201, None)),
    ],
)
def test_gateways_are_read(text: str, parsed: tuple[GatewayKind, int | None, str | None]) -> None:
    assert parse_gateway(text) == parsed


@pytest.mark.parametrize(
    ("gateway", "serve_edges", "capacity"),
    [
        ("first", False, 3 * 13),
        ("none", False, 3 * 14),
        ("last", True, 3 * 15),
        ("10.0.0.5", True, 3 * 16 - 1),
    ],
)
def test_a_device_pool_tells_what_it_can_serve(
    tmp_path: Path, gateway: str, serve_edges: bool, capacity: int
) -> None:
    """The gateway, and the edges where they are not served, are left out (design: Gateway and capacity)."""
    database, _ = create_store(str(tmp_path / "casm.db"), ManualClock())
    device = AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:X", "s")
    device_pool = AddDevicePool("bng1/home", ("p",), 28, gateway=gateway, serve_edges=serve_edges)
    author = Author("test")
    change(database, author, [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/24",)), device, device_pool])
    allocate(database, author, "bng1/home", count=4)
    release(database, author, ["b4"])
    shown = show_device_pool(database, "bng1/home")
    assert (shown["capacity-addresses"], shown["serve-edges"]) == (str(capacity), serve_edges)
    database.close()
