"""When a device is looked at next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.polling import Polling
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.loop.schedule import (
    FIRST_PAUSE,
    SOON,
    SPREAD,
    due_moments,
    is_hot,
    next_look,
    pause_after,
    wants_agreement,
)
from tests.deciding_world import NOW, block, drained, policy, view

POLLING = Polling(interval=300, hot_interval=30)


@given(st.floats(0, 1), st.booleans())
def test_a_look_is_never_later_than_its_interval(chance: float, hot: bool) -> None:
    seconds = (next_look(Micros(NOW), POLLING, hot=hot, moments=(), chance=chance) - NOW) / SECOND
    interval = 30 if hot else 300
    assert interval * (1 - SPREAD) - 1e-6 <= seconds <= interval


def test_something_that_is_due_brings_it_forward() -> None:
    moments = (NOW - 5 * SECOND, NOW + 7 * SECOND, NOW + 900 * SECOND)
    found = next_look(Micros(NOW), POLLING, hot=False, moments=moments, chance=0)
    assert 7 < (found - NOW) / SECOND < 8


def test_who_does_not_answer_is_asked_less_and_less_but_within_its_interval() -> None:
    pauses = [pause_after(failures, POLLING, 0) for failures in range(1, 40)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses == sorted(pauses)
    assert pauses[-1] == POLLING.interval


@pytest.mark.parametrize(("used", "hot"), [(100, False), (177, False), (178, True), (250, True)])
def test_a_pool_near_its_mark_is_hot(used: int, hot: bool) -> None:
    assert is_hot(view((block(1, used),), (used, used)), NOW) is hot


def test_a_pool_with_few_addresses_left_is_hot() -> None:
    free = policy(grow_at_free=20)
    assert is_hot(view((block(1, 220),), (220, 220), policy=free), NOW)
    assert not is_hot(view((block(1, 150),), (150, 150), policy=free), NOW)


def test_what_is_under_way_is_hot() -> None:
    for other in (block(2, None, state="reserved"), drained(2, 5)):
        assert is_hot(view((block(1, 10), other), (10, 10)), NOW)
    grown = view((block(1, 10),), (10, 10), last_grow=NOW - 10 * SECOND)
    assert is_hot(grown, NOW)
    assert not is_hot(grown, NOW + grown.policy.hold_down * SECOND)


def test_a_hold_down_that_ends_is_looked_at_then() -> None:
    rest = 900 * SECOND
    found = view((block(1, 10),), (10, 10, 10), last_grow=NOW - 45 * SECOND, policy=policy(hold_down=900))
    first = next(reading.at for reading in found.readings if reading.at > NOW - 45 * SECOND)
    assert set(due_moments(found, NOW)) == {NOW - 45 * SECOND + rest, first + rest}


def test_an_empty_drain_is_read_again_soon_and_looked_at_when_it_is_late() -> None:
    empty = drained(2, 0, 10)
    moments = due_moments(view((block(1, 10), empty), (10, 10)), NOW)
    assert NOW + round(SOON * SECOND) in moments
    late = NOW - 10 * SECOND + policy().drain_deadline * SECOND
    assert late in moments
    full = drained(2, 5, 10)
    assert due_moments(view((block(1, 10), full), (15, 15)), NOW) == [late]


def test_one_reading_of_a_full_pool_asks_for_a_second() -> None:
    full = view((block(1, 240),), (100, 240))
    assert wants_agreement(full, decide(full, NOW))
    both = view((block(1, 240),), (240, 240))
    assert not wants_agreement(both, decide(both, NOW))
    idle = view((block(1, 10), block(2, 0)), (200, 10))
    assert not wants_agreement(idle, decide(idle, NOW))
