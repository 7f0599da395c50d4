"""What the server bounds, and by how much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on clients. Times are seconds, sizes octets."""

    login_timeout: float = 30.0
    """From the TCP connection to the end of authentication."""
    hello_timeout: float = 30.0
    """From authentication to the session, and from our hello to the end of the client's."""
    message_timeout: float = 300.0
    """From the first octet of a request to its last."""
    idle_timeout: float | None = None
    """Without a request, for a session that has no subscription. None: for ever."""
    stall_timeout: float = 300.0
    """In which a client must take some of what it was sent."""
    max_sessions: int = 1024
    max_sessions_of_user: int = 512
    """So that nobody keeps out all others. As many connections may have no session."""
    max_half_open: int = 1024
    """Connections that are not authenticated yet."""
    max_half_open_of_source: int = 512
    """The same, of one address, or of one network of IPv6 with 64 bits."""
    max_logins: int = 20
    """Attempts to authenticate on one connection: an agent may offer many keys."""
    max_message: int = 16 << 20
    """The largest request: a configuration of ten thousand devices."""
    max_waiting: int = 256 << 20
    """Of all sessions: requests that are not whole yet and replies that are not taken yet. Where they are more, the
    sessions are ended where nothing moved for longest; the first 64 KiB of each do not count."""
    max_trees: int = 640 << 20
    """Of all sessions: large requests that are carried out, as trees in memory. The next waits; one that alone
    needs more is too big."""
    max_edits: int = 500_000
    """Elements of all edits of the candidate until it is committed or discarded: it is in memory."""
    threads: int = 6
    """That work on the store at the same time."""
    threads_of_user: int = 4
    """Of them, those that may read for one user at the same time."""
