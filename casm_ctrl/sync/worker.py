"""A task of its own for each device of an atomic run: a session belongs to the task that opened it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")
S = TypeVar("S")


class _LeftBehind(Exception):
    """What was entered is not as it was found."""


class Worker(Generic[S]):
    """Enters something, and there does one step after another, until it is closed.

    A step that was begun is done to its end, also where who asked for it waits no more: what comes next
    finds it done.
    """

    def __init__(self, enter: Callable[[], AbstractAsyncContextManager[S]]) -> None:
        self._enter = enter
        self._steps: asyncio.Queue[tuple[Callable[[], Awaitable[Any]], asyncio.Future[Any]] | None]
        self._steps = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._clean = False

    async def open(self) -> S:
        """What was entered; its error where that could not be."""
        opened: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._work(opened))
        return await opened

    async def do(self, step: Callable[[], Awaitable[T]]) -> T:
        """The result of `step`, or its error."""
        assert self._task is not None
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._steps.put_nowait((step, done))
        return await done

    async def close(self, *, clean: bool) -> None:
        """Leave what was entered, after the steps that were asked for; by an error where it is not `clean`,
        so that nobody uses it again. May be repeated."""
        if self._task is None:
            return
        self._clean = clean
        self._steps.put_nowait(None)
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # who opened it, or asked for the step, was told

    async def _work(self, opened: asyncio.Future[S]) -> None:
        try:
            async with self._enter() as inside:
                if not opened.done():
                    opened.set_result(inside)
                while (item := await self._steps.get()) is not None:
                    step, done = item
                    if done.cancelled():
                        continue
                    try:
                        result = await step()
                    except BaseException as error:
                        if done.done():
                            continue
                        done.set_exception(error)
                    else:
                        if not done.done():
                            done.set_result(result)
                if not self._clean:
                    raise _LeftBehind
        except BaseException as error:
            if opened.done():
                raise
            with contextlib.suppress(asyncio.InvalidStateError):
                opened.set_exception(error)


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them, or the error of the first that fails: those that wait then wait no more, and no other is begun."""
    tasks = [asyncio.create_task(work) for work in works]
    if not tasks:
        return
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
            raise error
