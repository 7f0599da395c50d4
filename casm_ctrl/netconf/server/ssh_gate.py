"""Who may come in over SSH: what decides it, and one connection that it watches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import asyncssh

from casm_ctrl.netconf.server.ssh_guard import Guard
from casm_ctrl.netconf.server.ssh_session import SshSession

MOST_CHANNELS = 256
"""Channels of one connection at once, whether they became sessions or not."""


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

    def closed(self) -> None:
        """The connection is gone, and never was authenticated."""
        ...


class Connection(Protocol):
    """An SSH connection, as a gate knows it."""

    @property
    def source_host(self) -> str: ...

    @property
    def username(self) -> str:
        """As who the client is authenticated."""
        ...

    @property
    def has_spoken(self) -> bool:
        """Whether the client has said that it speaks SSH."""
        ...

    def abort(self) -> None: ...

    def refuse(self, reason: str) -> None:
        """End the connection, and say why."""
        ...


@runtime_checkable
class Gate(Protocol):
    """Told of every connection: it may abort any, and judges logins by where they come from."""

    def connected(self, connection: Connection) -> Login: ...

    def authenticated(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None:
        """Also where it was not authenticated."""
        ...

    def session_opens(self, connection: Connection) -> str | None:
        """A session is asked for: why there can be none, or None, and `session_ends` follows."""
        ...

    def session_ends(self, connection: Connection) -> None: ...


class GatedServer(asyncssh.SSHServer):
    """One SSH connection that a gate watches."""

    def __init__(
        self,
        gate: Gate,
        begin: Callable[[SshSession], None],
        idle_timeout: float | None,
        buffer: memoryview,
    ) -> None:
        """`buffer` is as Guard has it."""
        self._buffer = buffer
        self._gate = gate
        self._begin = begin
        self._idle_timeout = idle_timeout
        self._idle: asyncio.TimerHandle | None = None
        self._authenticated = False
        self._sessions: set[SshSession] = set()
        self._waiting: set[SshSession] = set()
        """Sessions whose subsystem has not begun."""

    # --- Connection -------------------------------------------------------------------------------

    @property
    def source_host(self) -> str:
        return self._source_host

    @property
    def username(self) -> str:
        return str(self._connection.get_extra_info("username"))

    @property
    def has_spoken(self) -> bool:
        return bool(self._connection.get_extra_info("client_version"))

    def abort(self) -> None:
        self._connection.abort()

    def refuse(self, reason: str) -> None:
        self._connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, reason)

    # --- asyncssh ---------------------------------------------------------------------------------

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._source_host = str((conn.get_extra_info("peername") or ("unknown",))[0])
        transport = conn._transport
        assert transport is not None
        self._guard = Guard(conn, transport, self._buffer)
        self._login = self._gate.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        for _ in self._sessions:
            # Their channels were never quite open.
            self._gate.session_ends(self)
        self._sessions.clear()
        self._gate.closed(self)
        if not self._authenticated:
            self._login.closed()

    async def begin_auth(self, username: str) -> bool:
        lines = await self._login.begin(username)
        self._connection.set_authorized_keys(
            asyncssh.import_authorized_keys(lines) if lines else asyncssh.import_authorized_keys("")
        )
        return True

    def auth_completed(self) -> None:
        self._authenticated = True
        self._gate.authenticated(self)
        self._login.completed()
        self._start_timer()

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool | Awaitable[bool]:
        return self._login.password(username, password)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._login.public_key(username, key)

    def session_requested(self) -> asyncssh.SSHServerSession[bytes]:
        reason = (
            f"a connection has at most {MOST_CHANNELS} sessions"
            if len(self._sessions) >= MOST_CHANNELS
            else self._gate.session_opens(self)
        )
        if reason is not None:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, reason)
        session = SshSession(self._started, self._guard, self._ended)
        self._sessions.add(session)
        self._waiting.add(session)
        self._start_timer()
        return session

    def _started(self, session: SshSession) -> None:
        self._waiting.discard(session)
        if not self._waiting:
            self._stop_timer()
        self._begin(session)

    def _ended(self, session: SshSession) -> None:
        self._sessions.discard(session)
        self._waiting.discard(session)
        self._gate.session_ends(self)
        self._start_timer()

    def _start_timer(self) -> None:
        """The connection has no session, or one that has not begun: it may stay so for a while."""
        idle = not self._sessions or self._waiting
        if idle and self._idle is None and self._idle_timeout is not None:
            self._idle = asyncio.get_running_loop().call_later(self._idle_timeout, self._connection.abort)

    def _stop_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
