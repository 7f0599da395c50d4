"""The session that every client of ours gives: requests and replies over a transport, on the event loop.

A client is a `Transport`: one SSH connection with the subsystem netconf. What is the same for all stands
here: the phases of opening, which reply answers which request, what ends a session and who is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Protocol, Self

from casm_ctrl.base.errors import CasmError, DeadlineExceeded, InvalidValue, ProtocolViolation, SessionLost
from casm_ctrl.netconf.client.conversation import Conversation, Message
from casm_ctrl.netconf.client.credentials import Password, PrivateKey, read_credential
from casm_ctrl.netconf.client.host_keys import HostKey, KnownHosts, Trust
from casm_ctrl.netconf.client.inbox import Inbox
from casm_ctrl.netconf.client.notification import Missed, Notification
from casm_ctrl.netconf.client.operations import close_session
from casm_ctrl.netconf.client.phases import connect_tcp, phase
from casm_ctrl.netconf.client.session import Capabilities, Target, check_reply, failure_of
from casm_ctrl.netconf.messages import Reply
from casm_ctrl.netconf.names import Element, local_name

_FAREWELL = 2.0
"""Seconds for the answer to close-session."""

OnMessage = Callable[[Message], None]
OnEnd = Callable[[Exception], None]


class Transport(Protocol):
    """One SSH connection with the subsystem netconf. It tells of what comes and of its end on the event loop."""

    @property
    def conversation(self) -> Conversation: ...

    @property
    def host_key(self) -> HostKey | None:
        """What the device presented, once it was checked."""
        ...

    async def enter(self, trust: Trust, credential: Password | PrivateKey) -> None:
        """Negotiate SSH, check the host key, authenticate, open the subsystem."""
        ...

    async def greet(self) -> None:
        """Exchange hellos: `conversation.hello` is there after it."""
        ...

    def send(self, data: bytes) -> None:
        """Queue bytes that are framed. Does not block, does not fail: an end is told by `OnEnd`."""
        ...

    def abort(self) -> None:
        """End the connection at once, without blocking. May be repeated."""
        ...

    async def close(self) -> None:
        """Abort, and give back every thread and descriptor. Bounded; may be repeated."""
        ...


async def open_over(
    start: Callable[[Target, socket.socket, OnMessage, OnEnd], Transport], target: Target
) -> RpcSession:
    """Open a session over the transport that `start` makes of a connected socket, which it then owns."""
    credential = read_credential(target.credential)
    trust = Trust.of(target, KnownHosts.of_user())
    session = RpcSession(target, start, await connect_tcp(target))
    try:
        async with phase(target, "SSH", target.deadlines.ssh):
            await session.transport.enter(trust, credential)
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


class RpcSession:
    """`Session` over a transport."""

    def __init__(
        self,
        target: Target,
        start: Callable[[Target, socket.socket, OnMessage, OnEnd], Transport],
        connection: socket.socket,
    ) -> None:
        self.target = target
        self.session_id = 0
        self.capabilities = Capabilities(())
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._dropped: set[str] = set()
        self._end: Exception | None = None
        self._closing: asyncio.Task[None] | None = None
        self._inbox: Inbox | None = None
        self.transport = start(target, connection, self._on_message, self._finish)

    @property
    def host_key(self) -> str:
        return str(self.transport.host_key)

    @property
    def ended(self) -> bool:
        return self._end is not None

    async def greet(self) -> None:
        """Exchange hellos."""
        try:
            await self.transport.greet()
        except Exception as error:
            raise failure_of(self.target, "hello", error) from None
        hello = self.transport.conversation.hello
        assert hello is not None
        self.session_id = hello.session_id or 0
        self.capabilities = Capabilities.of(hello)

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        name = local_name(operation)
        if self._end is not None:
            raise failure_of(self.target, f"RPC {name}", self._end)
        seconds = self.target.deadlines.rpc if deadline is None else deadline
        message_id, data = self.transport.conversation.request(operation)
        answer = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        try:
            async with phase(self.target, f"RPC {name}", seconds):
                self.transport.send(data)
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

    async def subscribe(self, operation: Element, *, deadline: float | None = None) -> Element:
        before = self._inbox
        if before is None:
            self._inbox = Inbox()  # before the reply is read: notifications may come right behind it
        try:
            return await self.rpc(operation, deadline=deadline)
        except BaseException:
            self._inbox = before
            raise

    async def notifications(self) -> AsyncIterator[Notification | Missed]:
        if self._inbox is None:
            raise InvalidValue(
                f"nothing was subscribed to on the session with {self.target}", "subscribe first"
            )
        while True:
            try:
                told = await self._inbox.take()
            except _Ended as ended:
                raise failure_of(self.target, "a subscription", ended.cause) from None
            yield told

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def discard(self) -> None:
        """End the session without a word, and give back what it holds."""
        self._finish(SessionLost("the session is closed"))
        await self.transport.close()

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

    def _on_message(self, message: Message) -> None:
        if not isinstance(message, Reply):
            if self._inbox is not None:  # else some devices tell what nobody asked for
                self._inbox.put(message)
            return
        message_id = message.message_id or ""
        answer = self._waiting.pop(message_id, None)
        if answer is not None:
            if not answer.done():
                answer.set_result(message)
        elif message_id in self._dropped:
            self._dropped.remove(message_id)
        else:
            self._finish(ProtocolViolation(f"a reply came for message-id '{message_id}', which was not sent"))

    def _finish(self, cause: Exception) -> None:
        """Everything that waits, and every later call, fails for the first cause."""
        if self._end is None:
            self._end = cause
        self.transport.abort()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_Ended(self._end))
        if self._inbox is not None:
            self._inbox.end(_Ended(self._end))
