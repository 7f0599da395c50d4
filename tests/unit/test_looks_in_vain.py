"""A device that tells each second that a pool is full, and gets nothing, is not read each second for ever."""

from __future__ import annotations

import asyncio

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.polling import Polling
from casm_ctrl.control.loop.controller import MOST_NOTICES, Watch
from casm_ctrl.control.loop.schedule import EAGER, rest_after
from casm_ctrl.drivers.notices import Level, UsageNotice

POLLING = Polling(interval=300, hot_interval=30)
FULL = UsageNotice("full", Level.EXHAUSTED, Family.IPV4)


def watch_for(seconds: float) -> Watch:
    return Watch("bng1", due=asyncio.get_running_loop().time() + seconds)


def test_the_first_looks_follow_at_once_and_later_ones_ever_more_rarely() -> None:
    rests = [rest_after(vain, POLLING) for vain in range(40)]
    assert rests[:EAGER] == [0.0] * EAGER
    assert rests[EAGER:] == sorted(rests[EAGER:])
    assert rests[EAGER] == 1.0
    assert rests[-1] == 30.0


async def test_what_is_told_counts_until_a_look_comes_of_itself() -> None:
    watch = watch_for(1000)
    for number in range(1, EAGER):
        watch.tell("bng1", FULL)
        assert await watch.wait()
        assert watch.vain == {"full": number}
        watch.take()
    watch.due = 0.0
    assert not await watch.wait()
    assert watch.vain == {}


async def test_another_pool_of_the_device_does_not_wait_for_the_one_that_is_full() -> None:
    watch = watch_for(1000)
    watch.vain["full"] = EAGER + 10
    watch.tell("bng1", FULL)
    waiting = asyncio.create_task(watch.wait())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    watch.tell("bng1", UsageNotice("other", Level.HIGH, Family.IPV4))
    assert await asyncio.wait_for(waiting, 5)
    assert {notice.pool for notice in watch.take()} == {"full", "other"}


async def test_what_made_no_sense_is_not_forgotten_for_what_is_told_after_it() -> None:
    watch = watch_for(1000)
    nonsense = UsageNotice(None, fault="addresses-used is 'NaN'")
    for notice in (nonsense, nonsense, UsageNotice(None), UsageNotice(None)):
        watch.tell("bng1", notice)
    assert watch.take() == [nonsense, UsageNotice(None)]


async def test_what_is_pushed_never_waits() -> None:
    watch = watch_for(1000)
    for _ in range(3 * EAGER):
        watch.tell("bng1", UsageNotice(None))
        assert await asyncio.wait_for(watch.wait(), 5)
        watch.take()
    assert watch.vain == {}


async def test_of_a_flood_the_newest_of_each_pool_is_kept() -> None:
    watch = watch_for(1000)
    for number in range(10 * MOST_NOTICES):
        watch.tell("bng1", UsageNotice("full", Level.EXHAUSTED, Family.IPV4, refused=number))
    assert [notice.refused for notice in watch.notices] == [10 * MOST_NOTICES - 1]
    for number in range(10 * MOST_NOTICES):
        watch.tell("bng1", UsageNotice(f"p{number}", family=Family.IPV4))
    assert len(watch.notices) == MOST_NOTICES
