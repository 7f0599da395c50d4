"""What either end of SSH sends beside what it has to say: nothing."""

from __future__ import annotations

from typing import Any

from asyncssh.connection import SSHConnection
from asyncssh.constants import MSG_IGNORE


class SparingConnection(SSHConnection):
    """asyncssh's connection without an empty packet before each packet. That is meant for ciphers whose next
    initialisation vector is known beforehand (RFC 4253, 9.3.1), which neither our client nor our server has,
    and doubles what is encrypted and written.
    """

    def send_packet(self, pkttype: int, *args: bytes, **more: Any) -> None:
        if pkttype != MSG_IGNORE:
            super().send_packet(pkttype, *args, **more)
