"""Passwords as bcrypt keeps them. What takes long here is meant to: call it on a thread."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import bcrypt

from casm_ctrl.base.errors import InvalidValue

SHORTEST, LONGEST = 8, 1024
"""Characters."""
COST = 11
"""bcrypt's: 2 to this many rounds, an eighth of a second of one core."""


def hash_password(password: str, cost: int = COST) -> str:
    """The hash of `password` with a salt of its own; InvalidValue where it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidValue(
            f"a password has {SHORTEST} to {LONGEST} characters, and this one {len(password)}",
            "choose another one",
        )
    return bcrypt.hashpw(_whole(password), bcrypt.gensalt(cost)).decode()


def is_password(password: str, known: str | None) -> bool:
    """Whether `known` is the hash of `password`. None is nobody's, and takes as long to deny."""
    try:
        same = bcrypt.checkpw(_whole(password[: LONGEST + 1]), (known or _nobody()).encode())
    except ValueError:  # what is in the store is no hash
        return False
    return same and known is not None and len(password) <= LONGEST


def _whole(password: str) -> bytes:
    """bcrypt heeds 72 octets at most, and none after a zero: its digest stands for the password."""
    return base64.b64encode(hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest())


@cache
def _nobody() -> str:
    return bcrypt.hashpw(b"nobody", bcrypt.gensalt(COST)).decode()
