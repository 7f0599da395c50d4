"""When the use of a device pool will be more than it can serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter

from casm_ctrl.base.clock import Micros
from casm_ctrl.control.forecast.growth import Growth, total
from casm_ctrl.control.forecast.pattern import DAY, Band, Pattern, moment

SECONDS_A_DAY = 86400


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """When it runs dry: likely then, in nine of ten cases not before `early`, and in nine of ten before `late`.

    None: not within the time that was looked at.
    """

    early: Micros | None
    likely: Micros | None
    late: Micros | None


NEVER = Exhaustion(None, None, None)


def exhaustion(
    pattern: Pattern, capacity: int, now: int, days: int, growths: tuple[Growth, ...] = ()
) -> Exhaustion:
    """The first hours from `now` on, within so many days, in which more than `capacity` are wanted."""

    def first(of: Callable[[Band], float]) -> Micros | None:
        for day, band in peaks(pattern, now, days, growths):
            if of(band) > capacity:
                return _hour(pattern, capacity, day, now, growths, of)
        return None

    likely = first(attrgetter("likely"))
    return Exhaustion(first(attrgetter("high")), likely, first(attrgetter("low")))


def peaks(
    pattern: Pattern, now: int, days: int, growths: tuple[Growth, ...] = ()
) -> Iterator[tuple[int, Band]]:
    """The highest use of each day from today on, by the number of the day since 1970."""
    today = now // DAY
    for day in range(today, today + days + 1):
        factor = total(growths, max(0, day - today) * SECONDS_A_DAY)
        yield day, pattern.day_peak(day).times(factor)


def _hour(
    pattern: Pattern,
    capacity: int,
    day: int,
    now: int,
    growths: tuple[Growth, ...],
    of: Callable[[Band], float],
) -> Micros:
    """The first hour of the day, not before `now`, in which it is more; the busiest where none alone is."""
    factor = total(growths, max(0, day - now // DAY) * SECONDS_A_DAY)
    hours = [hour for hour, _ in pattern.busiest_first(day)]
    over = [at for hour in hours if of(pattern.expected(at := moment(day, hour)).times(factor)) > capacity]
    busiest = max(pattern.busiest_first(day), key=lambda found: found[1])[0]
    return Micros(max(now, over[0] if over else moment(day, busiest)))
