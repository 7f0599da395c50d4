"""Port sets: as RFC 7597 draws them, a partition of the ports, and readable as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.ports import (
    parse_block,
    parse_offset,
    port_ranges,
    port_spot,
    write_block,
)
from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue


@st.composite
def divisions(draw: st.DrawFn) -> tuple[int, int]:
    """A PSID offset, and the length of an id that fits beside it."""
    offset = draw(st.integers(0, 15))
    return offset, draw(st.integers(1, min(PORT_BITS - offset, 10)))


def naive_psid(port: int, offset: int, length: int) -> int | None:
    """By the letters of RFC 7597, figure 2: A, PSID and M as text of bits."""
    bits = f"{port:016b}"
    a, psid = bits[:offset], bits[offset : offset + length]
    return None if a and int(a, 2) == 0 else int(psid, 2)


@given(divisions())
def test_the_port_sets_of_an_address_partition_its_ports(division: tuple[int, int]) -> None:
    offset, length = division
    seen: list[int] = []
    for psid in range(1 << length):
        for first, last in port_ranges(offset, psid, length):
            seen += range(first, last + 1)
    lowest = 1 << (16 - offset) if offset else 0
    assert sorted(seen) == list(range(lowest, 65536))


@given(divisions(), st.integers(0, 65535))
def test_a_port_is_in_the_set_that_its_bits_say(division: tuple[int, int], port: int) -> None:
    offset, length = division
    spot = port_spot(port, offset)
    psid = None if spot is None else spot >> (16 - length)
    assert psid == naive_psid(port, offset, length)
    holders = [
        number
        for number in {0, (1 << length) - 1, psid or 0}
        if any(first <= port <= last for first, last in port_ranges(offset, number, length))
    ]
    assert holders == ([] if psid is None else [psid])


@given(divisions(), st.integers(0, 65535), st.integers(0, 2**32 - 1))
def test_a_port_lies_in_the_block_of_its_set(division: tuple[int, int], port: int, address: int) -> None:
    offset, length = division
    spot, psid = port_spot(port, offset), naive_psid(port, offset, length)
    if spot is None or psid is None:
        assert (spot, psid) == (None, None)
        return
    value = (address << 16) | spot
    block = Prefix(Family.PORTS, value & (-1 << (16 - length)), 32 + length)
    assert block.first <= value <= block.last
    assert block.psid == (psid, length)


def test_the_examples_of_rfc_7597() -> None:
    # Appendix A, example 1: offset 6, 8 bits of id, 0x34: 63 ranges of 4 ports.
    ranges = port_ranges(6, 0x34, 8)
    assert len(ranges) == 63
    assert ranges[:2] == [(1232, 1235), (2256, 2259)]
    assert ranges[-1] == (64720, 64723)
    # With offset 0 one range, and the well-known ports are in the first set.
    assert port_ranges(0, 0, 4) == [(0, 4095)]
    assert port_ranges(0, 15, 4) == [(61440, 65535)]
    # As many bits as there are: single ports.
    assert port_ranges(4, 0, 12)[0] == (4096, 4096)
    assert port_ranges(0, 65535, 16) == [(65535, 65535)]
    assert port_ranges(15, 1, 1)[:2] == [(3, 3), (5, 5)]


@pytest.mark.parametrize(
    ("offset", "psid", "length"), [(6, 0, 11), (0, 16, 4), (0, -1, 4), (-1, 0, 4), (16, 0, 0), (6, 0, 0)]
)
def test_no_such_port_set(offset: int, psid: int, length: int) -> None:
    with pytest.raises(InvalidValue, match="there is no port set with the offset"):
        port_ranges(offset, psid, length)


@given(st.integers(0, 2**32 - 1), st.integers(1, 16), st.integers(0, 65535))
def test_a_port_set_reads_as_it_is_written(address: int, length: int, number: int) -> None:
    spot = (number >> (16 - length)) << (16 - length)
    block = Prefix(Family.PORTS, (address << 16) | spot, 32 + length)
    assert parse_block(str(block)) == block


def test_blocks_are_read_in_either_form() -> None:
    assert parse_block("198.51.100.0/24") == parse_prefix("198.51.100.0/24")
    assert parse_block(" 192.0.2.1/32 psid 0x34/8 ") == parse_block("192.0.2.1/32  psid  52/8")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("192.0.2.0/24 psid 1/4", "192.0.2.0/24 has no port sets"),
        ("2001:db8::1/128 psid 1/4", "has no port sets"),
        ("192.0.2.1/32 psid 16/4", "16/4 is not a port-set id"),
        ("192.0.2.1/32 psid 0/0", "0/0 is not a port-set id"),
        ("192.0.2.1/32 psid 0/17", "0/17 is not a port-set id"),
        ("192.0.2.1/32 psid 1", "not a prefix length"),
        ("192.0.2.1 psid 1/4", "has no prefix length"),
        ("psid 1/4", "is not an IPv4 or IPv6 address"),
    ],
)
def test_what_is_no_block_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        parse_block(text)


@pytest.mark.parametrize("offset", [None, 0, 6, 12])
def test_a_port_set_is_read_as_it_is_written(offset: int | None) -> None:
    block = parse_block("192.0.2.1/32 psid 5/4")
    written = write_block(block, offset)
    assert (parse_block(written), parse_offset(written)) == (block, offset)
    assert write_block(parse_block("192.0.2.0/24"), offset) == "192.0.2.0/24"
    assert parse_offset("192.0.2.0/24") is None
