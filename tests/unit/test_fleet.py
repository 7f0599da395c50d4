"""A run over many devices: what is tried again, what is passed over, and a result for every one.

The work on a device is the test's own; clock, pauses and chance too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import (
    AuthenticationFailed,
    CasmError,
    DeadlineExceeded,
    DeviceRefused,
    LeaseHeld,
    MassRemoval,
    SessionLost,
    Unreachable,
)
from casm_ctrl.service import circuits
from casm_ctrl.service.circuits import FAILURES, FIRST_PAUSE
from casm_ctrl.store.circuits import find_circuit
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import find_device
from casm_ctrl.store.events import Author
from casm_ctrl.sync.fleet import Pace, over_devices
from casm_ctrl.sync.report import Report, Result
from casm_ctrl.sync.run import Options, Run

ME = Author("tester")
GONE = Unreachable("no way there")


class Script:
    """What the visits of each device come to, one after the other: an error, or None."""

    def __init__(self, **outcomes: Sequence[CasmError | None]) -> None:
        self.outcomes = {name: list(each) for name, each in outcomes.items()}
        self.visits: list[str] = []
        self.pauses: list[float] = []
        self.told: list[tuple[str, str]] = []
        self.time = 0.0
        self.pace = Pace(now=lambda: self.time, sleep=self.sleep, chance=lambda: 1.0)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)

    async def work(self, run: Run, report: Report) -> None:
        self.visits.append(report.device)
        outcome = self.outcomes.get(report.device, [])
        error = outcome.pop(0) if outcome else None
        if error is not None:
            raise error
        report.result = Result.CHANGED

    async def run(
        self, database: Database, *names: str, forced: bool = False, **options: int
    ) -> list[Report]:
        return await over_devices(
            database,
            ME,
            names or ("bng1", "bng2"),
            Options(**options),  # type: ignore[arg-type]
            lambda device, words: self.told.append((device, words)),
            self.work,
            forced=forced,
            pace=self.pace,
        )


def failures(database: Database, name: str = "bng1") -> int:
    with database.read() as tx:
        device = find_device(tx, name)
        assert device is not None
        circuit = find_circuit(tx, device.id)
        return 0 if circuit is None else circuit.failures


async def test_what_passes_is_tried_again(network: Database) -> None:
    script = Script(bng1=[GONE, SessionLost("over"), None])
    first, second = await script.run(network, jobs=1)
    assert script.visits == ["bng1", "bng2", "bng1", "bng1"]
    assert script.pauses == [0.5, 1.0]
    assert (first.result, first.more) == (Result.CHANGED, {"tries": 3})
    assert first.warnings == ["done at try 3; the one before failed: over"]
    assert (second.result, second.more, second.warnings) == (Result.CHANGED, {}, [])
    assert failures(network) == 0


async def test_tries_are_bounded(network: Database) -> None:
    script = Script(bng1=[GONE] * 9)
    first, second = await script.run(network, retries=3)
    assert script.visits.count("bng1") == 4
    assert script.pauses == [0.5, 1.0, 2.0]
    assert (first.result, first.error, first.more["tries"]) == (Result.FAILED, GONE, 4)
    assert second.result is Result.CHANGED
    assert failures(network) == 1  # one run, however often it tried


async def test_time_is_bounded_too(network: Database) -> None:
    script = Script(bng1=[GONE] * 99)
    await script.run(network, "bng1", retries=99)
    assert sum(script.pauses) <= 60
    assert script.visits.count("bng1") < 15


@pytest.mark.parametrize(
    ("error", "silent"),
    [
        (DeviceRefused("no"), False),
        (AuthenticationFailed("no"), False),
        (MassRemoval("no"), False),
        (LeaseHeld("no"), False),
        (DeadlineExceeded("late", phase="RPC"), True),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_refusal_is_a_result(network: Database, error: CasmError, silent: bool) -> None:
    script = Script(bng1=[error])
    first, _ = await script.run(network)
    assert (first.result, first.error) == (Result.FAILED, error)
    assert script.visits.count("bng1") == 1
    assert failures(network) == int(silent)


async def test_what_is_final_is_not_tried_again(network: Database) -> None:
    script = Script()

    async def work(run: Run, report: Report) -> None:
        script.visits.append(report.device)
        report.final = True
        raise GONE

    options = Options()
    await over_devices(
        network, ME, ["bng1"], options, lambda *told: None, work, forced=False, pace=script.pace
    )
    assert script.visits == ["bng1"]


async def test_a_silent_device_is_passed_over_after_some_runs(network: Database, clock: ManualClock) -> None:
    script = Script(bng1=[GONE] * 99)
    for _ in range(FAILURES):
        await script.run(network, retries=0)
    script.visits.clear()
    first, second = await script.run(network)
    assert script.visits == ["bng2"]
    assert (first.result, second.result) == (Result.SKIPPED, Result.CHANGED)
    assert first.document()["error"]["app-tag"] == "circuit-open"
    await script.run(network, forced=True)
    assert "bng1" in script.visits
    clock.advance(2 * FIRST_PAUSE)
    script.visits.clear()
    await script.run(network, "bng1")
    assert script.visits == ["bng1"]  # a probe is one try
    script.outcomes.clear()
    clock.advance(4 * FIRST_PAUSE)
    (probed,) = await script.run(network, "bng1")
    assert probed.result is Result.CHANGED
    assert failures(network) == 0


async def test_retry_tries_those_that_are_passed_over(network: Database) -> None:
    for _ in range(FAILURES):
        circuits.record_silence(network, "bng1", "dead", 0.0)
    script = Script()
    first, _ = await script.run(network, retry=True)
    assert first.result is Result.CHANGED


async def test_an_answer_in_between_closes_the_circuit(network: Database) -> None:
    await Script(bng1=[GONE]).run(network, retries=0)
    assert failures(network) == 1
    await Script(bng1=[DeviceRefused("no")]).run(network)
    assert failures(network) == 0


async def test_those_that_were_silent_come_last(network: Database) -> None:
    circuits.record_silence(network, "bng1", "dead", 0.0)
    script = Script()
    reports = await script.run(network, jobs=1)
    assert script.visits == ["bng2", "bng1"]
    assert [report.device for report in reports] == ["bng1", "bng2"]


async def test_a_device_that_is_gone_has_a_result(network: Database) -> None:
    reports = await Script().run(network, "bng1", "nowhere")
    assert [report.result for report in reports] == [Result.CHANGED, Result.FAILED]


async def test_an_error_of_ours_does_not_cut_the_others_off(network: Database) -> None:
    done: list[str] = []

    async def work(run: Run, report: Report) -> None:
        if report.device == "bng1":
            raise ZeroDivisionError
        await asyncio.sleep(0)
        done.append(report.device)

    with pytest.raises(ZeroDivisionError):
        await over_devices(network, ME, ["bng1", "bng2"], Options(), lambda *told: None, work, forced=False)
    assert done == ["bng2"]


@pytest.mark.parametrize("jobs", [1, 2])
async def test_as_many_at_once_as_jobs(network: Database, jobs: int) -> None:
    at_once = 0
    together = asyncio.Barrier(jobs)

    async def work(run: Run, report: Report) -> None:
        nonlocal at_once
        at_once += 1
        assert at_once <= jobs
        async with asyncio.timeout(10):
            await together.wait()
        at_once -= 1

    options = Options(jobs=jobs)
    reports = await over_devices(
        network, ME, ["bng1", "bng2"], options, lambda *told: None, work, forced=True
    )
    assert [report.error for report in reports] == [None, None]


async def test_how_far_it_is_is_told(network: Database) -> None:
    script = Script(bng1=[DeviceRefused("no")])
    await script.run(network, jobs=1)
    assert [words for device, words in script.told if not device] == [
        "1 of 2 devices, 1 without success",
        "2 of 2 devices, 1 without success",
    ]
    assert ("bng1", "") in script.told
    assert ("bng2", "") in script.told
