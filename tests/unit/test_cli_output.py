"""How values look to people."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from casm_ctrl.cli.block import block_table
from casm_ctrl.cli.device_check import capability_names
from casm_ctrl.cli.output import facts, moment, number, plural, share, table
from casm_ctrl.cli.synchronise import faults, warnings


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        ("65536", "65,536"),
        (10**15 - 1, "999,999,999,999,999"),
        (2**96, "2^96"),
        (2**96 - 2**80, "7.923·10^28"),
    ],
)
def test_numbers_are_grouped_and_huge_ones_short(value: int | str, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "-"),
        (0, 256, "0%"),
        (256, 256, "100%"),
        (1, 65536, "<0.1%"),
        (65535, 65536, "99.9%"),
        (1, 8, "12.5%"),
    ],
)
def test_shares(part: int, whole: int, shown: str) -> None:
    assert share(part, whole) == shown


@given(st.integers(1, 2**128), st.data())
def test_a_share_is_never_full_or_empty_unless_it_is(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    assert (share(part, whole) == "0%") == (part == 0)
    assert (share(part, whole) == "100%") == (part == whole)


def test_moments_and_plurals() -> None:
    assert moment("2026-11-23T04:25:34.574658Z") == "2026-11-23 04:25:34Z"
    assert moment(None) is None
    assert (plural(1, "block"), plural(1200, "block")) == ("1 block", "1,200 blocks")


LONG = "2001:db8:1111:2222:3333:4444:5555:6666/128"


def _shown(width: int) -> list[str]:
    output = io.StringIO()
    console = Console(file=output, width=width, markup=False)
    console.print(table(("ID", "PREFIX", "WHY"), [("b1", LONG, "one two three four five six")]))
    return output.getvalue().splitlines()


def test_a_narrow_terminal_folds_the_last_column_first() -> None:
    lines = _shown(62)
    assert max(map(len, lines)) <= 62
    assert any(LONG in line for line in lines)
    assert " ".join(line[48:].strip() for line in lines[1:]) == "one two three four five six"


def test_a_terminal_that_is_too_narrow_folds_everything_and_loses_nothing() -> None:
    lines = _shown(20)
    assert max(map(len, lines)) <= 20
    assert sorted(set("".join("".join(lines[1:]).split()))) == sorted(set(f"b1{LONG}onetwothreefourfivesix"))


def test_a_block_of_many_words_fits_eighty_columns_with_its_prefix_whole() -> None:
    block = {
        "id": "b3",
        "prefix": "198.51.102.70/31",
        "device-pool": "ap2/Home-Pool",
        "pool": "public4",
        "wanted": "present",
        "state": "installed",
        "managed": False,
        "since": "2026-11-23T08:41:48Z",
    }
    output = io.StringIO()
    Console(file=output, width=80, markup=False).print(block_table([block]))
    lines = output.getvalue().splitlines()
    assert "198.51.102.70/31" in lines[1]
    assert max(map(len, lines)) <= 80


def test_facts_leave_out_what_is_unknown() -> None:
    assert facts((("a", None), ("b", []), ("c", ""), ("d", 0), ("e", ["x", "y"]))).row_count == 3


def test_capabilities_by_name() -> None:
    assert capability_names(
        [
            "urn:ietf:params:netconf:base:1.1",
            "urn:ietf:params:netconf:capability:candidate:1.0",
            "urn:ietf:params:netconf:capability:confirmed-commit:1.0",
            "urn:ietf:params:netconf:capability:confirmed-commit:1.1",
            "urn:example:yang:pools?module=pools",
        ]
    ) == ["candidate", "confirmed-commit"]


def test_only_bad_results_are_faults_and_each_names_its_device() -> None:
    error = {"message": "bng1 did not answer", "remedy": "look"}
    found: list[dict[str, Any]] = [
        {"name": "bng1", "result": "failed", "error": error, "warning": []},
        {"name": "bng2", "result": "held", "warning": ["careful"]},
        {"name": "bng3", "result": "waiting", "warning": []},
        {"name": "bng4", "result": "unknown", "error": {"message": "lost", "remedy": ""}},
    ]
    assert faults(found) == [
        "bng1 did not answer: look",
        "bng2: held: see 'casm device show bng2'",
        "bng4: lost",
    ]
    assert warnings(found) == ["warning: bng2: careful"]
