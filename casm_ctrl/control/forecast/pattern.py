"""What the use of a device pool has of day, week and growth, learned from its hours.

A use is growth times the hour's share times chance. Growth is a straight line through days from which the week was
taken out; the shares are of the 168 hours of the week where two weeks are known, else of the 24 of the day; chance is
how days' peaks were spread around what growth and shares would have said. Hours and days are UTC: a change to summer
time is in the pattern after some weeks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import Span
from casm_ctrl.control.forecast.robust import Trend, quantile, theil_sen

HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK_HOURS = 7 * 24
COVERED = 20
"""Percent of an hour that samples stand for, below which it says nothing. One sample stands for 25."""
FULL_DAY = 18
"""Hours of a day that are known, from which on the day counts for growth."""
FEWEST_DAYS = 2
"""Days below which there is no pattern to speak of."""
WEEKLY = 14
"""Days from which on the week is known."""
TREND_DAYS = 90
"""Growth is that of the last so many days."""
EARLY, LATE = 0.97, 0.03
"""Chance: the days that were learned from lie nearer to what was learned than those to come do. With these, about nine
of ten days to come stay below the high, and one of ten below the low (measured on generated weeks)."""


@dataclass(frozen=True, slots=True)
class Band:
    """What is expected: as much as `likely`, and in four of five cases between `low` and `high`."""

    low: float
    likely: float
    high: float

    def times(self, factor: float) -> Band:
        return Band(self.low * factor, self.likely * factor, self.high * factor)


@dataclass(frozen=True)
class Pattern:
    """`shares`: by hour of the week (Monday 0:00 UTC is 0), or of the day where the week is not known yet.

    `trend`: of a day's average, by the number of the day since 1970. `chance`: the peak of each day over what trend
    and shares said, in order.
    """

    trend: Trend
    shares: Mapping[int, float]
    chance: tuple[float, ...]
    days: int

    @property
    def weekly(self) -> bool:
        return len(self.shares) == WEEK_HOURS

    def expected(self, at: int) -> Band:
        """The highest use in the hour of `at`."""
        share = self.shares[slot_of(at, weekly=self.weekly)]
        low, likely, high = self._lines(at / DAY)
        return Band(low * share, likely * share, high * share)

    def day_peak(self, day: int) -> Band:
        """The highest use in a day (its number since 1970)."""
        share = max(self._of_day(day).values())
        low, likely, high = self._lines(day + 0.5)
        return Band(low * share, likely * share, high * share)

    def peak(self, begin: int, end: int) -> Band:
        """The highest use between two times."""
        bands = [self.expected(at) for at in range(begin - begin % HOUR, max(end, begin + 1), HOUR)]
        return max(bands, key=lambda band: band.likely)

    def busiest_first(self, day: int) -> list[tuple[int, float]]:
        """The hours of a day in order, with their shares."""
        return sorted(self._of_day(day).items())

    def _lines(self, day: float) -> tuple[float, float, float]:
        trend, (low, likely, high) = self.trend, self._spread
        after = day >= trend.middle
        least, most = (trend.least, trend.most) if after else (trend.most, trend.least)
        return (
            max(0.0, trend.at(day, least)) * low,
            max(0.0, trend.at(day)) * likely,
            max(0.0, trend.at(day, most)) * high,
        )

    @cached_property
    def _spread(self) -> tuple[float, float, float]:
        return quantile(self.chance, LATE), quantile(self.chance, 0.5), quantile(self.chance, EARLY)

    @cached_property
    def _by_weekday(self) -> tuple[Mapping[int, float], ...]:
        return tuple(
            {hour: self.shares[weekday * 24 + hour if self.weekly else hour] for hour in range(24)}
            for weekday in range(7)
        )

    def _of_day(self, day: int) -> Mapping[int, float]:
        return self._by_weekday[weekday_of(day)]


def learn(hours: Sequence[Span], days: Sequence[Span] = ()) -> Pattern | None:
    """The pattern of what was counted, or None where that is too little. `hours`: of up to five weeks, `days`: for
    the growth before them; both in order. Spans that samples hardly cover say nothing."""
    known = [span for span in hours if span.covered >= COVERED]
    by_day: dict[int, list[Span]] = defaultdict(list)
    for span in known:
        by_day[span.begin // DAY].append(span)
    full = {
        day: fmean(span.peak for span in spans) for day, spans in by_day.items() if len(spans) >= FULL_DAY
    }
    if len(full) < FEWEST_DAYS:
        return None
    weekly = len(full) >= WEEKLY and len({weekday_of(day) for day in full}) == 7
    levels = {span.begin // DAY: float(span.average) for span in days if span.covered >= COVERED} | full
    since = max(levels) - TREND_DAYS
    levels = {day: level for day, level in sorted(levels.items()) if day > since}
    trend = _growth(levels, weekly=weekly)
    shares = _shares(known, trend, weekly=weekly)
    return Pattern(trend, shares, _chance(by_day, full, trend, shares, weekly=weekly), len(full))


def _growth(levels: Mapping[int, float], *, weekly: bool) -> Trend:
    """The line through the days' levels; the week is taken out of them first, where it is known.

    A few days tell the hours and no growth: a Monday after a Sunday is not twice as much next week.
    """
    if not weekly:
        rough = median(levels.values())
        return Trend(median(levels), rough, 0.0, 0.0, 0.0)
    plain = theil_sen([(day + 0.5, level) for day, level in levels.items()])
    ratios: dict[int, list[float]] = defaultdict(list)
    for day, level in levels.items():
        line = plain.at(day + 0.5)
        if line > 0:
            ratios[weekday_of(day)].append(level / line)
    factors = {weekday: median(found) for weekday, found in ratios.items()}
    return theil_sen(
        [
            (day + 0.5, level / factors[weekday_of(day)])
            for day, level in levels.items()
            if factors.get(weekday_of(day))
        ]
        or [(day + 0.5, level) for day, level in levels.items()]
    )


def _shares(known: Sequence[Span], trend: Trend, *, weekly: bool) -> dict[int, float]:
    found: dict[int, list[float]] = defaultdict(list)
    for span in known:
        line = trend.at(span.begin / DAY)
        if line > 0:
            found[slot_of(span.begin, weekly=weekly)].append(span.peak / line)
    shares = {slot: median(ratios) for slot, ratios in found.items()}
    usual = median(shares.values()) if shares else 1.0
    return {slot: shares.get(slot, usual) for slot in range(WEEK_HOURS if weekly else 24)}


def _chance(
    by_day: Mapping[int, Sequence[Span]],
    full: Mapping[int, float],
    trend: Trend,
    shares: Mapping[int, float],
    *,
    weekly: bool,
) -> tuple[float, ...]:
    """How the peaks of days lay over what was to be expected of them."""
    ratios = []
    for day in full:
        expected = max(shares[slot_of(span.begin, weekly=weekly)] for span in by_day[day])
        line = trend.at(day + 0.5) * expected
        if line > 0:
            ratios.append(max(span.peak for span in by_day[day]) / line)
    return tuple(sorted(ratios)) or (1.0,)


def slot_of(at: int, *, weekly: bool) -> int:
    """The hour of the week or of the day of a time."""
    hour = at // HOUR
    return (hour // 24 + 3) % 7 * 24 + hour % 24 if weekly else hour % 24


def weekday_of(day: int) -> int:
    """Of a day by its number since 1970, which began on a Thursday: Monday is 0."""
    return (day + 3) % 7


def moment(day: int, hour: int) -> Micros:
    """When an hour of a day begins."""
    return Micros(day * DAY + hour * HOUR)
