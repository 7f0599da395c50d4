"""docs/northbound.md says for every command how it is done over NETCONF, and names every RPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from lxml import etree

from casm_ctrl.cli.main import app
from casm_ctrl.northbound import verbs
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.libyang import ffi
from casm_ctrl.yang.operations import read_operations

PAGE = (Path(__file__).parents[2] / "docs" / "northbound.md").read_text(encoding="utf-8")
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
        assert way.startswith(("RPC `", "`edit-config` of `/", "`get` of `/", "not: ")), name


def test_every_rpc_is_a_command() -> None:
    named = {rpc for way in ROWS.values() for rpc in re.findall(r"RPC `([a-z-]+)`", way)}
    assert named == {*verbs.STORE_VERBS, *verbs.DEVICE_VERBS}


def test_paths_are_of_the_models() -> None:
    context = engine_for("casm-devices", "casm-pools").context
    for way in ROWS.values():
        for path in re.findall(r"of `(/[^`]+)`", way):
            top, *_ = path[1:].partition("/")
            module = "casm-pools" if top in ("address-spaces", "pools") else "casm-devices"
            plain = re.sub(r"\[[^]]*\]", "", path).replace("/", f"/{module}:")
            found = context.library.lys_find_path(context.pointer, ffi.NULL, plain.encode(), 0)
            assert found, path


def test_every_rpc_that_changes_something_takes_a_request_id_and_a_reason() -> None:
    """Promise 4."""
    for node in read_operations(engine_for(verbs.MODULE).context, verbs.MODULE).values():
        name = etree.QName(node.tag).localname
        repeatable = {verbs.tag("request-id"), verbs.tag("reason")} <= set(node.input)
        assert repeatable == (name not in verbs.READING), name
