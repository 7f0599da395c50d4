"""One session over one channel: what a server does between the transport and its operations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from casm_ctrl.netconf.messages import Answer, Errors, Rpc
from casm_ctrl.netconf.rpc_error import RpcError, RpcErrors
from casm_ctrl.netconf.server import ServerSession, State

_T = TypeVar("_T")


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


async def serve(
    channel: Channel,
    session: ServerSession,
    call: Callable[[Rpc], Awaitable[Answer]],
    replied: Callable[[Rpc], None] | None = None,
    *,
    greeted: Callable[[], None] | None = None,
    patience: Callable[[], float | None] = lambda: None,
    stall: float | None = None,
) -> None:
    """Serve one session until it ends. `call` does an operation; `replied` is told when its reply is out,
    and `greeted` once, when the client has said hello.

    Any other error than an rpc-error is a fault of ours: it ends the session, so that no client waits.
    `patience` gives the seconds in which the client must send something, asked before each wait; `stall` are
    those in which it must take what it is sent. Silence is raised where it does not.
    """
    while True:
        rpc = session.next_rpc()
        if greeted is not None and session.client is not None and session.state is not State.FAILED:
            greeted()
            greeted = None
        if rpc is not None:
            try:
                session.answer(rpc, await _answer(call, rpc))
            except NoAnswer:
                session.leave_unanswered()
                continue
            channel.write(session.take_output())
            await _within(stall, channel.drain(), "took nothing of its reply")
            if replied is not None:
                replied(rpc)
            continue
        channel.write(session.take_output())
        await _within(stall, channel.drain(), "took nothing of its reply")
        if session.over:
            break
        data = await _within(patience(), channel.read(), "sent nothing")
        if not data:
            break
        session.receive(data)
    channel.close()


async def _within(seconds: float | None, wait: Awaitable[_T], what: str) -> _T:
    """What `wait` gives; Silence where that takes longer than `seconds`."""
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
