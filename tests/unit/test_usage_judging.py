"""Bad readings: what cannot be true is refused, what may be is not, and a device is never refused for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import (
    COUNT,
    NONE,
    NOTICE,
    PERCENT,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Refused,
)
from casm_ctrl.control.usage.judging import LOST_LEAST, Expected, judge

NOW = 1_700_000_000 * SECOND
SIZES = Expected({1: 256, 2: 256}, interval=300)


def pool(first: int = 100, second: int = 50, peak: int | None = 200, refused: int | None = 5) -> PoolReading:
    blocks = [BlockReading(1, first, 254, peak), BlockReading(2, second, 254, peak)]
    return PoolReading.of_blocks(1, "bng1/home", blocks, refused)


def at(seconds: float, told: PoolReading | None = None, **more: Any) -> DeviceReading:
    """What bng1 said so many seconds after the first, by its own clock too."""
    moment = Micros(round(NOW + seconds * SECOND))
    known = {"sampled_at": moment, "booted_at": Micros(NOW - 1_000_000 * SECOND)} | more
    return DeviceReading(
        "bng1",
        more.pop("kind", COUNT),
        POLL,
        moment,
        (told or pool(),),
        **{name: value for name, value in known.items() if name != "kind"},
    )


def refused(verdict: Accepted | Refused) -> str:
    assert isinstance(verdict, Refused), verdict
    assert verdict.device == "bng1"
    return verdict.kind


def test_what_may_be_true_is_believed() -> None:
    assert judge(None, at(0), SIZES) == Accepted(at(0))
    assert judge(at(0), at(300), SIZES) == Accepted(at(300))


# --- Each bad reading -----------------------------------------------------------------------------


@pytest.mark.parametrize("used", [float("nan"), float("inf"), -1, 1.5, True])
def test_what_is_no_count_is_refused(used: Any) -> None:
    told = PoolReading(1, "bng1/home", 100, 508, (BlockReading(1, used, 254), BlockReading(2, 3, 254)))
    assert refused(judge(at(0), at(300, told), SIZES)) == "impossible-value"


def test_what_a_driver_could_not_read_is_refused_with_its_words() -> None:
    verdict = judge(None, at(0, faults=("addresses-used of home is 'NaN'",)), SIZES)
    assert refused(verdict) == "impossible-value"
    assert isinstance(verdict, Refused)
    assert "'NaN'" in verdict.reason


@pytest.mark.parametrize(
    "told",
    [
        PoolReading(1, "bng1/home", 255, 254, (BlockReading(1, 255, 254),)),
        PoolReading(1, "bng1/home", 300, 1000, (BlockReading(1, 300, 1000),)),  # a /24 has 256
        PoolReading(1, "bng1/home", 600, 508),
    ],
)
def test_more_than_there_is_is_refused(told: PoolReading) -> None:
    assert refused(judge(at(0), at(300, told), SIZES)) == "above-capacity"


def test_the_reason_names_what_a_block_has_whatever_the_device_says_of_it() -> None:
    told = PoolReading.of_blocks(1, "bng1/home", [BlockReading(1, 300, 400)])
    verdict = judge(None, at(0, told), SIZES)
    assert isinstance(verdict, Refused)
    assert verdict.reason == "bng1 told 300 in use of b1, which has 256"


def test_more_than_100_percent_is_refused() -> None:
    told = PoolReading(1, "bng1/home", 101, 100)
    verdict = judge(None, at(0, told, kind=PERCENT), SIZES)
    assert refused(verdict) == "above-capacity"
    assert isinstance(verdict, Refused)
    assert "101 %" in verdict.reason


def test_another_devices_data_is_refused() -> None:
    assert refused(judge(at(0), at(300, strangers=("casm-k3f9qa-b77",)), SIZES)) == "another-device"
    empty = replace(at(300), pools=(), absent=(1, 2))
    assert refused(judge(at(0), empty, SIZES)) == "another-device"


def test_where_nothing_is_counted_a_block_that_vanished_is_drift_and_no_other_device() -> None:
    told = replace(at(0), kind=NONE, pools=(), absent=(1,))
    assert judge(None, told, SIZES) == Accepted(told)


def test_a_report_that_leaves_blocks_out_is_refused() -> None:
    verdict = judge(at(0), at(300, missing=(2, 3, 4, 5)), SIZES)
    assert refused(verdict) == "missing-blocks"
    assert isinstance(verdict, Refused)
    assert "b2, b3, b4 and 1 more" in verdict.reason


@pytest.mark.parametrize("told", [pool(peak=199), pool(refused=4)])
def test_a_counter_that_goes_backwards_is_refused(told: PoolReading) -> None:
    assert refused(judge(at(0), at(300, told), SIZES)) == "counter-backwards"


@pytest.mark.parametrize("jump", [-7200, -400, 301, 86400])
def test_a_clock_that_jumps_is_refused(jump: float) -> None:
    told = at(300, sampled_at=Micros(round(NOW + (300 + jump) * SECOND)))
    assert refused(judge(at(0), told, SIZES)) == "clock-jump"


def test_a_clock_that_is_far_from_ours_is_refused_at_first() -> None:
    wrong = Micros(NOW + 3600 * SECOND)
    assert refused(judge(None, at(0, sampled_at=wrong), SIZES)) == "clock-jump"


def test_a_sample_that_never_becomes_new_is_refused() -> None:
    old = Micros(NOW)
    soon, late = judge(at(0), at(300, sampled_at=old), SIZES), judge(at(0), at(901, sampled_at=old), SIZES)
    assert refused(soon) == refused(late) == "stale"
    assert isinstance(soon, Refused)
    assert isinstance(late, Refused)
    assert (soon.grave, late.grave) == (False, True)


# --- What looks bad and is not --------------------------------------------------------------------


def test_a_restart_clears_counters() -> None:
    told = at(300, pool(3, 2, peak=3, refused=0), booted_at=Micros(NOW + 100 * SECOND))
    assert judge(at(0), told, SIZES) == Accepted(told, restarted=True, suspicious=True)


def test_a_start_time_that_wavers_is_no_restart() -> None:
    told = at(300, booted_at=Micros(NOW - 1_000_000 * SECOND + 3 * SECOND))
    assert judge(at(0), told, SIZES) == Accepted(told)


def test_a_counter_that_was_cleared_and_says_so_is_believed() -> None:
    before = replace(pool(), refused_since=Micros(NOW - SECOND * 900))
    now = replace(pool(refused=0, peak=100), refused_since=Micros(NOW + SECOND * 100))
    assert judge(at(0, before), at(300, now), SIZES) == Accepted(at(300, now))


def test_a_device_may_sample_rarely() -> None:
    told = at(900, sampled_at=Micros(NOW + 30 * SECOND))
    assert judge(at(0), told, SIZES) == Accepted(told)


def test_a_notice_and_a_poll_of_one_moment_are_both_believed() -> None:
    notice = replace(at(0), source=NOTICE)
    assert judge(notice, at(0), SIZES) == Accepted(at(0))
    assert judge(at(0), notice, SIZES) == Accepted(notice)
    assert judge(notice, notice, SIZES) == Accepted(notice)


def test_what_was_overtaken_on_its_way_is_left_out_and_nobody_is_told() -> None:
    verdict = judge(at(10), replace(at(9), source=NOTICE), SIZES)
    assert refused(verdict) == "stale"
    assert isinstance(verdict, Refused)
    assert not verdict.grave


# --- Most subscribers gone ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "suspicious"),
    [
        ((100, 100), (10, 10), True),
        ((200, 9), (200, 0), False),
        ((100, 100), (60, 45), False),
        ((15, 0), (0, 0), False),
    ],
)
def test_most_subscribers_gone_at_once_is_suspicious(
    before: tuple[int, int], after: tuple[int, int], suspicious: bool
) -> None:
    verdict = judge(at(0, pool(*before)), at(300, pool(*after)), SIZES)
    assert verdict == Accepted(at(300, pool(*after)), suspicious=suspicious)


@given(st.integers(0, 254), st.integers(0, 254))
def test_no_believed_reading_hides_a_loss_of_most(before: int, after: int) -> None:
    verdict = judge(at(0, pool(before, 0)), at(300, pool(after, 0)), SIZES)
    assert isinstance(verdict, Accepted)
    assert verdict.suspicious == (before - after >= LOST_LEAST and after * 2 < before)


# --- Never for ever -------------------------------------------------------------------------------

JUMPS = st.integers(-1_000_000, 1_000_000)


@given(JUMPS, st.integers(0, 254), st.integers(0, 300))
def test_after_a_jump_or_a_cleared_counter_the_second_reading_is_believed(
    jump: int, peak: int, count: int
) -> None:
    """Whatever a device's clock and counters do once, it is believed when it goes on from there."""
    told = pool(0, 0, peak=peak, refused=count)
    first = at(300, told, sampled_at=Micros(NOW + (300 + jump) * SECOND))
    second = at(600, told, sampled_at=Micros(NOW + (600 + jump) * SECOND))
    verdict = judge(at(0), first, SIZES)
    if isinstance(verdict, Accepted):
        reference = first
    elif verdict.renewed is None:
        assert verdict.kind == "stale"
        reference = at(0)
    else:
        reference = verdict.renewed
        assert [p.used for p in reference.pools] == [150], "usage is as it was believed last"
        assert isinstance(judge(reference, second, SIZES), Accepted)
        return
    assert judge(reference, second, SIZES) is not None


VALUES = st.one_of(st.integers(-5, 400), st.floats(), st.none())


@given(VALUES, VALUES, VALUES, VALUES, JUMPS, JUMPS)
def test_no_reading_with_an_impossible_value_is_ever_believed(
    used: Any, capacity: Any, peak: Any, count: Any, jump: int, boot: int
) -> None:
    block = BlockReading(1, used, capacity, peak)
    told = PoolReading(1, "bng1/home", used, capacity, (block,), count)
    reading = at(
        300,
        told,
        sampled_at=Micros(NOW + (300 + jump) * SECOND),
        booted_at=Micros(NOW + boot * SECOND),
    )
    verdict = judge(at(0), reading, SIZES)
    good = [isinstance(value, int) and value >= 0 for value in (used, capacity)]
    good += [value is None or (isinstance(value, int) and value >= 0) for value in (peak, count)]
    if not all(good) or used > min(capacity, 256):
        assert isinstance(verdict, Refused)
