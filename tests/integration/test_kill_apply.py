"""`kill -9` of `casm apply` at every boundary, at moments of the device, and at random instants.

After each, `casm apply` again must leave device and store in agreement, no block lost or given twice, and
no commit pending (promise 2). docs/testing.md lists what a crash at each boundary leaves behind.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casm_ctrl.simulator import Moment
from casm_ctrl.store.states import State
from casm_ctrl.sync.boundary import Boundary

if TYPE_CHECKING:
    from tests.sync_world import Done, World, Worlds

AT_ONCE = 4
"""Cases that run at the same time: a killed process leaves the processor to others."""

SEED = 20261123
RANDOM = 20


@dataclass(frozen=True)
class Case:
    """`run` is install (on a device with startup), remove (likewise, and it cannot count) or drain-remove;
    on a device without confirmed commit it begins with commit-, on one without candidate with running-.
    `where` is a boundary and its occurrence, or an operation, a moment of it, and its occurrence."""

    run: str
    where: str
    occurrence: int = 1
    moment: Moment | None = None

    def __str__(self) -> str:
        moment = f"-{self.moment.value}" if self.moment else ""
        return f"{self.run}:{self.where}{moment}:{self.occurrence}"


def boundaries() -> Iterator[Case]:
    once = ("lease", "session", "lock", "read")
    twice = ("seen-before", "seen-after")
    for boundary in Boundary:
        name = boundary.value
        yield Case("install", name)
        yield Case("remove", name)
        if name in twice:
            yield Case("install", name, 2)
            yield Case("remove", name, 2)
        if name not in (*once, "startup-copied", "unlock", "done"):
            yield Case("drain-remove", name, 2)


UNCONFIRMED = (Boundary.CONFIRM_SENT, Boundary.CONFIRM_REPLY)
"""Where a visit does not come that needs no confirmation."""


def final_boundaries() -> Iterator[Case]:
    """The same on devices on which what is sent is final."""
    for way, never in (("commit", UNCONFIRMED), ("running", (*UNCONFIRMED, Boundary.EDIT))):
        for boundary in Boundary:
            if boundary not in never:
                yield Case(f"{way}-install", boundary.value)
                yield Case(f"{way}-remove", boundary.value)
        for name in ("seen-before", "seen-after"):
            yield Case(f"{way}-remove", name, 2)


def final_moments() -> Iterator[Case]:
    for moment in Moment:
        for run in ("install", "remove"):
            yield Case(f"commit-{run}", "commit", 1, moment)
            yield Case(f"running-{run}", "edit-config:running", 1, moment)


def moments() -> Iterator[Case]:
    for run, occurrence in (("install", 1), ("remove", 1), ("drain-remove", 2)):
        for operation in ("confirmed-commit", "confirming-commit"):
            for moment in Moment:
                yield Case(run, operation, occurrence, moment)


CASES = (*boundaries(), *moments(), *final_boundaries(), *final_moments())

OPTIONS: dict[str, dict[str, Any]] = {
    "commit": {"confirmed_commit": ""},
    "running": {"candidate": False, "writable_running": True},
}
"""What a device is made with, by what its runs begin with."""


def prepare(world: World, run: str) -> None:
    """bng1 holds b1 and b2. Then: install adds b3 and b4; remove and drain-remove take b1 away."""
    from tests.sync_world import PLAIN

    way, _, what = run.rpartition("-") if run != "drain-remove" else ("", "", run)
    options = OPTIONS.get(way, {})
    if what == "remove":
        world.installed(2, modules=PLAIN, startup=True, **options)
    else:
        world.installed(2, startup=what == "install", **options)
    world.forget_operations()
    if what == "install":
        world.give(2)
    else:
        world.take_back("b1")


def trace_of(world: World) -> list[str]:
    path = world.folder / "trace"
    return path.read_text().split() if path.exists() else []


def check_end(world: World, run: str) -> None:
    """What was wanted is there, and only that; startup holds it too."""
    world.check()
    if run.endswith("install"):
        assert world.states() == {f"b{number}": State.INSTALLED for number in (1, 2, 3, 4)}
    else:
        assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    device = world.devices["bng1"]
    if device.options.startup:
        assert world.shown(source="startup") == world.shown()


def go_on(world: World, run: str) -> None:
    """The next apply, after the dead one's lease has ended."""
    world.expire_leases()
    world.apply(code=0)
    check_end(world, run)
    again = world.apply(code=0)
    assert again.device()["result"] == "in-sync"


def play(worlds: Worlds, case: Case) -> None:
    with worlds.world() as world:
        prepare(world, case.run)
        trace: Any = {"CASM_TRACE": str(world.folder / "trace")}
        if case.moment is None:
            stop: Any = {"CASM_STOP_AT": f"{case.where}:{case.occurrence}"}
            killed = world.apply(**trace, **stop)
            assert killed.code == -signal.SIGKILL, f"{killed.code} {killed.out} {killed.err}"
            assert trace_of(world)[-1] == case.where
        else:
            casm = world.start("apply", **trace)
            world.kill_at("bng1", casm, case.where, case.moment, case.occurrence)
            assert casm.wait().code == -signal.SIGKILL
        go_on(world, case.run)


# --- Running the cases side by side ---------------------------------------------------------------


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    from tests.sync_world import Worlds

    made = Worlds(tmp_path_factory.mktemp("kill"))
    yield made
    made.close()


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
    played[case].result(100)


# --- Random instants ------------------------------------------------------------------------------


def strike(worlds: Worlds, run: str, share: float) -> str:
    """Kill an apply `share` of its usual time after its first RPC. The boundary behind which it fell; empty
    where it fell outside of the visit."""
    with worlds.world() as world:
        prepare(world, run)
        device = world.devices["bng1"]
        casm = world.start("apply", CASM_TRACE=str(world.folder / "trace"))
        while not device.journal.entries and not casm.ended:
            time.sleep(0.0005)
        time.sleep(share * USUAL[run])
        casm.send(signal.SIGKILL)
        done: Done = casm.wait()
        passed = trace_of(world)
        go_on(world, run)
        outside = done.code != -signal.SIGKILL or "unlock" in passed
        return "" if outside else (passed[-1] if passed else "the first RPC")


USUAL = {"install": 0.2, "remove": 0.2, "drain-remove": 0.3}
"""Seconds from the first RPC to the last write of an apply, roughly: where a machine is faster some strikes fall
after it, and do not count."""


def test_killed_at_random_instants(worlds: Worlds, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(SEED)
    hit: list[str] = []
    with ThreadPoolExecutor(AT_ONCE) as executor:
        for _ in range(20):
            wanted = max(AT_ONCE, RANDOM - len(hit))
            tries = [(chance.choice(sorted(USUAL)), chance.random()) for _ in range(wanted)]
            found = executor.map(lambda one: (one[0], strike(worlds, *one)), tries)
            hit += [f"{run}: behind {where}" for run, where in found if where]
            if len(hit) >= RANDOM:
                break
    with capsys.disabled():
        print(f"\nkilled at {len(hit)} random instants, seed {SEED}: {'; '.join(sorted(hit))}")
    assert len(hit) >= RANDOM
