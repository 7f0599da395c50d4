"""Runs over devices of which some are dead or slow: none delays another, and those that stay silent are left
alone for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import World, Worlds, plain_session


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("fleets"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def test_the_dead_and_the_slow_do_not_delay_the_others(world: World) -> None:
    """Two places, and before the good devices come six that keep theirs for as long as they may."""
    slow = {
        "a-dead1": FaultKind.HANG_AFTER_TCP,
        "a-dead2": FaultKind.HANG_AFTER_TCP,
        "a-mute1": FaultKind.HANG_AFTER_SSH,
        "a-mute2": FaultKind.HANG_AFTER_HELLO,
        "a-slow": FaultKind.DELAY_BEFORE,
    }
    late = (("ssh", 25.0), ("hello", 25.0), ("rpc", 25.0))
    for name, kind in slow.items():
        world.add(name, deadlines=late)
        world.fault(name, kind, "get-config:running", seconds=25.0)
    locked = world.add("a-taken")
    good = ("good1", "good2", "good3")
    for name in good:
        world.add(name)
        world.give(1, name)
    with plain_session(locked) as session:
        session.lock("running")
        casm = world.start("apply", "--jobs", "2", "--retries", "0", "--wait", "25s")
        while [row.state for row in world.blocks()] != [State.INSTALLED] * len(good):
            assert not casm.ended, casm.wait().out
            time.sleep(0.02)
        with world.database.read() as tx:
            ended = [row[0] for row in tx.all("SELECT name FROM device WHERE sync_state != 'never'")]
        assert set(ended) <= set(good)
        for name in slow:
            world.clear_faults(name)
        session.unlock("running")
    for name in slow:  # let them go on, so that the run ends
        world.lab.run(world.devices[name].reboot())
    done = casm.wait()
    assert [done.device(name)["result"] for name in good] == ["changed"] * len(good)
    assert len(done.answer["device"]) == len(slow) + 1 + len(good)


def test_what_passes_is_tried_again(world: World) -> None:
    world.add(deadlines=(("rpc", 5.0),))
    world.give()
    world.fault("bng1", FaultKind.DROP_BEFORE, "lock:running")
    done = world.apply("--retries", "1", code=0)
    assert done.device()["result"] == "changed"
    assert done.device()["tries"] == 2
    assert "the one before failed" in done.warnings()
    world.check()


def test_an_edit_that_was_lost_is_made_again(world: World) -> None:
    world.installed(1)
    world.give()
    world.fault("bng1", FaultKind.DROP_AFTER, "edit-config:candidate")
    assert world.apply("--retries", "1", code=0).device()["tries"] == 2
    world.check()


def test_of_a_plan_an_edit_that_was_begun_is_not_tried_again(world: World) -> None:
    world.installed(1)
    world.give()
    path = str(world.folder / "x.plan")
    world.casm("plan", "--out", path, code=0)
    world.forget_operations()
    world.fault("bng1", FaultKind.DROP_AFTER, "edit-config:candidate")
    done = world.apply("--plan", path, "--retries", "3", code=1)
    assert done.device()["error"]["app-tag"] == "session-lost"
    assert world.operations().count("edit-config:candidate") == 1
    assert world.shown() == {1}
    world.apply(code=0)
    world.check()


def test_what_a_device_refuses_is_not_tried_again(world: World) -> None:
    world.add()
    world.give()
    world.forget_operations()
    world.fault("bng1", FaultKind.REFUSE, "edit-config:candidate", 0)
    done = world.apply("--retries", "3", code=1)
    assert done.device()["error"]["app-tag"] == "device-refused"
    assert world.operations().count("edit-config:candidate") == 1


def test_a_silent_device_is_passed_over_and_named_is_tried(world: World) -> None:
    world.add("bng1", deadlines=(("ssh", 0.5),))
    world.installed(1, "bng2")
    world.give(1, "bng1")
    world.fault("bng1", FaultKind.HANG_AFTER_TCP)
    for _ in range(3):
        assert world.apply(code=1).device()["result"] == "failed"
    for command in ("apply", "plan"):
        done = world.casm(command, code=1)
        assert done.device()["result"] == "skipped"
        assert done.error["app-tag"] == "circuit-open"
        assert "left alone until" in done.err
        assert done.device("bng2")["result"] == "in-sync"
    assert world.casm("device", "check", code=1).device()["result"] == "skipped"
    circuit = world.casm("device", "show", "bng1").answer["device"]["sync"]["circuit"]
    assert (circuit["state"], circuit["failures"]) == ("open", 3)
    assert world.apply("bng1", code=1).device()["error"]["app-tag"] == "deadline-exceeded"
    world.clear_faults()
    assert world.casm("plan", code=1).device()["result"] == "skipped"
    assert world.casm("plan", "--retry", code=0).device()["result"] == "changes"
    assert "circuit" not in world.casm("device", "show", "bng1").answer["device"]["sync"]
    world.apply(code=0)
    world.check()


def test_a_half_open_circuit_is_probed_once_and_closes(world: World) -> None:
    world.add("bng1", deadlines=(("ssh", 0.5),))
    world.give()
    world.fault("bng1", FaultKind.HANG_AFTER_TCP)
    for _ in range(3):
        world.apply(code=1)
    with world.database.write() as tx:
        tx.run("UPDATE device_circuit SET open_until = 1")
    probed = world.apply("--retries", "3", code=1)
    assert "tries" not in probed.device()
    assert world.apply(code=1).device()["result"] == "skipped"
    world.clear_faults()
    with world.database.write() as tx:
        tx.run("UPDATE device_circuit SET open_until = 1")
    assert world.apply(code=0).device()["result"] == "changed"
    world.check()


def test_nobody_waits_for_a_dead_device_that_once_held_the_addresses(world: World) -> None:
    world.installed(1, "bng2")
    world.take_back("b1")
    world.apply(code=0)
    with world.database.write() as tx:
        tx.run("UPDATE block SET rest_until = 1")
    world.casm("status", code=0)
    with world.database.write() as tx:
        number = tx.one("SELECT id FROM device WHERE name = 'bng2'")[0]
        tx.run(
            "INSERT INTO device_circuit (device_id, failures, open_until, error)"
            " VALUES (:id, 3, 9000000000000000, 'dead')",
            id=number,
        )
    world.add("bng1")
    world.give()
    world.forget_operations("bng2")
    done = world.apply("bng1", code=0)
    assert done.device()["result"] == "changed"
    assert "bng2 held some of these addresses before and is not looked at" in done.warnings()
    assert world.operations("bng2") == []
