"""`casm adopt` and `casm block manage` on simulated devices that were configured by hand."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from casm_ctrl.base.clock import Micros
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddGroup, AddPool, change
from casm_ctrl.simulator import SimulatedDevice
from casm_ctrl.store import leases
from casm_ctrl.store.states import State
from tests.sync_world import ME, World, Worlds, pool_xml, read_plain

DOCS = Path(__file__).parents[2] / "docs" / "json"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("adopt"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def check_schema(document: dict[str, Any], name: str) -> None:
    resources = [
        json.loads(path.read_text()) for path in (DOCS / "common.schema.json", DOCS / f"{name}.schema.json")
    ]
    registry = Registry().with_resources((r["$id"], Resource.from_contents(r)) for r in resources)
    Draft202012Validator(resources[1], registry=registry).validate(document)


def adopt(world: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The answer, held to its schema."""
    document = world.casm("adopt", "--retries", "0", "--wait", "5s", *arguments, code=code).answer
    check_schema(document, "adopt")
    found: dict[str, Any] = document["adopt"]
    return found


def device(found: dict[str, Any], name: str = "bng1") -> dict[str, Any]:
    return next(one for one in found["device"] if one["name"] == name)


def by_hand(world: World, name: str, *ranges: tuple[str, str], pool: str = "home") -> None:
    for number, (first, last) in enumerate(ranges, start=1):
        world.edit(name, pool_xml(pool, f"r{number}", first, last))


def running(device: SimulatedDevice) -> dict[tuple[str, str], tuple[str, str]]:
    return {key: (entry.first, entry.last) for key, entry in read_plain(device).items()}


PREFIX = ("198.51.100.0", "198.51.100.63")
RANGE = ("198.51.100.70", "198.51.100.79")
PIECES = ["198.51.100.70/31", "198.51.100.72/29"]


def test_ranges_become_blocks_and_the_device_is_sent_nothing(world: World) -> None:
    there = world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    before = running(there)
    world.forget_operations()
    found = adopt(world, "bng1")
    one = device(found)
    assert (one["result"], one["conflict"]) == ("adopted", [])
    assert [(a["range"], a["whole"], [b["prefix"] for b in a["block"]]) for a in one["adopted"]] == [
        ("198.51.100.0-198.51.100.63", False, ["198.51.100.0/26"]),
        ("198.51.100.70-198.51.100.79", True, PIECES),
    ]
    made = {"device-pool": "bng1/home", "aaa-name": "home", "pool": ["p"], "length": 26}
    assert one["device-pool"] == [made]
    assert running(there) == before
    assert set(world.operations()) <= {"get", "get-schema", "get-config:running", "close-session"}
    assert set(world.states().values()) == {State.INSTALLED}
    world.check_store()


def test_a_dry_run_writes_nothing_and_says_the_same(world: World) -> None:
    world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    rehearsed = device(adopt(world, "bng1", "--dry-run"))
    assert rehearsed["result"] == "adoptable"
    assert world.states() == {}
    with world.database.read() as tx:
        assert tx.all("SELECT 1 FROM event WHERE verb = 'adopt'") == []
        assert tx.all("SELECT 1 FROM seen_range") == []
    done = device(adopt(world, "bng1"))
    assert [a["range"] for a in done["adopted"]] == [a["range"] for a in rehearsed["adopted"]]
    assert done["device-pool"] == rehearsed["device-pool"]


def test_adopting_again_changes_nothing(world: World) -> None:
    world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    adopt(world, "--all")
    with world.database.read() as tx:
        events = tx.one("SELECT COUNT(*) FROM event")
        revision = tx.one("SELECT config_revision FROM store")
    blocks = world.blocks()
    again = device(adopt(world, "--all"))
    assert (again["result"], again["ours"], again["adopted"]) == ("nothing-new", "2", [])
    with world.database.read() as tx:
        assert tx.one("SELECT COUNT(*) FROM event") == events
        assert tx.one("SELECT config_revision FROM store") == revision
    assert world.blocks() == blocks


def test_what_was_adopted_is_left_alone_by_apply_drift_and_verify(world: World) -> None:
    there = world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    adopt(world, "bng1")
    before = running(there)
    assert world.apply("bng1", code=0).device()["result"] == "in-sync"
    assert running(there) == before
    assert world.findings() == []
    assert world.casm("drift", "--check", code=0).device()["drift"] == []
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
    world.give(1)  # a new block of another device pool, in space that nobody has
    world.apply("bng1", code=0)
    assert {**before, **running(there)} == running(there)


def test_what_was_adopted_and_vanished_is_drift(world: World) -> None:
    world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    adopt(world, "bng1")
    world.edit_range("bng1", "home", "r2", *(0xC6336446 + n for n in (0, 5)))
    drifted = world.casm("drift", "--check", code=1).device()["drift"]
    assert [(d["kind"], d["managed"]) for d in drifted] == [("altered", False)]
    report = world.casm("verify", code=1).answer["verify"]
    assert {finding["kind"] for finding in report["finding"]} == {"different"}
    deletion = pool_xml("home", "r2", *RANGE).replace(
        "<ipv4-address-range>",
        '<ipv4-address-range xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete">',
    )
    world.edit("bng1", deletion)
    drifted = world.casm("drift", "--check", code=1).device()["drift"]
    assert [(d["kind"], d["managed"]) for d in drifted] == [("missing", False)]
    world.apply("bng1", code=0)
    assert sorted(world.states().values(), key=lambda s: s.value) == [
        State.INSTALLED,
        State.RESERVED,
        State.RESERVED,
    ]


def test_nothing_adopted_leaves_before_it_is_managed(world: World) -> None:
    there = world.add()
    by_hand(world, "bng1", PREFIX)
    adopt(world, "bng1")
    for verb in ("release", "drain"):
        refused = world.casm(verb, "b1", code=1).error
        assert "casm block manage b1" in refused["remedy"]
    shown = world.casm("block", "show", "b1", code=0)
    check_schema(shown.answer, "block-show")
    assert shown.answer["block"]["managed"] is False
    assert shown.answer["block"]["adopted-object"] == [
        {"device": "bng1", "object": "ipv4-address-range[home, r1]"}
    ]
    listed = world.casm("block", "list", code=0)
    check_schema(listed.answer, "block-list")
    assert listed.answer["block"][0]["managed"] is False
    managed = world.casm("block", "manage", "b1", code=0)
    check_schema(managed.answer, "block-manage")
    before = running(there)
    assert world.apply("bng1", code=0).device()["result"] == "in-sync"
    assert running(there) == before  # the object keeps its name
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
    world.take_back("b1")
    world.apply("bng1", code=0)
    assert running(there) == {}
    assert world.states() == {"b1": State.QUARANTINED}


def test_a_range_that_is_no_prefix_is_split_in_one_edit(world: World) -> None:
    there = world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    adopt(world, "bng1")
    refused = world.casm("block", "manage", "b2", code=1).error
    assert "--split" in refused["remedy"]
    world.casm("block", "manage", "b2", "--split", code=0)
    # Until the next apply the old range stands for its blocks.
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
    drifted = world.casm("drift", "--check", code=0).device()
    assert (drifted["result"], drifted["drift"], drifted["finding"]) == ("changes", [], [])
    world.forget_operations()
    done = world.apply("bng1", code=0).device()
    assert done["result"] == "changed"
    assert sum(one.startswith("edit-config") for one in world.operations()) == 1
    assert sorted(action["action"] for action in done["change"] if "r2" in action["object"]) == ["remove"]
    after = running(there)
    assert sorted(after.values()) == [
        PREFIX,
        ("198.51.100.70", "198.51.100.71"),
        ("198.51.100.72", "198.51.100.79"),
    ]
    assert after["home", "r1"] == PREFIX
    assert set(world.states().values()) == {State.INSTALLED}
    assert world.findings() == []
    assert world.apply("bng1", code=0).device()["result"] == "in-sync"
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
    world.check_store()


def test_an_address_on_two_devices_is_a_conflict_on_both_and_a_pair_may_share_it(world: World) -> None:
    for name in ("bng1", "bng2"):
        world.add(name)
        by_hand(world, name, PREFIX)
    found = adopt(world, "--all", "--check", code=1)
    for name in ("bng1", "bng2"):
        assert [c["kind"] for c in device(found, name)["conflict"]] == ["two-devices"]
    (proposal,) = found["proposal"]
    assert proposal["command"] == "casm group add bng1-bng2 --member bng1:serves --member bng2:serves"
    assert world.states() == {}
    alone = device(adopt(world, "bng2"), "bng2")  # what bng1 showed is known by now
    assert {c["kind"] for c in alone["conflict"]} == {"two-devices"}
    world.casm(*proposal["command"].split()[1:], code=0)
    done = adopt(world, "--all")
    for name in ("bng1", "bng2"):
        assert device(done, name)["result"] == "adopted"
        assert [a["owner-group"] for a in device(done, name)["adopted"]] == ["bng1-bng2"]
    assert world.states() == {"b1": State.INSTALLED}
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
    world.apply(code=0)
    assert world.findings() == []
    world.casm("block", "manage", "b1", code=0)
    for name in ("bng1", "bng2"):
        before = running(world.devices[name])
        assert world.apply(name, code=0).device(name)["result"] == "in-sync"
        assert running(world.devices[name]) == before


def test_the_pool_that_is_missing_is_proposed_and_then_adopted_from(world: World) -> None:
    world.add()
    by_hand(world, "bng1", ("203.0.113.1", "203.0.113.126"), ("198.51.100.0", "198.51.100.63"))
    found = adopt(world, "bng1")
    assert [c["kind"] for c in device(found)["conflict"]] == ["outside"]
    (proposal,) = found["proposal"]
    assert proposal["command"] == "casm pool add adopted-s-v4 --space s --prefix 203.0.113.0/25"
    world.casm(*proposal["command"].split()[1:], code=0)
    again = device(adopt(world, "bng1"))
    assert (again["result"], len(again["adopted"]), again["ours"]) == ("adopted", 1, "1")


def test_a_device_that_does_not_answer_takes_nothing_from_the_others(world: World) -> None:
    world.add("bng1")
    by_hand(world, "bng1", PREFIX)
    world.lab.stop(world.add("bng2"))
    world.devices.pop("bng2")
    found = adopt(world, "--all", code=1)
    assert device(found, "bng1")["result"] == "adopted"
    assert device(found, "bng2")["result"] == "failed"
    assert (found["failed"], found["ranges"]) == ("1", "1")


def test_adoption_that_is_killed_has_all_of_a_device_or_nothing(world: World) -> None:
    for number in range(1, 5):
        world.add(f"bng{number}")
        base = f"198.51.10{number - 1}"
        by_hand(world, f"bng{number}", (f"{base}.0", f"{base}.63"), (f"{base}.70", f"{base}.79"))
    run = world.start("adopt", "--all", "--jobs", "1")
    while not run.ended and len(world.blocks()) < 3:
        time.sleep(0.002)
    run.send(signal.SIGKILL)
    run.wait()
    kept: dict[str, int] = {}
    for block in world.blocks():
        kept[block.device_pool] = kept.get(block.device_pool, 0) + 1
    assert set(kept.values()) <= {3}
    world.expire_leases()
    adopt(world, "--all")
    assert len(world.blocks()) == 12
    world.check_store()


def test_two_pools_and_a_group_that_is_declared_wrongly(world: World) -> None:
    world.add("bng1")
    world.add("bng2")
    change(
        world.database,
        ME,
        [
            AddPool("q", "s", ("198.51.104.0/24",)),
            AddGroup("pair", (("bng1", "serves"), ("bng2", "stands-by"))),
        ],
    )
    by_hand(world, "bng1", ("198.51.100.0", "198.51.100.63"), ("198.51.103.200", "198.51.104.20"))
    by_hand(world, "bng2", ("198.51.100.0", "198.51.100.63"), pool="other")
    found = adopt(world, "--all")
    kinds = {c["object"]: c for c in device(found, "bng1")["conflict"]}
    assert kinds["ipv4-address-range[home, r2]"]["kind"] == "border"
    assert "pools p and q" in kinds["ipv4-address-range[home, r2]"]["words"]
    assert "same on all members" in kinds["ipv4-address-range[home, r1]"]["remedy"]
    assert world.blocks() == []


def test_what_a_device_shows_on_trial_is_not_adopted(world: World) -> None:
    world.add()
    by_hand(world, "bng1", PREFIX)
    with world.database.write() as tx:
        number = tx.one("SELECT id FROM device WHERE name = 'bng1'")[0]
        leases.put_pending(tx, leases.PendingCommit(number, 1, 1, None, 7, Micros(0), Micros(1), "x"))
    (one,) = adopt(world, "bng1", code=1)["device"]
    assert (one["result"], one["adopted"]) == ("failed", [])
    assert "casm apply bng1" in one["error"]["remedy"]
    assert world.blocks() == []


def test_a_new_block_stands_beside_what_was_adopted(world: World) -> None:
    there = world.add()
    by_hand(world, "bng1", PREFIX, RANGE)
    adopt(world, "bng1")
    before = running(there)
    allocate(world.database, ME, "bng1/home")
    assert world.apply("bng1", code=0).device()["result"] == "changed"
    after = running(there)
    assert {key: after[key] for key in before} == before
    assert after["home", world.mark(4)] == ("198.51.100.128", "198.51.100.191")
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"


def test_devices_are_named_or_all_are_asked_for(world: World) -> None:
    world.add()
    assert "--all" in world.casm("adopt", code=1).error["remedy"]
    assert "--all" in world.casm("adopt", "bng1", "--all", code=1).error["message"]


def test_the_report_is_kept(world: World) -> None:
    world.add()
    by_hand(world, "bng1", PREFIX)
    report = world.folder / "adopted.json"
    found = adopt(world, "bng1", "--report", str(report))
    assert json.loads(report.read_text()) == {"casm": 1, "adopt": found}
