"""`casm device check`, plan and apply on simulated devices that run published modules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from typer.testing import CliRunner, Result

from casm_ctrl.cli.main import app
from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice
from tests.published import MODELS, folder_of
from tests.sync_world import Lab

SCHEMAS = Path(__file__).parents[2] / "docs" / "json"
DRIVERS = {
    "cisco-iosxr": ("cisco-iosxr", "bng"),
    "juniper-junos": ("juniper-junos", "bng"),
    "huawei-vrp": ("huawei-vrp", "bng"),
    "ietf": ("ietf-dhcpv6-server", "dhcp"),
    "ietf-nat": ("ietf-nat", "cgn"),
}
"""Driver and role by model."""


@dataclass
class Network:
    """A store, simulated devices, and the commands between them."""

    lab: Lab
    environment: dict[str, str]
    devices: dict[str, SimulatedDevice] = field(default_factory=dict)

    def casm(self, *arguments: str, status: int = 0) -> Result:
        ended = CliRunner(env=self.environment).invoke(app, list(arguments), prog_name="casm")
        assert ended.exit_code == status, ended.output
        return ended

    def check(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The device's part of the answer of `device check`, valid against its schema."""
        ended = self.casm("device", "check", *arguments, "--json", status=status)
        document: dict[str, Any] = json.loads(ended.stdout)
        registry: Registry[Any] = Registry().with_resources(
            (path.name, Resource.from_contents(json.loads(path.read_text())))
            for path in SCHEMAS.glob("*.schema.json")
        )
        wanted = json.loads((SCHEMAS / "device-check.schema.json").read_text())
        Draft202012Validator(wanted, registry=registry).validate(document)
        device: dict[str, Any] = document["device"][0]
        return device

    def add(self, name: str, model: str, **options: Any) -> SimulatedDevice:
        options = {"modules": MODELS[model], "search": (folder_of(model),)} | options
        device = self.devices[name] = self.lab.start(name, **options)
        driver, role = DRIVERS[model]
        where = ("--host", device.host, "--port", str(device.port), "--host-key", device.host_key)
        who = ("--user", "casm", "--credential", "env:PW")
        self.casm("device", "add", name, "--role", role, "--driver", driver, "--space", "s", *where, *who)
        return device

    def refuse_schemas(self, name: str) -> None:
        device = self.devices[name]
        fault = Fault(FaultKind.REFUSE, "get-schema", tag="operation-not-supported")
        self.lab.do(lambda: device.faults.set(fault))

    def entries(self, name: str) -> list[tuple[str, ...]]:
        """What it was asked, in order."""
        device = self.devices[name]
        return self.lab.do(lambda: [tuple(entry.names) for entry in device.journal.entries])

    def asked(self, name: str) -> int:
        device = self.devices[name]
        return self.lab.do(lambda: device.journal.count("get-schema"))


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    lab = Lab()
    environment = {
        "CASM_DATABASE": str(tmp_path / "cli.db"),
        "CASM_YANG_CACHE": str(tmp_path / "yang"),
        "PW": "casm",
    }
    try:
        network = Network(lab, environment)
        for line in (
            "init",
            "space add s",
            "pool add p4 --space s --prefix 198.51.100.0/24 --lease-time 0",
            "pool add p6 --space s --prefix 2001:db8::/32 --lease-time 0",
        ):
            network.casm(*line.split())
        yield network
    finally:
        lab.close()


@pytest.mark.parametrize("model", MODELS)
def test_a_fit_device_hands_out_what_judges_its_edits(network: Network, model: str) -> None:
    network.add("d1", model)
    device = network.check("d1")
    assert device["result"] == "fit"
    assert device["missing"] == []
    found = {module["name"]: module for module in device["needed-module"]}
    configured = [name for name in found if name in MODELS[model]]
    assert configured
    assert {found[name]["origin"] for name in configured} == {"device"}
    assert found["ietf-netconf"]["origin"] == "package"
    assert all(len(module["sha256"]) == 64 for module in found.values())


def test_what_a_device_keeps_back(network: Network) -> None:
    network.add("d1", "cisco-iosxr")
    network.refuse_schemas("d1")
    device = network.check("d1", status=1)
    assert device["error"]["app-tag"] == "device-unfit"
    assert "Cisco-IOS-XR-ip-daps-cfg" in device["error"]["message"]
    assert "--yang-path" in device["error"]["remedy"]
    assert any("Cisco-IOS-XR-ip-daps-cfg" in words for words in device["missing"])
    folder = str(folder_of("cisco-iosxr"))
    device = network.check("d1", "--yang-path", folder)
    assert device["result"] == "fit"
    assert {m["origin"] for m in device["needed-module"] if m["name"].startswith("Cisco")} == {"yang-path"}
    text = network.casm("device", "check", "d1", "--yang-path", folder).stdout
    assert "from --yang-path" in text
    missing = network.casm("device", "check", "d1", "--yang-path", "/no/such/folder", status=1)
    assert "/no/such/folder" in missing.output


def test_everything_that_is_missing_is_said_at_once(network: Network) -> None:
    network.add("d1", "ietf-nat", modules=("ietf-interfaces",), candidate=False, writable_running=True)
    network.refuse_schemas("d1")
    device = network.check("d1", status=1)
    assert device["result"] == "failed"
    assert any("ietf-nat" in words for words in device["missing"])


def test_plan_and_apply_take_what_the_check_found(network: Network) -> None:
    network.add("d1", "ietf-nat")
    network.casm("device-pool", "add", "d1/nat", "--pool", "p4", "--length", "28")
    network.casm("allocate", "d1/nat")
    network.casm("device", "check", "d1")
    asked = network.asked("d1")
    assert asked > 0
    network.casm("plan", "d1")
    network.casm("apply", "d1")
    assert network.asked("d1") == asked
    assert b"198.51.100" in network.lab.do(network.devices["d1"].configuration)
    network.casm("device", "check", "d1")
    assert network.asked("d1") == 2 * asked


def test_apply_without_a_check_asks_for_itself(network: Network) -> None:
    network.add("d1", "ietf-nat")
    network.casm("device-pool", "add", "d1/nat", "--pool", "p4", "--length", "28")
    network.casm("allocate", "d1/nat")
    network.casm("apply", "d1")
    asked = network.asked("d1")
    assert asked > 0
    names = [name for entry in network.entries("d1") for name in entry]
    assert max(i for i, name in enumerate(names) if name == "get-schema") < names.index("lock")
    network.casm("allocate", "d1/nat")
    network.casm("apply", "d1")
    assert network.asked("d1") == asked


def test_a_device_whose_modules_cannot_be_had_is_not_changed(network: Network) -> None:
    network.add("d1", "cisco-iosxr")
    network.refuse_schemas("d1")
    network.casm("device-pool", "add", "d1/home", "--pool", "p4", "--length", "28")
    network.casm("allocate", "d1/home")
    ended = network.casm("apply", "d1", status=1)
    assert "lacks" in ended.output
    assert not network.lab.do(network.devices["d1"].configuration)
    environment = network.environment | {"CASM_YANG_PATH": str(folder_of("cisco-iosxr"))}
    network.environment = environment
    network.casm("apply", "d1")
    assert b"198.51.100" in network.lab.do(network.devices["d1"].configuration)
