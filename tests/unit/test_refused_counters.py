"""Counters of refused logins as devices tell them: the moment since when they count is reckoned by an uptime, and is
kept in milliseconds, so that it is not the same to the microsecond each time."""

from __future__ import annotations

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.demand import measure
from tests.deciding_world import NOW, block, reading, view

BOOT = NOW - 600 * SECOND


def test_a_counter_is_the_same_where_it_began_nearly_at_the_same_moment() -> None:
    blocks = (block(1),)
    before = reading(blocks, 254, NOW - 2 * SECOND, refused=544, refused_since=BOOT + 629)
    after = reading(blocks, 254, NOW, refused=600, refused_since=BOOT - 341)
    demand = measure(view(blocks, readings=(before, after)))
    assert (demand.refusing, demand.waiting) == (True, 56)


def test_nobody_waits_where_the_counter_stands_still() -> None:
    blocks = (block(1), block(2))
    steady = tuple(
        reading(blocks, 300, NOW - ago * SECOND, refused=591, refused_since=BOOT + ago) for ago in (60, 30, 0)
    )
    demand = measure(view(blocks, readings=steady))
    assert (demand.refusing, demand.waiting) == (False, 0)


def test_a_counter_that_was_cleared_is_another_one() -> None:
    blocks = (block(1),)
    before = reading(blocks, 254, NOW - 2 * SECOND, refused=544, refused_since=BOOT)
    after = reading(blocks, 254, NOW, refused=10, refused_since=NOW - SECOND)
    assert measure(view(blocks, readings=(before, after))).waiting == 10
