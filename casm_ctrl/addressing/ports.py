"""Port sets: how the ports of one shared IPv4 address are divided (RFC 7597, 5.1).

The 16 bits of a port are A, PSID and M, of a, k and 16 - a - k bits: A is above 0 where a is, so that the
ports below 2^(16 - a) are in no set; PSID is the set's id; M counts the ports of one range. a is the PSID
offset and k the length of the id.
"""

from __future__ import annotations

import re

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue

_TEXT = re.compile(
    r"(\S+)\s+psid\s+(0x[0-9a-fA-F]{1,4}|[0-9]{1,5})/([0-9]{1,2})(?:\s+offset\s+([0-9]{1,2}))?\s*\Z"
)


def port_ranges(offset: int, psid: int, length: int) -> list[tuple[int, int]]:
    """The (first, last) ports of a port set, in order: one range for each value of A.

    InvalidValue where no port set has that offset, id and length of the id.
    """
    if not (offset >= 0 and 1 <= length <= PORT_BITS - offset and 0 <= psid < 1 << length):
        raise InvalidValue(
            f"there is no port set with the offset {offset} and the id {psid}/{length}",
            f"offset and length are {PORT_BITS} together at the most, and the id is below 2^length",
        )
    each = 1 << (PORT_BITS - offset - length)
    starts = range(_first_port(offset), 1 << PORT_BITS, 1 << (PORT_BITS - offset))
    return [(start + psid * each, start + (psid + 1) * each - 1) for start in starts]


def port_spot(port: int, offset: int) -> int | None:
    """Where `port` lies in the 16 bits that a value of Family.PORTS has behind the address; None where it is
    in no port set. The port sets that hold it are those that hold this spot, whatever their length."""
    if port < _first_port(offset):
        return None
    return (port << offset) & ((1 << PORT_BITS) - 1)


def parse_block(text: str) -> Prefix:
    """A block as people write it: a prefix, or a port set as `ADDRESS/32 psid ID/LENGTH [offset OFFSET]`.

    The offset is its pool's, and no part of the prefix: `parse_offset` reads it.
    """
    match = _TEXT.match(text.strip())
    if match is None:
        return parse_prefix(text)
    whole, psid, length = parse_prefix(match[1]), int(match[2], 0), int(match[3])
    if whole.family is not Family.IPV4 or whole.length != Family.IPV4.width:
        raise InvalidValue(f"{whole} has no port sets", "write the one IPv4 address, as 192.0.2.1/32")
    if not (1 <= length <= PORT_BITS and psid < 1 << length):
        raise InvalidValue(
            f"{match[2]}/{length} is not a port-set id", "write ID/LENGTH with the id below 2^length"
        )
    spot = psid << (PORT_BITS - length)
    return Prefix(Family.PORTS, (whole.first << PORT_BITS) | spot, whole.length + length)


def parse_offset(text: str) -> int | None:
    """The PSID offset that is written behind a port set (see parse_block); None where there is none."""
    match = _TEXT.match(text.strip())
    return None if match is None or match[4] is None else int(match[4])


def write_block(prefix: Prefix, offset: int | None) -> str:
    """A block as parse_block reads it; a port set with the PSID offset of its pool."""
    return str(prefix) if offset is None or prefix.psid is None else f"{prefix} offset {offset}"


def _first_port(offset: int) -> int:
    return 1 << (PORT_BITS - offset) if offset else 0
