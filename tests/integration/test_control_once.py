"""`casm control run --once` says which devices could not be looked at, and why."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control_world import ControlWorld, world_in


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlWorld]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with world_in(tmp_path) as made:
        yield made


def test_a_device_that_is_not_there_is_named_and_the_others_are_done(
    world: ControlWorld, tmp_path: Path
) -> None:
    gone = world.add("bng1")
    world.add("bng2")
    world.lab.stop(gone)
    world.devices.pop("bng1")
    store = str(tmp_path / "store" / "casm.db")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "casm_ctrl",
            "control",
            "run",
            "--once",
            "--json",
            "--database",
            store,
        ],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 1, result.stderr
    words = result.stderr.splitlines()
    assert [line.startswith("casm: bng1: ") for line in words] == [True], words
    assert json.loads(result.stdout)["control"]["failed-looks"] == 1
    assert world.installed("bng2") == 1
