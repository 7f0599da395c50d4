"""The values of leaves in one form, whatever the format they were read from."""

from __future__ import annotations

import re
from typing import Any

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.documents import seconds_text
from casm_ctrl.service.exchange.nouns import Kind, Leaf

_NO_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]")
"""What a YANG string cannot hold (RFC 7950, 9.4)."""

_LARGEST = 2**32 - 1
"""No number of ours is more than uint32; larger ones are a COUNT."""

_MOST_DIGITS = 39
"""Of 2 to the power of 128."""


def canonical(leaf: Leaf, value: Any) -> Any:
    """`value`, which is of the leaf's kind, as entries hold it: sorted, prefixes as we write them.

    InvalidValue where something is given twice, is no prefix, or is more than its kind can be.
    """
    _check_size(leaf, value)
    if leaf.kind is Kind.MAP:
        _refuse_twice(leaf, ["=".join(pair) if leaf.both else pair[0] for pair in value])
        if leaf.prefixes:
            return tuple(
                (str(prefix), text)
                for prefix, text in sorted(
                    ((parse_prefix(name), text) for name, text in value), key=lambda pair: _order(pair[0])
                )
            )
        return tuple(sorted(value))
    if leaf.kind is Kind.SET:
        _refuse_twice(leaf, value)
        if leaf.prefixes:
            return tuple(str(prefix) for prefix in sorted(map(parse_prefix, value), key=_order))
        return tuple(sorted(value))
    return tuple(value) if leaf.kind is Kind.LIST else value


def check_count(text: str) -> str:
    """`text` where it is decimal digits (RFC 7951, 6.1)."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidValue(f"'{text[:40]}' is not a number", f"write up to {_MOST_DIGITS} decimal digits")
    return str(int(text))


def check_seconds(text: str) -> str:
    """`text` in its canonical form; InvalidValue where it is no decimal64 with up to three digits."""
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text):
        raise InvalidValue(f"'{text[:40]}' is no number of seconds", "write as 60 or 0.25")
    return seconds_text(float(text))


def number(value: str | int) -> float:
    """What a SECONDS or a NUMBER says; an int where it is whole."""
    found = float(value)
    return int(found) if found.is_integer() else found


def _check_size(leaf: Leaf, value: Any) -> None:
    if isinstance(value, int):
        if not 0 <= value <= _LARGEST:
            raise InvalidValue(f"{leaf.name} is {str(value)[:40]}", f"give 0 to {_LARGEST}")
        return
    texts = [value] if isinstance(value, str) else value
    for text in texts:
        for part in [text] if isinstance(text, str) else text:
            odd = _NO_TEXT.search(part)
            if odd is not None:
                raise InvalidValue(f"{leaf.name} holds the character U+{ord(odd[0]):04X}", "remove it")


def _order(prefix: Prefix) -> tuple[int, bytes, int]:
    return prefix.family.number, prefix.first_key, prefix.length


def _refuse_twice(leaf: Leaf, names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValue(f"{leaf.name} '{twice}' is given twice", "give it once")
