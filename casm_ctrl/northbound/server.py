"""The server put together: parts on a store, behind one endpoint, and what is done from time to time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from casm_ctrl.base.errors import CasmError
from casm_ctrl.base.identifiers import new_token
from casm_ctrl.netconf.client.session_pool import SessionPool
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.server.monitoring import NETCONF_STATE, netconf_state
from casm_ctrl.netconf.server.yang_library import MODULES_STATE, YANG_LIBRARY
from casm_ctrl.northbound import completeness, verbs
from casm_ctrl.northbound.access.concealing import conceal
from casm_ctrl.northbound.access.control import NACM, Access
from casm_ctrl.northbound.alarms.actions import Actions
from casm_ctrl.northbound.alarms.names import TOLD as TOLD_OF_ALARMS
from casm_ctrl.northbound.alarms.names import TOP as ALARMS
from casm_ctrl.northbound.alarms.state import alarms_data
from casm_ctrl.northbound.completeness import Handled
from casm_ctrl.northbound.configuration.datastores import Datastores
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.endpoint import SERIALISED, Ending, Endpoint
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import NEVER_TOLD, Models
from casm_ctrl.northbound.notifications.names import OF_SUBSCRIPTIONS
from casm_ctrl.northbound.notifications.part import Notifications
from casm_ctrl.northbound.notifications.streams import Streams
from casm_ctrl.northbound.notifications.telling import TOLD
from casm_ctrl.northbound.reading import Reading
from casm_ctrl.northbound.state.control_status import TOP as CONTROL_STATUS
from casm_ctrl.northbound.state.control_status import control_status
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service import sealing
from casm_ctrl.store.database import Database
from casm_ctrl.yang.access_marks import read_marks

SEAL_EVERY = 5.0
"""Seconds between two rounds of sealing the audit."""
LOOK_EVERY = 0.2
"""Seconds between two looks whether a confirmed commit is to be undone, or a lock to be kept."""
REFRESH_EVERY = 1.0
"""Seconds after which other processes' changes of access rules hold for notifications too."""

_log = logging.getLogger(__name__)


class Northbound:
    """A NETCONF server on an open store, without its transport: `endpoint` takes channels.

    `async with Northbound(database) as server:` does its periodic work until the block ends. NotSupported where
    something of the models has no handler.
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
        self.models = models or Models()
        self.yang_path = tuple(yang_path) if yang_path is not None else None
        self.capabilities = self.models.capabilities
        self.endpoint = Endpoint(database.clock, self.capabilities, limits)
        self.running = Running(database, self.models.schema, self.models.engine)
        self.access = Access(
            lambda: self.running.tree_of(NACM), self.models.schema, read_marks(self.models.engine.context)
        )
        self.access.refresh()
        self.datastores = Datastores(
            database, self.running, self.endpoint.callers, self.access.check_change, self.access.prune_tree
        )
        self._sealer = new_token("sealer")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Northbound:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.endpoint.close)
            stack.push_async_callback(self.endpoint.serialised, self.datastores.close)
            devices = await stack.enter_async_context(SessionPool())
            self._install(devices)
            stack.push_async_callback(self.notifications.streams.close)
            for seconds, work in (
                (SEAL_EVERY, self._seal),
                (LOOK_EVERY, self._look),
                (REFRESH_EVERY, self._refresh),
            ):
                stack.push_async_callback(cancel, asyncio.create_task(repeat(seconds, work)))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every session must have ended."""
        await self._stack.aclose()
        with contextlib.suppress(CasmError):
            sealing.seal_some(self.database, sealing.A_FEW)

    def _install(self, devices: SessionPool) -> None:
        endpoint = self.endpoint
        reading = Reading(self.database, self.running, self.datastores, self.access, endpoint, self.models)
        operations = reading.operations(self.capabilities)
        self.notifications = Notifications(
            self.database,
            self.database.clock,
            endpoint.on_thread,
            may_receive=self.access.may_receive,
            reading=operations.plain,
            schema=self.models.schema,
            modules=self.models.modules,
        )
        streams = self.notifications.streams
        reading.others = {
            NETCONF_STATE: self._netconf_state,
            YANG_LIBRARY: self.models.library.yang_library,
            MODULES_STATE: self.models.library.modules_state,
            ALARMS: self._alarms,
            CONTROL_STATUS: lambda: control_status(self.database),
            **self.notifications.state,
        }
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(streams.wake)

        endpoint.install(conceal(operations, SERIALISED, self.access))
        endpoint.install(self.notifications.operations)
        context = VerbContext(
            self.database, devices, self.yang_path, changed=wake, holder=self.datastores.holder
        )
        endpoint.install(verbs.operations(context))
        endpoint.install(Actions(self.database, self.models.engine, wake).operations)
        endpoint.check = self.access.check_operation
        endpoint.written = streams.wake
        endpoint.subscribed = streams.subscribed
        endpoint.releases.append(self.datastores.session_ended)
        endpoint.on_start.append(streams.session_started)
        endpoint.on_end.append(lambda caller, ending: context.underway.session_ended(caller.session_id))
        endpoint.on_end.append(_tell_end(streams))
        handled = Handled(
            data=reading.data_tags,
            operations=endpoint.tags,
            notifications=TOLD | TOLD_OF_ALARMS | OF_SUBSCRIPTIONS | NEVER_TOLD,
        )
        completeness.check(self.models.engine, self.models.implemented, handled)

    def _netconf_state(self) -> Element:
        sessions, locks = self.endpoint.sessions, self.datastores.locks()
        return netconf_state(self.capabilities, self.models.modules, sessions, locks)

    def _alarms(self) -> Element:
        _, running = self.running.tree_of(ALARMS)
        return alarms_data(self.database, next(running.iterchildren(ALARMS), None))

    # --- From time to time ------------------------------------------------------------------------

    async def _seal(self) -> None:
        def work() -> None:
            if sealing.is_behind(self.database):
                sealing.seal_once(self.database, self._sealer)

        await self.endpoint.on_thread(work)

    async def _look(self) -> None:
        deadline = self.datastores.next_deadline()
        if deadline is not None and deadline <= self.database.clock.now():
            await self.endpoint.serialised(self.datastores.expire)
            self.notifications.streams.wake()

    async def _refresh(self) -> None:
        await self.endpoint.on_thread(self.access.refresh)


async def repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except CasmError as error:
            _log.warning("%s", error)
        except Exception:
            _log.exception("the server's own work failed")


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _tell_end(streams: Streams) -> Callable[[Caller, Ending], None]:
    def tell(caller: Caller, ending: Ending) -> None:
        streams.session_ended(caller, ending.reason, ending.killed_by)

    return tell
