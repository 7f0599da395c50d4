"""`casm` as a process: pipes, terminals, and how soon it answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from casm_ctrl.cli.main import app

DEADLINE = 60


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some blocks. Nothing here changes it."""
    path = tmp_path_factory.mktemp("store") / "cli.db"
    for line in (
        "init",
        "space add s",
        "pool add p --space s --prefix 198.51.100.0/24",
        "device add bng1 --role bng --driver ietf-address-pool --host 192.0.2.1 --user u --credential env:PW",
        "device-pool add bng1/home --pool p --length 28",
        "allocate bng1/home --count 16",
    ):
        ended = CliRunner().invoke(app, ["--database", str(path), *line.split()], prog_name="casm")
        assert ended.exit_code == 0, ended.stderr
    return path


def _environment(store: Path) -> dict[str, str]:
    """Ours without what changes how things look."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    return kept | {"CASM_DATABASE": str(store)}


def test_a_closed_pipe_is_quiet(store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-m", "casm_ctrl", "audit", "--limit", "1000"],
        env=_environment(store),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
    )
    os.close(writing)
    assert ended.stderr == b""


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_has_colours_unless_they_are_unwanted(store: Path, no_color: str) -> None:
    environment = _environment(store) | {"TERM": "xterm-256color", "COLUMNS": "200"}
    environment |= {"NO_COLOR": no_color} if no_color else {}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "casm_ctrl", "block", "list"], env=environment, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = _read_terminal(ours)
    assert process.wait(DEADLINE) == 0
    assert "198.51.100.0/28" in shown
    assert ("\x1b[36m" in shown) == (not no_color)


def _read_terminal(descriptor: int) -> str:
    """All that comes until the other end is closed."""
    data = b""
    while select.select([descriptor], [], [], DEADLINE)[0]:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the last process left the terminal
            break
        if not piece:
            break
        data += piece
    os.close(descriptor)
    return data.decode()


@pytest.mark.parametrize(("line", "more"), [("--help", {"asyncio"}), ("block list", set())])
def test_commands_that_ask_no_device_import_no_client(store: Path, line: str, more: set[str]) -> None:
    """The store imports asyncio, but who asks for help needs no store."""
    unwanted = {"ncclient", "asyncssh", "alembic", "pyang", "casm_ctrl.sync"} | more
    program = (
        "import sys, casm_ctrl.cli.main as m\n"
        f"sys.argv = ['casm', *{line.split()!r}]\n"
        "try: m.main()\n"
        "except SystemExit: pass\n"
        f"heavy = {unwanted!r} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=_environment(store),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
