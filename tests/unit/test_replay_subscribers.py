"""The subscribers of a replay: where they log in, who leaves, who is refused for how long."""

from __future__ import annotations

import random

import pytest

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.replay.subscribers import RETRY, Block, Subscribers

HOUR = 3600 * SECOND


def make(*capacities: int, lifetime: float = 0, timeout: float = 0) -> Subscribers:
    blocks = [
        Block(
            number, parse_prefix(f"192.0.2.{number * 16}/28"), capacity, 0, False, serves=True, installed=True
        )
        for number, capacity in enumerate(capacities)
    ]
    return Subscribers(lifetime, timeout, random.Random(1), blocks)


def used(subscribers: Subscribers) -> list[int]:
    return [block.used for block in subscribers.blocks]


def test_the_first_block_with_room_is_taken() -> None:
    subscribers = make(10, 10)
    assert subscribers.pass_time(0, 300 * SECOND, 14).short == 0
    assert used(subscribers) == [10, 4]
    assert subscribers.room() == (20, 14, 0)


def test_who_finds_no_room_is_refused_from_the_moment_that_it_is_full() -> None:
    subscribers = make(10)
    brought = subscribers.pass_time(0, 300 * SECOND, 20)
    assert (brought.refused, brought.short, brought.unserved) == (10, 150, 750)
    assert (subscribers.waiting, subscribers.used) == (10, 10)
    assert subscribers.refused == 10 + round(5 * 150 / RETRY)
    brought = subscribers.pass_time(0, 100 * SECOND, 20)
    assert (brought.refused, brought.short, brought.unserved) == (0, 100, 1000)
    brought = subscribers.pass_time(0, 300 * SECOND, 5)
    assert (brought.refused, brought.short) == (0, 200)
    assert subscribers.waiting == 0


def test_more_room_serves_who_waits() -> None:
    subscribers = make(10, 10)
    subscribers.blocks[1].serves = False
    subscribers.pass_time(0, 300 * SECOND, 15)
    subscribers.blocks[1].serves = True
    subscribers.serve_waiting()
    assert (subscribers.waiting, used(subscribers)) == (0, [10, 5])


def test_a_drained_block_empties_as_sessions_end() -> None:
    subscribers = make(100, 100, lifetime=3600)
    subscribers.pass_time(0, SECOND, 150)
    block = subscribers.blocks[0]
    block.serves, block.drained_at = False, 0
    left = []
    for hour in range(12):
        subscribers.pass_time(hour * HOUR, (hour + 1) * HOUR, 100)
        assert sum(used(subscribers)) + subscribers.waiting == 100
        left.append(block.used)
    assert 20 <= left[0] <= 50
    assert left == sorted(left, reverse=True)
    assert left[-1] == 0


def test_a_timeout_ends_every_session_of_a_drained_block() -> None:
    subscribers = make(100, 100, lifetime=1e9, timeout=7200)
    subscribers.pass_time(0, SECOND, 100)
    block = subscribers.blocks[0]
    block.serves, block.drained_at = False, 0
    subscribers.pass_time(0, HOUR, 100)
    assert 30 <= block.used <= 70
    subscribers.pass_time(HOUR, 2 * HOUR, 100)
    assert used(subscribers) == [0, 100]


def test_whoever_is_on_a_block_that_goes_asks_again() -> None:
    subscribers = make(10, 10)
    subscribers.pass_time(0, SECOND, 14)
    assert subscribers.cut(subscribers.blocks[0]) == 10
    assert (used(subscribers), subscribers.waiting) == ([10], 4)


def test_who_is_cut_off_and_finds_no_room_is_refused() -> None:
    subscribers = make(10, 10)
    subscribers.pass_time(0, SECOND, 14)
    subscribers.cut(subscribers.blocks[0])
    brought = subscribers.pass_time(0, 100 * SECOND, 14)
    assert (brought.refused, brought.short, brought.unserved) == (4, 100, 400)
    assert subscribers.pass_time(0, 100 * SECOND, 14).refused == 0


def test_who_was_cut_off_is_refused_also_where_a_block_comes_at_once() -> None:
    subscribers = make(10, 10)
    subscribers.pass_time(0, SECOND, 14)
    spare = subscribers.blocks[1]
    spare.capacity = 0
    subscribers.cut(subscribers.blocks[0])
    spare.capacity = 20
    subscribers.serve_waiting()
    brought = subscribers.pass_time(0, 100 * SECOND, 14)
    assert (brought.refused, brought.short) == (10, 0)


def test_who_is_cut_off_and_finds_room_is_not_refused() -> None:
    subscribers = make(10, 10)
    subscribers.pass_time(0, SECOND, 9)
    assert subscribers.cut(subscribers.blocks[0]) == 9
    assert subscribers.pass_time(0, 100 * SECOND, 9).refused == 0


def test_after_a_restart_everybody_asks_again() -> None:
    subscribers = make(10, 10)
    subscribers.pass_time(0, SECOND, 14)
    subscribers.blocks[0].serves = False
    subscribers.lose_all()
    assert (used(subscribers), subscribers.waiting) == ([0, 10], 4)
    assert subscribers.pass_time(0, 100 * SECOND, 14).refused == 4


@pytest.mark.parametrize("lifetime", [0, 600, 86400])
def test_nobody_is_lost_and_no_block_overfull(lifetime: float) -> None:
    subscribers, chance = make(30, 50, 20, lifetime=lifetime), random.Random(2)
    for step in range(500):
        wanted = chance.randrange(150)
        subscribers.pass_time(step * 300 * SECOND, (step + 1) * 300 * SECOND, wanted)
        assert sum(used(subscribers)) == subscribers.used == min(wanted, 100)
        assert all(0 <= block.used <= block.capacity for block in subscribers.blocks)
