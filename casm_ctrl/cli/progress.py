"""Show on a terminal how far long work is: on devices, each by itself, or on many like things."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casm_ctrl.cli.call import Document

Progress = Callable[[str, str], None]
"""Called with a device's name and its phase in words, '' when it is done; the name '' is the whole run."""

Work = Callable[[Progress], Coroutine[Any, Any, "Document"]]


def run(work: Work) -> Document:
    """Run `work` to its end in an event loop of its own; Ctrl-C cancels it."""
    with _shown() as progress:
        return asyncio.run(work(progress))


@contextlib.contextmanager
def _shown() -> Iterator[Progress]:
    """Live lines on stderr where that is a terminal, one for each device at work; else nothing."""
    if not sys.stderr.isatty():
        yield lambda device, phase: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[phase]}", style="dim", markup=False),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def progress(device: str, phase: str) -> None:
            if not phase:
                if device in tasks:
                    bars.remove_task(tasks.pop(device))
            elif device in tasks:
                bars.update(tasks[device], phase=phase)
            else:
                tasks[device] = bars.add_task(device or "all", total=None, phase=phase)

        yield progress


@contextlib.contextmanager
def counting(words: str, total: int, *, show: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal (and `show`), which ends without a trace. Called with how many
    more of the `total` are done."""
    if not (show and sys.stderr.isatty()):
        yield lambda more: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task(words, total=total)
        yield lambda more: bars.advance(task, more)
