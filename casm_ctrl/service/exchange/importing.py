"""Import: read a file whole, check all of it against the store, and make what is missing, in one transaction or
not at all.

What is there already and equal is skipped, so that a file may be imported again. What is there under the same
name and differs is a problem: an import adds, and never changes or removes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from casm_ctrl.base.errors import Refusal
from casm_ctrl.service.config_lock import count_change
from casm_ctrl.service.configuration import AddDevice, Edit, apply_edit
from casm_ctrl.service.edits import Done
from casm_ctrl.service.exchange.blocks import import_blocks
from casm_ctrl.service.exchange.dependence import differences, in_order
from casm_ctrl.service.exchange.edits import edits_of, held, names_used
from casm_ctrl.service.exchange.nouns import BLOCK, HOLD, NOUNS, Entry
from casm_ctrl.service.exchange.problems import Problems
from casm_ctrl.service.exchange.source import Source
from casm_ctrl.service.exchange.stored import find_stored
from casm_ctrl.service.holds import add_hold
from casm_ctrl.service.rest import sweep
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.savepoint import savepoint
from casm_ctrl.store.transaction import Transaction

Judge = Callable[[AddDevice], AddDevice]
"""Says whether a device's driver and host key are good (raises a Refusal), and puts the key in its one form."""


class _Refused(Exception):
    """Takes the transaction back; the problems are in the source."""


@dataclass
class _Counts:
    """How many of each noun are new, and how many were there."""

    new: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)

    def add(self, noun: str, *, new: int = 0, there: int = 0) -> None:
        self.new[noun] = self.new.get(noun, 0) + new
        self.there[noun] = self.there.get(noun, 0) + there

    def document(self) -> list[Document]:
        return [
            {"noun": noun.name, "new": str(self.new[noun.name]), "unchanged": str(self.there[noun.name])}
            for noun in NOUNS
            if noun.name in self.new
        ]


def import_source(
    database: Database,
    author: Author,
    source: Source,
    *,
    judge: Judge,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda more: None,
) -> Document:
    """Make what `source` says and the store does not have. `progress` is told how many more entries are done.

    Answers {"imported": […], "error": […]}: the counts by noun, or what is wrong and where, with nothing
    written; and with "config-revision" where the configuration grew. `dry_run`: the same answer, and nothing is
    written, nor stored under the request id. InUse where another session than the author's has the
    configuration locked.
    """
    if source.problems.count:
        return {"imported": [], "error": source.errors()}

    def body(tx: Transaction) -> Document:
        problems = Problems()
        answer = _import(tx, author, source.entries, problems, judge, progress)
        if problems.count:
            source.problems = problems
            raise _Refused
        return answer

    arguments = {"format": source.form, "content": hashlib.sha256(source.text.encode()).hexdigest()}
    try:
        if dry_run:
            with database.rehearse() as tx:
                return body(tx)
        return perform(database, author, "import", arguments, body)
    except _Refused:
        return {"imported": [], "error": source.errors()}


def _import(
    tx: Transaction,
    author: Author,
    entries: Sequence[Entry],
    problems: Problems,
    judge: Judge,
    progress: Callable[[int], None],
) -> Document:
    sweep(tx)
    ordered = in_order(entries, problems)
    counts = _Counts()
    failed: set[tuple[str, str]] = {(e.noun.name, e.key) for e in entries if e.noun is not BLOCK}
    failed -= {(e.noun.name, e.key) for e in ordered}
    done: list[Done] = []
    found: list[Entry] = []
    for entry in ordered:
        if not failed.isdisjoint(names_used(entry)):  # what it stands on is wrong, and that was said
            if entry.noun is not BLOCK:
                failed.add((entry.noun.name, entry.key))
        elif entry.noun is BLOCK:
            found.append(entry)
        else:
            made = _make(tx, author, entry, problems, judge, done)
            if made is None:
                failed.add((entry.noun.name, entry.key))
            else:
                counts.add(entry.noun.name, new=int(made), there=int(not made))
            progress(1)
    new, there = import_blocks(tx, author, found, problems, progress)
    if found:
        counts.add(BLOCK.name, new=new, there=there)
    answer: Document = {"imported": counts.document(), "error": []}
    if done:
        revision = count_change(tx, author.session)
        answer["config-revision"] = str(revision)
        told = (Event(d.verb, d.kind, d.id, d.name, reason=author.reason or d.words) for d in done)
        record(tx, author, told, revision=revision)
    if any(counts.new.values()):
        words = ", ".join(f"{number} {noun}" for noun, number in counts.new.items() if number)
        record(tx, author, [Event("import", "request", 0, words)])
    return answer


def _make(
    tx: Transaction, author: Author, entry: Entry, problems: Problems, judge: Judge, done: list[Done]
) -> bool | None:
    """Whether the entry was made, with what was changed of the configuration added to `done`; False where it is there,
    None where it cannot be made."""
    there = find_stored(tx, entry)
    if there is not None:
        words = differences(there, entry)
        if words:
            problems.add(
                entry.place,
                f"{entry.title} is there and differs: {'; '.join(words)}",
                "correct the file, or change what is there: an import only adds",
            )
        return False
    try:
        with savepoint(tx):
            if entry.noun is HOLD:  # it is no configuration
                kind, subject = held(entry)
                add_hold(tx, author, kind, subject or None, entry.get("reason"))
                return True
            made = [apply_edit(tx, _judged(edit, judge)) for edit in edits_of(entry)]
            done += made
            return bool(made)
    except Refusal as error:
        problems.add_error(entry.place, error, entry.title)
        return None


def _judged(edit: Edit, judge: Judge) -> Edit:
    return judge(edit) if isinstance(edit, AddDevice) else edit
