"""Work on threads: what it gives or raises comes back, and nobody leaves while it goes on."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from casm_ctrl.northbound.threads import done_by


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


async def test_what_is_done_comes_back_from_another_thread(threads: ThreadPoolExecutor) -> None:
    assert await done_by(threads, lambda: threading.get_ident()) != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
async def test_what_is_raised_comes_back(threads: ThreadPoolExecutor, error: BaseException) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await done_by(threads, work)
    assert raised.value is error


async def test_an_iterator_that_ended_hangs_nobody(threads: ThreadPoolExecutor) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await done_by(threads, lambda: next(iter(())))


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_leaves_when_the_work_is_done(
    threads: ThreadPoolExecutor, fails: bool
) -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go.wait(30)
        ended.set()
        if fails:
            raise ValueError

    task = asyncio.create_task(done_by(threads, work))
    assert await asyncio.to_thread(begun.wait, 30)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=0)
    assert not done
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_limit_of_time_counts_when_the_work_is_done(threads: ThreadPoolExecutor) -> None:
    go = threading.Event()

    async def let_go() -> None:
        go.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            later = asyncio.create_task(let_go())
            await done_by(threads, lambda: go.wait(30))
    await later


async def test_what_failed_is_not_kept(threads: ThreadPoolExecutor) -> None:
    """A request of many mebibytes that is refused goes at once, not at the next collection of cycles."""

    class Request:
        def refuse(self) -> None:
            raise ValueError

    async def ask() -> weakref.ref[Request]:
        request = Request()
        try:
            await done_by(threads, request.refuse)
        except ValueError:
            return weakref.ref(request)
        raise AssertionError

    gc.collect()
    gc.disable()
    try:
        kept = await ask()
        async with asyncio.timeout(30):
            while kept() is not None:  # noqa: ASYNC110 - the thread drops it a moment after it has told
                await asyncio.sleep(0.001)
    finally:
        gc.enable()
