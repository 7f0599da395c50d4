"""`casm` against simulated devices: what programs get, how commands end, and the demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner, Result

from casm_ctrl.cli.demo_stage import simulated_devices
from casm_ctrl.cli.main import app
from casm_ctrl.simulator.control import ControlClient
from tests.ports import ReservedPort

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
DEADLINE = 60


@dataclass(frozen=True)
class Network:
    """A store whose devices bng1 and bng2 are simulated, and the way to the simulator."""

    environment: dict[str, str]
    control: ControlClient

    def casm(self, *arguments: str) -> Result:
        """Run a command in this process."""
        return CliRunner(env=self.environment).invoke(app, list(arguments), prog_name="casm")

    def answer(self, schema: str, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The JSON answer of a command, valid against `schema`."""
        ended = self.casm(*arguments, "--json")
        assert ended.exit_code == status, ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        registry: Registry[Any] = Registry().with_resources(
            (path.name, Resource.from_contents(json.loads(path.read_text())))
            for path in SCHEMAS.glob("*.schema.json")
        )
        wanted = json.loads((SCHEMAS / f"{schema}.schema.json").read_text())
        Draft202012Validator(wanted, registry=registry).validate(document)
        return document


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    environment = {"CASM_DATABASE": str(tmp_path / "cli.db"), "PW": "casm"}
    with simulated_devices(tmp_path, 2) as (described, control):
        network = Network(environment, control)
        lines = ["init", "space add s", "pool add p --space s --prefix 198.51.100.0/24 --lease-time 0"]
        for name, device in zip(("bng1", "bng2"), described, strict=True):
            lines += [
                f"device add {name} --role bng --driver ietf-address-pool --host {device['host']}"
                f" --port {device['port']} --user casm --credential env:PW",
                f"device-pool add {name}/home --pool p --length 28",
            ]
        for line in lines:
            ended = network.casm(*line.split())
            assert ended.exit_code == 0, ended.stderr
        yield network


def test_the_main_job(network: Network) -> None:
    unknown = network.answer("device-check", "device", "check", "bng1", status=1)
    assert unknown["device"][0]["error"]["app-tag"] == "host-key-refused"
    fit = network.answer("device-check", "device", "check", "--accept-new")
    assert [device["result"] for device in fit["device"]] == ["fit", "fit"]

    network.answer("allocate", "allocate", "bng1/home", "--count", "2")
    planned = network.answer("plan", "plan")
    assert [device["result"] for device in planned["device"]] == ["changes", "in-sync"]
    assert "198.51.100.0" in planned["device"][0]["edit-config"]
    shown = network.casm("plan", "bng1")
    assert planned["device"][0]["edit-config"].strip() in shown.stdout

    applied = network.answer("apply", "apply")
    assert [device["result"] for device in applied["device"]] == ["changed", "in-sync"]
    assert network.casm("status", "--check").exit_code == 0
    running = str(network.control.call("sim1", "configuration")["configuration"])
    assert "198.51.100.16" in running

    network.answer("release", "release", "b1", "b2")
    guarded = network.answer("apply", "apply", "bng1", status=1)
    assert guarded["device"][0]["error"]["app-tag"] == "mass-removal"
    network.answer("apply", "apply", "bng1", "--confirm-removal", "2")
    left = network.answer("block-list", "block", "list")
    assert [block["state"] for block in left["block"]] == ["quarantined", "quarantined"]
    network.answer("block-show", "block", "show", "b1")
    network.answer("device-show", "device", "show", "bng1")
    network.answer("status", "status")
    network.answer("audit", "audit")


def test_one_device_that_fails_does_not_stop_the_others(network: Network) -> None:
    with ReservedPort() as closed:
        network.casm(
            *("device", "add", "lost", "--role", "bng", "--driver", "ietf-address-pool"),
            *("--host", "127.0.0.1", "--port", str(closed.number)),
            *("--user", "casm", "--credential", "env:PW"),
        )
        ended = network.casm("apply", "--accept-new")
    assert ended.exit_code == 1
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("casm: ")
    assert "lost" in ended.stderr
    assert [line.split()[:2] for line in ended.stdout.splitlines() if line.startswith(("bng", "lost"))] == [
        ["bng1", "in-sync"],
        ["bng2", "in-sync"],
        ["lost", "failed"],
    ]


def test_an_unknown_device_is_refused_before_anything_is_done(network: Network) -> None:
    network.answer("error", "apply", "bng1", "nope", status=1)
    assert network.control.call("sim1", "journal")["entries"] == []


def test_ctrl_c_during_an_apply_is_130_and_one_line(network: Network) -> None:
    network.casm("device", "check", "--accept-new")
    network.casm("allocate", "bng1/home")
    network.control.call("sim1", "lock", datastore="running")
    process = subprocess.Popen(
        [sys.executable, "-m", "casm_ctrl", "apply", "bng1"],
        env=os.environ | network.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    point = {"operation": "lock:running", "when": "replied", "occurrence": 1}
    network.control.call("sim1", "wait", point=point)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (130, "")
    assert err.startswith("casm: interrupted")
    assert err.count("\n") == 1


# --- The demo -------------------------------------------------------------------------------------


def _demo(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"TMPDIR": str(tmp_path), "CASM_DATABASE": str(tmp_path / "untouched.db")}
    return subprocess.Popen(
        [sys.executable, "-m", "casm_ctrl", "demo", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _validate_demo(document: dict[str, Any]) -> None:
    schema = json.loads((SCHEMAS / "demo.schema.json").read_text())
    Draft202012Validator(schema).validate(document)


@pytest.fixture
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path leaves room for the name of a Unix socket."""
    return tmp_path_factory.mktemp("d")


def test_the_demo_goes_as_told_and_leaves_nothing(short_path: Path) -> None:
    process = _demo(short_path)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert "all went as told" in out
    for command in ("allocate", "plan", "apply", "drain", "release", "audit"):
        assert f"$ casm {command}" in out
    assert list(short_path.iterdir()) == []


def test_the_demo_in_json_is_one_object(short_path: Path) -> None:
    process = _demo(short_path, "--json")
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (0, "")
    document = json.loads(out)
    _validate_demo(document)
    assert len(document["demo"]["step"]) == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_cleans_up_when_it_is_stopped(short_path: Path, number: signal.Signals) -> None:
    process = _demo(short_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "device check" in line:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, out
    assert err.count("casm: interrupted") == 1, err
    assert "Traceback" not in err
    assert list(short_path.iterdir()) == []
