"""What the tests of allocation share: a short way to ask, and a look at every row there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from casm_ctrl.base.errors import Refusal
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import Edit, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester", reason="test")

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
}


def dump(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.read() as tx:
        names = [row[0] for row in tx.all(_TABLES[tx.dialect])]
        return {
            name: sorted((tuple(row) for row in tx.all(f"SELECT * FROM {name}")), key=repr) for name in names
        }


def give(database: Database, device_pool: str = "bng1/internet", **asked: Any) -> list[str]:
    """The prefixes that an allocation gets."""
    return [block["prefix"] for block in allocate(database, ME, device_pool, **asked)["block"]]


def configure(database: Database, *edits: Edit) -> None:
    change(database, ME, edits)


def refused(database: Database, kind: type[Refusal], words: str, act: Callable[[], object]) -> None:
    """`act` is refused in these words, with a remedy, and no row of any table is other than before."""
    before = dump(database)
    with pytest.raises(kind) as caught:
        act()
    assert words in caught.value.message
    assert caught.value.remedy
    assert type(caught.value) is kind
    assert dump(database) == before
