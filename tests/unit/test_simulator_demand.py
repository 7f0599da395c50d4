"""The generator of demand: its shape over day and week, what events do to it, and that its numbers add up."""

from __future__ import annotations

import random
from statistics import mean, pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.demand import (
    CURVES,
    DAY,
    HOUR,
    Burst,
    Demand,
    Event,
    MassRelogin,
    Restart,
    Step,
    fleet,
    spread,
)

MONDAY = from_rfc3339("2026-11-23T00:00:00Z")


def after(seconds: float) -> Micros:
    return Micros(MONDAY + round(seconds * SECOND))


def steady(*events: Event, session: float = 0.0) -> Demand:
    return Demand(1000, MONDAY, "flat", noise=0, session=session, events=events)


def steps(demand: Demand, count: int, seconds: float = 300) -> list[Step]:
    return list(demand.steps(MONDAY, seconds, count))


@pytest.mark.parametrize(("curve", "peak", "trough"), [("residential", 21, 5), ("business", 10, 2)])
def test_a_day_has_its_peak_and_its_trough(curve: str, peak: int, trough: int) -> None:
    day = [Demand(1000, MONDAY, curve, noise=0).wanted(after(hour * HOUR)) for hour in range(24)]
    assert (day.index(max(day)), day.index(min(day))) == (peak, trough)
    assert max(day) == 1000
    assert min(day) == {"residential": 450, "business": 200}[curve]


def test_offices_are_empty_at_the_weekend_and_homes_are_not() -> None:
    for curve, share in (("residential", 1.05), ("business", 0.35)):
        demand = Demand(1000, MONDAY, curve, noise=0)
        assert demand.wanted(after(5 * DAY + 10 * HOUR)) == pytest.approx(
            share * demand.wanted(after(10 * HOUR)), abs=1
        )


def test_the_subscribers_clocks_may_be_elsewhere() -> None:
    there = Demand(1000, MONDAY, noise=0, utc_offset=5 * HOUR)
    assert there.wanted(after(16 * HOUR)) == 1000


def test_growth_is_by_the_day_and_compound() -> None:
    grown = Demand(1000, MONDAY, "flat", noise=0, growth=0.01)
    assert grown.wanted(MONDAY) == 1000
    assert grown.wanted(after(30 * DAY)) == round(1000 * 1.01**30)


def test_noise_has_its_deviation_and_no_bias() -> None:
    noisy = Demand(100_000, MONDAY, "flat", noise=0.05)
    values = [noisy.wanted(after(hour * HOUR)) for hour in range(0, 24 * 365, 3)]
    assert mean(values) == pytest.approx(100_000, rel=0.01)
    assert pstdev(values) == pytest.approx(5_000, rel=0.2)


def test_one_seed_gives_one_demand_and_another_another() -> None:
    first, again, other = (Demand(1000, MONDAY, seed=seed) for seed in (1, 1, 2))
    assert steps(first, 300) == steps(again, 300)
    assert steps(first, 300) != steps(other, 300)
    assert fleet(20, MONDAY, seed=1) == fleet(20, MONDAY, seed=1) != fleet(20, MONDAY, seed=2)


EVENTS = st.lists(
    st.one_of(
        st.builds(Burst, st.integers(0, 9000).map(after), st.integers(1, 900), st.sampled_from([0, 600])),
        st.builds(Restart, st.integers(0, 9000).map(after)),
        st.builds(MassRelogin, st.integers(0, 9000).map(after)),
    ),
    max_size=4,
).map(tuple)


@given(
    st.sampled_from(sorted(CURVES)),
    st.integers(0, 500),
    EVENTS,
    st.integers(1, 900),
    st.sampled_from([0.0, 30.0, 8.0 * HOUR]),
)
def test_the_numbers_of_each_step_add_up(
    curve: str, subscribers: int, events: tuple[Event, ...], seconds: int, session: float
) -> None:
    demand = Demand(subscribers, MONDAY, curve, session=session, events=events)
    wanted = demand.wanted(MONDAY)
    for step in demand.steps(MONDAY, seconds, 12):
        assert 0 <= step.logouts <= wanted
        assert step.logins >= 0
        wanted += step.logins - step.logouts
        assert step.wanted == wanted == demand.wanted(step.at)


def test_sessions_end_though_as_many_are_wanted() -> None:
    """What empties a drained block: after one mean session length 1/e of those who were there are left."""
    for size in (20, 5000):
        demand = Demand(size, MONDAY, "flat", noise=0, session=8 * HOUR)
        left = [float(size)] * 40
        for walk, _ in enumerate(left):
            for step in Demand(size, MONDAY, "flat", noise=0, session=demand.session, seed=walk).steps(
                MONDAY, 1800, 16
            ):
                left[walk] *= 1 - step.logouts / size
        assert mean(left) / size == pytest.approx(0.368, rel=0.08)
    assert all(step.logouts == 0 for step in steps(steady(), 12))


def test_a_burst_comes_at_once_and_leaves_one_by_one() -> None:
    demand = steady(Burst(after(900), 544, stay=HOUR))
    assert [step.logins for step in steps(demand, 4)] == [0, 0, 544, 0]
    assert demand.wanted(after(900 + HOUR)) == round(1000 + 544 / 2.718281828)
    assert steady(Burst(after(900), 544, stay=0)).wanted(after(30 * DAY)) == 1544


def test_a_restart_loses_all_and_all_come_back() -> None:
    demand = steady(Restart(after(600), downtime=120, back=300))
    found = steps(demand, 10, 60)
    assert [step.restarted for step in found] == [step.at == after(600) for step in found]
    (restart,) = (step for step in found if step.restarted)
    assert (restart.logouts, restart.wanted, restart.logins) == (1000, 0, 0)
    assert [demand.wanted(after(600 + seconds)) for seconds in (0, 119, 120, 270, 420)] == [
        0,
        0,
        0,
        500,
        1000,
    ]


def test_a_step_that_is_longer_than_a_restart_has_all_of_it() -> None:
    (step,) = (step for step in steps(steady(Restart(after(310), 60, 60)), 4) if step.restarted)
    assert (step.wanted, step.logins, step.logouts) == (1000, 1000, 1000)


def test_a_mass_relogin_is_no_restart() -> None:
    step = steps(steady(MassRelogin(after(310), back=60)), 2)[1]
    assert (step.wanted, step.logins, step.logouts, step.restarted) == (1000, 1000, 1000, False)


def test_a_walk_may_begin_with_others_than_want_to_be_there() -> None:
    walk = steady().walk(MONDAY, logged_in=0)
    assert walk.to(after(1)) == Step(after(1), 1000, 1000, 0, False)


@given(st.integers(0, 300), st.lists(st.integers(0, 90), max_size=6), st.integers())
def test_who_leaves_was_there(count: int, present: list[int], seed: int) -> None:
    leaving = spread(count, present, random.Random(seed))
    assert sum(leaving) == min(count, sum(present))
    assert all(0 <= gone <= there for gone, there in zip(leaving, present, strict=True))


def test_everybody_leaves_alike() -> None:
    chance = random.Random(7)
    gone = [spread(1, [100, 300], chance)[1] for _ in range(2000)]
    assert mean(gone) == pytest.approx(0.75, abs=0.04)


def test_a_fleet_is_not_in_step() -> None:
    demands = fleet(60, MONDAY)
    sizes = [demand.subscribers for demand in demands]
    assert max(sizes) > 6 * min(sizes)
    peaks = {
        max(range(0, 24 * HOUR, 600), key=lambda second: demand.wanted(after(second))) for demand in demands
    }
    assert len(peaks) > 10


@pytest.mark.parametrize("wrong", [{"curve": "moon"}, {"noise": -1.0}, {"session": -1.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidValue, match=f"'{next(iter(wrong.values()))}'|'{next(iter(wrong))}'"):
        Demand(1, MONDAY, **wrong)  # type: ignore[arg-type]
