"""Devices that fail, lie, hang, restart or belong to somebody else: each a clear error, and nothing half-done."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import asyncssh
import pytest

from casm_ctrl.service.configuration import AddDevice, AddDevicePool, change
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.ports import ReservedPort
from tests.sync_world import ME, PLAIN, Casm, Done, World, Worlds, plain_session, pool_xml, read_plain


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


QUICK = (("tcp", 0.7), ("ssh", 1.0), ("hello", 1.0), ("rpc", 1.5), ("commit", 3))
"""Deadlines for devices that are going to miss one; on a busy machine a good reply takes a while too."""


def tag(done: Done) -> str:
    assert done.code == 1, done.out
    assert len(done.err.strip().splitlines()) >= 1
    assert "Traceback" not in done.err
    return done.error["app-tag"]


def until(casm: Casm, world: World, operation: str, name: str = "bng1") -> None:
    """Return when the device was asked for `operation`."""
    end = time.monotonic() + 20
    while operation not in world.operations(name):
        assert not casm.ended, casm.wait().out
        assert time.monotonic() < end
        time.sleep(0.005)


# --- Others on the device -------------------------------------------------------------------------


def test_somebodys_uncommitted_edit_is_left_alone(world: World) -> None:
    device = world.installed(1)
    world.give()
    world.edit("bng1", pool_xml("theirs", "x", "203.0.113.0", "203.0.113.9"), "candidate")
    done = world.apply()
    assert tag(done) == "candidate-modified"
    assert "theirs" in done.error["message"]
    assert ("theirs", "x") in read_plain(device, "candidate")
    assert len(read_plain(device)) == 1
    assert world.states()["b2"] is State.RESERVED


def test_somebody_at_work_in_the_candidate_is_left_alone(world: World) -> None:
    device = world.add()
    world.give()
    base = "urn:ietf:params:xml:ns:netconf:base:1.0"
    config = f"<config xmlns='{base}'>{pool_xml('theirs', 'x', '203.0.113.0', '203.0.113.9')}</config>"
    with plain_session(device) as session:
        session.edit_config(config, target="candidate")
        done = world.apply("--wait", "1s")
        assert tag(done) in ("candidate-modified", "device-locked")
        session.commit()
    assert set(read_plain(device)) == {("theirs", "x")}
    world.apply(code=0)
    assert len(read_plain(device)) == 2


@pytest.mark.parametrize("datastore", ["running", "candidate"])
def test_a_lock_of_another_session_is_waited_for_and_named(world: World, datastore: str) -> None:
    device = world.add()
    world.give()
    with plain_session(device) as session:
        session.lock(datastore)
        done = world.apply("--wait", "1s")
        assert tag(done) == "device-locked"
        assert f"session {session.session_id}" in str(done.error)
        casm = world.start("apply", "--wait", "20s")
        until(casm, world, f"lock:{datastore}")
        time.sleep(0.5)
        assert not casm.ended
        session.unlock(datastore)
        assert casm.wait().code == 0
    world.check()


@pytest.mark.parametrize("datastore", ["running", "candidate"])
def test_a_lock_of_somebody_without_a_session(world: World, datastore: str) -> None:
    device = world.add()
    world.give()
    world.lab.do(lambda: device.lock(datastore))
    done = world.apply("--wait", "1s")
    assert tag(done) == "device-locked"
    casm = world.start("apply", "--wait", "20s")
    time.sleep(1)
    world.lab.do(lambda: device.unlock(datastore))
    assert casm.wait().code == 0
    world.check()


def test_two_applies_at_once(world: World) -> None:
    world.add()
    world.give(2)
    world.fault("bng1", FaultKind.DELAY_BEFORE, "edit-config:candidate", seconds=2.0)
    first = world.start("apply")
    until(first, world, "edit-config:candidate")
    hasty = world.apply("--wait", "0s")
    assert tag(hasty) == "lease-held"
    assert f"process {first.pid} on" in hasty.error["message"]
    patient = world.start("apply", "--wait", "20s")
    assert first.wait().device()["result"] == "changed"
    assert patient.wait().device()["result"] == "in-sync"
    world.check()


# --- Lost and wrong replies -----------------------------------------------------------------------

LOST = (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.NO_REPLY, FaultKind.GARBAGE_REPLY)


@pytest.mark.parametrize("removes", [False, True], ids=["install", "remove"])
@pytest.mark.parametrize("operation", ["confirmed-commit", "confirming-commit"])
@pytest.mark.parametrize("kind", LOST, ids=lambda kind: kind.value)
def test_a_commit_whose_outcome_is_unknown_is_settled(
    world: World, kind: FaultKind, operation: str, removes: bool
) -> None:
    world.installed(2, deadlines=(("rpc", 1.5),), modules=PLAIN)
    if removes:
        world.take_back("b1")
    else:
        world.give()
    world.fault("bng1", kind, operation)
    done = world.apply(code=0)
    assert "the device is read again" in done.warnings()
    world.check()
    assert world.states()["b1"] is (State.QUARANTINED if removes else State.INSTALLED)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("operation", ["confirmed-commit", "confirming-commit"])
def test_a_device_that_rolls_back_late(world: World, version: str, operation: str) -> None:
    """The confirmation never arrives; the device undoes the commit two seconds after it should."""
    world.installed(2, modules=PLAIN, confirmed_commit=version)
    world.take_back("b1")
    world.fault("bng1", FaultKind.ROLLBACK_DELAY, seconds=2.0)
    world.fault(
        "bng1", FaultKind.DROP_BEFORE if operation == "confirming-commit" else FaultKind.DROP_AFTER, operation
    )
    world.apply("--wait", "8s", code=0)
    world.check()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}


def test_a_rollback_after_the_controller_is_gone(world: World) -> None:
    """Killed before the confirmation of a removal, and the device's timer ends meanwhile."""
    device = world.installed(2, modules=PLAIN, deadlines=(("commit", 8),))
    world.take_back("b1")
    assert world.apply(CASM_STOP_AT="read-back").code == -signal.SIGKILL
    assert world.shown() == {2}
    end = time.monotonic() + 30
    while device.commit_pending:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert world.shown() == {1, 2}
    world.expire_leases()
    checked = world.casm("device", "check", code=0)
    assert checked.device()["result"] == "fit"
    assert world.states()["b1"] is State.WITHDRAWING
    world.apply(code=0)
    assert world.states()["b1"] is State.QUARANTINED
    world.check()


def test_a_look_while_a_commit_is_pending_proves_nothing(world: World) -> None:
    world.installed(2, modules=PLAIN)
    world.take_back("b1")
    assert world.apply(CASM_STOP_AT="read-back").code == -signal.SIGKILL
    world.expire_leases()
    for arguments in (("device", "check"), ("plan",)):
        world.casm(*arguments, code=0)
        assert world.states()["b1"] is State.WITHDRAWING
    world.apply(code=0)
    world.check()


EVERY = (
    "lock:running",
    "lock:candidate",
    "get-config:running",
    "get-config:candidate",
    "edit-config:candidate",
    "confirmed-commit",
    "confirming-commit",
)


@pytest.mark.parametrize("operation", EVERY)
@pytest.mark.parametrize("kind", [FaultKind.REFUSE, FaultKind.DROP_AFTER], ids=lambda kind: kind.value)
def test_whatever_fails_nothing_is_half_done(world: World, kind: FaultKind, operation: str) -> None:
    device = world.installed(2, modules=PLAIN)
    before = device.configuration()
    world.give()
    world.take_back("b1")
    world.fault("bng1", kind, operation)
    done = world.apply()
    unknown = kind is FaultKind.DROP_AFTER and operation.startswith("confirm")
    assert done.code == (0 if unknown else 1)
    if not unknown:
        assert tag(done) == ("device-refused" if kind is FaultKind.REFUSE else "session-lost")
        assert device.configuration() == before
        assert not device.commit_pending
        assert device.configuration("candidate") == before
    world.apply(code=0)
    world.check()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED, "b3": State.INSTALLED}


@pytest.mark.parametrize("operation", ["confirmed-commit", "confirming-commit"])
def test_a_refused_commit_leaves_no_edit_in_the_candidate(world: World, operation: str) -> None:
    """Said to the device, and not left to the session's end: not every device discards then."""
    world.installed(1)
    world.give()
    world.forget_operations()
    world.fault("bng1", FaultKind.REFUSE, operation)
    assert tag(world.apply()) == "device-refused"
    assert "discard-changes" in world.operations()
    with world.database.read() as tx:
        assert tx.all("SELECT * FROM pending_commit") == []
    assert world.shown() == {1}


@pytest.mark.parametrize("operation", ["confirmed-commit", "edit-config:candidate"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_ok_that_did_nothing_is_found_out(world: World, operation: str, version: str) -> None:
    device = world.installed(2, modules=PLAIN, confirmed_commit=version)
    before = device.configuration()
    world.give()
    world.take_back("b1")
    world.fault("bng1", FaultKind.OK_WITHOUT_EFFECT, operation)
    done = world.apply()
    assert tag(done) == "unproven"
    assert device.configuration() == before
    assert not device.commit_pending
    assert world.states() == {"b1": State.WITHDRAWING, "b2": State.INSTALLED, "b3": State.RESERVED}
    world.apply(code=0)
    world.check()


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.REFUSE], ids=lambda kind: kind.value)
def test_an_unlock_that_fails_is_no_failure(world: World, kind: FaultKind) -> None:
    """The session's end gives the lock back: it is not kept for another use."""
    world.add()
    world.give()
    world.fault("bng1", kind, "unlock")
    done = world.apply(code=0)
    assert done.device()["result"] == "changed"
    assert "session's end" in done.warnings()
    world.check()


# --- Restarts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("startup", [True, False], ids=["startup", "no-startup"])
@pytest.mark.parametrize("operation", ["edit-config:candidate", "confirmed-commit", "confirming-commit"])
def test_a_device_that_restarts_in_the_middle(world: World, operation: str, startup: bool) -> None:
    device = world.installed(2, modules=PLAIN, startup=startup)
    world.give()
    world.take_back("b1")
    world.forget_operations()
    world.fault("bng1", FaultKind.DELAY_AFTER, operation, seconds=1.0)
    casm = world.start("apply", "--wait", "5s")
    until(casm, world, operation)
    world.lab.run(device.reboot())
    casm.wait()
    world.apply(code=0)
    world.check()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED, "b3": State.INSTALLED}
    if startup:
        assert world.shown(source="startup") == {2, 3}


def test_a_session_number_that_is_somebody_elses_now(world: World) -> None:
    """Numbers begin anew after a restart: the session of the dead visit is not the one with its number."""
    device = world.installed(1, others=("other",))
    world.give()
    assert world.apply(CASM_STOP_AT="commit-sent").code == -signal.SIGKILL
    with world.database.read() as tx:
        ghost = int(tx.one("SELECT session_id FROM pending_commit")[0])
    world.lab.run(device.reboot())
    world.expire_leases()
    world.lab.do(lambda: device.next_session_id(ghost))
    with plain_session(device, username="other") as session:
        assert int(session.session_id) == ghost
        session.lock("running")
        assert tag(world.apply("--wait", "1s")) == "device-locked"
        assert session.connected
        session.unlock("running")
    world.apply(code=0)
    world.check()


# --- The way there --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "tag_", "phase"),
    [
        (FaultKind.HANG_AFTER_TCP, "deadline-exceeded", "SSH"),
        (FaultKind.HANG_AFTER_SSH, "deadline-exceeded", "hello"),
        (FaultKind.HANG_AFTER_HELLO, "deadline-exceeded", "RPC"),
        (FaultKind.GARBAGE_HELLO, "protocol-violation", "hello"),
    ],
    ids=lambda value: getattr(value, "value", ""),
)
def test_a_device_that_hangs_or_talks_garbage(world: World, kind: FaultKind, tag_: str, phase: str) -> None:
    world.add(deadlines=QUICK)
    world.give()
    world.fault("bng1", kind)
    done = world.apply()
    assert tag(done) == tag_
    assert phase in done.error["message"] or tag_ != "deadline-exceeded"
    assert done.seconds < 10
    world.clear_faults()
    world.apply(code=0)
    world.check()


def test_a_wrong_password(world: World) -> None:
    world.add()
    assert tag(world.apply(CASM_TEST_PASSWORD="wrong")) == "authentication-failed"


def test_a_password_that_is_not_there(world: World) -> None:
    world.add()
    done = world.apply(CASM_TEST_PASSWORD="")
    assert done.code == 1
    assert "CASM_TEST_PASSWORD" in str(done.error)


def test_a_closed_port_and_a_good_device_beside_it(world: World) -> None:
    world.installed(1)
    with ReservedPort() as closed:
        edit = AddDevice(
            *("dead", "bng", "ietf-address-pool", "127.0.0.1", closed.number),
            *("casm", "env:CASM_TEST_PASSWORD", "s"),
        )
        change(world.database, ME, [edit, AddDevicePool("dead/internet", ("p",), 26)])
        world.give(1, "dead")
        world.give(1, "bng1")
        done = world.apply()
    assert done.code == 1
    assert done.device("dead")["error"]["app-tag"] == "unreachable"
    assert done.device("bng1")["result"] == "changed"
    assert world.states() == {"b1": State.INSTALLED, "b2": State.RESERVED, "b3": State.INSTALLED}


def test_a_device_that_lacks_a_module(world: World) -> None:
    device = world.add(modules=())
    world.give()
    done = world.apply()
    assert tag(done) == "device-unfit"
    assert "module ietf-address-pool" in done.error["message"]
    assert device.configuration() == b""


def test_host_keys(world: World) -> None:
    device = world.add(known=False)
    world.give()
    assert tag(world.apply()) == "host-key-refused"
    world.apply("--accept-new", code=0)
    world.apply(code=0)
    world.lab.do(device.change_host_key)
    for arguments in ((), ("--accept-new",)):
        assert tag(world.apply(*arguments)) == "identity-changed"
    assert world.states()["b1"] is State.INSTALLED


def test_two_names_for_one_server(world: World) -> None:
    device = world.installed(1)
    edit = AddDevice(
        *("twin", "bng", "ietf-address-pool", "localhost", device.port),
        *("casm", "env:CASM_TEST_PASSWORD", "s"),
    )
    change(world.database, ME, [edit, AddDevicePool("twin/internet", ("p",), 26)])
    world.give(1, "twin")
    done = world.apply("twin", "--accept-new")
    assert tag(done) == "identity-changed"
    assert "one server" in done.error["message"]
    assert world.shown() == {1}


def test_two_servers_with_one_host_key(world: World) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519").export_private_key("pkcs8-pem")
    world.installed(1, "bng1", host_key=key)
    world.add("bng2", host_key=key, known=False)
    world.give(1, "bng2")
    world.apply("--accept-new", code=0)
    world.check()


# --- Stopped and continued ------------------------------------------------------------------------


STOPS = {
    "install": ("edit", "commit-record-before", "commit-record-after", "read-back"),
    "remove": ("commit-record-before", "commit-record-after", "read-back"),
}


@pytest.fixture(scope="module", autouse=True)
def stopped(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[Future[None] | None]:
    """Begun before the first test of this module, where it was selected: it waits for most of its time."""
    name = "test_who_was_stopped_and_lost_its_lease_changes_nothing_more"
    with ThreadPoolExecutor(1) as executor:
        selected = any(item.name == name for item in request.session.items)
        yield executor.submit(stop_and_continue, worlds) if selected else None


def test_who_was_stopped_and_lost_its_lease_changes_nothing_more(stopped: Future[None]) -> None:
    stopped.result(100)


def stop_and_continue(worlds: Worlds) -> None:
    """SIGSTOP before the commit and before the confirmation; the lease ends by itself, which takes its
    15 seconds, so all cases wait side by side."""
    with ExitStack() as stack:
        cases = []
        for run, boundaries in STOPS.items():
            for boundary in boundaries:
                world = stack.enter_context(worlds.world())
                world.installed(3, modules=PLAIN)
                if run == "install":
                    world.give()
                else:
                    world.take_back("b1")
                first = world.start("apply", CASM_STOP_AT=f"{boundary}:1:{int(signal.SIGSTOP)}")
                cases.append((world, run, boundary, first))
        for _, _, boundary, first in cases:
            end = time.monotonic() + 20
            while not first.stopped():
                assert time.monotonic() < end, boundary
                time.sleep(0.01)
        seconds = [world.start("apply", "--wait", "40s") for world, *_ in cases]
        for (_, _, boundary, _), second in zip(cases, seconds, strict=True):
            done = second.wait(60)
            assert done.code == 0, f"{boundary}: {done.out}"
        for world, run, boundary, first in cases:
            world.check()
            device = world.devices["bng1"]
            before, states = device.configuration(), world.states()
            first.send(signal.SIGCONT)
            done = first.wait()
            assert tag(done) == "lease-lost", boundary
            assert "taken by another process" in done.error["message"]
            assert device.configuration() == before, boundary
            assert world.states() == states
            world.check()
            assert states["b1"] is (State.QUARANTINED if run == "remove" else State.INSTALLED)
