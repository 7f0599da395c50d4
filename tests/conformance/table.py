"""The tables of docs/conformance.md: what is there of which section, and which section each test is about.

What is there says `sections.txt`. A test of this folder names its section itself, in the first line of its docstring:
`RFC 6242 4.2: what it says there`. Write the tables anew with `python -m tests.conformance.table`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.sections import SECTIONS, TITLES, Section

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "conformance.md"
PARTS = ("the sections", "the tests")
"""What the page has between `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""

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
    def sections(self) -> tuple[str, ...]:
        """One, or several."""
        return tuple(re.split(r"(?: and|,| to|-) ?", self.section))

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


def uncovered(cases: Sequence[Case]) -> list[Section]:
    """What is said to be there, and has no test; and what is not, and has no reason."""
    return [
        section
        for section in SECTIONS
        if not (
            tests_in(section, cases) or section.tests
            if section.there in ("yes", "in part")
            else section.words
        )
        or (section.there == "in part" and not section.words)
    ]


def unlisted(cases: Sequence[Case]) -> list[Case]:
    """Tests of a section that is not in the list: perhaps there is no such section."""
    return [
        case
        for case in cases
        for number in case.sections
        if not any(section.rfc == case.rfc and section.covers(number) for section in SECTIONS)
    ]


def tests_in(section: Section, cases: Sequence[Case]) -> list[Case]:
    """The tests of a section and of what is below it."""
    return [case for case in cases if case.rfc == section.rfc and any(map(section.covers, case.sections))]


# --- The page -------------------------------------------------------------------------------------


def sections_table() -> str:
    cases = all_cases()[0]
    lines: list[str] = []
    for rfc, title in TITLES.items():
        lines += ["", f"### RFC {rfc}: {title}", ""]
        lines += ["| section | there? | how, or why not | tests |", "|---|---|---|---|"]
        for section in SECTIONS:
            if section.rfc == rfc:
                title = f"{section.number} {section.title}"
                lines.append(f"| {title} | {section.there} | {section.words} | {_proof(section, cases)} |")
    return "\n".join(lines[1:])


def _proof(section: Section, cases: Sequence[Case]) -> str:
    here = len(tests_in(section, cases))
    elsewhere = [f"[{Path(path).stem}](../{path})" for path in section.tests]
    return ", ".join([*([str(here)] if here else []), *elsewhere])


def tests_table() -> str:
    rows = [
        f"| {case.rfc} {case.section} | {case.words.replace('|', '/')} | `{case.test}` |"
        for case in all_cases()[0]
    ]
    return "\n".join(["| RFC | what is held | test |", "|---|---|---|", *rows])


def page_with_tables(page: str, cases: int | None = None) -> str:
    """The page with its tables as they should be. `cases`: how many the tests are with their parameters, where
    that was counted; else the number stays that the page has."""
    for name, text in zip(PARTS, (sections_table(), tests_table()), strict=True):
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    if cases is not None:
        page = re.sub(r"[0-9,]+ cases", f"{cases:,} cases", page)
    return page


def count_cases() -> int:
    """How many cases pytest finds in this folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", str(FOLDER)],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum("::" in line for line in done.stdout.splitlines())


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding="utf-8"), count_cases()), encoding="utf-8")
