"""ncclient's SSH session, made fit for a controller.

ncclient 0.7.1 keeps its hello, its send queue and its thread. Three things are ours:

- Entering: paramiko over a socket that is already connected, one credential, our host key check.
- Waiting: ncclient polls, up to 0.1 s for each request. Here a wake-up socket stands beside the channel,
  so that a request leaves at once and an idle session does nothing.
- Reading: our framing and parser. ncclient's logs what it cannot read and goes on waiting, decodes a
  character cut in two by a packet's end as an error, and reads a growing buffer again for each packet.

Everything here blocks and belongs on threads; `abort` may be called from anywhere and ends all of it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import selectors
import socket
import threading
from collections.abc import Callable
from typing import Any

import paramiko
from ncclient.devices.default import DefaultDeviceHandler
from ncclient.transport.ssh import SSHSession

from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.netconf.client.conversation import OURS, Conversation, Message
from casm_ctrl.netconf.client.credentials import Password, PrivateKey, unusable_key
from casm_ctrl.netconf.client.host_keys import HostKey, Trust
from casm_ctrl.netconf.client.session import Target, no_ssh, not_authenticated, outdated_ssh, session_lost
from casm_ctrl.netconf.messages import build_hello

_READ = 1 << 16
_SOCKET_TICK = 1.0
"""Seconds between paramiko's looks at its own flags while nothing arrives; it ships with 0.1. Data and
`abort` wake it at once, so that this only bounds the exit of a process that leaves a session open."""
_JOIN = 2.0


def silence() -> None:
    """Keep ncclient and paramiko from logging: they write whole messages, key fingerprints, tracebacks.

    All that matters in them reaches the caller as an error. A handler set on these two loggers
    themselves still gets the records of the level set with it.
    """
    for name in ("ncclient", "paramiko"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)


class _Handler(DefaultDeviceHandler):  # type: ignore[misc]  # ncclient has no types
    """A client says which versions it speaks, and nothing else (RFC 6241, 8.1)."""

    def get_capabilities(self) -> list[str]:
        return list(OURS.capabilities)


class _PromptSocket(socket.socket):
    """Acknowledges at once while `prompt`, instead of up to 40 ms later.

    sshd sends small packets one by one while a session opens, and Nagle's algorithm at its end holds each
    back until the one before is acknowledged; the kernel forgets the option, so it is set at each read.
    """

    prompt = True

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        if self.prompt:
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data


class NcclientTransport(SSHSession):  # type: ignore[misc]  # ncclient has no types
    """One SSH connection with the subsystem netconf. `on_message` and `on_end` are called on its thread."""

    def __init__(
        self,
        target: Target,
        connection: socket.socket,
        on_message: Callable[[Message], None],
        on_end: Callable[[Exception], None],
    ) -> None:
        silence()
        super().__init__(_Handler())
        self.name = f"casm-ncclient-{target.device}"
        self.target = target
        self.host_key: HostKey | None = None
        self._on_message = on_message
        self._on_end = on_end
        self.conversation = Conversation()
        self._socket = _PromptSocket(fileno=connection.detach())
        self._wake_lock = threading.Lock()
        self._sleeper, self._waker = socket.socketpair()
        self._sleeper.setblocking(False)
        self._waker.setblocking(False)
        self._transport = paramiko.Transport(self._socket)
        self._socket.settimeout(_SOCKET_TICK)
        # The phases have their own deadlines; paramiko's are kept behind them.
        self._transport.banner_timeout = target.deadlines.ssh + _JOIN
        self._transport.handshake_timeout = target.deadlines.ssh + _JOIN
        self._transport.auth_timeout = target.deadlines.ssh + _JOIN

    # --- SSH --------------------------------------------------------------------------------------

    def enter(self, trust: Trust, credential: Password | PrivateKey) -> None:
        """Negotiate SSH, check the host key, authenticate, open the subsystem."""
        key = load_key(credential) if isinstance(credential, PrivateKey) else None
        self._negotiate(trust)
        presented = self._transport.get_remote_server_key()
        self.host_key = HostKey(presented.get_name(), presented.asbytes())
        trust.check(self.host_key)
        self._authenticate(credential, key)
        self._open_subsystem()

    def _negotiate(self, trust: Trust) -> None:
        if trust.algorithms:
            try:
                self._transport.get_security_options().key_types = trust.algorithms
            except ValueError:
                names = ", ".join(trust.algorithms)
                raise InvalidValue(
                    f"{self.target}: host keys of type {names} are not supported by the client ncclient",
                    "record another of the device's host keys, such as ssh-ed25519",
                ) from None
        try:
            self._transport.start_client()
        except paramiko.IncompatiblePeer as error:
            if trust.algorithms and "host key" in str(error):
                raise trust.missing(str(error)) from None
            raise outdated_ssh(self.target, str(error)) from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise no_ssh(self.target, str(error)) from None

    def _authenticate(self, credential: Password | PrivateKey, key: Any) -> None:
        kind = "password" if isinstance(credential, Password) else "private key"
        user = self.target.user
        try:
            if isinstance(credential, Password):
                more = self._transport.auth_password(user, credential.text)
            else:
                more = self._transport.auth_publickey(user, key)
        except paramiko.BadAuthenticationType as error:
            accepted = ", ".join(error.allowed_types)
            raise not_authenticated(
                self.target, f"no {kind} is accepted for user {user}, only {accepted}"
            ) from None
        except paramiko.AuthenticationException as error:
            if not self._transport.is_active() and "EOF" in str(error):
                raise session_lost(self.target, "SSH") from None
            raise not_authenticated(self.target, f"the {kind} was refused for user {user}") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise session_lost(self.target, "SSH", str(error) or "the connection was closed") from None
        if more:
            wanted = ", ".join(more)
            raise not_authenticated(self.target, f"after the {kind} the device also asks for {wanted}")

    def _open_subsystem(self) -> None:
        try:
            self._channel = self._transport.open_session()
            self._channel.invoke_subsystem("netconf")
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self._transport.is_active():
                raise session_lost(self.target, "SSH", str(error) or "the connection was closed") from None
            raise ProtocolViolation(
                f"{self.target}: the SSH server refuses the subsystem netconf: {error}",
                "enable NETCONF on the device, or use the port on which it listens (usually 830)",
            ) from None
        self._connected = True

    # --- NETCONF ----------------------------------------------------------------------------------

    def greet(self) -> None:
        """Exchange hellos; starts the session's thread."""
        self._post_connect(self.target.deadlines.hello + _JOIN)
        self._socket.prompt = False

    def send(self, message: str) -> None:
        """For ncclient, which gives its hello as text."""
        self.queue(self.conversation.frame(message.encode()))

    def queue(self, data: bytes) -> None:
        """Bytes that are framed, to be sent on the session's thread."""
        self._q.put(data)
        self._wake()

    def run(self) -> None:
        """The session's thread: wait, send, receive, until the connection ends or something is wrong."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._channel, selectors.EVENT_READ)
                selector.register(self._sleeper, selectors.EVENT_READ)
                while True:
                    ready = {key.fileobj for key, _ in selector.select()}
                    if self._closing.is_set():
                        raise EOFError("the session was closed")
                    if self._sleeper in ready:
                        self._drain()
                        self._send_queued()
                    if self._channel in ready:
                        self._read()
        except Exception as error:  # whatever it was, it is the end of the session, and its reason
            self._connected = False
            self._dispatch_error(error)
            self._on_end(error)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._sleeper.recv(_READ):
                pass

    def _send_queued(self) -> None:
        while not self._q.empty():
            self._channel.sendall(self._q.get_nowait())

    def _read(self) -> None:
        channel = self._channel
        while channel.recv_stderr_ready():  # it wakes us too; what a subsystem writes there is for nobody
            channel.recv_stderr(_READ)
        if channel.recv_ready():
            self._receive(channel.recv(_READ))
        elif channel.eof_received or channel.closed:
            raise EOFError("the device closed the session")

    def _receive(self, data: bytes) -> None:
        greeted = self.conversation.hello is not None
        for message in self.conversation.receive(data):
            self._tell_greeted(greeted)
            greeted = True
            self._on_message(message)
        self._tell_greeted(greeted)

    def _tell_greeted(self, before: bool) -> None:
        """End the wait in ncclient's _post_connect once the hello is there."""
        if not before and (hello := self.conversation.hello) is not None:
            self._dispatch_message(build_hello(hello.capabilities, hello.session_id).decode())

    # --- The end ----------------------------------------------------------------------------------

    def abort(self) -> None:
        """End everything at once, without blocking: what waits on the socket finds it shut down."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._wake()

    def close(self) -> None:
        """Abort, join both threads and give back every descriptor. Blocks for at most twice _JOIN."""
        self.abort()
        self._transport.close()
        self._transport.packetizer.complete_handshake()  # or its timer, no daemon, keeps the process
        for thread in (self._transport, self):
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join(_JOIN)
        if self._channel is not None:
            self._channel.close()
        with self._wake_lock:
            self._sleeper.close()
            self._waker.close()
        self._socket.close()
        self._connected = False

    def _wake(self) -> None:
        with self._wake_lock, contextlib.suppress(OSError):  # full: it is awake already; closed: it is over
            self._waker.send(b"\0")


def load_key(credential: PrivateKey) -> Any:
    """The key as paramiko wants it: RSA, ECDSA or Ed25519; InvalidValue where it is none, or encrypted."""
    try:
        text = credential.data.decode("ascii")
    except UnicodeDecodeError:
        raise unusable_key(credential.path, "it is not text") from None
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(io.StringIO(text))
        except paramiko.PasswordRequiredException:
            raise unusable_key(credential.path, "it is encrypted") from None
        except (paramiko.SSHException, ValueError, IndexError, AssertionError):
            continue
    raise unusable_key(credential.path, "it is no Ed25519, ECDSA or RSA key")
