"""Replays in which blocks go from one device pool to another: after days that they idled, and each evening."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from casm_ctrl.base.clock import SECOND, from_rfc3339
from casm_ctrl.cli.replay_usage import make_network, usage_of
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.policy import Mode
from casm_ctrl.control.deciding.view import Decision, Drain, PoolView
from casm_ctrl.control.replay.course import Grid, lay_grid, replay
from casm_ctrl.control.replay.policy_file import read_policy
from casm_ctrl.control.replay.samples import Series, Usage
from casm_ctrl.control.replay.scenario import (
    AUTOMATIC,
    NEEDS,
    STATIC,
    SUBSCRIBERS,
    PoolPlan,
    PoolSize,
    Scenario,
)

START = from_rfc3339("2026-11-02T00:00:00Z")
DAY = 24 * 3600 * SECOND
DOCS = Path(__file__).parents[2] / "docs"
SHARED = DOCS / "shared-pools.json"


def moving() -> Usage:
    """Two thirds of the customers of `old/home` leave it on the second day, and on the thirteenth as many come to
    `new/home`. A block of 16 serves 13."""
    courses = {
        "old/home": ((0.0, 60), (1.0, 60), (1.5, 20), (15.0, 20)),
        "new/home": ((0.0, 8), (12.0, 8), (14.0, 45), (15.0, 45)),
    }
    usage = Usage({label: Series(label, length=28, session_lifetime=7200) for label in courses})
    for label, points in courses.items():
        for days, count in points:
            usage.series[label].times.append(round(START + days * DAY))
            usage.series[label].counts.append(count)
    return usage


def with_blocks(count: int, **policy: object) -> Scenario:
    return replace(
        AUTOMATIC,
        policy={**AUTOMATIC.policy, **policy},
        pools={"*": PoolPlan(PoolSize(blocks=count))},
    )


def test_what_idles_for_a_week_goes_to_who_needs_it() -> None:
    """Six blocks of seven are with one of them at first; then the other needs four."""
    drained: list[tuple[float, str, str]] = []

    def watch(view: PoolView, now: int) -> Decision:
        found = decide(view, now)
        if isinstance(found.action, Drain) and not found.would:
            drained.append(((now - START) / DAY, view.label, found.rule))
        return found

    usage = moving()
    grid = lay_grid(usage)
    found = replay(with_blocks(7), usage, grid, watch)
    assert (found.refused, found.shortage_seconds, found.cut) == (0, 0, 0)
    assert found.rules["idle"] == found.rules["empty"] == found.returned == 3
    assert found.added == found.rules["threshold"] == 3
    assert found.pools["pool"].peak_used == found.pools["pool"].size == 7
    assert {(label, rule) for _, label, rule in drained} == {("old/home", "idle")}
    # A week of samples is there on the eighth day, and by then the first two days are what has to fit.
    assert 9.0 <= min(when for when, _, _ in drained) <= 9.5
    kept = replay(with_blocks(7, shrink=Mode.OBSERVE), usage, grid, decide)
    assert kept.returned == 0
    assert kept.refused > 0


def test_a_peak_of_last_week_keeps_what_it_needed() -> None:
    """One evening in the week is enough: what it needed stays for as long as it is within the history."""
    one = Series("old/home", length=28, session_lifetime=7200)
    for days, count in ((0.0, 60), (0.5, 60), (0.6, 20), (6.0, 20), (6.1, 60), (6.2, 20), (12.9, 20)):
        one.times.append(round(START + days * DAY))
        one.counts.append(count)
    usage = Usage({one.label: one})
    found = replay(with_blocks(7), usage, lay_grid(usage), decide)
    assert (found.drains, found.refused) == (0, 0)


@pytest.fixture(scope="module")
def shared() -> Usage:
    return usage_of(make_network(2, 12, 1, 1, START, mixed=True))


@pytest.fixture(scope="module")
def grid(shared: Usage) -> Grid:
    return lay_grid(shared)


def test_a_shared_pool_serves_everybody_where_a_drain_may_cut(shared: Usage, grid: Grid) -> None:
    """What the page of replays says of a month of 200 device pools, in two days of twelve."""
    cutting = read_policy(str(SHARED))
    found = replay(cutting.sized(NEEDS), shared, grid, decide)
    assert (found.refused, found.shortage_seconds) == (0, 0)
    assert found.rules["forced"] > 0
    assert found.cut > 0
    tight = replay(cutting.sized(SUBSCRIBERS), shared, grid, decide)
    static = replay(STATIC.sized(SUBSCRIBERS), shared, grid, decide)
    assert static.shortage_seconds > 0
    assert tight.shortage_seconds * 10 <= static.shortage_seconds


def test_what_was_cut_off_rests_for_the_longest_lease(shared: Usage, grid: Grid) -> None:
    cutting = read_policy(str(SHARED))
    rested = []
    for seconds in (600, 86_400):
        scenario = replace(cutting, pools={"*": PoolPlan(NEEDS, quarantine=600, lease_time=seconds)})
        found = replay(scenario, shared, grid, decide)
        rested.append(sum(pool.peak_resting for pool in found.pools.values()))
    assert rested[1] > 2 * rested[0]


def test_nobody_is_cut_off_unless_an_operator_said_so(shared: Usage, grid: Grid) -> None:
    scenario = replace(AUTOMATIC, policy={**AUTOMATIC.policy, "scarcity": "apply"})
    found = replay(scenario.sized(SUBSCRIBERS), shared, grid, decide)
    assert (found.cut, found.rules.get("forced", 0)) == (0, 0)
    assert found.drains > 0


def test_the_page_shows_the_policy_for_shared_pools() -> None:
    shown = [part.partition("```")[0] for part in (DOCS / "replay.md").read_text().split("```json\n")[1:]]
    assert SHARED.read_text() in shown
    assert json.loads(SHARED.read_text())["policy"]["force-after"] == "0s"
