"""The conformance page tells what the conformance tests hold, all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.sections import SECTIONS, TITLES
from tests.conformance.table import PAGE, all_cases, page_with_tables, read_case, uncovered, unlisted

ROOT = Path(__file__).parents[2]


def test_every_conformance_test_names_its_section() -> None:
    _, silent = all_cases()
    assert silent == []


def test_every_section_has_a_test_or_a_reason() -> None:
    assert uncovered(all_cases()[0]) == []


def test_every_test_is_of_a_section_that_there_is() -> None:
    assert [(case.rfc, case.section, case.test) for case in unlisted(all_cases()[0])] == []


def test_sections_are_listed_once_with_tests_that_there_are() -> None:
    assert len({(section.rfc, section.number) for section in SECTIONS}) == len(SECTIONS)
    assert {section.rfc for section in SECTIONS} == set(TITLES)
    missing = [path for section in SECTIONS for path in section.tests if not (ROOT / path).is_file()]
    assert missing == []


def test_the_page_has_the_tables_as_they_are_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_tables(page), "write it anew: python -m tests.conformance.table"


def test_there_are_cases_enough() -> None:
    """The page tells how many there are with their parameters; without these they are enough already."""
    tests = len(all_cases()[0])
    assert tests >= 150
    told = re.search(r"([0-9,]+) cases", PAGE.read_text(encoding="utf-8"))
    assert told is not None
    assert int(told[1].replace(",", "")) >= tests - 50, "write it anew: python -m tests.conformance.table"


def test_a_docstring_without_a_section_is_seen() -> None:
    assert read_case("t", "Something else.") is None
    case = read_case("t", "RFC 6242 4.2: a chunk\nis one.\n\nMore.")
    assert case is not None
    assert (case.rfc, case.section, case.words) == (6242, "4.2", "a chunk is one.")
    several = read_case("t", "RFC 8639 2.4.2 and 2.7.3: both.")
    assert several is not None
    assert several.sections == ("2.4.2", "2.7.3")
