"""Who may log in over SSH: users of the store, by public key, certificate or password.

What blocks is done on threads: the store on the endpoint's, bcrypt on its own, so that guesses at passwords hold up
neither the event loop nor operations.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import asyncssh

from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.base.passwords import is_password
from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.netconf.server.serving import Channel
from casm_ctrl.netconf.server.ssh_gate import Connection
from casm_ctrl.northbound.endpoint import Endpoint
from casm_ctrl.northbound.ssh.delays import Delays
from casm_ctrl.northbound.ssh.failed_logins import FailedLogins, source_of
from casm_ctrl.northbound.ssh.half_open import HalfOpen
from casm_ctrl.northbound.ssh.places import Places
from casm_ctrl.northbound.ssh.proven_passwords import ProvenPasswords
from casm_ctrl.service import users
from casm_ctrl.store.database import Database
from casm_ctrl.store.users import UserRow

_LONGEST_NAME = 64
_log = logging.getLogger(__name__)


def read_public_key(text: str) -> str:
    """Type and base64 of the one public key in `text`; InvalidValue where it has none."""
    try:
        key = asyncssh.import_public_key(text)
    except (asyncssh.KeyImportError, ValueError):
        raise InvalidValue("there is no SSH public key in it", "give the .pub file of a key") from None
    return " ".join(key.export_public_key().decode().split()[:2])


class Logins:
    """The gate of an SSH listener, which takes `places` connections. `authorities` are public keys that sign
    certificates of users."""

    def __init__(
        self,
        database: Database,
        endpoint: Endpoint,
        authorities: Sequence[str] = (),
        *,
        places: int = 1 << 20,
    ) -> None:
        self.authorities = tuple(authorities)
        self.endpoint = endpoint
        self.database = database
        self.delays = Delays()
        limits = endpoint.limits
        # However few places there are, those who say nothing do not take them all.
        most = max(1, min(limits.max_half_open, places // 2))
        self.half_open = HalfOpen(most, min(limits.max_half_open_of_source, most))
        # Neither operations nor guesses at passwords may keep out who knows a key.
        self._passwords = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._passwords.submit(is_password, "", None)
        self._proven = ProvenPasswords()
        self._lookups = ThreadPoolExecutor(1, thread_name_prefix="logins")
        self._connections = Places(limits.max_sessions, limits.max_sessions_of_user, "connections")
        self._sessions = Places(limits.max_sessions, limits.max_sessions_of_user, "sessions")
        self._authenticated: dict[Connection, str] = {}
        self._failures = FailedLogins()
        self._telling: set[asyncio.Task[None]] = set()

    # --- The gate ---------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> Login:
        self.half_open.enter(connection, source_of(connection.source_host))
        return Login(self, connection)

    def authenticated(self, connection: Connection) -> None:
        self.half_open.leave(connection, source_of(connection.source_host))
        reason = self._connections.enter(connection.username)
        if reason is None:
            self._authenticated[connection] = connection.username
        else:
            connection.refuse(reason)

    def closed(self, connection: Connection) -> None:
        self.half_open.leave(connection, source_of(connection.source_host))
        username = self._authenticated.pop(connection, None)
        if username is not None:
            self._connections.leave(username)

    def session_opens(self, connection: Connection) -> str | None:
        return self._sessions.enter(connection.username)

    def session_ends(self, connection: Connection) -> None:
        self._sessions.leave(connection.username)

    async def converse(self, channel: Channel) -> None:
        """Serve a session of who logged in, in the groups that the store has for them now."""
        user = await self.find(channel.username)
        if user is None:
            channel.abort()
            return
        await self.endpoint.converse(channel, frozenset(user.groups))

    async def end_removed(self) -> None:
        """End the connections of users who were removed since they logged in."""
        if not self._authenticated:
            return
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(self._lookups, users.user_names, self.database)
        for connection, username in list(self._authenticated.items()):
            if username not in known:
                connection.refuse("this user was removed")

    async def close(self) -> None:
        while self._telling:
            await asyncio.wait(list(self._telling))
        self._passwords.shutdown()
        self._lookups.shutdown()

    async def find(self, username: str) -> UserRow | None:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookups, users.find_login, self.database, username)

    async def is_password(self, user: UserRow | None, password: str) -> bool:
        known = user.password_hash if user is not None else None
        if known is not None and self._proven.holds(known, password):
            return True
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._passwords, is_password, password, known)
        if right and known is not None:
            self._proven.keep(known, password)
        return right

    def tell(self, user: UserRow, source_host: str, means: str) -> None:
        """Put a login into the audit."""
        _log.info("user %s logged in from %s by %s", user.name, source_host, means)
        self._spawn(lambda: users.record_login(self.database, user, f"from {source_host} by {means}"))

    def tell_failure(self, username: str, source_host: str) -> None:
        """Put a failed login into the audit, with those before it that were not told."""
        source = source_of(source_host)
        untold = self._failures.failed(source, time.monotonic())
        if untold is None:
            return
        said = printable(username)[:_LONGEST_NAME]
        words = f"as '{said}'" + (f", and {untold} times before" if untold else "")
        _log.warning("a login from %s failed, %s", source_host, words)
        self._spawn(lambda: users.record_failed_login(self.database, source_host, words))

    def _spawn(self, work: Callable[[], None]) -> None:
        async def run() -> None:
            try:
                await self.endpoint.on_thread(work)
            except CasmError as error:
                _log.warning("a login is not in the audit: %s", error)

        task = asyncio.ensure_future(run())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


class Login:
    """The authentication of one connection."""

    def __init__(self, logins: Logins, connection: Connection) -> None:
        self._logins = logins
        self._connection = connection
        self._user: UserRow | None = None
        self._username = ""
        self._means = "certificate"
        self._attempts = 0
        self._key_refused = False

    async def begin(self, username: str) -> str | None:
        """The authorized_keys lines that certificates of this user are judged by; None: there can be none."""
        self._username = username
        self._user = await self._logins.find(username)
        if self._user is None or not self._logins.authorities:
            return None
        # A certificate must name its user: one without principals is good for nobody here.
        return "\n".join(f'cert-authority,principals="{username}" {key}' for key in self._logins.authorities)

    def public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if not self._may_try():
            return False
        line = " ".join(key.export_public_key().decode().split()[:2])
        if self._user is None or self._user.name != username or line not in self._user.keys:
            self._key_refused = True
            return False
        self._means = f"key {fingerprint_of_line(line)}"
        return True

    async def password(self, username: str, password: str) -> bool:
        if not self._may_try():
            return False
        source, delays = source_of(self._connection.source_host), self._logins.delays
        await asyncio.sleep(delays.attempt(username, source, time.monotonic()))
        user = self._user if self._user is not None and self._user.name == username else None
        if not await self._logins.is_password(user, password):
            delays.failed(username, source, time.monotonic())
            self._logins.tell_failure(username, self._connection.source_host)
            return False
        delays.succeeded(username, source)
        self._means = "password"
        return True

    def completed(self) -> None:
        """The connection is authenticated."""
        assert self._user is not None
        self._logins.tell(self._user, self._connection.source_host, self._means)

    def closed(self) -> None:
        """The connection is gone, and was never authenticated. A client offers keys that are not known before the one
        that is: only now they were a failure."""
        if self._key_refused:
            self._logins.tell_failure(self._username, self._connection.source_host)

    def _may_try(self) -> bool:
        self._attempts += 1
        most = self._logins.endpoint.limits.max_logins
        if self._attempts == most + 1:
            self._connection.refuse(f"{most} attempts to log in failed")
        return self._attempts <= most
