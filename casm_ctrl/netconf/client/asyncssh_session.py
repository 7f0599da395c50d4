"""The client on asyncssh: everything on the event loop, no threads, and nothing to do while it is idle.

asyncssh is given all that it would otherwise look for: no configuration files, no agent, no default keys,
no known_hosts. The host key is checked by `Trust`, before the device learns who we are.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncssh

from casm_ctrl.base.errors import CasmError, HostKeyRefused, InvalidValue, ProtocolViolation
from casm_ctrl.netconf.client.conversation import Conversation
from casm_ctrl.netconf.client.credentials import Password, PrivateKey, unusable_key
from casm_ctrl.netconf.client.host_keys import HostKey, Trust
from casm_ctrl.netconf.client.phases import GRACE
from casm_ctrl.netconf.client.rpc_session import OnEnd, OnMessage, RpcSession, open_over
from casm_ctrl.netconf.client.session import Target, no_ssh, not_authenticated, outdated_ssh, session_lost
from casm_ctrl.netconf.ssh_packets import SparingConnection

_HOST_KEYS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed448",
)
"""What is asked for where nothing is known of the device: keys, no certificates, no SHA-1."""
_KEY_EXCHANGES = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group-exchange-sha256",
)
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_WINDOW = 4 << 20
"""Octets that the device may send ahead of our reading; SSH acknowledges them by halves."""

_log = logging.getLogger("asyncssh")


async def open_asyncssh(target: Target) -> RpcSession:
    """Open a session with asyncssh; see `open_session` for the errors."""
    silence()
    return await open_over(_Transport, target)


def silence() -> None:
    """Keep asyncssh from writing a dozen lines for each connection, where nobody gave its logger a level."""
    if _log.level == logging.NOTSET:
        _log.setLevel(logging.CRITICAL)


class _Transport:
    """`Transport` over one asyncssh connection."""

    def __init__(
        self, target: Target, connection: socket.socket, on_message: OnMessage, on_end: OnEnd
    ) -> None:
        self._target = target
        self._socket: socket.socket | None = connection
        self._on_message = on_message
        self._on_end = on_end
        self._client: _Client | None = None
        self._connection: _PromptConnection | None = None
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = False
        self.conversation = Conversation()

    @property
    def host_key(self) -> HostKey | None:
        return self._client.host_key if self._client is not None else None

    async def enter(self, trust: Trust, credential: Password | PrivateKey) -> None:
        client = self._client = _Client(trust, credential)
        options = _options(self._target, trust, client)
        loop = asyncio.get_running_loop()
        assert self._socket is not None
        sock, self._socket = self._socket, None
        connection = self._connection = _PromptConnection(loop, options, sock)
        try:
            await loop.create_connection(lambda: connection, sock=sock)
        except OSError as error:
            sock.close()
            raise no_ssh(self._target, error.strerror or str(error)) from None
        await client.entered
        try:
            self._channel, _ = await connection.create_session(
                partial(_Channel, self), subsystem="netconf", request_pty=False
            )
        except asyncssh.ChannelOpenError as error:
            if client.lost:
                raise session_lost(self._target, "SSH") from None
            raise ProtocolViolation(
                f"{self._target}: the SSH server refuses the subsystem netconf: {error.reason}",
                "enable NETCONF on the device, or use the port on which it listens (usually 830)",
            ) from None

    async def greet(self) -> None:
        self.send(self.conversation.greeting())
        await self._greeted
        if self._connection is not None:
            self._connection.prompt = False

    def send(self, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)

    def abort(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._connection is not None:
            self._connection.abort()

    async def close(self) -> None:
        self.abort()
        if self._client is not None and self._connection is not None and self._client.made:
            await self._connection.wait_closed()  # bounded: an abort waits for nobody

    # --- From the channel -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """What came on the channel."""
        if self._ended:
            return
        try:
            for message in self.conversation.receive(data):
                self._on_message(message)
        except CasmError as error:
            self.end(error)
        else:
            if self.conversation.hello is not None and not self._greeted.done():
                self._greeted.set_result(None)

    def end(self, cause: Exception) -> None:
        """The channel or the connection ended, or what came made no sense."""
        if self._ended:
            return
        self._ended = True
        if not self._greeted.done():
            self._greeted.set_exception(cause)
            self._greeted.exception()  # whoever opens may have been cancelled: nobody else asks
        self._on_end(cause)


_TURNS = 20
"""Turns of the event loop from the end of a connection until asyncssh is told of it: what the packets before it are
given to be dealt with. A refused key exchange needs one of them, the others are room. Where a device says more right
before it closes, the rest of that is lost, and it is told as one that closed the connection.
"""


class _PromptConnection(SparingConnection, asyncssh.SSHClientConnection):
    """asyncssh's connection, which acknowledges at once while `prompt`, instead of up to 40 ms later: sshd sends
    small packets one by one while a session opens, and Nagle's algorithm at its end holds each back until the
    one before is acknowledged. The kernel forgets the option, so it is set at each read.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHClientConnectionOptions,
        connection: socket.socket,
    ) -> None:
        super().__init__(loop, options)
        self._connection = connection
        self.prompt = True

    def data_received(self, data: bytes, datatype: asyncssh.DataType = None) -> None:
        super().data_received(data, datatype)
        if self.prompt and self._connection.fileno() >= 0:
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def eof_received(self) -> bool:  # type: ignore[override]
        self._end_later(partial(super().eof_received), _TURNS)
        return True

    def connection_lost(self, exc: Exception | None = None) -> None:
        self._end_later(partial(super().connection_lost, exc), _TURNS)

    def _end_later(self, end: Callable[[], None], turns: int) -> None:
        """asyncssh deals with packets in tasks: what the device said right before it closed is to be heard first."""
        if turns:
            self._loop.call_soon(self._end_later, end, turns - 1)
        else:
            end()


class _Channel(asyncssh.SSHClientSession[bytes]):
    """The subsystem netconf."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype is None:  # what a subsystem writes to its error stream is for nobody
            self._transport.receive(data)

    def eof_received(self) -> bool:
        self._transport.end(EOFError("the device closed the session"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport.end(exc or EOFError("the device closed the session"))


class _Client(asyncssh.SSHClient):
    """One SSH connection while it is negotiated: whom to trust, what to show, and why it failed."""

    def __init__(self, trust: Trust, credential: Password | PrivateKey) -> None:
        self._trust = trust
        self._credential = credential
        self._key = _load_key(credential) if isinstance(credential, PrivateKey) else None
        self._offered: list[str] = []
        """Ways to authenticate that the device named, in the order in which asyncssh asked for them."""
        self._shown = False
        """The credential was given to the device, which happens once."""
        self._refusal: HostKeyRefused | None = None
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.made = False
        self.host_key: HostKey | None = None
        self.lost = False

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.made = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.entered.done():
            self.entered.set_exception(self._failure(exc))
            self.entered.exception()  # whoever opens may have been cancelled: nobody else asks

    def auth_completed(self) -> None:
        if not self.entered.done():
            self.entered.set_result(None)

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        presented = HostKey(key.algorithm.decode(), key.public_data)
        if self.host_key is not None:  # the keys are exchanged anew, now and then
            return presented == self.host_key
        try:
            self._trust.check(presented)
        except HostKeyRefused as refusal:
            self._refusal = refusal
            return False
        self.host_key = presented
        return True

    # --- Authentication: one credential, shown once -----------------------------------------------

    def public_key_auth_requested(self) -> Any:
        self._offered.append("publickey")
        return self._key if self._show(self._key) else None

    def password_auth_requested(self) -> str | None:
        self._offered.append("password")
        return self._password if self._show(self._password) else None

    def kbdint_auth_requested(self) -> str | None:
        """The password in another way, for devices that have only this one (RFC 4256)."""
        self._offered.append("keyboard-interactive")
        return None if self._shown or self._password is None else ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Any
    ) -> list[str] | None:
        if not prompts:
            return []
        password = self._password
        return [password] if password is not None and len(prompts) == 1 and self._show(password) else None

    @property
    def _password(self) -> str | None:
        return self._credential.text if isinstance(self._credential, Password) else None

    def _show(self, what: object) -> bool:
        """True where there is something to show and it was not shown yet."""
        fresh = what is not None and not self._shown
        self._shown = self._shown or fresh
        return fresh

    # --- Why it failed ----------------------------------------------------------------------------

    def _failure(self, error: Exception | None) -> CasmError:
        target = self._trust.target
        if self._refusal is not None:
            return self._refusal
        if isinstance(error, asyncssh.KeyExchangeFailed):
            return self._no_algorithm(str(error.reason))
        if isinstance(error, asyncssh.PermissionDenied):
            return self._denied()
        why = getattr(error, "reason", None) or str(error or "") or "the connection was closed"
        if self.host_key is None:
            return no_ssh(target, why)
        return session_lost(target, "SSH", why)

    def _denied(self) -> CasmError:
        kind = "password" if isinstance(self._credential, Password) else "private key"
        user = self._trust.target.user
        if self._shown:
            return not_authenticated(self._trust.target, f"the {kind} was refused for user {user}")
        accepted = ", ".join(dict.fromkeys(self._offered)) or "nothing that we know"
        return not_authenticated(
            self._trust.target, f"no {kind} is accepted for user {user}, only {accepted}"
        )

    def _no_algorithm(self, reason: str) -> CasmError:
        """`reason` is asyncssh's: No matching KIND algorithm found, sent A,B and received C,D."""
        what, _, offers = reason.partition(" and received ")
        known = self._trust.algorithms
        if not offers:
            if known and "host key" in reason:  # the device noticed first, and said so
                return self._trust.missing(reason)
            return no_ssh(self._trust.target, reason)
        kind = what.removeprefix("No matching ").partition(" algorithm")[0]
        if kind == "host key" and known and not ("rsa-sha2-256" in known and "ssh-rsa" in offers.split(",")):
            return self._trust.missing(f"it has {offers}")
        named = [name for name in offers.split(",") if not name.startswith(("ext-info-", "kex-strict-"))]
        return outdated_ssh(self._trust.target, f"for {kind} it has only {', '.join(named)}")


def _options(target: Target, trust: Trust, client: _Client) -> asyncssh.SSHClientConnectionOptions:
    """Nothing is left to what asyncssh would look for."""
    try:
        return asyncssh.SSHClientConnectionOptions(
            client_factory=lambda: client,
            config=[],
            host=target.host,
            port=target.port,
            username=target.user,
            known_hosts=([], [], []),  # empty, not None: then `validate_host_public_key` is asked
            server_host_key_algs=list(trust.algorithms or _HOST_KEYS),
            kex_algs=list(_KEY_EXCHANGES),
            encryption_algs=list(_CIPHERS),
            compression_algs=["none"],
            client_keys=None,
            gss_kex=False,
            gss_auth=False,
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            preferred_auth=["publickey", "password", "keyboard-interactive"],
            login_timeout=target.deadlines.ssh + GRACE,  # the phase has its own, before it
            encoding=None,
            window=_WINDOW,
        )
    except ValueError as error:
        names = ", ".join(trust.algorithms)
        raise InvalidValue(
            f"{target}: host keys of type {names} are not supported by the client asyncssh ({error})",
            "record another of the device's host keys, such as ssh-ed25519",
        ) from None


def _load_key(credential: PrivateKey) -> asyncssh.SSHKey:
    """The key as asyncssh wants it; InvalidValue where it is none, or encrypted."""
    try:
        return asyncssh.import_private_key(credential.data)
    except asyncssh.KeyEncryptionError:
        raise unusable_key(credential.path, "it is encrypted") from None
    except asyncssh.KeyImportError as error:
        why = "it is encrypted" if "assphrase" in str(error) else f"it is no key that we know ({error})"
        raise unusable_key(credential.path, why) from None
