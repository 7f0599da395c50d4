"""Connections that are not authenticated yet: so many in all, and of one address. The oldest make room. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable


class HalfOpen:
    """`enter` calls `drop` of the connections that must go; each leaves by `leave`, also one that was dropped.

    A flood from one address displaces itself; one from many displaces the oldest of the address that has most.
    """

    def __init__(self, most: int, most_of_source: int) -> None:
        self._most = most
        self._most_of_source = most_of_source
        self._sources: dict[str, OrderedDict[object, Callable[[], None]]] = {}
        self._count = 0
        self.dropped = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, connection: object, source_host: str, drop: Callable[[], None]) -> None:
        waiting = self._sources.setdefault(source_host, OrderedDict())
        waiting[connection] = drop
        self._count += 1
        if len(waiting) > self._most_of_source:
            self._displace(source_host)
        elif self._count > self._most:
            self._displace(max(self._sources, key=lambda source: len(self._sources[source])))

    def leave(self, connection: object, source_host: str) -> None:
        """Authenticated, or gone; a second call does nothing."""
        waiting = self._sources.get(source_host)
        if waiting is not None and connection in waiting:
            del waiting[connection]
            self._count -= 1
            if not waiting:
                del self._sources[source_host]

    def _displace(self, source_host: str) -> None:
        oldest = next(iter(self._sources[source_host]))
        drop = self._sources[source_host][oldest]
        self.leave(oldest, source_host)
        self.dropped += 1
        drop()
