"""Subscribers of a simulated device: what it gives out, and how many of that are in use. One idea for all models.

What a model calls a range, a network, a section or a pool of prefixes is a `Served` here: the addresses from
`first` to `last`, given out one by one or as prefixes of one length.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.netconf.names import Element


@dataclass(frozen=True)
class Served:
    """One thing in the configuration from which subscribers get addresses."""

    pool: str
    """What the model names the container; where several are nested, their keys with `/` between."""
    entry: str
    """What the model names it, or its first address where it has no name."""
    version: int
    """4 or 6"""
    first: int
    last: int
    node: Element
    """Where it stands in the configuration; some models tell usage there."""
    unit: int = 1
    """Addresses that one subscriber gets: of a delegated prefix all."""
    kept: int = 0
    """Addresses in it that nobody gets: a gateway's, excluded ones."""
    drained: bool = False
    """Nothing new is given out; who has an address keeps it."""
    vrf: str = ""

    @property
    def total(self) -> int:
        """Addresses, or prefixes, that subscribers can have."""
        return max(0, -(-(self.last - self.first + 1) // self.unit) - self.kept)


@dataclass(frozen=True)
class Count:
    """Of one Served, never more than it has."""

    used: int
    total: int
    peak: int

    @property
    def free(self) -> int:
        return self.total - self.used


Told = Sequence[tuple[Served, Count]]


@dataclass(frozen=True)
class Circumstances:
    """What else of a device shows in what it says about usage."""

    now: Micros
    booted: Micros
    modules: frozenset[str]
    """The names of those that it has."""
    refused: Mapping[tuple[str, int], int] = field(default_factory=dict)
    """Requests that were refused since it started, by the pool's name and 4 or 6."""
    since: Mapping[str, Micros] = field(default_factory=dict)
    """When counting them began, by name, where that was later."""

    def counters_since(self, name: str) -> Micros:
        return max(self.booted, self.since.get(name, self.booted))


class Subscribers:
    """How many addresses of each Served are in use, and the most that ever were.

    Some are there because somebody said so (`set`), others because they logged in (`change`): both count.
    """

    def __init__(self) -> None:
        self.version = 0
        """How often something changed."""
        self._used: dict[tuple[str, str], int] = {}
        self._logged_in: dict[tuple[str, str], int] = {}
        self._peak: dict[tuple[str, str], int] = {}
        self._served: set[tuple[str, str]] = set()

    def follow(self, all_served: Iterable[Served]) -> None:
        """What was served at the call before and is not any more has lost its subscribers."""
        served = {(one.pool, one.entry) for one in all_served}
        for key in self._served - served:
            self._used.pop(key, None)
            self._peak.pop(key, None)
            self.version += 1
        self._served = served

    def set(self, pool: str, entry: str, used: int) -> None:
        """Say that `used` addresses of a range are in use; what does not fit is cut off when it is read."""
        if used < 0:
            raise InvalidValue(f"{used} addresses cannot be in use", "give 0 or more")
        self._used[pool, entry] = used
        self._note_peak((pool, entry))

    def change(self, pool: str, entry: str, by: int) -> None:
        """So many more addresses of a range are in use by subscribers that log in; fewer where it is below 0."""
        after = self._logged_in.get((pool, entry), 0) + by
        if after:
            self._logged_in[pool, entry] = after
        else:
            self._logged_in.pop((pool, entry), None)
        self._note_peak((pool, entry))

    def clear(self) -> None:
        """All whom somebody put there leave and the peaks are forgotten, as after a restart."""
        self._used.clear()
        self._peak.clear()
        self.version += 1

    def used(self, pool: str, entry: str) -> int:
        """As `set` said."""
        return self._used.get((pool, entry), 0)

    def logged_in(self, pool: str, entry: str) -> int:
        """As `change` said."""
        return self._logged_in.get((pool, entry), 0)

    def count(self, served: Served) -> Count:
        key, total = (served.pool, served.entry), served.total
        return Count(min(self._both(key), total), total, min(self._peak.get(key, 0), total))

    def _both(self, key: tuple[str, str]) -> int:
        return self._used.get(key, 0) + self._logged_in.get(key, 0)

    def _note_peak(self, key: tuple[str, str]) -> None:
        self.version += 1
        self._peak[key] = max(self._both(key), self._peak.get(key, 0))


def find_range(all_served: Iterable[Served], text: str) -> Served:
    """The one that serves exactly the prefix or the range (`FIRST-LAST`) that `text` says.

    InvalidValue where the text says none, NotFound where none or more than one serves it.
    """
    try:
        ends = [ipaddress.ip_address(end.strip()) for end in text.split("-")] if "-" in text else None
        network = ipaddress.ip_network(text, strict=False) if ends is None else None
    except ValueError:
        raise InvalidValue(f"'{text}' is no range", "give a prefix or FIRST-LAST") from None
    if network is not None:
        first, last, version = int(network[0]), int(network[-1]), network.version
    else:
        assert ends is not None
        first, last, version = int(ends[0]), int(ends[-1]), ends[0].version
    found = [one for one in all_served if (one.version, one.first, one.last) == (version, first, last)]
    if len(found) != 1:
        raise NotFound(f"{len(found)} of the device's objects serve {text}", "name its pool and entry")
    return found[0]
