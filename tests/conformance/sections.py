"""The sections of the RFCs that say what a NETCONF server does, and for each whether ours does it: `sections.txt`.

One row for a section; a test of a section below it (7.1.2 is below 7.1) is a test of it too. What is done has a
test, in this folder or by its path; what is not done says why. Sections that only define words, give examples
or tell clients something have no row, unless tests are about them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

There = Literal["yes", "in part", "no", "-"]

_ROWS = Path(__file__).with_suffix(".txt")
_TITLE = re.compile(r"RFC (\d{4}): (.+)")


@dataclass(frozen=True)
class Section:
    """`words`: how it is done, or why it is not. `tests`: paths of tests elsewhere. `-`: nothing to do."""

    rfc: int
    number: str
    title: str
    there: There
    words: str = ""
    tests: tuple[str, ...] = ()

    def covers(self, number: str) -> bool:
        """True for itself and for what is below it."""
        return number == self.number or number.startswith(f"{self.number}.")


def read_sections(text: str) -> tuple[dict[int, str], tuple[Section, ...]]:
    """Titles of the RFCs, and their sections, in the order of the text. ValueError for a row that is none."""
    titles: dict[int, str] = {}
    sections: list[Section] = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if found := _TITLE.fullmatch(line):
            titles[int(found[1])] = found[2]
            continue
        number, title, there, words, tests = [*(cell.strip() for cell in line.split("|")), "", ""][:5]
        if not titles or there not in get_args(There):
            raise ValueError(f"this is no row of a section: {line}")
        rfc = next(reversed(titles))
        sections.append(Section(rfc, number, title, cast("There", there), words, tuple(tests.split())))
    return titles, tuple(sections)


TITLES, SECTIONS = read_sections(_ROWS.read_text(encoding="utf-8"))
