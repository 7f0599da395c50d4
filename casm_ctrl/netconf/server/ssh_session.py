"""One SSH session as a channel: what a client sends waits here for the server, and the other way round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncssh

from casm_ctrl.netconf.server.ssh_guard import Guard

SUBSYSTEM = "netconf"
READ_AHEAD = 64 * 1024
"""Octets of a client that wait here before it is made to wait."""
LOOK_AGAIN = 0.05
"""Seconds between two looks whether keys are changed."""
SMALLEST_PACKET = 1024
"""Octets of data that a client must take in one packet: RFC 4253 (6.1) has all take 32768, and a reply that is sent
octet by octet would stop everybody else."""


class SshSession(asyncssh.SSHServerSession[bytes]):
    """An SSH session as a Channel, once its client has asked for the netconf subsystem."""

    def __init__(
        self,
        begin: Callable[[SshSession], None],
        guard: Guard | None = None,
        ended: Callable[[SshSession], None] = lambda session: None,
    ) -> None:
        """`begin` is called when the netconf subsystem begins, `ended` when the channel is gone."""
        self._begin = begin
        self._guard = guard
        self._gone = ended
        self._arrived = bytearray()
        self._ended = self._ended_for_good = False
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
        if not self._ended_for_good:
            if self._guard is not None:
                self._guard.paused.discard(self._channel)
            self._channel.resume_reading()
        return data

    def write(self, data: bytes) -> None:
        if data and not self._channel.is_closing():
            self._channel.write(data)

    @property
    def taken(self) -> bool:
        guard = self._guard
        return self._writable.is_set() and (
            guard is None or (guard.writable.is_set() and not guard.deferring)
        )

    async def drain(self) -> None:
        while not (self.taken or self._ended_for_good):
            await self._writable.wait()
            if self._guard is not None:
                await self._guard.writable.wait()
                if self._guard.deferring:
                    # asyncssh does not say when keys are changed, which takes milliseconds as a rule.
                    await asyncio.sleep(LOOK_AGAIN)

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
        return subsystem == SUBSYSTEM and self._channel._send_pktsize >= SMALLEST_PACKET

    def session_started(self) -> None:
        self._begin(self)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._arrived += data
        if len(self._arrived) >= READ_AHEAD:
            self._channel.pause_reading()
            if self._guard is not None:
                self._guard.paused.add(self._channel)
        self._news.set()

    def eof_received(self) -> bool:
        self._end()
        # The channel stays open for the replies to what came before.
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended_for_good = True
        self._end()
        self._writable.set()
        if self._guard is not None:
            self._guard.paused.discard(self._channel)
        self._gone(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _end(self) -> None:
        self._ended = True
        self._news.set()
