"""`casm export` and `casm import`: the whole configuration and its blocks as a file, and back."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from casm_ctrl.service.exchange.source import Source

STANDARD = "-"
_MANY = {"shelf": "shelves"}
"""Of kinds of things with another plural than with an s."""


class ExportFormat(StrEnum):
    """What an export may be."""

    JSON = "json"
    CSV = "csv"


class ImportFormat(StrEnum):
    """What a file to import may be."""

    JSON = "json"
    CSV = "csv"
    NETBOX = "netbox"


class Part(StrEnum):
    """Which part of the store is exported."""

    ALL = "all"
    POOLS = "pools"
    DEVICES = "devices"
    BLOCKS = "blocks"
    CONTROL = "control"


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "export",
        panel=panel,
        examples=(
            "casm export --output network.json",
            "casm export --format csv --what blocks > blocks.csv",
        ),
    )(export)
    command(
        app,
        "import",
        panel=panel,
        examples=(
            "casm import network.json --dry-run",
            "casm import prefixes.csv --format netbox --space internet --reason 'from NetBox'",
        ),
        changes=True,
    )(import_)


def export(
    call: Call,
    form: Annotated[
        ExportFormat,
        typer.Option(
            "--format", help="json: instance data of our YANG models; csv: tables.", case_sensitive=False
        ),
    ] = ExportFormat.JSON,
    what: Annotated[
        Part,
        typer.Option(
            "--what",
            help="pools: with their spaces; devices: with device pools, groups and quotas; blocks; control: limits of"
            " automation, holds and shelves of alarms.",
            case_sensitive=False,
        ),
    ] = Part.ALL,
    output: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where it goes; '-' is stdout.")
    ] = STANDARD,
) -> Answer:
    """Write what is in the store, as one snapshot. 'casm import' reads it.

    Secrets are not in it: credentials are names of variables and files.
    """
    from casm_ctrl.cli.progress import counting
    from casm_ctrl.service.exchange.exporting import exported
    from casm_ctrl.service.exchange.nouns import What

    if call.as_json and output == STANDARD:
        raise InvalidValue(
            "--json answers on stdout, and the export would go there too", "name a file with --output"
        )
    shown = output != STANDARD or not sys.stdout.isatty()
    with (
        exported(call.database, form=form.value, what=What(what.value)) as taken,
        counting("exporting blocks", taken.total, show=shown) as step,
        _opened(output) as write,
    ):
        before = 0
        for piece in taken.pieces:
            write(piece)
            step(taken.counts.get("block", 0) - before)
            before = taken.counts.get("block", 0)
    document = {"file": output, "format": form.value, "what": what.value, "exported": taken.document()}
    return Answer({"export": document}, lambda: _exported(document))


def _exported(document: Document) -> Iterable[RenderableType]:
    if document["file"] == STANDARD:
        return
    from casm_ctrl.cli.output import plural

    found = [
        plural(int(row["entries"]), row["noun"], _MANY.get(row["noun"], ""))
        for row in document["exported"]
        if row["entries"] != "0"
    ]
    yield f"Exported to {document['file']}: {', '.join(found) or 'nothing, the store is empty'}."


@contextlib.contextmanager
def _opened(output: str) -> Iterator[Callable[[str], object]]:
    """Something that writes; a file is there only when all of it is, and only its owner may read it."""
    if output == STANDARD:
        yield sys.stdout.write
        sys.stdout.flush()
        return
    path = Path(output)
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device is written as it is
            with path.open("w", encoding="utf-8") as file:
                yield file.write
            return
        number, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                yield file.write
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InvalidValue(
            f"{output} cannot be written: {error.strerror}", "name another file with --output"
        ) from None


def import_(
    call: Call,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="What to import; '-' is stdin.", show_default=False)
    ],
    form: Annotated[
        ImportFormat | None,
        typer.Option(
            "--format",
            help="What the file is: an export of casm, or NetBox's prefixes as CSV. Default: as it looks.",
            case_sensitive=False,
            show_default=False,
        ),
    ] = None,
    space: Annotated[
        str,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="Of NetBox: the address space of prefixes in no VRF.",
            autocompletion=complete.spaces,
        ),
    ] = "global",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all of it against the store, and change nothing.")
    ] = False,
) -> Answer:
    """Add what a file says and the store does not have: all of it, or nothing where anything is wrong.

    What is there and equal is skipped, so that a file may be imported again. Blocks come in as reserved.
    """
    from casm_ctrl.cli.progress import counting
    from casm_ctrl.service.exchange.importing import import_source
    from casm_ctrl.service.exchange.source import read_source
    from casm_ctrl.sync.admission import admit_device

    source = read_source(_content(file), None if form is None else form.value, space=space)
    with counting("importing", len(source.entries)) as step:
        done = import_source(
            call.database, call.author, source, judge=admit_device, dry_run=dry_run, progress=step
        )
    revision = {key: done.pop(key) for key in ("config-revision",) if key in done}
    document = {"file": file, "format": source.form, "dry-run": dry_run, **done}
    return Answer(
        {"import": document, **revision},
        lambda: _imported(document),
        notes=_notes(source, document),
        faults=_faults(source, document),
    )


def _content(file: str) -> bytes:
    if file == STANDARD:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}", "name a file that can be") from None


def _notes(source: Source, document: Document) -> list[str]:
    from casm_ctrl.cli.output import plural

    notes = list(source.notes)
    if source.planned and not document["error"]:
        notes.append(
            f"{plural(source.planned, 'block')} of the file in another state than reserved, or not wanted present:"
            " what of them is new is reserved, and wanted present"
        )
    return notes


def _faults(source: Source, document: Document) -> list[str]:
    from casm_ctrl.cli.output import plural

    found = document["error"]
    if not found:
        return []
    faults = [f"{_where(document['file'], row)}: {row['message']}: {row['remedy']}" for row in found]
    count = source.problems.count
    more = f", of which the first {len(found)} are told" if count > len(found) else ""
    return [*faults, f"nothing was imported from {document['file']}: {plural(count, 'error')}{more}"]


def _where(file: str, row: Document) -> str:
    return f"{file}:{row['line']}" if "line" in row else file


def _imported(document: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    rows = document["imported"]
    if document["error"]:
        return
    yield table(
        ("WHAT", "NEW", "THERE ALREADY"),
        ((row["noun"], int(row["new"]), int(row["unchanged"])) for row in rows),
        right=("NEW", "THERE ALREADY"),
    )
    new = any(row["new"] != "0" for row in rows)
    if document["dry-run"]:
        yield "Nothing was written: this was a dry run."
    elif not new:
        yield "Nothing was changed: all of it is there already."
    elif any(row["noun"] == "block" and row["new"] != "0" for row in rows):
        yield "Imported. The blocks are reserved: 'casm apply' installs them."
    else:
        yield "Imported."
