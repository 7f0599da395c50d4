"""A device that is another one now: held, until an operator says that it was replaced; then read before all else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import asyncssh
import pytest

from casm_ctrl.base.fingerprints import fingerprint_of_line
from casm_ctrl.service.configuration import AddDevice, change
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.sync_world import ME, World, Worlds, pool_xml


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("replace"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


HARDWARE = ("ietf-address-pool", "casm-address-pool-ext", "ietf-hardware", "iana-hardware")
REASON = ("--reason", "new chassis")


def become_another(world: World, configuration: bytes = b"", name: str = "bng1") -> None:
    """Another box answers: with another key, and with what it has in its startup."""
    device = world.devices[name]
    world.lab.run(device.reboot(configuration))
    world.lab.do(device.change_host_key)


def tag(world: World, *command: str) -> str:
    done = world.casm(*command, code=1)
    return str(done.error["app-tag"])


def serial_of(world: World, name: str = "bng1") -> str | None:
    sync = world.casm("device", "show", name, code=0).answer["device"]["sync"]
    return str(sync["serial"]) if "serial" in sync else None


def test_a_changed_host_key_holds_the_device_until_it_is_replaced(world: World) -> None:
    device = world.installed(2)
    old = fingerprint_of_line(device.host_key)
    become_another(world)
    new = fingerprint_of_line(device.host_key)
    done = world.apply(code=1)
    assert done.error["app-tag"] == "identity-changed"
    assert old in done.error["message"]
    assert new in done.error["message"]
    assert "casm device replace bng1" in done.error["remedy"]
    assert len(done.err.strip().splitlines()) == 1

    world.forget_operations()
    for command in (
        ("plan",),
        ("apply", "--retries", "0"),
        ("apply", "--atomic"),
        ("drift",),
        ("device", "check"),
    ):
        assert tag(world, *command) == "identity-changed", command
    assert new in world.casm("adopt", "bng1", code=1).out
    finding = world.casm("verify", code=1).answer["verify"]["finding"]
    assert any(new in one["words"] for one in finding)
    assert world.operations() == []
    for view in (("status",), ("device", "list")):
        answer = world.casm(*view, code=0).answer
        rows = answer["status"]["device"] if view == ("status",) else answer["device"]
        assert new in rows[0]["sync"]["held"]["words"]
    assert world.states() == {"b1": State.INSTALLED, "b2": State.INSTALLED}
    assert device.configuration() == b""

    done = world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    assert done.answer["device"]["fingerprint"] == new
    assert [block["id"] for block in done.answer["device"]["block"]] == ["b1", "b2"]
    assert world.states() == {"b1": State.INSTALLED, "b2": State.INSTALLED}
    assert [line["action"] for line in world.casm("plan", code=0).device()["change"]].count("add") == 3
    world.apply(code=0)
    assert world.shown() == {1, 2}
    history = world.casm("block", "show", "b1", code=0).answer["block"]["event"]
    words = [event.get("reason", "") for event in history]
    assert any("vanished without us" in word for word in words)
    world.check()


def test_a_hold_outlives_the_stranger(world: World) -> None:
    """The old device answers again: somebody may have stood in between."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    device = world.installed(1, host_key=key.export_private_key("pkcs8-pem"))
    known = device.host_key
    world.lab.do(device.change_host_key)
    assert tag(world, "plan") == "identity-changed"
    world.lab.do(lambda: setattr(device._listener, "host_key", key))
    assert device.host_key == known
    assert tag(world, "plan") == "identity-changed"
    world.casm("device", "replace", "bng1", "--host-key", known, *REASON, code=0)
    world.apply(code=0)
    world.check()


def test_a_key_of_another_type(world: World) -> None:
    """It has none of the recorded type: its own is asked for without logging in."""
    device = world.installed(1)
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    world.lab.do(lambda: setattr(device._listener, "host_key", key))
    done = world.apply(code=1)
    assert fingerprint_of_line(device.host_key) in done.error["message"]
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    world.apply(code=0)
    world.check()


def test_the_other_client_sees_it_too(world: World) -> None:
    world.installed(1)
    world.casm("device", "change", "bng1", "--client", "ncclient", code=0)
    become_another(world)
    done = world.apply(code=1)
    assert done.error["app-tag"] == "identity-changed"
    assert fingerprint_of_line(world.devices["bng1"].host_key) in done.error["message"]
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    world.apply(code=0)
    world.check()


def test_an_old_backup_holds_what_was_withdrawn(world: World) -> None:
    device = world.installed(2)
    backup = device.configuration()
    world.take_back("b2")
    world.apply("--confirm-removal", "1", code=0)
    assert world.states()["b2"] is State.QUARANTINED
    world.free_quarantined()
    become_another(world, backup)
    assert tag(world, "plan") == "identity-changed"
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    done = world.apply(code=0)
    assert "zombie" in done.warnings()
    assert {finding.kind for finding in world.findings()} == {"zombie"}
    assert world.shown() == {1, 2}
    assert world.states() == {"b1": State.INSTALLED}
    # Nothing is allocated from there: sixteen blocks less the one that is owned and the zombie.
    done = world.casm("allocate", "bng1/internet", "--count", "15")
    assert done.error["app-tag"] == "exhausted"
    world.give(14)
    world.apply("--remove-zombies", "--confirm-removal", "1", code=0)
    assert world.findings() == []
    assert world.shown() == {1, *range(3, 17)}
    world.check()


def test_marks_of_nobody_and_of_another_store_are_found_on_the_new_device(world: World) -> None:
    world.installed(1)
    marks = {world.mark(99): 128, "casm-zzzzzz-b1": 192}
    nodes = "".join(
        pool_xml("internet", name, f"198.51.100.{first}", f"198.51.100.{first + 63}")
        for name, first in marks.items()
    )
    middle = "</address-pool-entries></address-pool></address-pools>"
    first, second = nodes.split(middle)[:2]
    become_another(world, (first + second[second.index("<ipv4-address-range>") :] + middle).encode())
    world.apply(code=1)
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    assert tag(world, "apply", "--retries", "0") == "store-behind"
    world.apply("--confirm-removal", "0", code=0)
    assert {finding.kind for finding in world.findings()} == {"orphan", "other-store"}
    assert world.shown() == {1, 99}, "reported, and left alone"
    assert world.states() == {"b1": State.INSTALLED}


def test_what_looks_like_ours_on_another_device_is_not_ours(world: World) -> None:
    """An object that we knew by its name alone: the new device has one of that name, with other addresses."""
    world.installed(1)
    with world.database.write() as tx:
        tx.run('UPDATE device_object SET keys = \'["internet", "north"]\' WHERE block_id = 1')
    become_another(world, pool_xml("internet", "north", "192.0.2.1", "192.0.2.9").encode())
    assert tag(world, "plan") == "identity-changed"
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    world.apply(code=0)
    assert world.shown() == {1}
    assert b"<ip-upper-address>192.0.2.9<" in world.devices["bng1"].configuration()
    # Nor is the container, which we had made on the old one: it stays when our last block leaves.
    world.take_back("b1")
    world.apply("--confirm-removal", "1", code=0)
    assert b"192.0.2.9" in world.devices["bng1"].configuration()


def test_what_was_adopted_on_the_old_device_is_missed_on_the_new(world: World) -> None:
    """It was never rendered by us, and is not now: somebody says first that we may manage it."""
    world.add(running=pool_xml("internet", "north", "198.51.100.64", "198.51.100.127").encode())
    world.casm("adopt", "bng1", code=0)
    assert world.states() == {"b1": State.INSTALLED}
    become_another(world)
    world.apply(code=1)
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    world.apply()
    assert world.states() == {"b1": State.RESERVED}
    (drift,) = world.casm("drift", code=0).device()["drift"]
    assert drift["kind"] == "missing"
    assert "casm block manage" in drift["words"]


def test_a_commit_that_was_pending_is_not_settled_on_another_device(world: World) -> None:
    device = world.add(deadlines=(("commit", 2),))
    world.give()
    world.start("apply", "--retries", "0", CASM_STOP_AT="read-back").wait()
    world.expire_leases()
    become_another(world)
    assert tag(world, "apply", "--retries", "0", "--wait", "1s") == "identity-changed"
    sync = world.casm("device", "show", "bng1", code=0).answer["device"]["sync"]
    assert sync["state"] == "unknown"
    assert tag(world, "device", "replace", "bng1", "--accept-new", *REASON) == "held"
    with world.database.write() as tx:  # as if its time and the margin were over
        tx.run("UPDATE pending_commit SET deadline = 1")
    done = world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    assert done.answer["device"]["dropped-commit"] is True
    world.forget_operations()
    world.apply(code=0)
    operations = world.operations()
    assert "cancel-commit" not in operations
    assert "kill-session" not in operations
    assert not [name for name in operations[: operations.index("edit-config:candidate")] if "commit" in name]
    assert device.commit_pending is False
    world.check()


@pytest.mark.parametrize("decided", [False, True])
def test_a_device_that_is_replaced_in_an_atomic_run(world: World, decided: bool) -> None:
    for name in ("bng1", "bng2"):
        world.add(name, deadlines=(("commit", 2),))
        world.give(1, name)
    at = "run-decided" if decided else "run-committed"
    world.start("apply", "--atomic", "--retries", "0", CASM_STOP_AT=at).wait()
    world.expire_leases()
    runs = world.casm("status", code=0).answer["status"]["atomic-run"]
    assert runs[0]["decision"] == ("commit" if decided else "none")
    become_another(world, name="bng2")
    with world.database.write() as tx:
        tx.run("UPDATE pending_commit SET deadline = 1")
    world.apply("bng2", code=1)
    world.casm("device", "replace", "bng2", "--accept-new", *REASON, code=0)
    world.apply(code=0)
    assert world.casm("status", code=0).answer["status"]["atomic-run"] == []
    assert world.shown("bng1") == {1}
    assert world.shown("bng2") == {2}
    world.check()


def test_the_serial_is_recorded_and_holds_the_device_when_it_changes(world: World) -> None:
    device = world.installed(1, modules=HARDWARE, serial="FOX1234")
    assert serial_of(world) == "serial-num FOX1234"
    backup = device.configuration()
    world.lab.run(device.reboot(backup))  # its twin, with its configuration and its keys
    world.lab.do(lambda: device.set_serial("FOX9999"))
    done = world.apply(code=1)
    assert re.search("serial-num FOX9999, not the recorded serial-num FOX1234", done.error["message"])
    world.lab.do(lambda: device.set_serial("FOX1234"))
    assert tag(world, "device", "check") == "identity-changed"
    world.lab.do(lambda: device.set_serial("FOX9999"))
    done = world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    assert done.answer["device"]["serial"] == "serial-num FOX9999"
    world.apply(code=0)
    assert serial_of(world) == "serial-num FOX9999"
    assert world.states() == {"b1": State.INSTALLED}
    world.check()


def test_a_device_that_may_not_be_asked_has_no_serial(world: World) -> None:
    world.add(modules=HARDWARE, serial="FOX1234")
    world.give()
    world.fault("bng1", FaultKind.REFUSE, "get", 2, tag="access-denied")
    world.apply(code=0)
    world.clear_faults()
    world.apply(code=0)
    assert serial_of(world) == "serial-num FOX1234"


def test_two_servers_with_one_serial_are_told_apart(world: World) -> None:
    world.installed(1, "bng1", modules=HARDWARE, serial="0")
    world.installed(1, "bng2", modules=HARDWARE, serial="0")
    assert serial_of(world, "bng2") == "serial-num 0"
    world.check()


def test_the_old_device_under_another_name_shows_zombies(world: World) -> None:
    device = world.installed(1)
    other = world.lab.start("spare")
    old_key = device.host_key
    world.casm("device", "replace", "bng1", "--host-key", other.host_key, *REASON, code=0)
    with world.database.write() as tx:
        tx.run("UPDATE device SET port = :port WHERE name = 'bng1'", port=other.port)
    world.apply("bng1", code=0)
    assert other.configuration() != b""
    edit = AddDevice(
        *("lab1", "bng", "ietf-address-pool", "127.0.0.1", device.port),
        *("casm", "env:CASM_TEST_PASSWORD", "s", old_key),
    )
    change(world.database, ME, [edit])
    done = world.apply("lab1")
    assert "b1" in done.warnings("lab1")
    assert {(finding.device, finding.block, finding.holds) for finding in world.findings()} == {
        ("lab1", 1, True)
    }


def test_a_plan_of_the_old_device_is_not_applied_to_the_new(world: World) -> None:
    world.installed(1)
    world.give()
    file = world.folder / "kept.json"
    world.casm("plan", "--out", str(file), code=0)
    backup = world.devices["bng1"].configuration()
    become_another(world, backup)
    assert tag(world, "apply", "--plan", str(file)) == "identity-changed"
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    assert tag(world, "apply", "--plan", str(file)) == "plan-outdated"


def test_who_works_there_is_waited_for(world: World) -> None:
    world.installed(1)
    with world.database.write() as tx:
        tx.run("UPDATE device_lease SET expires = :later", later=tx.now + 10_000_000)
    world.lab.do(world.devices["bng1"].change_host_key)
    key = world.devices["bng1"].host_key
    assert tag(world, "device", "replace", "bng1", "--host-key", key, *REASON) == "lease-held"


def test_who_replaced_it_and_why_is_in_the_audit(world: World) -> None:
    device = world.installed(1)
    old = fingerprint_of_line(device.host_key)
    become_another(world)
    world.apply(code=1)
    world.casm("device", "replace", "bng1", "--accept-new", *REASON, code=0)
    events = world.casm("audit", "--limit", "20", code=0).answer["event"]
    said = {event["verb"]: event.get("reason", "") for event in events if event["subject"] == "bng1"}
    assert old in said["identity-changed"]
    assert "new chassis" in said["device-replace"]
    assert old in said["device-replace"]
