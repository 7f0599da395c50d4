"""The conformance page tells what the conformance tests hold, all of it and nothing else."""

from __future__ import annotations

from tests.conformance.table import PAGE, all_cases, page_with_table, read_case


def test_every_conformance_test_names_its_section() -> None:
    _, silent = all_cases()
    assert silent == []


def test_the_page_has_the_table_as_it_is_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with_table(page), "write it anew: python -m tests.conformance.table"


def test_a_docstring_without_a_section_is_seen() -> None:
    assert read_case("t", "Something else.") is None
    case = read_case("t", "RFC 6242 4.2: a chunk\nis one.\n\nMore.")
    assert case is not None
    assert (case.rfc, case.section, case.words) == (6242, "4.2", "a chunk is one.")
