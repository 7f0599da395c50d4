"""One server on an SQLite store: each has a candidate of its own, and would take back what another has pending."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from casm_ctrl.base.errors import InUse
from casm_ctrl.store.database import Database


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """InUse where another process serves the store. Of PostgreSQL there may be many servers: there the store itself
    keeps apart what is whose."""
    path = database.url.database
    if database.dialect != "sqlite" or path is None or path == ":memory:":
        yield
        return
    # Not the store itself: closing a second descriptor of it would end SQLite's own locks.
    with open(f"{path}-serve", "wb", opener=_private) as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(
                f"another casm serve has the store {path}", "end it, or let clients use that one"
            ) from None
        yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
