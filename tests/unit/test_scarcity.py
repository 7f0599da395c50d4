"""Who gives back what when the stock is empty: by priority and fairness, at the least cost in subscribers."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.scarcity import Plan, share_out
from casm_ctrl.control.deciding.view import Loss, PoolView
from tests.deciding_world import NOW, block, policy, prefix, stock, view

EMPTY = stock(0)[0]
SIZE = 254


def pool(name: str, blocks: int, used: int, waiting: int = 0, priority: int = 100, **values: Any) -> PoolView:
    """A device pool of /24 blocks that are full in their order; `waiting` logins are refused just now."""
    start = sum(map(ord, name)) * 64
    made = tuple(block(start + number, prefix=prefix(start + number)) for number in range(blocks))
    first = view(made, (used, used)).readings
    given_policy = policy(priority=priority, reserve=0, min_blocks=values.pop("min_blocks", 0))
    counted = [
        type(one)(
            at=NOW - (1 - index) * SECOND,
            used=one.used,
            capacity=one.capacity,
            refused=index * waiting,
            refused_since=1,
            blocks=one.blocks,
        )
        for index, one in enumerate(first)
    ]
    return view(made, readings=tuple(counted), label=name, policy=given_policy, **values)


def moved(plan: Plan) -> list[tuple[str, str, str]]:
    return [(move.donor, move.taker, move.rule) for move in plan.moves]


def test_idle_blocks_go_first_and_cost_nobody_service() -> None:
    plan = share_out([pool("a", 1, 254, 100), pool("b", 3, 300), pool("c", 2, 500)], EMPTY)
    assert moved(plan) == [("b", "a", "idle")]
    assert (plan.subscribers, plan.refused, plan.unmet) == (0, 0, ())
    assert plan.moves[0].because == "a wants 354 and has 254; b wants 300 and keeps 508: nobody needs it"


def test_the_stock_comes_before_anybody() -> None:
    plan = share_out([pool("a", 1, 254, 100), pool("b", 3, 300)], stock(1)[0])
    assert (plan.moves, plan.from_stock) == ((), (("a", 1),))


def test_the_less_important_gives_to_the_more_important_and_the_cost_is_told() -> None:
    plan = share_out([pool("a", 1, 254, 100, priority=200), pool("b", 2, 400)], EMPTY)
    assert moved(plan) == [("b", "a", "priority")]
    assert (plan.subscribers, plan.refused) == (146, 146)
    assert plan.unmet == (("b", 146),)


def test_the_more_important_gives_only_what_is_idle() -> None:
    plan = share_out([pool("a", 1, 254, 100), pool("b", 2, 400, priority=200)], EMPTY)
    assert (plan.moves, plan.unmet) == ((), (("a", 100),))


def test_within_a_priority_the_emptier_gives_to_the_fuller() -> None:
    plan = share_out([pool("a", 1, 254, 500), pool("b", 4, 800)], EMPTY)
    assert moved(plan) == [("b", "a", "fairness")]
    assert [(share.label, share.before, share.after) for share in plan.shares] == [
        ("a", 254, 508),
        ("b", 1016, 762),
    ]


def test_who_is_not_asked_and_why() -> None:
    plan = share_out(
        [
            pool("a", 1, 254, 100),
            pool("b", 3, 0, held="device b"),
            pool("c", 3, 0, kind="percent"),
            pool("d", 3, 0, can_drain=False),
            pool("e", 3, 0, loss=Loss(at=NOW, cause="restarted", before=500)),
            pool("f", 3, 0, min_blocks=3),
            pool("g", 1, 0),
        ],
        EMPTY,
    )
    assert plan.moves == ()
    assert [label for label, _ in plan.kept] == ["b", "c", "d", "e"]


def test_a_larger_block_serves_several() -> None:
    wide = (block(1, prefix=prefix(0, 22), capacity=1022), block(2, prefix=prefix(1, 22), capacity=1022))
    rich = view(wide, (100, 100), label="rich")
    plan = share_out([pool("a", 1, 254, 100), pool("b", 1, 254, 200), rich], EMPTY)
    assert moved(plan) == [("rich", "b", "idle")]
    assert (plan.from_stock, plan.unmet) == ((("a", 1),), ())


world = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 1200), st.sampled_from([50, 100])), min_size=2, max_size=4
)


def _made(found: list[tuple[int, int, int]]) -> list[PoolView]:
    return [
        pool(chr(ord("a") + index), blocks, min(want, blocks * SIZE), max(0, want - blocks * SIZE), priority)
        for index, (blocks, want, priority) in enumerate(found)
    ]


@given(world)
@settings(max_examples=150, deadline=None)
def test_within_a_priority_the_fullest_is_as_little_full_as_any_plan_makes_it(
    found: list[tuple[int, int, int]],
) -> None:
    same = [(blocks, want, 100) for blocks, want, _ in found]
    plan = share_out(_made(same), EMPTY)
    total = sum(blocks for blocks, _, _ in same)

    def worst(counts: tuple[int, ...]) -> Fraction:
        fullest = max(Fraction(want, count * SIZE) for count, (_, want, _) in zip(counts, same, strict=True))
        return max(Fraction(1), fullest)

    ours = tuple(share.after // SIZE for share in plan.shares)
    assert sum(ours) == total
    every = itertools.product(range(1, total + 1), repeat=len(same))
    assert worst(ours) == min(worst(counts) for counts in every if sum(counts) == total)


@given(world)
@settings(max_examples=150, deadline=None)
def test_the_more_important_lack_as_little_as_any_plan_lets_them_and_lose_nothing_to_the_others(
    found: list[tuple[int, int, int]],
) -> None:
    plan = share_out(_made(found), EMPTY)
    needed = [max(1, -(-want // SIZE)) for _, want, _ in found]
    after = [share.after // SIZE for share in plan.shares]
    top = max(priority for _, _, priority in found)
    high = [index for index, one in enumerate(found) if one[2] == top]
    low = [index for index, one in enumerate(found) if one[2] != top]
    lack = sum(max(0, needed[index] - found[index][0]) for index in high)
    spare = sum(max(0, found[index][0] - needed[index]) for index in high)
    spare += sum(found[index][0] - 1 for index in low)
    assert sum(max(0, needed[index] - after[index]) for index in high) == max(0, lack - spare)
    assert sum(after[index] for index in high) >= sum(min(needed[index], found[index][0]) for index in high)


@given(world)
@settings(max_examples=150, deadline=None)
def test_no_more_is_moved_than_is_short_and_nobody_below_one_block(found: list[tuple[int, int, int]]) -> None:
    views = _made(found)
    plan = share_out(views, EMPTY)
    short = sum(max(0, -(-want // SIZE) - blocks) for blocks, want, _ in found)
    idle = [move for move in plan.moves if move.rule == "idle"]
    spare = sum(max(0, blocks - max(1, -(-want // SIZE))) for blocks, want, _ in found)
    assert len(idle) == min(short, spare)
    if short <= spare:
        assert len(plan.moves) == short
        assert plan.refused == 0
    assert all(share.after >= SIZE for share in plan.shares)
    assert len({(move.donor, move.block) for move in plan.moves}) == len(plan.moves)
    assert share_out(list(reversed(views)), EMPTY) == plan
