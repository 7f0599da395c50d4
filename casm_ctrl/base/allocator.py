"""How the C library keeps memory that is freed, for a process that makes and forgets large texts all the time."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Of glibc's mallopt(3)."""
_LARGE = 16 << 20
"""Octets: what is larger is taken from the system, and given back at once."""
_KEPT = 64 << 20
"""Octets free at the end of the heap before some are given back."""
_ARENAS = 2


def keep_memory() -> None:
    """Use freed memory again instead of giving it back and asking for it anew, within bounds. Nothing happens where
    the C library is not glibc.

    A page that the system gives is filled with zeros first: of an answer with ten thousand blocks, some ten copies of
    four megabytes on their way, that was a quarter of what it cost.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _KEPT), (_ARENA_MAX, _ARENAS)):
            mallopt(option, value)
