"""Empty stores for tests, on either database."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Protocol

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.store import clock_watch
from casm_ctrl.store.database import Database, open_database
from tests.peers.postgresql import Postgresql


class MakeStore(Protocol):
    """Opens an empty store on a clock, and closes what it opened."""

    @property
    def dialect(self) -> str: ...
    def __call__(self, clock: ManualClock) -> Database: ...
    def close(self) -> None: ...


class SqliteStores:
    """Each is a file, copied from one that was made once."""

    dialect = "sqlite"

    def __init__(self, template: Path, folder: Path) -> None:
        self._template = template
        self._folder = folder
        self._numbers = itertools.count()
        self._opened: list[Database] = []

    def __call__(self, clock: ManualClock) -> Database:
        path = shutil.copyfile(self._template, self._folder / f"casm{next(self._numbers)}.db")
        self._opened.append(open_database(str(path), clock))
        return self._opened[-1]

    def close(self) -> None:
        for database in self._opened:
            database.close()


class PostgresqlStore:
    """One database, emptied each time: the store before is gone then."""

    dialect = "postgresql"

    def __init__(self, server: Postgresql, name: str) -> None:
        self._server = server
        self._name = name
        # Durability is tested elsewhere; here it would only cost time.
        self.url = f"{server.url(name)}?options=-c%20synchronous_commit%3Doff"
        self._opened: Database | None = None

    def __call__(self, clock: ManualClock) -> Database:
        self.close()
        self._server.empty(self._name)
        self._opened = open_database(self.url, clock)
        with self._opened.write() as tx:
            clock_watch.accept(tx)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
