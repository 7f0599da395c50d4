"""Names and numbers that people type: `bng1`, `bng1/internet`, `b42`."""

from __future__ import annotations

import re
import secrets

from casm_ctrl.base.errors import InvalidValue

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_BLOCK = re.compile(r"b([1-9][0-9]{0,17})\Z")
_ID_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def check_name(kind: str, name: str) -> str:
    """`name` where it may name a `kind` (space, pool, device, …); else InvalidValue."""
    if not _NAME.match(name):
        raise InvalidValue(
            f"'{name}' cannot name a {kind}",
            "use up to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    if re.fullmatch(r"b[0-9]+", name):
        raise InvalidValue(f"'{name}' cannot name a {kind}: it reads as a block's id", "choose another name")
    return name


def split_device_pool(text: str) -> tuple[str, str]:
    """`DEVICE/NAME` as (device, name); InvalidValue where it is not of that form."""
    device, slash, name = text.partition("/")
    if not slash:
        raise InvalidValue(
            f"'{text}' is not a device pool", "write it as DEVICE/NAME, for example bng1/internet"
        )
    return check_name("device", device), check_name("device pool", name)


def block_id(number: int) -> str:
    """The block's id as people write it."""
    return f"b{number}"


def parse_block_id(text: str) -> int | None:
    """The number in `b42`; None where `text` is not of that form (it may be a prefix)."""
    match = _BLOCK.match(text)
    return int(match[1]) if match else None


def new_store_id() -> str:
    """Six characters that tell one store's marks on a device from another's (30 bits of chance)."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(6))


def new_token(prefix: str) -> str:
    """`prefix` and 64 random bits: names a lease holder or a persist-id, never reused."""
    return f"{prefix}-{secrets.token_hex(8)}"
