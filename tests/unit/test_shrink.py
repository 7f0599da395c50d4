"""Giving back: when, which block, how its drain goes on, and what keeps it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from casm_ctrl.addressing.strategy import count_routes
from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.costs import routes_without
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.guards import caps, notice_loss
from casm_ctrl.control.deciding.view import (
    NOTHING,
    BlockView,
    CancelDrain,
    Decision,
    Drain,
    GiveBack,
    Loss,
    PoolView,
    Reading,
)
from tests.deciding_world import DAY, LIMITS, NOW, block, drained, policy, prefix, readings, stock, view

THREE = (block(1, prefix=prefix(2)), block(2, prefix=prefix(3)), block(3, prefix=prefix(8)))
HOUR = 3600 * SECOND


def idle(blocks: tuple[BlockView, ...] = THREE, used: int = 100, **values: Any) -> PoolView:
    """Three blocks and readings of a hold-down (900 s) that find 100 in use, as always."""
    return view(blocks, (used,) * 32, **values)


# --- When -----------------------------------------------------------------------------------------


def test_an_idle_block_is_drained_after_its_days_of_samples() -> None:
    decision = decide(idle(), NOW)
    assert (decision.action, decision.rule) == (Drain(3), "idle")
    assert "100 of 762 in use (13 %), shrink-at is 50 %: b3 (10.0.8.0/24) costs least" in decision.because
    assert [one["block"] for one in decision.candidates if one["chosen"]] == ["b3"]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"first_sample": NOW - 6 * DAY}, "history"),
        ({"first_sample": None}, "history"),
        ({"peaks": (100,) * 6}, "history"),
        ({"peaks": (100, 400, 100, 100, 100, 100, 100)}, "peaks"),
        ({"kind": "percent"}, "not-counted"),
        ({"can_drain": False}, "no-drain"),
        ({"policy": policy(min_blocks=3)}, "min-blocks"),
        ({"held": "all: holidays"}, "hold"),
        ({"breaker": "5 changes failed"}, "breaker"),
        ({"last_grow": NOW - 899 * SECOND}, "hold-down"),
        ({"last_shrink": NOW - 899 * SECOND}, "hold-down"),
        ({"gentle_until": NOW + 1}, "gentle-start"),
        ({"loss": Loss(at=NOW - HOUR, cause="restarted", before=500)}, "loss"),
        ({"drain_caps": caps(LIMITS, "drain", {"drains_per_device": 4})}, "cap"),
        ({"drain_caps": caps(LIMITS, "drain", {"device": 16})}, "cap"),
    ],
)
def test_what_keeps_an_idle_block(values: dict[str, Any], rule: str) -> None:
    decision = decide(idle(**values), NOW)
    assert (decision.action, decision.rule) == (NOTHING, rule)
    assert decision.because


def test_what_somebody_changed_within_a_hold_down_keeps_all() -> None:
    since = {2: NOW - 899 * SECOND}
    blocks = tuple(replace(one, changed_at=since.get(one.number, 0)) for one in THREE)
    decision = decide(idle(blocks=blocks), NOW)
    assert (decision.rule, decision.blocked_by) == ("hold-down", "hold-down")
    assert "one that serves was changed 899s ago" in decision.because


def test_a_change_of_a_clock_that_was_set_back_keeps_nothing() -> None:
    assert decide(idle(last_grow=NOW + DAY, last_shrink=NOW + DAY), NOW).action == Drain(3)


def test_peaks_older_than_the_history_do_not_count() -> None:
    assert decide(idle(peaks=(700, *(100,) * 8)), NOW).action == Drain(3)
    assert decide(idle(peaks=(700, *(100,) * 7)), NOW).rule == "peaks"


def test_one_reading_does_not_drain_and_one_that_disagrees_keeps() -> None:
    assert decide(view(THREE, (100,), peaks=(100,) * 7), NOW).rule == "one-reading"
    short = view(THREE, (100,) * 30, peaks=(100,) * 7)
    assert decide(short, NOW).rule == "one-reading"
    used = [100] * 32
    used[20] = 400
    assert decide(view(THREE, tuple(used), peaks=(100,) * 7), NOW).rule == "one-reading"


def test_between_the_marks_nothing_changes() -> None:
    decision = decide(idle(used=500), NOW)
    assert (decision.action, decision.rule) == (NOTHING, "between-marks")


def test_never_above_the_mark_for_growing_less_a_margin() -> None:
    two = THREE[:2]
    assert decide(idle(two, 177), NOW).action == Drain(2)  # 69.7 % of 254
    assert decide(idle(two, 178), NOW).rule == "peaks"
    free = policy(grow_at_free=50, shrink_at_free=250)
    assert decide(idle(two, 178, policy=free), NOW).action == Drain(2)
    assert decide(idle(two, 179, policy=free), NOW).rule == "peaks"


def test_the_last_block_stays() -> None:
    assert decide(idle(THREE[:1], 0), NOW).rule == "min-blocks"


def test_while_blocks_are_coming_none_goes() -> None:
    assert decide(idle((*THREE, block(4, state="reserved"))), NOW).rule == "growing"


def test_only_in_the_reclaim_window() -> None:
    hour = datetime.fromtimestamp(NOW / SECOND, UTC).hour
    outside: dict[str, Any] = {
        "reclaim_from": f"{(hour + 2) % 24:02}:00",
        "reclaim_until": f"{(hour + 3) % 24:02}:00",
        "reclaim_zone": "UTC",
    }
    decision = decide(idle(policy=policy(**outside)), NOW)
    assert (decision.action, decision.blocked_by) == (NOTHING, "window")
    inside = outside | {"reclaim_from": f"{hour:02}:00"}
    assert decide(idle(policy=policy(**inside)), NOW).action == Drain(3)


def test_a_loss_is_over_when_usage_is_back_or_after_a_day() -> None:
    loss = Loss(at=NOW - HOUR, cause="restarted", before=125)
    assert decide(idle(loss=loss), NOW).action == Drain(3)
    day_ago = Loss(at=NOW - DAY, cause="restarted", before=500)
    assert decide(idle(loss=day_ago), NOW).action == Drain(3)


def test_observing_only_tells() -> None:
    decision = decide(idle(policy=policy(shrink="observe")), NOW)
    assert (decision.action, decision.would) == (Drain(3), True)


# --- Which ----------------------------------------------------------------------------------------


def test_the_least_used_goes_before_the_one_that_no_route_needs() -> None:
    blocks = (block(1, prefix=prefix(2)), block(2, prefix=prefix(3)), block(3, prefix=prefix(8)))
    last = readings(blocks, *(100,) * 32)
    used = (*last[:-1], Reading(at=NOW, used=100, capacity=762, blocks={1: 60, 2: 10, 3: 30}))
    assert decide(idle(blocks, readings=used), NOW).action == Drain(2)


def test_of_equally_used_ones_that_which_leaves_the_fewest_routes_then_the_youngest() -> None:
    empty: dict[str, Any] = {"used": 0, "peaks": (0,) * 7}
    assert decide(idle(THREE, **empty), NOW).action == Drain(3)
    pair = (block(1, prefix=prefix(2)), block(2, prefix=prefix(3), allocated_at=NOW - DAY))
    assert decide(idle(pair, **empty), NOW).action == Drain(2)
    older = (block(1, prefix=prefix(2), allocated_at=NOW - DAY), block(2, prefix=prefix(3)))
    assert decide(idle(older, **empty), NOW).action == Drain(1)


def test_what_was_adopted_and_not_managed_stays() -> None:
    kept = tuple(block(number, managed=False) for number in (1, 2, 3))
    assert decide(idle(kept), NOW).rule == "not-by-block"
    one = (*kept[:2], block(3))
    assert decide(idle(one), NOW).action == Drain(3)


def test_a_block_whose_usage_is_not_told_stays() -> None:
    silent = tuple(
        Reading(at=one.at, used=one.used, capacity=one.capacity) for one in readings(THREE, *(100,) * 32)
    )
    unknown = tuple(block(number, None) for number in (1, 2, 3))
    assert decide(idle(unknown, readings=silent), NOW).rule == "not-by-block"


def test_routes_without_one_are_as_many_as_are_counted() -> None:
    found = [prefix(index) for index in (0, 1, 2, 3, 6, 9)] + [prefix(20, 25), prefix(43, 26)]
    expected = [count_routes([one for one in found if one is not gone]) for gone in found]
    assert routes_without(found) == expected
    assert routes_without([]) == []


# --- Surplus --------------------------------------------------------------------------------------


def surplus(seconds: int = 60, used: int = 544, automatic: bool = True, **values: Any) -> PoolView:
    """Four blocks that were added at once for 544 subscribers, by a loop with a hold-down of 60 s."""
    blocks = tuple(
        block(number, automatic=automatic, ever_used=number < 4, allocated_at=NOW - seconds * SECOND)
        for number in range(1, 5)
    )
    given: dict[str, Any] = {
        "policy": policy(hold_down=60),
        "first_sample": NOW - 90 * SECOND,
        "peaks": (used,),
        "last_grow": NOW - seconds * SECOND,
    }
    return view(blocks, (used, used, used), **(given | values))


def test_what_was_added_and_never_used_goes_back_after_one_hold_down() -> None:
    decision = decide(surplus(), NOW)
    assert (decision.action, decision.rule) == (Drain(4), "surplus")
    assert decide(surplus(59), NOW).action == NOTHING


def test_surplus_knows_no_window_but_guards() -> None:
    never = policy(hold_down=60, reclaim_from="00:00", reclaim_until="00:01", reclaim_zone="UTC")
    assert decide(surplus(policy=never), NOW).action == Drain(4)
    assert decide(surplus(held="all"), NOW).blocked_by == "hold"
    assert decide(surplus(loss=Loss(at=NOW - HOUR, cause="restarted", before=900)), NOW).blocked_by == "loss"


def test_surplus_goes_where_clients_gave_up_and_nobody_could_come_back_to_it() -> None:
    """A burst, of whom most leave at once: who was lost was in other blocks, and fits into them again."""
    lost = Loss(at=NOW - HOUR, cause="lost its subscribers", before=544)
    assert decide(surplus(used=100, loss=lost), NOW).action == Drain(4)
    more = Loss(at=NOW - HOUR, cause="lost its subscribers", before=900)
    assert decide(surplus(used=100, loss=more, stock=stock(2)), NOW).action == NOTHING


@pytest.mark.parametrize(("cause", "ever_used"), [("restarted", False), ("lost its subscribers", True)])
def test_a_drain_waits_for_those_who_were_lost_unless_nobody_was_ever_in_its_block(
    cause: str, ever_used: bool
) -> None:
    def empty(used: bool, why: str) -> Decision:
        given = (block(1, 100), drained(2, automatic=True, ever_used=used))
        return decide(view(given, (100, 100), loss=Loss(at=NOW - HOUR, cause=why, before=250)), NOW)

    assert empty(ever_used, cause).blocked_by == "loss"
    assert empty(False, "lost its subscribers").action == GiveBack(2)


def test_no_surplus_where_the_next_login_would_bring_it_back() -> None:
    assert decide(surplus(used=600), NOW).action == NOTHING


def test_no_surplus_where_the_next_evening_would_bring_it_back_unless_others_may_need_it() -> None:
    evening: dict[str, Any] = {"peaks": (300, 600, 544)}
    assert decide(surplus(**evening), NOW).action == NOTHING
    assert decide(surplus(**evening, stock=stock(2)), NOW).action == Drain(4)
    assert decide(surplus(peaks=(600, 544, 544)), NOW).action == Drain(4)


def test_a_block_that_a_person_allocated_is_no_surplus() -> None:
    assert decide(surplus(automatic=False), NOW).action == NOTHING


# --- The drain ------------------------------------------------------------------------------------

SERVING = (block(1), block(2))


def draining(left: int, seconds: int = 60, asked: dict[str, Any] | None = None, **values: Any) -> PoolView:
    return view((*SERVING, drained(3, left, seconds, **(asked or {}))), (300, 300), **values)


def test_a_drain_in_progress_is_waited_for() -> None:
    decision = decide(draining(7), NOW)
    assert (decision.action, decision.rule) == (NOTHING, "draining")
    assert "7 subscribers are in it" in decision.because
    asked = {"state": "installed", "drained_at": None}
    assert "not yet seen to drain" in decide(draining(0, asked=asked), NOW).because


def test_two_counts_of_zero_since_the_drain_was_seen_give_it_back() -> None:
    assert decide(draining(0, 31), NOW).action == GiveBack(3)
    assert decide(draining(0, 30), NOW).action == NOTHING
    assert decide(draining(0, 31, kind="percent"), NOW).action == NOTHING


@pytest.mark.parametrize(
    ("values", "guard"),
    [
        ({"loss": Loss(at=NOW - HOUR, cause="restarted", before=900)}, "loss"),
        ({"held": "device bng1"}, "hold"),
        ({"breaker": "5 failed"}, "breaker"),
        ({"clock": "it jumped"}, "clock"),
        ({"gentle_until": NOW + 1}, "gentle-start"),
    ],
)
def test_what_keeps_an_empty_block(values: dict[str, Any], guard: str) -> None:
    decision = decide(draining(0, **values), NOW)
    assert (decision.action, decision.blocked_by) == (NOTHING, guard)


def test_what_is_drained_stays_while_one_reading_says_that_it_is_needed() -> None:
    for left in (0, 7):
        decision = decide(view((*SERVING, drained(3, left, 61)), (300, 480)), NOW)
        assert (decision.action, decision.rule) == (NOTHING, "one-reading")
    assert decide(view((*SERVING, drained(3, 0, 61)), (480, 480)), NOW).action == CancelDrain(3)


def test_who_comes_back_into_what_is_given_back_is_waited_for_and_told() -> None:
    going = {"wanted": "absent"}
    late = policy(drain_deadline=600)
    decision = decide(draining(7, 60, asked=going, policy=late), NOW)
    assert (decision.action, decision.rule, decision.alarm) == (NOTHING, "draining", None)
    decision = decide(draining(7, 601, asked=going, policy=late), NOW)
    assert (decision.action, decision.rule, decision.alarm) == (NOTHING, "drain-overdue", "drain-overdue")
    forced = policy(drain_deadline=600, force_after=300)
    assert decide(draining(7, 901, asked=going, policy=forced), NOW).action == GiveBack(3, True)
    done = decide(draining(7, 901, asked=going | {"forced": True}, policy=forced), NOW)
    assert (done.action, done.rule) == (NOTHING, "between-marks")
    assert decide(draining(0, 61, asked=going), NOW).rule == "between-marks"


def test_an_overdue_drain_is_told_and_ends_with_force_only_where_an_operator_said_so() -> None:
    late = policy(drain_deadline=600)
    decision = decide(draining(7, 601, policy=late), NOW)
    assert (decision.action, decision.rule, decision.alarm) == (NOTHING, "drain-overdue", "drain-overdue")
    assert "longer than drain-deadline (10m), and 7 subscribers are in it still" in decision.because
    forced = policy(drain_deadline=600, force_after=300)
    assert decide(draining(7, 899, policy=forced), NOW).action == NOTHING
    assert decide(draining(7, 900, policy=forced), NOW).action == GiveBack(3, forced=True)


def test_a_drain_of_a_person_is_left_alone_and_counts_as_gone() -> None:
    by_hand = {"automatic_drain": False}
    decision = decide(draining(0, asked=by_hand), NOW)
    assert (decision.action, decision.rule) == (NOTHING, "between-marks")


def test_one_drain_at_a_time() -> None:
    both = (*THREE, drained(4, 5))
    assert decide(idle(both), NOW).rule == "draining"


# --- Scarcity -------------------------------------------------------------------------------------


def test_for_others_what_the_next_hours_do_not_need_goes_where_the_policy_says_so() -> None:
    many = tuple(block(number) for number in range(1, 6))
    scarce: dict[str, Any] = {
        "stock": stock(2),
        "peaks": (1000,) * 7,
        "expected_peak": 700,
        "policy": policy(scarcity="apply"),
    }
    decision = decide(idle(many, 700, **scarce), NOW)
    assert (decision.rule, isinstance(decision.action, Drain)) == ("scarcity", True)
    assert decide(idle(many, 700, **(scarce | {"policy": policy()})), NOW).rule == "between-marks"
    assert decide(idle(many, 700, **(scarce | {"stock": stock(200)})), NOW).rule == "between-marks"
    assert decide(idle(many, 700, **(scarce | {"expected_peak": 930})), NOW).rule == "peaks"


# --- Losses ---------------------------------------------------------------------------------------


def at(seconds: int, used: int) -> Reading:
    return Reading(at=NOW + seconds * SECOND, used=used, capacity=1000)


def test_a_restart_is_a_loss_until_usage_is_back() -> None:
    loss = notice_loss(at(0, 500), at(30, 480), NOW + 10 * SECOND, None)
    assert loss == Loss(at=NOW + 10 * SECOND, cause="restarted", before=500)
    assert notice_loss(at(30, 480), at(60, 300), NOW + 10 * SECOND, loss) is not None
    assert notice_loss(at(60, 300), at(90, 400), NOW + 10 * SECOND, loss) is None


def test_subscribers_who_are_gone_at_once_are_a_loss() -> None:
    assert notice_loss(at(0, 100), at(30, 70), None, None) == Loss(
        at=NOW + 30 * SECOND, cause="lost its subscribers", before=100
    )
    assert notice_loss(at(0, 100), at(30, 71), None, None) is None
    assert notice_loss(at(0, 20), at(30, 5), None, None) is None
    assert notice_loss(at(0, 1000), at(7200, 300), None, None) is None
    assert notice_loss(None, at(0, 0), None, None) is None


def test_a_second_loss_remembers_what_was_before_the_first() -> None:
    first = notice_loss(at(0, 500), at(30, 100), None, None)
    second = notice_loss(at(30, 100), at(60, 10), None, first)
    assert second is not None
    assert second.before == 500


def test_who_observes_again_gives_nothing_back_that_was_drained_before() -> None:
    decision = decide(draining(0, policy=policy(shrink="observe")), NOW)
    assert (decision.action, decision.would) == (GiveBack(3), True)
