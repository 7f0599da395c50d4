"""`casm control`: automation as a whole."""

from __future__ import annotations

import typer

from casm_ctrl.cli import control_run, control_settings

app = typer.Typer(no_args_is_help=True, help="Automation: run it, see it, bound it.")

control_run.register(app)
control_settings.register(app)
