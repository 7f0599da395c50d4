"""Connections that are not authenticated yet: so many in all, and of one address. The oldest make room. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol


class Waiting(Protocol):
    """A connection, as far as it matters here. What is equal is the same."""

    @property
    def has_spoken(self) -> bool: ...

    def abort(self) -> None: ...


class HalfOpen:
    """`enter` aborts the connections that must go; each leaves by `leave`, also one that was aborted.

    A flood from one address displaces itself; one from many displaces the oldest of the address that has most.
    Those that have not even said that they speak SSH go first: who logs in, in earnest, has at once.
    """

    def __init__(self, most: int, most_of_source: int) -> None:
        self._most = most
        self._most_of_source = most_of_source
        self._sources: dict[str, OrderedDict[Waiting, None]] = {}
        self._count = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, connection: Waiting, source: str) -> None:
        waiting = self._sources.setdefault(source, OrderedDict())
        if len(waiting) >= self._most_of_source:
            self._displace(source)
        elif self._count >= self._most:
            self._displace(max(self._sources, key=lambda found: len(self._sources[found])))
        # Where the last of its address went, so did the address.
        self._sources.setdefault(source, waiting)[connection] = None
        self._count += 1

    def leave(self, connection: Waiting, source: str) -> None:
        """Authenticated, or gone; a second call does nothing."""
        waiting = self._sources.get(source)
        if waiting is not None and connection in waiting:
            del waiting[connection]
            self._count -= 1
            if not waiting:
                del self._sources[source]

    def _displace(self, source: str) -> None:
        waiting = self._sources[source]
        goes = next((found for found in waiting if not found.has_spoken), next(iter(waiting)))
        self.leave(goes, source)
        self.dropped += 1
        goes.abort()
