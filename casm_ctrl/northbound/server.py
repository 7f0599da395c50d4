"""The server put together: parts on a store, behind one endpoint, and what is done from time to time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from casm_ctrl.base.errors import CasmError
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.netconf import dispatch
from casm_ctrl.netconf.datastore import Datastores
from casm_ctrl.netconf.messages import Answer
from casm_ctrl.netconf.monitoring import netconf_state
from casm_ctrl.netconf.names import MONITORING, Element, nc
from casm_ctrl.northbound.endpoint import Endpoint
from casm_ctrl.northbound.interface import Caller, Operation, Operations
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import PROTOCOL, Models
from casm_ctrl.northbound.running import Running
from casm_ctrl.service import sealing
from casm_ctrl.store.database import Database

SEAL_EVERY = 5.0
"""Seconds between two rounds of sealing the audit."""

_log = logging.getLogger(__name__)


class Northbound:
    """A NETCONF server on an open store, without its transport: `endpoint` takes channels.

    `async with Northbound(database) as server:` does its periodic work until the block ends.
    """

    def __init__(
        self,
        database: Database,
        models: Models | None = None,
        limits: Limits | None = None,
        yang_path: Sequence[Path] | None = None,
    ) -> None:
        """`yang_path`: folders with devices' YANG modules; None: those of the environment."""
        self.database = database
        self.yang_path = tuple(yang_path) if yang_path is not None else None
        self.models = models or Models()
        self.capabilities = (*PROTOCOL, *self.models.capabilities)
        self.endpoint = Endpoint(database.clock, self.capabilities, limits)
        self.running = Running(database, self.models.schema, self.models.engine)
        self._sealer = new_token("sealer")
        self._tasks: list[asyncio.Task[None]] = []
        self.endpoint.install(self._reading())

    async def __aenter__(self) -> Northbound:
        self._tasks.append(asyncio.create_task(self._repeat(SEAL_EVERY, self._seal)))
        return self

    async def __aexit__(self, *reason: object) -> None:
        """Every session must have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.endpoint.close()
        with contextlib.suppress(CasmError):
            self._seal()

    def _reading(self) -> Operations:
        """What reads configuration and schemas."""

        def call(caller: Caller, operation: Element) -> Answer:
            _, tree = self.running.tree()
            table = dispatch.Operations(
                Datastores(self.models.schema, lambda config: None, self.database.clock, running=tree),
                self.endpoint.sessions,
                self.models.schema,
                self.capabilities,
                self.models.modules,
                lambda: [netconf_state(self.capabilities, self.models.modules, self.endpoint.sessions)],
            )
            return table.call(caller.session_id, operation)

        tags = (nc("get"), nc("get-config"), f"{{{MONITORING}}}get-schema")
        plain: dict[str, Operation] = dict.fromkeys(tags, call)
        return Operations(plain)

    # --- From time to time ------------------------------------------------------------------------

    async def _repeat(self, seconds: float, work: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.endpoint.on_thread(work)
            except CasmError as error:
                _log.warning("%s", error)
            except Exception:
                _log.exception("the server's own work failed")

    def _seal(self) -> None:
        if sealing.is_behind(self.database):
            sealing.seal_once(self.database, self._sealer)
