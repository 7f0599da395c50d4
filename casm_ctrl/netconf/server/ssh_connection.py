"""asyncssh's end of a server's SSH connection, without two of its costs."""

from __future__ import annotations

import asyncio
import socket

import asyncssh
from asyncssh.constants import MSG_DISCONNECT
from asyncssh.packet import String, UInt32

from casm_ctrl.netconf.ssh_packets import SparingConnection


class ServerConnection(SparingConnection, asyncssh.SSHServerConnection):
    """A client's connection, as our server holds it."""

    def end(self, reason: str) -> None:
        """Say why, and be gone (RFC 4253, 11.1).

        asyncssh's way closes the channels before: a client that answers that writes to a connection which is gone,
        and many then read no more, the reason neither.
        """
        self.send_packet(MSG_DISCONNECT, UInt32(asyncssh.DISC_BY_APPLICATION), String(reason), String(""))
        self.abort()


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
