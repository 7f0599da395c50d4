"""TCP ports of 127.0.0.1 that are a test's own, for servers that are told where to listen."""

from __future__ import annotations

import socket


class ReservedPort:
    """A port that nobody else is given until `close`, and that refuses connections until it is used.

    It stays bound without listening: a server that sets SO_REUSEADDR (sshd, PostgreSQL and our own
    do) may listen on it meanwhile, and the kernel chooses it for nobody who asks for any free port.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> ReservedPort:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
