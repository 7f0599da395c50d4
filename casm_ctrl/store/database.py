"""Open a store: the engine, its transactions, and the database's errors in our words.

SQLite runs in WAL mode with synchronous=FULL, and every writer begins IMMEDIATE: what was answered is
durable (promise 2), and two writers never deadlock on an upgrade.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from casm_ctrl.base.clock import Clock, SystemClock
from casm_ctrl.base.deadlines import STORE_LOCK
from casm_ctrl.base.errors import (
    CasmError,
    InvalidValue,
    NotSupported,
    Overlap,
    StoreBroken,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
    StoreVersion,
)
from casm_ctrl.store.transaction import Transaction

HEAD = "0001"
"""The schema revision that this program reads and writes."""

OVERLAP_MESSAGE = "casm: overlap"
"""What the triggers of the first migration raise with."""


class Database:
    """A store that exists and has the schema of this program. Safe to share between threads."""

    def __init__(self, url: URL, clock: Clock) -> None:
        self.url = url
        self.clock = clock
        self.engine = make_engine(url)
        self.dialect = self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one snapshot and changes nothing."""
        with self._transaction("BEGIN") as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is durable when the block ends, or as if it had never been."""
        with self._transaction("BEGIN IMMEDIATE") as tx:
            yield tx

    @contextmanager
    def rehearse(self) -> Iterator[Transaction]:
        """A transaction that may change anything and is always taken back: for looking ahead."""
        with self._transaction("BEGIN IMMEDIATE", end="ROLLBACK") as tx:
            yield tx

    @contextmanager
    def _transaction(self, begin: str, end: str = "COMMIT") -> Iterator[Transaction]:
        with store_errors(self.url):
            connection = self.engine.raw_connection()
            try:
                cursor: Any = connection.cursor()
                cursor.execute(begin)
                try:
                    yield Transaction(cursor, self.dialect, self.clock)
                    cursor.execute(end)
                except BaseException:
                    if connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                        cursor.execute("ROLLBACK")
                    raise
            finally:
                connection.close()

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, clock: Clock | None = None) -> Database:
    """The store at `url`; StoreMissing or StoreVersion (with what to do) where it is not usable."""
    parsed = parse_url(url)
    try:
        found = Path(parsed.database or "").is_file()
    except PermissionError as error:
        raise StoreReadOnly(
            f"the store {show_url(parsed)} cannot be opened: {error.strerror}",
            "give this user access to its folder, or name another with --database",
        ) from None
    if not found:
        raise StoreMissing(
            f"there is no store at {show_url(parsed)}", "run 'casm init', or name it with --database"
        )
    database = Database(parsed, clock or SystemClock())
    try:
        with database.read() as tx:
            revision = schema_revision(tx)
    except CasmError:
        database.close()
        raise
    if revision != HEAD:
        database.close()
        if revision is None:
            raise StoreMissing(
                f"{show_url(parsed)} holds no store of ours", "run 'casm init', or name another file"
            )
        if revision < HEAD:
            raise StoreVersion(
                f"the store {show_url(parsed)} has schema {revision}, and this program needs {HEAD}",
                "make a copy of it, then run 'casm init' to bring it up to date",
            )
        raise StoreVersion(
            f"the store {show_url(parsed)} has schema {revision}, and this program knows {HEAD} at the latest",
            "use the newer program that wrote it",
        )
    return database


def schema_revision(tx: Transaction) -> str | None:
    """The revision of the schema there, or None where there is none of ours."""
    ours = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name IN ('alembic_version', 'store')"
    if tx.one(ours)[0] != 2:
        return None
    row = tx.first("SELECT version_num FROM alembic_version")
    return None if row is None else str(row[0])


def parse_url(url: str) -> URL:
    """`url` as SQLAlchemy's; a bare path is an SQLite file."""
    try:
        parsed = make_url(url if "://" in url else f"sqlite:///{url}")
    except sa.exc.ArgumentError:
        raise InvalidValue(
            f"'{url}' is not a database URL", "write sqlite:////var/lib/casm/casm.db"
        ) from None
    if parsed.get_backend_name() != "sqlite":
        raise NotSupported(
            f"this version keeps its store in SQLite, not {parsed.drivername}", "give sqlite:///PATH"
        )
    if not parsed.database or parsed.database == ":memory:":
        raise InvalidValue(f"'{url}' names no file", "write sqlite:////var/lib/casm/casm.db")
    return parsed


def show_url(url: URL) -> str:
    """The URL without its password, or the path where it is SQLite."""
    return url.database or url.render_as_string(hide_password=True)


def make_engine(url: URL) -> sa.Engine:
    """An engine whose connections never open a transaction by themselves."""
    path = Path(url.database or "").absolute()

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

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.QueuePool)


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into ours; errors of ours pass."""
    try:
        yield
    except (sqlite3.Error, sa.exc.DBAPIError) as error:
        raise _translate(error, show_url(url)) from error


def _translate(error: Exception, where: str) -> CasmError:
    text = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error)
    if OVERLAP_MESSAGE in text:
        return Overlap(
            f"the store refused addresses that belong to something else ({text.removeprefix(OVERLAP_MESSAGE).strip()})",
            "nothing was changed; list what is there with 'casm block list' and 'casm pool list'",
        )
    if "locked" in text or "busy" in text:
        return StoreLocked(
            f"the store {where} stayed locked by another process for {STORE_LOCK:g} s",
            "wait until it is done, or end it, and try again",
        )
    if "readonly" in text or "read-only" in text:
        return StoreReadOnly(
            f"the store {where} cannot be written", "give this user write access to it and its folder"
        )
    if "unable to open" in text:
        return StoreReadOnly(
            f"the store {where} cannot be opened", "check that its folder exists and may be written"
        )
    if "not a database" in text or "malformed" in text:
        return StoreBroken(f"{where} is not a usable SQLite database ({text})", "restore it from a backup")
    return StoreBroken(
        f"the store {where} failed: {text}", "nothing was changed; see the message, then try again"
    )
