"""Sessions and their operations, without a transport: who may ask, what answers, and what ends with a session.

Plain operations run on a few threads, awaited ones on the event loop. What writes a datastore, and what ends
with a session, is done one after the other; all else runs side by side.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from lxml import etree

from casm_ctrl.base.clock import Clock
from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.messages import Answer, Ok, Rpc, write_nodes
from casm_ctrl.netconf.names import Element, local_name, namespace, nc
from casm_ctrl.netconf.nmda import EDIT_DATA
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors
from casm_ctrl.netconf.server.conversation import ServerSession, State
from casm_ctrl.netconf.server.memory import Memory, Room
from casm_ctrl.netconf.server.serving import Bounds, Channel, Outgoing, Silence, serve
from casm_ctrl.netconf.server.sessions import SessionEntry, Sessions
from casm_ctrl.northbound.configuration.growth import Growth
from casm_ctrl.northbound.interface import AsyncOperation, Caller, Operation, Operations
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.refusals import rpc_error_of
from casm_ctrl.northbound.threads import done_by

SERIALISED = frozenset(
    (
        nc("edit-config"),
        EDIT_DATA,
        nc("copy-config"),
        nc("delete-config"),
        nc("commit"),
        nc("cancel-commit"),
        nc("discard-changes"),
        nc("lock"),
        nc("unlock"),
        nc("validate"),
    )
)
"""The operations that write a datastore or a lock, and validate, which keeps what it found valid."""

_CLOSE, _KILL = nc("close-session"), nc("kill-session")
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True)
class Ending:
    """How a session ended, in the words of RFC 6470's termination-reason."""

    reason: Literal["closed", "killed", "dropped", "timeout", "bad-hello", "other"]
    killed_by: int | None = None


class Endpoint:
    """All sessions of a server. `capabilities` are what its hello announces.

    `install` adds operations; `check` is asked before each of them but close-session (RFC 8341, 3.4.4), on a
    thread, and refuses by raising. Each of `on_start` is called on the event loop after a client's hello, each of
    `on_end` there after a session ended, however it ended, and each of `releases` on a thread before that.
    """

    def __init__(self, clock: Clock, capabilities: Sequence[str], limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.capabilities = tuple(capabilities)
        self.sessions = Sessions(clock, self._session_ended)
        self.callers: dict[int, Caller] = {}
        self.check: Callable[[Caller, Element], None] | None = None
        self.on_start: list[Callable[[Caller], None]] = []
        self.on_end: list[Callable[[Caller, Ending], None]] = []
        self.releases: list[Callable[[int], None]] = []
        self.subscribed: Callable[[int], bool] = lambda session_id: False
        """Whether a session has a subscription, and so may be silent."""
        self.written: Callable[[], None] = lambda: None
        """Told after each operation that may have written a datastore."""
        self._plain: dict[str, Operation] = {}
        self._awaited: dict[str, AsyncOperation] = {_CLOSE: self._close, _KILL: self._kill}
        self._writing = asyncio.Lock()
        self._threads = ThreadPoolExecutor(self.limits.threads, thread_name_prefix="northbound")
        # What others do may take long; who may do what is judged at once, so that anybody can be killed.
        self._judges = ThreadPoolExecutor(1, thread_name_prefix="access")
        self.memory = Memory(self.limits.max_waiting)
        self._room = Room(self.limits.max_trees)
        self._growth = Growth(self.limits.max_edits)
        self._turns: dict[str, asyncio.Semaphore] = {}
        """By user: those who share the threads that may read for one user."""
        self._endings: dict[int, Ending] = {}
        """How sessions end that did not simply drop."""
        self._ends: dict[int, asyncio.Task[None]] = {}

    def install(self, operations: Operations) -> None:
        """Answer these too; close-session and kill-session stay the endpoint's own."""
        self._plain.update(
            {tag: operation for tag, operation in operations.plain.items() if tag not in (_CLOSE, _KILL)}
        )
        self._awaited.update(operations.awaited)

    @property
    def tags(self) -> frozenset[str]:
        """Of all operations that are answered."""
        return frozenset(self._plain) | frozenset(self._awaited)

    async def close(self) -> None:
        """Wait until nothing of any session is left. Every channel must have ended."""
        while self._ends:
            await asyncio.wait(list(self._ends.values()))
        self._judges.shutdown()
        self._threads.shutdown()

    # --- A session --------------------------------------------------------------------------------

    async def converse(self, channel: Channel, groups: frozenset[str] = frozenset()) -> None:
        """Serve one session on `channel` until it ends; `groups` are those of its user."""
        entry = self.sessions.open(channel.username, channel.source_host, channel.abort)
        session = ServerSession(
            entry.session_id,
            self.capabilities,
            counters=entry.counters,
            max_message=self.limits.max_message,
        )
        account = self.memory.open(lambda: self._shed(entry))
        outgoing = Outgoing(channel, session, stall=self.limits.stall_timeout, held=account)
        outlet = _Outlet(outgoing)
        caller = Caller(entry.session_id, entry.username, entry.source_host, outlet, groups)
        self.callers[entry.session_id] = caller
        patience = _Patience(session, self.limits, lambda: self.subscribed(entry.session_id))
        try:
            await serve(
                channel,
                session,
                lambda rpc: self._call(entry, caller, rpc),
                lambda rpc: outlet.act(),
                greeted=lambda: self._greeted(caller),
                outgoing=outgoing,
                bounds=Bounds(patience.left, account, self._room, self.on_thread),
            )
            if session.state is State.CLOSING:
                self._endings[entry.session_id] = Ending("closed")
            elif session.violation is not None:
                greeted = session.client is not None
                self._endings[entry.session_id] = Ending("other" if greeted else "bad-hello")
                _log.info("session %s of %s: %s", entry.session_id, entry.username, session.violation)
        except Silence as silence:
            _log.info("session %s of %s ended: the client %s", entry.session_id, entry.username, silence)
            self._endings[entry.session_id] = Ending("timeout")
            channel.abort()
        finally:
            account.close()
            self.sessions.end(entry.session_id, session.ending)
            await self._end_of(entry.session_id)

    def _shed(self, entry: SessionEntry) -> None:
        """All sessions together hold too much memory, and this one moved least."""
        _log.warning(
            "session %s of %s ended: sessions have more than %s octets waiting, and this one moves least",
            entry.session_id,
            entry.username,
            self.limits.max_waiting,
        )
        self._endings[entry.session_id] = Ending("other")
        entry.hang_up()

    def _greeted(self, caller: Caller) -> None:
        for start in self.on_start:
            start(caller)

    async def _call(self, entry: SessionEntry, caller: Caller, rpc: Rpc) -> Answer:
        operation = rpc.operation
        try:
            if operation.tag in SERIALISED:
                async with self._writing:
                    elements = self._growth.check(operation)
                    answer = await self._do(entry, caller, operation)
                    self._growth.done(operation, elements)
                self.written()
                return answer
            return await self._do(entry, caller, operation)
        except (RpcError, RpcErrors, ConnectionAbortedError):
            raise
        except CasmError as error:
            raise rpc_error_of(error) from error
        except Exception as error:
            _log.exception("session %s: <%s> failed", entry.session_id, local_name(operation))
            raise rpc_error.operation_failed(
                "an internal error: the server's log tells more", app_tag="internal-error"
            ) from error

    async def _do(self, entry: SessionEntry, caller: Caller, operation: Element) -> Answer:
        if self.sessions.get(entry.session_id) is not entry:
            # What it held is released already: what it takes now nobody would release.
            raise ConnectionAbortedError(f"session {entry.session_id} was killed")
        tag = str(operation.tag)
        plain, awaited = self._plain.get(tag), self._awaited.get(tag)
        if plain is not None:
            if tag in SERIALISED:
                return await self.on_thread(lambda: self._checked(plain, caller, operation))
            async with self._turn(caller.username):
                return await self.on_thread(lambda: self._checked(plain, caller, operation))
        if awaited is None:
            self._refuse_unknown(operation)
        if self.check is not None and tag != _CLOSE:
            check = self.check
            await done_by(self._judges, lambda: check(caller, operation))
        assert awaited is not None
        return await awaited(caller, operation)

    def _checked(self, plain: Operation, caller: Caller, operation: Element) -> Answer:
        if self.check is not None:
            self.check(caller, operation)
        return write_nodes(plain(caller, operation))

    @asynccontextmanager
    async def _turn(self, username: str) -> AsyncIterator[None]:
        """Wait until fewer threads read for this user than may."""
        turns = self._turns.setdefault(username, asyncio.Semaphore(self.limits.threads_of_user))
        async with turns:
            yield

    def _refuse_unknown(self, operation: Element) -> None:
        if namespace(operation) not in {etree.QName(tag).namespace for tag in self.tags}:
            raise rpc_error.unknown_namespace(local_name(operation), namespace(operation) or "")
        raise rpc_error.operation_not_supported(f"this server has no operation <{local_name(operation)}>")

    # --- Ends of sessions -------------------------------------------------------------------------

    async def _close(self, caller: Caller, operation: Element) -> Answer:
        Arguments(operation, ())
        return Ok()

    async def _kill(self, caller: Caller, operation: Element) -> Answer:
        """RFC 6241, 7.9: what the victim held is released when this answers."""
        arguments = Arguments(operation, ("session-id",))
        arguments.element("session-id")
        victim = arguments.number("session-id", caller.session_id)
        if victim == caller.session_id:
            raise rpc_error.invalid_value("a session cannot kill itself: use close-session", layer="protocol")
        if self.sessions.get(victim) is not None:
            self._endings[victim] = Ending("killed", killed_by=caller.session_id)
        if not self.sessions.kill(victim):
            raise rpc_error.invalid_value(f"there is no session {victim}", layer="protocol")
        await self._end_of(victim)
        return Ok()

    def _session_ended(self, session_id: int) -> None:
        task = asyncio.ensure_future(self._release(session_id))
        self._ends[session_id] = task
        task.add_done_callback(lambda done: self._ends.pop(session_id, None))

    async def _end_of(self, session_id: int) -> None:
        task = self._ends.get(session_id)
        if task is not None:
            await asyncio.shield(task)

    async def _release(self, session_id: int) -> None:
        async with self._writing:
            for release in self.releases:
                try:
                    await self.on_thread(partial(release, session_id))
                except Exception:
                    _log.exception("what session %s held may not all be released", session_id)
        caller = self.callers.pop(session_id)
        ending = self._endings.pop(session_id, Ending("dropped"))
        for ended in self.on_end:
            try:
                ended(caller, ending)
            except Exception:
                _log.exception("not everything was told of the end of session %s", session_id)

    # --- Threads ----------------------------------------------------------------------------------

    async def serialised(self, work: Callable[[], _T]) -> _T:
        """Do `work` on a thread, while no operation writes a datastore."""
        async with self._writing:
            return await self.on_thread(work)

    async def on_thread(self, work: Callable[[], _T]) -> _T:
        """Do `work` on one of a few threads. Cancelled, this still returns only when it is done."""
        return await done_by(self._threads, work)


class _Patience:
    """How long a client may still be silent. A hello and a message must end, however slowly they go on."""

    def __init__(self, session: ServerSession, limits: Limits, subscribed: Callable[[], bool]) -> None:
        self._session = session
        self._limits = limits
        self._subscribed = subscribed
        self._began = time.monotonic()
        self._inside = False

    def left(self) -> float | None:
        """Seconds; None: for ever. Asked before each wait for the client."""
        now = time.monotonic()
        if self._session.state is State.HELLO:
            return self._began + self._limits.hello_timeout - now
        inside = self._session.inside_message
        if inside and not self._inside:
            self._began = now
        self._inside = inside
        if inside:
            return self._began + self._limits.message_timeout - now
        return None if self._subscribed() else self._limits.idle_timeout


class _Outlet:
    """The way to one client, beside replies."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._acts: list[Callable[[], None]] = []

    def send(self, message: bytes) -> None:
        self._outgoing.send(message)

    async def drain(self) -> None:
        await self._outgoing.drain()

    def after_reply(self, act: Callable[[], None]) -> None:
        self._acts.append(act)

    def act(self) -> None:
        """The reply is out: do what waited for that."""
        acts, self._acts = self._acts, []
        for act in acts:
            act()
