"""Prefix and Range: the two shapes of address space, in either family.

A value inside is an integer of the family's width. The store's keys are 16 bytes, most significant
first, so that byte order is address order; IPv4 addresses are written there with 16 bits behind them, so
that port sets (48 bits: an address, then a port-set id) order among them (design: Allocation).
"""

from __future__ import annotations

import bisect
import ipaddress
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from casm_ctrl.base.errors import InvalidValue

KEY_BYTES = 16
PORT_BITS = 16


class Family(Enum):
    """An address family: `width` is the number of bits that a block's length counts.

    PORTS is IPv4 with shared ports: 32 bits of address and then the bits of a port-set id (RFC 7597, 5.1).
    `number` (4 or 6) is how the store writes it: what shares a number shares addresses. `shift` is how many
    bits a value lacks on the store's scale.
    """

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    PORTS = "ipv4-ports"

    def __init__(self, text: str) -> None:
        self.width = {"ipv4": 32, "ipv6": 128, "ipv4-ports": 32 + PORT_BITS}[text]
        self.number = 6 if text == "ipv6" else 4
        self.shift = PORT_BITS if text == "ipv4" else 0

    @property
    def words(self) -> str:
        """As messages say it."""
        return "ipv4 with shared ports" if self is Family.PORTS else str(self.value)


@dataclass(frozen=True, order=True, slots=True)
class Range:
    """All addresses from `first` to `last`, both included. Need not be a prefix: devices have such."""

    family: Family
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last < 1 << self.family.width:
            raise InvalidValue(
                f"the range {self.first:#x} to {self.last:#x} is not inside {self.family.value}",
                "give a first address that is not above the last",
            )

    @staticmethod
    def read(number: int, first: bytes, last: bytes) -> Range:
        """The range between two of the store's keys: addresses, or port sets where they cut one."""
        family, low, high = _unscale(number, from_key(first), from_key(last))
        return Range(family, low, high)

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    @property
    def first_key(self) -> bytes:
        return to_key(self.first << self.family.shift)

    @property
    def last_key(self) -> bytes:
        return to_key(_last_scaled(self))

    def overlaps(self, other: Range | Prefix) -> bool:
        return _overlap(self, other)

    def contains(self, other: Range | Prefix) -> bool:
        return _contain(self, other)

    def prefixes(self) -> Iterator[Prefix]:
        """The fewest prefixes that make up the range, in order."""
        first, width = self.first, self.family.width
        while first <= self.last:
            bits = min((first & -first).bit_length() - 1 if first else width, self.last.bit_length())
            while first + (1 << bits) - 1 > self.last:
                bits -= 1
            yield Prefix(self.family, first, width - bits)
            first += 1 << bits

    def __str__(self) -> str:
        return f"{format_address(self.family, self.first)}-{format_address(self.family, self.last)}"


@dataclass(frozen=True, order=True, slots=True)
class Prefix:
    """A CIDR prefix (RFC 4632, RFC 4291 2.3) whose bits below `length` are zero."""

    family: Family
    first: int
    length: int

    def __post_init__(self) -> None:
        if not 0 <= self.length <= self.family.width:
            raise InvalidValue(
                f"/{self.length} is not a prefix length of {self.family.value}",
                f"use 0 to {self.family.width}",
            )
        if self.first & (self.size - 1) or not 0 <= self.first < 1 << self.family.width:
            raise InvalidValue(
                f"{self.first:#x}/{self.length} is not an {self.family.value} prefix", "clear its host bits"
            )

    @property
    def size(self) -> int:
        """How many values of its family it holds: addresses, or 65536ths of one for port sets."""
        return 1 << (self.family.width - self.length)

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    @staticmethod
    def read(number: int, first: bytes, length: int) -> Prefix:
        """The prefix with one of the store's keys: a port set where it is longer than an IPv4 address."""
        value = from_key(first)
        if number == 6:
            return Prefix(Family.IPV6, value, length)
        return Prefix(Family.PORTS, value, length).plain

    @property
    def first_key(self) -> bytes:
        return to_key(self.first << self.family.shift)

    @property
    def last_key(self) -> bytes:
        return to_key(_last_scaled(self))

    @property
    def range(self) -> Range:
        return Range(self.family, self.first, self.last)

    @property
    def plain(self) -> Prefix:
        """Whole addresses as IPv4; what is longer, or of another family, as it is."""
        if self.family is not Family.PORTS or self.length > Family.IPV4.width:
            return self
        return Prefix(Family.IPV4, self.first >> PORT_BITS, self.length)

    def of(self, family: Family) -> Prefix:
        """The same space as a value of `family`, for arithmetic among port sets."""
        if family is Family.PORTS and self.family is Family.IPV4:
            return Prefix(Family.PORTS, self.first << PORT_BITS, self.length)
        return self

    def overlaps(self, other: Range | Prefix) -> bool:
        return _overlap(self, other)

    def contains(self, other: Range | Prefix) -> bool:
        return _contain(self, other)

    def beginning(self, length: int, count: int) -> list[Prefix]:
        """Its first `count` prefixes of `length`, in order; whole addresses as IPv4."""
        family, first = self.family, self.first
        if family is Family.PORTS and length <= Family.IPV4.width:
            family, first = Family.IPV4, first >> PORT_BITS
        size = 1 << (family.width - length)
        return [Prefix(family, first + index * size, length) for index in range(count)]

    def halves(self) -> tuple[Prefix, Prefix]:
        """The two buddies that it is made of."""
        length = self.length + 1
        return (
            Prefix(self.family, self.first, length),
            Prefix(self.family, self.first + (self.size >> 1), length),
        )

    @property
    def parent(self) -> Prefix:
        """The prefix one bit shorter that holds it and its buddy."""
        length = self.length - 1
        return Prefix(self.family, self.first & ~((self.size << 1) - 1), length)

    @property
    def buddy(self) -> Prefix:
        """The other half of `parent`."""
        return Prefix(self.family, self.first ^ self.size, self.length)

    def subtract(self, hole: Prefix) -> Iterator[Prefix]:
        """The fewest prefixes that cover it without `hole`, in order; itself where they are disjoint."""
        if hole.contains(self):
            return
        if not self.contains(hole):
            yield self
            return
        low, high = self.halves()
        yield from low.subtract(hole)
        yield from high.subtract(hole)

    @property
    def psid(self) -> tuple[int, int] | None:
        """(port-set id, its length in bits) of a port set; None for whole addresses (RFC 7597, 5.1)."""
        if self.family is not Family.PORTS or self.length <= Family.IPV4.width:
            return None
        bits = self.length - Family.IPV4.width
        return (self.first & ((1 << PORT_BITS) - 1)) >> (PORT_BITS - bits), bits

    def __str__(self) -> str:
        address, psid = format_address(self.family, self.first), self.psid
        if psid is None:
            return f"{address}/{self.length}"
        return f"{address}/{Family.IPV4.width} psid {psid[0]}/{psid[1]}"


def _last_scaled(span: Range | Prefix) -> int:
    return ((span.last + 1) << span.family.shift) - 1


def _unscale(number: int, first: int, last: int) -> tuple[Family, int, int]:
    if number == 6:
        return Family.IPV6, first, last
    whole = (1 << PORT_BITS) - 1
    if first & whole == 0 and last & whole == whole:
        return Family.IPV4, first >> PORT_BITS, last >> PORT_BITS
    return Family.PORTS, first, last


def _overlap(a: Range | Prefix, b: Range | Prefix) -> bool:
    return (
        a.family.number == b.family.number
        and a.first << a.family.shift <= _last_scaled(b)
        and b.first << b.family.shift <= _last_scaled(a)
    )


def _contain(outer: Range | Prefix, inner: Range | Prefix) -> bool:
    return (
        outer.family.number == inner.family.number
        and outer.first << outer.family.shift <= inner.first << inner.family.shift
        and _last_scaled(inner) <= _last_scaled(outer)
    )


def parse_prefix(text: str) -> Prefix:
    """`text` as a prefix; InvalidValue where it is none or has host bits (the remedy names the right one)."""
    address, slash, length = text.strip().partition("/")
    if not slash:
        raise InvalidValue(
            f"'{text}' has no prefix length", "write it as ADDRESS/LENGTH, for example 192.0.2.0/24"
        )
    family, value = parse_address(address)
    if not re.fullmatch("[0-9]{1,3}", length) or int(length) > family.width:
        raise InvalidValue(
            f"'/{length}' is not a prefix length of {family.value}", f"use /0 to /{family.width}"
        )
    mask = ((1 << int(length)) - 1) << (family.width - int(length))
    prefix = Prefix(family, value & mask, int(length))
    if prefix.first != value:
        raise InvalidValue(f"'{text}' has host bits set", f"did you mean {prefix}?")
    return prefix


def parse_address(text: str) -> tuple[Family, int]:
    """The family and value of one address; InvalidValue where it is none (zones are refused)."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        raise InvalidValue(f"'{text}' is not an IPv4 or IPv6 address", "write it as 192.0.2.1 or 2001:db8::1")
    return (Family.IPV4 if address.version == 4 else Family.IPV6), int(address)


def parse_range(first: str, last: str) -> Range:
    """The range between two addresses of one family, both included."""
    family, low = parse_address(first)
    other, high = parse_address(last)
    if family is not other or low > high:
        raise InvalidValue(
            f"{first} to {last} is not a range", "give two addresses of one family, the lower first"
        )
    return Range(family, low, high)


def format_address(family: Family, value: int) -> str:
    """The canonical text of an address (RFC 5952 for IPv6); of a port set, that of its address."""
    if family is Family.IPV6:
        return str(ipaddress.IPv6Address(value))
    if family is Family.PORTS:
        value >>= PORT_BITS
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def format_key(number: int, first: bytes, length: int) -> str:
    """The text of the prefix with one of the store's keys, as str(Prefix.read(…)) is, without making one."""
    if number == 4 and length <= Family.IPV4.width:
        return f"{first[10]}.{first[11]}.{first[12]}.{first[13]}/{length}"
    if number == 6 and first[0]:  # the C library knows forms of its own for ::a.b.c.d
        return f"{socket.inet_ntop(socket.AF_INET6, first)}/{length}"
    return str(Prefix.read(number, first, length))


def to_key(value: int) -> bytes:
    """The 16 bytes, most significant first, by which the store orders addresses."""
    return value.to_bytes(KEY_BYTES, "big")


def from_key(key: bytes) -> int:
    return int.from_bytes(key, "big")


def count_addresses(family: Family, values: int) -> str:
    """`values` of a family as a decimal count of addresses: exact, with a fraction for port sets."""
    if family is not Family.PORTS:
        return str(values)
    whole, part = divmod(values, 1 << PORT_BITS)
    if not part:
        return str(whole)
    return f"{whole}.{part * 10**PORT_BITS >> PORT_BITS:0{PORT_BITS}d}".rstrip("0")


def subtract_all(prefixes: Iterable[Prefix], holes: Iterable[Prefix]) -> list[Prefix]:
    """The fewest prefixes that cover each of `prefixes` without any of `holes`, in order; of one family.

    Costs what sorting costs, and the pieces: a pool may have tens of thousands of holes.
    """
    outer: list[Prefix] = []  # prefixes are nested or disjoint: those inside of others tell nothing
    for hole in sorted(holes, key=lambda hole: (hole.first, hole.length)):
        if not outer or hole.first > outer[-1].last:
            outer.append(hole)
    left: list[Prefix] = []
    for prefix in sorted(prefixes):
        at = prefix.first
        index = max(0, bisect.bisect_right(outer, at, key=lambda hole: hole.first) - 1)
        while index < len(outer) and outer[index].first <= prefix.last:
            hole = outer[index]
            if hole.first > at:
                left += Range(prefix.family, at, hole.first - 1).prefixes()
            at = max(at, hole.last + 1)
            index += 1
        if at <= prefix.last:
            left += Range(prefix.family, at, prefix.last).prefixes()
    return left


def first_overlap(prefixes: Iterable[Prefix]) -> tuple[Prefix, Prefix] | None:
    """Two of the `prefixes` that share an address, or None."""
    previous: Prefix | None = None
    for prefix in sorted(prefixes, key=lambda p: (p.family.number, p.first, p.length)):
        if previous is not None and previous.overlaps(prefix):
            return previous, prefix
        if previous is None or prefix.family is not previous.family or prefix.last > previous.last:
            previous = prefix
    return None
