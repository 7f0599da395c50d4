"""What `casm apply` makes of each fault that a simulated device can have, on devices of several models.

`test_sync_faults.py` goes deeper, on one model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import ChangeDevice, change
from casm_ctrl.simulator import FaultKind
from casm_ctrl.simulator.control import ControlClient, ControlServer
from casm_ctrl.simulator.faults import OF_READINGS
from casm_ctrl.store.states import State
from tests.models_world import BY_MODEL, install, occupy
from tests.sync_world import ME, World, Worlds

TRIED = ("cisco-iosxr", "dhcpv6")
QUICK = (("tcp", 1.0), ("ssh", 1.5), ("hello", 1.5), ("rpc", 2.0), ("commit", 5))
"""Deadlines for devices that are going to miss one; on a busy machine a good reply takes a while too."""
PATIENT = (("rpc", 30.0),)
"""For devices that are going to miss none."""
QUIET = frozenset(
    {FaultKind.HUGE_REPLY, FaultKind.TINY_CHUNKS, FaultKind.REFUSE, FaultKind.OK_WITHOUT_EFFECT}
)
"""Faults at which no deadline should matter."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


@dataclass(frozen=True)
class Case:
    """A fault and how the apply ends that meets it: well, with `words` in its warnings, or with an error."""

    kind: FaultKind
    operation: str = "*"
    error: str = ""
    """The app-tag; empty where the apply ends well."""
    words: str = ""
    """In the warnings, or in the error."""
    more: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        label = f"{self.kind.value}-{self.operation}".removesuffix("-*")
        return f"{label}-{self.more['tag']}" if self.more and "tag" in self.more else label


EDIT, TRIAL, CONFIRMATION = "edit-config:candidate", "confirmed-commit", "confirming-commit"
AGAIN = "the device is read again"
CASES = (
    Case(FaultKind.HANG_AFTER_TCP, error="deadline-exceeded", words="SSH"),
    Case(FaultKind.HANG_AFTER_SSH, error="deadline-exceeded", words="hello"),
    Case(FaultKind.HANG_AFTER_HELLO, error="deadline-exceeded", words="RPC"),
    Case(FaultKind.GARBAGE_HELLO, error="protocol-violation"),
    Case(FaultKind.DELAY_BEFORE, EDIT, more={"seconds": 0.3}),
    Case(FaultKind.DELAY_BEFORE, "lock:running", "deadline-exceeded", "lock", {"seconds": 2.5}),
    Case(FaultKind.DELAY_AFTER, CONFIRMATION, words=AGAIN, more={"seconds": 5.5}),
    Case(FaultKind.REFUSE, EDIT, "device-refused", "resource-denied", {"tag": "resource-denied"}),
    Case(FaultKind.REFUSE, TRIAL, "device-refused", "in-use", {"tag": "in-use"}),
    Case(FaultKind.REFUSE, EDIT, "device-refused", "access-denied", {"tag": "access-denied"}),
    Case(FaultKind.REFUSE, EDIT, "device-refused", "too-big", {"tag": "too-big"}),
    Case(FaultKind.REFUSE, "lock:running", "device-locked", "", {"tag": "lock-denied", "occurrence": 0}),
    Case(FaultKind.OK_WITHOUT_EFFECT, TRIAL, "unproven"),
    Case(FaultKind.DROP_BEFORE, EDIT, "session-lost"),
    Case(FaultKind.DROP_BEFORE, CONFIRMATION, words=AGAIN),
    Case(FaultKind.DROP_AFTER, EDIT, "session-lost"),
    Case(FaultKind.DROP_AFTER, CONFIRMATION, words=AGAIN),
    Case(FaultKind.NO_REPLY, TRIAL, words=AGAIN),
    Case(FaultKind.GARBAGE_REPLY, CONFIRMATION, words=AGAIN),
    Case(FaultKind.HALF_OPEN, EDIT, "deadline-exceeded", "edit-config", {"seconds": 4.0}),
    Case(FaultKind.HALF_OPEN, CONFIRMATION, words=AGAIN, more={"seconds": 7.0}),
    Case(FaultKind.HUGE_REPLY, "get-config", more={"octets": 10_000_000, "occurrence": 0}),
    Case(FaultKind.TINY_CHUNKS, more={"octets": 1}),
)
ELSEWHERE = {FaultKind.ROLLBACK_DELAY, FaultKind.DRAIN_IGNORED, *OF_READINGS}
"""Of more than one apply, of one and the subscribers, or of readings: below, and where usage is tested."""


def test_each_fault_is_tried() -> None:
    assert {case.kind for case in CASES} | ELSEWHERE == set(FaultKind)


@pytest.mark.parametrize("model", TRIED)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_ends_in_a_clear_error_or_in_what_was_wanted(world: World, case: Case, model: str) -> None:
    install(world, BY_MODEL[model], 2, deadlines=PATIENT if case.kind in QUIET else QUICK)
    device = world.devices["bng1"]
    before = device.configuration()
    allocate(world.database, ME, "bng1/internet")
    world.fault("bng1", case.kind, case.operation, **dict(case.more or {}))
    done = world.apply("--wait", "2s" if case.error else "12s")
    assert "Traceback" not in done.err
    if case.error:
        assert done.code == 1, done.out
        assert done.error["app-tag"] == case.error, done.out
        assert case.words in done.error["message"]
        assert done.error["remedy"]
        assert device.configuration() == before
        assert world.states() == {"b1": State.INSTALLED, "b2": State.INSTALLED, "b3": State.RESERVED}
    else:
        assert done.code == 0, done.out
        assert case.words in done.warnings()
        assert (case.words == AGAIN) == (AGAIN in done.warnings())
    world.clear_faults()
    world.apply("--wait", "12s", code=0)
    settled(world)


@pytest.mark.parametrize("model", TRIED)
def test_a_commit_that_is_undone_late_is_waited_for(world: World, model: str) -> None:
    """The confirmation is lost, and the device undoes the commit a second after it should."""
    install(world, BY_MODEL[model], 2, deadlines=QUICK)
    allocate(world.database, ME, "bng1/internet")
    world.fault("bng1", FaultKind.ROLLBACK_DELAY, seconds=1.0)
    world.fault("bng1", FaultKind.DROP_BEFORE, CONFIRMATION)
    assert AGAIN in world.apply("--wait", "12s", code=0).warnings()
    settled(world)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("kind", "more", "error"),
    [
        (FaultKind.HUGE_REPLY, {"octets": 10_000_000}, ""),
        (FaultKind.HUGE_REPLY, {"octets": 70_000_000}, "protocol-violation"),
        (FaultKind.TINY_CHUNKS, {"octets": 1}, ""),
        (FaultKind.HALF_OPEN, {"seconds": 3.0}, "deadline-exceeded"),
    ],
    ids=["10-megabytes", "70-megabytes", "tiny-chunks", "half-open"],
)
def test_both_clients_bear_what_the_connection_does(
    world: World, client: str, kind: FaultKind, more: Mapping[str, Any], error: str
) -> None:
    """64 MiB are the most that is taken of one message."""
    deadlines = QUICK if kind is FaultKind.HALF_OPEN else PATIENT
    install(world, BY_MODEL["dhcpv6"], 1, deadlines=deadlines)
    change(world.database, ME, [ChangeDevice("bng1", client)])
    allocate(world.database, ME, "bng1/internet")
    world.fault("bng1", kind, "get-config", occurrence=0, **more)
    done = world.apply("--wait", "2s", code=1 if error else 0)
    if error:
        assert done.error["app-tag"] == error
    world.clear_faults()
    world.apply("--wait", "12s", code=0)
    settled(world, 2)


def settled(world: World, blocks: int = 3) -> None:
    """Everything that should be on the device is there, once, and nothing is left pending or locked."""
    assert world.states() == {f"b{number}": State.INSTALLED for number in range(1, blocks + 1)}
    assert world.casm("plan", code=0).device()["result"] == "in-sync"
    for row in world.blocks():
        occupy(world, row, 1)
    device = world.devices["bng1"]
    assert not device.commit_pending
    assert device.configuration("candidate") == device.configuration()
    world.check_store()


# --- What comes from elsewhere: commands on the control socket --------------------------------------


@pytest.fixture
def control(world: World, tmp_path: Path) -> Iterator[ControlServer]:
    server = ControlServer(world.devices)
    world.lab.run(server.start(tmp_path / "control"))
    yield server
    world.lab.run(server.stop())


@pytest.fixture
def commands(control: ControlServer, tmp_path: Path) -> Iterator[ControlClient]:
    with ControlClient(tmp_path / "control") as client:
        yield client


def emptied(configuration: str) -> str:
    """Each top node, to be removed."""
    tops = etree.fromstring(f"<config>{configuration}</config>")
    for top in tops:
        top[:] = []
        top.set("{urn:ietf:params:xml:ns:netconf:base:1.0}operation", "remove")
    return "".join(etree.tostring(top, encoding="unicode") for top in tops)


@pytest.mark.parametrize("model", TRIED)
def test_what_somebody_deleted_is_told_as_drift_and_comes_back(
    world: World, commands: ControlClient, model: str
) -> None:
    install(world, BY_MODEL[model], 2)
    there = str(commands.call("bng1", "configuration")["configuration"])
    commands.call("bng1", "edit", datastore="running", configuration=emptied(there))
    assert commands.call("bng1", "configuration") == {"configuration": ""}
    told = world.casm("drift").device()
    assert told["result"] == "drift"
    assert {line["block"]: line["kind"] for line in told["drift"] if "block" in line} == {
        "b1": "missing",
        "b2": "missing",
    }
    world.apply(code=0)
    settled(world, 2)


@pytest.mark.parametrize("model", TRIED)
@pytest.mark.parametrize("operation", [EDIT, TRIAL, CONFIRMATION])
def test_a_device_that_restarts_loses_its_candidate_and_nothing_else(
    world: World, commands: ControlClient, model: str, operation: str
) -> None:
    install(world, BY_MODEL[model], 2, deadlines=QUICK)
    allocate(world.database, ME, "bng1/internet")
    world.forget_operations()
    world.fault("bng1", FaultKind.DELAY_AFTER, operation, seconds=1.0)
    casm = world.start("apply", "--wait", "5s", "--retries", "0")
    world.until(casm, "bng1", operation)
    commands.call("bng1", "reboot", downtime=0.1)
    done = casm.wait()
    assert "Traceback" not in done.err
    if operation == EDIT:
        assert done.error["app-tag"] == "session-lost"
    world.clear_faults()
    world.apply(code=0)
    settled(world)


@pytest.mark.parametrize("model", TRIED)
def test_a_device_that_comes_back_with_an_old_file_gets_what_is_missing(
    world: World, commands: ControlClient, model: str
) -> None:
    install(world, BY_MODEL[model], 2, startup=True)
    old = commands.call("bng1", "configuration")["configuration"]
    allocate(world.database, ME, "bng1/internet")
    world.apply(code=0)
    commands.call("bng1", "reboot", configuration=old)
    assert world.casm("plan", code=0).device()["result"] != "in-sync"
    world.apply(code=0)
    settled(world)
