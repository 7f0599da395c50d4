"""docs/northbound.md says for every command how it is done over NETCONF, and names every RPC."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from lxml import etree

from casm_ctrl.cli.main import app
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.state.control_status import TOP as CONTROL_STATUS
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.libyang import ffi
from casm_ctrl.yang.operations import read_operations
from casm_ctrl.yang.schema import SchemaNode, load_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "northbound.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `casm ([a-z -]+)` \| (.+) \|$", PAGE, re.MULTILINE))


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if children is None or (path and command.invoke_without_command):
        yield " ".join(path)
    for name, child in (children or {}).items():
        yield from _commands(child, (*path, name))


def test_every_command_has_its_way() -> None:
    assert sorted(ROWS) == sorted(_commands(typer.main.get_command(app)))
    for name, way in ROWS.items():
        ways = ("RPC `", "action `", "`edit-config` of `/", "`get` of `/", "not: ")
        assert way.startswith(ways), name


def test_every_rpc_is_a_command() -> None:
    named = {rpc for way in ROWS.values() for rpc in re.findall(r"RPC `([a-z-]+)`", way)}
    assert named == {*verbs.STORE_VERBS, *verbs.DEVICE_VERBS}


def test_paths_are_of_the_models() -> None:
    context = engine_for(
        "casm-devices", "casm-pools", "casm-control", "ietf-netconf-acm", "ietf-alarms"
    ).context
    for way in ROWS.values():
        for path in re.findall(r"of `(/[^`]+)`", way):
            top, *_ = path[1:].partition("/")
            module = MODULES.get(top, "casm-devices")
            plain = re.sub(r"\[[^]]*\]", "", path).replace("/", f"/{module}:")
            found = context.library.lys_find_path(context.pointer, ffi.NULL, plain.encode(), 0)
            assert found, path


def test_every_rpc_that_changes_something_takes_a_request_id_and_a_reason() -> None:
    """Promise 4."""
    for node in read_operations(engine_for(verbs.MODULE).context, verbs.MODULE).values():
        name = etree.QName(node.tag).localname
        repeatable = {verbs.tag("request-id"), verbs.tag("reason")} <= set(node.input)
        assert repeatable == (name not in verbs.READING), name


MODULES = {
    "control": "casm-control",
    "control-status": "casm-control",
    "address-spaces": "casm-pools",
    "pools": "casm-pools",
    "nacm": "ietf-netconf-acm",
    "alarms": "ietf-alarms",
}
ANSWERS = {
    "allocate": ("allocate", ()),
    "release": ("release", ()),
    "renew": ("renew", ()),
    "drain": ("drain", ()),
    "cancel-drain": ("cancel-drain", ()),
    "manage-blocks": ("block-manage", ()),
    "confirm-routes": ("route-confirm", ()),
    "accept-clock": ("accept-clock", ("clock",)),
    "hold": ("hold", ()),
    "unhold": ("unhold", ()),
    "resume-control": ("control-resume", ("control",)),
    "replace-device": ("device-replace", ()),
    "trace": ("trace", ("trace",)),
    "read-audit": ("audit", ()),
    "verify-audit": ("audit-verify", ("audit",)),
    "seal-audit": ("audit-seal", ("audit",)),
    "check-access": ("access-check", ("access",)),
    "read-usage": ("usage", ()),
    "plan-scarcity": ("scarcity", ()),
    "plan-defragmentation": ("defragment", ()),
    "why": ("why", ("why",)),
    "read-status": ("status", ("status",)),
    "plan": ("plan", ()),
    "apply": ("apply", ()),
    "adopt": ("adopt", ("adopt",)),
    "check-drift": ("drift", ()),
    "verify": ("verify", ("verify",)),
    "check-devices": ("device-check", ()),
}
"""The schema of the JSON answer that says the same as an RPC's output, and where in it that is."""

ELSEWHERE = {
    "/casm",
    "/scarcity/released",
    "/defragment/released",
    "/usage/picture",
    "/plan/file",
    "/device/adopted/static/device",
}
"""What is of files and of JSON only, or said by what stands around it."""


@pytest.mark.parametrize("name", ANSWERS)
def test_the_output_has_room_for_the_answer(name: str) -> None:
    """A key that is new in a JSON answer must get its leaf: else it would be left out over NETCONF."""
    file, steps = ANSWERS[name]
    schema = _load(f"{file}.schema.json")
    for step in steps:
        schema = schema["properties"][step]
    node = read_operations(engine_for(verbs.MODULE).context, verbs.MODULE)[verbs.tag(name)]
    assert set(_without_room(schema, node.output, "")) - ELSEWHERE == set()


def test_the_status_of_automation_has_room_for_the_answer() -> None:
    schema = _load("control-status.schema.json")["properties"]["control"]
    node = load_schema(("casm-control",)).roots[CONTROL_STATUS]
    assert set(_without_room(schema, node.children, "")) == set()


def _load(file: str) -> Any:
    return json.loads((DOCS / "json" / file).read_text(encoding="utf-8"))


def _without_room(schema: Any, nodes: Mapping[str, SchemaNode], path: str) -> Iterator[str]:
    known = {etree.QName(tag).localname: node for tag, node in nodes.items()}
    for name, inner in schema.get("properties", {}).items():
        if name not in known:
            yield f"{path}/{name}"
            continue
        while "$ref" in inner or inner.get("type") == "array":
            if "items" not in inner and "$ref" not in inner:
                break
            inner = _referred(inner["$ref"]) if "$ref" in inner else inner["items"]
        yield from _without_room(inner, known[name].children, f"{path}/{name}")


def _referred(reference: str) -> Any:
    file, _, place = reference.partition("#/")
    found = _load(file)
    for step in place.split("/"):
        found = found[step]
    return found
