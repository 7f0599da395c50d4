"""What the tests of export and import share."""

from __future__ import annotations

from casm_ctrl.service.configuration import AddDevice
from casm_ctrl.service.exchange.exporting import exported
from casm_ctrl.service.exchange.importing import import_source
from casm_ctrl.service.exchange.nouns import What
from casm_ctrl.service.exchange.source import read_source
from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

AUTHOR = Author("tester")


def take(database: Database, form: str = "json", what: What = What.ALL) -> str:
    """An export's text."""
    with exported(database, form=form, what=what) as taken:
        return "".join(taken.pieces)


def give(
    database: Database,
    text: str,
    form: str | None = None,
    *,
    author: Author = AUTHOR,
    dry_run: bool = False,
    space: str = "global",
) -> Document:
    """Import `text`, with any driver taken as good."""
    source = read_source(text.encode(), form, space=space)
    return import_source(database, author, source, judge=good, dry_run=dry_run)


def good(edit: AddDevice) -> AddDevice:
    return edit


def counts(done: Document) -> dict[str, tuple[int, int]]:
    """By noun: (new, unchanged)."""
    return {row["noun"]: (int(row["new"]), int(row["unchanged"])) for row in done["imported"]}


def faults(done: Document) -> list[tuple[int | None, str]]:
    """(line, message) of what was wrong."""
    return [(row.get("line"), row["message"]) for row in done["error"]]
