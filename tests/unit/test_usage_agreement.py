"""Which readings agree: for growth two that say the same, for shrinking two a hold-down apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import COUNT, NOTICE, PERCENT, POLL, Sample
from casm_ctrl.control.usage.agreement import agree_for_growth, agree_for_shrinking


def sample(seconds: float, used: int, source: str = POLL, kind: str = COUNT, **more: Any) -> Sample:
    return Sample(Micros(round(seconds * SECOND)), source, kind, used, 100, **more)


def high(told: Sample) -> bool:
    return told.used >= 80


def low(told: Sample) -> bool:
    return told.used < 40


def test_one_reading_never_agrees() -> None:
    assert agree_for_growth([], high) is agree_for_growth([sample(0, 90)], high) is None
    assert agree_for_shrinking([], 0, low) is agree_for_shrinking([sample(0, 1)], 0, low) is None


def test_a_notice_and_a_poll_of_one_moment_are_two() -> None:
    pair = [sample(5, 90, NOTICE, sampled_at=Micros(7)), sample(5, 91, sampled_at=Micros(7))]
    assert agree_for_growth(pair, high) == tuple(pair)


def test_the_last_two_must_both_say_it() -> None:
    assert agree_for_growth([sample(0, 90), sample(1, 10), sample(2, 90)], high) is None
    assert agree_for_growth([sample(0, 90), sample(1, 90), sample(2, 10)], high) is None


def test_what_a_device_told_twice_of_one_moment_is_one() -> None:
    twice = [sample(0, 90, sampled_at=Micros(1)), sample(5, 90, sampled_at=Micros(1))]
    assert agree_for_growth(twice, high) is None
    assert agree_for_growth([sample(-5, 95), *twice], high) == (sample(-5, 95), twice[1])


def test_shrinking_wants_a_hold_down_between_them() -> None:
    readings = [sample(at, 10) for at in (0, 300, 600, 899)]
    assert agree_for_shrinking(readings, 900, low) is None
    readings.append(sample(900, 10))
    assert agree_for_shrinking(readings, 900, low) == (readings[0], readings[-1])


@pytest.mark.parametrize(
    "between",
    [
        sample(400, 50),
        sample(400, 10, suspicious=True),
        sample(400, 10, restarted=True),
        sample(400, 10, kind=PERCENT),
    ],
)
def test_nothing_between_them_may_speak_against_it(between: Sample) -> None:
    assert agree_for_shrinking([sample(0, 10), between, sample(900, 10)], 900, low) is None


READINGS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans(), st.booleans()), max_size=30
)


@given(READINGS, st.integers(1, 50))
def test_shrinking_never_agrees_over_a_doubt(told: list[tuple[int, int, bool, bool]], hold_down: int) -> None:
    readings = [
        sample(at, used, restarted=restarted, suspicious=suspicious)
        for at, used, restarted, suspicious in sorted(told, key=lambda one: one[0])
    ]
    agreed = agree_for_shrinking(readings, hold_down, low)
    if agreed is None:
        return
    first, last = agreed
    assert last.at - first.at >= hold_down * SECOND
    assert all(low(one) and not one.restarted and not one.suspicious for one in readings if first.at < one.at)
