"""The main job on simulated devices, through `casm` processes: allocate, install, prove, take back, and all
that other people have on the devices while that happens."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.service import views
from casm_ctrl.service.release import cancel_drain
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import DIRECT, EXT, ME, NS, PLAIN, World, Worlds, pool_xml, read_plain


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("story"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def command(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a person runs it."""
    return subprocess.run(
        [*DIRECT, *arguments],
        env={**os.environ, **world.environment()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_story(world: World) -> None:
    world.add("bng1", gateway="first")
    world.add("dhcp1")
    assert command(world, "allocate", "bng1/internet", "--count", "3").returncode == 0
    world.give(1, "dhcp1")
    applied = command(world, "apply")
    assert applied.returncode == 0, applied.stderr
    found = read_plain(world.devices["bng1"])
    assert {
        key: (e.first, e.last, e.leaves["usergateway"], e.leaves["gwnetmask"]) for key, e in found.items()
    } == {
        ("internet", world.mark(number)): (
            f"198.51.100.{first}",
            f"198.51.100.{first + 63}",
            f"198.51.100.{first + 1}",
            "255.255.255.192",
        )
        for number, first in ((1, 0), (2, 64), (3, 128))
    }
    assert set(read_plain(world.devices["dhcp1"])) == {("internet", world.mark(4))}
    assert command(world, "release", "b1", "b2", "b3", "b4").returncode == 0
    refused = command(world, "apply", "bng1")
    assert refused.returncode == 1
    assert "--confirm-removal 3" in refused.stderr
    world.apply("--confirm-removal", "3", code=0)
    assert read_plain(world.devices["bng1"]) == {}
    assert read_plain(world.devices["dhcp1"]) == {}
    assert set(world.states().values()) == {State.QUARANTINED}
    world.check()


def test_the_plan_is_what_apply_sends(world: World) -> None:
    world.add()
    world.give(2)
    planned = world.casm("plan", code=0).device()
    assert world.devices["bng1"].configuration() == b""
    done = world.apply(code=0).device()
    assert planned["change"] == done["change"]
    assert planned["edit-config"].count("ip-lower-address>198.51.100.") == 2
    assert world.casm("plan", code=0).device()["result"] == "in-sync"


# --- What is not ours -----------------------------------------------------------------------------


def test_what_others_configured_survives_install_and_release(world: World) -> None:
    device = world.add()
    lifetime = "<lifetime>2030-01-01T00:00:00Z</lifetime>"
    world.edit("bng1", pool_xml("theirs", "far", "203.0.113.0", "203.0.113.9", lifetime))
    world.give(2)
    world.apply(code=0)
    inside = pool_xml("internet", "inside", "203.0.113.64", "203.0.113.70")
    world.edit("bng1", inside)
    by_hand = "<lifetime>2031-02-03T04:05:06Z</lifetime>"
    first = read_plain(device)["internet", world.mark(1)]
    world.edit("bng1", pool_xml("internet", world.mark(1), first.first, first.last, by_hand))
    world.give()
    world.apply(code=0)
    found = read_plain(device)
    assert found["theirs", "far"].leaves["lifetime"].startswith("2030-01-01")
    assert ("internet", "inside") in found
    assert found["internet", world.mark(1)].leaves["lifetime"].startswith("2031-02-03")
    world.take_back("b1", "b2", "b3")
    world.apply("bng1", "--confirm-removal", "3", code=0)
    assert set(read_plain(device)) == {("theirs", "far"), ("internet", "inside")}
    assert set(world.states().values()) == {State.QUARANTINED}


def test_nothing_is_allocated_from_where_somebody_is(world: World) -> None:
    world.add()
    world.edit("bng1", pool_xml("theirs", "here", "198.51.100.0", "198.51.100.70"))
    world.casm("device", "check", code=0)
    world.give()
    world.apply(code=0)
    assert world.ours()[1].first == "198.51.100.128"
    assert [finding.kind for finding in world.findings()] == ["foreign"]


def test_a_block_under_somebody_elses_range_is_not_installed(world: World) -> None:
    world.add("bng1")
    world.add("bng2")
    world.give(1, "bng1")
    world.edit("bng2", pool_xml("theirs", "here", "198.51.100.10", "198.51.100.11"))
    world.apply("bng2", code=0)
    held = world.apply("bng1", code=1)
    assert held.device()["result"] == "held"
    assert "seen on bng2" in held.warnings()
    assert world.shown() == set()
    device = world.devices["bng2"]
    world.lab.run(device.reboot(b""))
    world.apply("bng2", code=0)
    world.apply("bng1", code=0)
    world.check()


# --- Drift ----------------------------------------------------------------------------------------


def test_drift_of_our_entry_is_restored(world: World) -> None:
    world.installed(2)
    world.edit("bng1", pool_xml("internet", world.mark(1), "198.51.100.0", "198.51.100.9"))
    done = world.apply(code=0)
    words = [change["words"] for change in done.device()["change"] if change.get("block") == "b1"]
    assert words == ["ip-upper-address 198.51.100.63 restored (was 198.51.100.9)"]
    world.check()


def test_an_entry_that_somebody_deleted_comes_back(world: World) -> None:
    device = world.installed(2)
    left = re.sub(
        rb"<ipv4-address-range>(?:(?!</ipv4-address-range>).)*b1<.*?</ipv4-address-range>",
        b"",
        device.configuration(),
        flags=re.DOTALL,
    )
    world.lab.run(device.reboot(left))
    assert world.shown() == {2}
    world.apply(code=0)
    world.check()


def test_a_device_that_lost_everything_gets_everything(world: World) -> None:
    device = world.installed(3)
    world.lab.run(device.reboot(b""))
    world.apply(code=0)
    world.check()


# --- Drain ----------------------------------------------------------------------------------------


def subscribers(world: World, number: int, used: int) -> None:
    device = world.devices["bng1"]
    world.lab.do(lambda: device.set_subscribers("internet", world.mark(number), used))


def test_a_block_in_use_is_drained_and_leaves_when_it_is_empty(world: World) -> None:
    world.installed(2)
    subscribers(world, 1, 7)
    world.take_back("b1")
    waits = world.apply(code=0)
    assert waits.device()["result"] == "waiting"
    assert "7 of its addresses are still in use" in str(waits.device()["waiting"])
    assert world.ours()[1].drained
    assert world.states()["b1"] is State.DRAINING
    shown = views.show_block(world.database, "b1")
    assert (shown["used-addresses"], shown["member"][0]["used-addresses"]) == ("7", "7")
    assert shown["used-time"] <= shown["member"][0]["used-time"]
    assert world.apply(code=0).device()["change"] == []
    subscribers(world, 1, 0)
    assert world.apply(code=0).device()["result"] == "changed"
    assert world.shown() == {2}
    world.check()


def test_a_drain_by_hand_and_back(world: World) -> None:
    world.installed(1)
    world.drain("b1")
    world.apply(code=0)
    assert world.ours()[1].drained
    assert world.states()["b1"] is State.DRAINING
    cancel_drain(world.database, ME, ["b1"])
    world.apply(code=0)
    assert not world.ours()[1].drained
    assert world.states()["b1"] is State.INSTALLED


def test_a_block_that_fills_again_before_the_commit_stays(world: World) -> None:
    """The count that decided was 0; the one just before the commit is not."""
    device = world.installed(2)
    world.drain("b1")
    world.apply(code=0)
    world.take_back("b1")
    world.forget_operations()
    world.fault("bng1", FaultKind.DRAIN_IGNORED)
    world.fault("bng1", FaultKind.DELAY_AFTER, "edit-config:candidate", seconds=0.5)
    casm = world.start("apply")
    while "edit-config:candidate" not in world.operations() and not casm.ended:
        pass
    subscribers(world, 1, 3)
    done = casm.wait()
    assert done.code == 0
    assert "is in use again" in done.warnings()
    assert done.device()["result"] == "waiting"
    assert world.shown() == {1, 2}
    assert world.states()["b1"] is State.DRAINING
    assert "discard-changes" in world.operations()
    assert device.configuration("candidate") == device.configuration()


@pytest.mark.parametrize(
    ("rule", "gone"), [("operator", True), ("never", False), ("after 1h", False), ("after 0s", True)]
)
def test_a_device_that_cannot_count(world: World, rule: str, gone: bool) -> None:
    world.installed(2, modules=PLAIN, withdraw=rule)
    world.take_back("b1")
    done = world.apply(code=0)
    assert "gives no counts" in str(done.device())
    assert world.shown() == ({2} if gone else {1, 2})
    assert world.states()["b1"] is (State.QUARANTINED if gone else State.INSTALLED)


# --- The guards -----------------------------------------------------------------------------------


def test_one_apply_removes_no_more_than_it_may_in_all_its_rounds(world: World) -> None:
    """b1 is drained already and leaves in the first round; b2 follows in the second."""
    world.installed(4)
    world.drain("b1")
    world.apply(code=0)
    world.take_back("b1", "b2")
    refused = world.apply(code=1)
    assert refused.error["app-tag"] == "mass-removal"
    assert len(world.shown()) >= 3
    world.apply("bng1", "--confirm-removal", "2", code=0)
    assert world.shown() == {3, 4}
    world.check()


def test_an_empty_store_removes_nothing(worlds: Worlds, world: World) -> None:
    device = world.installed(3)
    with worlds.world() as fresh:
        fresh.devices["bng1"] = device
        edits: Any = {"CASM_DATABASE": str(fresh.folder / "new.db")}
        for arguments in (
            ("init",),
            ("space", "add", "s"),
            ("pool", "add", "p", "--space", "s", "--prefix", "198.51.100.0/22"),
            (
                *("device", "add", "bng1", "--role", "bng", "--driver", "ietf-address-pool"),
                *("--host", "127.0.0.1", "--port", str(device.port), "--user", "casm"),
                *("--credential", "env:CASM_TEST_PASSWORD", "--host-key", device.host_key),
            ),
            ("device-pool", "add", "bng1/internet", "--pool", "p", "--length", "26"),
            ("apply",),
        ):
            done = fresh.casm(*arguments, **edits)
            assert done.code == 0, done.out
        assert done.device()["change"] == []
        assert "the mark of another store" in done.warnings()
        given = fresh.casm("allocate", "bng1/internet", **edits).answer["block"][0]
        assert given["prefix"] == "198.51.100.192/26"
        assert fresh.apply(**edits).code == 0
        fresh.devices.clear()
    assert world.shown() == {1, 2, 3}
    world.apply(code=0)
    assert world.shown() == {1, 2, 3}


def test_an_old_store_is_stopped(world: World) -> None:
    world.installed(2)
    old = world.copy_store("old.db")
    world.give(3)
    world.apply(code=0)
    env: Any = {"CASM_DATABASE": str(old)}
    world.casm("release", "b1", code=0, **env)
    before = read_plain(world.devices["bng1"])
    refused = world.apply(code=1, **env)
    assert refused.error["app-tag"] == "store-behind"
    assert "there is edit 2 on it, and this store made only 1" in refused.error["message"]
    assert read_plain(world.devices["bng1"]) == before
    assert "orphan" in str(refused.device()["warning"])
    done = world.apply("bng1", "--confirm-removal", "1", **env)
    assert done.code == 0, done.out
    assert world.shown() == {2, 3, 4, 5}


def test_an_old_store_gives_no_number_again(world: World) -> None:
    world.installed(1)
    old = world.copy_store("old.db")
    world.give(2)
    world.apply(code=0)
    env: Any = {"CASM_DATABASE": str(old)}
    world.apply("--confirm-removal", "0", **env)
    number = world.casm("allocate", "bng1/internet", code=0, **env).answer["block"][0]
    assert number["prefix"] == "198.51.100.192/26"
    refused = world.apply(**env)
    assert refused.code == 1
    assert {1, 2, 3} <= world.shown()


# --- Zombies --------------------------------------------------------------------------------------


def test_a_device_restarted_from_an_old_file_that_holds_anothers_block(world: World) -> None:
    old = world.installed(1, "bng1").configuration()
    world.add("bng2")
    world.take_back("b1")
    world.apply("bng1", code=0)
    with world.database.write() as tx:
        tx.run("UPDATE block SET rest_until = 0")
    world.give(1, "bng2")
    assert world.states() == {"b2": State.RESERVED}
    world.lab.run(world.devices["bng1"].reboot(old))
    for _ in range(2):
        held = world.apply(code=1)
        assert held.device("bng2")["result"] == "held"
        assert "zombie" in held.warnings("bng1")
        assert world.shown("bng2") == set()
        assert world.shown("bng1") == {1}, "nothing is removed unasked"
    status = world.casm("status", code=0)
    assert "zombie" in status.out
    world.apply("bng1", "--remove-zombies", code=0)
    assert world.shown("bng1") == set()
    world.apply(code=0)
    assert world.shown("bng2") == {2}
    assert not world.findings()
    world.check()


def test_a_zombie_in_quarantine_rests_until_it_is_gone(world: World) -> None:
    device = world.installed(2)
    old = device.configuration()
    world.take_back("b1")
    world.apply(code=0)
    world.lab.run(device.reboot(old))
    done = world.apply()
    assert "zombie" in done.warnings()
    assert world.shown() == {1, 2}
    with world.database.write() as tx:
        tx.run("UPDATE block SET rest_until = 0 WHERE id = 1")
    world.give()
    assert world.states()["b1"] is State.QUARANTINED
    world.apply("bng1", "--remove-zombies", code=0)
    world.give()
    assert "b1" not in world.states()


def test_a_block_that_was_forced_away_is_not_removed_unasked(world: World) -> None:
    """The device was dead and its block taken by force; now it is back, and its subscribers with it."""
    world.installed(2)
    world.casm("release", "b1", "--force", "--reason", "dead", code=0)
    done = world.apply()
    assert "zombie" in done.warnings()
    assert world.shown() == {1, 2}
    world.apply("bng1", "--remove-zombies", code=0)
    assert world.shown() == {2}


# --- What a device offers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"base_1_1": False},
        {"confirmed_commit": "1.0"},
        {"startup": True},
        {"writable_running": True},
        {"modules": PLAIN, "base_1_1": False, "confirmed_commit": "1.0", "startup": True},
    ],
    ids=lambda options: "-".join(options),
)
def test_a_device_that_offers_less_or_more(world: World, options: dict[str, Any]) -> None:
    device = world.installed(2, **options)
    if device.options.startup:
        assert world.shown(source="startup") == {1, 2}
    world.take_back("b1")
    world.apply(code=0)
    if device.options.startup:
        assert world.shown(source="startup") == {2}
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    world.check()


def test_what_startup_holds_is_not_gone(world: World) -> None:
    """Somebody deletes our entry in running only: it would be back after a restart."""
    device = world.installed(2, startup=True)
    world.edit(
        "bng1",
        f'<address-pools xmlns="{NS}"><address-pool><address-pool-name>internet</address-pool-name>'
        f'<address-pool-entries><ipv4-address-range xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"'
        f' nc:operation="delete"><ipv4-address-range-name>{world.mark(1)}</ipv4-address-range-name>'
        "</ipv4-address-range></address-pool-entries></address-pool></address-pools>",
    )
    assert world.shown() == {2}
    assert world.shown(source="startup") == {1, 2}
    world.take_back("b1")
    world.fault("bng1", FaultKind.REFUSE, "copy-config", 0, tag="operation-failed")
    world.apply(code=1)
    assert world.states()["b1"] is State.INSTALLED
    world.clear_faults()
    world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED
    assert device.configuration("startup") == device.configuration()


def test_the_augment_is_used_where_it_is(world: World) -> None:
    device = world.installed(1)
    world.drain("b1")
    world.apply(code=0)
    assert EXT.encode() in device.configuration()
