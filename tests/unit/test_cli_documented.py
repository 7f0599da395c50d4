"""Nothing that `casm` takes is undocumented, and no command is without a schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from jsonschema import Draft202012Validator

from casm_ctrl.base.clients import CLIENTS
from casm_ctrl.cli import options
from casm_ctrl.cli.main import app
from casm_ctrl.service import device_edits, device_pool_edits, pool_edits
from casm_ctrl.store.states import State

DOCS = Path(__file__).parents[2] / "docs"
COMMON = {"--json", "--database", "--help", "--request-id", "--reason"}


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
        return
    if path and command.invoke_without_command:
        yield " ".join(path), command
    for name, child in children.items():
        yield from _commands(child, (*path, name))


ROOT: Any = typer.main.get_command(app)
COMMANDS = dict(_commands(ROOT))
GROUPS = {name: group for name, group in ROOT.commands.items() if hasattr(group, "commands")}


def _section(title: str) -> str:
    """The text under a heading of docs/cli.md, to the next one."""
    text = (DOCS / "cli.md").read_text()
    match = re.search(rf"^#+ {re.escape(title)}$(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"docs/cli.md has no section '{title}'"
    return match[1]


def _options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented_with_its_options(name: str) -> None:
    section = _section(f"casm {name}")
    missing = {option for option in _options(COMMANDS[name]) - COMMON if option not in section}
    assert not missing


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_examples(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "\n" not in command.help.replace("\n\n", ""), "the terminal says where lines end"
    assert (
        f"casm {name}" in command.epilog or f"casm --database /var/lib/casm/casm.db {name}" in command.epilog
    )
    assert all(parameter.help for parameter in command.params)


def test_the_options_of_every_command_are_documented() -> None:
    section = _section("Options of every command")
    assert {option for option in COMMON | _options(ROOT) if option not in section} == set()


def test_no_section_is_about_a_command_that_is_gone() -> None:
    documented = re.findall(r"^### casm (.*)$", (DOCS / "cli.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(COMMANDS)


def test_schemas_and_commands_match() -> None:
    schemas = {path.name.removesuffix(".schema.json") for path in (DOCS / "json").glob("*.json")}
    assert schemas == {name.replace(" ", "-") for name in COMMANDS} | {"common", "error", "plan-file"}


@pytest.mark.parametrize("path", sorted((DOCS / "json").glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_is_one(path: Path) -> None:
    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name


def test_the_words_that_options_take_are_those_of_the_service() -> None:
    assert tuple(role.value for role in options.Role) == device_edits.ROLES
    assert tuple(client.value for client in options.Client) == CLIENTS
    assert tuple(scope.value for scope in options.Scope) == pool_edits.SCOPES
    assert tuple(access.value for access in options.Access) == device_pool_edits.ACCESS
    assert {state.value for state in options.LiveState} == {state.value for state in State} - {"free"}


def test_each_group_says_what_it_is() -> None:
    assert all(group.help for group in GROUPS.values())


def test_what_errors_tell_to_run_exists() -> None:
    """Remedies name commands of casm in quotes; each is one that there is."""
    named = re.compile(r"'casm ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
    for path in sorted((DOCS.parent / "casm_ctrl").rglob("*.py")):
        for first, second in named.findall(path.read_text()):
            wanted = f"{first} {second}" if first in GROUPS and second else first
            assert wanted in COMMANDS, f"{path.name} tells to run 'casm {first} {second}'"
