"""asyncssh's end of a server's SSH connection, without two of its costs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import asyncssh
from asyncssh.constants import MSG_IGNORE


class ServerConnection(asyncssh.SSHServerConnection):
    """It sends no empty packet before each packet. That is meant for ciphers whose next initialisation vector is
    known beforehand (RFC 4253, 9.3.1), which asyncssh offers to nobody who does not ask for them, and doubles what
    is encrypted and written.
    """

    def send_packet(self, pkttype: int, *args: bytes, **more: Any) -> None:
        if pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, **more)


async def accept_connection(
    accepted: socket.socket, options: asyncssh.SSHServerConnectionOptions
) -> ServerConnection:
    """Speak SSH on an accepted socket, which is owned by the connection from now on. Returns before anybody has
    logged in.

    asyncssh.run_server goes to a thread first, to read the configuration of OpenSSH that nobody named.
    """
    loop = asyncio.get_running_loop()
    connection = ServerConnection(loop, options)
    await loop.connect_accepted_socket(lambda: connection, accepted)
    return connection
