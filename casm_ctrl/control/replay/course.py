"""The world on a clock that is moved: from step to step for each device pool, and closer where it gets tight."""

from __future__ import annotations

import random
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.deciding.policy import Limits
from casm_ctrl.control.replay.agent import Agent, Decide, first_blocks
from casm_ctrl.control.replay.figures import Figures, PoolFigures
from casm_ctrl.control.replay.ledger import Ledger
from casm_ctrl.control.replay.memory import Memory
from casm_ctrl.control.replay.samples import Usage, on_grid
from casm_ctrl.control.replay.scenario import Scenario
from casm_ctrl.control.replay.sizing import Drawing, Peaks, find_peaks, prefixes_of
from casm_ctrl.control.replay.stock import Stock
from casm_ctrl.control.replay.subscribers import Subscribers

STEP = 300
"""Seconds"""
LIFETIME = 8 * 3600
"""Seconds that a session lasts where a file does not say it."""
WORST = 10
"""Device pools that are listed with their minutes of shortage."""
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """Usage at every step, and what happens between steps."""

    start: int
    step: int
    """Microseconds"""
    steps: int
    wanted: Mapping[str, array[int]]
    between: Mapping[str, Mapping[int, Sequence[tuple[int, int]]]]
    """By device pool and step: the samples (when, how many) inside of it that are off the line."""
    restarts: Mapping[int, Sequence[tuple[int, str]]]
    """By step: (when, device)."""


def lay_grid(usage: Usage, step: int = STEP) -> Grid:
    """`step`: seconds. A sample that lies between two steps is kept where it is."""
    start, length = usage.start, step * SECOND
    steps = -(-(usage.end - start) // length)
    wanted, between = {}, {}
    for label, one in usage.series.items():
        wanted[label] = array("q", on_grid(one, start, start + steps * length, length))
        inside: dict[int, list[tuple[int, int]]] = {}
        for at, count in zip(one.times, one.counts, strict=True):
            place, rest = divmod(at - start, length)
            if rest:
                inside.setdefault(place, []).append((at, count))
        between[label] = inside
    restarts: dict[int, list[tuple[int, str]]] = {}
    for at, device in usage.restarts:
        if start <= at < usage.end:
            restarts.setdefault((at - start) // length, []).append((at, device))
    return Grid(start, length, steps, wanted, between, restarts)


def measure_pools(scenario: Scenario, usage: Usage, grid: Grid) -> dict[str, Peaks]:
    """What is asked of each pool at the most."""
    drawing: dict[str, list[Drawing]] = {}
    for label, one in usage.series.items():
        unit = scenario.policy_of(one).lengths[-1]
        drawing.setdefault(scenario.pool_of(one), []).append(Drawing(one, unit, grid.wanted[label]))
    return {name: find_peaks(drawing[name]) for name in sorted(drawing)}


def replay(
    scenario: Scenario,
    usage: Usage,
    grid: Grid,
    decide: Decide,
    *,
    seed: int = 0,
    peaks: Mapping[str, Peaks] | None = None,
    progress: Progress = lambda share: None,
) -> Figures:
    """Run a policy over usage; the same for one seed."""
    return _Run(scenario, usage, grid, decide, seed, peaks or measure_pools(scenario, usage, grid)).go(
        progress
    )


class _Run:
    def __init__(
        self,
        scenario: Scenario,
        usage: Usage,
        grid: Grid,
        decide: Decide,
        seed: int,
        peaks: Mapping[str, Peaks],
    ) -> None:
        self._grid, self._peaks = grid, peaks
        self.figures = Figures(scenario.name, grid.start, grid.start + grid.steps * grid.step)
        self._stocks: dict[str, Stock] = {}
        ledger = Ledger(Limits())
        members: dict[str, list[Agent]] = {name: [] for name in peaks}
        for name, peak in peaks.items():
            size = scenario.size_of(name)
            prefixes = prefixes_of(size, peak)
            family = {prefix.family for prefix in prefixes}
            if family != {peak.family}:
                raise InvalidValue(
                    f"the prefixes of the pool '{name}' are not all {peak.family.words}",
                    "name prefixes of the family of its device pools' blocks",
                )
            self._stocks[name] = stock = Stock(
                prefixes,
                scenario.quarantine_of(name) * SECOND,
                lease_time=scenario.lease_time_of(name) * SECOND,
                aside=size.times_needs is not None,
            )
            self.figures.pools[name] = PoolFigures(
                name=name,
                device_pools=0,
                unit=peak.unit,
                size=stock.size / peak.block,
                needs=peak.needs / peak.block,
                own=peak.own / peak.block,
                subscribers=peak.subscribers / peak.block,
                on_top=size.times_needs is not None,
            )
        for number, (label, one) in enumerate(sorted(usage.series.items())):
            name = scenario.pool_of(one)
            pool_figures = self.figures.pools[name]
            pool_figures.device_pools += 1
            subscribers = Subscribers(
                LIFETIME if one.session_lifetime is None else one.session_lifetime,
                one.session_timeout or 0,
                random.Random(f"{seed} {number} {label}"),  # noqa: S311 - a simulation
            )
            policy = scenario.policy_of(one)
            agent = Agent(
                one=one,
                policy=policy,
                polling=scenario.polling,
                install_delay=scenario.install_delay * SECOND,
                subscribers=subscribers,
                pool=name,
                stock=self._stocks[name],
                figures=self.figures,
                pool_figures=pool_figures,
                decide=None if scenario.static else decide,
                ledger=ledger,
                memory=Memory(policy),
            )
            members[name].append(agent)
        for agents in members.values():
            if scenario.static:
                _share_equally(agents, grid.start)
            else:
                self._begin(agents)
        self._agents = sorted(
            (agent for agents in members.values() for agent in agents),
            key=lambda agent: -agent.policy.priority,
        )
        self._of_device: dict[str, list[Agent]] = {}
        for agent in self._agents:
            self._of_device.setdefault(agent.one.device, []).append(agent)

    def _begin(self, agents: Sequence[Agent]) -> None:
        """Blocks that were there before the replay: as many as the first subscribers need."""
        for agent in agents:
            wanted = self._grid.wanted[agent.one.label][0]
            for _ in range(first_blocks(agent, wanted)):
                agent.begin(self._grid.start)

    def go(self, progress: Progress) -> Figures:
        began, worked = time.monotonic(), time.process_time()
        grid, figures = self._grid, self.figures
        for agent in self._agents:
            agent.subscribers.waiting = agent.subscribers.wanted = grid.wanted[agent.one.label][0]
            agent.subscribers.serve_waiting()
        for index in range(grid.steps):
            begin = grid.start + index * grid.step
            before = figures.shortage_seconds
            for stock in self._stocks.values():
                stock.end_rests(begin)
            restarts = {
                agent.one.label: at
                for at, device in grid.restarts.get(index, ())
                for agent in self._of_device.get(device, ())
            }
            for agent in self._agents:
                label = agent.one.label
                self._advance(agent, index, begin, grid.between[label].get(index), restarts.get(label))
            self._measure(begin + grid.step, figures.shortage_seconds - before)
            if index % 64 == 0:
                progress(index / grid.steps)
        figures.worst = [
            (agent.one.label, agent.short)
            for agent in sorted(self._agents, key=lambda agent: -agent.short)[:WORST]
            if agent.short
        ]
        figures.seconds = time.monotonic() - began
        figures.worked = time.process_time() - worked
        progress(1.0)
        return figures

    def _advance(
        self,
        agent: Agent,
        index: int,
        begin: int,
        between: Sequence[tuple[int, int]] | None,
        restart: int | None,
    ) -> None:
        end = begin + self._grid.step
        wanted = self._grid.wanted[agent.one.label][index + 1]
        at = begin
        for moment, count in (*(between or ()), (end, wanted)):
            if restart is not None and restart <= moment:
                part = agent.subscribers.wanted + (count - agent.subscribers.wanted) * (restart - at) // max(
                    1, moment - at
                )
                self._piece(agent, at, max(at, restart), part)
                at = max(at, restart)
                agent.restart(at)
                agent.look(at)
                restart = None
            self._piece(agent, at, moment, count)
            at = moment
        agent.look(end)

    def _piece(self, agent: Agent, begin: int, end: int, wanted: int) -> None:
        """A stretch in which as many as are wanted change evenly."""
        subscribers = agent.subscribers
        if end <= begin:
            return
        if agent.decide is None or agent.is_calm(wanted):
            agent.account(subscribers.pass_time(begin, end, wanted))
            return
        first, span = subscribers.wanted, end - begin
        at, polling = begin, agent.polling
        while at < end:
            to, source = end, ""
            if agent.high or not polling.notifications:
                pause = (polling.hot_interval if agent.high else polling.interval) * SECOND
                if at + pause < to:
                    to, source = at + pause, "poll"
            else:
                mark = agent.mark()
                here = first + (wanted - first) * (at - begin) / span
                if here < mark <= wanted:
                    crossing = at + int((mark - here) / (wanted - here) * (end - at)) + 1
                    if crossing < to:
                        to, source = crossing, "notice"
            if agent.coming and agent.coming[0][0] < to:
                to, source = max(at + 1, agent.coming[0][0]), ""
            agent.account(subscribers.pass_time(at, to, first + (wanted - first) * (to - begin) // span))
            at = to
            if agent.coming and agent.coming[0][0] <= at:
                agent.install_due(at)
                if not source and at < end:
                    agent.look(at)
            if source:
                agent.look(at, source)

    def _measure(self, now: int, short: float) -> None:
        figures, course = self.figures, self.figures.course
        wanted = served = capacity = 0
        for agent in self._agents:
            subscribers = agent.subscribers
            wanted += subscribers.wanted
            served += subscribers.wanted - subscribers.waiting
            for block in subscribers.blocks:
                capacity += block.capacity
        seconds = self._grid.step / SECOND
        figures.served_seconds += served * seconds
        figures.capacity_seconds += capacity * seconds
        course.times.append(now)
        course.wanted.append(wanted)
        course.served.append(served)
        course.capacity.append(capacity)
        course.short.append(short / 60)
        for name, stock in self._stocks.items():
            pool, size = figures.pools[name], self._peaks[name].block
            pool.peak_used = max(pool.peak_used, stock.taken / size)
            pool.peak_resting = max(pool.peak_resting, stock.resting / size)


def _share_equally(agents: Sequence[Agent], now: int) -> None:
    """Divide a pool once and for all: to each device pool in turn one block, until there is none."""
    left = list(agents)
    while left:
        left = [agent for agent in left if agent.begin(now)]
