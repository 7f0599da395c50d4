"""What clients share in opening a session: a deadline per phase, blocking work aside, the TCP connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from casm_ctrl.base.errors import Unreachable
from casm_ctrl.netconf.client.session import Target, deadline_exceeded

GRACE = 2.0
"""Seconds that a thread is given to end after the socket under it was shut down."""

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""A peer that is gone is noticed after a minute also where nothing is asked; seconds, seconds, tries."""

T = TypeVar("T")


@contextlib.asynccontextmanager
async def phase(target: Target, name: str, seconds: float) -> AsyncIterator[None]:
    """DeadlineExceeded, naming the phase, where the body takes longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise deadline_exceeded(target, name, seconds) from None
        raise


async def in_thread(name: str, work: Callable[[], T], abort: Callable[[], None] | None = None) -> T:
    """Run blocking `work` on a daemon thread of its own and wait for it without blocking the loop.

    A caller that is cancelled calls `abort`, which must make `work` end soon, and waits for that, up to
    GRACE. Not the loop's executor: its threads are no daemons, and one that hangs keeps the process alive.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    done.add_done_callback(lambda future: future.cancelled() or future.exception())

    def post(settle: Callable[[Any], None], value: object) -> None:
        if not done.done():
            settle(value)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            outcome: tuple[Callable[[Any], None], object] = (done.set_exception, error)
        else:
            outcome = (done.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(post, *outcome)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    try:
        result = await asyncio.shield(done)
        thread.join()  # it has only its return left
        return result
    except asyncio.CancelledError:
        if abort is not None:
            abort()
            await asyncio.wait([done], timeout=GRACE)
        raise


async def connect_tcp(target: Target) -> socket.socket:
    """A connected socket, without Nagle's delay. Unreachable, or DeadlineExceeded of TCP."""
    deadline = target.deadlines.tcp
    async with phase(target, "TCP", deadline):
        addresses = await _resolve(target)
        failure: OSError = OSError("no address")
        for number, (family, address) in enumerate(addresses):
            share = deadline / (len(addresses) - number)
            try:
                async with asyncio.timeout(share if share < deadline else None):
                    return await _connect(family, address)
            except OSError as error:  # TimeoutError among them: the next address gets its share
                failure = error
    why = failure.strerror or str(failure) or "no answer"
    raise Unreachable(
        f"{target} cannot be reached over TCP: {why}",
        "check the host and port, and that NETCONF over SSH is enabled there (usually on port 830)",
    )


async def _resolve(target: Target) -> list[tuple[int, Any]]:
    def look_up(flags: int = 0) -> list[tuple[int, Any]]:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, flags=flags)
        return [(family, address) for family, _, _, _, address in found]

    with contextlib.suppress(OSError, UnicodeError):
        return look_up(socket.AI_NUMERICHOST)  # an address: nobody is asked, nothing can block
    try:
        return await in_thread("casm-resolve", look_up)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Unreachable(
            f"{target}: the host's name cannot be resolved: {why}", "check the name, or use an address"
        ) from None


async def _connect(family: int, address: Any) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
