"""The client on ncclient: its blocking session on two daemon threads, as a transport of the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from casm_ctrl.netconf.client.conversation import Conversation
from casm_ctrl.netconf.client.credentials import Password, PrivateKey
from casm_ctrl.netconf.client.host_keys import HostKey, Trust
from casm_ctrl.netconf.client.ncclient_transport import NcclientTransport
from casm_ctrl.netconf.client.phases import in_thread
from casm_ctrl.netconf.client.rpc_session import OnEnd, OnMessage, RpcSession, open_over
from casm_ctrl.netconf.client.session import Target


async def open_ncclient(target: Target) -> RpcSession:
    """Open a session with ncclient; see `open_session` for the errors."""
    return await open_over(_Bridge, target)


class _Bridge:
    """`Transport` over `NcclientTransport`. What its thread hands over is taken on the event loop."""

    def __init__(
        self, target: Target, connection: socket.socket, on_message: OnMessage, on_end: OnEnd
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._blocking = NcclientTransport(target, connection, self._post(on_message), self._post(on_end))

    @property
    def conversation(self) -> Conversation:
        return self._blocking.conversation

    @property
    def host_key(self) -> HostKey | None:
        return self._blocking.host_key

    async def enter(self, trust: Trust, credential: Password | PrivateKey) -> None:
        await in_thread("casm-ssh", lambda: self._blocking.enter(trust, credential), self._blocking.abort)

    async def greet(self) -> None:
        await in_thread("casm-hello", self._blocking.greet, self._blocking.abort)

    def send(self, data: bytes) -> None:
        self._blocking.queue(data)

    def abort(self) -> None:
        self._blocking.abort()

    async def close(self) -> None:
        await in_thread("casm-close", self._blocking.close)

    def _post(self, take: Callable[[Any], None]) -> Callable[[Any], None]:
        def hand_over(what: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(take, what)

        return hand_over
