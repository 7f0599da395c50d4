"""Usage for `casm replay --generate`: subscribers of a made-up network, with what goes wrong in a month of it.

Three quarters of the device pools serve homes, with their peak in the evening; the others offices. Each kind has pools
of its own, as operators have them; `mixed` lets every pool serve both.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.control.replay.samples import Series, Usage
from casm_ctrl.simulator.demand import DAY, HOUR, Burst, Demand, Event, MassRelogin, Restart, fleet

STEP: Final = 300
"""Seconds between samples."""
BURSTS, RESTARTS, RELOGINS = 2.0, 0.5, 0.5
"""How many of each a device pool, a device and a device pool have in 30 days, on average."""
BURST_TIME, BURST_PARTS = 180, 18
"""Seconds in which a burst comes, and in how many parts."""
_KINDS = (
    # a public pool, one of delegated prefixes, one of a CGN with port sets
    {"role": "bng", "length": 24},
    {"role": "bng", "length": 48, "subscriber_length": 56},
    {"role": "cgn", "length": 28, "per_address": 16},
)


@dataclass(frozen=True)
class Made:
    """A network: its device pools with their demands."""

    series: tuple[Series, ...]
    demands: tuple[Demand, ...]
    start: int
    days: int

    @property
    def steps(self) -> int:
        """How many times all device pools have a sample of, without those in between."""
        return self.days * DAY // STEP + 1

    @property
    def restarts(self) -> list[tuple[int, str]]:
        """(when, device)"""
        return sorted(
            {
                (int(event.at), one.device)
                for one, demand in zip(self.series, self.demands, strict=True)
                for event in demand.events
                if isinstance(event, Restart)
            }
        )

    def samples(self) -> Iterator[tuple[int, Mapping[str, int]]]:
        """What is wanted at every step, and where it jumps in between, in order."""
        step, end = STEP * SECOND, self.start + self.days * DAY * SECOND
        extra = self._jumps()
        pairs = [(one.label, demand.wanted) for one, demand in zip(self.series, self.demands, strict=True)]
        due = iter(sorted(extra))
        coming = next(due, end + 1)
        for at in range(self.start, end + 1, step):
            while coming < at:
                yield coming, {one.label: demand.wanted(Micros(coming)) for one, demand in extra[coming]}
                coming = next(due, end + 1)
            if coming == at:
                coming = next(due, end + 1)
            yield at, {label: wanted(Micros(at)) for label, wanted in pairs}

    def _jumps(self) -> dict[int, list[tuple[Series, Demand]]]:
        """The moments between which a device pool's demand is a line, by moment."""
        found: dict[int, list[tuple[Series, Demand]]] = {}
        for one, demand in zip(self.series, self.demands, strict=True):
            moments: set[int] = set()
            bursts = sorted(int(event.at) for event in demand.events if isinstance(event, Burst))
            for first in bursts[::BURST_PARTS]:
                moments |= {first - SECOND, first + (BURST_TIME + 1) * SECOND}
            for event in demand.events:
                if not isinstance(event, Burst):
                    down = event.downtime if isinstance(event, Restart) else 0
                    up = int(event.at + down * SECOND)
                    moments |= {event.at - SECOND, int(event.at), up, int(up + event.back * SECOND)}
            for moment in moments:
                found.setdefault(moment, []).append((one, demand))
        return found


def usage_of(made: Made, step: Callable[[int], None] = lambda more: None) -> Usage:
    """The usage of a network; `step` is told of each time that is done."""
    series = {one.label: one for one in made.series}
    for at, counts in made.samples():
        for label, count in counts.items():
            one = series[label]
            one.times.append(at)
            one.counts.append(count)
        step(1 if len(counts) == len(series) else 0)
    return Usage(series, [(Micros(at), device) for at, device in made.restarts])


def make_network(
    days: int, device_pools: int, pools: int, seed: int, start: int, *, mixed: bool = False
) -> Made:
    """A network of so many device pools and pools over so many days from `start` on; the same for one seed."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    demands = fleet(device_pools, Micros(start), seed=seed)
    offices = max(1, round(pools / 4)) if pools > 1 and not mixed else 0
    homes = pools - offices
    series: list[Series] = []
    placed: list[Demand] = []
    counts = {"home": 0, "office": 0}
    for demand in demands:
        kind = "office" if offices and demand.curve == "business" else "home"
        number = counts[kind]
        counts[kind] += 1
        there = offices if kind == "office" else homes
        pool = number % there
        shape = _KINDS[pool % len(_KINDS)] if kind == "home" and not mixed else _KINDS[0]
        name = "mixed" if mixed else kind
        device = f"{shape['role']}-{name}-{pool + 1}-{number // there + 1}"
        series.append(
            Series(
                label=f"{device}/{name}",
                pool=f"{name}-{pool + 1}",
                session_lifetime=round(demand.session),
                **shape,  # type: ignore[arg-type]
            )
        )
        placed.append(demand)
    events = [_events(demand, days, start, chance) for demand in placed]
    return Made(
        tuple(series),
        tuple(replace(demand, events=those) for demand, those in zip(placed, events, strict=True)),
        start,
        days,
    )


def _events(demand: Demand, days: int, start: int, chance: random.Random) -> tuple[Event, ...]:
    """What goes wrong at one device pool: bursts, restarts, and access networks that lose everybody."""
    found: list[Event] = []
    for at in _moments(BURSTS * days / 30, days, start, chance):
        count = round(demand.subscribers * chance.uniform(0.05, 0.15) / BURST_PARTS)
        stay = chance.uniform(1, 3) * HOUR
        found += [
            Burst(Micros(at + part * BURST_TIME * SECOND // (BURST_PARTS - 1)), count, stay)
            for part in range(BURST_PARTS)
        ]
    found += [Restart(Micros(at)) for at in _moments(RESTARTS * days / 30, days, start, chance)]
    found += [MassRelogin(Micros(at)) for at in _moments(RELOGINS * days / 30, days, start, chance)]
    return tuple(found)


def _moments(expected: float, days: int, start: int, chance: random.Random) -> Sequence[int]:
    """So many moments on average, at whole seconds, an hour from either end."""
    count = int(expected + chance.random())
    return [start + chance.randrange(HOUR, days * DAY - HOUR) * SECOND for _ in range(count)]
