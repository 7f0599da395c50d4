"""Leaves of device data: read strictly, written one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, format_address, parse_range
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers import values

FAMILIES = st.sampled_from([Family.IPV4, Family.IPV6])


@given(FAMILIES, st.data())
def test_a_network_is_read_whatever_its_host_bits(family: Family, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, family.width))
    address = data.draw(st.integers(0, (1 << family.width) - 1))
    free = family.width - length
    expected = Prefix(family, address >> free << free, length)
    text = f" {format_address(family, address)}/{length} "
    assert values.read_network(text) == expected
    assert values.network_of(text) == expected.range
    assert values.canonical_network(text) == str(expected)


@pytest.mark.parametrize(
    "text", ["", "/", "192.0.2.0", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/-1", "192.0.2.0/+8", "x/8"]
)
def test_what_is_no_network_is_refused_and_left_as_it_is(text: str) -> None:
    with pytest.raises(InvalidValue):
        values.read_network(text)
    assert values.network_of(text) is None
    assert values.canonical_network(text) == text


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (None, "192.0.2.1"),
        ("192.0.2.1", None),
        ("192.0.2.2", "192.0.2.1"),
        ("192.0.2.1", "2001:db8::1"),
        ("x", "y"),
    ],
)
def test_addresses_that_make_no_sense_are_no_range(first: str | None, last: str | None) -> None:
    assert values.extent_of(first, last) is None


def test_a_range_is_read_with_space_around_its_addresses() -> None:
    assert values.extent_of(" 192.0.2.1\n", " 192.0.2.9 ") == parse_range("192.0.2.1", "192.0.2.9")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (" 12\n", 12),
        ("0", 0),
        (str(2**128), 2**128),
        ("-1", None),
        ("1e3", None),
        ("٣", None),
        ("", None),
        (None, None),
    ],
)
def test_only_decimal_digits_are_a_count(text: str | None, count: int | None) -> None:
    assert values.whole(text) == count


def test_addresses_have_one_form() -> None:
    assert values.canonical_address(" 2001:DB8:0::1 ") == "2001:db8::1"
    assert values.canonical_address(" none ") == "none"


@given(st.integers(0, 32))
def test_a_mask_has_as_many_ones_as_its_length(length: int) -> None:
    bits = "".join(f"{int(part):08b}" for part in values.dotted_mask(length).split("."))
    assert bits == "1" * length + "0" * (32 - length)


@pytest.mark.parametrize("length", [-1, 33])
def test_no_mask_is_longer_than_an_address(length: int) -> None:
    with pytest.raises(InvalidValue):
        values.dotted_mask(length)
