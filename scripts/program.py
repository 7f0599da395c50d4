"""How each script runs: one line per error on stderr, `--json` on stdout, and an exit status to rely on.

0: done, nothing found. 1: a finding, or it failed. 2: the command line was wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import typer

from casm_ctrl.base.errors import CasmError, error_document, one_line

FINDING = 1
USAGE = 2
STATUS = "Exit status: 0 nothing found, 1 a finding or a failure, 2 wrong usage."


def make_app() -> typer.Typer:
    """A Typer application for one command, without the options that Typer adds on its own."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def run(app: typer.Typer) -> int:
    """Run the command line and return its exit status; errors become one line on stderr.

    With `--json` anywhere on the command line a failure is also an object on stdout.
    """
    try:
        return app(standalone_mode=False) or 0
    except CasmError as error:
        if "--json" in sys.argv[1:]:
            print_json({"error": error_document(error)})
        return fail(str(error), FINDING)
    except typer.Abort:
        return fail("stopped", FINDING)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return fail(f"{place}{error.strerror or error}", FINDING)
    except Exception as error:
        # Typer carries its own Click, whose usage errors have no public class.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        return fail(f"{message()} (see --help)", USAGE)


def fail(message: str, status: int) -> int:
    """Say `message` in one line on stderr and return `status`."""
    print(f"error: {one_line(message)}", file=sys.stderr)
    return status


def print_json(members: Mapping[str, object]) -> None:
    """One object on stdout, with the version of our JSON first."""
    print(json.dumps({"casm": 1, **members}, ensure_ascii=False))
