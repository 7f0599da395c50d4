"""What the server bounds, and by how much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on clients. Times are seconds, sizes octets."""

    login_timeout: float = 30.0
    """From the TCP connection to the end of authentication."""
    hello_timeout: float = 30.0
    """From authentication, and from our hello, to the client's."""
    idle_timeout: float | None = None
    """Without a request, for a session that has no subscription. None: for ever."""
    stall_timeout: float = 300.0
    """In which a client must take some of what it was sent."""
    max_sessions: int = 256
    max_half_open: int = 128
    """Connections that are not authenticated yet."""
    max_half_open_of_source: int = 32
    """The same, of one address."""
    max_message: int = 16 << 20
    """The largest request: a configuration of ten thousand devices."""
    threads: int = 4
    """That work on the store at the same time."""
