"""One session over one channel: what a server does between the transport and its operations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from casm_ctrl.netconf.messages import Answer, Errors, Rpc, RpcRefused
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors
from casm_ctrl.netconf.server.conversation import ServerSession, State, parse
from casm_ctrl.netconf.server.memory import LARGE, Room, give_back, tree_size

PIECE = 64 * 1024
"""Octets of a reply that are written at once."""
_T = TypeVar("_T")
Parsed = Rpc | RpcRefused | None


class Channel(Protocol):
    """A byte stream to one client."""

    @property
    def username(self) -> str: ...

    @property
    def source_host(self) -> str: ...

    async def read(self) -> bytes:
        """What came since the last call, or empty at the end of the stream. Not reading stops the peer."""
        ...

    def write(self, data: bytes) -> None: ...

    @property
    def taken(self) -> bool:
        """Whether the peer has taken most of what was written."""
        ...

    async def drain(self) -> None:
        """Wait until the peer has taken most of what was written."""
        ...

    def close(self) -> None:
        """Send what is left, then end the stream."""
        ...

    def abort(self) -> None:
        """End the connection at once; what was not sent is lost."""
        ...

    def vanish(self) -> None:
        """Take nothing from the peer any more and leave the connection open; only a faulty server does."""
        ...


class NoAnswer(Exception):
    """Raised by a `call` that leaves a request without a reply; only a faulty server does."""


class Silence(Exception):
    """The client sent nothing, or took nothing, for longer than it may. The message says which."""


class Outgoing:
    """The way to one client: replies in pieces, and messages that answer nothing between them.

    `stall` are the seconds in which the client must take a piece; Silence is raised where it does not.
    """

    def __init__(
        self,
        channel: Channel,
        session: ServerSession,
        *,
        stall: float | None = None,
        held: Held | None = None,
    ) -> None:
        """`held` is told of the octets that wait for the client."""
        self._channel = channel
        self._session = session
        self._stall = stall
        self._held = held
        self._flushing = False
        self._flushed = asyncio.Event()

    def send(self, message: bytes) -> None:
        """Frame a message, and write it at once, or after the reply that is being written."""
        self._session.notify(message)
        if not self._flushing:
            self._channel.write(self._session.take_output())

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent."""
        while self._flushing:
            self._flushed.clear()
            await self._flushed.wait()
        if not self._channel.taken:
            await self._channel.drain()

    async def flush(self) -> None:
        """Write what the session has for its client, at the pace of the client."""
        self._flushing = True
        try:
            while output := self._session.take_output():
                await self._write(output)
        finally:
            self._flushing = False
            self._flushed.set()

    async def _write(self, output: bytes) -> None:
        whole = memoryview(output)
        for start in range(0, len(whole), PIECE):
            if self._held is not None:
                self._held.sends(len(whole) - start)
            self._channel.write(bytes(whole[start : start + PIECE]))
            if not self._channel.taken:
                await _within(self._stall, self._channel.drain(), "took nothing of its reply")
        if self._held is not None:
            self._held.sends(0)


class Held(Protocol):
    """Is told of the octets that one client makes a server hold."""

    def receives(self, octets: int) -> None: ...

    def sends(self, octets: int) -> None: ...


@dataclass(frozen=True)
class Bounds:
    """What a server allows one client.

    `patience` gives the seconds in which the client must send something, asked before each wait. `large` are
    requests of which as many are carried out at the same time as there is room for; they are parsed by `on_thread`.
    """

    patience: Callable[[], float | None] = lambda: None
    held: Held | None = None
    room: Room | None = None
    on_thread: Callable[[Callable[[], Any]], Awaitable[Any]] | None = None


async def serve(
    channel: Channel,
    session: ServerSession,
    call: Callable[[Rpc], Awaitable[Answer]],
    replied: Callable[[Rpc], None] | None = None,
    *,
    greeted: Callable[[], None] | None = None,
    outgoing: Outgoing | None = None,
    bounds: Bounds | None = None,
) -> None:
    """Serve one session until it ends. `call` does an operation; `replied` is told when its reply is out,
    and `greeted` once, when the client has said hello.

    Any other error than an rpc-error is a fault of ours: it ends the session, so that no client waits. Silence is
    raised where a client sends, or takes, nothing for longer than it may.
    """
    outgoing = outgoing or Outgoing(channel, session)
    bounds = bounds or Bounds()
    while True:
        while (message := session.next_message()) is not None:
            size = tree_size(message) if bounds.room is not None and session.state is State.OPEN else 0
            async with _room(bounds, session, message, size) as parsed:
                rpc = None if session.over else session.take(message, parsed)
                del message, parsed
                if greeted is not None and session.client is not None and session.state is not State.FAILED:
                    greeted()
                    greeted = None
                if rpc is None:
                    if size >= LARGE and bounds.on_thread is not None:
                        await bounds.on_thread(give_back)
                    continue
                try:
                    session.answer(rpc, await _answer(call, rpc))
                except NoAnswer:
                    session.leave_unanswered()
                    continue
            await outgoing.flush()
            if replied is not None:
                replied(rpc)
            del rpc
            if size >= LARGE and bounds.on_thread is not None:
                await bounds.on_thread(give_back)
        await outgoing.flush()
        if session.over:
            break
        if bounds.held is not None:
            bounds.held.receives(session.held)
        data = await _within(bounds.patience(), channel.read(), "sent nothing")
        if not data:
            break
        session.receive(data)
    channel.close()


@asynccontextmanager
async def _room(bounds: Bounds, session: ServerSession, message: bytes, size: int) -> AsyncIterator[Parsed]:
    """Wait until there is room for a message of that size, and give what it says; None where it is small."""
    if not size or bounds.room is None or bounds.on_thread is None:
        yield None
    elif size > bounds.room.most:
        session.refuse_too_big("a message has more elements and attributes than this server takes at once")
        yield None
    else:
        async with bounds.room.hold(size):
            yield await bounds.on_thread(partial(parse, message))


async def _within(seconds: float | None, wait: Awaitable[_T], what: str) -> _T:
    """What `wait` gives; Silence where that takes longer than `seconds`."""
    if seconds is None:
        return await wait
    try:
        async with asyncio.timeout(seconds) as limit:
            return await wait
    except TimeoutError:
        if limit.expired():
            raise Silence(f"{what} for {seconds:g} s") from None
        raise


async def _answer(call: Callable[[Rpc], Awaitable[Answer]], rpc: Rpc) -> Answer:
    try:
        return await call(rpc)
    except RpcError as error:
        return Errors([error])
    except RpcErrors as errors:
        return Errors(errors.errors)
