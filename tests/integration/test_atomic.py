"""One change over many devices: all hold the new, or all the old, whatever fails and whenever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.atomic_world import ALL_NEW, ALL_OLD, NAMES, holds, results, runs, three
from tests.sync_world import PLAIN, Done, World, Worlds

RUNNING: dict[str, Any] = {"candidate": False, "writable_running": True}
COMMIT: dict[str, Any] = {"confirmed_commit": ""}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("atomic"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def check_all_old(world: World, done: Done) -> None:
    """Nothing changed anywhere, nothing pends, and the next apply makes all of it."""
    assert done.code == 1
    assert holds(world) == ALL_OLD
    assert not any(device.commit_pending for device in world.devices.values())
    assert runs(world) == 0
    world.clear_all_faults()
    world.apply("--atomic", code=0)
    assert holds(world) == ALL_NEW
    world.check()


# --- All goes well --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("startup", [False, True], ids=["", "startup"])
def test_all_are_committed_before_one_is_confirmed(world: World, version: str, startup: bool) -> None:
    three(world, confirmed_commit=version, startup=startup)
    done = world.apply("--atomic", code=0)
    assert holds(world) == ALL_NEW
    assert done.answer["atomic-run"] == {"decision": "commit", "settled": True, "id": "1"}
    assert {d["name"]: d["holds"] for d in done.answer["device"]} == ALL_NEW
    assert results(done) == dict.fromkeys(NAMES, "changed")
    commits = [
        (entry.time, entry.names[-1])
        for device in world.devices.values()
        for entry in device.journal.entries
        if entry.names[0] == "commit"
    ]
    assert [name for _, name in sorted(commits)] == ["confirmed-commit"] * 6 + ["confirming-commit"] * 3
    if startup:
        assert all(world.shown(name, "startup") == world.shown(name) for name in NAMES)
    world.check()
    assert runs(world) == 0


def test_devices_that_need_nothing_are_left_alone(world: World) -> None:
    three(world)
    world.apply("bng2", code=0)
    world.forget_operations("bng2")
    done = world.apply("--atomic", code=0)
    assert results(done) == {"bng1": "changed", "bng2": "in-sync", "bng3": "changed"}
    assert not {"edit-config:candidate", "confirmed-commit"} & set(world.operations("bng2"))
    again = world.apply("--atomic", code=0)
    assert again.answer["atomic-run"] == {"decision": "none", "settled": True}
    world.check()


def test_locks_are_taken_in_the_order_of_names(world: World) -> None:
    three(world)
    world.apply("--atomic", "bng3", "bng1", "bng2", code=0)
    first = {
        name: next(e.time for e in world.devices[name].journal.entries if e.names[-1] == "lock:running")
        for name in NAMES
    }
    assert sorted(first, key=lambda name: first[name]) == list(NAMES)


def test_two_runs_over_the_same_devices(world: World) -> None:
    three(world)
    both = [world.start("apply", "--atomic", "--wait", "30s", *order) for order in (NAMES, NAMES[::-1])]
    ended = [casm.wait() for casm in both]
    assert [done.code for done in ended] == [0, 0], [done.out for done in ended]
    assert sorted({results(done)["bng1"] for done in ended}) == ["changed", "in-sync"]
    assert holds(world) == ALL_NEW
    world.check()


def test_removal_and_installation_in_one_change(world: World) -> None:
    three(world, modules=PLAIN, startup=True)
    world.take_back("b1", "b2", "b3")
    world.apply("--atomic", code=0)
    assert {name: world.shown(name) for name in NAMES} == {"bng1": {4}, "bng2": {5}, "bng3": {6}}
    assert [world.states()[f"b{n}"] for n in (1, 2, 3)] == [State.QUARANTINED] * 3
    world.check()


# --- Something fails before the decision ----------------------------------------------------------


EVERY = ("lock:candidate", "get-config:running", "edit-config:candidate", "confirmed-commit")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.DROP_AFTER], ids=lambda kind: kind.value)
def test_whatever_fails_before_the_decision_all_hold_the_old(
    world: World, kind: FaultKind, operation: str, version: str
) -> None:
    three(world, confirmed_commit=version)
    world.fault("bng2", kind, operation)
    done = world.apply("--atomic")
    assert results(done) == {"bng1": "rolled-back", "bng2": "failed", "bng3": "rolled-back"}
    assert done.device("bng2")["error"]["app-tag"] in ("device-refused", "session-lost")
    check_all_old(world, done)


def test_a_device_that_says_ok_and_does_nothing(world: World) -> None:
    three(world)
    world.fault("bng3", FaultKind.OK_WITHOUT_EFFECT, "confirmed-commit")
    done = world.apply("--atomic")
    assert done.device("bng3")["error"]["app-tag"] == "unproven"
    check_all_old(world, done)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_device_that_dies_between_the_phases(world: World, version: str) -> None:
    """After its commit and before the others are committed: it restarts, and comes up with the old."""
    three(world, confirmed_commit=version)
    world.fault("bng3", FaultKind.DELAY_BEFORE, "confirmed-commit", seconds=2.0)
    casm = world.start("apply", "--atomic", "--wait", "5s")
    world.until(casm, "bng3", "confirmed-commit")
    world.until(casm, "bng1", "confirmed-commit")
    world.lab.run(world.devices["bng1"].reboot())
    done = casm.wait()
    assert results(done) == {"bng1": "failed", "bng2": "rolled-back", "bng3": "rolled-back"}
    check_all_old(world, done)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_device_that_is_cut_off_for_longer_than_its_timer(world: World, version: str) -> None:
    """Its reply to the commit is lost, and when it can be reached again its timer is over."""
    three(world, confirmed_commit=version, deadlines=(("tcp", 0.5), ("rpc", 1.0), ("commit", 3)))
    world.fault("bng2", FaultKind.NO_REPLY, "confirmed-commit")
    done = world.apply("--atomic")
    assert done.device("bng2")["result"] == "failed"
    check_all_old(world, done)


def test_trials_are_extended_while_others_are_committed(world: World) -> None:
    """One device takes longer to commit than the trial of another lasts."""
    three(world)
    with world.database.write() as tx:
        tx.run("UPDATE device SET deadlines = '{\"commit\": 3}' WHERE name != 'bng3'")
    world.fault("bng3", FaultKind.DELAY_BEFORE, "confirmed-commit", seconds=4.5)
    world.apply("--atomic", code=0)
    assert world.operations("bng1").count("confirmed-commit") > 2
    assert holds(world) == ALL_NEW
    world.check()


def test_a_trial_that_cannot_be_extended_ends_the_run(world: World) -> None:
    three(world, deadlines=(("commit", 3),))
    world.fault("bng3", FaultKind.DELAY_BEFORE, "confirmed-commit", seconds=4.0)
    world.fault("bng1", FaultKind.REFUSE, "confirmed-commit", 2)
    done = world.apply("--atomic")
    assert done.device("bng1")["error"]["app-tag"] == "device-refused"
    check_all_old(world, done)


def test_a_reply_that_comes_after_the_trial_ends_the_run(world: World) -> None:
    """Nobody knows whether the device undid it meanwhile."""
    three(world, deadlines=(("commit", 2),))
    world.fault("bng3", FaultKind.DELAY_AFTER, "confirmed-commit", seconds=2.5)
    done = world.apply("--atomic")
    assert done.device("bng3")["error"]["app-tag"] == "unproven"
    check_all_old(world, done)


def test_a_lock_of_somebody_else_ends_the_run(world: World) -> None:
    three(world)
    world.lab.do(lambda: world.devices["bng3"].lock("running"))
    done = world.apply("--atomic", "--wait", "1s")
    assert done.device("bng3")["error"]["app-tag"] == "device-locked"
    world.lab.do(lambda: world.devices["bng3"].unlock("running"))
    check_all_old(world, done)


def test_a_device_that_is_not_there(world: World) -> None:
    three(world)
    world.fault("bng1", FaultKind.HANG_AFTER_HELLO)
    with world.database.write() as tx:
        tx.run('UPDATE device SET deadlines = \'{"hello": 1.0, "rpc": 1.0}\'')
    done = world.apply("--atomic")
    assert results(done) == {"bng1": "failed", "bng2": "rolled-back", "bng3": "rolled-back"}
    assert done.answer["atomic-run"] == {"decision": "none", "settled": True}
    world.clear_all_faults()
    check_all_old(world, done)


# --- Something fails after the decision -----------------------------------------------------------


LOST = (FaultKind.REFUSE, FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.NO_REPLY)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", LOST, ids=lambda kind: kind.value)
def test_after_the_decision_all_go_forward(world: World, kind: FaultKind, version: str) -> None:
    three(world, confirmed_commit=version, deadlines=(("rpc", 1.5),))
    world.fault("bng2", kind, "confirming-commit")
    done = world.apply("--atomic", code=0)
    assert "is decided, and the device is visited again" in done.warnings("bng2")
    assert results(done) == dict.fromkeys(NAMES, "changed")
    assert holds(world) == ALL_NEW
    assert runs(world) == 0
    world.check()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_device_that_is_lost_after_the_decision_is_unknown_and_goes_on_later(
    world: World, version: str
) -> None:
    """It does not answer for as long as the run goes on, and undoes the change meanwhile."""
    three(
        world, confirmed_commit=version, deadlines=(("tcp", 0.5), ("hello", 1.0), ("rpc", 1.0), ("commit", 2))
    )
    world.fault("bng2", FaultKind.DROP_BEFORE, "confirming-commit", 0)
    done = world.apply("--atomic", "--wait", "1s")
    assert done.code == 1
    assert results(done) == {"bng1": "changed", "bng2": "unknown", "bng3": "changed"}
    assert done.device("bng2")["holds"] == "unknown"
    assert not done.answer["atomic-run"]["settled"]
    status = world.casm("status", code=0).answer["status"]["atomic-run"]
    assert [(run["decision"], {d["name"]: d["holds"] for d in run["device"]}) for run in status] == [
        ("commit", {"bng1": "new", "bng2": "unknown", "bng3": "new"})
    ]
    world.clear_all_faults()
    world.apply("bng2", code=0)
    assert holds(world) == ALL_NEW
    assert runs(world) == 0
    world.check()


# --- What is no change of all or nothing ----------------------------------------------------------


@pytest.mark.parametrize("options", [RUNNING, COMMIT], ids=["running", "commit"])
def test_a_device_without_confirmed_commit_is_refused(world: World, options: dict[str, Any]) -> None:
    world.add("bng1")
    world.add("bng2", **options)
    for name in ("bng1", "bng2"):
        world.give(1, name)
    done = world.apply("--atomic")
    assert done.code == 1
    assert done.error["app-tag"] == "not-supported"
    assert "bng2" in done.error["message"]
    assert "--best-effort" in done.error["remedy"]
    assert world.shown("bng1") == world.shown("bng2") == set()
    assert "edit-config:candidate" not in world.operations("bng1")


@pytest.mark.parametrize("options", [RUNNING, COMMIT], ids=["running", "commit"])
def test_best_effort_edits_it_last(world: World, options: dict[str, Any]) -> None:
    world.add("bng1", **options)
    world.add("bng2")
    world.add("bng3")
    for name in NAMES:
        world.give(1, name)
    done = world.apply("--atomic", "--best-effort", code=0)
    assert "edited last" in done.warnings("bng1")
    final = "edit-config:running" if options is RUNNING else "commit"
    edited = next(e.time for e in world.devices["bng1"].journal.entries if e.names[-1] == final)
    for name in ("bng2", "bng3"):
        entries = world.devices[name].journal.entries
        assert edited > next(e.time for e in entries if e.names[-1] == "confirming-commit")
    world.check()


@pytest.mark.parametrize("options", [RUNNING, COMMIT], ids=["running", "commit"])
def test_best_effort_leaves_it_old_where_another_fails(world: World, options: dict[str, Any]) -> None:
    world.add("bng1", **options)
    world.add("bng2")
    for name in ("bng1", "bng2"):
        world.give(1, name)
    world.fault("bng2", FaultKind.REFUSE, "confirmed-commit")
    done = world.apply("--atomic", "--best-effort")
    assert results(done) == {"bng1": "rolled-back", "bng2": "failed"}
    assert world.shown("bng1") == world.shown("bng2") == set()
    world.apply(code=0)
    world.check()


def test_addresses_that_go_from_one_owner_to_another_are_two_plans(world: World) -> None:
    """bng1 gave its block up, and it is bng2's; then an old backup is restored on bng1."""
    device = world.installed(1, "bng1", modules=PLAIN)
    world.add("bng2", modules=PLAIN)
    backup = device.configuration()
    world.take_back("b1")
    world.apply(code=0)
    world.free_quarantined()
    world.give(1, "bng2")
    world.lab.run(device.reboot(backup))
    world.give(1, "bng1")
    done = world.apply("--atomic", "--remove-zombies")
    assert done.code == 1
    assert done.error["app-tag"] == "held"
    assert "two plans" in done.error["message"]
    assert world.shown("bng2") == set()
    world.apply("bng1", "--remove-zombies", code=0)
    world.apply("--atomic", code=0)
    world.check()


def test_what_cannot_be_done_as_a_whole_is_not_begun(world: World) -> None:
    """A block that is held on one device holds all."""
    three(world)
    b5 = next(row for row in world.blocks() if row.name == "b5")
    world.add("other")
    first, last = b5.prefix.range.first, b5.prefix.range.last
    world.edit_range("other", "theirs", "x", first, last)
    world.casm("device", "check", "other", code=0)
    done = world.apply("--atomic", *NAMES)
    assert done.code == 1
    assert done.device("bng2")["error"]["app-tag"] == "held"
    assert results(done) == {"bng1": "rolled-back", "bng2": "failed", "bng3": "rolled-back"}
    assert holds(world) == ALL_OLD
    assert runs(world) == 0


@pytest.mark.parametrize("arguments", [("--best-effort",), ("--atomic", "--plan", "p")])
def test_options_that_do_not_go_together(world: World, arguments: tuple[str, ...]) -> None:
    done = world.apply(*arguments)
    assert done.code == 1
