"""Growing: when, how many blocks, of which length, and what keeps it back."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.demand import peak_ahead
from casm_ctrl.control.deciding.guards import caps
from casm_ctrl.control.deciding.policy import Limits
from casm_ctrl.control.deciding.view import (
    NOTHING,
    BlockView,
    CancelDrain,
    Decision,
    Grow,
    Loss,
    Nothing,
    PoolView,
    Reading,
    Stock,
)
from tests.deciding_world import (
    LIMITS,
    NOW,
    block,
    drained,
    policy,
    prefix,
    reading,
    readings,
    stock,
    view,
)

ONE = (block(1),)
TWO = (block(1), block(2))


def at_mark(**values: Any) -> PoolView:
    """One block of 254, and two readings that say it is at 80 %."""
    return view(ONE, (204, 204), **values)


def act(one: PoolView, now: int = NOW) -> Decision:
    return decide(one, now)


# --- When -----------------------------------------------------------------------------------------


def test_two_readings_at_the_mark_add_a_block_and_say_so_with_numbers() -> None:
    decision = act(at_mark())
    assert (decision.action, decision.rule, decision.blocked_by) == (Grow(1, 24), "threshold", None)
    assert "204 of 254 in use (80 %), grow-at is 80 %" in decision.because
    assert decision.inputs["used"] == 204
    assert decision.candidates == ({"length": 24, "blocks": 1, "free": 100, "serves": 254, "chosen": True},)


@pytest.mark.parametrize("used", [(204,), (150, 204), (204, 150), (203, 203), (203, 204)])
def test_one_reading_or_less_than_the_mark_adds_nothing(used: tuple[int, ...]) -> None:
    assert isinstance(act(view(ONE, used)).action, Nothing)


def test_one_reading_at_the_mark_is_told() -> None:
    assert act(view(ONE, (150, 240))).rule == "one-reading"


def test_a_mark_in_free_addresses() -> None:
    free = policy(grow_at_free=50)
    assert act(view(TWO, (458, 458), policy=free)).action == Grow(1, 24)
    assert act(view(TWO, (457, 457), policy=free)).action == NOTHING


def test_a_device_pool_without_a_block_gets_one_without_any_reading() -> None:
    decision = act(view())
    assert (decision.action, decision.rule) == (Grow(1, 24), "first-block")
    assert act(view(policy=policy(first_length=26))).action == Grow(1, 26)
    assert act(view(policy=policy(min_blocks=3))).action == Grow(3, 24)


def test_the_first_block_comes_alone_where_those_after_it_are_of_another_length() -> None:
    first = view(policy=policy(min_blocks=3, first_length=23, next_length=25), stock=stock(100, length=22))
    assert act(first).action == Grow(1, 23)
    then = view(
        (block(1, prefix=prefix(2, 23)),), policy=policy(min_blocks=3, first_length=23, next_length=25)
    )
    assert act(then).action == Grow(2, 25)


def test_less_than_min_blocks_is_filled_up() -> None:
    decision = act(view(TWO, (10, 10), policy=policy(min_blocks=4)))
    assert (decision.action, decision.rule) == (Grow(2, 24), "min-blocks")


def test_blocks_on_their_way_are_not_asked_for_twice() -> None:
    coming = (block(1), block(2, state="reserved"))
    decision = act(view(coming, (210, 210)))
    assert (decision.action, decision.rule) == (NOTHING, "on-its-way")
    assert act(view(coming, (410, 410))).action == Grow(1, 24)


def test_what_is_drained_serves_nobody_new() -> None:
    by_hand = (block(1), block(2, 20, state="draining", wanted="drained"))
    assert act(view(by_hand, (230, 230))).action == Grow(1, 24)
    assert act(view(by_hand, (200, 200))).action == NOTHING


def test_an_old_reading_is_not_acted_on() -> None:
    decision = act(at_mark(), NOW + 400 * SECOND)
    assert (decision.action, decision.rule) == (NOTHING, "stale")


def test_percentages_may_grow() -> None:
    assert act(at_mark(kind="percent")).action == Grow(1, 24)


def test_without_any_reading_nothing_is_known() -> None:
    assert act(view(ONE, kind="none")).rule == "no-reading"


# --- How many -------------------------------------------------------------------------------------


def test_a_steady_rate_is_provided_for_until_the_next_decision_can_be_effective() -> None:
    # 8 logins/s, the next look in 30 s and 5 s to install: 280 more, and a tenth of 1260.
    blocks = tuple(block(number) for number in range(1, 6))
    decision = act(view(blocks, (780, 1020, 1260), policy=policy(grow_at=80)))
    assert decision.inputs["login-rate"] == 8
    assert decision.inputs["expected"] == 1666
    assert decision.action == Grow(2, 24)


def test_a_burst_that_is_over_is_no_rate() -> None:
    blocks = tuple(block(number) for number in range(1, 4))
    assert act(view(blocks, (100, 700, 700))).inputs["login-rate"] == 0


def test_enough_is_added_to_be_below_the_mark() -> None:
    assert act(view(TWO, (508, 508), policy=policy(grow_at=40))).action == Grow(4, 24)


def test_a_mark_of_the_role_asks_for_no_more_than_a_block_of_many() -> None:
    ten = tuple(block(number) for number in range(1, 11))
    spared = act(view(ten, (2100, 2100)))
    assert (spared.action, spared.rule) == (NOTHING, "enough-free")
    assert act(view(ten, (2300, 2300))).action == Grow(1, 24)
    assert act(view(ten, (2100, 2100), policy=policy(grow_at=80))).action == Grow(1, 24)


def test_caps_bound_a_growth_and_stop_it() -> None:
    few = Limits(grow_per_device=3)
    big: dict[str, Any] = {"policy": policy(grow_at=40), "limits": few}
    decision = act(view(TWO, (508, 508), grow_caps=caps(few, "grow", {}), **big))
    assert decision.action == Grow(3, 24)
    assert "instead of 4, because grow-per-device" in decision.because
    stop = act(view(TWO, (508, 508), grow_caps=caps(few, "grow", {"device": 3}), **big))
    assert (stop.action, stop.blocked_by, stop.alarm) == (NOTHING, "cap", "decision-blocked")
    assert "grow-per-device is 3" in stop.because


def test_max_blocks_bounds_a_growth_and_stops_it() -> None:
    decision = act(view(TWO, (508, 508), policy=policy(grow_at=40, max_blocks=3)))
    assert decision.action == Grow(1, 24)
    stop = act(view(TWO, (508, 508), policy=policy(max_blocks=2)))
    assert (stop.action, stop.blocked_by, stop.alarm) == (NOTHING, "max-blocks", "pool-exhausted")


def test_an_empty_stock_is_told() -> None:
    low = act(at_mark(stock=stock(0)))
    assert (low.action, low.rule, low.alarm) == (NOTHING, "enough-while-scarce", "pool-low")
    stop = act(view(ONE, (240, 240), stock=stock(0)))
    assert (stop.action, stop.blocked_by, stop.alarm) == (NOTHING, "stock", "pool-low")
    assert act(view(ONE, (254, 254), stock=stock(0))).alarm == "pool-exhausted"
    assert "north has no free block of /24" in stop.because


def test_no_more_than_the_stock_has() -> None:
    assert act(view(TWO, (508, 508), policy=policy(grow_at=40), stock=stock(3))).action == Grow(3, 24)


# --- Little left ----------------------------------------------------------------------------------


def test_of_a_nearly_empty_stock_smaller_blocks_are_taken_where_the_policy_has_them() -> None:
    sizes = policy(length=26, first_length=24, next_length=24)
    few = (Stock(pool="north", size=65536, free={24: 2}),)
    decision = act(view(ONE, (254, 254), policy=sizes, stock=few))
    assert decision.action == Grow(1, 26)
    assert "smaller than /24 because the stock is nearly empty" in decision.because
    assert act(view(ONE, (254, 254), policy=sizes)).action == Grow(1, 24)


def test_where_no_block_of_the_right_length_is_free_a_smaller_one_is_taken() -> None:
    few = (Stock(pool="north", size=65536, free={26: 200}),)
    sizes = policy(length=26, next_length=24)
    assert act(view(ONE, (254, 254), policy=sizes, stock=few)).action == Grow(1, 26)


def test_of_a_nearly_empty_stock_nothing_is_taken_that_is_not_needed_now() -> None:
    decision = act(at_mark(stock=stock(10)))
    assert (decision.action, decision.rule) == (NOTHING, "enough-while-scarce")
    assert act(view(ONE, (240, 240), stock=stock(10))).action == Grow(1, 24)


# --- Who was refused ------------------------------------------------------------------------------


def told(*found: tuple[float, int, int, int]) -> tuple[Reading, ...]:
    """Notices of (seconds before now, used, capacity, counter)."""
    return tuple(
        Reading(
            at=NOW - round(ago * SECOND),
            used=used,
            capacity=capacity,
            refused=refused,
            refused_since=1,
            source="notice",
            blocks={1: used} if capacity else {},
        )
        for ago, used, capacity, refused in found
    )


def test_a_burst_into_a_device_pool_without_blocks_gets_all_at_once() -> None:
    decision = act(view(readings=told((200, 0, 0, 0), (0.9, 0, 0, 1), (0, 0, 0, 544))))
    assert (decision.action, decision.rule) == (Grow(3, 24), "first-block")


def test_a_burst_into_an_empty_block_gets_what_is_refused() -> None:
    burst = told((200, 0, 254, 0), (0.9, 254, 254, 1), (0, 254, 254, 290))
    decision = act(view(ONE, readings=burst))
    assert (decision.action, decision.rule) == (Grow(2, 24), "refused-logins")
    assert "289 logins wait" in decision.because or "290 logins wait" in decision.because


def test_a_burst_that_one_notice_tells_is_counted_in_full() -> None:
    burst = told((200, 0, 254, 0), (0, 254, 254, 290), (0, 254, 254, 290))
    assert act(view(ONE, readings=(burst[0], burst[1]))).action == Grow(2, 24)


def test_who_asks_again_is_not_counted_twice() -> None:
    # 290 wait and ask every 4 s; the controller polls every 30 s.
    polls = tuple(
        Reading(at=NOW - ago * SECOND, used=254, capacity=254, refused=refused, refused_since=1)
        for ago, refused in ((60, 0), (30, 290 * 8), (0, 290 * 15))
    )
    decision = act(view(ONE, readings=polls))
    assert decision.action == Grow(2, 24)


def test_a_counter_that_began_a_moment_ago_tells_who_waits_as_well() -> None:
    """The first block was decided before the burst, and came in after it: two readings agree on who waits."""
    began = NOW - SECOND // 2
    bare = Reading(at=NOW - 10 * SECOND, used=0, capacity=0)
    told = Reading(
        at=NOW - 1, source="notice", used=0, capacity=0, refused=544, refused_since=began, blocks={1: 0}
    )
    read = reading(ONE, 0, refused=544, refused_since=began)
    decision = act(view(ONE, readings=(bare, told, read)))
    assert (decision.action, decision.rule) == (Grow(2, 24), "refused-logins")
    assert isinstance(act(view(ONE, readings=(bare, read))).action, Nothing)
    late = [dataclasses.replace(one, refused_since=NOW - 3600 * SECOND) for one in (told, read)]
    assert isinstance(act(view(ONE, readings=(bare, *late))).action, Nothing)


def test_who_was_refused_and_is_served_since_is_not_provided_for_again() -> None:
    three = (block(1), block(2), block(3))
    after = (*told((8, 254, 254, 290)), *readings(three, 400, 544, every=2, refused=290, refused_since=1))
    before = told((200, 0, 254, 0), (8.9, 254, 254, 1))
    decision = act(view(three, readings=before + after))
    assert decision.inputs["expected"] == 599
    assert decision.action == NOTHING


def test_a_counter_that_began_again_is_not_compared() -> None:
    old, new = told((30, 254, 254, 5000), (0, 254, 254, 40))
    again = Reading(
        at=new.at, used=254, capacity=254, refused=40, refused_since=NOW - 4 * SECOND, source="notice"
    )
    assert act(view(ONE, readings=(old, again))).inputs["waiting"] == 20


@pytest.mark.parametrize("logins", [100, 254, 255, 544, 763, 1000, 1016, 1500, 2000, 2500])
@pytest.mark.parametrize(("length", "capacity"), [(24, 254), (24, 256), (25, 126), (26, 62)])
def test_any_burst_gets_enough_and_at_most_one_block_more(logins: int, length: int, capacity: int) -> None:
    burst = told((200, 0, 0, 0), (0.9, 0, 0, 1), (0, 0, 0, logins))
    lengths = policy(length=length)
    wide = stock(400, 1024, length)
    decision = act(
        view(
            readings=burst,
            policy=lengths,
            capacities={length: capacity},
            stock=wide,
            grow_caps=(),
        )
    )
    assert isinstance(decision.action, Grow)
    needed = -(-logins // capacity)
    count = decision.action.count
    assert needed <= count <= needed + 1
    blocks = tuple(
        block(number, prefix=prefix(number, length), capacity=capacity) for number in range(1, count + 1)
    )
    served = readings(blocks, logins, logins, every=1, now=NOW + 20 * SECOND, refused=logins, refused_since=1)
    later = view(blocks, readings=burst + served, policy=lengths, stock=wide, last_grow=NOW)
    then = decide(later, NOW + 20 * SECOND).action
    more = then.count if isinstance(then, Grow) else 0
    assert count + more <= needed + 1


# --- Guards ---------------------------------------------------------------------------------------


def test_observing_only_tells() -> None:
    decision = act(at_mark(policy=policy(grow="observe")))
    assert (decision.action, decision.would) == (Grow(1, 24), True)


@pytest.mark.parametrize(("name", "guard"), [("held", "hold"), ("breaker", "breaker")])
def test_a_hold_and_an_open_breaker_keep_back_what_would_be_done(name: str, guard: str) -> None:
    decision = act(at_mark(**{name: "device bng1: maintenance"}))
    assert (decision.action, decision.blocked_by, decision.alarm) == (NOTHING, guard, "decision-blocked")
    assert "1 block of /24 would be added" in decision.because
    assert "bng1: maintenance" in decision.because


def test_what_was_just_given_back_is_not_taken_again_unless_it_is_needed() -> None:
    decision = act(at_mark(last_shrink=NOW - 60 * SECOND))
    assert (decision.action, decision.blocked_by) == (NOTHING, "hold-down")
    assert act(at_mark(last_shrink=NOW - 900 * SECOND)).action == Grow(1, 24)
    assert act(view(ONE, (254, 254), last_shrink=NOW - 60 * SECOND)).action == Grow(1, 24)


def test_a_drain_is_cancelled_before_a_block_is_added() -> None:
    decision = act(view((block(1), drained(2, 30)), (254, 254)))
    assert (decision.action, decision.rule) == (CancelDrain(2), "cancel-drain")


def test_a_drain_that_a_person_asked_for_is_not_cancelled() -> None:
    blocks: tuple[BlockView, ...] = (block(1), drained(2, 30, automatic_drain=False))
    assert act(view(blocks, (254, 254))).action == Grow(1, 24)


def test_a_controller_that_was_away_wants_more_readings_of_its_own_and_does_less() -> None:
    away: dict[str, Any] = {"started_at": NOW - 45 * SECOND, "gentle_until": NOW + 3600 * SECOND}
    full = (508, 508, 508, 508)
    decision = act(view(TWO, full, policy=policy(grow_at=10), **away))
    assert (decision.action, decision.rule) == (NOTHING, "one-reading")
    away["started_at"] = NOW - 65 * SECOND
    assert act(view(TWO, full, policy=policy(grow_at=10), **away)).action == Grow(8, 24)


def test_subscribers_who_come_back_after_a_restart_are_not_new_ones() -> None:
    blocks = tuple(block(number) for number in range(1, 6))
    back: dict[str, Any] = {
        "policy": policy(grow_at=10, shrink_at=5),
        "loss": Loss(at=NOW - 90 * SECOND, cause="restarted", before=900),
    }
    lost = act(view(blocks, (0, 400, 800), **back))
    assert lost.inputs["expected"] == 980
    back["loss"] = None
    assert act(view(blocks, (0, 400, 800), **back)).inputs["expected"] == 1347


def test_caps_are_those_of_the_limits() -> None:
    names = [cap.name for cap in caps(LIMITS, "drain", {"device": 2, "drains_per_device": 1})]
    assert names == [
        "drain-per-device-pool",
        "drain-per-device",
        "drain-per-pool",
        "drain-per-hour",
        "drains-per-device",
    ]
    assert reading(ONE, 7).blocks == {1: 7}


def test_what_the_next_hours_need_is_read_from_the_days_before() -> None:
    day = [100] * 18 + [900] * 4 + [300] * 2  # the evening is from 18 to 22
    assert peak_ahead(day, 100) is None
    noon = [*day, *day[:13]]
    assert peak_ahead(noon, 100) == 900  # it is 12 o'clock, and 18 is ahead
    morning = [*day, *day[:9]]
    assert peak_ahead(morning, 100) == 100
    assert peak_ahead(noon, 120) == 1080  # as much more as now
    assert peak_ahead(noon, 1000) == 1350  # but half as much again at the most


def test_what_a_week_ago_needed_counts_as_what_yesterday_did() -> None:
    week = [100] * 24 * 8
    week[24 + 2] = 700
    assert peak_ahead(week[:169], 100) == 100
    assert peak_ahead([*week[1:], 100][-192:], 100) == 700


def test_who_waits_for_the_next_try_is_not_forgotten() -> None:
    burst = told((200, 0, 254, 0), (8.9, 254, 254, 1), (8, 254, 254, 290), (0, 254, 254, 290))
    decision = act(view(ONE, readings=burst))
    assert decision.inputs["waiting"] == 289
    assert decision.action == Grow(2, 24)


def test_a_counter_that_a_device_reckons_by_its_uptime_is_one() -> None:
    burst = told((200, 0, 254, 0), (0.9, 254, 254, 1), (0, 254, 254, 290))
    drifting = tuple(
        dataclasses.replace(one, refused_since=SECOND * 100 + index * 400_000)
        for index, one in enumerate(burst)
    )
    assert act(view(ONE, readings=drifting)).inputs["waiting"] == 289
