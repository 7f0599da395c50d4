"""A store in a PostgreSQL database, which any number of controllers share without a leader.

Round trips are what a transaction costs there: statements whose outcome nobody asks for travel together with
the commit. Times are the database's own clock, unless a test gives one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import errors as pg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import IntLoader
from sqlalchemy.engine import URL

from casm_ctrl.base.clock import Clock, Micros, SystemClock
from casm_ctrl.base.deadlines import STORE_LOCK, Deadlines
from casm_ctrl.base.errors import (
    CasmError,
    Overlap,
    StoreBroken,
    StoreLocked,
    StoreReadOnly,
)
from casm_ctrl.store.connecting import connection_error
from casm_ctrl.store.transaction import DUE, FEW, Fault, Memo, Mode, Parameters, Row, Transaction

STRIPES = 64
"""Counters are spread over so many rows."""

OURS = (
    "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()"
    " AND tablename IN ('alembic_version', 'store')"
)

_UPGRADE_LOCK = 0x6361736D
"""The advisory lock of who makes or upgrades the schema: 'casm'."""

_BEGIN = {
    Mode.READ: "ISOLATION LEVEL REPEATABLE READ READ ONLY",
    Mode.WRITE: "ISOLATION LEVEL SERIALIZABLE",
    Mode.SHARE: "ISOLATION LEVEL READ COMMITTED",
    Mode.CONFIGURE: "ISOLATION LEVEL SERIALIZABLE",
    Mode.REHEARSE: "ISOLATION LEVEL SERIALIZABLE",
}
_GATE = {
    Mode.SHARE: "LOCK TABLE allocation_gate IN ROW SHARE MODE; ",
    Mode.CONFIGURE: "LOCK TABLE allocation_gate IN EXCLUSIVE MODE; ",
}
"""What is done before a transaction takes its snapshot: it waits for those that it must not be beside, and then sees
what they did."""
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@dataclass(frozen=True)
class _Begun:
    """What a transaction learns when it begins. `due`: a rest or a lifetime is over."""

    now: Micros
    xid: str
    revision: int | None
    due: bool | None


_ADDRESS_KEYS = (
    "block_space",
    "block_public",
    "pool_prefix_space",
    "pool_prefix_public",
    "carve_pool",
)
"""Unique indexes that refuse what begins at one address, before the exclusion constraints see it."""


_PLANS = ("enable_seqscan=off", "enable_bitmapscan=off", "jit=off")
"""Every query here has its index, and is read in its order: a plan made while a table was small must not read it
whole later, nor sort it."""


class SparingCursor:
    """The part of a DBAPI cursor that a Transaction uses, with few round trips: a statement whose outcome
    nobody asks for waits, and is sent in one piece with others like it, at the latest with the commit."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._client = psycopg.ClientCursor(connection)
        self._waiting: list[str] = []

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def put(self, sql: str, parameters: Parameters, /) -> None:
        self._waiting.append(self._client.mogrify(sql.encode(), parameters))

    def finish(self, end: str) -> str | None:
        """Send what waits, and `end` behind it. Gives the server's word for what it did last."""
        self._client.execute("; ".join([*self._waiting, end]).encode())
        self._waiting = []
        while self._client.nextset():
            pass
        return self._client.statusmessage

    def execute(self, sql: str, parameters: Parameters, /) -> object:
        self._flush()
        return self._cursor.execute(sql.encode(), parameters)

    def load(
        self, table: str, alike: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Row], /
    ) -> None:
        names, same = (*alike, *columns), tuple(alike.values())
        if len(rows) <= FEW:
            insert = (
                f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})".encode()
            )
            self._waiting += [self._client.mogrify(insert, (*same, *row)) for row in rows]
            return
        self._flush()
        with self._cursor.copy(f"COPY {table} ({', '.join(names)}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row((*same, *row))

    def executemany(self, sql: str, parameters: Sequence[Parameters], /) -> object:
        self._flush()
        self._cursor.executemany(sql.encode(), parameters)
        return self._cursor

    def fetchone(self) -> Row | None:
        return self._cursor.fetchone()

    def fetchall(self) -> Sequence[Row]:
        return self._cursor.fetchall()

    def _flush(self) -> None:
        if self._waiting:
            self.finish(self._waiting.pop())


class PostgresqlBackend:
    """What is PostgreSQL's own: its connections, its transactions and its errors."""

    dialect = "postgresql"
    errors: tuple[type[Exception], ...] = (psycopg.Error, sa.exc.DBAPIError)
    ours = OURS

    def __init__(self, url: URL, clock: Clock | None) -> None:
        self.where = url.set(query={}).render_as_string(hide_password=True)
        self.clock = clock or SystemClock()
        self._injected = clock is not None
        self.memo = Memo()
        self._arguments: dict[str, Any] = {
            "connect_timeout": round(Deadlines().tcp),
            "application_name": "casm",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **url.translate_connect_args(username="user", database="dbname"),
            **url.query,
        }
        self.engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=sa.pool.QueuePool,
            pool_reset_on_return=None,
        )

    def _connect(self) -> psycopg.Connection:
        settings = ("synchronous_commit=on", f"lock_timeout={round(STORE_LOCK * 1000)}", *_PLANS)
        options = " ".join(f"-c {setting}" for setting in settings)
        given = {**self._arguments, "options": f"{options} {self._arguments.get('options', '')}"}
        connection = psycopg.connect(**given, autocommit=True, prepare_threshold=2)
        connection.prepared_max = 400
        # Sums of whole numbers are numeric there; none of ours has a fraction.
        connection.adapters.register_loader("numeric", IntLoader)
        return connection

    def require(self) -> None:
        """Nothing to look for before the first connection, which says what is missing."""

    def prepare(self) -> None:
        """The database must be there: making one takes rights that a controller should not have."""

    def begin_upgrade(self, connection: sa.Connection) -> Transaction:
        """The transaction that Alembic works in: of several processes, the first one makes the store."""
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
        driver: Any = connection.connection.driver_connection
        cursor = SparingCursor(driver)
        now = self.clock.now()
        if not self._injected:
            now = Micros(int(driver.execute(f"SELECT {_NOW}").fetchone()[0]))
        return Transaction(cursor, self.dialect, self.clock, now)

    @contextmanager
    def transaction(self, mode: Mode) -> Iterator[Transaction]:
        pooled = self.engine.raw_connection()
        connection: Any = pooled.driver_connection
        writes = mode is not Mode.READ
        committing = False
        xid, now = "", self.clock.now()
        try:
            begun = self._begin(connection, mode)
            xid, now = begun.xid, begun.now
            cursor = SparingCursor(connection)
            yield Transaction(
                cursor,
                self.dialect,
                self.clock,
                now,
                stripe=connection.info.backend_pid % STRIPES,
                shares=mode is Mode.SHARE,
                memo=None if begun.revision is None else self.memo.at(begun.revision),
                due=begun.due,
            )
            committing = writes and mode is not Mode.REHEARSE
            if cursor.finish("COMMIT" if committing else "ROLLBACK") != "COMMIT" and committing:
                raise StoreBroken(
                    f"the store {self.where} took a transaction back that had failed before",
                    "nothing was changed; try again, and report this",
                )
        except psycopg.OperationalError as error:
            if not (committing and connection.closed):
                raise
            pooled.invalidate()
            if not self._settle(xid, now):
                raise error
        finally:
            self._give_back(pooled, connection)

    def at_once(self, sql: str, parameters: Callable[[Micros | None], Sequence[Any]]) -> Row | None:
        """See Database. None too where others were quicker: a transaction of several statements looks again."""
        now = self.clock.now() if self._injected else None
        try:
            pooled = self.engine.raw_connection()
        except self.errors:
            return None
        connection: Any = pooled.driver_connection
        try:
            row: Row | None = connection.execute(sql.encode(), parameters(now), prepare=True).fetchone()
        except (psycopg.OperationalError, psycopg.IntegrityError):
            row = None
        finally:
            self._give_back(pooled, connection)
        return row

    def _begin(self, connection: psycopg.Connection, mode: Mode) -> _Begun:
        """Begin, and ask for the time, the transaction's number and what else is needed in one round trip."""
        now = str(self.clock.now()) if self._injected else _NOW
        wanted = f"SELECT {now}"
        if mode is not Mode.READ:
            wanted += ", pg_current_xact_id()::text"
        if mode is Mode.SHARE:
            wanted += f", (SELECT config_revision FROM store), {DUE.format(now=now)}"
        cursor = connection.execute(f"BEGIN {_BEGIN[mode]}; {_GATE.get(mode, '')}{wanted}".encode())
        while cursor.nextset():
            pass
        row = cursor.fetchone()
        assert row is not None
        found = [*row, None, None, None]
        return _Begun(Micros(int(found[0])), str(found[1] or ""), found[2], found[3])

    @staticmethod
    def _give_back(pooled: Any, connection: psycopg.Connection) -> None:
        try:
            if not connection.closed and connection.info.transaction_status is not TransactionStatus.IDLE:
                connection.rollback()
        except psycopg.Error:
            connection.close()
        if connection.closed and pooled.is_valid:
            pooled.invalidate()
        pooled.close()

    def _settle(self, xid: str, now: Micros) -> bool:
        """Whether transaction `xid`, which began at `now`, was committed when its connection was lost.

        A number may be given out again after a crash, to a transaction that has nothing of this one: so
        what was committed must also have an event of that very moment. StoreBroken where nobody can tell.
        """
        until = time.monotonic() + STORE_LOCK
        found: tuple[Any, ...] | None = None
        while time.monotonic() < until:
            try:
                with self._connect() as connection:
                    found = connection.execute(
                        "SELECT pg_xact_status(%(xid)s::text::xid8), EXISTS ("
                        " SELECT 1 FROM (SELECT xmin, at FROM event ORDER BY seq DESC LIMIT 100000) AS late"
                        " WHERE at = %(now)s AND xmin::text = (%(xid)s::text::bigint %% 4294967296)::text)",
                        {"xid": xid, "now": now},
                    ).fetchone()
            except pg.InvalidParameterValue:
                return False  # a number of the future: after a crash nothing of it was left
            except psycopg.OperationalError:
                found = None
            if found is not None and found[0] == "committed" and found[1]:
                return True
            if found is not None and found[0] == "aborted":
                return False
            if found is not None and found[0] != "in progress":
                break
            time.sleep(0.1)
        raise StoreBroken(
            f"the connection to the store {self.where} was lost during a commit, and nobody can tell its outcome",
            "look at what is there, or repeat with the same request id: it is never done twice",
        )

    def fault(self, error: BaseException | None) -> Fault:
        """Whether a transaction that `error` ended is worth repeating."""
        if isinstance(error, (pg.SerializationFailure, pg.DeadlockDetected)):
            return Fault.CONFLICT
        if isinstance(error, pg.IntegrityError) and not isinstance(error, pg.CheckViolation):
            return Fault.RACE
        if isinstance(error, psycopg.OperationalError) and _is_lost(error):
            return Fault.LOST
        return Fault.LASTING

    def translate(self, error: Exception) -> CasmError:
        """The driver's error in our words, without the password."""
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        text = " ".join(str(original).split())
        constraint = original.diag.constraint_name if isinstance(original, psycopg.Error) else None
        if isinstance(original, pg.ExclusionViolation) or constraint in _ADDRESS_KEYS:
            return Overlap(
                f"the store refused addresses that belong to something else ({constraint})",
                "nothing was changed; list what is there with 'casm block list' and 'casm pool list'",
            )
        if isinstance(original, (pg.SerializationFailure, pg.DeadlockDetected)):
            return StoreLocked(
                f"others changed the same rows of the store {self.where} each time that it was tried",
                "nothing was changed; try again",
            )
        if isinstance(original, pg.LockNotAvailable):
            return StoreLocked(
                f"the store {self.where} stayed locked by another process for {STORE_LOCK:g} s",
                "wait until it is done, or end it, and try again",
            )
        if isinstance(original, (pg.ReadOnlySqlTransaction, pg.InsufficientPrivilege)):
            return StoreReadOnly(
                f"the store {self.where} cannot be written: {text}",
                "give its user the rights, or connect to the primary server",
            )
        if isinstance(original, (pg.FeatureNotSupported, pg.UndefinedFile)) and "btree_gist" in text:
            return StoreBroken(
                f"the store {self.where} needs the extension btree_gist, which its server does not have",
                "install PostgreSQL's contrib modules there",
            )
        return connection_error(text, self.where) or StoreBroken(
            f"the store {self.where} failed: {text}", "nothing was changed; see the message, then try again"
        )


def _is_lost(error: psycopg.OperationalError) -> bool:
    """True where the server, or the way to it, went away or is on its way back."""
    if isinstance(error, (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow)):
        return True
    text = str(error)
    return error.sqlstate is None and any(
        words in text
        for words in (
            "connection is lost",
            "connection is closed",
            "server closed the connection",
            "could not receive data",
            "could not send data",
            "Connection refused",
            "No such file or directory",
            "terminating connection",
            "starting up",
            "shutting down",
            "recovery mode",
            "not yet accepting connections",
        )
    )
