"""Work in processes beside this one, which have all that it has in memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from casm_ctrl.base.errors import CasmError


@contextlib.contextmanager
def beside(works: Sequence[Callable[[], Any]]) -> Iterator[Callable[[], list[Any]]]:
    """Begin each of `works` in a fork of this process. What is yielded waits for what they return, in order, and
    raises what one of them raised; whoever is still at work when the block is left is ended."""
    context = multiprocessing.get_context("fork")
    running = []
    for work in works:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_do, args=(work, theirs), daemon=True)
        with warnings.catch_warnings():  # what it does takes no lock that another thread may hold
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        running.append((process, ours))

    def results() -> list[Any]:
        return [_result(ours) for _, ours in running]

    try:
        yield results
    finally:
        for process, ours in running:
            ours.close()
            process.terminate()
            process.join()


def _do(work: Callable[[], Any], tell: Connection) -> None:
    try:
        tell.send((work(), None))
    except CasmError as error:
        tell.send((None, (error.message, error.remedy)))
    except KeyboardInterrupt:  # the process that began it was interrupted too, and says so
        return


def _result(ours: Connection) -> Any:
    try:
        value, error = ours.recv()
    except EOFError:
        raise CasmError(
            "a process beside this one ended early", "try again, with one policy at a time"
        ) from None
    if error is not None:
        raise CasmError(*error)
    return value
