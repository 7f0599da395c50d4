"""A file to import: its text, what was read from it, and on which lines things stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.exchange.csv import read_csv
from casm_ctrl.service.exchange.instance import read_json
from casm_ctrl.service.exchange.json_lines import find_lines
from casm_ctrl.service.exchange.netbox import GLOBAL, read_netbox
from casm_ctrl.service.exchange.nouns import BLOCK, NOUNS, Entry
from casm_ctrl.service.exchange.problems import Problems
from casm_ctrl.service.verb import Document

FORMATS = ("json", "csv", "netbox")


@dataclass
class Source:
    """`form` is one of FORMATS. `notes` are for people: what of the file was not taken, and why."""

    text: str
    form: str
    entries: Sequence[Entry]
    problems: Problems
    notes: Sequence[str]

    @property
    def planned(self) -> int:
        """How many blocks it gives a state, or a wish, that an import does not take over."""
        return sum(
            entry.noun is BLOCK and (entry.get("state") != "reserved" or entry.get("wanted") != "present")
            for entry in self.entries
        )

    def errors(self) -> list[Document]:
        """The problems in the order of the file, each with its line where it has one, and the path in JSON."""
        kept = self.problems.kept
        paths = [problem.place for problem in kept if isinstance(problem.place, tuple)]
        lines = find_lines(self.text, paths) if any(paths) else {}
        found: list[Document] = []
        for problem in kept:
            document: Document = {"message": problem.message, "remedy": problem.remedy}
            if isinstance(problem.place, int):
                document["line"] = problem.place
            elif problem.place:
                document["line"] = lines[problem.place]
                document["path"] = _shown(problem.place)
            found.append(document)
        return sorted(found, key=lambda document: document.get("line", 0))


def read_source(content: bytes, form: str | None = None, *, space: str = GLOBAL) -> Source:
    """The file's `content`, as `form` or as it looks. `space` is for prefixes of NetBox that are in no VRF.

    What is wrong with it is among the source's problems; InvalidValue where it cannot be told what it is.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(
            f"the file is not UTF-8: line {line} has the byte 0x{content[error.start]:02x}",
            "save it as UTF-8, and repeat",
        ) from None
    form = form or _form_of(text)
    problems, notes = Problems(), list[str]()
    if form == "json":
        entries = read_json(text, problems)
    elif form == "csv":
        entries = read_csv(text, problems)
    else:
        entries, notes = read_netbox(text, problems, space)
    return Source(text, form, entries, problems, notes)


def _form_of(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "").strip()
    if not first:
        raise InvalidValue("the file is empty", "give an export of casm, or NetBox's prefixes")
    if first.startswith("{"):
        return "json"
    cells = [
        cell.strip().strip('"').lower() for cell in first.replace(";", ",").replace("\t", ",").split(",")
    ]
    if cells[0] in {noun.name for noun in NOUNS}:
        return "csv"
    if "prefix" in cells or "prefix (flat)" in cells:
        return "netbox"
    raise InvalidValue(
        f"it cannot be told what the file is: it begins with '{first[:40]}'",
        f"say what it is with --format: {', '.join(FORMATS)}",
    )


def _shown(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f"/{step}" for step in path)
