"""What every kind of configuration edit shares: what was done, and checks of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.store.transaction import Transaction

LONGEST_TIME = 2**32 - 1
"""Seconds: uint32 in our YANG."""


@dataclass(frozen=True)
class Done:
    """What an edit changed, for the audit."""

    verb: str
    kind: str
    id: int
    name: str
    words: str = ""
    check: Callable[[Transaction], None] | None = None
    """Looks, when all edits of the change are made, whether the thing can be as it is: on the way it need not be.
    Raises a Refusal."""


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """InvalidValue where one of `names` is given more than once."""
    for name in names:
        if names.count(name) > 1:
            raise InvalidValue(f"{what} '{name}' is given twice", "give it once")
