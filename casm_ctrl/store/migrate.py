"""Write the schema: only `casm init` calls this."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy.engine import URL

from casm_ctrl.base.clock import Clock, SystemClock
from casm_ctrl.base.deadlines import STORE_LOCK
from casm_ctrl.base.errors import AlreadyExists, StoreReadOnly
from casm_ctrl.base.identifiers import new_store_id
from casm_ctrl.store import clock_watch
from casm_ctrl.store.database import (
    HEAD,
    Database,
    open_database,
    parse_url,
    schema_revision,
    show_url,
    store_errors,
)
from casm_ctrl.store.transaction import Transaction


def create_store(url: str, clock: Clock | None = None) -> tuple[Database, str | None]:
    """Make the store at `url`, or bring it up to date. Also gives the revision that was there before."""
    parsed = parse_url(url)
    clock = clock or SystemClock()
    _make_file(parsed)
    with contextlib.closing(Database(parsed, clock)) as database, store_errors(parsed):
        before = _upgrade(database)
    return open_database(url, clock), before


def _make_file(url: URL) -> None:
    """An empty SQLite file in WAL mode that only its owner can read: it names devices and credentials."""
    path = Path(url.database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreReadOnly(
            f"the store {show_url(url)} cannot be made: {error.strerror}",
            "name a file in a folder that you can write",
        ) from None
    with store_errors(url), contextlib.closing(sqlite3.connect(path, timeout=STORE_LOCK)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "store" not in tables:
            raise AlreadyExists(
                f"{show_url(url)} is another program's database", "name a file that does not exist yet"
            )
        connection.execute("PRAGMA journal_mode = WAL")


def _upgrade(database: Database) -> str | None:
    """Bring the schema to HEAD in one transaction, so that a store is there or is not. Returns the
    revision before. Of several processes that make one store, the first one does."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        tx = Transaction(connection.connection.cursor(), database.dialect, database.clock)
        before = schema_revision(tx)
        if before is None or before < HEAD:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        if before is None:
            tx.run(
                "INSERT INTO store (id, store_id, created, config_revision) VALUES (1, :store_id, :now, 0)",
                store_id=new_store_id(),
                now=tx.now,
            )
            clock_watch.accept(tx)
        return before
