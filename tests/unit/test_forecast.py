"""Forecasts: what is learned of day, week and growth, and when it meets what there is."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.readings import COUNT, Span
from casm_ctrl.control.forecast.exhaustion import exhaustion
from casm_ctrl.control.forecast.growth import Growth, total
from casm_ctrl.control.forecast.pattern import DAY, HOUR, Pattern, learn, moment, slot_of, weekday_of
from casm_ctrl.control.forecast.robust import theil_sen
from casm_ctrl.control.forecast.supply import Consumer, outcome
from casm_ctrl.simulator.demand import Demand, fleet

MONDAY = Micros(1_699_833_600 * SECOND)
"""2023-11-13T00:00Z"""


def counted(demand: Demand, begin: int, days: int) -> list[Span]:
    """The hours of a demand that is always served, as four samples of each say."""
    spans = []
    for number in range(days * 24):
        at = begin + number * HOUR
        samples = [demand.wanted(Micros(at + quarter * HOUR // 4)) for quarter in range(4)]
        spans.append(Span(Micros(at), COUNT, 100, sum(samples) // 4, max(samples), 0))
    return spans


def flat(
    begin: int, days: int, level: int, slope: float = 0.0, evening: float = 0.0, weekend: float = 0.0
) -> list[Span]:
    """Hours of a made-up pool: a share more from 18 to 22 UTC, and at weekends, and `slope` more each day."""
    spans = []
    for number in range(days * 24):
        at = begin + number * HOUR
        value = level + slope * number / 24
        value *= 1 + evening if 18 <= number % 24 < 22 else 1
        value *= 1 + weekend if weekday_of(at // DAY) >= 5 else 1
        spans.append(Span(Micros(at), COUNT, 100, round(value), round(value), 0))
    return spans


def learned(spans: list[Span]) -> Pattern:
    pattern = learn(spans)
    assert pattern is not None
    return pattern


# --- What is learned ------------------------------------------------------------------------------


def test_a_monday_is_the_first_day_of_the_week() -> None:
    assert weekday_of(MONDAY // DAY) == 0
    assert slot_of(MONDAY, weekly=True) == 0
    assert slot_of(MONDAY + 25 * HOUR, weekly=True) == 25
    assert slot_of(MONDAY + 25 * HOUR, weekly=False) == 1


@pytest.mark.parametrize("days", [0, 1])
def test_less_than_two_days_say_nothing(days: int) -> None:
    assert learn(flat(MONDAY, days, 100)) is None


def test_hours_that_samples_hardly_cover_say_nothing() -> None:
    thin = [Span(span.begin, COUNT, 10, span.average, span.peak, 0) for span in flat(MONDAY, 20, 100)]
    assert learn(thin) is None


def test_a_few_days_tell_the_hours_and_no_growth() -> None:
    """A Thursday after a Monday is not a trend."""
    pattern = learned(flat(MONDAY, 4, 100, slope=20, evening=0.6))
    assert not pattern.weekly
    assert pattern.trend.slope == 0
    day = MONDAY // DAY + 5
    assert pattern.expected(moment(day, 20)).likely > 1.3 * pattern.expected(moment(day, 4)).likely


def test_two_weeks_tell_the_week() -> None:
    pattern = learned(flat(MONDAY, 21, 100, weekend=0.8))
    assert pattern.weekly
    saturday = MONDAY // DAY + 26
    assert pattern.day_peak(saturday).likely == pytest.approx(180, rel=0.03)
    assert pattern.day_peak(saturday + 2).likely == pytest.approx(100, rel=0.03)


def test_growth_is_found_beside_the_week() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3, weekend=0.2))
    assert pattern.trend.slope == pytest.approx(10, rel=0.15)
    wednesday = MONDAY // DAY + 28 + 2
    assert pattern.day_peak(wednesday).likely == pytest.approx(1.3 * 1305, rel=0.03)


def test_days_that_went_wrong_do_not_count() -> None:
    """A device that lost its subscribers for two days of four weeks."""
    spans = flat(MONDAY, 28, 1000, evening=0.3)
    lost = [Span(s.begin, s.kind, 100, 0, 0, 0) if 10 <= (s.begin - MONDAY) // DAY < 12 else s for s in spans]
    assert learned(lost).day_peak(MONDAY // DAY + 30).likely == pytest.approx(1300, rel=0.03)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_comes_lies_mostly_where_it_was_expected(seed: int) -> None:
    """Four weeks learned, two to come: half of the days' peaks within 4 %, and seven of ten in the band."""
    inside, apart, days = 0, [], 0
    for demand in fleet(12, MONDAY, seed=seed):
        pattern = learned(counted(demand, MONDAY, 28))
        later = counted(demand, MONDAY + 28 * DAY, 14)
        for number in range(14):
            real = max(span.peak for span in later[number * 24 : number * 24 + 24])
            band = pattern.day_peak(MONDAY // DAY + 28 + number)
            assert band.low <= band.likely <= band.high
            inside += band.low <= real <= band.high
            apart.append(abs(band.likely - real) / max(real, 1))
            days += 1
    assert median(apart) < 0.04
    assert inside > 0.7 * days


@given(
    st.lists(st.floats(0, 1e6), min_size=4, max_size=40),
    st.floats(-1e3, 1e3),
    st.floats(0, 1e6),
)
def test_a_line_is_a_line(steps: list[float], slope: float, level: float) -> None:
    points = [(float(number), level + slope * number) for number in range(len(steps))]
    trend = theil_sen(points)
    assert trend.slope == pytest.approx(slope, abs=1e-6 + abs(slope) * 1e-6 + level * 1e-9)
    assert trend.least <= trend.slope <= trend.most


def test_a_third_of_wild_points_moves_no_line() -> None:
    points = [(float(day), 100.0 + 2 * day) for day in range(40)]
    wild = [(day, 5000.0 if int(day) % 5 == 0 else value) for day, value in points]
    assert theil_sen(wild).slope == pytest.approx(2, abs=0.3)


# --- When it runs dry -----------------------------------------------------------------------------


def test_it_runs_dry_in_the_evening_of_the_day_on_which_growth_meets_capacity() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    now = MONDAY + 28 * DAY
    found = exhaustion(pattern, 1820, now, 60)
    assert found.likely is not None
    assert found.early is not None
    assert found.early <= found.likely
    assert abs(found.likely - (MONDAY + 40 * DAY)) <= 2 * DAY
    assert 18 <= found.likely % DAY // HOUR < 22


def test_what_does_not_grow_never_runs_dry() -> None:
    pattern = learned(flat(MONDAY, 28, 1000))
    assert exhaustion(pattern, 1400, MONDAY + 28 * DAY, 365).likely is None


def test_what_is_full_runs_dry_now() -> None:
    pattern = learned(flat(MONDAY, 28, 1000))
    now = Micros(MONDAY + 28 * DAY + 5 * HOUR)
    assert exhaustion(pattern, 900, now, 10).likely == now


def test_more_growth_is_never_later() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=5, evening=0.3))
    now = MONDAY + 28 * DAY
    times = [
        exhaustion(pattern, 1900, now, 365, (Growth("all", None, percent),)).likely
        for percent in (-20, 0, 10, 20, 40)
    ]
    told = [time if time is not None else now + 1000 * DAY for time in times]
    assert told == sorted(told, reverse=True)
    assert told[0] > told[-1]


# --- What somebody expects beside -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "value", "percent", "over"),
    [
        ("region=north:+20%", "region", "north", 20, 0),
        ("bng1/home:-5%", "bng1/home", None, -5, 0),
        ("all:+3.5%@26w", "all", None, 3.5, 26 * 7 * 86400),
        ("pool=public-v4:+10%@30d", "pool", "public-v4", 10, 30 * 86400),
    ],
)
def test_a_growth_is_read(text: str, name: str, value: str | None, percent: float, over: int) -> None:
    assert Growth.parse(text) == Growth(name, value, percent, over)


@pytest.mark.parametrize(
    "text", ["", "north", "north:20%", "a=:+2%", ":+2%", "x:+2", "x:-101%", "x:+2%@soon"]
)
def test_what_is_no_growth_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Growth.parse(text)


@pytest.mark.parametrize("text", ["all:+20%", "region=north:-5%@12h", "bng1:+3.5%@182d", "all:+1%@90s"])
def test_a_growth_is_told_as_it_is_read(text: str) -> None:
    assert str(Growth.parse(text)) == text


def test_a_growth_comes_little_by_little() -> None:
    growth = Growth.parse("all:+20%@10d")
    assert [round(growth.factor(day * 86400), 3) for day in (0, 5, 10, 99)] == [1.0, 1.1, 1.2, 1.2]
    assert total((growth, Growth.parse("all:-50%")), 99 * 86400) == pytest.approx(0.6)


def test_a_growth_means_labels_and_names() -> None:
    names, labels = frozenset({"bng1/home", "bng1", "public-v4"}), frozenset({("region", "north")})
    meant = (
        "all:+1%",
        "bng1:+1%",
        "bng1/home:+1%",
        "region=north:+1%",
        "pool=public-v4:+1%",
        "device=bng1:+1%",
    )
    assert all(Growth.parse(text).means(names, labels) for text in meant)
    others = ("bng2:+1%", "region=south:+1%", "north:+1%", "pool=private:+1%")
    assert not any(Growth.parse(text).means(names, labels) for text in others)


# --- What is needed of pools ----------------------------------------------------------------------


def consumer(label: str, pattern: Pattern, *sources: str, **more: object) -> Consumer:
    settings: dict[str, object] = {"size": 256, "serves": 250, "blocks": 6, "capacity": 1500} | more
    return Consumer(label=label, pattern=pattern, sources=sources, **settings)  # type: ignore[arg-type]


def test_a_pool_runs_dry_when_nobody_gets_a_block_of_it() -> None:
    """1,664 at the peak and 13 more each day: blocks are wanted as soon as they are more than 80 % of what is there."""
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    now = MONDAY + 28 * DAY
    found = outcome([consumer("a", pattern, "p")], {"p": 4 * 256}, now, 120)
    dry = found.pools["p"].likely
    assert dry is not None
    assert found.unserved["a"].likely == dry
    # With four more 2,500 are served; 80 % of that, 2,000, are there (2,000 - 1,664) / 13 = 26 days on.
    assert abs(dry - (now + 26 * DAY)) <= 2 * DAY


def test_who_has_another_pool_is_served_from_it() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    now = MONDAY + 28 * DAY
    found = outcome([consumer("a", pattern, "p", "q")], {"p": 256, "q": 1 << 20}, now, 120)
    assert found.pools["p"].likely is not None
    assert found.pools["q"].likely is None
    assert not found.unserved


def test_what_is_given_back_serves_others() -> None:
    growing = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    falling = learned(flat(MONDAY, 28, 2000, slope=-15, evening=0.3))
    now = MONDAY + 28 * DAY

    def dry(*, back: bool) -> int:
        pair = [
            consumer("a", growing, "p"),
            consumer("b", falling, "p", blocks=12, capacity=3000, gives_back=back),
        ]
        return outcome(pair, {"p": 3 * 256}, now, 120).pools["p"].likely or now + 121 * DAY

    assert dry(back=True) > dry(back=False)


def test_no_more_than_the_most_is_wanted() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    found = outcome([consumer("a", pattern, "p", max_blocks=6)], {"p": 0}, MONDAY + 28 * DAY, 120)
    assert found.pools["p"].likely is None


def test_who_comes_first_is_served_first() -> None:
    pattern = learned(flat(MONDAY, 28, 1000, slope=10, evening=0.3))
    pair = [consumer("a", pattern, "p"), consumer("b", pattern, "p", priority=200)]
    found = outcome(pair, {"p": 5 * 256}, MONDAY + 28 * DAY, 120)
    first, second = found.unserved["b"].likely, found.unserved["a"].likely
    assert first is not None
    assert second is not None
    assert second <= first


def test_many_do_not_have_their_worst_day_at_once() -> None:
    """The early time of forty pools that are alike is nearer to the likely one than that of each alone."""
    patterns = [
        learned(counted(Demand(1000, MONDAY, growth=0.004, noise=0.08, seed=seed), MONDAY, 28))
        for seed in range(12)
    ]
    now = MONDAY + 28 * DAY
    many = [
        consumer(f"d{number}", pattern, "p", blocks=8, capacity=2000)
        for number, pattern in enumerate(patterns)
    ]

    def lead(found: list[Consumer]) -> float:
        dry = outcome(found, {"p": 2 * 256 * len(found)}, now, 720).pools["p"]
        assert dry.early is not None
        assert dry.likely is not None
        return (dry.likely - dry.early) / DAY

    alone = [lead([one]) for one in many]
    assert lead(many) < sum(alone) / len(alone)
