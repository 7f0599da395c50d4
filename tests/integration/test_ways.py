"""Devices that offer less: confirmed commit within one session, a commit that is final, only running."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import PLAIN, Done, World, Worlds, plain_session

RUNNING: dict[str, Any] = {"candidate": False, "writable_running": True}
COMMIT: dict[str, Any] = {"confirmed_commit": ""}
FINAL = [
    pytest.param(RUNNING, "edit-config:running", id="running"),
    pytest.param(COMMIT, "commit", id="commit"),
]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("ways"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def tag(done: Done) -> str:
    assert done.code == 1, done.out
    return done.error["app-tag"]


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        ({}, "confirmed-commit", "undone by the device"),
        ({"confirmed_commit": "1.0"}, "confirmed-commit-in-session", "kept open"),
        (COMMIT, "commit", "no :confirmed-commit"),
        ({**COMMIT, "writable_running": True}, "commit", "no :confirmed-commit"),
        (RUNNING, "writable-running", "running is edited directly"),
    ],
    ids=["1.1", "1.0", "commit", "commit-and-running", "running"],
)
def test_check_says_how_a_device_is_changed(
    world: World, options: dict[str, Any], name: str, words: str
) -> None:
    world.add(**options)
    done = world.casm("device", "check", code=0).device()
    assert done["result"] == "fit"
    assert done["way"]["name"] == name
    assert words in done["way"]["words"]


@pytest.mark.parametrize("startup", [False, True], ids=["", "startup"])
@pytest.mark.parametrize(("options", "operation"), FINAL)
def test_install_drain_and_remove(
    world: World, options: dict[str, Any], operation: str, startup: bool
) -> None:
    world.installed(2, startup=startup, **options)
    assert world.operations().count(operation) == 1
    assert "confirmed-commit" not in world.operations()
    world.take_back("b1")
    world.apply(code=0)
    world.check()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    if startup:
        assert world.shown(source="startup") == {2}
    assert world.apply(code=0).device()["result"] == "in-sync"


def test_running_is_changed_by_one_edit_under_its_lock(world: World) -> None:
    world.add(**RUNNING)
    world.give(3)
    world.forget_operations()
    world.apply(code=0)
    asked = world.operations()
    edits = [name for name in asked if name.startswith(("edit-config", "copy-config", "commit", "discard"))]
    assert edits == ["edit-config:running"]
    assert asked.index("lock:running") < asked.index("edit-config:running") < asked.index("unlock:running")
    assert "lock:candidate" not in asked


def test_a_session_is_kept_open_until_its_commit_is_confirmed(world: World) -> None:
    device = world.add(confirmed_commit="1.0")
    world.give()
    world.apply(code=0)
    commits = [entry for entry in world.lab.do(lambda: device.journal.entries) if entry.names[0] == "commit"]
    assert [entry.names[-1] for entry in commits] == ["confirmed-commit", "confirming-commit"]
    assert len({entry.session_id for entry in commits}) == 1
    world.check()


LOST = (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.NO_REPLY, FaultKind.GARBAGE_REPLY)


@pytest.mark.parametrize("removes", [False, True], ids=["install", "remove"])
@pytest.mark.parametrize("kind", LOST, ids=lambda kind: kind.value)
@pytest.mark.parametrize(("options", "operation"), FINAL)
def test_an_unknown_outcome_is_settled_by_reading(
    world: World, options: dict[str, Any], operation: str, kind: FaultKind, removes: bool
) -> None:
    deadlines = (("rpc", 3.0 if kind is FaultKind.NO_REPLY else 30.0),)
    world.installed(2, deadlines=deadlines, modules=PLAIN, **options)
    if removes:
        world.take_back("b1")
    else:
        world.give()
    world.forget_operations()
    world.fault("bng1", kind, operation)
    done = world.apply(code=0)
    assert "the device is read again" in done.warnings()
    done_at_once = kind is not FaultKind.DROP_BEFORE
    assert world.operations().count(operation) == (1 if done_at_once else 2), "it is not sent again blindly"
    world.check()
    assert world.states()["b1"] is (State.QUARANTINED if removes else State.INSTALLED)


@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.OK_WITHOUT_EFFECT], ids=lambda kind: kind.value)
@pytest.mark.parametrize(("options", "operation"), FINAL)
def test_what_fails_leaves_the_device_as_it_was(
    world: World, options: dict[str, Any], operation: str, kind: FaultKind
) -> None:
    device = world.installed(2, modules=PLAIN, **options)
    before = device.configuration()
    world.give()
    world.take_back("b1")
    world.fault("bng1", kind, operation)
    done = world.apply()
    assert tag(done) == ("device-refused" if kind is FaultKind.REFUSE else "unproven")
    assert device.configuration() == before
    with world.database.read() as tx:
        assert tx.all("SELECT * FROM pending_commit") == []
    assert world.states() == {"b1": State.WITHDRAWING, "b2": State.INSTALLED, "b3": State.RESERVED}
    world.apply(code=0)
    world.check()


@pytest.mark.parametrize("offered", [True, False], ids=["rollback-on-error", "stop-on-error"])
def test_rollback_on_error_is_asked_for_where_it_is_offered(world: World, offered: bool) -> None:
    world.add(**RUNNING, rollback_on_error=offered)
    world.give()
    world.fault("bng1", FaultKind.REFUSE, "edit-config:running")
    done = world.apply()
    assert tag(done) == "device-refused"
    assert ("a part of the edit" in done.warnings()) is not offered
    world.apply(code=0)
    world.check()


def test_a_lock_on_running_is_waited_for_and_named(world: World) -> None:
    device = world.add(**RUNNING)
    world.give()
    with plain_session(device) as session:
        session.lock("running")
        done = world.apply("--wait", "1s")
        assert tag(done) == "device-locked"
        assert f"session {session.session_id}" in str(done.error)
        session.unlock("running")
    world.apply(code=0)
    world.check()
