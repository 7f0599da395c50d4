"""Numbers in few bytes: of any size (IPv6 counts exceed 64 bits), most of them small, and series that change little.

A varint holds seven bits a byte, the lowest first; the highest bit says that more come.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_WIDE = 1 << 28
"""From here on, zeros at the end are worth a byte that counts them: delegated prefixes are counted in addresses."""
_PLAIN, _DEFLATED = b"\x00", b"\x01"


def put_varint(out: bytearray, number: int) -> None:
    """A number that is not negative."""
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def put_signed(out: bytearray, number: int) -> None:
    put_varint(out, number << 1 if number >= 0 else (-number << 1) - 1)


def put_count(out: bytearray, number: int) -> None:
    """A number that is not negative and may end in many zero bits."""
    if number < _WIDE:
        put_varint(out, number << 1)
        return
    zeros = _zeros(number)
    put_varint(out, number >> zeros << 1 | 1)
    put_varint(out, zeros)


def put_series(out: bytearray, numbers: Sequence[int]) -> None:
    """Numbers that change little from one to the next; their count is not written."""
    every = 0
    for number in numbers:
        every |= number
    zeros = _zeros(every) if every >= _WIDE else 0
    put_varint(out, zeros)
    last = 0
    for number in numbers:
        put_signed(out, (number - last) >> zeros)
        last = number


def deflate(data: bytes | bytearray) -> bytes:
    """Compressed where that is shorter, behind a byte that says so."""
    packed = zlib.compress(data, 6)
    return _DEFLATED + packed if len(packed) < len(data) else _PLAIN + bytes(data)


def inflate(data: bytes) -> bytes:
    return zlib.decompress(data[1:]) if data[:1] == _DEFLATED else data[1:]


class Reader:
    """Takes what was put, in the same order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def varint(self) -> int:
        data, at = self._data, self._at
        byte = data[at]
        at += 1
        number, shift = byte & 127, 7
        while byte > 127:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
        self._at = at
        return number

    def skip(self, size: int) -> None:
        self._at += size

    def signed(self) -> int:
        number = self.varint()
        return -(number + 1 >> 1) if number & 1 else number >> 1

    def count(self) -> int:
        number = self.varint()
        return number >> 1 << self.varint() if number & 1 else number >> 1

    def series(self, count: int) -> list[int]:
        zeros, last = self.varint(), 0
        numbers = []
        for _ in range(count):
            last += self.signed() << zeros
            numbers.append(last)
        return numbers


def _zeros(number: int) -> int:
    """How many zero bits a positive number ends in."""
    return (number & -number).bit_length() - 1
