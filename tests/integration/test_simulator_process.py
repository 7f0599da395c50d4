"""The simulator as a process of its own, driven through its control socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator.control import ControlClient

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
POOL = (
    f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>p</address-pool-name>'
    "</address-pool></address-pools>"
)

CLIENT = """
import sys, ncclient.transport.session
from ncclient import manager
ncclient.transport.session.TICK = 0.001
m = manager.connect(host="127.0.0.1", port=int(sys.argv[1]), username="casm", password="casm",
                    hostkey_verify=False, look_for_keys=False, allow_agent=False, timeout=30)
m.edit_config(target="candidate", config=sys.argv[2])
m.commit()
m.edit_config(target="candidate", config=sys.argv[2])
m.close_session()
"""


@dataclass
class Simulator:
    process: subprocess.Popen[bytes]
    devices: list[dict[str, Any]]
    socket: Path

    def control(self) -> ControlClient:
        return ControlClient(self.socket, timeout=30)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def start(folder: Path, *arguments: str, devices: int = 1) -> Simulator:
    socket = folder / "control"
    process = subprocess.Popen(
        [
            *(sys.executable, "-W", "error", "-m", "casm_ctrl.simulator"),
            *("--control", str(socket), "--devices", str(devices), *arguments),
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as lines:
        described = [json.loads(lines.readline()) for _ in range(devices)]
    return Simulator(process, described, socket)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket has 108 octets."""
    with tempfile.TemporaryDirectory(prefix="sim") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with tempfile.TemporaryDirectory(prefix="sim") as name:
        running = start(Path(name), devices=2)
        try:
            yield running
        finally:
            assert running.stop() == 0
            assert not running.socket.exists()


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    """The module's process, its first device as it was at first."""
    with process.control() as control:
        control.call("device1", "reboot", configuration="")
        control.call("device1", "clear-faults")
        control.call("device1", "clear-journal")
    return process


def client(simulator: Simulator) -> subprocess.Popen[bytes]:
    config = f'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{POOL}</config>'
    port = str(simulator.devices[0]["port"])
    return subprocess.Popen([sys.executable, "-c", CLIENT, port, config], stderr=subprocess.DEVNULL)


def operations(control: ControlClient) -> list[str]:
    entries: Any = control.call("device1", "journal")["entries"]
    return [entry["operation"] for entry in entries]


def test_each_device_says_how_to_reach_it(simulator: Simulator) -> None:
    assert [device["name"] for device in simulator.devices] == ["device1", "device2"]
    for device in simulator.devices:
        assert set(device) == {"name", "host", "port", "username", "host-key"}
        assert device["host-key"].startswith("ssh-ed25519 AAAA")


@pytest.mark.parametrize("when", ["received", "executed", "replied"])
def test_a_client_is_killed_at_a_boundary(simulator: Simulator, when: str) -> None:
    with simulator.control() as control, simulator.control() as waiting, client(simulator) as victim:
        point = {"operation": "commit", "when": when, "occurrence": 1}
        control.call("device1", "on", point=point, signal=signal.SIGKILL, pid=victim.pid)
        waiting.call("device1", "wait", point={**point, "when": "executed"}, timeout=20)
        assert victim.wait(10) == -signal.SIGKILL
        assert operations(control)[:2] == ["edit-config", "commit"]
        assert control.call("device1", "configuration") == {"configuration": POOL}


def test_a_client_is_stopped_and_goes_on(simulator: Simulator) -> None:
    with simulator.control() as control, client(simulator) as paused:
        point = {"operation": "edit-config", "when": "executed"}
        control.call("device1", "on", point=point, signal=signal.SIGSTOP, pid=paused.pid)
        control.call("device1", "wait", point=point, timeout=20)
        time.sleep(0.2)
        assert operations(control) == ["edit-config"]
        paused.send_signal(signal.SIGCONT)
        assert paused.wait(20) == 0
        assert operations(control) == ["edit-config", "commit", "edit-config", "close-session"]


def test_commands_reach_one_device(simulator: Simulator) -> None:
    with simulator.control() as control:
        control.call("device1", "edit", datastore="running", configuration=POOL)
        assert control.call("device1", "configuration") == {"configuration": POOL}
        assert control.call("device2", "configuration") == {"configuration": ""}
        assert control.call("device1", "subscribers", pool="p", entry="r", used=5) == {"used": 5}
        control.call("device1", "vanish", seconds=0.1)
        control.call("device1", "next-session-id", session_id=99)
        control.call("device1", "lock", datastore="candidate")
        control.call("device1", "unlock", datastore="candidate")
        assert control.call("device1", "status") == {"sessions": [], "commit-pending": False}
        key = control.call("device1", "change-host-key")["host-key"]
        assert key != simulator.devices[0]["host-key"]
        control.call("device1", "reboot", configuration="", downtime=0)
        assert control.call("device1", "configuration") == {"configuration": ""}
        assert operations(control) == ["vanish", "reboot"]
        control.call("device1", "clear-journal")
        assert operations(control) == []


def test_a_command_that_lacks_something_is_told_what(simulator: Simulator) -> None:
    with simulator.control() as control, pytest.raises(InvalidValue, match="lacks 'datastore'"):
        control.call("device1", "edit", configuration=POOL)


RANGE = (
    f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>q</address-pool-name>'
    "<address-pool-entries><ipv4-address-range><ipv4-address-range-name>r</ipv4-address-range-name>"
    "<ip-lower-address>192.0.2.0</ip-lower-address><ip-upper-address>192.0.2.63</ip-upper-address>DRAIN"
    "</ipv4-address-range></address-pool-entries></address-pool></address-pools>"
)
DRAIN = '<drain xmlns="urn:casm:yang:casm-address-pool-ext">true</drain>'


def test_subscribers_come_by_the_addresses_and_not_to_what_is_drained(simulator: Simulator) -> None:
    with simulator.control() as control:

        def come(used: int) -> object:
            return control.call("device2", "subscribers", range="192.0.2.0/26", used=used)["used"]

        control.call("device2", "edit", datastore="running", configuration=RANGE.replace("DRAIN", ""))
        assert come(6) == 6
        control.call("device2", "edit", datastore="running", configuration=RANGE.replace("DRAIN", DRAIN))
        assert come(9) == 6
        control.call("device2", "set-faults", faults=[{"kind": "drain-ignored"}])
        assert come(9) == 9
        control.call("device2", "clear-faults")
        assert come(0) == 0
        assert come(1) == 0


def test_subscribers_log_in_and_out(simulator: Simulator) -> None:
    with simulator.control() as control:

        def call(do: str, **arguments: object) -> dict[str, object]:
            return control.call("device2", do, pool="q", **arguments)

        control.call("device2", "reboot", configuration=RANGE.replace("DRAIN", ""))
        call("use", shared_by=2)
        assert call("log-in", count=100, protocol="ppp") == {"refused": 0}
        assert call("log-in", count=30) == {"refused": 2}
        assert call("log-out", count=10) == {"left": 10}
        counts = call("logins")
        assert (counts["present"], counts["waiting"], counts["turned-away"]) == (118, 2, 2)
        assert call("cut-off") == {"lost": 118}
        call("follow", demand={"subscribers": 20, "curve": "flat", "noise": 0}, time_scale=60, family=4)
        call("leave-alone")
        assert call("logins", family=6)["present"] == 0
        control.call("device2", "set-faults", faults=[{"kind": "usage-nan"}, {"kind": "stale"}])
        control.call("device2", "clear-faults")


def test_devices_follow_the_demands_of_a_file(folder: Path) -> None:
    demands = folder / "demands.json"
    demand = {"subscribers": 30, "curve": "flat", "noise": 0}
    demands.write_text(
        json.dumps([{"pool": "q", **demand, "protocol": "ppp"}, {"pool": "q", **demand, "family": 6}])
    )
    running = folder / "running.xml"
    running.write_text(RANGE.replace("DRAIN", ""))
    simulator = start(
        folder,
        *("--running", str(running), "--demand", str(demands), "--time-scale", "60"),
        *("--interleave", "--no-notifications"),
        devices=2,
    )
    try:
        with simulator.control() as control:
            for device in ("device1", "device2"):
                for family, what in ((4, "present"), (6, "waiting")):
                    deadline = time.monotonic() + 30
                    while control.call(device, "logins", pool="q", family=family)[what] != 30:
                        assert time.monotonic() < deadline
                        time.sleep(0.02)
    finally:
        assert simulator.stop() == 0


def test_faults_are_set_and_cleared(simulator: Simulator) -> None:
    with simulator.control() as control:
        fault = {"kind": "refuse", "operation": "commit", "occurrence": 1, "tag": "resource-denied"}
        control.call("device1", "set-faults", faults=[fault, {"kind": "delay-before", "seconds": 0.01}])
        with client(simulator) as refused:
            assert refused.wait(20) == 1
        entries: Any = control.call("device1", "journal")["entries"]
        assert [(entry["operation"], entry["outcome"]) for entry in entries[:2]] == [
            ("edit-config", "ok"),
            ("commit", "resource-denied"),
        ]
        control.call("device1", "clear-faults")
        with client(simulator) as fine:
            assert fine.wait(20) == 0


@pytest.mark.parametrize(
    ("device", "do", "arguments", "words"),
    [
        ("device9", "status", {}, "no device 'device9'"),
        ("device1", "dance", {}, "no command"),
        ("device1", "set-faults", {"faults": [{"kind": "sleepy"}]}, "not a fault"),
        ("device1", "set-faults", {"faults": [{"kind": "refuse", "colour": 1}]}, "no 'colour'"),
        ("device1", "set-faults", {"faults": [{"kind": "refuse", "occurrence": "x"}]}, "'occurrence'"),
        ("device1", "set-faults", {}, "faults"),
        ("device1", "edit", {"datastore": "running", "configuration": "<x"}, "not well-formed"),
        ("device1", "edit", {"datastore": "running", "configuration": "<x xmlns='urn:x'/>"}, "unknown"),
        ("device1", "on", {"point": {"operation": "get"}, "signal": 9, "pid": "me"}, "'pid'"),
        ("device1", "wait", {"point": {"operation": "get", "when": "never"}}, "no moment"),
        ("device1", "wait", {"point": {"operation": "get"}, "timeout": 0.01}, "not reached"),
        ("device1", "unlock", {"datastore": "candidate"}, "does not hold"),
        ("device1", "subscribers", {"range": "192.0.2.0/32", "used": 1}, "0 of the device's objects"),
        ("device1", "subscribers", {"pool": "p", "entry": "r", "used": -1}, "-1 addresses"),
        ("device1", "log-in", {"pool": "p", "count": -1}, "-1 subscribers"),
        ("device1", "log-in", {"pool": "p", "protocol": "isdn"}, "'isdn' is no protocol"),
        ("device1", "log-out", {"pool": "p", "family": 5}, "'5' is no family"),
        ("device1", "log-in", {"count": 1}, "lacks 'pool'"),
        ("device1", "use", {"pool": "p", "delegated": 129}, "length 129"),
        ("device1", "follow", {"pool": "p", "demand": {}}, "'subscribers' is missing"),
        (
            "device1",
            "follow",
            {"pool": "p", "demand": {"subscribers": 1}, "time_scale": 0},
            "0 times as fast",
        ),
        ("device1", "follow", {"pool": "p", "demand": {"subscribers": 1}, "protocol": "x"}, "no protocol"),
    ],
)
def test_wrong_commands_are_refused(
    simulator: Simulator, device: str, do: str, arguments: dict[str, object], words: str
) -> None:
    with simulator.control() as control:
        with pytest.raises(InvalidValue, match=words):
            control.call(device, do, **arguments)
        assert control.call("device1", "status")


def test_a_second_connection_gives_commands_while_one_waits(simulator: Simulator) -> None:
    with simulator.control() as control, simulator.control() as waiting:
        point = {"operation": "reboot", "when": "executed"}
        waiter = threading.Thread(target=waiting.call, args=("device1", "wait"), kwargs={"point": point})
        waiter.start()
        control.call("device1", "reboot")
        waiter.join(10)
        assert not waiter.is_alive()


def test_a_state_file_brings_the_same_devices_back(folder: Path) -> None:
    state = folder / "state.json"
    first = start(folder, "--state-file", str(state))
    with first.control() as control:
        control.call("device1", "edit", datastore="running", configuration=POOL)
    # Killed, as a device that loses its power.
    first.process.kill()
    first.process.wait(10)
    first.socket.unlink()
    second = start(folder, "--state-file", str(state))
    try:
        assert second.devices[0]["host-key"] == first.devices[0]["host-key"]
        with second.control() as control:
            assert control.call("device1", "configuration") == {"configuration": POOL}
    finally:
        assert second.stop() == 0


def test_what_cannot_be_started_says_why(folder: Path) -> None:
    state = folder / "state.json"
    state.write_text("[]")

    def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "casm_ctrl.simulator", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    for arguments, status, words in (
        (("--state-file", str(state)), 1, "no state file"),
        (("--module", "ietf-nothing"), 1, "ietf-nothing"),
        (("--host", "192.0.2.1"), 1, "Cannot assign"),
        (("--devices", "many"), 2, "invalid int"),
        (("--demand", str(folder / "none")), 1, "No such file"),
    ):
        result = attempt(*arguments)
        assert (result.returncode, result.stdout) == (status, ""), result.stderr
        assert words in result.stderr
        assert "Traceback" not in result.stderr
    assert "example:" in attempt("--help").stdout
