"""How many subscribers want to be logged in to a device pool, and who comes and goes: pure, and the same for one seed.

A subscriber takes one unit of its pool: an IPv4 address, a delegated prefix, or a set of ports of a shared address.
Moments are microseconds UTC, lengths of time are seconds. A demand is of subscribers, not of sessions that succeed: who
finds no address still wants one until it logs out, so that whoever replays it against a pool has
`waiting = wanted - served`.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import InvalidValue

HOUR: Final = 3600
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
_MONDAY: Final = 4 * DAY
"""1970-01-05: the first Monday of the epoch."""


def _hours(percent: str) -> tuple[float, ...]:
    return tuple(int(number) / 100 for number in percent.split())


CURVES: Mapping[str, tuple[float, ...]] = {
    "residential": _hours("66 42 24 12 5 0 4 16 26 32 36 40 44 45 46 50 58 68 80 91 97 100 96 83"),
    "business": _hours("2 1 0 0 0 2 12 42 80 95 100 97 82 90 98 97 88 64 38 22 14 10 6 4"),
    "flat": (1.0,) * 24,
}
"""By the hour, from the lowest of a day (0) to its peak (1): evenings at home, working hours in offices, always on."""
LOWEST: Mapping[str, float] = {"residential": 0.45, "business": 0.2, "flat": 1.0}
"""What of a day's peak is left at its lowest."""
WEEKEND: Mapping[str, float] = {"residential": 1.05, "business": 0.35, "flat": 1.0}
"""What Saturday and Sunday have of another day."""

_NORMAL = NormalDist()
_OCTAVES: Final = (HOUR // 2, 6 * HOUR)
"""Noise has two parts: one that changes in half an hour, and one that changes in a quarter of a day."""
_ROOT: Final = sqrt(len(_OCTAVES))
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True)
class Burst:
    """So many more at once: they leave one by one, after `stay` seconds on average, or never where that is 0."""

    at: Micros
    count: int
    stay: float = 4 * HOUR


@dataclass(frozen=True)
class Restart:
    """The device restarts: everybody is logged out, nobody can log in for `downtime` seconds, and all are back within
    `back` seconds after that."""

    at: Micros
    downtime: float = 120.0
    back: float = 300.0


@dataclass(frozen=True)
class MassRelogin:
    """Everybody loses the session at once (an access node, a power cut) and is back within `back` seconds. The device
    stays up."""

    at: Micros
    back: float = 60.0


Event = Burst | Restart | MassRelogin


class Step(NamedTuple):
    """What happens between the moment of the step before and `at`: wanted = wanted before + logins - logouts."""

    at: Micros
    wanted: int
    """Subscribers that want to be logged in at `at`."""
    logins: int
    logouts: int
    restarted: bool
    """The device restarted in between: whoever was served is not any more, and is among both logins and logouts."""


@dataclass(frozen=True)
class Demand:
    """The demand for one device pool."""

    subscribers: int
    """Those who are logged in at the peak of a working day, before growth and noise."""
    began: Micros
    """From when growth counts."""
    curve: str = "residential"
    """One of CURVES."""
    lowest: float | None = None
    """What of a day's peak is left at its lowest, 0 to 1; that of the curve where None."""
    weekend: float | None = None
    """What Saturday and Sunday have of another day; that of the curve where None."""
    growth: float = 0.0
    """Per day: 0.01 is one percent more than the day before."""
    noise: float = 0.02
    """Standard deviation, as a share."""
    session: float = 8 * HOUR
    """Seconds that a session lasts on average; how long each lasts is exponential. 0: none ends by itself."""
    utc_offset: float = 0.0
    """Seconds by which the clocks of the subscribers are ahead of UTC."""
    seed: int = 0
    events: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        if self.curve not in CURVES:
            raise InvalidValue(f"'{self.curve}' is no curve", f"use {', '.join(CURVES)}")
        for name in ("subscribers", "noise", "session"):
            if getattr(self, name) < 0:
                raise InvalidValue(f"'{name}' is {getattr(self, name)}", "give 0 or more")

    def wanted(self, at: Micros) -> int:
        """How many want to be logged in at `at`."""
        seconds = at / SECOND
        hour, part = divmod((seconds + self.utc_offset - _MONDAY) % WEEK / HOUR, 1.0)
        before, after = self._week[int(hour)], self._week[int(hour) + 1]
        mean = self.subscribers * (before + (after - before) * part)
        if self.growth:
            mean *= (1 + self.growth) ** ((at - self.began) / (DAY * SECOND))
        if self.noise:
            mean *= 1 + self.noise * self._noise(seconds)
        if self.events:
            mean = self._disturb(mean, at)
        return max(0, round(mean))

    def walk(self, start: Micros, *, logged_in: int | None = None) -> Walk:
        """A walk through time from `start` on, where `logged_in` are there (as many as want to, where None)."""
        return Walk(self, start, self.wanted(start) if logged_in is None else logged_in)

    def steps(self, start: Micros, seconds: float, count: int) -> Iterator[Step]:
        """`count` steps of so many seconds, the first of which ends at `start` + `seconds`."""
        walk = self.walk(start)
        length = round(seconds * SECOND)
        for index in range(1, count + 1):
            yield walk.to(Micros(start + index * length))

    @cached_property
    def _week(self) -> Sequence[float]:
        """The share of the peak at each hour of a week from Monday, and at its end."""
        lowest = LOWEST[self.curve] if self.lowest is None else self.lowest
        weekend = WEEKEND[self.curve] if self.weekend is None else self.weekend
        day = [lowest + (1 - lowest) * height for height in CURVES[self.curve]]
        week = [share * factor for factor in (1.0,) * 5 + (weekend,) * 2 for share in day]
        return (*week, week[0])

    def _noise(self, seconds: float) -> float:
        """Standard normal, about, and without a jump in time: the same for a moment whoever asks."""
        total = 0.0
        for length, knots in self._knots:
            knot, part = divmod(seconds / length, 1.0)
            before, after = knots[int(knot)], knots[int(knot) + 1]
            total += before + (after - before) * part
        return total / _ROOT

    @cached_property
    def _knots(self) -> Sequence[tuple[int, _Knots]]:
        return [(length, _Knots(self.seed, octave)) for octave, length in enumerate(_OCTAVES)]

    def _disturb(self, mean: float, at: Micros) -> float:
        for event in self.events:
            after = (at - event.at) / SECOND
            if after < 0:
                continue
            if isinstance(event, Burst):
                mean += event.count * (exp(-after / event.stay) if event.stay else 1.0)
            else:
                downtime = event.downtime if isinstance(event, Restart) else 0.0
                if after < downtime:
                    mean = 0.0
                elif after < downtime + event.back:
                    mean *= (after - downtime) / event.back
        return mean


class Walk:
    """A demand on its way through time: what each step brings."""

    def __init__(self, demand: Demand, at: Micros, wanted: int) -> None:
        self.demand = demand
        self.at = at
        self.wanted = wanted
        self._chance = random.Random(f"{demand.seed} {at}")  # noqa: S311 - a simulation
        self._ends = sorted(
            (event.at, isinstance(event, Restart)) for event in demand.events if not isinstance(event, Burst)
        )
        self._ended = bisect_right(self._ends, (at, True))
        self._length = self._leaving = -1.0

    def to(self, at: Micros) -> Step:
        """Go on to `at`. Who logs out and in again within the step is in both numbers."""
        before, wanted = self.wanted, self.demand.wanted(at)
        logouts, restarted = max(self._sessions_over(before, (at - self.at) / SECOND), before - wanted), False
        while self._ended < len(self._ends) and self._ends[self._ended][0] <= at:
            logouts, restarted = before, restarted or self._ends[self._ended][1]
            self._ended += 1
        self.at, self.wanted = at, wanted
        return Step(at, wanted, wanted - before + logouts, logouts, restarted)

    def _sessions_over(self, present: int, seconds: float) -> int:
        """How many of those present end their sessions: binomial, as the normal distribution near it."""
        if not present or not self.demand.session:
            return 0
        if seconds != self._length:
            self._length, self._leaving = seconds, 1 - exp(-seconds / self.demand.session)
        mean = present * self._leaving
        if mean < 8:  # too few for that
            return _poisson(mean, self._chance, present)
        over = round(self._chance.gauss(mean, sqrt(mean * (1 - self._leaving))))
        return min(present, max(0, over))


def spread(count: int, present: Sequence[int], chance: random.Random) -> list[int]:
    """Who leaves: `count` (all, where there are fewer) drawn from so many in each range, everybody alike."""
    total = sum(present)
    count = min(count, total)
    leaving = [count * one // total for one in present] if total else [0] * len(present)
    rest = count - sum(leaving)
    if rest:
        left = [one - gone for one, gone in zip(present, leaving, strict=True)]
        for index in chance.sample(range(len(present)), rest, counts=left):
            leaving[index] += 1
    return leaving


def fleet(count: int, began: Micros, *, seed: int = 0, largest: int = 4000) -> tuple[Demand, ...]:
    """So many different demands: sizes over one order of magnitude, three quarters residential, the others business,
    some growing and some shrinking, none in step with another."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    return tuple(
        Demand(
            subscribers=round(largest * 10 ** -chance.random()),
            began=began,
            curve="residential" if chance.random() < 0.75 else "business",
            growth=chance.gauss(0.003, 0.004),
            noise=chance.uniform(0.01, 0.04),
            session=chance.choice((4, 8, 24)) * HOUR,
            utc_offset=chance.uniform(-1, 1) * HOUR,
            seed=seed * 1_000_003 + number,
        )
        for number in range(count)
    )


class _Knots(dict[int, float]):
    """Standard normal numbers of one part of the noise, each made when it is looked up first."""

    def __init__(self, seed: int, octave: int) -> None:
        self._seed, self._octave = seed, octave

    def __missing__(self, number: int) -> float:
        self[number] = made = _NORMAL.inv_cdf(_uniform(self._seed, self._octave, number))
        return made


def _poisson(mean: float, chance: random.Random, most: int) -> int:
    """Knuth's: a product of uniforms against exp(-mean)."""
    limit, product, number = exp(-mean), chance.random(), 0
    while product > limit and number < most:
        product *= chance.random()
        number += 1
    return number


def _uniform(seed: int, octave: int, number: int) -> float:
    """In (0, 1), from three numbers: the finalizer of splitmix64."""
    z = (seed * 0x9E3779B97F4A7C15 + octave * 0xD1B54A32D192ED03 + number * 0x8CB92BA72F3D8DD7) & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return ((z ^ z >> 31) + 0.5) / 2**64
