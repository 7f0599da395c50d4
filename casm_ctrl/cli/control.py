"""`casm control`: automation as a whole."""

from __future__ import annotations

import typer

from casm_ctrl.cli import control_settings

app = typer.Typer(no_args_is_help=True, help="Automation: what it may do at the most.")

control_settings.register(app)
