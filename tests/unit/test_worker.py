"""A task that has something open, and does there what it is told; and many of them together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from casm_ctrl.sync.worker import Worker, together


class Place:
    """Notes which task was inside, and who left."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[object] | None] = []
        self.left = False

    @contextlib.asynccontextmanager
    async def enter(self) -> AsyncIterator[str]:
        self.tasks.append(asyncio.current_task())
        yield "inside"
        self.tasks.append(asyncio.current_task())
        self.left = True

    async def step(self) -> int:
        self.tasks.append(asyncio.current_task())
        return 7


async def test_all_is_done_in_one_task_that_is_not_ours() -> None:
    place = Place()
    worker = Worker(place.enter)
    assert await worker.open() == "inside"
    assert await worker.do(place.step) == 7
    await worker.close(clean=True)
    await worker.close(clean=True)
    assert place.left
    assert len(set(place.tasks)) == 1
    assert asyncio.current_task() not in place.tasks


@pytest.mark.parametrize("clean", [True, False])
async def test_what_is_not_clean_is_left_by_an_error(clean: bool) -> None:
    """So that nobody is lent a session on which locks or a trial were left."""
    ends: list[type[BaseException] | None] = []

    class Noting(contextlib.AbstractAsyncContextManager[None]):
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
            ends.append(kind)

    worker = Worker(Noting)
    await worker.open()
    await worker.close(clean=clean)
    assert [end is None for end in ends] == [clean]


async def test_errors_come_back_and_the_worker_goes_on() -> None:
    place = Place()
    worker = Worker(place.enter)
    await worker.open()

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await worker.do(fail)
    assert await worker.do(place.step) == 7
    await worker.close(clean=True)


async def test_what_cannot_be_entered_is_said_once() -> None:
    class Closed(contextlib.AbstractAsyncContextManager[None]):
        async def __aenter__(self) -> None:
            raise ValueError("closed")

        async def __aexit__(self, *_: object) -> None: ...

    worker = Worker(Closed)
    with pytest.raises(ValueError, match="closed"):
        await worker.open()
    await worker.close(clean=True)


async def test_a_step_that_was_begun_is_done_to_its_end() -> None:
    """Also where nobody waits for it any more; one that was not begun is not."""
    worker = Worker(Place().enter)
    await worker.open()
    begun, go_on, done = asyncio.Event(), asyncio.Event(), []

    async def slow() -> None:
        begun.set()
        await go_on.wait()
        done.append("slow")

    async def next_one() -> None:
        done.append("next")

    async def last() -> None:
        done.append("last")

    waiting = asyncio.create_task(worker.do(slow))
    await begun.wait()
    behind = asyncio.create_task(worker.do(next_one))
    await asyncio.sleep(0)
    for task in (waiting, behind):
        task.cancel()
    await asyncio.gather(waiting, behind, return_exceptions=True)
    go_on.set()
    await worker.do(last)
    assert done == ["slow", "last"]
    await worker.close(clean=True)


async def test_together_ends_with_the_first_that_fails() -> None:
    done = []
    never = asyncio.Event()

    async def good() -> None:
        done.append("good")

    async def bad() -> None:
        raise ValueError("bad")

    async def waits() -> None:
        await never.wait()

    await together([good(), good()])
    await together([])
    with pytest.raises(ValueError, match="bad"):
        await together([good(), bad(), waits()])
    assert done == ["good"] * 3
