"""The operators' scripts, run as people run them: status, one-line errors, JSON."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.simulator import SimulatedDevice, SimulatedDeviceOptions
from casm_ctrl.yang.modules import list_modules, yang_folder

SCRIPTS = Path(__file__).parents[2] / "scripts"
BINDINGS = Path(__file__).parents[2] / "bindings" / "casm_bindings"
NAMES = ("validate_yang", "validate_instance", "check_compatible", "check_device", "rebuild_bindings")
SPACES = (
    '<address-spaces xmlns="urn:casm:yang:casm-pools"><address-space><name>{}</name></address-space>'
    "</address-spaces>"
)


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        document = json.loads(self.out)
        assert document["casm"] == 1
        return document


def run(
    script: str, *arguments: str | Path, stdin: str = "", variables: dict[str, str] | None = None
) -> Done:
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(variables or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def only_line(text: str) -> str:
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_an_example_and_the_status(name: str) -> None:
    done = run(name, "--help")
    words = " ".join(done.out.split())
    assert done.status == 0
    assert f"Example: casm-{name.replace('_', '-')}" in words
    assert "Exit status: 0 nothing found, 1 a finding or a failure, 2 wrong usage." in words


@pytest.mark.parametrize("name", NAMES)
def test_wrong_usage_ends_2_in_one_line(name: str) -> None:
    done = run(name, "--no-such-option")
    assert done.status == 2
    assert "--no-such-option" in only_line(done.err)


@pytest.mark.parametrize("name", NAMES)
def test_console_command_is_the_script(name: str) -> None:
    command = Path(sys.executable).parent / f"casm-{name.replace('_', '-')}"
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == run(name, "--help").out.replace(f"{name}.py", command.name)


# --- validate_yang ----------------------------------------------------------------------------------


def test_our_modules_are_valid() -> None:
    done = run("validate_yang", "--json")
    assert done.status == 0
    assert done.document["findings"] == []
    assert len(done.document["files"]) == len(list_modules())


@pytest.mark.parametrize(
    ("body", "tool", "options", "status"),
    [
        ("leaf a { type nothing; }", "pyang", [], 1),
        ("leaf a { type nothing; }", "libyang", [], 1),
        ("leaf a { type string; }", "pyang", [], 1),  # a description is missing: style
        ("leaf a { type string; }", "", ["--no-lint"], 0),
        ("leaf a { type string; } leaf a { type string; }", "pyang", ["--no-lint"], 1),
        ("leaf a { must 'count('; type string; }", "libyang", ["--no-lint"], 1),
    ],
)
def test_wrong_modules_are_found(
    tmp_path: Path, body: str, tool: str, options: Sequence[str], status: int
) -> None:
    file = tmp_path / "m.yang"
    file.write_text(f'module m {{ namespace "urn:m"; prefix m; {body} }}\n')
    done = run("validate_yang", file, "--json", *options)
    assert done.status == status
    findings = done.document["findings"]
    assert {item["file"] for item in findings} <= {str(file)}
    assert not tool or tool in {item["tool"] for item in findings}
    assert len(done.err.splitlines()) == len(findings)


def test_no_modules_there(tmp_path: Path) -> None:
    done = run("validate_yang", tmp_path)
    assert done.status == 1
    assert str(tmp_path) in only_line(done.err)


# --- validate_instance ------------------------------------------------------------------------------


def test_documents_are_judged(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.xml", tmp_path / "bad.xml"
    good.write_text(SPACES.format("internet"))
    bad.write_text(SPACES.format("b12"))
    assert run("validate_instance", good).status == 0
    done = run("validate_instance", good, bad, "--json")
    assert done.status == 1
    assert [item["valid"] for item in done.document["documents"]] == [True, False]
    assert done.document["documents"][1]["path"] == "/casm-pools:address-spaces/address-space/name"
    assert str(bad) in only_line(done.err)


def test_json_on_standard_input() -> None:
    document = json.dumps({"casm-pools:address-spaces": {"address-space": [{"name": "internet"}]}})
    assert run("validate_instance", "-", stdin=document).status == 0
    assert run("validate_instance", "-", stdin=document.replace("name", "nam")).status == 1


@pytest.mark.parametrize("wrapper", ["config", "data"])
def test_netconf_wrapping_is_taken_off(wrapper: str) -> None:
    document = f'<{wrapper} xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{SPACES.format("{}")}</{wrapper}>'
    assert run("validate_instance", "-", stdin=document.format("internet")).status == 0
    assert run("validate_instance", "-", stdin=document.format("b1")).status == 1


RPC = '<rpc message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{}</rpc>'
REPLY = '<rpc-reply message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{}</rpc-reply>'
NOTIFICATION = (
    '<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-11-23T10:00:00Z'
    '</eventTime><netconf-session-start xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">'
    "<username>casm</username><session-id>{}</session-id></netconf-session-start></notification>"
)


@pytest.mark.parametrize(
    ("what", "document", "status"),
    [
        ("rpc", RPC.format("<commit/>"), 0),
        ("rpc", RPC.format("<comit/>"), 1),
        ("notification", NOTIFICATION.format(7), 0),
        ("notification", NOTIFICATION.format("seven"), 1),
        ("data", SPACES.format("internet"), 0),
        ("edit", SPACES.format("internet"), 0),
    ],
)
def test_other_kinds(what: str, document: str, status: int) -> None:
    modules = ["--module", "ietf-netconf-notifications", "--module", "casm-pools"]
    assert run("validate_instance", "--what", what, *modules, "-", stdin=document).status == status


def test_reply_with_its_request(tmp_path: Path) -> None:
    request = tmp_path / "request.xml"
    request.write_text(RPC.format("<close-session/>"))
    good = REPLY.format("<ok/>")
    assert run("validate_instance", "--what", "reply", "--request", request, "-", stdin=good).status == 0
    bad = REPLY.format("<data/>")
    assert run("validate_instance", "--what", "reply", "--request", request, "-", stdin=bad).status == 1
    without = run("validate_instance", "--what", "reply", "-", stdin=good)
    assert without.status == 1
    assert "request" in only_line(without.err) or "rpc" in only_line(without.err)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    done = run("validate_instance", tmp_path / "missing.xml")
    assert done.status == 1
    assert "missing.xml" in only_line(done.err)
    done = run("validate_instance", "--module", "no-such-module", "-", "--json")
    assert done.status == 1
    assert "no-such-module" in only_line(done.err)
    assert done.document["error"]["app-tag"] == "not-found"


# --- check_compatible -------------------------------------------------------------------------------

# Edits as (what to find, what to put there); white space in what to find stands for any.
INCOMPATIBLE = {
    "a leaf removed": ('leaf description { type string; description "What the space is for."; }', ""),
    "a leaf renamed": ("leaf parent {", "leaf ancestor {"),
    "a type changed": ("leaf quarantine { type uint32;", "leaf quarantine { type string;"),
    "a range narrowed": ('range "0..128";', 'range "8..64";'),
    "an enum renamed": ("enum sparse {", "enum scattered {"),
    "a default changed": ('default "3600";', 'default "60";'),
    "an optional leaf made mandatory": (
        "leaf description { type string;",
        "leaf description { type string; mandatory true;",
    ),
    "min-elements raised": ("min-elements 1;", "min-elements 2;"),
    "a must added": ("leaf family { type family;", "leaf family { type family; must '../scope';"),
    "configuration made state": ("leaf scope {", "leaf scope { config false;"),
    "a key changed": ('list address-space { key "name";', 'list address-space { key "description";'),
    "a container given presence": ("container policy {", 'container policy { presence "on";'),
    "a pattern changed": ("(0|[1-9][0-9]{0,38})", "(0|[1-9][0-9]{0,19})"),
    "a pattern added": ("leaf value { type string {", "leaf value { type string { pattern '[a-z]*';"),
    "the namespace changed": ("urn:casm:yang:casm-pools", "urn:casm:yang:pools"),
    "a length narrowed": ('length "1..63";', 'length "1..31";'),
    "a length given": (
        "leaf description { type string;",
        'leaf description { type string { length "1..9"; }',
    ),
}


def pools() -> str:
    return next(module.text for module in list_modules() if module.name == "casm-pools")


def edited(text: str, edit: tuple[str, str]) -> str:
    """`text` with the first match of the edit's left side replaced by its right side."""
    pattern = r"\s+".join(map(re.escape, edit[0].split()))
    result, count = re.subn(pattern, lambda _: edit[1], text, count=1)
    assert count == 1
    return result


def newer(text: str) -> str:
    """The module with one more revision statement, as RFC 7950 (11) wants it."""
    statement = 'revision 2027-01-01 {\n    description\n      "Second.";\n  }\n\n  revision 2026'
    return text.replace("revision 2026", statement, 1)


def compare(folder: Path, text: str) -> Done:
    new = folder / "casm-pools@2027-01-01.yang"
    new.write_text(text)
    (old,) = (module.path for module in list_modules() if module.name == "casm-pools")
    return run("check_compatible", old, new, "--json")


@pytest.mark.parametrize("edit", INCOMPATIBLE)
def test_incompatible_edits_are_found(tmp_path: Path, edit: str) -> None:
    done = compare(tmp_path, edited(newer(pools()), INCOMPATIBLE[edit]))
    assert done.status == 1
    findings = done.document["compatibility"]["findings"]
    assert findings
    assert len(done.err.splitlines()) == len(findings)


COMPATIBLE = {
    "nothing but the revision": ("module casm-pools", "module casm-pools"),
    "a leaf added": ("leaf scope {", 'leaf colour { type string; description "It."; } leaf scope {'),
    "an enum added": (
        "enum sparse {",
        'enum random { value 9; description "Any."; } enum sparse { value 2;',
    ),
    "a text changed": ("What the space is for.", "What it is for."),
    "a length widened": ('length "1..63";', 'length "1..127";'),
    "a length split in two that touch": ('length "1..63";', 'length "1..9 | 10..max";'),
    "a pattern removed": (r"pattern '(0|[1-9][0-9]{0,38})(\.[0-9]{0,15}[1-9])?';", ""),
}


@pytest.mark.parametrize("edit", COMPATIBLE)
def test_compatible_edits_pass(tmp_path: Path, edit: str) -> None:
    done = compare(tmp_path, edited(newer(pools()), COMPATIBLE[edit]))
    assert (done.status, done.err) == (0, "")


def test_revision_must_move_on(tmp_path: Path) -> None:
    (same,) = (module.path for module in list_modules() if module.name == "casm-pools")
    assert run("check_compatible", same, same).status == 0
    done = compare(tmp_path, pools().replace("What the space is for.", "What it is for."))
    assert done.status == 1
    assert "revision newer than 2026-11-23" in done.err
    other = run("check_compatible", same, next(iter(sorted(yang_folder().glob("ietf-*.yang")))))
    assert other.status == 1
    assert "another module" in other.err


# --- rebuild_bindings -------------------------------------------------------------------------------


def test_bindings_are_rebuilt_where_stale(tmp_path: Path) -> None:
    names = sorted(path.name for path in BINDINGS.glob("*.py"))
    made = run("rebuild_bindings", "--folder", tmp_path, "--json")
    assert made.status == 0
    assert made.document["bindings"]["stale"] == names
    text = (tmp_path / "casm_pools.py").read_text()
    (tmp_path / "casm_pools.py").write_text("# edited by hand\n")
    (tmp_path / "left_over.py").write_text("")
    stale = run("rebuild_bindings", "--check", "--folder", tmp_path, "--json")
    assert stale.status == 1
    assert stale.document["bindings"]["stale"] == ["casm_pools.py", "left_over.py"]
    assert (tmp_path / "left_over.py").exists()
    assert run("rebuild_bindings", "--folder", tmp_path).status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "casm_pools.py").read_text() == text


# --- check_device -----------------------------------------------------------------------------------


async def check(device: SimulatedDevice, *arguments: str, password: str = "casm") -> Done:
    return await asyncio.to_thread(
        run,
        "check_device",
        device.host,
        *("--port", str(device.port), "--user", "casm", "--credential", "env:CASM_TEST_PASSWORD"),
        *("--host-key", device.host_key),
        *arguments,
        variables={"CASM_TEST_PASSWORD": password},
    )


async def test_fit_device() -> None:
    async with SimulatedDevice(SimulatedDeviceOptions()) as device:
        done = await check(device, "--json")
    assert (done.status, done.err) == (0, "")
    found = done.document["device"]
    assert found["fit"]
    assert found["ability"] == {"drain": True, "usage": "count"}
    assert {"casm-address-pool-ext", "ietf-address-pool"} <= {module["name"] for module in found["module"]}


async def test_device_without_the_module() -> None:
    async with SimulatedDevice(SimulatedDeviceOptions(modules=())) as device:
        plain = await check(device)
        as_json = await check(device, "--json")
    assert plain.status == as_json.status == 1
    assert not as_json.document["device"]["fit"]
    assert "ietf-address-pool since 2015-10-14" in only_line(plain.err)


async def test_device_that_is_changed_in_running() -> None:
    options = SimulatedDeviceOptions(candidate=False, writable_running=True)
    async with SimulatedDevice(options) as device:
        plain = await check(device)
        as_json = await check(device, "--json")
    assert plain.status == as_json.status == 0
    assert "running is edited directly (no :candidate)" in plain.out
    assert as_json.document["device"]["way"] == "writable-running"


async def test_device_that_does_not_let_us_in() -> None:
    async with SimulatedDevice(SimulatedDeviceOptions()) as device:
        wrong = await check(device, "--json", password="wrong")
        other_key = await check(device, "--host-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ")
    assert wrong.status == 1
    assert wrong.document["error"]["app-tag"] == "authentication-failed"
    assert other_key.status == 1
    only_line(other_key.err)


def test_device_that_is_not_there() -> None:
    done = run(
        "check_device",
        *("127.0.0.1", "--port", "1", "--user", "u", "--credential", "env:CASM_TEST_PASSWORD"),
        variables={"CASM_TEST_PASSWORD": "x"},
    )
    assert done.status == 1
    assert "127.0.0.1:1" in only_line(done.err)


def test_unknown_driver() -> None:
    done = run("check_device", "127.0.0.1", "--user", "u", "--credential", "env:X", "--driver", "telex")
    assert done.status == 1
    assert "telex" in only_line(done.err)
