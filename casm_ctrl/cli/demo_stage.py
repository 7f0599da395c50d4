"""What `casm demo` plays on: a store in a temporary folder, simulated devices, and commands run for real."""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from casm_ctrl.base.errors import CasmError, SessionLost
from casm_ctrl.cli.failures import INTERRUPTED
from casm_ctrl.cli.options import DATABASE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.cli.call import Document
    from casm_ctrl.simulator.control import ControlClient

PASSWORD = "CASM_DEMO_PASSWORD"  # noqa: S105 - the name of a variable
"""The variable in which the password of the simulated devices stands while the demo plays."""

_START = 30.0
_STOP = 5.0
"""Seconds that the simulator gets to listen, and to end."""


class Stage:
    """Tells the story and runs the commands in it. `silent`: nothing is shown, for --json."""

    def __init__(self, folder: Path, *, silent: bool) -> None:
        self.folder = folder
        self.silent = silent
        self.steps: list[Document] = []

    def step(self, title: str, *sentences: str) -> None:
        """Begin a part of the story."""
        from rich.text import Text

        self.steps.append({"title": title, "command": []})
        self.show("", Text(f"{len(self.steps)}. {title}", style="bold reverse"), *sentences)

    def show(self, *parts: RenderableType) -> None:
        from casm_ctrl.cli.output import print_parts

        if not self.silent:
            print_parts(parts)
            sys.stdout.flush()

    def run(self, line: str, *, status: int = 0) -> None:
        """Show `$ line` and run it; CasmError where it does not end with `status`."""
        from rich.text import Text

        self.show("", Text(f"$ {line}", style="bold cyan"))
        hidden = contextlib.nullcontext() if not self.silent else _hidden()
        with hidden:
            ended = _run_here(line)
        self.steps[-1]["command"].append({"line": line, "status": ended})
        if ended != status:
            raise CasmError(
                f"the demo stopped: '{line}' ended with {ended} instead of {status}",
                "see what it said above; with CASM_TRACEBACK=1 it says more",
            )

    def ask(self, line: str) -> Document:
        """Run `line`, which has --json, unseen; gives its answer."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            ended = _run_here(line)
        if ended != 0:
            raise CasmError(f"the demo stopped: '{line}' ended with {ended}", "see what it said above")
        answer: Document = json.loads(output.getvalue())
        return answer

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


def _run_here(line: str) -> int:
    """Run a command line of casm in this process, as the shell would run it; gives its exit status."""
    from casm_ctrl.cli.main import app

    try:
        app(args=shlex.split(line)[1:], prog_name="casm")
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 0
        if status == INTERRUPTED:  # the command has said so
            raise typer.Exit(INTERRUPTED) from None
        return status
    return 0


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def open_stage(*, silent: bool) -> Iterator[Stage]:
    """A stage with a store of its own; the folder and the variables are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="casm-demo-") as folder, _terminable():
        path = Path(folder)
        with _environment({DATABASE: str(path / "casm.db"), PASSWORD: "casm"}):
            yield Stage(path, silent=silent)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM leaves the way Ctrl-C does, so that the simulator and the folder go too."""

    def leave(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# --- The simulated devices ------------------------------------------------------------------------


@contextlib.contextmanager
def simulated_devices(folder: Path, count: int) -> Iterator[tuple[list[Document], ControlClient]]:
    """`count` devices in a process of their own: what each told (name, host, port), and how to control them."""
    from casm_ctrl.simulator.control import ControlClient

    control = folder / "control"
    errors = folder / "simulator.log"
    command = [
        *(sys.executable, "-m", "casm_ctrl.simulator"),
        *("--devices", str(count), "--name", "sim", "--control", str(control)),
    ]
    with errors.open("wb") as log:
        process = subprocess.Popen(  # unbuffered, so that select sees what is left of the output
            command, bufsize=0, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    try:
        described = [_described(process, errors) for _ in range(count)]
        with ControlClient(control) as client:
            yield described, client
    finally:
        _end(process)


def _described(process: subprocess.Popen[bytes], errors: Path) -> dict[str, Any]:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _START)
    line = process.stdout.readline() if ready else b""
    if not line:
        said = errors.read_text(errors="replace").strip().splitlines()
        why = said[-1] if said else f"it said nothing within {_START:g} s"
        raise SessionLost(f"the simulated devices did not start: {why}", "report this with that message")
    described: dict[str, Any] = json.loads(line)
    return described


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
