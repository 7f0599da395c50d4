"""The server on SSH: a listener, who may log in, and the endpoint behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

import asyncssh

from casm_ctrl.netconf.server.ssh_server import SshListener
from casm_ctrl.northbound.server import REFRESH_EVERY, Northbound, cancel, repeat
from casm_ctrl.northbound.ssh.authentication import Logins
from casm_ctrl.northbound.ssh.descriptors import for_clients, raise_limit

KEEPALIVE = 30.0
"""Seconds without a word after which a client is asked whether it lives: one that is gone holds its locks for
three times as long."""
STOPS = "the server stops"
"""What clients are told at its end."""


@dataclass(frozen=True)
class Address:
    """Where to listen, and as whom. `authorities`: public keys that sign certificates of users; `more_host_keys`:
    of other kinds than the first."""

    host_key: asyncssh.SSHKey
    host: str = "127.0.0.1"
    port: int = 8300
    authorities: Sequence[str] = ()
    more_host_keys: Sequence[asyncssh.SSHKey] = ()


class SshNorthbound:
    """`async with SshNorthbound(server, address) as listening:` listens until the block ends.

    OSError where the address cannot be had.
    """

    def __init__(self, server: Northbound, address: Address) -> None:
        self.server = server
        self.address = address
        limits = server.endpoint.limits
        places = for_clients(raise_limit())
        self.logins = Logins(server.database, server.endpoint, address.authorities, places=places)
        self._listener = SshListener(
            address.host_key,
            self.logins,
            self.logins.converse,
            login_timeout=limits.login_timeout,
            idle_timeout=limits.hello_timeout,
            keepalive=KEEPALIVE,
            more_host_keys=address.more_host_keys,
            most_connections=places,
        )
        self._stack = AsyncExitStack()

    @property
    def host(self) -> str:
        return self.address.host

    @property
    def port(self) -> int:
        return self._listener.port

    async def __aenter__(self) -> SshNorthbound:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.server)
            stack.push_async_callback(self.logins.close)
            ending = asyncio.create_task(repeat(REFRESH_EVERY, self.logins.end_removed))
            stack.push_async_callback(cancel, ending)
            stack.push_async_callback(self._listener.close, STOPS)
            await self._listener.listen(self.address.host, self.address.port, backlog=1024)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
