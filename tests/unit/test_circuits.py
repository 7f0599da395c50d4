"""A device that does not answer is left alone for a while, then probed once at a time."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import CircuitOpen, NotFound
from casm_ctrl.cli.status import circuit_words
from casm_ctrl.service import circuits, views
from casm_ctrl.service.circuits import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, PROBE
from casm_ctrl.service.configuration import AddDevice, RemoveDevice, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester")


def fail(database: Database, times: int = 1, chance: float = 0.0) -> None:
    for _ in range(times):
        circuits.record_silence(database, "bng1", "no answer", chance)


def is_open(database: Database) -> bool:
    try:
        circuits.enter(database, "bng1")
    except CircuitOpen:
        return True
    return False


def test_it_opens_after_failures_in_a_row(network: Database) -> None:
    fail(network, FAILURES - 1)
    assert circuits.enter(network, "bng1") is False
    fail(network)
    with pytest.raises(
        CircuitOpen, match=r"left alone until .*: it did not answer in 3 runs.*no answer"
    ) as caught:
        circuits.enter(network, "bng1")
    assert "casm apply bng1" in caught.value.remedy
    assert circuits.enter(network, "bng2") is False


def test_an_answer_in_between_begins_anew(network: Database) -> None:
    fail(network, FAILURES - 1)
    circuits.record_answer(network, "bng1")
    fail(network, FAILURES - 1)
    assert not is_open(network)


def test_after_the_pause_one_run_probes(network: Database, clock: ManualClock) -> None:
    fail(network, FAILURES)
    clock.advance(FIRST_PAUSE - 1)
    assert is_open(network)
    clock.advance(1)
    assert circuits.enter(network, "bng1") is True
    assert is_open(network)  # for every other run
    circuits.record_answer(network, "bng1")
    assert circuits.enter(network, "bng1") is False


def test_a_probe_that_died_gives_way_to_the_next(network: Database, clock: ManualClock) -> None:
    fail(network, FAILURES)
    clock.advance(FIRST_PAUSE)
    assert circuits.enter(network, "bng1") is True
    clock.advance(PROBE)
    assert circuits.enter(network, "bng1") is True


def test_a_probe_that_fails_doubles_the_pause_up_to_the_longest(
    network: Database, clock: ManualClock
) -> None:
    fail(network, FAILURES)
    pauses = []
    for _ in range(9):
        passed = 0
        while is_open(network):
            clock.advance(30)
            passed += 30
        pauses.append(passed)
        fail(network)
    assert pauses[:4] == [60, 120, 240, 480]
    assert set(pauses[6:]) == {LONGEST_PAUSE}


def test_chance_makes_a_pause_shorter_by_a_quarter_at_most(network: Database, clock: ManualClock) -> None:
    fail(network, FAILURES, chance=1.0)
    clock.advance(FIRST_PAUSE * 3 / 4 - 1)
    assert is_open(network)
    clock.advance(1)
    assert not is_open(network)


def test_it_is_shown(network: Database, clock: ManualClock) -> None:
    def shown() -> object:
        listed = next(d for d in views.status(network)["device"] if d["name"] == "bng1")
        assert views.show_device(network, "bng1")["sync"].get("circuit") == listed["sync"].get("circuit")
        return listed["sync"].get("circuit")

    assert shown() is None
    fail(network)
    assert shown() == {"state": "closed", "failures": 1}
    fail(network, FAILURES - 1)
    until = "2023-11-14T22:14:20.000000Z"
    assert shown() == {"state": "open", "failures": FAILURES, "open-until": until}
    clock.advance(FIRST_PAUSE)
    assert shown() == {"state": "half-open", "failures": FAILURES, "open-until": until}


def test_the_silent_are_known(network: Database) -> None:
    assert circuits.silent_devices(network) == frozenset()
    fail(network)
    assert circuits.silent_devices(network) == {"bng1"}


def test_it_goes_with_its_device(network: Database) -> None:
    change(
        network, ME, [AddDevice("old", "bng", "ietf-address-pool", "192.0.2.9", 830, "casm", "env:X", "s")]
    )
    circuits.record_silence(network, "old", "no answer", 0.0)
    change(network, ME, [RemoveDevice("old")])
    with pytest.raises(NotFound):
        circuits.enter(network, "old")


@pytest.mark.parametrize(
    ("circuit", "words"),
    [
        ({"state": "closed", "failures": 1}, "did not answer in 1 run"),
        (
            {"state": "open", "failures": 3, "open-until": "2026-11-23T07:00:00.000000Z"},
            "did not answer in 3 runs, and is left alone until 2026-11-23 07:00:00Z",
        ),
        (
            {"state": "half-open", "failures": 3, "open-until": "2026-11-23T07:00:00.000000Z"},
            "did not answer in 3 runs; the next run tries it once",
        ),
    ],
)
def test_its_words(circuit: dict[str, Any], words: str) -> None:
    assert circuit_words(circuit) == words
