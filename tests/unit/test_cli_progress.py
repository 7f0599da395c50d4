"""What a terminal shows while devices are worked on."""

from __future__ import annotations

import io
import sys

import pytest

from casm_ctrl.cli import progress
from casm_ctrl.cli.call import Document


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def _work(tell: progress.Progress) -> Document:
    tell("bng1", "connecting")
    tell("bng2", "connecting")
    tell("bng1", "reading")
    tell("bng1", "")
    tell("", "1 of 2 devices")
    tell("bng2", "")
    tell("bng2", "")
    tell("", "2 of 2 devices, 1 without success")
    return {"device": []}


def test_devices_at_work_and_how_far_the_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert progress.run(_work) == {"device": []}
    last = terminal.getvalue().rpartition("all")[2]
    assert "2 of 2 devices, 1 without success" in last
    assert "bng" not in last


def test_where_there_is_no_terminal_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress.run(_work)
    stderr = sys.stderr
    assert isinstance(stderr, io.StringIO)
    assert stderr.getvalue() == ""
