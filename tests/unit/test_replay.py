"""Replays of small made-up networks: what the judgement of a month looks like, in three days of twelve device pools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli.replay_usage import make_network, usage_of
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.replay.agent import Agent
from casm_ctrl.control.replay.course import Grid, lay_grid, replay
from casm_ctrl.control.replay.figures import Figures
from casm_ctrl.control.replay.picture import draw
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


@pytest.fixture(scope="module")
def usage() -> Usage:
    return usage_of(make_network(3, 12, 4, 1, START))


@pytest.fixture(scope="module")
def grid(usage: Usage) -> Grid:
    return lay_grid(usage)


def line(*points: tuple[float, int], label: str = "bng1/home", **about: int) -> Usage:
    """One device pool with so many subscribers at these minutes."""
    one = Series(label, length=28, **about)  # type: ignore[arg-type]
    for minutes, count in points:
        one.times.append(round(START + minutes * 60 * SECOND))
        one.counts.append(count)
    return Usage({label: one})


def blocks(count: int, quarantine: int = 0, **policy: object) -> Scenario:
    return replace(
        AUTOMATIC,
        policy={**AUTOMATIC.policy, **policy},
        pools={"*": PoolPlan(PoolSize(blocks=count), quarantine)},
    )


def run(scenario: Scenario, usage: Usage) -> Figures:
    return replay(scenario, usage, lay_grid(usage), decide)


def test_with_what_needs_take_nobody_is_refused(usage: Usage, grid: Grid) -> None:
    found = replay(AUTOMATIC.sized(NEEDS), usage, grid, decide)
    assert (found.refused, found.shortage_seconds, found.cut) == (0, 0, 0)
    for pool in found.pools.values():
        assert pool.peak_used <= pool.size == -(-pool.needs * 23 // 20)
    assert found.added > 0


def test_with_little_it_is_far_better_than_equal_shares(usage: Usage, grid: Grid) -> None:
    found = replay(AUTOMATIC.sized(SUBSCRIBERS), usage, grid, decide)
    static = replay(STATIC.sized(SUBSCRIBERS), usage, grid, decide)
    assert static.refused > 0
    assert found.shortage_seconds * 10 <= static.shortage_seconds
    assert found.utilisation > static.utilisation
    assert static.decisions == static.added == static.returned == 0


def test_the_same_seed_gives_the_same_figures(usage: Usage, grid: Grid) -> None:
    scenario = AUTOMATIC.sized(PoolSize(times_subscribers=0.9))
    first, second = (replay(scenario, usage, grid, decide, seed=1) for _ in range(2))
    assert first.document() == second.document()
    assert first.course.served == second.course.served


@pytest.mark.parametrize(
    ("size", "policy"),
    [(NEEDS, {"history": 1}), (SUBSCRIBERS, {}), (PoolSize(times_subscribers=0.9), {"scarcity": "apply"})],
)
def test_who_rests_would_have_decided_to_do_nothing(
    monkeypatch: pytest.MonkeyPatch, size: PoolSize, policy: dict[str, object]
) -> None:
    usage = usage_of(make_network(2, 6, 3, 5, START))
    grid = lay_grid(usage)
    scenario = replace(AUTOMATIC, policy={**AUTOMATIC.policy, **policy}).sized(size)
    quick = replay(scenario, usage, grid, decide).document()
    monkeypatch.setattr(Agent, "rests", lambda self: False)
    slow = replay(scenario, usage, grid, decide).document()
    assert quick.pop("decisions") < slow.pop("decisions")
    for found in (quick, slow):
        found.pop("blocked-by")  # counted at each decision
    assert quick == slow


def test_a_notification_adds_a_block_before_the_first_is_full() -> None:
    told = run(blocks(4), line((0, 1), (5, 1), (10, 27)))
    assert (told.refused, told.pools["pool"].peak_used) == (0, 3)


def test_without_notifications_the_next_look_has_to_see_it() -> None:
    ramp = line((0, 1), (5, 1), (6, 27), (15, 27))
    deaf = replace(blocks(4), polling=replace(AUTOMATIC.polling, notifications=False))
    assert run(deaf, ramp).refused > 0
    assert run(blocks(4), ramp).refused < run(deaf, ramp).refused


def test_a_block_serves_when_it_is_installed() -> None:
    jump = line((0, 1), (5, 1), (5.02, 24), (20, 24))
    quick, slow = (run(replace(blocks(4), install_delay=delay), jump) for delay in (2, 240))
    assert 0 < quick.shortage_seconds < 10
    assert 230 < slow.shortage_seconds < 250


def test_an_empty_stock_is_told() -> None:
    found = run(blocks(1), line((0, 1), (60, 40)))
    assert found.refused == 40 - 13
    assert found.blocked["stock"] > 0
    assert found.worst[0][0] == "bng1/home"
    assert found.document()["pool"][0]["login-failures"] == 27


def test_what_nobody_used_rests_and_is_used_again() -> None:
    """A block that was added for a peak that did not come is back after the hold-down."""
    found = run(blocks(2, 600, hold_down=300), line((0, 1), (10, 11), (20, 2), (120, 2)))
    assert (found.added, found.returned, found.touched) == (1, 1, 0)
    assert found.pools["pool"].peak_resting == 1


def test_a_restart_takes_no_block_away() -> None:
    usage = line((0, 30), (60, 30), (60.5, 0), (62, 0), (66, 30), (180, 30), label="bng1/home")
    usage.restarts.append((Micros(START + 60 * 60 * SECOND), "bng1"))
    found = run(blocks(5, history=0, hold_down=60), usage)
    assert (found.refused, found.drains) == (0, 0)


def test_observe_changes_nothing() -> None:
    found = run(blocks(4, grow="observe", shrink="observe"), line((0, 1), (60, 40)))
    assert (found.added, found.drains) == (0, 0)
    assert found.refused > 0


def test_equal_shares_are_whole_blocks() -> None:
    usage = Usage(
        {label: line((0, 1), (60, 20), label=label).series[label] for label in ("a/x", "b/x", "c/x")}
    )
    found = run(replace(STATIC, pools={"*": PoolPlan(PoolSize(blocks=4))}), usage)
    assert found.pools["pool"].peak_used == 4
    assert found.refused == (20 - 13) * 2


def test_prefixes_of_the_other_family_are_refused() -> None:
    from casm_ctrl.addressing.prefix import parse_prefix

    scenario = replace(AUTOMATIC, pools={"*": PoolPlan(PoolSize(prefixes=(parse_prefix("2001:db8::/32"),)))})
    with pytest.raises(InvalidValue, match="the prefixes of the pool 'pool' are not all ipv4"):
        run(scenario, line((0, 1), (60, 2)))


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_two_policies_are_drawn(tmp_path: Path, suffix: str) -> None:
    ramp = line((0, 1), (60, 27), (120, 5))
    found = [run(scenario, ramp) for scenario in (AUTOMATIC, STATIC)]
    path = tmp_path / f"replay.{suffix}"
    draw(found, path)
    content = path.read_bytes()
    assert content[:4] == (b"\x89PNG" if suffix == "png" else b"<?xm")
    draw(found[:1], path)
    assert path.read_bytes() != content


def test_a_made_up_network_is_the_same_for_one_seed() -> None:
    first, second, other = (usage_of(make_network(1, 8, 4, seed, START)) for seed in (3, 3, 4))
    assert first == second
    assert first != other
    assert {one.pool for one in first.series.values()} <= {"home-1", "home-2", "home-3", "office-1"}
    assert len(first.series) == 8
