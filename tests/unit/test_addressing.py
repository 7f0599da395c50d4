"""Prefixes and ranges, against the standard library and against sets of addresses."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import (
    Family,
    Prefix,
    Range,
    first_overlap,
    format_address,
    format_key,
    from_key,
    parse_address,
    parse_prefix,
    parse_range,
    subtract_all,
    to_key,
)
from casm_ctrl.base.errors import InvalidValue

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SMALL = Prefix(Family.IPV4, 0x0A000000, 26)
"""Where arithmetic is compared with sets of addresses."""


@st.composite
def prefixes(draw: st.DrawFn, family: Family | None = None, shortest: int = 0) -> Prefix:
    family = family or draw(st.sampled_from((Family.IPV4, Family.IPV6)))
    length = draw(st.integers(shortest, family.width))
    return Prefix(family, draw(st.integers(0, (1 << length) - 1)) << (family.width - length), length)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    family = draw(st.sampled_from((Family.IPV4, Family.IPV6)))
    ends = st.integers(0, (1 << family.width) - 1)
    first, last = sorted((draw(ends), draw(ends)))
    return Range(family, first, last)


@st.composite
def small_prefixes(draw: st.DrawFn) -> Prefix:
    """A prefix inside SMALL."""
    length = draw(st.integers(SMALL.length, 32))
    index = draw(st.integers(0, (1 << (length - SMALL.length)) - 1))
    return Prefix(Family.IPV4, SMALL.first + (index << (32 - length)), length)


def as_network(prefix: Prefix) -> Network:
    return ipaddress.ip_network(str(prefix))


def as_prefix(network: Network) -> Prefix:
    family = Family.IPV4 if network.version == 4 else Family.IPV6
    return Prefix(family, int(network.network_address), network.prefixlen)


def addresses(*pieces: Prefix) -> set[int]:
    return {address for piece in pieces for address in range(piece.first, piece.last + 1)}


# --- Text -----------------------------------------------------------------------------------------


@given(prefixes())
def test_a_prefix_survives_its_text(prefix: Prefix) -> None:
    assert parse_prefix(str(prefix)) == prefix
    assert as_prefix(as_network(prefix)) == prefix


@given(prefixes())
def test_edges_and_sizes_are_the_librarys(prefix: Prefix) -> None:
    network = as_network(prefix)
    assert prefix.size == network.num_addresses
    assert prefix.last == int(network.broadcast_address)
    assert prefix.range == Range(prefix.family, prefix.first, prefix.last)
    assert prefix.range.size == prefix.size


@given(st.sampled_from((Family.IPV4, Family.IPV6)), st.data())
def test_an_address_survives_its_text_and_its_key(family: Family, data: st.DataObject) -> None:
    value = data.draw(st.integers(0, (1 << family.width) - 1))
    assert parse_address(format_address(family, value)) == (family, value)
    assert from_key(to_key(value)) == value
    other = data.draw(st.integers(0, (1 << family.width) - 1))
    assert (to_key(value) < to_key(other)) == (value < other)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" 192.0.2.0/24 ", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("255.255.255.255/32", "255.255.255.255/32"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("::/0", "::/0"),
        ("::1/128", "::1/128"),
    ],
)
def test_prefixes_that_people_write(text: str, canonical: str) -> None:
    assert str(parse_prefix(text)) == canonical


def test_an_ipv4_mapped_address_is_ipv6() -> None:
    """RFC 4291, 2.5.5.2: it is never taken for the IPv4 address that it holds."""
    assert parse_address("::ffff:192.0.2.1") == (Family.IPV6, 0xFFFF_C000_0201)
    assert not parse_prefix("::ffff:192.0.2.0/120").overlaps(parse_prefix("192.0.2.0/24"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no prefix length"),
        ("192.0.2.0", "has no prefix length"),
        ("192.0.2.0/", "'/' is not a prefix length of ipv4"),
        ("192.0.2.0/33", "'/33' is not a prefix length of ipv4"),
        ("192.0.2.0/-1", "'/-1' is not a prefix length"),
        ("192.0.2.0/+8", "is not a prefix length"),
        ("192.0.2.0/ 24", "is not a prefix length"),
        ("192.0.2.0/2\uff14", "is not a prefix length"),
        ("192.0.2.0/255.255.255.0", "is not a prefix length"),
        ("192.0.2.0/24/24", "is not a prefix length"),
        ("192.0.2.0/" + "1" * 5000, "is not a prefix length"),
        ("2001:db8::/129", "'/129' is not a prefix length of ipv6"),
        ("192.0.2.1/24", "'192.0.2.1/24' has host bits set: did you mean 192.0.2.0/24"),
        ("2001:db8::1/64", "has host bits set: did you mean 2001:db8::/64"),
        ("0.0.0.1/0", "did you mean 0.0.0.0/0"),
        ("192.0.2/24", "'192.0.2' is not an IPv4 or IPv6 address"),
        ("192.0.2.256/32", "is not an IPv4 or IPv6 address"),
        ("192.0.02.1/32", "is not an IPv4 or IPv6 address"),
        ("fe80::1%eth0/128", "is not an IPv4 or IPv6 address"),
        ("fe80::%1/64", "is not an IPv4 or IPv6 address"),
        ("2001:db8:::/32", "is not an IPv4 or IPv6 address"),
        ("[2001:db8::]/32", "is not an IPv4 or IPv6 address"),
        ("b12/24", "is not an IPv4 or IPv6 address"),
        ("/24", "is not an IPv4 or IPv6 address"),
        ("3221225985/32", "is not an IPv4 or IPv6 address"),
        ("\x00/8", "is not an IPv4 or IPv6 address"),
    ],
)
def test_what_is_no_prefix_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_prefix(text)
    assert message in str(caught.value)
    assert caught.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_a_prefix_or_refused(text: str) -> None:
    try:
        prefix = parse_prefix(text)
    except InvalidValue:
        return
    assert parse_prefix(str(prefix)) == prefix


def test_ranges_from_text() -> None:
    assert str(parse_range("192.0.2.7", "192.0.2.9")) == "192.0.2.7-192.0.2.9"
    assert parse_range("::", "::").size == 1
    for first, last in (("192.0.2.9", "192.0.2.7"), ("192.0.2.1", "2001:db8::1"), ("x", "192.0.2.1")):
        with pytest.raises(InvalidValue):
            parse_range(first, last)


# --- Values that cannot be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "length"), [(1, 31), (1 << 32, 32), (-256, 24), (0, 33), (0, -1), (1 << 127, 0), (1, 0)]
)
def test_a_prefix_that_cannot_be_is_refused(first: int, length: int) -> None:
    with pytest.raises(InvalidValue):
        Prefix(Family.IPV4, first, length)


@pytest.mark.parametrize(("first", "last"), [(2, 1), (-1, 1), (0, 1 << 32)])
def test_a_range_that_cannot_be_is_refused(first: int, last: int) -> None:
    with pytest.raises(InvalidValue):
        Range(Family.IPV4, first, last)


# --- Arithmetic -----------------------------------------------------------------------------------


@given(prefixes())
def test_halves_parent_and_buddy_fit_together(prefix: Prefix) -> None:
    assume(prefix.length < prefix.family.width)
    low, high = prefix.halves()
    assert [as_network(low), as_network(high)] == list(as_network(prefix).subnets())
    assert low.parent == high.parent == prefix
    assert low.buddy == high
    assert high.buddy == low
    assert as_network(low.parent) == as_network(low).supernet()


@given(prefixes(), prefixes())
def test_overlap_and_containment_are_the_librarys(a: Prefix, b: Prefix) -> None:
    one, other = as_network(a), as_network(b)
    assert a.overlaps(b) == b.overlaps(a) == (one.version == other.version and one.overlaps(other))
    assert a.contains(b) == (isinstance(other, type(one)) and other.subnet_of(one))  # type: ignore[arg-type]


@given(small_prefixes(), small_prefixes())
def test_overlap_is_sharing_an_address(a: Prefix, b: Prefix) -> None:
    shared = addresses(a) & addresses(b)
    assert a.overlaps(b) == a.overlaps(b.range) == a.range.overlaps(b) == bool(shared)
    assert a.contains(b) == a.range.contains(b) == (shared == addresses(b))


@given(ranges())
def test_a_range_is_the_librarys_fewest_prefixes(span: Range) -> None:
    low = ipaddress.ip_address(format_address(span.family, span.first))
    high = ipaddress.ip_address(format_address(span.family, span.last))
    assert list(span.prefixes()) == [as_prefix(n) for n in ipaddress.summarize_address_range(low, high)]


@given(prefixes())
def test_a_prefix_as_a_range_is_itself(prefix: Prefix) -> None:
    assert list(prefix.range.prefixes()) == [prefix]


@given(prefixes(shortest=8), st.data())
def test_subtract_is_the_librarys(hole: Prefix, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, hole.length))
    mask = -1 << (hole.family.width - length)
    around = Prefix(hole.family, hole.first & mask, length)
    expected = sorted(as_prefix(n) for n in as_network(around).address_exclude(as_network(hole)))  # type: ignore[arg-type]
    assert list(around.subtract(hole)) == expected


@given(prefixes(), prefixes())
def test_subtracting_what_does_not_lie_inside(a: Prefix, b: Prefix) -> None:
    assume(not a.contains(b))
    assert list(a.subtract(b)) == ([] if b.contains(a) else [a])


def test_tens_of_thousands_of_holes_are_subtracted_at_once() -> None:
    """With each hole compared with each piece this would not end in the time that a test may take."""
    whole = parse_prefix("10.0.0.0/8")
    holes = [Prefix(Family.IPV4, whole.first + 2 * number, 32) for number in range(30_000)]
    left = subtract_all([whole], reversed(holes))
    assert sum(piece.size for piece in left) == whole.size - len(holes)
    assert first_overlap([*left, *holes]) is None


@given(st.lists(small_prefixes(), max_size=8), st.lists(small_prefixes(), max_size=8))
def test_subtract_all_is_the_difference_of_sets(pool: list[Prefix], holes: list[Prefix]) -> None:
    assume(first_overlap(pool) is None)
    left = subtract_all(pool, holes)
    assert addresses(*left) == addresses(*pool) - addresses(*holes)
    assert sum(piece.size for piece in left) == len(addresses(*left))
    assert left == sorted(left)
    for piece in left:
        both_free = piece.length > 0 and piece.buddy in left
        assert not (both_free and any(prefix.contains(piece.parent) for prefix in pool))


@given(st.lists(small_prefixes(), max_size=6))
def test_first_overlap_finds_one_where_there_is_one(pool: list[Prefix]) -> None:
    found = first_overlap(pool)
    shared = any(a.overlaps(b) for i, a in enumerate(pool) for b in pool[:i])
    assert (found is not None) == shared
    if found is not None:
        assert found[0].overlaps(found[1])


def test_families_do_not_overlap() -> None:
    four, six = parse_prefix("0.0.0.0/0"), parse_prefix("::/0")
    assert first_overlap([six, four]) is None
    assert not four.overlaps(six)
    assert not six.contains(four)
    assert not four.range.overlaps(six.range)


@given(prefixes(Family.IPV6))
def test_order_is_by_first_address(prefix: Prefix) -> None:
    zero = Prefix(Family.IPV6, 0, 128)
    assert (zero < prefix) == ((zero.first, zero.length) < (prefix.first, prefix.length))


@given(st.sampled_from(Family), st.data())
def test_the_text_of_a_key_is_that_of_its_prefix(family: Family, data: st.DataObject) -> None:
    prefix = data.draw(prefixes(family)).plain
    assert format_key(prefix.family.number, prefix.first_key, prefix.length) == str(prefix)
