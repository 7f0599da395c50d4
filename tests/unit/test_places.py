"""The slow never make the others wait; on a timer that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from casm_ctrl.sync.places import Places


class Timers:
    """Instead of the event loop's clock."""

    def __init__(self) -> None:
        self.set: list[Timer] = []
        self.busy = 0.0
        """Seconds that were computed, in all."""

    def computed(self) -> float:
        return self.busy

    def call_later(self, seconds: float, action: Callable[[], None]) -> Timer:
        timer = Timer(action)
        self.set.append(timer)
        return timer

    def all_expire(self) -> None:
        """The patience with all that work now is over."""
        due, self.set = self.set, []
        for timer in due:
            if not timer.cancelled:
                timer.action()


class Timer:
    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def places(count: int, timers: Timers, *, aside: int = 10) -> Places:
    return Places(count, aside=aside, call_later=timers.call_later, computed=timers.computed)


class Crowd:
    """Workers who have a place until they are told to leave."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.working: list[str] = []
        self._done: dict[str, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, *names: str) -> None:
        for name in names:
            self._done[name] = asyncio.Event()
            self._tasks.append(asyncio.create_task(self._work(name)))
        await settle()

    async def go(self, *names: str) -> None:
        for name in names:
            self._done[name].set()
        await settle()

    async def all_go(self) -> None:
        for done in self._done.values():
            done.set()
        await asyncio.gather(*self._tasks)

    async def _work(self, name: str) -> None:
        async with self.places.place():
            self.working.append(name)
            await self._done[name].wait()
            self.working.remove(name)


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_work_than_there_are_places() -> None:
    crowd = Crowd(places(2, Timers()))
    await crowd.come("a", "b", "c", "d")
    assert crowd.working == ["a", "b"]
    await crowd.go("a")
    assert crowd.working == ["b", "c"]
    await crowd.all_go()


async def test_the_slow_give_their_places_up() -> None:
    timers = Timers()
    crowd = Crowd(places(2, timers))
    await crowd.come("dead1", "dead2", "a", "b", "c")
    assert crowd.working == ["dead1", "dead2"]
    timers.all_expire()
    await settle()
    assert crowd.working == ["dead1", "dead2", "a", "b"]
    await crowd.go("a")
    assert crowd.working == ["dead1", "dead2", "b", "c"]
    await crowd.go("dead1", "dead2")  # theirs went to others already
    await crowd.come("d", "e", "f")
    assert crowd.working == ["b", "c"]
    await crowd.all_go()


async def test_those_aside_are_bounded_and_make_room_for_the_next() -> None:
    timers = Timers()
    crowd = Crowd(places(2, timers, aside=1))
    await crowd.come("slow1", "slow2", "a", "b")
    timers.all_expire()
    await settle()
    assert crowd.working == ["slow1", "slow2", "a"]  # one aside; slow2 keeps its place
    await crowd.go("slow1")
    assert crowd.working == ["slow2", "a", "b"]  # slow2 is aside now
    await crowd.go("slow2")
    await crowd.come("c")
    assert crowd.working == ["a", "b"]
    await crowd.all_go()


async def test_who_waits_to_be_set_aside_and_ends_gives_one_place_back() -> None:
    timers = Timers()
    crowd = Crowd(places(2, timers, aside=0))
    await crowd.come("slow1", "slow2", "a", "b", "c")
    timers.all_expire()
    await crowd.go("slow1", "slow2")
    assert crowd.working == ["a", "b"]
    await crowd.all_go()


async def test_who_is_done_in_time_is_not_set_aside() -> None:
    timers = Timers()
    crowd = Crowd(places(1, timers))
    await crowd.come("a")
    await crowd.go("a")
    timers.all_expire()
    await crowd.come("b", "c")
    assert crowd.working == ["b"]
    await crowd.all_go()


async def test_who_fails_or_is_cancelled_gives_the_place_back() -> None:
    only = places(1, Timers())
    with pytest.raises(ValueError, match="broken"):
        async with only.place():
            raise ValueError("broken")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(only.place())
        waiting = asyncio.create_task(stack.enter_async_context(only.place()))
        await settle()
        waiting.cancel()
        await settle()
        assert waiting.cancelled()
    async with asyncio.timeout(5), only.place():
        pass


async def test_nobody_is_set_aside_while_it_is_we_who_are_slow() -> None:
    timers = Timers()
    crowd = Crowd(places(1, timers))
    await crowd.come("a", "b")
    timers.busy += 0.9
    timers.all_expire()
    await settle()
    assert crowd.working == ["a"]
    timers.busy += 0.1
    timers.all_expire()
    await settle()
    assert crowd.working == ["a", "b"]
    await crowd.all_go()


async def test_the_event_loops_clock_is_used_where_none_is_given() -> None:
    hasty = Places(1, patience=0.0, computed=lambda: 0.0)
    async with AsyncExitStack() as stack, asyncio.timeout(5):
        for _ in range(3):
            await stack.enter_async_context(hasty.place())
