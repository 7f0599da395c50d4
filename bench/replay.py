"""What growing and shrinking achieves in a month of 200 device pools on 4 pools, against static equal shares.

Run with `make bench-replay`. For each seed a network is made up and replayed three times: with a stock of 1.15 times
the peak of needs in whole blocks, what rests in quarantine on top (nobody may be refused); with 1.15 times the peak of
subscribers (at most a tenth of the shortage of static equal shares of the same stock); and with those static shares.
Once more with pools that homes and offices share, where what is needed over a day is more than at any moment of it.
With `--shared` these pools only, by docs/shared-pools.json, which cuts off who is on a drained block after 15 minutes.
Prints a JSON list of {name, value, unit, goal, met} and writes it to bench/results/replay.json, or replay-shared.json.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from report import Report

from casm_ctrl.base.clock import from_rfc3339
from casm_ctrl.cli.beside import beside
from casm_ctrl.cli.replay_usage import make_network, usage_of
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.replay.course import Grid, lay_grid, replay
from casm_ctrl.control.replay.figures import Figures
from casm_ctrl.control.replay.policy_file import read_policy
from casm_ctrl.control.replay.samples import Usage
from casm_ctrl.control.replay.scenario import AUTOMATIC, NEEDS, STATIC, SUBSCRIBERS, Scenario

BEGIN = from_rfc3339("2026-11-02T00:00:00Z")
SHARING = replace(AUTOMATIC, policy={**AUTOMATIC.policy, "scarcity": "apply"})
"""For pools that homes and offices share: what the next hours do not need is drained for others."""
SHARED = Path(__file__).parents[1] / "docs" / "shared-pools.json"
"""The same, and nobody keeps a drained block for longer than 15 minutes."""


def judge(
    report: Report, name: str, usage: Usage, policy: Scenario, *, goals: bool = True, fast: bool = True
) -> None:
    """Replay a network under `policy` and under static shares, and report it. `goals`: nobody may be refused;
    `fast`: within two minutes."""
    grid = lay_grid(usage)

    def run(scenario: Scenario) -> Figures:
        return replay(scenario, usage, grid, decide)

    with beside([partial(run, policy.sized(SUBSCRIBERS))]) as others:
        full = run(policy.sized(NEEDS))
        static = run(STATIC.sized(SUBSCRIBERS))
        [tight] = others()
    add = partial(report.add)
    sizes(report, name, full, grid)
    zero = 0 if goals else None
    add(f"{name}: 1.15 x needs: login failures", full.refused, "subscribers", zero, at_most=True)
    add(f"{name}: 1.15 x needs: shortage", full.shortage_seconds / 60, "minutes")
    add(f"{name}: 1.15 x needs: utilisation of what is installed", full.utilisation * 100, "%")
    add(f"{name}: 1.15 x needs: blocks moved", full.added + full.returned, "blocks")
    add(f"{name}: 1.15 x needs: cut off", full.cut, "subscribers")
    add(f"{name}: 1.15 x subscribers: shortage", tight.shortage_seconds / 60, "minutes")
    add(f"{name}: 1.15 x subscribers: login failures", tight.refused, "subscribers")
    add(f"{name}: 1.15 x subscribers: cut off", tight.cut, "subscribers")
    add(f"{name}: 1.15 x subscribers: utilisation of what is installed", tight.utilisation * 100, "%")
    add(f"{name}: 1.15 x subscribers, static: shortage", static.shortage_seconds / 60, "minutes")
    add(f"{name}: 1.15 x subscribers, static: login failures", static.refused, "subscribers")
    add(
        f"{name}: 1.15 x subscribers, static: utilisation of what is installed", static.utilisation * 100, "%"
    )
    share = tight.shortage_seconds / static.shortage_seconds if static.shortage_seconds else 0.0
    add(f"{name}: 1.15 x subscribers: shortage in that of static", share, "", 0.1, at_most=True)
    add(f"{name}: one replay, of one processor", full.worked, "s", 120 if fast else None, at_most=True)
    add(f"{name}: one replay, by the clock", full.seconds, "s")


def sizes(report: Report, name: str, full: Figures, grid: Grid) -> None:
    """What the stock is made of, in blocks of all pools."""
    pools = full.pools.values()
    report.add(f"{name}: device pools", len(grid.wanted), "")
    report.add(f"{name}: peak of needs", sum(pool.needs for pool in pools), "blocks")
    report.add(f"{name}: stock, 1.15 x needs", sum(pool.size for pool in pools), "blocks")
    report.add(f"{name}: quarantined peak, on top", sum(pool.peak_resting for pool in pools), "blocks")
    report.add(f"{name}: most in use of it", sum(pool.peak_used for pool in pools), "blocks")
    report.add(f"{name}: sum of the device pools' own peaks", sum(pool.own for pool in pools), "blocks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--device-pools", type=int, default=200)
    parser.add_argument("--pools", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shared", action="store_true", help="pools that homes and offices share, with cuts")
    given = parser.parse_args()
    about: dict[str, Any] = vars(given)
    report = Report("replay-shared" if given.shared else "replay", **about)
    make = partial(make_network, given.days, given.device_pools, given.pools)
    for seed in given.seeds:
        usage = usage_of(make(seed, BEGIN, mixed=given.shared))
        report.say(f"seed {seed}: made up")
        if given.shared:
            policy = read_policy(str(SHARED))
            judge(report, f"seed {seed}, mixed pools, cutting", usage, policy, fast=False)
        else:
            judge(report, f"seed {seed}", usage, AUTOMATIC)
    if not given.shared:
        usage = usage_of(make(given.seeds[0], BEGIN, mixed=True))
        name = f"seed {given.seeds[0]}, mixed pools"
        judge(report, name, usage, SHARING, goals=False, fast=False)
    report.finish()


if __name__ == "__main__":
    main()
