"""The store from async code: through one bounded executor, never on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from casm_ctrl.store.database import Database

THREADS = 4
P = ParamSpec("P")
T = TypeVar("T")


class StoreAccess:
    """Runs service functions, which are synchronous and take the database first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="casm-store")

    async def run(
        self, function: Callable[Concatenate[Database, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The verb runs to its end even where the caller is cancelled: a transaction is never left open."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, self._database, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown()
