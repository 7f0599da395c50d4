"""The stock of a replay: best fit, buddies that merge, blocks that rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Prefix, first_overlap, parse_prefix
from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.replay.stock import Stock

POOL = [parse_prefix("198.51.100.0/24"), parse_prefix("203.0.113.64/26")]


def test_the_smallest_that_holds_it_is_split() -> None:
    stock = Stock(POOL, 0)
    assert str(stock.allocate(27)) == "203.0.113.64/27"
    assert str(stock.allocate(27)) == "203.0.113.96/27"
    assert str(stock.allocate(27)) == "198.51.100.0/27"
    assert stock.allocate(23) is None
    assert stock.view("p").free == {25: 1, 26: 1, 27: 1}
    assert (stock.size, stock.taken, stock.left) == (320, 96, 224)


def test_a_block_rests_before_it_is_free() -> None:
    stock = Stock(POOL[1:], 60 * SECOND)
    block = stock.allocate(26)
    assert block is not None
    stock.give_back(block, 0)
    assert stock.allocate(26) is None
    assert not stock.end_rests(59 * SECOND)
    assert (stock.resting, stock.left) == (64, 0)
    assert stock.end_rests(60 * SECOND)
    assert stock.allocate(26) == block


def test_what_was_taken_with_its_subscribers_rests_for_the_longest_lease() -> None:
    stock = Stock(POOL[1:], 60 * SECOND, lease_time=3600 * SECOND)
    first, second = stock.allocate(27), stock.allocate(27)
    assert first is not None and second is not None
    stock.give_back(first, 0, forced=True)
    stock.give_back(second, 0)
    assert stock.end_rests(60 * SECOND)
    assert (stock.resting, stock.allocate(27)) == (32, second)
    assert not stock.end_rests(3599 * SECOND)
    assert stock.end_rests(3600 * SECOND)
    assert stock.allocate(27) == first


def test_another_block_stands_in_for_one_that_rests_on_top() -> None:
    stock = Stock(POOL[1:], 60 * SECOND, aside=True)
    block = stock.allocate(27)
    assert block is not None
    stock.give_back(block, 0)
    assert (stock.resting, stock.left) == (32, 64)
    taken = [stock.allocate(27), stock.allocate(27)]
    assert None not in taken
    assert block not in taken
    assert stock.allocate(27) is None
    stock.end_rests(60 * SECOND)
    assert stock.allocate(27) is None


@given(
    lengths=st.lists(st.integers(24, 30), max_size=30),
    returned=st.lists(st.integers(0, 29), max_size=30),
    aside=st.booleans(),
)
def test_nothing_is_given_twice_and_all_of_it_comes_back(
    lengths: list[int], returned: list[int], aside: bool
) -> None:
    stock = Stock(POOL, 10, aside=aside)
    held: list[Prefix] = []
    for now, length in enumerate(lengths):
        block = stock.allocate(length)
        if block is not None:
            held.append(block)
        if now < len(returned) and returned[now] < len(held):
            stock.give_back(held.pop(returned[now]), now)
        stock.end_rests(now)
        assert first_overlap(held) is None
        assert stock.taken == sum(one.size for one in held)
        assert stock.left == stock.view("p").left
    for block in held:
        stock.give_back(block, 100)
    stock.end_rests(1000)
    assert stock.left == stock.size
    if not aside:
        assert stock.view("p").free == {24: 1, 26: 1}
