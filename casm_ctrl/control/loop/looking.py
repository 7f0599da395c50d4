"""One look at a device: read it, judge the reading, keep it, and decide about each of its device pools."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import Accepted, DeviceReading, Refused
from casm_ctrl.control.deciding import guards
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.view import NOTHING, Decision, Drain, GiveBack, Loss, Nothing, PoolView
from casm_ctrl.control.loop import alarming
from casm_ctrl.control.loop.schedule import SOON, due_moments, is_hot, next_look, wants_agreement
from casm_ctrl.control.loop.viewing import Way, loss_of, made_of, reading_of, view_of
from casm_ctrl.control.usage.judging import Expected, judge
from casm_ctrl.drivers.interface import Abilities
from casm_ctrl.drivers.notices import UsageNotice
from casm_ctrl.service import looking, pool_facts
from casm_ctrl.service.control_state import Look
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.looking import Judged
from casm_ctrl.service.pool_facts import DeviceFacts, History, PoolFacts
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.sync.fitness import announced_modules
from casm_ctrl.sync.run import Run, entered
from casm_ctrl.sync.usage import noticed, poll

HOUR = 3600 * SECOND
"""The days of a device pool are read once in each hour."""


@dataclass(frozen=True)
class Todo:
    """A decision that is to be done."""

    pool: PoolFacts
    decision: Decision
    made: Made


@dataclass(frozen=True)
class Looked:
    """What a look came to. `due`: seconds until the next one. `alone`: a device pool is too full by one reading, and
    by no second one yet."""

    facts: DeviceFacts
    todo: tuple[Todo, ...]
    due: float
    alone: bool
    refused: tuple[Refused, ...]


@dataclass
class Looker:
    """Looks at devices for one controller. What it remembers saves reading, and decides nothing."""

    run: Run
    chance: Callable[[], float] = random.random
    decide: Callable[[PoolView, int], Decision] = decide
    _abilities: dict[str, Abilities] = field(default_factory=dict)
    _histories: dict[int, tuple[int, int, History]] = field(default_factory=dict)

    async def look(self, name: str, controller: int, notices: Sequence[UsageNotice]) -> Looked:
        """Read the device, and decide. `notices`: what it told by itself since the last look.

        Errors are those of a session with it. Superseded where another controller watches it now.
        """
        reading = await poll(self.run, name)
        heard = [await noticed(self.run, name, notice) for notice in notices]
        readings = [*(one for one in heard if one is not None), reading]
        work = _Work(self, await self._abilities_of(name))
        await self.run.store.run(looking.take, name, controller, readings, work)
        assert work.looked is not None
        return work.looked

    async def _abilities_of(self, name: str) -> Abilities:
        known = self._abilities.get(name)
        if known is None:
            async with entered(self.run, name) as (session, driver):
                known = self._abilities[name] = driver.abilities(await announced_modules(session))
        return known

    def forget(self, name: str) -> None:
        """The device did not answer: it may be able to do something else when it does."""
        self._abilities.pop(name, None)

    def history(self, tx: Transaction, number: int, days: int) -> History:
        known = self._histories.get(number)
        if known is None or known[0] != days or tx.now // HOUR != known[1] // HOUR:
            known = self._histories[number] = (days, tx.now, pool_facts.history(tx, number, days))
        return known[2]


@dataclass
class _Work:
    """Judges in the transaction of a look (service.looking.Judge)."""

    looker: Looker
    abilities: Abilities
    looked: Looked | None = None

    def believe(
        self,
        device: DeviceRow,
        previous: DeviceReading | None,
        reading: DeviceReading,
        sizes: Mapping[int, int],
    ) -> Accepted | Refused:
        return judge(previous, reading, Expected(sizes, device.polling.interval))

    def history(self, tx: Transaction, device_pool_id: int, days: int) -> History:
        return self.looker.history(tx, device_pool_id, days)

    def decide(self, tx: Transaction, facts: DeviceFacts, verdicts: Sequence[Accepted | Refused]) -> Judged:
        believed = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
        refused = [verdict for verdict in verdicts if isinstance(verdict, Refused) and verdict.grave]
        alarming.tell_readings(tx, facts.device.name, believed, refused)
        if facts.watch is not None and facts.watch.failures:
            alarming.tell_answer(tx, facts.device.name)
        polling = facts.device.polling
        hot, alone, moments, losses = False, False, list[int](), dict[int, looking.Loss]()
        todo: list[Todo] = []
        idle: list[Made] = []
        for pool in facts.pools:
            view = self._view(facts, pool, believed)
            loss = None if view.loss is None else (view.loss.at, view.loss.cause, view.loss.before)
            if loss != pool.control.loss:
                losses[pool.row.id] = None if loss is None else (Micros(loss[0]), loss[1], loss[2])
            decision = _doubted(self.looker.decide(view, facts.now), refused)
            made = made_of(facts, pool, decision)
            if decision.would or decision.blocked_by is not None or isinstance(decision.action, Nothing):
                idle.append(made)
                alarming.tell_decision(tx, pool.row.label, decision.alarm, decision.because)
            else:
                # Its alarms stay as they are until it is done, or refused.
                todo.append(Todo(pool, decision, made))
            hot = hot or is_hot(view, facts.now)
            if wants_agreement(view, decision):
                alone = True
                moments.append(facts.now + round(SOON * SECOND))
            moments += due_moments(view, facts.now)
        due = next_look(facts.now, polling, hot=hot, moments=moments, chance=self.looker.chance())
        booted = max((a.reading.booted_at for a in believed if a.reading.booted_at), default=None)
        restarted = any(accepted.restarted or accepted.suspicious for accepted in believed)
        self.looked = Looked(facts, tuple(todo), (due - facts.now) / SECOND, alone, tuple(refused))
        return Judged(Look(due, hot, booted, restarted), idle, losses)

    def _view(self, facts: DeviceFacts, pool: PoolFacts, believed: Sequence[Accepted]) -> PoolView:
        polling, watch = facts.device.polling, facts.watch
        hot = watch is not None and watch.hot
        way = Way(
            self.abilities.usage.value,
            self.abilities.drain,
            float(polling.hot_interval if hot else polling.interval),
        )
        view = view_of(facts, pool, way)
        return replace(view, loss=_loss(pool, view, believed))


def _doubted(decision: Decision, refused: Sequence[Refused]) -> Decision:
    """Nothing is taken back by older readings while the device tells what cannot be true."""
    if not refused or decision.blocked_by is not None or not isinstance(decision.action, (Drain, GiveBack)):
        return decision
    words = f"{decision.because}; but what the device told just now is not believed: {refused[-1].reason}"
    return replace(decision, action=NOTHING, blocked_by="bad-reading", because=words)


def _loss(pool: PoolFacts, view: PoolView, believed: Sequence[Accepted]) -> Loss | None:
    """How its subscribers were lost last, after what was just read."""
    known = None if pool.control.loss is None else loss_of(pool.control.loss)
    readings = [reading_of(sample) for sample in pool.samples]
    new = len(believed)
    for index in range(max(0, len(readings) - new), len(readings)):
        previous = readings[index - 1] if index else None
        booted = believed[index - len(readings) + new].reading.booted_at
        known = guards.notice_loss(previous, readings[index], booted, known)
    return known
