"""The one way to open a session, with the client that a device names."""

from __future__ import annotations

import asyncio

from casm_ctrl.base.errors import DeviceRefused, InvalidValue, SessionLost
from casm_ctrl.netconf.client.operations import get_nothing
from casm_ctrl.netconf.client.session import CLIENTS, Session, SubscribingSession, Target
from casm_ctrl.netconf.names import Element


async def open_session(target: Target, client: str | None = None) -> SubscribingSession:
    """Open a session within the target's deadlines, with `client` in place of the target's own.

    One that ends while it is probed (`Target.pause_after_hello`) is opened once more: nothing was asked of
    it yet. InvalidValue (the credential cannot be read), Unreachable, AuthenticationFailed, HostKeyRefused,
    DeadlineExceeded (of TCP, SSH or hello), ProtocolViolation (no SSH, no NETCONF), SessionLost.
    """
    client = client or target.client
    for once_more in (True, False):
        session = await _open(target, client)
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


async def _open(target: Target, client: str) -> SubscribingSession:
    # Imported here: a client's libraries are loaded by those who use it.
    if client == "asyncssh":
        from casm_ctrl.netconf.client.asyncssh_session import open_asyncssh

        return await open_asyncssh(target)
    if client == "ncclient":
        from casm_ctrl.netconf.client.ncclient_session import open_ncclient

        return await open_ncclient(target)
    raise InvalidValue(f"there is no NETCONF client '{client}'", f"use one of: {', '.join(CLIENTS)}")


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
