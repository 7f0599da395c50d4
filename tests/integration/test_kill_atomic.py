"""`kill -9` of `casm apply --atomic` before and after its decision, and what whoever comes next makes of it.

Not decided: all devices go back to the old. Decided: all go on to the new. Also where the next to come is a
plain apply to one of them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casm_ctrl.simulator import FaultKind, Moment

if TYPE_CHECKING:
    from tests.sync_world import World, Worlds

AT_ONCE = 3

BEFORE = (
    ("run-begun", 1),
    ("intent-after", 2),
    ("edit", 1),
    ("edit", 3),
    ("commit-record-before", 1),
    ("commit-record-after", 2),
    ("commit-sent", 1),
    ("commit-sent", 3),
    ("commit-reply", 2),
    ("read-back", 1),
    ("read-back", 3),
    ("run-committed", 1),
)
"""Boundaries and their occurrences up to which nothing is decided."""

AFTER = (
    ("run-decided", 1),
    ("confirm-sent", 1),
    ("confirm-reply", 1),
    ("confirm-reply", 3),
    ("commit-record-cleared", 2),
    ("proof-read", 1),
    ("unlock", 2),
    ("run-confirmed", 1),
)


@dataclass(frozen=True)
class Case:
    """`version` of confirmed commit; `alone`: the next to come is a plain apply to bng2 only."""

    where: str
    occurrence: int
    decided: bool
    version: str
    alone: bool

    def __str__(self) -> str:
        follower = "one" if self.alone else "all"
        return f"{self.where}:{self.occurrence}-{self.version}-{follower}"


CASES = [
    Case(where, occurrence, decided, version, alone)
    for decided, places in ((False, BEFORE), (True, AFTER))
    for number, (where, occurrence) in enumerate(places)
    for version in ("1.1", "1.0")
    for alone in ((True, False) if version == "1.1" else (bool(number % 2),))
]


def play(worlds: Worlds, case: Case) -> None:
    from tests.atomic_world import ALL_NEW, NAMES, holds, runs, three

    with worlds.world() as world:
        three(world, confirmed_commit=case.version)
        stop: Any = {"CASM_STOP_AT": f"{case.where}:{case.occurrence}"}
        killed = world.apply("--atomic", **stop)
        assert killed.code == -signal.SIGKILL, f"{killed.code} {killed.out} {killed.err}"
        settled = check_status(world, case)
        world.expire_leases()
        if case.alone and "bng2" not in settled:
            done = world.apply("bng2", code=0)
            if case.decided:
                assert holds(world) == ALL_NEW
            else:
                assert holds(world) == {"bng1": "old", "bng2": "new", "bng3": "old"}
            assert "atomic run 1 of" in done.warnings("bng2")
            assert not any(world.devices[name].commit_pending for name in NAMES)
            assert runs(world) == 0
        world.apply("--atomic", code=0)
        assert holds(world) == ALL_NEW
        assert runs(world) == 0
        world.check()


def check_status(world: World, case: Case) -> set[str]:
    """What the store says of the run, before anybody has looked; the devices that are settled."""
    from tests.atomic_world import NAMES

    shown = world.casm("status", code=0).answer["status"]["atomic-run"]
    if not shown:
        assert case.where == "run-confirmed"
        return set(NAMES)
    assert shown[0]["decision"] == ("commit" if case.decided else "none")
    assert [device["name"] for device in shown[0]["device"]] == list(NAMES)
    said = {device["holds"] for device in shown[0]["device"]}
    assert said <= ({"new", "unknown"} if case.decided else {"old", "unknown"})
    return {device["name"] for device in shown[0]["device"] if device["settled"]}


# --- Running the cases side by side ---------------------------------------------------------------


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    from tests.sync_world import Worlds

    made = Worlds(tmp_path_factory.mktemp("kill"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[dict[Case, Future[None]]]:
    """The cases that were selected, begun all at once; each test waits for its own."""
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == Path(__file__) and hasattr(item, "callspec") and "case" in item.callspec.params
    ]
    with ThreadPoolExecutor(AT_ONCE) as executor:
        yield {case: executor.submit(play, worlds, case) for case in chosen}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_at(case: Case, played: dict[Case, Future[None]]) -> None:
    played[case].result(200)


# --- Other ways to die ----------------------------------------------------------------------------


@pytest.mark.parametrize("moment", Moment, ids=lambda moment: moment.value)
@pytest.mark.parametrize("operation", ["confirmed-commit", "confirming-commit"])
def test_killed_when_a_device_is_at(world: World, operation: str, moment: Moment) -> None:
    from tests.atomic_world import ALL_NEW, ALL_OLD, holds, runs, three

    three(world)
    casm = world.start("apply", "--atomic")
    world.kill_at("bng2", casm, operation, moment)
    assert casm.wait().code == -signal.SIGKILL
    world.expire_leases()
    if operation == "confirmed-commit":
        done = world.apply("bng3", code=0)
        assert "atomic run 1 of" in done.warnings("bng3")
        assert holds(world) == ALL_OLD | {"bng3": "new"}
    world.apply(code=0)
    assert holds(world) == ALL_NEW
    assert runs(world) == 0
    world.check()


def test_interrupted_by_a_person(world: World) -> None:
    """Ctrl-C while one device commits: it takes all back before it ends."""
    from tests.atomic_world import ALL_OLD, holds, runs, three

    three(world)
    world.fault("bng3", FaultKind.DELAY_BEFORE, "confirmed-commit", seconds=1.5)
    casm = world.start("apply", "--atomic")
    world.until(casm, "bng3", "confirmed-commit")
    world.until(casm, "bng1", "confirmed-commit")
    casm.send(signal.SIGINT)
    assert casm.wait().code != 0
    assert holds(world) == ALL_OLD
    assert not any(device.commit_pending for device in world.devices.values())
    assert runs(world) == 0
    world.apply(code=0)
    world.check()


def test_killed_while_it_takes_all_back(world: World) -> None:
    from tests.atomic_world import ALL_OLD, holds, runs, three

    three(world)
    world.fault("bng3", FaultKind.REFUSE, "confirmed-commit")
    assert world.apply("--atomic", CASM_STOP_AT="run-given-up").code == -signal.SIGKILL
    shown = world.casm("status", code=0).answer["status"]["atomic-run"]
    assert shown[0]["decision"] == "roll-back"
    world.expire_leases()
    world.apply("bng3", code=0)
    assert holds(world) == ALL_OLD | {"bng3": "new"}
    assert runs(world) == 0
    world.apply(code=0)
    world.check()


def _until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_killed_and_the_timers_end(world: World) -> None:
    """The devices undo it by themselves; whoever comes reads that, and makes what is wanted."""
    from tests.atomic_world import ALL_NEW, ALL_OLD, holds, three

    three(world, deadlines=(("commit", 8),))
    assert world.apply("--atomic", CASM_STOP_AT="run-committed").code == -signal.SIGKILL
    _until(lambda: holds(world) == ALL_OLD)
    world.expire_leases()
    world.apply("--atomic", code=0)
    assert holds(world) == ALL_NEW
    world.check()


def test_killed_after_the_decision_and_the_timers_end(world: World) -> None:
    """It was decided: what the devices undid is made again."""
    from tests.atomic_world import ALL_NEW, ALL_OLD, holds, runs, three

    three(world, deadlines=(("commit", 8),))
    assert world.apply("--atomic", CASM_STOP_AT="run-decided").code == -signal.SIGKILL
    _until(lambda: holds(world) == ALL_OLD)
    world.expire_leases()
    world.apply("bng1", code=0)
    assert holds(world) == ALL_NEW
    assert runs(world) == 0
    world.check()


def test_a_device_that_is_gone_when_the_run_is_settled(world: World) -> None:
    """It stays open for that device only, and for the next who comes."""
    from tests.atomic_world import ALL_NEW, runs, three
    from tests.atomic_world import holds as all_hold

    three(world)
    assert world.apply("--atomic", CASM_STOP_AT="run-decided").code == -signal.SIGKILL
    world.expire_leases()
    world.fault("bng3", FaultKind.DROP_BEFORE, "lock:running", 0)
    done = world.apply("bng1", code=0)
    assert "bng3, which is part of it, could not be settled" in done.warnings("bng1")
    shown = world.casm("status", code=0).answer["status"]["atomic-run"]
    assert {d["name"]: d["holds"] for d in shown[0]["device"]} == ALL_NEW | {"bng3": "unknown"}
    assert world.apply("bng3").code == 1
    world.clear_faults("bng3")
    world.apply("bng3", code=0)
    assert all_hold(world) == ALL_NEW
    assert runs(world) == 0
    world.check()


@pytest.mark.parametrize("decided", [False, True], ids=["run-committed", "run-decided"])
def test_who_was_stopped_finds_what_was_decided(world: World, decided: bool) -> None:
    """Stopped just before or after the decision, its leases end, another settles; then it goes on."""
    from tests.atomic_world import ALL_NEW, ALL_OLD, holds, runs, three

    three(world)
    where = "run-decided" if decided else "run-committed"
    first = world.start("apply", "--atomic", "--wait", "1s", CASM_STOP_AT=f"{where}:1:{int(signal.SIGSTOP)}")
    end = time.monotonic() + 20
    while not first.stopped():
        assert time.monotonic() < end
        time.sleep(0.01)
    world.expire_leases()
    world.apply("bng2", code=0)
    expected = ALL_NEW if decided else ALL_OLD | {"bng2": "new"}
    assert holds(world) == expected
    assert runs(world) == 0
    first.send(signal.SIGCONT)
    assert first.wait().code == 1
    assert holds(world) == expected
    world.apply(code=0)
    world.check()
