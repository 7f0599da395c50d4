"""NETCONF over SSH, the listening end (RFC 6242), on asyncssh.

A listener takes connections on one address, and gives a channel to `handle` for each netconf subsystem
that a client opens. Shells, commands and forwarding are refused. Many listeners share a process and an
event loop; each has its own host key, which may be changed while it listens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Sequence

import asyncssh

from casm_ctrl.netconf.server.serving import Channel
from casm_ctrl.netconf.server.ssh_connection import ServerConnection, accept_connection
from casm_ctrl.netconf.server.ssh_gate import Authenticator, Gate, GatedServer
from casm_ctrl.netconf.server.ssh_guard import MOST_AT_ONCE
from casm_ctrl.netconf.server.ssh_session import SshSession

LOGIN_TIMEOUT = 30.0
"""Seconds that a client has to authenticate."""
WINDOW = 256 * 1024
"""Octets of a client that may be under way to a session."""
TOO_MANY = b"The server has as many connections as it takes: try again later.\r\n"
TELL_EVERY = 60.0
"""Seconds between two words in the log about connections that cannot be taken."""
ACCEPT_PAUSE = 0.1
"""Seconds before the next try where the process has run out of file descriptors."""

_log = logging.getLogger(__name__)


Handle = Callable[[Channel], Awaitable[None]]
Admit = Callable[[socket.socket], Awaitable[bool]]


class SshListener:
    """Listens on one address until it is closed."""

    def __init__(
        self,
        host_key: asyncssh.SSHKey,
        authenticator: Authenticator | Gate,
        handle: Handle,
        *,
        admit: Admit | None = None,
        login_timeout: float = LOGIN_TIMEOUT,
        idle_timeout: float | None = None,
        keepalive: float | None = None,
        most_connections: int | None = None,
        more_host_keys: Sequence[asyncssh.SSHKey] = (),
    ) -> None:
        """`admit` may keep a TCP connection from SSH: it answers False, and then owns the socket. `idle_timeout`
        are the seconds that a connection may have no session; every `keepalive` seconds without a word a client
        is asked whether it lives, and given up after three times. More connections than `most_connections` are
        refused. `more_host_keys` are of other kinds, for clients
        that do not know the first's."""
        self._authenticator = authenticator
        self._login_timeout = login_timeout
        self._idle_timeout = idle_timeout
        self._keepalive = keepalive or 0
        self._most_connections = most_connections
        self._buffer = memoryview(bytearray(MOST_AT_ONCE))
        self._count = 0
        self._told = float("-inf")
        self._handle = handle
        self._admit = admit
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[ServerConnection] = set()
        self._more_host_keys = more_host_keys
        self.host_key = host_key

    @property
    def host_key(self) -> asyncssh.SSHKey:
        """What new connections are shown."""
        return self._host_key

    @host_key.setter
    def host_key(self, key: asyncssh.SSHKey) -> None:
        self._host_key = key
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=self._make_server,
            server_host_keys=[key, *self._more_host_keys],
            login_timeout=self._login_timeout,
            keepalive_interval=self._keepalive,
            # Strangers are told nothing of us but that we speak SSH, and offered no Kerberos.
            gss_host=None,
            encoding=None,
            # Neither agent, X11 nor line editing; compression only costs on loopback and in data centres.
            compression_algs=["none"],
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            line_editor=False,
            window=WINDOW,
        )

    @property
    def port(self) -> int:
        assert self._socket is not None, "not listening"
        return int(self._socket.getsockname()[1])

    async def listen(self, host: str, port: int, *, backlog: int = 128) -> None:
        """Begin to take connections; port 0 chooses a free one. OSError where the address cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setblocking(False)
            listening.bind((host, port))
            listening.listen(backlog)
        except OSError:
            listening.close()
            raise
        self._socket = listening
        self._accepting = asyncio.create_task(self._accept(listening))

    async def close(self, reason: str | None = None) -> None:
        """Stop listening and end every connection; returns when nothing is left of them."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        await self.drop_connections(reason)

    async def drop_connections(self, reason: str | None = None) -> None:
        """End every connection at once, with a reason where one is given, and go on listening, as a device does
        that restarts."""
        for connection in list(self._connections):
            if reason is None:
                connection.abort()
            else:
                connection.end(reason)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                self._tell(f"cannot take a connection: {error}")
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            accepted.setblocking(False)
            if self._most_connections is not None and self._count >= self._most_connections:
                self._refuse(accepted)
            else:
                self._count += 1
                self._spawn(self._connect(accepted))
            # However many knock: who is in is served between two of them.
            await asyncio.sleep(0)

    def _refuse(self, accepted: socket.socket) -> None:
        """Say why in a line before the version, as RFC 4253 (4.2) lets a server."""
        self._tell(f"there are {self._count} connections: no more are taken")
        with contextlib.suppress(OSError):
            accepted.send(TOO_MANY)
        accepted.close()

    def _tell(self, what: str) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_EVERY:
            self._told = now
            _log.warning("%s", what)

    async def _connect(self, accepted: socket.socket) -> None:
        try:
            if self._admit is not None and not await self._admit(accepted):
                return
            await self._converse(accepted)
        finally:
            self._count -= 1

    async def _converse(self, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, asyncssh.Error):
            connection = await accept_connection(accepted, self._options)
            self._connections.add(connection)
            try:
                await connection.wait_closed()
            finally:
                self._connections.discard(connection)
                connection.abort()

    def _make_server(self) -> asyncssh.SSHServer:
        if isinstance(self._authenticator, Gate):
            return GatedServer(self._authenticator, self._begin, self._idle_timeout, self._buffer)
        return _Server(self._authenticator, self._begin)

    def _begin(self, channel: SshSession) -> None:
        self._spawn(self._run(channel))

    async def _run(self, channel: SshSession) -> None:
        try:
            await self._handle(channel)
        except (OSError, asyncssh.Error):
            channel.abort()
        except Exception:
            _log.exception("a NETCONF session failed")
            channel.abort()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Server(asyncssh.SSHServer):
    """One SSH connection: authentication, and which sessions it may open."""

    def __init__(self, authenticator: Authenticator, begin: Callable[[SshSession], None]) -> None:
        self._authenticator = authenticator
        self._begin = begin

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool | Awaitable[bool]:
        return self._authenticator.password(username, password)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._authenticator.public_key(username, key)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        return SshSession(self._begin)
