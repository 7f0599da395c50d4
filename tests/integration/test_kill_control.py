"""`kill -9` of the control loop while it changes a device: at each boundary of a growth, of a drain, of its being
cancelled, of a block's return, and of one that is forced. Who starts next finishes it; nothing is done twice, and
nothing is lost.

One world goes through all boundaries of a kind: what the boundary before left behind is what the next one begins with.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import SECOND
from casm_ctrl.service import automatic, control_state
from casm_ctrl.service.automatic import Acted, Warrant
from casm_ctrl.service.configuration import ChangeDevicePool, SetLimits, change
from casm_ctrl.service.decisions import Made
from casm_ctrl.simulator import Fault, FaultKind
from casm_ctrl.store import automation
from casm_ctrl.store import control_state as control_rows
from casm_ctrl.store import decisions as decision_rows
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.boundary import Boundary
from tests.control_world import look_once
from tests.sync_world import ME, Entry, World, Worlds, parse_entries

ALL_OF_THEM = tuple(Boundary)
BOUNDARIES = tuple(boundary for boundary in Boundary if boundary is not Boundary.STARTUP)
"""Of a device without a startup datastore."""
HOME = "bng1/internet"
ALL = Automation(
    grow="automatic", shrink="automatic", hold_down=1, history=0, drain_deadline=1, force_after=0
)
EAGER = replace(ALL, grow_at=40, shrink_at=10)
"""By this one what is in use needs what is drained."""
WATCHING = Automation(hold_down=1, history=0)
SOME, FEW = 8, 3
"""Subscribers in a block of 16 addresses: so many that no second one is needed, and some of one that is drained."""


@dataclass
class Story:
    """The loop and one device with b1, which is used, and blocks that the loop added too."""

    world: World

    # --- What is done -----------------------------------------------------------------------------

    def policy(self, policy: Automation) -> None:
        """From now on, a minute after what the loop changed last."""
        with self.world.database.write() as tx:
            automation.put_automation(tx, 1, policy)
            tx.run(
                "UPDATE device_pool_control SET grown_at = grown_at - :minute, shrunk_at = shrunk_at - :minute",
                minute=60 * SECOND,
            )

    def use(self, number: int, used: int) -> None:
        """Let so many addresses of a block be in use."""
        device, block = self.world.devices["bng1"], self.block(number)
        assert block is not None
        assert self.world.lab.do(lambda: device.set_subscribers_in(str(block.prefix), used)) == used

    def prepare(self, count: int) -> None:
        """The loop adds `count` blocks, a minute ago."""
        self.policy(ALL)
        caps = ("device_pool", "device", "pool", "hour")
        limits = tuple((f"drain_per_{cap}", 1000) for cap in caps)
        least = ChangeDevicePool(HOME, (("min_blocks", count),))
        change(self.world.database, ME, [SetLimits(limits), least])
        self.go_on()
        assert self.world.states() == {f"b{number}": State.INSTALLED for number in range(1, count + 1)}
        change(self.world.database, ME, [ChangeDevicePool(HOME, (("min_blocks", 0),))])
        with self.world.database.write() as tx:
            tx.run("UPDATE block SET allocated_at = allocated_at - :minute", minute=60 * SECOND)
        self.use(1, SOME)

    def kill(self, boundary: Boundary, policy: Automation = ALL) -> DecisionRow:
        """A process with `policy` is killed there; what it had decided last."""
        self.policy(policy)
        done = self.world.casm("control", "run", "--once", CASM_STOP_AT=f"{boundary.value}:1")
        assert done.code == -signal.SIGKILL, f"{done.code} {done.out} {done.err}\n{self.told()}"
        self.world.expire_leases()
        found = self.acted()[-1]
        assert found.unfinished, found
        return found

    def go_on(self, policy: Automation | None = None) -> None:
        """One round of a controller that begins anew, by `policy` from now on."""
        if policy is not None:
            self.policy(policy)
        asyncio.run(look_once(self.world.database))

    def drain_with(self, number: int, used: int) -> None:
        """The loop drained a block an hour ago, and so many are still in it."""
        self.use(number, used)
        database = self.world.database
        controller = control_state.begin(database)
        control_state.keep(database, controller)
        with database.read() as tx:
            generation = control_rows.get_pool_control(tx, 1).generation
        self.policy(ALL)
        made = Made(1, HOME, 1, "drain", "idle", "it is to go")
        assert isinstance(automatic.drain(database, made, Warrant(1, generation, controller), number), Acted)
        control_state.end(database, controller)
        self.go_on(WATCHING)
        with database.write() as tx:
            tx.run("UPDATE block SET changed_at = changed_at - :hour", hour=3600 * SECOND)

    # --- What is seen -----------------------------------------------------------------------------

    def block(self, number: int) -> BlockRow | None:
        """None: it is free."""
        return next((row for row in self.world.blocks() if row.id == number), None)

    def state(self, number: int) -> tuple[State, Wanted] | None:
        row = self.block(number)
        return None if row is None else (row.state, row.wanted)

    def draining(self) -> int:
        [found] = [row.id for row in self.world.blocks() if row.state is State.DRAINING]
        return found

    def on_device(self) -> dict[int, Entry]:
        device = self.world.devices["bng1"]
        entries = parse_entries(self.world.lab.do(device.configuration))
        prefix = f"casm-{self.world.store}-b"
        return {int(key.removeprefix(prefix)): entry for (_, key), entry in entries.items()}

    def told(self) -> str:
        """The decisions in words, for messages; the newest first."""
        with self.world.database.read() as tx:
            found = decision_rows.decisions_of_pool(tx, 1, 5)
        return "\n".join(
            f"{row.action} {row.rule} x{row.times} {row.blocked_by}: {row.because}" for row in found
        )

    def acted(self) -> list[DecisionRow]:
        """The oldest first."""
        with self.world.database.read() as tx:
            found = decision_rows.decisions_of_pool(tx, 1, 1000)
        return [row for row in reversed(found) if row.acted_at is not None]

    def about(self, number: int) -> list[tuple[str, str | None]]:
        """What was done of a block, and what came of it; all of it is finished."""
        with self.world.database.read() as tx:
            found = decision_rows.decisions_of_block(tx, number, 1000)
        rows = [row for row in reversed(found) if row.acted_at is not None]
        assert not any(row.unfinished for row in rows), rows
        return [(row.action, row.outcome) for row in rows]

    def alarms(self) -> set[str]:
        with self.world.database.read() as tx:
            return {row[0] for row in tx.all("SELECT type_id FROM alarm WHERE is_cleared = 0")}


@contextmanager
def story(worlds: Worlds, count: int, *, startup: bool) -> Iterator[Story]:
    with worlds.world() as world:
        world.add(length=28, startup=startup)
        made = Story(world)
        made.prepare(count)
        yield made
        assert made.alarms() == set()
        world.check(settled=False)
        if startup:
            assert world.shown(source="startup") == world.shown()


# --- The kinds ------------------------------------------------------------------------------------


def grow(made: Story, boundary: Boundary) -> None:
    count = len(made.world.blocks()) + 1
    change(made.world.database, ME, [ChangeDevicePool(HOME, (("min_blocks", count),))])
    assert made.kill(boundary).action == "grow"
    made.go_on(WATCHING)
    assert made.world.states() == {f"b{number}": State.INSTALLED for number in range(1, count + 1)}
    assert set(made.on_device()) == set(range(1, count + 1))
    assert made.about(count) == [("grow", "done")]


def keep(made: Story, boundary: Boundary) -> None:
    """A drain is killed, and finished; then its being cancelled is, and finished."""
    before = len(made.acted())
    assert made.kill(boundary).action == "drain"
    made.go_on(WATCHING)
    assert made.state(2) == (State.DRAINING, Wanted.DRAINED)
    assert {number: entry.drained for number, entry in made.on_device().items()} == {1: False, 2: True}
    assert [(row.action, row.outcome) for row in made.acted()[before:]] == [("drain", "done")]
    assert made.kill(boundary, EAGER).action == "cancel-drain"
    made.go_on(WATCHING)
    assert made.state(2) == (State.INSTALLED, Wanted.PRESENT)
    assert not any(entry.drained for entry in made.on_device().values())
    assert made.about(2)[before:] == [("drain", "reversed"), ("cancel-drain", "done")]
    assert set(made.world.states()) == {"b1", "b2"}


def give_back(made: Story, boundary: Boundary) -> None:
    """A drained block that counts prove empty goes, rests and is free."""
    made.go_on(ALL)
    going = made.draining()
    assert made.kill(boundary).action == "give-back"
    made.go_on(WATCHING)
    gone(made, going)


def force(made: Story, boundary: Boundary) -> None:
    """One goes with its subscribers, as its policy says."""
    going = max(row.id for row in made.world.blocks())
    made.drain_with(going, FEW)
    killed = made.kill(boundary)
    assert (killed.action, killed.rule) == ("give-back", "forced")
    made.go_on(WATCHING)
    gone(made, going)


def gone(made: Story, number: int) -> None:
    """It is on no device, rests as long as its pool says, and is free then; the others stay as they were."""
    assert made.state(number) == (State.QUARANTINED, Wanted.ABSENT)
    others = {row.id: row.state for row in made.world.blocks() if row.id != number}
    assert set(others.values()) == {State.INSTALLED}
    assert set(made.on_device()) == set(others)
    assert made.about(number) == [("grow", "done"), ("drain", "done"), ("give-back", "done")]
    made.world.free_quarantined()
    assert made.state(number) is None


def refill(made: Story, boundary: Boundary) -> None:
    """Before its removal may have been sent somebody is in the block again: it stays, and goes when they left."""
    made.go_on(ALL)
    going = made.draining()
    assert made.kill(boundary).action == "give-back"
    fault = Fault(FaultKind.DRAIN_IGNORED)
    device = made.world.devices["bng1"]
    made.world.lab.do(lambda: device.faults.set(fault))
    made.use(going, FEW)
    for _ in range(2):
        made.go_on(WATCHING)
        assert made.state(going) == (State.DRAINING, Wanted.ABSENT)
        assert made.on_device()[going].drained
    made.use(going, 0)
    made.world.lab.do(device.faults.clear)
    made.go_on(WATCHING)
    gone(made, going)


@dataclass(frozen=True)
class Kind:
    """`blocks`: how many there are at first; `play`: what is done at each of `boundaries`."""

    blocks: int
    play: Callable[[Story, Boundary], None]
    boundaries: tuple[Boundary, ...] = BOUNDARIES


MANY = 1 + len(ALL_OF_THEM)
EARLY = (Boundary.LEASE, Boundary.INTENT_AFTER, Boundary.EDIT, Boundary.RECORD_BEFORE)
KINDS = {
    "grow": Kind(1, grow),
    "drain-and-cancel": Kind(2, keep),
    "give-back": Kind(MANY, give_back, ALL_OF_THEM),
    "forced": Kind(MANY, force),
    "refilled": Kind(1 + len(EARLY), refill, EARLY),
}
CASES = [(name, boundary) for name, kind in KINDS.items() for boundary in kind.boundaries]
Ends = dict[tuple[str, Boundary], "Future[None]"]


def tell(worlds: Worlds, name: str, ends: Ends) -> None:
    """All boundaries of a kind, one after the other; behind one that fails the others are not tried."""
    kind = KINDS[name]
    mine = [ends[name, boundary] for boundary in kind.boundaries]
    try:
        with story(worlds, kind.blocks, startup=Boundary.STARTUP in kind.boundaries) as made:
            for boundary in kind.boundaries:
                kind.play(made, boundary)
                if boundary is not kind.boundaries[-1]:
                    ends[name, boundary].set_result(None)
        mine[-1].set_result(None)
    except BaseException as error:
        for end in mine:
            if not end.done():
                end.set_exception(error)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASM_TEST_PASSWORD", "casm")
        made = Worlds(tmp_path_factory.mktemp("kill-control-back"))
        yield made
        made.close()


@pytest.fixture(scope="module")
def ends(worlds: Worlds) -> Iterator[Ends]:
    """The kinds side by side; each test waits for its own boundary."""
    found: Ends = {case: Future() for case in CASES}
    threads = [threading.Thread(target=tell, args=(worlds, name, found)) for name in KINDS]
    for thread in threads:
        thread.start()
    yield found
    for thread in threads:
        thread.join(100)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}:{case[1].value}")
def test_who_starts_next_finishes_it(case: tuple[str, Boundary], ends: Ends) -> None:
    ends[case].result(100)


def test_sigterm_ends_it_and_leaves_its_devices(worlds: Worlds) -> None:
    with worlds.world() as world:
        world.add()
        with world.database.write() as tx:
            automation.put_automation(tx, 1, ALL)
        casm = world.start("control", "run")
        end = time.monotonic() + 30
        while world.states() != {"b1": State.INSTALLED}:
            assert time.monotonic() < end
            time.sleep(0.02)
        status = world.casm("control", "status", code=0).answer["control"]
        assert [device["name"] for device in status["device"] if "watched-by" in device] == ["bng1"]
        casm.send(signal.SIGTERM)
        done = casm.wait(20)
        assert done.code == 0, done.err
        assert done.answer["control"]["changes"] == 1
        status = world.casm("control", "status", code=0).answer["control"]
        assert status["controller"] == []
        assert [device for device in status["device"] if "watched-by" in device] == []
