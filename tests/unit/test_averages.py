"""Samples made into hours and days: averages over time, peaks, and gaps that are not zero."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import COUNT, PERCENT, POLL, BlockReading, Sample
from casm_ctrl.service.averages import DAY, HOUR, block_peaks, day_of, hour_of, merge_peaks

BEGIN = 19_675 * DAY
MINUTE = 60 * SECOND


def sample(minute: float, used: int, refused: int | None = None, kind: str = COUNT) -> Sample:
    blocks = (BlockReading(1, used, 1000),)
    return Sample(Micros(BEGIN + round(minute * MINUTE)), POLL, kind, used, 1000, blocks, refused)


def told(*samples: Sample) -> list[tuple[int, Sample]]:
    return [(1, one) for one in samples]


@given(st.lists(st.tuples(st.integers(-15, 59), st.integers(0, 1 << 80)), min_size=1, max_size=40))
def test_an_average_lies_between_the_samples(points: list[tuple[int, int]]) -> None:
    samples = [sample(minute, used) for minute, used in sorted(points)]
    span = hour_of(told(*samples), BEGIN)
    inside = [one for one in samples if one.at >= BEGIN]
    if not inside:
        assert span is None
        return
    assert span is not None
    assert min(one.used for one in samples) <= span.average <= max(one.used for one in samples)
    assert span.peak == max(one.used for one in inside)
    assert 1 <= span.covered <= 100


def test_a_time_that_was_looked_at_often_counts_no_more_than_another() -> None:
    """Polled every 30 seconds while it was hot, for the last quarter of an hour."""
    calm = [sample(minute, 100) for minute in range(0, 45, 5)]
    hot = [sample(45 + half / 2, 200) for half in range(30)]
    span = hour_of(told(*calm, *hot), BEGIN)
    assert span is not None
    assert (span.average, span.peak, span.covered) == (125, 200, 100)


def test_a_gap_is_a_gap_and_not_zero() -> None:
    span = hour_of(told(sample(0, 100), sample(5, 100)), BEGIN)
    assert span is not None
    assert (span.average, span.covered) == (100, 33)
    assert hour_of(told(sample(0, 100)), BEGIN + HOUR) is None


def test_what_was_said_before_the_hour_stands_until_the_next() -> None:
    span = hour_of(told(sample(-5, 0), sample(5, 600)), BEGIN)
    assert span is not None
    assert (span.average, span.covered) == (450, 33)


def test_delegated_prefixes_stay_whole() -> None:
    span = hour_of(told(sample(0, 3 << 72), sample(10, 4 << 72)), BEGIN)
    assert span is not None
    assert span.average == 3 << 72


def test_refused_logins_are_those_of_the_hour_even_when_the_counter_begins_anew() -> None:
    span = hour_of(told(sample(-5, 1, 10), sample(5, 1, 14), sample(10, 1, 3)), BEGIN)
    assert span is not None
    assert span.refused == 4 + 3


def test_each_member_has_a_counter_of_its_own() -> None:
    both = [(1, sample(0, 1, 100)), (2, sample(1, 1, 5)), (1, sample(2, 1, 101)), (2, sample(3, 1, 5))]
    span = hour_of(both, BEGIN)
    assert span is not None
    assert span.refused == 1


def test_shares_are_not_averaged_with_counts() -> None:
    span = hour_of(told(sample(0, 900), sample(30, 50, kind=PERCENT)), BEGIN)
    assert span is not None
    assert (span.kind, span.average, span.peak) == (PERCENT, 50, 50)


def test_a_day_weighs_its_hours_by_what_was_seen_of_them() -> None:
    full = [hour_of(told(*(sample(m, 100) for m in range(0, 60, 5))), BEGIN)]
    part = [hour_of(told(sample(60, 400, 1), sample(64, 400, 3)), BEGIN + HOUR)]
    day = day_of([span for span in full + part if span is not None], BEGIN)
    assert day is not None
    assert (day.average, day.peak, day.covered, day.refused) == (170, 400, 5, 2)
    assert day_of([], BEGIN) is None


def test_the_peak_of_a_block_is_of_its_time() -> None:
    samples = told(sample(-1, 900), sample(0, 5), sample(59, 7), sample(60, 800))
    assert block_peaks(samples, BEGIN, BEGIN + HOUR) == {1: 7}
    assert merge_peaks({1: 7, 2: 1}, {1: 3}) == {1: 7, 2: 1}
