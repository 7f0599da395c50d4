"""The interface that every NETCONF client stands behind; `opening` has the one way to open a session.

A session is opened in phases (TCP, SSH, hello), each with its own deadline and its own error; after that
every RPC has one. A deadline that passes ends the session: what the device still did is unknown, and a
late reply must not be taken for the answer to another question.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self

from casm_ctrl.base.clients import CLIENTS as CLIENTS
from casm_ctrl.base.clients import DEFAULT_CLIENT
from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import (
    AuthenticationFailed,
    DeadlineExceeded,
    DeviceRefused,
    LockDenied,
    PeerError,
    ProtocolViolation,
    SessionLost,
)
from casm_ctrl.netconf.client.notification import Missed as Missed
from casm_ctrl.netconf.client.notification import Notification as Notification
from casm_ctrl.netconf.messages import Hello, Reply
from casm_ctrl.netconf.names import Element

_BASE = "urn:ietf:params:netconf:"


@dataclass(frozen=True)
class Target:
    """Where a device's NETCONF server is and how it is entered. Holds references, never a secret."""

    device: str
    """The device's name, for messages."""
    host: str
    port: int
    user: str
    credential: str
    """`env:NAME` (a password) or `file:PATH` (a private key)."""
    host_key: str | None = None
    """The recorded host key, `ssh-ed25519 AAAA…`; None where none is recorded yet."""
    accept_new: bool = False
    """Accept a key where none is known; never one that differs from a known one."""
    deadlines: Deadlines = field(default_factory=Deadlines)
    client: str = DEFAULT_CLIENT
    """One of CLIENTS."""
    pause_after_hello: float = 0.0
    """For servers that overlook an RPC which arrives in one read with the client's hello, until more
    arrives (a quirk, listed by the device's driver): opening then ends with an empty get, which is sent
    again where it has no answer after this many seconds. 0: no such get."""

    @property
    def address(self) -> str:
        """host:port, with brackets around IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.device} ({self.address})"


@dataclass(frozen=True)
class Capabilities:
    """What a server's hello announced."""

    uris: tuple[str, ...]
    modules: Mapping[str, str | None] = field(default_factory=dict)
    """Revision by YANG module name."""

    @staticmethod
    def of(hello: Hello) -> Capabilities:
        return Capabilities(hello.capabilities, hello.modules)

    def has(self, name: str) -> bool:
        """True where `name` is announced, whatever its parameters.

        `name` is a URI, or short as the RFCs write it (`:candidate`, `:confirmed-commit:1.1`); without a
        version any version will do.
        """
        if not name.startswith(":"):
            return name in self._bare
        full = {f"{_BASE}{kind}{name[1:]}" for kind in ("", "capability:")}
        return any(uri in full or uri.rpartition(":")[0] in full for uri in self._bare)

    @cached_property
    def _bare(self) -> frozenset[str]:
        return frozenset(uri.partition("?")[0] for uri in self.uris)


class Session(Protocol):
    """An open NETCONF session. One task uses it at a time, and whoever opened it closes it."""

    @property
    def target(self) -> Target: ...

    @property
    def session_id(self) -> int:
        """The server's number for the session (RFC 6241, 8.1)."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def host_key(self) -> str:
        """The host key that the device presented: type and base64."""
        ...

    @property
    def ended(self) -> bool:
        """True once nothing can be asked any more. A peer that is gone without a word is not noticed here."""
        ...

    async def rpc(self, operation: Element, *, deadline: float | None = None) -> Element:
        """Send one operation and wait for its rpc-reply, for `deadline` seconds (default: the target's).

        DeviceRefused (LockDenied for a lock) where the reply holds an rpc-error that is no warning; the
        session goes on. DeadlineExceeded, SessionLost, ProtocolViolation: the session is closed, and
        whether the operation was done is unknown. A cancelled call leaves the session open; the reply is
        dropped when it comes.
        """
        ...

    async def close(self) -> None:
        """End the session, with close-session where the device still answers. Bounded, may be repeated."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class SubscribingSession(Session, Protocol):
    """A session on which a device may be asked to tell by itself. Every client of ours gives such."""

    async def subscribe(self, operation: Element, *, deadline: float | None = None) -> Element:
        """Send an operation of `subscriptions` and wait for its reply; from then on notifications are kept.

        Errors are those of `rpc`. Some servers answer nothing but `close-session` on a session with a subscription
        (RFC 5277 without `:interleave`): it is a session of its own.
        """
        ...

    def notifications(self) -> AsyncIterator[Notification | Missed]:
        """What the device tells, in its order, for one task. A bounded number waits: `Missed` stands where some were
        dropped, or could not be read. Never ends by itself: SessionLost, ProtocolViolation or DeadlineExceeded once
        the session has ended and all that came was taken; InvalidValue where nothing was subscribed to.
        """
        ...


# --- What all clients say in the same words -------------------------------------------------------


def deadline_exceeded(target: Target, phase: str, seconds: float) -> DeadlineExceeded:
    """`phase` is TCP, SSH, hello, or RPC and its name."""
    kind = phase.partition(" ")[0]
    remedy = f"see whether the device answers, or give it a longer {kind} deadline"
    if kind == "RPC":
        remedy += "; whether the operation was done is unknown until the device is read"
    return DeadlineExceeded(f"{target}: {phase} was not done within {seconds:g} s", remedy, phase=kind)


def session_lost(target: Target, during: str, why: str = "the device closed the connection") -> SessionLost:
    """`during` names the phase or the RPC that the session's end interrupted."""
    return SessionLost(
        f"{target}: the session ended during {during}: {why}",
        "see whether the device is up; what was in flight is unknown until the device is read",
    )


def failure_of(target: Target, during: str, cause: Exception) -> ProtocolViolation | SessionLost:
    """The error for whoever waited when the session ended for `cause`."""
    if isinstance(cause, ProtocolViolation):
        return ProtocolViolation(f"{target}: during {during}: {cause.message}", cause.remedy)
    return session_lost(target, during, str(cause) or "the connection was closed")


def no_ssh(target: Target, why: str) -> ProtocolViolation:
    """What listens there broke off before SSH was negotiated, or speaks something else."""
    return ProtocolViolation(
        f"{target}: what answers there is no SSH server that we can talk to: {why or 'the connection was closed'}",
        "check the port; a server that is overloaded also closes the connection at once",
    )


def outdated_ssh(target: Target, what: str) -> ProtocolViolation:
    """`what` says what the device has, or what is missing."""
    return ProtocolViolation(
        f"{target}: we have no SSH algorithm in common with the device, which is outdated perhaps: {what}",
        "enable a current one there, such as curve25519-sha256, aes128-ctr, hmac-sha2-256 and ssh-ed25519",
    )


def not_authenticated(target: Target, what: str) -> AuthenticationFailed:
    return AuthenticationFailed(
        f"{target}: {what}", "check the user and the credential of this device, and its account there"
    )


def check_reply(target: Target, name: str, reply: Reply) -> Element:
    """The rpc-reply of operation `name`, or the refusal in it with all its errors. Warnings are passed."""
    if not reply.failed:
        return reply.element
    errors = tuple(error for error in reply.errors if error.severity != "warning")
    text = f"{target} refused {name}: {'; '.join(map(str, errors))}"
    denied = next((error for error in errors if error.tag == "lock-denied"), None)
    if denied is not None:
        holder = _holder(denied)
        raise LockDenied(
            text,
            f"wait until {holder} is done, or end that session on the device",
            errors=errors,
            session_id=denied.session_id or None,
        )
    remedy = next((_REMEDIES[error.tag] for error in errors if error.tag in _REMEDIES), _LOOK)
    raise DeviceRefused(text, remedy, errors=errors)


_LOOK = "see what the device says, and its log"
_REMEDIES = {
    "access-denied": "let this user do it on the device (RFC 8341), or give the device another user",
    "in-use": "try again when what the device names is not in use any more",
    "resource-denied": "try again when the device has more room, or give it some",
    "too-big": "change less at once",
}
"""By error-tag (RFC 6241, appendix A): what a person can do. Other tags speak of the request: the device says more."""


def _holder(denied: PeerError) -> str:
    return f"NETCONF session {denied.session_id}" if denied.session_id else "the lock's holder"
