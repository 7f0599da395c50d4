"""Values of leaves in device data: addresses, prefixes and counts, read strictly and written one way."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from casm_ctrl.addressing.prefix import Prefix, Range, format_address, parse_address, parse_range
from casm_ctrl.base.errors import InvalidValue

_COUNT = re.compile(r"[0-9]{1,39}\Z")
"""39 digits hold 2 to the power of 128."""


def read_network(text: str) -> Prefix:
    """An inet:ip-prefix of either family, whose host bits do not count (RFC 6991, 4).

    InvalidValue where `text` is none.
    """
    address, _, digits = text.strip().partition("/")
    family, value = parse_address(address)
    bits = family.width
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3 and int(digits) <= bits):
        raise InvalidValue(f"'{text}' is not a prefix", f"write it as {address}/{bits}")
    length = int(digits)
    return Prefix(family, value >> bits - length << bits - length, length)


def extent_of(first: str | None, last: str | None) -> Range | None:
    """The range between two addresses; None where one is missing, is no address, or they are reversed."""
    try:
        return None if first is None or last is None else parse_range(first.strip(), last.strip())
    except InvalidValue:
        return None


def network_of(text: str | None) -> Range | None:
    """The range of a prefix; None where it is missing or is none."""
    try:
        return None if text is None else read_network(text).range
    except InvalidValue:
        return None


def whole(text: str | None) -> int | None:
    """A number of decimal digits; None for anything else."""
    return int(text) if text is not None and _COUNT.match(text := text.strip()) else None


def canonical_address(text: str) -> str:
    """An address in its canonical form; what is none, stripped."""
    try:
        return format_address(*parse_address(text.strip()))
    except InvalidValue:
        return text.strip()


def canonical_network(text: str) -> str:
    """A prefix in its canonical form; what is none, stripped."""
    try:
        return str(read_network(text))
    except InvalidValue:
        return text.strip()


def dotted_mask(length: int) -> str:
    """An IPv4 prefix length as a dotted quad. InvalidValue above /32."""
    if not 0 <= length <= 32:
        raise InvalidValue(f"/{length} cannot be the mask of an IPv4 gateway", "use /0 to /32")
    return str(IPv4Address((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF))
