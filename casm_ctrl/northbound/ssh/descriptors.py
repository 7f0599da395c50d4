"""How many files and connections the process may have open."""

from __future__ import annotations

import resource

RESERVE = 256
"""Descriptors that clients never get: the store, logs, and sessions with devices. Of a process that may have few,
half."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one; how many descriptors the process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def for_clients(limit: int) -> int:
    """Of `limit` descriptors, those that clients may take."""
    return max(1, limit - min(RESERVE, limit // 2))
