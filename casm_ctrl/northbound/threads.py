"""What blocks, done on threads for the event loop.

loop.run_in_executor and asyncio.shield would do the same by two more futures and two more turns of the loop, which is
a tenth of what a small request costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

_T = TypeVar("_T")


class _Outcome(asyncio.Future[_T]):
    """Of work that nobody can stop: who waits for it is cancelled only when it is done."""

    def cancel(self, msg: object = None) -> bool:
        return False


async def done_by(threads: Executor, work: Callable[[], _T]) -> _T:
    """What `work` gives. Cancelled, this still returns only when it is done."""
    outcome: _Outcome[_T] = _Outcome(loop=asyncio.get_running_loop())
    threads.submit(_run, [(outcome, work)])
    try:
        return await outcome
    finally:
        if outcome.done():
            outcome.exception()  # who was cancelled does not hear of it: nobody else asks
        # An error has this frame in its traceback: together they would keep the request for long.
        del outcome, work


def _run(task: list[tuple[_Outcome[_T], Callable[[], _T]]]) -> None:
    # Taken out of the list: the executor's frame, which is in the traceback too, keeps its arguments.
    outcome, work = task.pop()
    tell = outcome.get_loop().call_soon_threadsafe
    try:
        found = work()
    except StopIteration as error:  # no future takes it
        tell(outcome.set_exception, RuntimeError(f"the work stopped with {error!r}"))
    except BaseException as error:
        tell(outcome.set_exception, error)
    else:
        tell(outcome.set_result, found)
    finally:
        del outcome, work  # as above
