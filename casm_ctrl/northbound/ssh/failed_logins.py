"""Where logins come from, and which failures the audit is told of, so that guesses cannot fill it. Pure."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

TELL_EVERY = 60.0
"""Seconds: failed logins of one address make one row of the audit in that time."""
MOST_ROWS = 60
"""Rows in that time, whatever addresses they are of."""
MOST = 10_000
"""Addresses that are kept: the oldest go first."""


def source_of(host: str) -> str:
    """Who shares a fate: one address of IPv4, or a network of IPv6, of which a host has 64 bits of addresses."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))


class FailedLogins:
    """Counts failures, and says when it is time to tell. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, tuple[float, int]] = OrderedDict()
        """When the audit was last told, and how many it was not told of since."""
        self._began = float("-inf")
        self._rows = 0

    def failed(self, source: str, now: float) -> int | None:
        """How many of this source the audit was not told of, where it is to be told now; None where not."""
        if now - self._began >= TELL_EVERY:
            self._began, self._rows = now, 0
        told, untold = self._sources.get(source, (float("-inf"), 0))
        if now - told < TELL_EVERY or self._rows >= MOST_ROWS:
            self._keep(source, (told, untold + 1))
            return None
        self._rows += 1
        self._keep(source, (now, 0))
        return untold

    def _keep(self, source: str, entry: tuple[float, int]) -> None:
        self._sources[source] = entry
        self._sources.move_to_end(source)
        if len(self._sources) > MOST:
            self._sources.popitem(last=False)
