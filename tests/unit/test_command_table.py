"""The commands of `casm` are made when they are asked for, and are then what typer makes of them."""

from __future__ import annotations

from typing import Any

import typer

from casm_ctrl.cli.command_table import CommandTable
from casm_ctrl.cli.main import parts


def test_only_the_command_that_is_asked_for_is_made() -> None:
    table = CommandTable(parts)
    assert {"init", "status", "device", "audit"} <= set(table)
    assert not table.made
    assert table["status"].name == "status"
    assert "add" in table["device"].commands
    assert table.made == ("status", "device")
    assert table["status"] is table["status"]


def test_the_commands_are_those_that_typer_makes_of_all() -> None:
    whole: Any = typer.main.get_command(parts)
    table = CommandTable(parts)
    assert list(table) == list(whole.commands)
    for name, command in whole.commands.items():
        assert _told(table[name]) == _told(command)


def _told(command: Any) -> list[Any]:
    """All that a command says of itself: help, options and, in a group, its commands."""
    own = [command.name, command.help, command.epilog, command.rich_help_panel, command.rich_markup_mode]
    options = [(param.name, param.opts, param.help, param.required, param.nargs) for param in command.params]
    return [own, options, *(_told(child) for child in getattr(command, "commands", {}).values())]
