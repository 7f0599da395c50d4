"""Plans that are kept and applied: exactly what was shown is sent, or nothing and a line that says why."""

from __future__ import annotations

import hashlib
import json
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, change
from casm_ctrl.service.groups import AddGroup
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import ME, PLAIN, Done, World, Worlds, pool_xml, read_plain


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("plans"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


DOCS = Path(__file__).parents[2] / "docs" / "json"
SCHEMAS: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(json.loads((DOCS / name).read_text())))
    for name in ("common.schema.json", "plan-file.schema.json")
)
SCHEMA = json.loads((DOCS / "plan-file.schema.json").read_text())


def keep(world: World, *arguments: str, code: int = 0) -> Path:
    """A plan that was kept; it is what its schema says."""
    path = world.folder / "monday.plan"
    world.casm("plan", "--out", str(path), *arguments, code=code)
    Draft202012Validator(SCHEMA, registry=SCHEMAS).validate(json.loads(path.read_text()))
    return path


def apply_plan(world: World, path: Path, *arguments: str, code: int | None = None, **env: str) -> Done:
    return world.apply("--plan", str(path), *arguments, code=code, **env)


def refused(done: Done, name: str = "bng1") -> str:
    """Refused for this device, in one line that names what moved."""
    assert done.code == 1
    device = done.device(name)
    assert device["result"] == "failed"
    assert device["change"] == []
    assert device["error"]["app-tag"] == "plan-outdated", device["error"]
    lines = [line for line in done.err.splitlines() if not line.startswith("warning:")]
    assert len(lines) == 1, done.err
    return str(device["error"]["message"])


def edits(world: World, name: str = "bng1") -> int:
    return world.operations(name).count("edit-config:candidate")


# --- Applied as planned ---------------------------------------------------------------------------


def test_a_plan_is_applied_as_it_was_shown(world: World) -> None:
    world.installed(2, modules=PLAIN)
    world.give()
    world.take_back("b1")
    path = keep(world)
    kept = json.loads(path.read_text())["device"][0]
    done = apply_plan(world, path, code=0)
    assert done.device()["result"] == "changed"
    assert done.device()["change"] == kept["change"]
    assert world.shown() == {2, 3}
    world.check()
    with world.database.read() as tx:
        reasons = [row[0] for row in tx.all("SELECT reason FROM event WHERE verb = 'apply'")]
    identity = json.loads(path.read_text())["digest"].removeprefix("sha256:")[:12]
    assert any(f"edit 2: by plan {identity}; " in reason for reason in reasons)


def test_a_plan_without_a_change_is_in_sync(world: World) -> None:
    world.installed(1)
    path = keep(world)
    world.forget_operations()
    assert apply_plan(world, path, code=0).device()["result"] == "in-sync"
    assert edits(world) == 0


def test_it_is_applied_once(world: World) -> None:
    world.add()
    world.give()
    path = keep(world)
    apply_plan(world, path, code=0)
    world.forget_operations()
    words = refused(apply_plan(world, path))
    assert "edit 1 of the device was made" in words
    assert world.operations() == []  # the store knows it without the device
    world.check()


def test_what_follows_a_plan_is_for_the_next(world: World) -> None:
    """A drain that turns out empty is followed by its removal in an apply, and not in an apply of a plan."""
    world.installed(2)
    world.take_back("b1")
    path = keep(world)
    done = apply_plan(world, path, code=0)
    assert [change["action"] for change in done.device()["change"] if "block" in change] == ["drain"]
    assert done.device()["result"] == "waiting"
    assert "more is to be done: see 'casm plan bng1'" in done.device()["waiting"]
    assert world.states() == {"b1": State.DRAINING, "b2": State.INSTALLED}
    apply_plan(world, keep(world), code=0)
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    world.check()


def test_devices_of_a_plan_are_each_on_their_own(world: World) -> None:
    for name in ("bng1", "bng2", "bng3"):
        world.add(name)
        world.give(1, name)
    path = keep(world)
    world.give(1, "bng2")
    done = apply_plan(world, path)
    assert [device["result"] for device in done.answer["device"]] == ["changed", "failed", "changed"]
    assert "block b4 is new" in refused(done, "bng2")
    assert world.shown("bng2") == set()
    again = apply_plan(world, keep(world), "bng2", code=0)
    assert [device["name"] for device in again.answer["device"]] == ["bng2"]
    world.check()


def test_a_device_that_could_not_be_planned_is_not_in_the_plan(world: World) -> None:
    world.add("bng1")
    world.add("bng2")
    world.give(1, "bng1")
    world.fault("bng2", FaultKind.REFUSE, "get-config:running")
    path = keep(world, "--retries", "0", code=1)
    assert [device["name"] for device in json.loads(path.read_text())["device"]] == ["bng1"]
    done = apply_plan(world, path, "bng2", code=1)
    assert done.error["app-tag"] == "not-found"
    apply_plan(world, path, code=0)


def test_zombies_go_where_the_plan_says_so(world: World) -> None:
    world.installed(1, modules=PLAIN)
    entry = world.ours()[1]
    world.take_back("b1")
    world.apply(code=0)
    world.edit("bng1", pool_xml("internet", world.mark(1), entry.first, entry.last))
    world.apply(code=0)
    assert world.shown() == {1}
    path = keep(world, "--remove-zombies")
    assert apply_plan(world, path, "--remove-zombies", code=1).error["app-tag"] == "invalid-value"
    apply_plan(world, path, code=0)
    assert world.shown() == set()


# --- Refused: the store moved on ------------------------------------------------------------------


def test_the_store_wants_something_else(world: World) -> None:
    world.installed(2, modules=PLAIN)
    world.give()
    path = keep(world)
    world.take_back("b2")
    world.forget_operations()
    words = refused(apply_plan(world, path))
    assert "the store moved on since the plan: block b2 has" in words
    assert "wanted absent (was present)" in words
    assert world.operations() == []
    assert world.shown() == {1, 2}


def test_a_device_was_edited_since(world: World) -> None:
    world.installed(1, modules=PLAIN)
    world.give()
    path = keep(world)
    world.apply(code=0)
    assert "edit 2 of the device was made" in refused(apply_plan(world, path))


def test_a_member_of_a_group_may_be_applied_before_another(world: World) -> None:
    """By the same plan: what the first one shows moves the block's state, and not what the second is sent."""
    world.add("bng1")
    world.add("bng2")
    change(
        world.database,
        ME,
        [
            AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"))),
            AddDevicePool("bng1/pair", ("p",), 27, group="pair"),
        ],
    )
    allocate(world.database, ME, "bng1/pair", count=1)
    path = keep(world)
    done = apply_plan(world, path, "--jobs", "1", code=0)
    assert [device["result"] for device in done.answer["device"]] == ["changed", "changed"]
    assert set(world.states().values()) == {State.INSTALLED}


# --- Refused: the device moved on -----------------------------------------------------------------


def test_somebody_changed_the_device(world: World) -> None:
    device = world.installed(1, modules=PLAIN)
    world.give()
    path = keep(world)
    world.edit("bng1", pool_xml("theirs", "x", "203.0.113.0", "203.0.113.9"))
    before = device.configuration()
    words = refused(apply_plan(world, path))
    assert "the device moved on since the plan:" in words
    assert "theirs, x] is new" in words
    assert device.configuration() == before
    assert world.states()["b2"] is State.RESERVED
    apply_plan(world, keep(world), code=0)
    assert ("theirs", "x") in read_plain(device)


def test_somebody_changed_an_object_of_ours(world: World) -> None:
    world.installed(1, modules=PLAIN)
    world.give()
    path = keep(world)
    world.edit("bng1", pool_xml("internet", world.mark(1), "198.51.100.0", "198.51.100.9"))
    words = refused(apply_plan(world, path))
    assert f"{world.mark(1)}] has range 198.51.100.0-198.51.100.9" in words


def test_what_an_objects_words_do_not_show_counts_too(world: World) -> None:
    device = world.installed(1, modules=PLAIN)
    world.give()
    path = keep(world)
    entry = world.ours()[1]
    leaf = "<lifetime>2031-02-03T04:05:06Z</lifetime>"
    world.edit("bng1", pool_xml("internet", world.mark(1), entry.first, entry.last, leaf))
    assert "something else" in refused(apply_plan(world, path))
    assert world.shown() == {1}
    assert not device.commit_pending


# --- Refused: no plan of this store ---------------------------------------------------------------


def test_a_plan_of_another_store(world: World, worlds: Worlds) -> None:
    world.add()
    world.give()
    path = keep(world)
    plan = json.loads(path.read_text())
    plan["store-id"] = "zzzzzz"
    write(path, plan)
    done = apply_plan(world, path, code=1)
    assert done.error["app-tag"] == "invalid-value"
    assert "made of store zzzzzz" in done.error["message"]


def write(path: Path, plan: dict[str, Any]) -> None:
    """With a digest that fits: as somebody who knows how would."""
    plan.pop("digest")
    text = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    path.write_text(json.dumps({**plan, "digest": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"}))


def test_a_forged_edit_is_not_sent(world: World) -> None:
    device = world.add()
    world.give()
    path = keep(world)
    plan = json.loads(path.read_text())
    plan["device"][0]["edit-config"] = plan["device"][0]["edit-config"].replace(
        "198.51.100.63", "198.51.100.200"
    )
    write(path, plan)
    assert "not the planned one" in refused(apply_plan(world, path))
    assert device.configuration() == b""


def test_the_file_is_its_owners_and_holds_no_secret(world: World) -> None:
    world.add()
    world.give()
    path = keep(world)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir() if "monday" in entry.name] == ["monday.plan"]
    text = path.read_text()
    assert "CASM_TEST_PASSWORD" not in text
    assert "credential" not in text


def test_a_plan_that_cannot_be_kept_is_refused_before_anything_is_read(world: World) -> None:
    world.add()
    done = world.casm("plan", "--out", str(world.folder / "nowhere" / "x.plan"), code=1)
    assert done.error["app-tag"] == "invalid-value"
    assert world.operations() == []


# --- Outcomes that nobody knows -------------------------------------------------------------------

OUTCOMES = (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER)


@pytest.mark.parametrize("operation", ["confirmed-commit", "confirming-commit"])
@pytest.mark.parametrize("kind", OUTCOMES, ids=lambda kind: kind.value)
def test_an_unknown_outcome_of_a_plan_is_settled_by_reading(
    world: World, kind: FaultKind, operation: str
) -> None:
    world.installed(1, modules=PLAIN)
    world.give()
    path = keep(world)
    world.forget_operations()
    world.fault("bng1", kind, operation)
    done = apply_plan(world, path)
    made = kind is FaultKind.DROP_AFTER and operation == "confirming-commit"
    assert edits(world) == 1  # sent once, whatever became of it
    assert world.shown() == ({1, 2} if made else {1})
    assert world.states()["b2"] is (State.INSTALLED if made else State.RESERVED)
    if made:
        assert done.device()["result"] == "changed"
        assert done.code == 0
    else:
        assert done.device()["error"]["app-tag"] == "plan-outdated"
        assert "its outcome was lost" in done.device()["error"]["message"]
        assert world.casm("status").answer["status"]["device"][0]["sync"]["state"] == "out-of-sync"
        apply_plan(world, keep(world), code=0)
    world.check()


def test_it_stays_unknown_until_it_is_read(world: World) -> None:
    """The second visit cannot connect either, nor does the next run."""
    world.installed(1, modules=PLAIN, deadlines=(("tcp", 0.7), ("ssh", 1.0), ("hello", 1.0)))
    world.give()
    path = keep(world)

    def state() -> str:
        return str(world.casm("status").answer["status"]["device"][0]["sync"]["state"])

    world.forget_operations()
    world.fault("bng1", FaultKind.DELAY_AFTER, "confirming-commit", seconds=1.0)
    world.fault("bng1", FaultKind.DROP_AFTER, "confirming-commit")
    casm = world.start("apply", "--plan", str(path), "--retries", "0")
    while "confirming-commit" not in world.operations():
        assert not casm.ended, casm.wait().out
        time.sleep(0.005)
    world.fault("bng1", FaultKind.HANG_AFTER_TCP)
    done = casm.wait()
    assert done.code == 1
    assert done.device()["result"] == "unknown"
    assert state() == "unknown"
    assert world.apply(code=1).device()["result"] == "unknown"
    assert state() == "unknown"
    world.clear_faults()
    world.apply(code=0)
    assert state() == "in-sync"
    world.check()


@pytest.mark.parametrize(
    "boundary", ["intent-before", "edit", "commit-sent", "read-back", "confirm-sent", "commit-record-cleared"]
)
def test_a_plan_whose_apply_was_killed(world: World, boundary: str) -> None:
    """It is good for one edit: where that was begun the plan is refused, and a plain apply goes on."""
    world.installed(2, modules=PLAIN)
    world.give()
    world.take_back("b1")
    path = keep(world)
    assert apply_plan(world, path, CASM_STOP_AT=boundary).code == -signal.SIGKILL
    world.expire_leases()
    again = apply_plan(world, path)
    if boundary == "intent-before":
        assert again.code == 0
        assert again.device()["result"] == "changed"
    else:
        assert "the store moved on since the plan" in refused(again)
    world.apply(code=0)
    world.check()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED, "b3": State.INSTALLED}
