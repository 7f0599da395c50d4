"""What holds of decisions for all demands: no oscillation, enough, never too little, no trust in one reading."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.decision import decide
from casm_ctrl.control.deciding.guards import caps
from casm_ctrl.control.deciding.policy import Policy
from casm_ctrl.control.deciding.view import (
    BlockView,
    CancelDrain,
    Decision,
    Drain,
    GiveBack,
    Grow,
    Nothing,
    PoolView,
    Reading,
)
from tests.deciding_world import DAY, LIMITS, NOW, policy, prefix, reading, stock

EVERY = 30


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any that automation acts by, with or without marks of an operator."""
    values: dict[str, Any] = {"hold_down": draw(st.sampled_from([60, 300, 900]))}
    kind = draw(st.sampled_from(["role", "percent", "free"]))
    if kind == "percent":
        values["grow_at"] = draw(st.integers(20, 100))
        values["shrink_at"] = draw(st.integers(0, values["grow_at"] - 1))
    elif kind == "free":
        values["grow_at_free"] = draw(st.integers(0, 300))
        values["shrink_at_free"] = draw(st.integers(values["grow_at_free"] + 1, 1200))
    values["reserve"] = draw(st.integers(0, 40))
    values["history"] = draw(st.sampled_from([0, 1, 7]))
    return policy(draw(st.sampled_from(["bng", "cgn", "dhcp"])), **values)


class Toy:
    """A device pool that does at once what is decided: blocks fill in their order, drained ones empty."""

    def __init__(self, wanted: Policy, blocks: int) -> None:
        self.policy = wanted
        self.now = NOW
        self.blocks = [self._new(number, automatic=False) for number in range(1, blocks + 1)]
        self.numbers = blocks
        self.readings: list[Reading] = []
        self.last_grow: int | None = None
        self.last_shrink: int | None = None
        self.first = NOW
        self.peaks: dict[int, int] = {}
        self.done: list[Decision] = []

    def _new(self, number: int, *, automatic: bool) -> BlockView:
        return BlockView(
            number=number,
            prefix=prefix(number),
            capacity=254,
            automatic=automatic,
            ever_used=False,
            allocated_at=self.now,
        )

    @property
    def capacity(self) -> int:
        return sum(one.capacity for one in self.blocks if one.wanted == "present")

    def look(self, wanted: int, seconds: int = EVERY) -> Decision:
        self.now += seconds * SECOND
        used = min(wanted, self.capacity)
        for index, one in enumerate(self.blocks):
            if one.wanted != "present":
                self.blocks[index] = dataclasses.replace(one, used=0)
        found = reading(tuple(self.blocks), used, self.now)
        self.blocks = [
            dataclasses.replace(one, ever_used=one.ever_used or found.blocks.get(one.number, 0) > 0)
            for one in self.blocks
        ]
        self.readings = [*self.readings[-64:], found]
        day = (self.now - self.first) // DAY
        self.peaks[day] = max(self.peaks.get(day, 0), used)
        decision = decide(self.view(), self.now)
        self._act(decision)
        self.done.append(decision)
        return decision

    def view(self) -> PoolView:
        return PoolView(
            label="bng1/home",
            policy=self.policy,
            limits=LIMITS,
            blocks=tuple(self.blocks),
            readings=tuple(self.readings),
            stock=stock(10_000, 20_000),
            first_sample=self.first - 30 * DAY,
            peaks=(0,) * 7 if not self.peaks else (*(0,) * 6, *self.peaks.values()),
            last_grow=self.last_grow,
            last_shrink=self.last_shrink,
            grow_caps=caps(LIMITS, "grow", {}),
            drain_caps=caps(LIMITS, "drain", {}),
        )

    def _act(self, decision: Decision) -> None:
        match decision.action:
            case Grow(count, _):
                for _ in range(count):
                    self.numbers += 1
                    self.blocks.append(self._new(self.numbers, automatic=True))
                self.last_grow = self.now
            case Drain(number):
                self._change(
                    number, wanted="drained", state="draining", automatic_drain=True, drained_at=self.now
                )
                self.last_shrink = self.now
            case CancelDrain(number):
                self._change(
                    number, wanted="present", state="installed", automatic_drain=False, drained_at=None
                )
            case GiveBack(number):
                self.blocks = [one for one in self.blocks if one.number != number]

    def _change(self, number: int, **values: Any) -> None:
        self.blocks = [
            dataclasses.replace(one, **values) if one.number == number else one for one in self.blocks
        ]


@given(policies(), st.integers(0, 12), st.integers(0, 2500))
@settings(max_examples=60, deadline=None)
def test_constant_demand_comes_to_rest_and_stays_there(wanted: Policy, blocks: int, demand: int) -> None:
    toy = Toy(wanted, blocks)
    for _ in range(20):
        toy.look(demand)
    for _ in range(60):
        toy.look(demand, 300)
    toy.done.clear()
    for _ in range(60):
        toy.look(demand, 600)
    assert [one for one in toy.done if isinstance(one.action, Grow | CancelDrain)] == []
    assert toy.capacity >= demand


@given(policies(), st.integers(0, 12), st.integers(0, 2500))
@settings(max_examples=60, deadline=None)
def test_constant_demand_never_adds_after_something_was_given_back(
    wanted: Policy, blocks: int, demand: int
) -> None:
    toy = Toy(wanted, blocks)
    for _ in range(150):
        toy.look(demand, 120)
    kinds = [type(one.action) for one in toy.done if not isinstance(one.action, Nothing)]
    if Drain in kinds:
        assert Grow not in kinds[kinds.index(Drain) :]
        assert CancelDrain not in kinds


@given(policies(), st.lists(st.integers(0, 2000), min_size=3, max_size=12))
@settings(max_examples=60, deadline=None)
def test_never_less_is_left_than_was_needed(wanted: Policy, demands: list[int]) -> None:
    toy = Toy(wanted, 0)
    for demand in demands:
        for _ in range(12):
            decision = toy.look(demand, 300)
            if isinstance(decision.action, Drain):
                assert toy.capacity >= demand


@given(policies(), st.integers(1, 2000))
@settings(max_examples=60, deadline=None)
def test_growth_is_enough(wanted: Policy, demand: int) -> None:
    toy = Toy(wanted, 1)
    for _ in range(400):
        toy.look(demand)
        if toy.capacity > demand:
            break
    assert toy.capacity >= demand


@given(policies(), st.integers(1, 8), st.data())
@settings(max_examples=60, deadline=None)
def test_one_wild_reading_changes_nothing(wanted: Policy, blocks: int, data: st.DataObject) -> None:
    toy = Toy(wanted, blocks)
    calm = data.draw(st.integers(0, toy.capacity * 3 // 10), label="calm")
    for _ in range(100):
        toy.look(calm, 120)
    if any(not isinstance(one.action, Nothing) for one in toy.done[-40:]):
        return
    wild = data.draw(st.integers(0, toy.capacity), label="wild")
    first, second = toy.look(wild), toy.look(calm)
    assert isinstance(first.action, Nothing)
    assert isinstance(second.action, Nothing)


@given(policies(), st.integers(1, 6), st.integers(0, 1500), st.integers(0, 500))
@settings(max_examples=60, deadline=None)
def test_more_demand_never_gets_less(wanted: Policy, blocks: int, demand: int, more: int) -> None:
    def added(of: int) -> int:
        toy = Toy(wanted, blocks)
        used = min(of, toy.capacity)
        shown = tuple(reading(tuple(toy.blocks), used, NOW + at * SECOND) for at in (0, 60))
        view = dataclasses.replace(toy.view(), readings=shown)
        action = decide(view, NOW + 60 * SECOND).action
        return action.count if isinstance(action, Grow) else -1 if isinstance(action, Drain) else 0

    assert added(demand + more) >= added(demand)


@given(policies(), st.integers(0, 6), st.lists(st.integers(0, 2500), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_an_observer_never_acts_and_every_decision_is_explained(
    wanted: Policy, blocks: int, demands: list[int]
) -> None:
    watched = dataclasses.replace(
        wanted, grow=policy(grow="observe").grow, shrink=policy(shrink="observe").shrink
    )
    toy = Toy(watched, blocks)
    for demand in demands:
        decision = toy.look(demand)
        assert isinstance(decision.action, Nothing) or decision.would
        assert decision.rule
        assert decision.because
        assert decision.inputs["readings"]
        again = decide(toy.view(), toy.now)
        assert again.rule
        if isinstance(decision.action, Nothing):
            assert again == decision
