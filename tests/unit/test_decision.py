"""What becomes of each block: every combination of wish, state, sighting, count, ability and rule."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, TypeVar, cast

import pytest

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.drivers.interface import Abilities, UsageKind
from casm_ctrl.service.desired import Desired, DesiredPool
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.decision import Decision, decide

NOW = Micros(1_700_000_000 * SECOND)
HOUR = 3600 * SECOND
BOTH = Abilities(drain=True, usage=UsageKind.COUNT)
NEITHER = Abilities(drain=False, usage=UsageKind.PERCENT)
COUNTS_ONLY = Abilities(drain=False, usage=UsageKind.COUNT)
DRAIN_ONLY = Abilities(drain=True, usage=UsageKind.PERCENT)


T = TypeVar("T")


def made(kind: type[T], **values: Any) -> T:
    """A row with these values, and None in every column that does not matter here."""
    return kind(**{column.name: values.get(column.name) for column in dataclasses.fields(cast("Any", kind))})


def block(wanted: Wanted, state: State, *, number: int = 1, changed_at: int = NOW) -> BlockRow:
    return made(
        BlockRow,
        id=number,
        prefix=parse_prefix(f"10.0.{number}.0/24"),
        wanted=wanted,
        state=state,
        sent=True,
        changed_at=Micros(changed_at),
    )


DEVICE = made(DeviceRow, id=1, name="bng1")
POOL = made(DevicePoolRow, id=1, device_id=1, device="bng1", name="internet")


def desired(*blocks: BlockRow, rule: str = "operator", holds: dict[int, str] | None = None) -> Desired:
    findings = {
        number: (FindingRow("bng2", "zombie", "x", ("y",), number, True, NOW, words),)
        for number, words in (holds or {}).items()
    }
    pool = DesiredPool(dataclasses.replace(POOL, withdraw_when_unknown=rule), (), blocks)
    return Desired("abcdef", NOW, DEVICE, (pool,), (), findings, (), None, 9)


def outcome(decision: Decision) -> str:
    """What became of block 1, in one word."""
    if any(row.id == 1 for row in decision.removed):
        assert 1 not in decision.present
        return "emptied" if 1 in decision.emptied else "removed"
    if 1 in decision.held:
        assert 1 not in decision.present
        return "held"
    if 1 not in decision.present:
        return "ignored"
    words = "drained" if decision.present[1] else "present"
    return f"{words}, waits" if 1 in decision.waiting else words


def expected(
    wanted: Wanted, state: State, shown: bool, count: int | None, abilities: Abilities, rule: str
) -> str:
    """The table, written down as a person reads the design."""
    if state is State.QUARANTINED:
        return "ignored"
    if state is State.WITHDRAWING:
        return "removed"
    if wanted is Wanted.PRESENT:
        return "present"
    if wanted is Wanted.DRAINED:
        return "drained"
    if not shown:
        return "removed"
    if abilities.usage is UsageKind.COUNT and count is not None:
        if not abilities.drain:
            return "removed"
        return "emptied" if state is State.DRAINING and count == 0 else "drained, waits"
    if rule == "operator":
        return "removed"
    if rule == "after 0s" and (state is State.DRAINING or not abilities.drain):
        return "removed"
    return "drained, waits" if abilities.drain else "present, waits"


LIVE = (State.RESERVED, State.INSTALLED, State.DRAINING, State.WITHDRAWING, State.QUARANTINED)


@pytest.mark.parametrize(
    ("role", "state", "shown", "count", "abilities", "becomes"),
    [
        ("serves", State.INSTALLED, True, 0, BOTH, "drained, waits"),
        ("serves", State.DRAINING, True, 5, BOTH, "drained, waits"),
        ("serves", State.DRAINING, True, 0, BOTH, "emptied"),
        ("serves", State.WITHDRAWING, True, 5, BOTH, "drained, waits"),
        ("serves", State.WITHDRAWING, True, 0, BOTH, "removed"),
        ("serves", State.WITHDRAWING, True, 5, NEITHER, "removed"),
        ("serves", State.WITHDRAWING, False, 5, BOTH, "removed"),
        ("stands-by", State.DRAINING, True, 0, BOTH, "drained, waits"),
        ("stands-by", State.INSTALLED, True, None, NEITHER, "present, waits"),
        ("stands-by", State.INSTALLED, False, None, BOTH, "ignored"),
        ("stands-by", State.WITHDRAWING, False, None, BOTH, "removed"),
        ("stands-by", State.WITHDRAWING, True, 0, BOTH, "removed"),
    ],
)
def test_members_of_a_group_let_go_one_by_one(
    role: str, state: State, shown: bool, count: int | None, abilities: Abilities, becomes: str
) -> None:
    """Who stands by lets go last, and who still has subscribers drains on when another let go."""
    row = block(Wanted.ABSENT, state)
    wanted = desired(row)
    wanted = dataclasses.replace(wanted, pools=(dataclasses.replace(wanted.pools[0], role=role),))
    counts = {} if count is None else {1: count}
    assert outcome(decide(wanted, frozenset({1} if shown else ()), counts, abilities)) == becomes


def test_every_combination_has_the_outcome_of_the_design() -> None:
    rows = itertools.product(
        Wanted,
        LIVE,
        (False, True),
        (None, 0, 1),
        (BOTH, NEITHER, COUNTS_ONLY, DRAIN_ONLY),
        ("operator", "never", "after 1h", "after 0s"),
    )
    for wanted, state, shown, count, abilities, rule in rows:
        row = block(wanted, state)
        on_device = frozenset({1} if shown else ())
        counts = {} if count is None else {1: count}
        found = outcome(decide(desired(row, rule=rule), on_device, counts, abilities))
        what = (wanted, state, shown, count, abilities, rule)
        assert found == expected(wanted, state, shown, count, abilities, rule), what


def test_only_counts_of_a_drained_block_prove_it_empty() -> None:
    for abilities in (NEITHER, DRAIN_ONLY, COUNTS_ONLY):
        row = block(Wanted.ABSENT, State.DRAINING)
        assert not decide(desired(row), frozenset({1}), {1: 0}, abilities).emptied
    assert not decide(desired(block(Wanted.ABSENT, State.INSTALLED)), frozenset({1}), {1: 0}, BOTH).emptied


@pytest.mark.parametrize("state", [State.RESERVED, State.INSTALLED])
def test_a_held_block_is_not_installed(state: State) -> None:
    row = block(Wanted.PRESENT, state)
    found = decide(desired(row, holds={1: "an old startup"}), frozenset(), {}, BOTH)
    assert outcome(found) == "held"
    assert found.held[1] == "b1 10.0.1.0/24 is not installed: an old startup (seen on bng2)"


def test_a_held_block_that_is_there_stays() -> None:
    """Taking it away would cut its subscribers off; who shows it too is told of, and dealt with by a person."""
    row = block(Wanted.PRESENT, State.INSTALLED)
    assert outcome(decide(desired(row, holds={1: "w"}), frozenset({1}), {}, BOTH)) == "present"


def test_a_hold_does_not_keep_a_block_from_leaving() -> None:
    row = block(Wanted.ABSENT, State.INSTALLED)
    assert outcome(decide(desired(row, holds={1: "w"}), frozenset({1}), {}, NEITHER)) == "removed"


def test_a_count_of_many_is_told() -> None:
    row = block(Wanted.ABSENT, State.DRAINING)
    found = decide(desired(row), frozenset({1}), {1: 1234}, BOTH)
    assert found.waiting == {1: "b1 10.0.1.0/24 drains: 1,234 of its addresses are still in use"}


def test_what_automation_gave_back_never_goes_uncounted() -> None:
    """What a person released does, as withdraw-when-unknown says."""
    row = block(Wanted.ABSENT, State.DRAINING)
    assert decide(desired(row), frozenset({1}), {}, BOTH).removed == [row]
    given = dataclasses.replace(desired(row), given_back=frozenset({1}))
    found = decide(given, frozenset({1}), {}, BOTH)
    assert (found.removed, found.present) == ([], {1: True})
    assert "the device does not count who uses it" in found.waiting[1]
    assert decide(given, frozenset({1}), {1: 0}, BOTH).removed == [row]
    assert decide(dataclasses.replace(given, forced=frozenset({1})), frozenset({1}), {}, BOTH).removed == [
        row
    ]


def test_a_drain_that_is_forced_ends_with_subscribers_in_it() -> None:
    """But it is not proven empty, and a block that is not drained yet is drained first."""
    row = block(Wanted.ABSENT, State.DRAINING)
    found = decide(dataclasses.replace(desired(row), forced=frozenset({1})), frozenset({1}), {1: 7}, BOTH)
    assert outcome(found) == "removed"
    assert "withdrawn with 7 of its addresses in use" in found.warnings[0]
    row = block(Wanted.ABSENT, State.INSTALLED)
    found = decide(dataclasses.replace(desired(row), forced=frozenset({1})), frozenset({1}), {1: 7}, BOTH)
    assert outcome(found) == "drained, waits"


def test_subscribers_that_are_cut_off_are_told_of() -> None:
    row = block(Wanted.ABSENT, State.INSTALLED)
    found = decide(desired(row), frozenset({1}), {1: 7}, COUNTS_ONLY)
    assert "withdrawn while 7 of its addresses are in use" in found.warnings[0]
    assert not decide(desired(row), frozenset({1}), {1: 0}, COUNTS_ONLY).warnings


def test_a_release_by_hand_without_counts_is_warned_of() -> None:
    row = block(Wanted.ABSENT, State.INSTALLED)
    found = decide(desired(row), frozenset({1}), {}, NEITHER)
    assert "nobody knows who uses it" in found.warnings[0]


@pytest.mark.parametrize(
    ("ago", "abilities", "state", "goes"),
    [
        (HOUR - 1, NEITHER, State.INSTALLED, False),
        (HOUR, NEITHER, State.INSTALLED, True),
        (HOUR, DRAIN_ONLY, State.INSTALLED, False),
        (HOUR - 1, DRAIN_ONLY, State.DRAINING, False),
        (HOUR, DRAIN_ONLY, State.DRAINING, True),
    ],
)
def test_after_a_duration(ago: int, abilities: Abilities, state: State, goes: bool) -> None:
    row = block(Wanted.ABSENT, state, changed_at=NOW - ago)
    found = decide(desired(row, rule="after 1h"), frozenset({1}), {}, abilities)
    assert (outcome(found) == "removed") is goes
    assert bool(found.warnings) is goes


def test_blocks_are_decided_each_for_itself() -> None:
    rows = (
        block(Wanted.PRESENT, State.RESERVED, number=1),
        block(Wanted.ABSENT, State.DRAINING, number=2),
        block(Wanted.ABSENT, State.DRAINING, number=3),
        block(Wanted.DRAINED, State.INSTALLED, number=4),
    )
    found = decide(desired(*rows), frozenset({2, 3, 4}), {2: 0, 3: 5, 4: 9}, BOTH)
    assert found.present == {1: False, 3: True, 4: True}
    assert [row.id for row in found.removed] == [2]
    assert found.emptied == {2}
    assert set(found.waiting) == {3}


def test_a_group_drains_until_no_member_counts_a_subscriber() -> None:
    """They move from one member to the other."""
    row = block(Wanted.ABSENT, State.DRAINING)
    wanted = dataclasses.replace(desired(row), counted_elsewhere={1: 4})
    found = decide(wanted, frozenset({1}), {1: 0}, BOTH)
    assert outcome(found) == "drained, waits"
    assert found.waiting[1] == (
        "b1 10.0.1.0/24 drains: 4 of its addresses are still in use (4 of them on other members)"
    )
    assert (
        decide(wanted, frozenset({1}), {1: 3}, BOTH).waiting[1].startswith("b1 10.0.1.0/24 drains: 7 of its")
    )
    assert outcome(decide(desired(row), frozenset({1}), {1: 0}, BOTH)) == "emptied"
