"""The commands of `casm`. A wrong command line is told as every other error is: in one line, with what to do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from casm_ctrl.cli import failures
from casm_ctrl.cli.command_table import CommandTable

WRONG = 2
"""The status of a wrong command line."""

_UsageError: Any = typer.BadParameter.__base__
"""typer gives this class no public name, and some versions take it from click."""


class Commands(TyperGroup):
    """The commands of `table`, without the frame that typer draws around what is wrong with a command line."""

    table: CommandTable

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = self.table

    def list_commands(self, ctx: object) -> list[str]:
        """Their names, in the order in which they were registered; none is made for that."""
        return list(self.table)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        *more: Any,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, *more, **extra)
        try:
            status = super().main(args, prog_name, complete_var, False, *more, **extra)
        except typer.Abort:
            sys.exit(1)
        except _UsageError as error:
            words = error.format_message()
            if words and type(error).__name__ != "NoArgsIsHelpError":  # then the help was printed instead
                path = "casm" if error.ctx is None else error.ctx.command_path
                failures.print_line(f"{words.rstrip('.')}: see '{path} -h'")
            sys.exit(WRONG)
        sys.exit(status if isinstance(status, int) else 0)
