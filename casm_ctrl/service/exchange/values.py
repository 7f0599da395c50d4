"""The values of leaves in one form, whatever the format they were read from."""

from __future__ import annotations

from typing import Any

from casm_ctrl.addressing.prefix import Prefix, parse_prefix
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.exchange.nouns import Kind, Leaf


def canonical(leaf: Leaf, value: Any) -> Any:
    """`value`, which is of the leaf's kind, as entries hold it: sorted, prefixes as we write them.

    InvalidValue where something is given twice or is no prefix.
    """
    if leaf.kind is Kind.MAP:
        _refuse_twice(leaf, [name for name, _ in value])
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
    if not (text.isascii() and text.isdigit()):
        raise InvalidValue(f"'{text[:40]}' is not a number", "write decimal digits")
    return str(int(text))


def _order(prefix: Prefix) -> tuple[int, bytes, int]:
    return prefix.family.number, prefix.first_key, prefix.length


def _refuse_twice(leaf: Leaf, names: list[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidValue(f"{leaf.name} '{twice}' is given twice", "give it once")
