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
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, runtime_checkable

import asyncssh

from casm_ctrl.netconf.serving import Channel

SUBSYSTEM = "netconf"
LOGIN_TIMEOUT = 30.0
"""Seconds that a client has to authenticate."""
READ_AHEAD = 256 * 1024
"""Octets of a client that wait here before it is made to wait."""
ACCEPT_PAUSE = 0.1
"""Seconds before the next try where the process has run out of file descriptors."""

_log = logging.getLogger(__name__)


class Authenticator(Protocol):
    """Who may log in. Called on the event loop: must not block."""

    def password(self, username: str, password: str) -> bool | Awaitable[bool]: ...

    def public_key(self, username: str, key: asyncssh.SSHKey) -> bool: ...


class Login(Authenticator, Protocol):
    """The authentication of one connection, where the listener has a gate."""

    async def begin(self, username: str) -> str | None:
        """A user is named, maybe after another: lines of authorized_keys with who signs certificates, if any."""
        ...

    def completed(self) -> None:
        """The connection is authenticated, as the user who was named last."""
        ...


class Connection(Protocol):
    """An SSH connection, as a gate knows it."""

    @property
    def source_host(self) -> str: ...

    def abort(self) -> None: ...


@runtime_checkable
class Gate(Protocol):
    """Told of every connection: it may abort any, and judges logins by where they come from."""

    def connected(self, connection: Connection) -> Login: ...

    def authenticated(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None:
        """Also where it was not authenticated."""
        ...

    def may_open(self) -> bool:
        """Whether there is room for one more session."""
        ...


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
        more_host_keys: Sequence[asyncssh.SSHKey] = (),
    ) -> None:
        """`admit` may keep a TCP connection from SSH: it answers False, and then owns the socket. `idle_timeout`
        are the seconds that a connection may have no session; every `keepalive` seconds without a word a client
        is asked whether it lives, and given up after three times. `more_host_keys` are of other kinds, for clients
        that do not know the first's."""
        self._authenticator = authenticator
        self._login_timeout = login_timeout
        self._idle_timeout = idle_timeout
        self._keepalive = keepalive or 0
        self._handle = handle
        self._admit = admit
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[asyncssh.SSHServerConnection] = set()
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

    async def close(self) -> None:
        """Stop listening and end every connection; returns when nothing is left of them."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        await self.drop_connections()

    async def drop_connections(self) -> None:
        """End every connection at once and go on listening, as a device does that restarts."""
        for connection in list(self._connections):
            connection.abort()
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
                _log.warning("cannot take a connection: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE)
                continue
            accepted.setblocking(False)
            self._spawn(self._connect(accepted))

    async def _connect(self, accepted: socket.socket) -> None:
        if self._admit is not None and not await self._admit(accepted):
            return
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, asyncssh.Error):
            connection = await asyncssh.run_server(accepted, options=self._options)
            self._connections.add(connection)
            try:
                await connection.wait_closed()
            finally:
                self._connections.discard(connection)
                connection.abort()

    def _make_server(self) -> asyncssh.SSHServer:
        if isinstance(self._authenticator, Gate):
            return _GatedServer(self._authenticator, self._begin, self._idle_timeout)
        return _Server(self._authenticator, self._begin)

    def _begin(self, channel: _Session) -> None:
        self._spawn(self._run(channel))

    async def _run(self, channel: _Session) -> None:
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

    def __init__(self, authenticator: Authenticator, begin: Callable[[_Session], None]) -> None:
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
        return _Session(self._begin)


class _GatedServer(asyncssh.SSHServer):
    """One SSH connection that a gate watches."""

    def __init__(self, gate: Gate, begin: Callable[[_Session], None], idle_timeout: float | None) -> None:
        self._gate = gate
        self._begin = begin
        self._idle_timeout = idle_timeout
        self._idle: asyncio.TimerHandle | None = None

    # --- Connection -------------------------------------------------------------------------------

    @property
    def source_host(self) -> str:
        return self._source_host

    def abort(self) -> None:
        self._connection.abort()

    # --- asyncssh ---------------------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._source_host = str((conn.get_extra_info("peername") or ("unknown",))[0])
        self._login = self._gate.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._gate.closed(self)

    async def begin_auth(self, username: str) -> bool:
        lines = await self._login.begin(username)
        self._connection.set_authorized_keys(
            asyncssh.import_authorized_keys(lines) if lines else asyncssh.import_authorized_keys("")
        )
        return True

    def auth_completed(self) -> None:
        self._gate.authenticated(self)
        self._login.completed()
        if self._idle_timeout is not None:
            self._idle = asyncio.get_running_loop().call_later(self._idle_timeout, self._connection.abort)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool | Awaitable[bool]:
        return self._login.password(username, password)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._login.public_key(username, key)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        if not self._gate.may_open():
            raise asyncssh.ChannelOpenError(
                asyncssh.OPEN_RESOURCE_SHORTAGE,
                "the server has as many sessions as it takes: try again later",
            )
        return _Session(self._started)

    def _started(self, channel: _Session) -> None:
        self._stop_timer()
        self._begin(channel)

    def _stop_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()


class _Session(asyncssh.SSHServerSession[bytes]):
    """An SSH session as a Channel, once its client has asked for the netconf subsystem."""

    def __init__(self, begin: Callable[[_Session], None]) -> None:
        self._begin = begin
        self._arrived = bytearray()
        self._ended = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    # --- Channel ----------------------------------------------------------------------------------

    @property
    def username(self) -> str:
        return str(self._channel.get_extra_info("username"))

    @property
    def source_host(self) -> str:
        return str(self._channel.get_extra_info("peername")[0])

    async def read(self) -> bytes:
        while not self._arrived and not self._ended:
            self._news.clear()
            await self._news.wait()
        data, self._arrived = bytes(self._arrived), bytearray()
        if not self._ended:
            self._channel.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        if data and not self._channel.is_closing():
            self._channel.write(data)

    async def drain(self) -> None:
        await self._writable.wait()

    def close(self) -> None:
        if not self._channel.is_closing():
            self._channel.exit(0)

    def abort(self) -> None:
        self._connection.abort()

    def vanish(self) -> None:
        # asyncssh has no word for it: whoever stops reading a channel still answers on its connection.
        transport = self._connection._transport
        if transport is not None:
            transport.pause_reading()

    # --- asyncssh ---------------------------------------------------------------------------------

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan
        self._connection = chan.get_connection()

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == SUBSYSTEM

    def session_started(self) -> None:
        self._begin(self)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._arrived += data
        if len(self._arrived) >= READ_AHEAD:
            self._channel.pause_reading()
        self._news.set()

    def eof_received(self) -> bool:
        self._end()
        # The channel stays open for the replies to what came before.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()
