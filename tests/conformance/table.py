"""The table of docs/conformance.md: which section of which RFC each test of this folder is about.

A test says so itself, in the first line of its docstring: `RFC 6242 4.2: what it says there`. Write the table
anew with `python -m tests.conformance.table`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "conformance.md"
BEGIN, END = "<!-- the tests: begin -->", "<!-- the tests: end -->"

_FIRST_LINE = re.compile(
    r"RFC (\d{4}),? (?:section )?([0-9A-F][0-9A-Za-z.]*(?:(?: and|,| to|-) ?[0-9A-F][0-9.]*)*):? +(.+)"
)
_STATES = re.compile(r"\s+")


@dataclass(frozen=True)
class Case:
    """One test: what it holds against what."""

    rfc: int
    section: str
    words: str
    test: str

    @property
    def order(self) -> tuple[int, tuple[tuple[int, str], ...], str]:
        parts = re.findall(r"[0-9]+|[A-Z]", self.section)
        return self.rfc, tuple((int(p), "") if p.isdigit() else (1000, p) for p in parts), self.test


def tests_of(path: Path) -> Iterator[tuple[str, str]]:
    """(name, docstring) of each test in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def read_case(test: str, docstring: str) -> Case | None:
    """None where the docstring names no section."""
    paragraph = _STATES.sub(" ", docstring.split("\n\n")[0]).strip()
    found = _FIRST_LINE.match(paragraph)
    if found is None:
        return None
    return Case(int(found[1]), found[2].rstrip("."), found[3].strip(), test)


def all_cases() -> tuple[list[Case], list[str]]:
    """Every case in the order of the RFCs, and the tests that name none."""
    cases, silent = [], []
    for path in sorted(FOLDER.glob("test_*.py")):
        for name, docstring in tests_of(path):
            case = read_case(f"{path.stem}.{name}", docstring)
            if case is None:
                silent.append(f"{path.name}::{name}")
            else:
                cases.append(case)
    return sorted(cases, key=lambda case: case.order), silent


def table() -> str:
    rows = [
        f"| {case.rfc} {case.section} | {case.words.replace('|', '/')} | `{case.test}` |"
        for case in all_cases()[0]
    ]
    return "\n".join(["| RFC | what is held | test |", "|---|---|---|", *rows])


def page_with_table(page: str) -> str:
    """The page with its table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
