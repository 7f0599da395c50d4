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
from casm_ctrl.netconf.serving import Channel
from casm_ctrl.netconf.ssh_server import Connection
from casm_ctrl.northbound.delays import Delays
from casm_ctrl.northbound.endpoint import Endpoint
from casm_ctrl.northbound.half_open import HalfOpen
from casm_ctrl.service import users
from casm_ctrl.store.database import Database
from casm_ctrl.store.users import UserRow

TELL_FAILURES_EVERY = 60.0
"""Seconds: failed logins of one address make one row of the audit in that time."""
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
    """The gate of an SSH listener. `authorities` are public keys that sign certificates of users."""

    def __init__(self, database: Database, endpoint: Endpoint, authorities: Sequence[str] = ()) -> None:
        self.authorities = tuple(authorities)
        self.endpoint = endpoint
        self.database = database
        self.delays = Delays()
        limits = endpoint.limits
        self.half_open = HalfOpen(limits.max_half_open, limits.max_half_open_of_source)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._failures: dict[str, tuple[float, int]] = {}
        """By address: when the audit was last told, and how many it was not told of since."""
        self._telling: set[asyncio.Task[None]] = set()

    def connected(self, connection: Connection) -> Login:
        self.half_open.enter(connection, connection.source_host, connection.abort)
        return Login(self, connection)

    def authenticated(self, connection: Connection) -> None:
        self.half_open.leave(connection, connection.source_host)

    def closed(self, connection: Connection) -> None:
        self.half_open.leave(connection, connection.source_host)

    def may_open(self) -> bool:
        return len(self.endpoint.sessions) < self.endpoint.limits.max_sessions

    async def converse(self, channel: Channel) -> None:
        """Serve a session of who logged in, in the groups that the store has for them now."""
        user = await self.find(channel.username)
        if user is None:
            channel.abort()
            return
        await self.endpoint.converse(channel, frozenset(user.groups))

    async def close(self) -> None:
        while self._telling:
            await asyncio.wait(list(self._telling))
        self._threads.shutdown()

    async def find(self, username: str) -> UserRow | None:
        return await self.endpoint.on_thread(lambda: users.find_login(self.database, username))

    async def is_password(self, user: UserRow | None, password: str) -> bool:
        known = user.password_hash if user is not None else None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, is_password, password, known)

    def tell(self, user: UserRow, source_host: str, means: str) -> None:
        """Put a login into the audit."""
        _log.info("user %s logged in from %s by %s", user.name, source_host, means)
        self._spawn(lambda: users.record_login(self.database, user, f"from {source_host} by {means}"))

    def tell_failure(self, username: str, source_host: str) -> None:
        """Put a failed login into the audit, with those before it that were not told."""
        now = time.monotonic()
        told, untold = self._failures.get(source_host, (float("-inf"), 0))
        if now - told < TELL_FAILURES_EVERY:
            self._failures[source_host] = (told, untold + 1)
            return
        if len(self._failures) > 10_000:
            self._failures.clear()
        self._failures[source_host] = (now, 0)
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
        self._means = "certificate"

    async def begin(self, username: str) -> str | None:
        """The authorized_keys lines that certificates of this user are judged by; None: there can be none."""
        self._user = await self._logins.find(username)
        if self._user is None or not self._logins.authorities:
            return None
        # A certificate must name its user: one without principals is good for nobody here.
        return "\n".join(f'cert-authority,principals="{username}" {key}' for key in self._logins.authorities)

    def public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        line = " ".join(key.export_public_key().decode().split()[:2])
        if self._user is None or self._user.name != username or line not in self._user.keys:
            return False
        self._means = f"key {fingerprint_of_line(line)}"
        return True

    async def password(self, username: str, password: str) -> bool:
        source, delays = self._connection.source_host, self._logins.delays
        await asyncio.sleep(delays.attempt(username, source, time.monotonic()))
        user = self._user if self._user is not None and self._user.name == username else None
        if not await self._logins.is_password(user, password):
            delays.failed(username, source, time.monotonic())
            self._logins.tell_failure(username, source)
            return False
        delays.succeeded(username, source)
        self._means = "password"
        return True

    def completed(self) -> None:
        """The connection is authenticated."""
        assert self._user is not None
        self._logins.tell(self._user, self._connection.source_host, self._means)
