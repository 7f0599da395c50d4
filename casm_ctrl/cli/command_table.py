"""The commands of `casm` by name, each made when it is first asked for.

typer makes all of them before it looks at the command line: with some ninety commands that took longer than
most of them run. Here only the one that the command line names is made; all, where the help lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import typer
from typer.models import CommandInfo, TyperInfo


class CommandTable(Mapping[str, Any]):
    """What was registered with `parts`: commands, then groups of commands, each in its order.

    A command keeps nothing of its runs, so that one that was made serves all runs of this process.
    """

    def __init__(self, parts: typer.Typer) -> None:
        self._made: dict[str, Any] = {}
        self._makers: dict[str, Callable[[], Any]] = {}
        for info in parts.registered_commands:
            self._makers[_name(info)] = partial(_make_command, info)
        for group in parts.registered_groups:
            self._makers[_name(group)] = partial(_make_group, group)

    @property
    def made(self) -> tuple[str, ...]:
        """The names of those that were made so far, in that order."""
        return tuple(self._made)

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _name(info: CommandInfo | TyperInfo) -> str:
    if not info.name:
        raise TypeError("a command of casm is registered with its name")
    return str(info.name)


def _make_command(info: CommandInfo) -> Any:
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.registered_commands.append(info)
    return typer.main.get_command(alone)


def _make_group(info: TyperInfo) -> Any:
    around = typer.Typer(add_completion=False, rich_markup_mode="rich")
    around.registered_groups.append(info)
    group: Any = typer.main.get_command(around)
    return group.commands[info.name]
