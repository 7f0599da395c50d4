"""Memory that sessions share: who has to go, who waits, and what a message becomes as a tree."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.netconf.server.memory import FREE, SMALL, Account, Memory, Room, give_back, tree_size


class World:
    """A memory with named accounts, and a clock that goes on by one at each move."""

    def __init__(self, most: int, free: int = 0) -> None:
        self.now = 0.0
        self.ended: list[str] = []
        self.memory = Memory(most, free=free, now=self._tick)

    def _tick(self) -> float:
        self.now += 1
        return self.now

    def open(self, name: str) -> Account:
        return self.memory.open(lambda: self.ended.append(name))


def test_where_nothing_moved_for_longest_goes_first() -> None:
    world = World(100)
    old, active, new = world.open("old"), world.open("active"), world.open("new")
    active.receives(10)
    old.receives(40)
    active.receives(30)
    new.sends(40)
    assert world.ended == ["old"]
    assert world.memory.held == 70 and world.memory.ended == 1


def test_what_everybody_may_hold_does_not_count() -> None:
    world = World(100, free=50)
    for number in range(100):
        world.open(str(number)).receives(50)
    assert world.ended == [] and world.memory.held == 0


def test_the_last_goes_too_where_it_alone_is_too_much() -> None:
    world = World(100)
    world.open("greedy").receives(101)
    assert world.ended == ["greedy"] and world.memory.held == 0


def test_what_is_closed_counts_nothing_any_more() -> None:
    world = World(100)
    account = world.open("one")
    account.receives(90)
    account.close()
    account.sends(1000)
    assert world.memory.held == 0 and world.ended == []


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 60)), max_size=50))
def test_it_never_holds_more_than_it_may(moves: list[tuple[int, bool, int]]) -> None:
    world = World(100, free=10)
    accounts = [world.open(str(number)) for number in range(6)]
    for number, incoming, octets in moves:
        (accounts[number].receives if incoming else accounts[number].sends)(octets)
        assert 0 <= world.memory.held <= 100
    for account in accounts:
        account.close()
    assert world.memory.held == 0


async def test_who_finds_no_room_waits_for_its_turn() -> None:
    room, order, go = Room(10), list[str](), asyncio.Event()

    async def take(name: str, octets: int) -> None:
        async with room.hold(octets):
            order.append(name)
            await go.wait()

    tasks = [asyncio.ensure_future(take(*what)) for what in (("a", 6), ("b", 8), ("c", 1))]
    await asyncio.sleep(0)
    assert order == ["a"]  # c would fit, and b would starve
    tasks[1].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["a", "c"]
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(30), room.hold(10):
        pass


def test_the_size_of_a_tree() -> None:
    assert tree_size(b"<a/>" * (SMALL // 4)) == 0
    nasty, plain = b"<a/>" * 10_000, b"<name>value</name>" * 10_000
    assert tree_size(nasty) > 80 * len(nasty)
    assert tree_size(plain) < 40 * len(plain)
    give_back()


@pytest.mark.parametrize("octets", [0, FREE])
def test_small_talk_is_free(octets: int) -> None:
    memory = Memory(1)
    memory.open(lambda: pytest.fail("nobody has to go")).receives(octets)
    assert memory.held == 0
