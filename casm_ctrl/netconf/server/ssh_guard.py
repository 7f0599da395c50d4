"""Between an SSH connection and its transport: who takes nothing is not listened to, and nobody fills our memory.

asyncssh bounds what its channels hold. It reads on while nobody takes its answers, keeps what comes while it
waits for a password to be judged and what it sends while keys are changed, and counts a channel's data in octets,
however many packets they came in.
"""

from __future__ import annotations

import asyncio

import asyncssh

MOST_AT_ONCE = 32 * 1024
"""Octets that one connection is heard before others are."""
MOST_UNHEARD = 1 << 20
"""Octets that wait while a packet is dealt with: four of the largest."""
MOST_PACKETS = 16 * 1024
"""Packets that wait on a channel that is not read: its window has many more octets."""
MOST_DEFERRED = 64
"""Packets that wait for new keys: a client that begins to change keys and does not go on gets no more."""
HIGH, LOW = 1 << 20, 256 * 1024
"""Octets that a client leaves untaken: from the first on it is not listened to, until the second."""


class Guard(asyncio.BufferedProtocol):
    """Takes the place of an SSH connection as its transport's protocol."""

    def __init__(
        self, connection: asyncssh.SSHServerConnection, transport: asyncio.Transport, buffer: memoryview
    ) -> None:
        """`buffer`, of MOST_AT_ONCE octets, may be that of all connections of an event loop: what is read is used
        at once."""
        self._connection = connection
        self._transport = transport
        self._buffer = buffer
        self.writable = asyncio.Event()
        self.writable.set()
        self.paused: set[asyncssh.SSHServerChannel[bytes]] = set()
        """The channels that are not read now."""
        transport.set_write_buffer_limits(high=HIGH, low=LOW)
        transport.set_protocol(self)

    @property
    def deferring(self) -> bool:
        """Whether too much waits for new keys."""
        return len(self._connection._deferred_packets) > MOST_DEFERRED

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(self._buffer[:nbytes]))
        if len(self._connection._inpbuf) > MOST_UNHEARD or any(
            len(channel._recv_buf) > MOST_PACKETS for channel in self.paused
        ):
            self._connection.abort()

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self.writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.writable.set()
        self._transport.resume_reading()
