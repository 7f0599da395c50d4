"""What device pools will need of the pools that they draw from, and when those have no more."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from casm_ctrl.base.clock import Micros
from casm_ctrl.control.forecast.exhaustion import Exhaustion, peaks
from casm_ctrl.control.forecast.growth import Growth
from casm_ctrl.control.forecast.pattern import DAY, Band, Pattern


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """A device pool. Sizes are values of its pools' family.

    `serves`: how many subscribers a block of `size` serves. `grow_at`: percent in use, or `grow_at_free` how many free
    ones, from which on it wants another. `gives_back`: it is shrunk automatically, so that what it does not need is
    others'. `pattern` None: too little is known, and it stays as it is.
    """

    label: str
    sources: tuple[str, ...]
    size: int
    serves: int
    blocks: int
    capacity: int
    pattern: Pattern | None = None
    grow_at: int | None = 80
    grow_at_free: int | None = None
    min_blocks: int = 0
    max_blocks: int | None = None
    priority: int = 100
    gives_back: bool = False
    growths: tuple[Growth, ...] = field(default=())

    def more_blocks(self, peak: float) -> int:
        """How many blocks more (or less, below 0) it wants where so many subscribers are there."""
        wanted = (
            peak + self.grow_at_free if self.grow_at_free is not None else peak * 100 / (self.grow_at or 100)
        )
        more = math.ceil((wanted - self.capacity) / self.serves)
        most = more if self.max_blocks is None else self.max_blocks - self.blocks
        least = min(0, self.min_blocks - self.blocks) if self.gives_back else 0
        return max(least, min(more, most))


@dataclass(frozen=True)
class Outcome:
    """When pools have no block left for somebody who wants one, and when `unserved` device pools get none at all."""

    pools: Mapping[str, Exhaustion]
    unserved: Mapping[str, Exhaustion]


def outcome(consumers: Sequence[Consumer], free: Mapping[str, int], now: int, days: int) -> Outcome:
    """`free`: what is free now of each pool. What rests in quarantine is not counted: it comes back, and is needed
    again for what is taken back meanwhile.

    That many device pools have their worst day at once is not expected: as independent ones, the deviations of their
    sum are the root of the sum of their squares.
    """
    known = sorted(
        (
            (one, list(peaks(one.pattern, now, days, one.growths)))
            for one in consumers
            if one.pattern is not None
        ),
        key=lambda found: (-found[0].priority, found[0].label),
    )
    pools: dict[str, list[Micros | None]] = {name: [None] * 3 for name in free}
    unserved: dict[str, list[Micros | None]] = defaultdict(lambda: [None] * 3)
    for case in range(3):
        held = [0] * len(known)
        left = dict(free)
        for number in range(days + 1):
            at = Micros(max(now, (now // DAY + number) * DAY))
            part = _shared_part([course[number][1] for _, course in known], case)
            for index, (one, course) in enumerate(known):
                wanted = one.more_blocks(_peak(course[number][1], case, part))
                if wanted < held[index] and one.gives_back:
                    left[one.sources[0]] += (held[index] - wanted) * one.size
                    held[index] = wanted
                while held[index] < wanted:
                    taken, dry = _take(one, left, wanted - held[index])
                    held[index] += taken
                    for name in dry:
                        pools[name][case] = pools[name][case] or at
                    if not taken:
                        unserved[one.label][case] = unserved[one.label][case] or at
                        break
    return Outcome(
        {name: Exhaustion(*found) for name, found in pools.items()},
        {label: Exhaustion(*found) for label, found in unserved.items()},
    )


def _take(one: Consumer, left: dict[str, int], wanted: int) -> tuple[int, list[str]]:
    """How many blocks the first of its pools that has any gives, and which had not enough."""
    dry = []
    for name in one.sources:
        taken = min(wanted, left[name] // one.size)
        left[name] -= taken * one.size
        if taken < wanted:
            dry.append(name)
        if taken:
            return taken, dry
    return 0, dry


def _shared_part(bands: Sequence[Band], case: int) -> float:
    """By which part of its own deviation each departs from what is likely, so that their sum departs as independent
    ones do. `case`: 0 early, 1 likely, 2 late."""
    apart = [band.high - band.likely if case == 0 else band.likely - band.low for band in bands]
    whole = sum(apart)
    return math.sqrt(sum(one * one for one in apart)) / whole if whole > 0 else 0.0


def _peak(band: Band, case: int, part: float) -> float:
    if case == 1:
        return band.likely
    return band.likely + ((band.high if case == 0 else band.low) - band.likely) * part
