"""One open transaction, and the few ways to run SQL in it.

SQL is written once, with `:name` parameters. The statements go to the driver itself: SQLAlchemy keeps
the pool and the dialect, but its statement layer costs four times the statement on SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Protocol

from casm_ctrl.base.clock import Clock, Micros
from casm_ctrl.base.errors import StoreBroken

Row = tuple[Any, ...]
Parameters = Mapping[str, Any]


class Mode(Enum):
    """What a transaction is for. On SQLite all that write are alone."""

    READ = "one snapshot, and nothing is changed"
    WRITE = "as if it were alone"
    SHARE = "beside others like it: it locks the rows that it decides by"
    CONFIGURE = "as WRITE, and beside none that SHARE: what they decide by is the configuration too"
    REHEARSE = "as WRITE, and always taken back"


class Fault(Enum):
    """Whether a transaction that failed is worth repeating."""

    LASTING = "it would fail again"
    RACE = "a constraint stopped it, perhaps because of what another did meanwhile: once more tells"
    CONFLICT = "another was faster"
    LOST = "the connection was lost, and nothing was changed"


class Memo:
    """What one revision of the configuration never changes: rows of it, and what was made of them. Verbs that
    change none of it use them.

    Safe between threads: each revision has a dictionary of its own, and two that fill it write the same.
    """

    MOST = 20_000
    """More entries, and it starts anew: a bound on memory, above any configuration that is in use at once."""

    def __init__(self) -> None:
        self._of: tuple[int, dict[tuple[Any, ...], Any]] = (-1, {})

    def latest(self) -> tuple[int, dict[tuple[Any, ...], Any]]:
        """The last revision that was seen, and what is known of it."""
        return self._of

    def at(self, revision: int) -> dict[tuple[Any, ...], Any]:
        known, rows = self._of
        if known != revision or len(rows) > self.MOST:
            rows = {}
            self._of = (revision, rows)
        return rows


DUE = (
    "(EXISTS (SELECT 1 FROM block WHERE rest_until IS NOT NULL AND rest_until <= {now})"
    " OR EXISTS (SELECT 1 FROM block WHERE expires_at IS NOT NULL AND wanted != 'absent' AND expires_at <= {now}))"
)
"""Whether a block's rest or lifetime is over at some time."""


class Cursor(Protocol):
    """The part of a DBAPI cursor (PEP 249) that is used here; `put` and `load` are our own."""

    @property
    def rowcount(self) -> int: ...
    def put(self, sql: str, parameters: Parameters, /) -> None: ...
    def execute(self, sql: str, parameters: Parameters, /) -> object: ...
    def load(
        self, table: str, alike: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Row], /
    ) -> None: ...
    def executemany(self, sql: str, parameters: Sequence[Parameters], /) -> object: ...
    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> Sequence[Row]: ...


FEW = 3
"""Rows up to which many are as cheap one by one."""

_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")


@lru_cache(maxsize=512)
def _pyformat(sql: str) -> str:
    return _NAMED.sub(r"%(\1)s", sql.replace("%", "%%"))


class Transaction:
    """`now` is the one time of everything that happens in it, in microseconds UTC; `clock` gave it, or the
    database's own clock. `stripe` spreads counters over rows that transactions side by side do not share.
    `shares`: others may change rows meanwhile, so what is decided by must be locked."""

    def __init__(
        self,
        cursor: Cursor,
        dialect: str,
        clock: Clock,
        now: Micros,
        *,
        stripe: int = 0,
        shares: bool = False,
        memo: dict[tuple[Any, ...], Any] | None = None,
        due: bool | None = None,
    ) -> None:
        self._cursor = cursor
        self.dialect = dialect
        self.clock = clock
        self.now = now
        self.stripe = stripe
        self.shares = shares
        self._memo = memo
        self._due = due
        self.afterwards: list[Callable[[], None]] = []
        """What is done once it is durable, and not where it is taken back: lines of the log."""

    def _text(self, sql: str) -> str:
        return sql if self.dialect == "sqlite" else _pyformat(sql)

    def run(self, sql: str, **parameters: Any) -> int:
        """Execute, and return how many rows were touched."""
        self._cursor.execute(self._text(sql), parameters)
        return self._cursor.rowcount

    def put(self, sql: str, **parameters: Any) -> None:
        """Execute without waiting for the outcome: an error shows at the latest when the transaction ends."""
        self._cursor.put(self._text(sql), parameters)

    def insert_rows(
        self, table: str, alike: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Insert many rows, in the way that costs the database least. `alike`: the columns in which they agree."""
        self._cursor.load(table, alike, columns, list(rows))

    def run_many(self, sql: str, parameters: Iterable[Parameters]) -> None:
        """`put` once for each of `parameters`; nothing where there are none."""
        rows = list(parameters)
        if len(rows) <= FEW:
            for row in rows:
                self._cursor.put(self._text(sql), row)
        else:
            self._cursor.executemany(self._text(sql), rows)

    def first(self, sql: str, **parameters: Any) -> Row | None:
        """The first row, or None."""
        self._cursor.execute(self._text(sql), parameters)
        return self._cursor.fetchone()

    def one(self, sql: str, **parameters: Any) -> Row:
        """The first row of a query that always has one."""
        row = self.first(sql, **parameters)
        if row is None:
            raise StoreBroken(f"the store has no row for: {sql}", "restore it from a backup, and report this")
        return row

    def all(self, sql: str, **parameters: Any) -> Sequence[Row]:
        self._cursor.execute(self._text(sql), parameters)
        return self._cursor.fetchall()

    def known(self, sql: str, **parameters: Any) -> Sequence[Row]:
        """As `all`, for rows of configuration: remembered as long as the configuration's revision stays."""
        if self._memo is None:
            return self.all(sql, **parameters)
        key = (sql, *parameters.values())
        rows: Sequence[Row] | None = self._memo.get(key)
        if rows is None:
            rows = self._memo[key] = self.all(sql, **parameters)
        return rows

    def remember(self, key: tuple[Any, ...], value: object) -> None:
        """Keep what follows from the configuration alone, as long as its revision stays."""
        if self._memo is not None:
            self._memo[key] = value

    def is_due(self) -> bool:
        """Whether a block's rest or lifetime is over."""
        if self._due is None:
            return bool(self.one(f"SELECT {DUE.format(now=':now')}", now=self.now)[0])
        return self._due

    def insert(self, sql: str, **parameters: Any) -> int:
        """Run an INSERT that ends in `RETURNING id`, and return the id."""
        return int(self.one(sql, **parameters)[0])
