"""What tests of the control loop share: devices of a module, and a store to copy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.clock import ManualClock
from tests.brakes_world import BEGIN, Slow
from tests.control_world import ControlWorld, control_template, copy_store
from tests.sync_world import Lab


@pytest.fixture(scope="module")
def control_lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def control_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with a space and a pool, closed: one file."""
    with control_template(tmp_path_factory.mktemp("control")) as path:
        yield path


@pytest.fixture
def control_world(
    control_lab: Lab, control_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ControlWorld]:
    """A store of this test's own, without devices."""
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    database = copy_store(control_store, tmp_path)
    made = ControlWorld(database, control_lab)
    yield made
    control_lab.stop(*made.devices.values())
    database.close()


@pytest.fixture
def slow_world(
    control_lab: Lab, control_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Slow]:
    """On a clock that the test moves."""
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    clock = ManualClock(BEGIN)
    database = copy_store(control_store, tmp_path, clock)
    made = Slow(database, control_lab, clock=clock, devices_clock=ManualClock(BEGIN))
    yield made
    control_lab.stop(*made.devices.values())
    database.close()
