"""How long each phase of a session may take. Seconds; each is named in the error that it causes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deadlines:
    """The defaults of the design; a device may have its own."""

    tcp: float = 5.0
    ssh: float = 10.0
    hello: float = 10.0
    rpc: float = 30.0
    commit: int = 60
    """confirm-timeout of a confirmed commit (RFC 6241, 8.4)."""


STORE_LOCK = 10.0
"""How long a write waits for another process's transaction on SQLite."""

LEASE = 15.0
LEASE_RENEWAL = 5.0
"""A device's lease ends this long after its last renewal."""

COMMIT_MARGIN = 60.0
"""After a confirmed commit's timeout a device is given this long to roll back, before a read is proof."""
