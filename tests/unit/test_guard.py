"""The guards against removing too much, or out of an old store (promise 7)."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.errors import MassRemoval, StoreBehind
from casm_ctrl.service.guard import guard_generation, guard_removal
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.states import State


def block(number: int, length: int = 24, state: State = State.INSTALLED) -> BlockRow:
    known = {"id": number, "prefix": Prefix(Family.IPV4, number << 24, length), "state": state}
    values: Any = {column.name: known.get(column.name) for column in dataclasses.fields(BlockRow)}
    return BlockRow(**values)


def refused(removed: list[BlockRow], owned: list[BlockRow], confirmed: int | None = None) -> bool:
    try:
        guard_removal("bng1", removed, owned, confirmed)
    except MassRemoval:
        return True
    return False


def test_one_block_may_always_go() -> None:
    only = block(1, 8)
    assert not refused([only], [only])
    assert not refused([], [])


def test_a_tenth_of_the_addresses_may_go_and_no_more() -> None:
    owned = [block(number) for number in range(1, 31)]
    assert not refused(owned[:3], owned)
    assert refused(owned[:4], owned)


def test_addresses_count_not_blocks() -> None:
    large, small = block(1, 16), [block(number, 24) for number in range(2, 28)]
    owned = [large, *small]
    assert not refused(small[:20], owned)
    assert refused([large, small[0]], owned)


def test_a_family_is_not_hidden_behind_the_other() -> None:
    huge = replace(block(9), prefix=Prefix(Family.IPV6, 0, 48))
    owned = [*(block(number) for number in range(1, 4)), huge]
    assert refused(owned[:3], owned)
    assert refused(owned[2:], owned)


def test_what_is_not_on_the_device_does_not_count_as_held() -> None:
    there = [block(1), block(2)]
    owned = [*there, *(block(number, state=State.RESERVED) for number in range(3, 40))]
    assert refused(there, owned)


def test_a_confirmation_is_for_as_many() -> None:
    owned = [block(number) for number in range(1, 6)]
    assert refused(owned, owned, 4)
    assert not refused(owned, owned, 5)
    assert not refused(owned, owned, 6)


def test_the_refusal_says_how_many_and_what_to_do() -> None:
    owned = [block(1), block(2), block(3, 23)]
    with pytest.raises(MassRemoval) as refusal:
        guard_removal("bng1", owned[:2], owned, None)
    assert "2 blocks (512 IPv4 addresses, 50 % of what bng1 holds)" in refusal.value.message
    assert "'casm apply bng1 --confirm-removal 2'" in refusal.value.remedy


def test_nothing_held_is_said_in_words() -> None:
    gone = [block(1, state=State.RESERVED), block(2, state=State.RESERVED)]
    with pytest.raises(MassRemoval, match="all what bng1"):
        guard_removal("bng1", gone, gone, None)


@given(st.lists(st.integers(8, 32), min_size=1, max_size=20), st.data())
def test_the_rule_holds_for_any_sizes(lengths: list[int], data: st.DataObject) -> None:
    owned = [block(number, length) for number, length in enumerate(lengths, start=1)]
    removed = owned[: data.draw(st.integers(0, len(owned)))]
    total = sum(row.prefix.size for row in owned)
    going = sum(row.prefix.size for row in removed)
    assert refused(removed, owned) is (len(removed) > 1 and going * 10 > total)


# --- Generations ----------------------------------------------------------------------------------


def behind(
    marked: int | None, known: int, newest: int | None, last: int, removals: int = 0, ok: int | None = None
) -> bool:
    try:
        guard_generation("bng1", marked, known, newest, last, removals, ok)
    except StoreBehind as refusal:
        assert "later copy of this store" in refusal.message
        return True
    return False


@pytest.mark.parametrize(
    ("marked", "known", "newest", "last", "is_behind"),
    [
        (None, 0, None, 0, False),
        (3, 3, 7, 7, False),
        (2, 3, 6, 7, False),
        (4, 3, None, 7, True),
        (3, 3, 8, 7, True),
        (None, 3, 8, 7, True),
        (0, 0, 1, 0, True),
    ],
)
def test_a_device_that_knows_more(
    marked: int | None, known: int, newest: int | None, last: int, is_behind: bool
) -> None:
    assert behind(marked, known, newest, last) is is_behind


def test_even_an_edit_that_removes_nothing_waits_for_a_word() -> None:
    assert behind(4, 3, None, 0, removals=0)
    assert not behind(4, 3, None, 0, removals=0, ok=0)
    assert behind(4, 3, None, 0, removals=3, ok=2)
    assert not behind(4, 3, None, 0, removals=3, ok=3)
