"""Open a store: its transactions, repeated where that helps, and its errors in our words."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from casm_ctrl.base.clock import Clock, Micros
from casm_ctrl.base.deadlines import STORE_LOCK
from casm_ctrl.base.errors import CasmError, InvalidValue, NotSupported, StoreMissing, StoreVersion
from casm_ctrl.store.sqlite import SqliteBackend
from casm_ctrl.store.transaction import Fault, Memo, Mode, Row, Transaction

HEAD = "0001"
"""The schema revision that this program reads and writes."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
"""Seconds between two tries of a transaction; doubled each time, and jittered."""

Result = TypeVar("Result")


class Backend(Protocol):
    """What differs between the databases that a store may be in."""

    dialect: str
    where: str
    clock: Clock
    engine: sa.Engine
    memo: Memo
    errors: tuple[type[Exception], ...]
    ours: str
    """A query that counts our two marks among the tables."""

    def require(self) -> None: ...
    def prepare(self) -> None: ...
    def begin_upgrade(self, connection: sa.Connection) -> Transaction: ...
    def transaction(self, mode: Mode) -> AbstractContextManager[Transaction]: ...
    def at_once(self, sql: str, parameters: Callable[[Micros | None], Sequence[Any]]) -> Row | None: ...
    def fault(self, error: BaseException | None) -> Fault: ...
    def translate(self, error: Exception) -> CasmError: ...


class Database:
    """A store that exists and has the schema of this program. Safe to share between threads."""

    def __init__(self, url: URL, clock: Clock | None = None) -> None:
        self.url = url
        self.backend = make_backend(url, clock)
        self.clock = self.backend.clock
        self.engine = self.backend.engine
        self.dialect = self.backend.dialect

    def run(self, body: Callable[[Transaction], Result], mode: Mode = Mode.WRITE) -> Result:
        """Do `body` in one transaction, durable when this returns, or as if it had never been.

        Repeated where another's transaction or a lost connection ended it, for STORE_LOCK seconds at most:
        so `body` must do nothing that a rollback does not undo.
        """
        until = time.monotonic() + STORE_LOCK
        pause, raced = _FIRST_PAUSE, False
        while True:
            try:
                with self._transaction(mode) as tx:
                    return body(tx)
            except CasmError as error:
                fault = self.backend.fault(error.__cause__)
                if fault is Fault.LASTING or raced or time.monotonic() > until:
                    raise
                raced = fault is Fault.RACE
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    def at_once(self, sql: str, parameters: Callable[[Micros | None], Sequence[Any]]) -> Row | None:
        """The first row of one statement that is a transaction by itself; None where it was not to be had: then
        it did nothing, or the connection was lost and nobody knows yet. `parameters` are given the time, or None
        where the database's clock counts."""
        with store_errors(self.backend):
            return self.backend.at_once(sql, parameters)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one snapshot and changes nothing."""
        with self._transaction(Mode.READ) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """As `run`, once: what another was faster with is an error."""
        with self._transaction(Mode.WRITE) as tx:
            yield tx

    @contextmanager
    def rehearse(self) -> Iterator[Transaction]:
        """A transaction that may change anything and is always taken back: for looking ahead."""
        with self._transaction(Mode.REHEARSE) as tx:
            yield tx

    @contextmanager
    def _transaction(self, mode: Mode) -> Iterator[Transaction]:
        with store_errors(self.backend), self.backend.transaction(mode) as tx:
            yield tx
        if mode not in (Mode.READ, Mode.REHEARSE):
            for work in tx.afterwards:
                work()

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, clock: Clock | None = None) -> Database:
    """The store at `url`; StoreMissing or StoreVersion (with what to do) where it is not usable.

    Without a `clock`, times are the machine's on SQLite and the database's own on PostgreSQL.
    """
    database = Database(parse_url(url), clock)
    where = database.backend.where
    try:
        database.backend.require()
        with database.read() as tx:
            revision = schema_revision(tx, database.backend.ours)
    except CasmError:
        database.close()
        raise
    if revision != HEAD:
        database.close()
        if revision is None:
            raise StoreMissing(f"{where} holds no store of ours", "run 'casm init', or name another")
        if revision < HEAD:
            raise StoreVersion(
                f"the store {where} has schema {revision}, and this program needs {HEAD}",
                "make a copy of it, then run 'casm init' to bring it up to date",
            )
        raise StoreVersion(
            f"the store {where} has schema {revision}, and this program knows {HEAD} at the latest",
            "use the newer program that wrote it",
        )
    return database


def schema_revision(tx: Transaction, ours: str) -> str | None:
    """The revision of the schema there, or None where there is none of ours (`ours` counts its marks)."""
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
            f"'{url}' is not a database URL",
            "write sqlite:////var/lib/casm/casm.db or postgresql+psycopg://USER@HOST/DATABASE",
        ) from None
    if parsed.get_backend_name() == "postgresql" and not parsed.database:
        raise InvalidValue(
            f"'{show_url(parsed)}' names no database", "write postgresql+psycopg://USER@HOST/DATABASE"
        )
    if parsed.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise NotSupported(
            f"a store is in SQLite or PostgreSQL, not {parsed.drivername}",
            "give sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE",
        )
    return parsed


def show_url(url: URL) -> str:
    """The URL without its password, or the path where it is SQLite."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.set(query={}).render_as_string(hide_password=True)


def make_backend(url: URL, clock: Clock | None) -> Backend:
    """The one for `url`. PostgreSQL's driver is an extra, loaded where it is asked for."""
    if url.get_backend_name() == "sqlite":
        return SqliteBackend(url, clock)
    try:
        from casm_ctrl.store.postgresql import PostgresqlBackend
    except ImportError:
        raise NotSupported(
            "PostgreSQL was asked for, and its driver is not installed",
            "install it with: pip install 'casm-ctrl[postgresql]'",
        ) from None
    return PostgresqlBackend(url, clock)


@contextmanager
def store_errors(backend: Backend) -> Iterator[None]:
    """Turn the driver's errors into ours; errors of ours pass."""
    try:
        yield
    except backend.errors as error:
        raise backend.translate(error) from error
