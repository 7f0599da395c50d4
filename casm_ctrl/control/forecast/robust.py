"""Numbers about numbers that a few wild ones among them do not move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, median


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of `ordered` lies, between two of them where it falls there."""
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through `level` at `middle` that rises by `slope` a step; truly by `least` to `most`, with the
    certainty that was asked for. Where nothing can be said of that, all three are equal."""

    middle: float
    level: float
    slope: float
    least: float
    most: float

    def at(self, step: float, slope: float | None = None) -> float:
        """Its value at a step, with one of its slopes. Uncertain slopes part from the middle on."""
        return self.level + (self.slope if slope is None else slope) * (step - self.middle)


def theil_sen(points: Sequence[tuple[float, float]], certainty: float = 0.8) -> Trend:
    """The median slope of all pairs of points, and Sen's interval of it: with up to 29 % wild points it still holds.

    `points`: (step, value), at least one, in order. Days are not independent: a good day is followed by one. So the
    interval is made as if there were fewer of them, by how much neighbours resemble each other.
    """
    count = len(points)
    middle = median(step for step, _ in points)
    slopes = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for number, earlier in enumerate(points)
        for later in points[number + 1 :]
        if later[0] > earlier[0]
    )
    if not slopes:
        return Trend(middle, median(value for _, value in points), 0.0, 0.0, 0.0)
    slope = median(slopes)
    level = median(value - slope * (step - middle) for step, value in points)
    rest = [value - level - slope * (step - middle) for step, value in points]
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18) * math.sqrt(_inflation(rest))
    apart = NormalDist().inv_cdf((1 + certainty) / 2) * deviation / len(slopes) / 2
    least = quantile(slopes, max(0.0, 0.5 - apart))
    most = quantile(slopes, min(1.0, 0.5 + apart))
    return Trend(middle, level, slope, least, most)


def _inflation(rest: Sequence[float]) -> float:
    """By how much neighbours that resemble each other make a variance larger (a first-order process, at most 9)."""
    power = sum(value * value for value in rest)
    if len(rest) < 3 or power == 0:
        return 1.0
    alike = sum(one * other for one, other in pairwise(rest)) / power
    return (1 + min(max(alike, 0.0), 0.8)) / (1 - min(max(alike, 0.0), 0.8))
