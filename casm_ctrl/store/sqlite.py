"""A store in one SQLite file: WAL, synchronous=FULL, and every writer begins IMMEDIATE.

So what was answered is durable (promise 2), and two writers never deadlock on an upgrade.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from casm_ctrl.base.clock import Clock, Micros, SystemClock
from casm_ctrl.base.deadlines import STORE_LOCK
from casm_ctrl.base.errors import (
    AlreadyExists,
    CasmError,
    InvalidValue,
    Overlap,
    StoreBroken,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
)
from casm_ctrl.store.transaction import Fault, Memo, Mode, Parameters, Row, Transaction

OVERLAP_MESSAGE = "casm: overlap"
"""What the triggers of the first migration raise with."""

OURS = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('alembic_version', 'store')"


class SqliteCursor(sqlite3.Cursor):
    """A cursor for which nothing is gained by waiting."""

    def put(self, sql: str, parameters: Parameters, /) -> None:
        self.execute(sql, parameters)

    def load(
        self, table: str, alike: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Row], /
    ) -> None:
        names, same, done = (*alike, *columns), tuple(alike.values()), 0
        for many in _AT_ONCE:
            while len(rows) - done >= many:
                varying = chain.from_iterable(rows[done : done + many])
                self.execute(_insert_of(table, names, len(same), many), (*same, *varying))
                done += many


_AT_ONCE = (50, 5, 1)
"""Rows in one statement. Each statement that a trigger may abort keeps a copy of the pages it changes: fifty rows
in one cost half of what they do one by one, and more gain nothing."""


@lru_cache(maxsize=64)
def _insert_of(table: str, names: tuple[str, ...], same: int, many: int) -> str:
    """An INSERT of `many` rows that share their first `same` values."""
    shared = [f"?{number}" for number in range(1, same + 1)]
    own = len(names) - same
    rows = (
        ", ".join([*shared, *(f"?{same + row * own + number}" for number in range(1, own + 1))])
        for row in range(many)
    )
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join(f'({row})' for row in rows)}"


class SqliteBackend:
    """What is SQLite's own: its file, its connections, its transactions and its errors."""

    dialect = "sqlite"
    errors: tuple[type[Exception], ...] = (sqlite3.Error, sa.exc.DBAPIError)
    ours = OURS

    def __init__(self, url: URL, clock: Clock | None) -> None:
        if not url.database or url.database == ":memory:":
            raise InvalidValue(f"'{url}' names no file", "write sqlite:////var/lib/casm/casm.db")
        self.where = url.database
        self.path = Path(url.database)
        self.clock = clock or SystemClock()
        self.memo = Memo()
        self.engine = self._make_engine()

    def _make_engine(self) -> sa.Engine:
        """An engine whose connections never open a transaction by themselves."""
        path = self.path.absolute()

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                f"{path.as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=STORE_LOCK,
                check_same_thread=False,
            )
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            return connection

        # Every transaction here is ended by `transaction`: a rollback by the pool would only cost time.
        return sa.create_engine(
            "sqlite://", creator=connect, poolclass=sa.pool.QueuePool, pool_reset_on_return=None
        )

    def require(self) -> None:
        """StoreMissing where there is no file; opening one never makes it."""
        try:
            found = self.path.is_file()
        except PermissionError as error:
            raise StoreReadOnly(
                f"the store {self.where} cannot be opened: {error.strerror}",
                "give this user access to its folder, or name another with --database",
            ) from None
        if not found:
            raise StoreMissing(
                f"there is no store at {self.where}", "run 'casm init', or name it with --database"
            )

    def prepare(self) -> None:
        """An empty file in WAL mode that only its owner can read: it names devices and credentials."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreReadOnly(
                f"the store {self.where} cannot be made: {error.strerror}",
                "name a file in a folder that you can write",
            ) from None
        with contextlib.closing(sqlite3.connect(self.path, timeout=STORE_LOCK)) as connection:
            listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {row[0] for row in listed}
            if tables and "store" not in tables:
                raise AlreadyExists(
                    f"{self.where} is another program's database", "name a file that does not exist yet"
                )
            connection.execute("PRAGMA journal_mode = WAL")

    def begin_upgrade(self, connection: sa.Connection) -> Transaction:
        """The transaction that Alembic works in: of several processes, the first one makes the store."""
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        cursor: Any = connection.connection.cursor(SqliteCursor)
        return Transaction(cursor, self.dialect, self.clock, self.clock.now())

    @contextmanager
    def transaction(self, mode: Mode) -> Iterator[Transaction]:
        connection = self.engine.raw_connection()
        try:
            cursor: Any = connection.cursor(SqliteCursor)
            cursor.execute("BEGIN" if mode is Mode.READ else "BEGIN IMMEDIATE")
            try:
                memo = None
                if mode is Mode.SHARE:
                    cursor.execute("SELECT config_revision FROM store")
                    memo = self.memo.at(cursor.fetchone()[0])
                yield Transaction(cursor, self.dialect, self.clock, self.clock.now(), memo=memo)
                cursor.execute("ROLLBACK" if mode is Mode.REHEARSE else "COMMIT")
            except BaseException:
                if connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                    cursor.execute("ROLLBACK")
                raise
        finally:
            connection.close()

    def at_once(self, sql: str, parameters: Callable[[Micros | None], Sequence[Any]]) -> Row | None:
        """None: there is no round trip to save here."""
        return None

    def fault(self, error: BaseException | None) -> Fault:
        """Never worth repeating: SQLite itself waited for the lock."""
        return Fault.LASTING

    def translate(self, error: Exception) -> CasmError:
        """The driver's error in our words."""
        text = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error)
        if OVERLAP_MESSAGE in text:
            what = text.removeprefix(OVERLAP_MESSAGE).strip()
            return Overlap(
                f"the store refused addresses that belong to something else ({what})",
                "nothing was changed; list what is there with 'casm block list' and 'casm pool list'",
            )
        if "locked" in text or "busy" in text:
            return StoreLocked(
                f"the store {self.where} stayed locked by another process for {STORE_LOCK:g} s",
                "wait until it is done, or end it, and try again",
            )
        if "readonly" in text or "read-only" in text:
            return StoreReadOnly(
                f"the store {self.where} cannot be written",
                "give this user write access to it and its folder",
            )
        if "unable to open" in text:
            return StoreReadOnly(
                f"the store {self.where} cannot be opened", "check that its folder exists and may be written"
            )
        if "not a database" in text or "malformed" in text:
            return StoreBroken(
                f"{self.where} is not a usable SQLite database ({text})", "restore it from a backup"
            )
        return StoreBroken(
            f"the store {self.where} failed: {text}", "nothing was changed; see the message, then try again"
        )
