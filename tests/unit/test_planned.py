"""A plan on its way: what is refused, what is taken up, and what became of it."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.errors import PlanOutdated
from casm_ctrl.drivers.interface import Action, Change, Edit, ObjectKey
from casm_ctrl.service.intent import Intent
from casm_ctrl.sync.basis import DeviceBasis, StoreBasis
from casm_ctrl.sync.difference import Difference
from casm_ctrl.sync.plan_file import DevicePlan, show_edit
from casm_ctrl.sync.planned import Planned

MARK = Change(Action.CHANGE, ObjectKey("pool", ("home",)), None)
ADD = Change(Action.ADD, ObjectKey("range", ("home", "b1")), 1)
REMOVE = Change(Action.REMOVE, ObjectKey("range", ("home", "b2")), 2)
BEFORE = DeviceBasis("before", {})
AFTER = DeviceBasis("after", {})
STORE = StoreBasis(3, {}, {"b1": {"wanted": "present"}})


def difference(*changes: Change, text: str = "x") -> Difference:
    config = (etree.fromstring(f"<a>{text}</a>"),) if changes else ()
    intent = Intent(4, (), (), frozenset(), (), 0, ())
    return Difference(Edit(config, changes), 4, (), intent)


def planned(made: Difference) -> Planned:
    edit = show_edit(made.edit.config)
    return Planned(DevicePlan("bng1", 4, edit, (), STORE, BEFORE), "0123456789ab")


def test_the_same_edit_is_taken_up() -> None:
    plan = planned(difference(ADD))
    again = difference(ADD)
    plan.take(again)
    assert plan.begun is again


def test_nothing_is_taken_up_where_nothing_was_planned() -> None:
    plan = planned(difference())
    plan.take(None)
    assert plan.begun is None


@pytest.mark.parametrize(
    ("made", "now"),
    [
        (difference(ADD), difference(ADD, text="y")),
        (difference(ADD), None),
        (difference(), difference(ADD)),
    ],
)
def test_another_edit_is_refused(made: Difference, now: Difference | None) -> None:
    plan = planned(made)
    with pytest.raises(PlanOutdated, match="bng1: the edit that is needed now is not the planned one"):
        plan.take(now)
    assert plan.begun is None


def test_what_moved_on_is_refused_and_named() -> None:
    plan = planned(difference(ADD))
    plan.check_store(STORE)
    plan.check_device(BEFORE)
    with pytest.raises(PlanOutdated, match="bng1: the store moved on since the plan: block b1 is gone"):
        plan.check_store(StoreBasis(3, {}, {}))
    with pytest.raises(PlanOutdated, match="bng1: the device moved on since the plan: pool is new"):
        plan.check_device(DeviceBasis("after", {"pool": {}}))


@pytest.mark.parametrize(
    ("left", "now", "made"),
    [
        ((), AFTER, True),
        ((), BEFORE, True),
        ((MARK, ADD), BEFORE, False),
        ((MARK, ADD), AFTER, False),  # a part of it was made, or somebody else was there
        ((MARK, REMOVE), AFTER, True),  # what follows it
        ((MARK,), AFTER, True),
    ],
    ids=str,
)
def test_what_became_of_it(left: tuple[Change, ...], now: DeviceBasis, made: bool) -> None:
    plan = planned(difference(MARK, ADD))
    plan.take(difference(MARK, ADD))
    assert plan.was_made(difference(*left) if left else None, now) is made
