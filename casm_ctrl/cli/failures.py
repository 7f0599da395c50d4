"""What goes wrong, in one line on stderr, and under --json as a document too. Never a traceback unasked."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator

import typer

from casm_ctrl.base.errors import CasmError, error_document, one_line

TRACEBACK = "CASM_TRACEBACK"
"""Set to 1 to see where an unexpected error came from."""

INTERRUPTED = 130
"""128 and the number of SIGINT, as shells have it."""


@contextlib.contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """End the program with the right status where the block raises, after saying why."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except CasmError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        print_line("interrupted: what was answered is kept; the same command takes it up again")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        close_output()
        raise typer.Exit(1) from None
    except Exception as error:
        fail(unexpected(error), as_json=as_json)


def unexpected(error: Exception) -> CasmError:
    """An error that nobody foresaw, named by its type."""
    if os.environ.get(TRACEBACK) == "1":
        traceback.print_exception(error)
    words = one_line(str(error))
    return CasmError(
        f"unexpected {type(error).__name__}{f' ({words})' if words else ''}",
        f"please report this with what you did and the output under {TRACEBACK}=1",
    )


def fail(error: CasmError, *, as_json: bool) -> None:
    """Say what `error` says, and end with status 1."""
    if os.environ.get(TRACEBACK) == "1" and error.__traceback__ is not None:
        traceback.print_exception(error)
    if as_json:
        from casm_ctrl.cli.output import print_json

        print_json({"error": error_document(error)})
    print_line(str(error))
    raise typer.Exit(1)


def print_line(text: str) -> None:
    """`casm: text` on stderr, red on a terminal."""
    _stderr(text, typer.colors.RED)


def note(text: str) -> None:
    """`casm: text` on stderr for what is no error: yellow on a terminal."""
    _stderr(text, typer.colors.YELLOW)


def _stderr(text: str, colour: str) -> None:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    name = typer.style("casm:", fg=colour, bold=True) if coloured else "casm:"
    with contextlib.suppress(BrokenPipeError):
        print(f"{name} {one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201


def close_output() -> None:
    """After a broken pipe: let nothing else be written, not even at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
