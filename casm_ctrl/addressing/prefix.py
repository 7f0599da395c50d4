"""Prefix and Range: the two shapes of address space, in either family.

A value inside is an integer of the family's width; the store's keys are the same integers as 16 bytes,
most significant first, so that byte order is address order (design: Allocation).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from casm_ctrl.base.errors import InvalidValue

KEY_BYTES = 16


class Family(Enum):
    """An address family: `width` is the number of bits that a block's length counts, and `number` (4 or 6)
    is how the store writes it."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"

    def __init__(self, text: str) -> None:
        self.width = 32 if text == "ipv4" else 128
        self.number = 4 if text == "ipv4" else 6

    @staticmethod
    def from_number(number: int) -> Family:
        return Family.IPV4 if number == 4 else Family.IPV6


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

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def overlaps(self, other: Range | Prefix) -> bool:
        return self.family is other.family and self.first <= other.last and other.first <= self.last

    def contains(self, other: Range | Prefix) -> bool:
        return self.family is other.family and self.first <= other.first and other.last <= self.last

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
        """How many addresses it holds."""
        return 1 << (self.family.width - self.length)

    @property
    def last(self) -> int:
        return self.first + self.size - 1

    @property
    def range(self) -> Range:
        return Range(self.family, self.first, self.last)

    def overlaps(self, other: Range | Prefix) -> bool:
        return self.family is other.family and self.first <= other.last and other.first <= self.last

    def contains(self, other: Range | Prefix) -> bool:
        return self.family is other.family and self.first <= other.first and other.last <= self.last

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

    def __str__(self) -> str:
        return f"{format_address(self.family, self.first)}/{self.length}"


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
    """The canonical text of an address (RFC 5952 for IPv6)."""
    if family is Family.IPV6:
        return str(ipaddress.IPv6Address(value))
    a, b, c, d = value.to_bytes(4, "big")
    return f"{a}.{b}.{c}.{d}"


def to_key(value: int) -> bytes:
    """The 16 bytes, most significant first, by which the store orders addresses."""
    return value.to_bytes(KEY_BYTES, "big")


def from_key(key: bytes) -> int:
    return int.from_bytes(key, "big")


def subtract_all(prefixes: Iterable[Prefix], holes: Iterable[Prefix]) -> list[Prefix]:
    """The fewest prefixes that cover `prefixes` without any of `holes`, in order."""
    left = sorted(prefixes)
    for hole in holes:
        left = [piece for prefix in left for piece in prefix.subtract(hole)]
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
