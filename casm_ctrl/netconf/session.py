"""The interface that every NETCONF client stands behind, and the one way to open a session.

A session is opened in phases (TCP, SSH, hello), each with its own deadline and its own error; after that
every RPC has one. A deadline that passes ends the session: what the device still did is unknown, and a
late reply must not be taken for the answer to another question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Protocol, Self

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import (
    DeadlineExceeded,
    DeviceRefused,
    InvalidValue,
    LockDenied,
    PeerError,
    SessionLost,
)
from casm_ctrl.netconf.messages import Hello, Reply
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.operations import get_nothing

CLIENTS = ("ncclient",)
"""The clients by name; a device may name the one that it needs."""

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
    """An open NETCONF session. It belongs to the task that opened it, which must close it."""

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


async def open_session(target: Target, client: str = "ncclient") -> Session:
    """Open a session within the target's deadlines.

    One that ends while it is probed (`Target.pause_after_hello`) is opened once more: nothing was asked of
    it yet. InvalidValue (the credential cannot be read), Unreachable, AuthenticationFailed, HostKeyRefused,
    DeadlineExceeded (of TCP, SSH or hello), ProtocolViolation (no SSH, no NETCONF), SessionLost.
    """
    if client not in CLIENTS:
        raise InvalidValue(f"there is no NETCONF client '{client}'", f"use one of: {', '.join(CLIENTS)}")
    # Imported here: a client's libraries are loaded by those who use it.
    from casm_ctrl.netconf.ncclient_session import open_ncclient

    for once_more in (True, False):
        session = await open_ncclient(target)
        if target.pause_after_hello <= 0:
            return session
        try:
            await _settle(session)
        except BaseException as error:
            await session.close()
            if not (once_more and isinstance(error, SessionLost)):
                raise
        else:
            return session
    raise AssertionError("the second try returns or raises")


async def _settle(session: Session) -> None:
    """Return when the server has answered an RPC; see `Target.pause_after_hello`."""
    target = session.target
    probes: list[asyncio.Future[Element]] = []
    try:
        for patience in (target.pause_after_hello, None):
            probes.append(asyncio.ensure_future(session.rpc(get_nothing(), deadline=target.deadlines.hello)))
            await asyncio.wait(probes, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if any(probe.done() for probe in probes):
                break
        if not any(probe.done() and _is_answer(probe.exception()) for probe in probes):
            # What ended the first ended the session, and with it the other: the first says why.
            await asyncio.wait(probes)
            error = probes[0].exception()
            if error is not None and not _is_answer(error):
                raise error
    finally:
        for probe in probes:
            probe.cancel()  # a reply that still comes is dropped


def _is_answer(error: BaseException | None) -> bool:
    """A refusal is an answer too."""
    return error is None or isinstance(error, DeviceRefused)


# --- What all clients say in the same words -------------------------------------------------------


def deadline_exceeded(target: Target, phase: str, seconds: float) -> DeadlineExceeded:
    """`phase` is TCP, SSH, hello, or RPC and its name."""
    kind = phase.partition(" ")[0]
    remedy = f"see whether the device answers, or give it a longer {kind} deadline"
    if kind == "RPC":
        remedy += "; whether the operation was done is unknown until the device is read"
    return DeadlineExceeded(f"{target}: {phase} was not done within {seconds:g} s", remedy)


def session_lost(target: Target, during: str, why: str = "the device closed the connection") -> SessionLost:
    """`during` names the phase or the RPC that the session's end interrupted."""
    return SessionLost(
        f"{target}: the session ended during {during}: {why}",
        "see whether the device is up; what was in flight is unknown until the device is read",
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
    raise DeviceRefused(text, errors=errors)


def _holder(denied: PeerError) -> str:
    return f"NETCONF session {denied.session_id}" if denied.session_id else "the lock's holder"
