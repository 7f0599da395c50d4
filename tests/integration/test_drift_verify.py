"""`casm drift` and `casm verify` on simulated devices that somebody else changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import NS, World, Worlds, pool_xml, read_plain


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("drift"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def removal(entry: str) -> str:
    return pool_xml("internet", entry, "198.51.100.0", "198.51.100.63").replace(
        "<ipv4-address-range>",
        '<ipv4-address-range xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete">',
    )


def drift(world: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The result for each device, by its name."""
    document = json.loads(world.casm("drift", "--retries", "0", *arguments, code=code).out)
    return {device["name"]: device for device in document["device"]}


def verify(world: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = world.casm("verify", "--retries", "0", "--wait", "1s", *arguments, code=code)
    found: dict[str, Any] = json.loads(done.out)["verify"]
    return found


# --- Drift ----------------------------------------------------------------------------------------


def test_nothing_drifted_where_all_is_as_it_was_put(world: World) -> None:
    world.installed(2)
    found = drift(world, "--check")["bng1"]
    assert (found["result"], found["drift"], found["finding"], found["pending"]) == ("in-sync", [], [], "0")


def test_what_is_not_applied_yet_is_no_drift(world: World) -> None:
    world.installed(1)
    world.give(1)
    world.take_back("b1")
    found = drift(world, "--check")["bng1"]
    assert (found["result"], found["drift"]) == ("changes", [])
    assert int(found["pending"]) >= 2


def test_a_block_that_somebody_took_away_is_missing_until_it_is_restored(world: World) -> None:
    device = world.installed(2)
    world.edit("bng1", removal(world.mark(1)))
    for _ in range(2):  # a look records nothing: the second finds the same
        found = drift(world, "--check", code=1)["bng1"]
        assert [(one["kind"], one["block"], one["prefix"]) for one in found["drift"]] == [
            ("missing", "b1", "198.51.100.0/26")
        ]
        assert world.states()["b1"] is State.INSTALLED
    restored = drift(world, "--restore")["bng1"]
    assert restored["result"] == "restored"
    assert [one["kind"] for one in restored["drift"]] == ["missing"]
    assert ("internet", world.mark(1)) in read_plain(device)
    assert drift(world, "--check")["bng1"]["result"] == "in-sync"


def test_an_altered_range_is_told_with_what_it_was(world: World) -> None:
    world.installed(1)
    world.edit("bng1", pool_xml("internet", world.mark(1), "198.51.100.0", "198.51.100.31"))
    found = drift(world)["bng1"]
    assert found["result"] == "drift"
    (one,) = found["drift"]
    assert (one["kind"], one["block"]) == ("altered", "b1")
    assert "198.51.100.31" in one["words"]


def test_a_drain_by_hand_is_drift_and_one_of_ours_is_not(world: World) -> None:
    world.installed(2)
    drained = '<drain xmlns="urn:casm:yang:casm-address-pool-ext">true</drain>'
    world.edit("bng1", pool_xml("internet", world.mark(1), "198.51.100.0", "198.51.100.63", drained))
    world.drain("b2")
    found = drift(world)["bng1"]
    assert [(one["kind"], one["block"]) for one in found["drift"]] == [("drained", "b1")]
    world.apply(code=0)
    assert world.states()["b2"] is State.DRAINING
    serving = drained.replace("true", "false")
    world.edit("bng1", pool_xml("internet", world.mark(2), "198.51.100.64", "198.51.100.127", serving))
    assert [(one["kind"], one["block"]) for one in drift(world)["bng1"]["drift"]] == [("undrained", "b2")]


def test_addresses_of_ours_that_somebody_configured_are_named_and_left_alone(world: World) -> None:
    device = world.installed(1)
    world.edit("bng1", pool_xml("by-hand", "r1", "198.51.100.32", "198.51.100.40"))
    found = drift(world, "--check", "--restore", code=1)["bng1"]
    assert found["result"] == "drift"
    assert [(one["kind"], one["block"]) for one in found["finding"]] == [("foreign", "b1")]
    assert "b1" in found["finding"][0]["words"]
    assert "bng1" in found["finding"][0]["words"]
    assert ("by-hand", "r1") in read_plain(device)


def test_a_pool_that_somebody_deleted_is_missing_with_its_blocks(world: World) -> None:
    world.installed(2)
    world.edit(
        "bng1",
        f'<address-pools xmlns="{NS}"><address-pool xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"'
        ' nc:operation="delete"><address-pool-name>internet</address-pool-name></address-pool></address-pools>',
    )
    found = drift(world)["bng1"]
    assert {one.get("block") for one in found["drift"]} == {"b1", "b2", None}
    assert {one["kind"] for one in found["drift"]} == {"missing"}


def test_each_device_has_its_own_result(world: World) -> None:
    world.installed(1, "bng1")
    world.installed(1, "bng2")
    world.edit("bng2", removal(world.mark(2)))
    world.fault("bng1", FaultKind.REFUSE, "get-config", 1)
    found = drift(world, code=1)
    assert found["bng1"]["result"] == "failed"
    assert found["bng2"]["result"] == "drift"


# --- Verify ---------------------------------------------------------------------------------------


def test_a_network_as_the_store_says_is_proven(world: World) -> None:
    world.installed(2, "bng1")
    world.installed(1, "bng2")
    report = world.folder / "proof.json"
    found = verify(world, "--report", str(report))
    assert found["result"] == "proven"
    assert found["finding"] == []
    assert [(d["name"], d["result"], d["ipv4-addresses"]) for d in found["device"]] == [
        ("bng1", "agrees", "128"),
        ("bng2", "agrees", "64"),
    ]
    assert json.loads(report.read_text())["verify"] == found


def test_only_what_was_put_on_a_device_is_counted_as_proven(world: World) -> None:
    """Not a block that is yet to be installed, nor one that rests."""
    world.installed(3, "bng1")
    world.take_back("b1")
    world.apply("bng1", code=0)
    world.give(1, "bng1")
    found = verify(world)
    assert (found["result"], found["blocks"], found["device"][0]["blocks"]) == ("proven", "2", "2")


def test_an_address_on_two_devices_is_found(world: World) -> None:
    world.installed(1, "bng1")
    world.installed(1, "bng2")
    world.edit("bng2", pool_xml("by-hand", "r1", "198.51.100.10", "198.51.100.20"))
    found = verify(world, code=1)
    assert found["result"] == "findings"
    (twice,) = [one for one in found["finding"] if one["kind"] == "installed-twice"]
    assert (twice["device"], twice["range"]) == (["bng1", "bng2"], "198.51.100.10-198.51.100.20")
    assert twice["block"] == ["b1"]


def test_addresses_outside_of_all_pools_on_two_devices_are_found_too(world: World) -> None:
    for name in ("bng1", "bng2"):
        world.installed(1, name)
        world.edit(name, pool_xml("by-hand", "r1", "192.0.2.1", "192.0.2.9"))
    kinds = [one["kind"] for one in verify(world, code=1)["finding"]]
    assert kinds == ["installed-twice"]


def test_what_the_store_says_and_the_device_does_not_have_is_found(world: World) -> None:
    world.installed(2)
    world.edit("bng1", removal(world.mark(1)))
    (finding,) = verify(world, code=1)["finding"]
    assert (finding["kind"], finding["device"], finding["block"]) == ("missing", ["bng1"], ["b1"])
    assert world.states()["b1"] is State.INSTALLED, "a proof changes nothing"


def test_a_range_that_was_cut_is_found(world: World) -> None:
    world.installed(1)
    world.edit("bng1", pool_xml("internet", world.mark(1), "198.51.100.0", "198.51.100.31"))
    (finding,) = verify(world, code=1)["finding"]
    assert (finding["kind"], finding["range"]) == ("different", "198.51.100.0-198.51.100.31")


def test_a_device_that_cannot_be_read_is_not_proven(world: World) -> None:
    world.installed(1, "bng1")
    world.installed(1, "bng2")
    world.fault("bng2", FaultKind.REFUSE, "get-config", 1)
    found = verify(world, code=1)
    assert [(one["kind"], one["device"]) for one in found["finding"]] == [("unread", ["bng2"])]
    assert [device["result"] for device in found["device"]] == ["agrees", "unread"]


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_read(world: World) -> None:
    world.installed(1)
    done = world.casm("verify", "--report", str(world.folder / "none" / "proof.json"), code=1)
    assert "make its folder first" in done.err


# --- Policies -------------------------------------------------------------------------------------


def test_a_device_may_be_restored_without_being_asked(world: World) -> None:
    device = world.installed(1)
    world.casm("device", "change", "bng1", "--on-drift", "restore", code=0)
    world.edit("bng1", removal(world.mark(1)))
    assert drift(world, "--report-only")["bng1"]["result"] == "drift"
    assert drift(world)["bng1"]["result"] == "restored"
    assert ("internet", world.mark(1)) in read_plain(device)


def test_what_others_configured_is_not_restored_away(world: World) -> None:
    device = world.installed(1)
    world.casm("device", "change", "bng1", "--on-drift", "restore", code=0)
    world.edit("bng1", pool_xml("by-hand", "r1", "198.51.100.70", "198.51.100.80"))
    assert drift(world)["bng1"]["result"] == "drift"
    assert ("by-hand", "r1") in read_plain(device)
