"""Subscribers that log in and out, one or a thousand at once: who is served, who is refused, who asks again when.

Those who are there are counts by range. Those who wait are kept one by one, because each asks again at a moment of
its own: a DHCP client after 4, 8, 16 … 64 s, each a second more or less (RFC 2131, 4.1), a PPP client that dials again
after three to five. No sockets and no timers: who has them calls `advance`.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.demand import spread
from casm_ctrl.simulator.subscribers import Served, Subscribers

Asked = tuple[str, int]
"""The name by which AAA knows a pool, and 4 or 6."""
Serving = Callable[[Asked], Sequence[Served]]
"""Everything in the configuration that serves a pool, in its order; nothing where it is not configured."""


def _dhcp(attempt: int, chance: random.Random) -> float:
    return float(min(64, 2 << attempt)) + chance.uniform(-1, 1)


def _ppp(attempt: int, chance: random.Random) -> float:
    return chance.uniform(3, 5)


AGAIN: Final[Mapping[str, Callable[[int, random.Random], float]]] = {"dhcp": _dhcp, "ppp": _ppp}
"""By protocol: the seconds after its nth refusal (from 1) until a client asks again."""
BACK: Final[Mapping[str, float]] = {"dhcp": 10.0, "ppp": 5.0}
"""By protocol: the seconds within which those who were cut off have noticed and ask again."""


@dataclass(frozen=True)
class Unit:
    """What one subscriber takes of a pool, where its configuration does not say."""

    shared_by: int = 1
    """So many subscribers have an address together, each a set of its ports."""
    addresses: int = 1
    """One has so many: a delegated prefix in a model that counts its addresses."""

    def __post_init__(self) -> None:
        if self.shared_by < 1 or self.addresses < 1 or self.shared_by > 1 < self.addresses:
            raise InvalidValue("a subscriber takes a part of one address, or one or more", "give one of them")

    def fits(self, told: int) -> int:
        """How many subscribers there is room for in so many of what a model counts."""
        return told * self.shared_by // self.addresses

    def taken(self, subscribers: int) -> int:
        """How many of what a model counts they have."""
        return -(-subscribers * self.addresses // self.shared_by)


class Waiting(NamedTuple):
    """One client that was refused."""

    due: Micros
    number: int
    since: Micros
    attempt: int


@dataclass(frozen=True)
class LoginCounts:
    """What became of the logins of one pool, since the simulator began."""

    present: int
    """Subscribers who are logged in."""
    waiting: int
    """Those who want to be and are not: refused, or cut off and not back yet."""
    served: int
    """Logins that succeeded."""
    refused: int
    """Requests that were refused; a client that asks again and is refused counts again."""
    turned_away: int
    """Logins that were refused when they asked first."""
    cut_off: int
    """Subscribers who lost their session: their range was taken away, the device restarted, or `cut_off` said so."""
    longest_wait: float
    """Seconds: of those who were served in the end, and of those who wait still."""


@dataclass
class _Pool:
    protocol: str = "dhcp"
    unit: Unit = Unit()
    present: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    served: int = 0
    refused: int = 0
    turned_away: int = 0
    cut_off: int = 0
    longest_wait: int = 0
    told_refused: int = 0
    """`refused` when the device started: what it tells begins at 0 then."""


class Logins:
    """The logins of one device. Counts what is in use in `subscribers`, beside what was put there otherwise."""

    def __init__(self, subscribers: Subscribers, serving: Serving, chance: random.Random) -> None:
        self._subscribers = subscribers
        self._serving = serving
        self._chance = chance
        self._pools: dict[Asked, _Pool] = {}
        self._number = 0
        self._up = Micros(0)
        self._since: dict[str, Micros] = {}

    # --- What is asked ----------------------------------------------------------------------------

    def use(self, asked: Asked, unit: Unit) -> None:
        """Say what one subscriber of a pool takes. InvalidValue where some have something else already."""
        pool = self._pool(asked)
        if pool.present and unit != pool.unit:
            raise InvalidValue(
                f"subscribers of '{asked[0]}' are logged in", "say it before the first logs in"
            )
        pool.unit = unit

    def log_in(self, asked: Asked, count: int, now: Micros, protocol: str | None = None) -> int:
        """So many ask for the first time, all now; how many are refused. They ask again until they log out.

        While the device restarts nobody is refused: they ask when it is up.
        """
        if count < 0:
            raise InvalidValue(f"{count} subscribers cannot log in", "give 0 or more")
        pool = self._pool(asked)
        if protocol is not None:
            if protocol not in AGAIN:
                raise InvalidValue(f"'{protocol}' is no protocol of subscribers", f"use {', '.join(AGAIN)}")
            pool.protocol = protocol
        if now < self._up:
            self._return(pool, count, now, self._up)
            return 0
        refused = count - self._place(asked, pool, count)
        if refused and not self._is_known(asked[0]):
            self._since[asked[0]] = now
        pool.refused += refused
        pool.turned_away += refused
        for _ in range(refused):
            self._wait(pool, now, now, 1)
        return refused

    def log_out(self, asked: Asked, count: int) -> int:
        """So many of those who are logged in leave, drawn from all alike; then of those who wait. How many did."""
        pool = self._pool(asked)
        keys = list(pool.present)
        leaving = spread(count, [pool.present[key] for key in keys], self._chance)
        for key, gone in zip(keys, leaving, strict=True):
            self._change(pool, key, -gone)
        left = sum(leaving)
        if left < count and pool.waiting:
            stay = max(0, len(pool.waiting) - (count - left))
            left += len(pool.waiting) - stay
            pool.waiting = self._chance.sample(pool.waiting, stay)
            heapq.heapify(pool.waiting)
        return left

    def counts(self, asked: Asked, now: Micros) -> LoginCounts:
        pool = self._pools.get(asked) or _Pool()
        oldest = min((one.since for one in pool.waiting), default=now)
        return LoginCounts(
            sum(pool.present.values()),
            len(pool.waiting),
            pool.served,
            pool.refused,
            pool.turned_away,
            pool.cut_off,
            max(pool.longest_wait, now - oldest) / SECOND,
        )

    @property
    def refused(self) -> Mapping[Asked, int]:
        """Requests that were refused since the device started, by pool."""
        return {asked: pool.refused - pool.told_refused for asked, pool in list(self._pools.items())}

    @property
    def since(self) -> Mapping[str, Micros]:
        """When counting began, of pools that were asked for before they were configured: with the first request. Of
        the others it began with the device."""
        return dict(self._since)

    @property
    def all_refused(self) -> int:
        """Requests that were refused since the simulator began."""
        return sum(pool.refused for pool in list(self._pools.values()))

    # --- What happens to it -----------------------------------------------------------------------

    @property
    def next_due(self) -> Micros | None:
        """When the next client asks again."""
        return min((pool.waiting[0].due for pool in self._pools.values() if pool.waiting), default=None)

    def advance(self, now: Micros) -> None:
        """All whose time has come ask again, in the order of their moments."""
        for asked, pool in self._pools.items():
            waiting = pool.waiting
            if not waiting or waiting[0].due > now:
                continue
            room = self._room(asked, pool)
            free = sum(left for _, left in room)
            placed = 0
            while waiting and waiting[0].due <= now:
                one = heapq.heappop(waiting)
                if placed < free:
                    placed += 1
                    pool.longest_wait = max(pool.longest_wait, one.due - one.since)
                else:
                    pool.refused += 1
                    self._wait(pool, one.due, one.since, one.attempt + 1)
            self._place(asked, pool, placed)

    def follow(self, now: Micros) -> None:
        """After a change of the configuration: who stood on what is gone, or has become too small, is cut off."""
        for asked, pool in self._pools.items():
            serving = {(one.pool, one.entry): one for one in self._serving(asked)}
            for key, present in list(pool.present.items()):
                served = serving.get(key)
                left = -present if served is None else min(0, self._left(served, pool))
                if left:
                    self._change(pool, key, left)
                    pool.cut_off -= left
                    self._return(pool, -left, now, now)

    def cut_off(self, asked: Asked, now: Micros) -> int:
        """All of a pool lose their sessions, as in a power cut, and come back; how many there were."""
        pool = self._pool(asked)
        lost = sum(pool.present.values())
        self._lose_all(pool, now, now)
        return lost

    def restart(self, now: Micros, up: Micros) -> None:
        """The device loses all sessions, and counts from 0; everybody asks again once it is up."""
        self._up = up
        for pool in self._pools.values():
            self._lose_all(pool, now, up)
            waiting, pool.waiting = pool.waiting, []
            for one in waiting:
                self._return(pool, 1, one.since, up)
            pool.told_refused = pool.refused
        self._since.clear()

    # --- Inside -----------------------------------------------------------------------------------

    def _is_known(self, name: str) -> bool:
        """Whether a pool of this name is configured, or has refused somebody since the device started."""
        both = [(name, 4), (name, 6)]
        pools = [self._pools[asked] for asked in both if asked in self._pools]
        return any(pool.refused > pool.told_refused for pool in pools) or any(map(self._serving, both))

    def _pool(self, asked: Asked) -> _Pool:
        return self._pools.setdefault(asked, _Pool())

    def _left(self, served: Served, pool: _Pool) -> int:
        """How many more find room in `served`; less than 0 where there are too many."""
        key = (served.pool, served.entry)
        mine = pool.present.get(key, 0)
        others = self._subscribers.used(*key) + self._subscribers.logged_in(*key) - pool.unit.taken(mine)
        return pool.unit.fits(max(0, served.total - others)) - mine

    def _room(self, asked: Asked, pool: _Pool) -> list[tuple[tuple[str, str], int]]:
        """Where there is room, and for how many, in the order of the configuration; not in what is drained."""
        found = (
            ((one.pool, one.entry), self._left(one, pool)) for one in self._serving(asked) if not one.drained
        )
        return [(key, left) for key, left in found if left > 0]

    def _place(self, asked: Asked, pool: _Pool, count: int) -> int:
        """Let so many in where there is room; how many found some."""
        placed = 0
        for key, left in self._room(asked, pool) if count else ():
            here = min(left, count - placed)
            self._change(pool, key, here)
            placed += here
            if placed == count:
                break
        pool.served += placed
        return placed

    def _change(self, pool: _Pool, key: tuple[str, str], by: int) -> None:
        before = pool.present.get(key, 0)
        after = before + by
        if after:
            pool.present[key] = after
        else:
            pool.present.pop(key, None)
        self._subscribers.change(*key, pool.unit.taken(after) - pool.unit.taken(before))

    def _wait(self, pool: _Pool, now: Micros, since: Micros, attempt: int) -> None:
        due = Micros(now + round(AGAIN[pool.protocol](attempt, self._chance) * SECOND))
        self._number += 1
        heapq.heappush(pool.waiting, Waiting(due, self._number, since, attempt))

    def _lose_all(self, pool: _Pool, now: Micros, up: Micros) -> None:
        for key, present in list(pool.present.items()):
            self._change(pool, key, -present)
            pool.cut_off += present
            self._return(pool, present, now, up)

    def _return(self, pool: _Pool, count: int, since: Micros, at: Micros) -> None:
        """So many who want to be in since then notice, soon after `at`, that they can ask."""
        for _ in range(count):
            due = Micros(at + round(self._chance.uniform(0, BACK[pool.protocol]) * SECOND))
            self._number += 1
            heapq.heappush(pool.waiting, Waiting(due, self._number, since, 0))
