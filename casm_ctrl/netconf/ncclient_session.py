"""The client on ncclient: its blocking session on two daemon threads, behind our async interface.

All state here is touched on the event loop only; the session's thread hands over replies, and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from casm_ctrl.base.errors import CasmError, DeadlineExceeded, ProtocolViolation, SessionLost
from casm_ctrl.netconf.credentials import read_credential
from casm_ctrl.netconf.host_keys import KnownHosts, Trust
from casm_ctrl.netconf.messages import Reply, build_rpc
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.netconf.ncclient_transport import NcclientTransport, failure_of
from casm_ctrl.netconf.operations import close_session
from casm_ctrl.netconf.phases import connect_tcp, in_thread, phase
from casm_ctrl.netconf.session import Capabilities, Target, check_reply

_FAREWELL = 2.0
"""Seconds for the answer to close-session."""


async def open_ncclient(target: Target) -> NcclientSession:
    """Open a session with ncclient; see `open_session` for the errors."""
    credential = read_credential(target.credential)
    trust = Trust.of(target, KnownHosts.of_user())
    session = NcclientSession(target, await connect_tcp(target))
    transport = session.transport
    try:
        async with phase(target, "SSH", target.deadlines.ssh):
            await in_thread("casm-ssh", lambda: transport.enter(trust, credential), transport.abort)
        async with phase(target, "hello", target.deadlines.hello):
            await session.greet()
    except BaseException:
        await session.discard()
        raise
    return session


class _Ended(Exception):
    """The session ended, for `cause`, while an answer was awaited."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class NcclientSession:
    """`Session` over `NcclientTransport`."""

    def __init__(self, target: Target, connection: socket.socket) -> None:
        self.target = target
        self.session_id = 0
        self.capabilities = Capabilities(())
        self._loop = asyncio.get_running_loop()
        self._ids = map(str, itertools.count(1))
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._dropped: set[str] = set()
        self._end: Exception | None = None
        self._closing: asyncio.Task[None] | None = None
        self.transport = NcclientTransport(
            target, connection, self._post(self._on_reply), self._post(self._on_end)
        )

    @property
    def host_key(self) -> str:
        return str(self.transport.host_key)

    async def greet(self) -> None:
        """Exchange hellos."""
        try:
            hello = await in_thread("casm-hello", self.transport.greet, self.transport.abort)
        except Exception as error:
            raise failure_of(self.target, "hello", error) from None
        self.session_id = hello.session_id or 0
        self.capabilities = Capabilities.of(hello)

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        name = local_name(operation)
        if self._end is not None:
            raise failure_of(self.target, f"RPC {name}", self._end)
        seconds = self.target.deadlines.rpc if deadline is None else deadline
        message_id = next(self._ids)
        answer = self._waiting[message_id] = self._loop.create_future()
        try:
            async with phase(self.target, f"RPC {name}", seconds):
                self.transport.send(build_rpc(message_id, operation))
                reply = await answer
        except asyncio.CancelledError:
            self._dropped.add(message_id)
            raise
        except DeadlineExceeded as error:
            self._finish(error)
            await self.discard()
            raise
        except _Ended as ended:
            await self.discard()
            raise failure_of(self.target, f"RPC {name}", ended.cause) from None
        finally:
            self._waiting.pop(message_id, None)
        return check_reply(self.target, name, reply)

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def discard(self) -> None:
        """End the session without a word, and give back its threads and descriptors."""
        self._finish(SessionLost("the session is closed"))
        await in_thread("casm-close", self.transport.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _close(self) -> None:
        try:
            if self._end is None:
                with contextlib.suppress(CasmError):
                    await self.rpc(close_session(), deadline=min(_FAREWELL, self.target.deadlines.rpc))
        finally:
            self.transport.abort()  # also where the loop is being shut down, and this task cancelled
        await self.discard()

    # --- From the session's thread ----------------------------------------------------------------

    def _post(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        def hand_over(what: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(take, what)

        return hand_over

    def _on_reply(self, reply: Reply) -> None:
        message_id = reply.message_id or ""
        answer = self._waiting.pop(message_id, None)
        if answer is not None:
            if not answer.done():
                answer.set_result(reply)
        elif message_id in self._dropped:
            self._dropped.remove(message_id)
        else:
            self._finish(ProtocolViolation(f"a reply came for message-id '{message_id}', which was not sent"))

    def _on_end(self, cause: Exception) -> None:
        self._finish(cause)

    def _finish(self, cause: Exception) -> None:
        """Everything that waits, and every later call, fails for the first cause."""
        if self._end is None:
            self._end = cause
        self.transport.abort()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_Ended(self._end))
