"""What operations ask of SQLite: a measure that is the same on every machine, as time is not."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from casm_ctrl.store.database import Database


class Meter:
    """What SQLite does on the connections of a store: instructions (in tens), statements, transactions."""

    def __init__(self, database: Database) -> None:
        self.steps = self.statements = self.transactions = 0
        sa.event.listen(database.engine, "connect", self._watch)
        database.engine.dispose()

    def reset(self) -> None:
        self.steps = self.statements = self.transactions = 0

    def _watch(self, connection: Any, _: object) -> None:
        connection.set_progress_handler(self._step, 10)
        connection.set_trace_callback(self._trace)

    def _step(self) -> int:
        self.steps += 1
        return 0

    def _trace(self, sql: str) -> None:
        self.statements += 1
        self.transactions += sql.startswith("BEGIN")
