"""CSV (RFC 4180): one table for each noun, with a header whose first column is the noun; an empty line between
tables.

A cell with several values has ';' between them, and '=' between the key and the value of a pair; before one
of these, or a '\\\\', that is meant as it is stands a '\\\\'.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.exchange.documents import Read
from casm_ctrl.service.exchange.nouns import NOUNS, Entry, Kind, Leaf, Noun, What
from casm_ctrl.service.exchange.problems import Problems
from casm_ctrl.service.exchange.values import canonical, check_count, check_seconds

_BY_NAME = {noun.name: noun for noun in NOUNS}
_SPECIAL = re.compile(r"([\\;=])")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(r"\\.|.", re.DOTALL)

LONGEST_CELL = 1 << 20
"""Characters: the prefixes of a scattered pool stand in one cell."""


# --- Writing --------------------------------------------------------------------------------------


def write_csv(what: What, read: Read) -> Iterator[str]:
    """The tables in pieces of a row. A noun of which there is nothing has its header only."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")  # so that it puts cells with either in quotes

    def row(cells: Iterable[str]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(cells)
        return buffer.getvalue()[:-2] + "\n"

    for number, noun in enumerate(what.nouns):
        if number:
            yield "\n"
        yield row((noun.name, *(leaf.name for leaf in noun.leaves)))
        for entry in read(noun):
            yield row((entry.key, *(_cell(leaf, entry.values.get(leaf.name)) for leaf in noun.leaves)))


def _cell(leaf: Leaf, value: Any) -> str:
    if value is None:
        return ""
    if leaf.kind is Kind.FLAG:
        return "true" if value else "false"
    if leaf.kind is Kind.MAP:
        return ";".join(f"{_escape(name)}={_escape(text)}" for name, text in value)
    if leaf.kind in (Kind.SET, Kind.LIST):
        return ";".join(map(_escape, value))
    return str(value)


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


# --- Reading --------------------------------------------------------------------------------------


def rows_of(text: str, problems: Problems) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it begins; an empty line is an empty row. Cells are divided by what
    divides those of the first line: a comma, a semicolon or a tab."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.add(reader.line_num, f"this is not CSV: {error}", "mend the quotes there")
            return
        yield line, row
        line = reader.line_num + 1


def read_csv(text: str, problems: Problems) -> list[Entry]:
    """The entries of all tables, in the order of the file."""
    entries: list[Entry] = []
    table: _Table | None = None
    lost = False
    for line, row in rows_of(text, problems):
        if not any(cell.strip() for cell in row):
            table, lost = None, False
        elif table is None and not lost:
            table = _header(line, row, problems)
            lost = table is None
        elif table is not None:
            entry = table.entry(line, row)
            if entry is not None:
                entries.append(entry)
    return entries


def _header(line: int, row: list[str], problems: Problems) -> _Table | None:
    names = [name.strip() for name in _trimmed(row)]
    noun = _BY_NAME.get(names[0])
    if noun is None:
        problems.add(
            line,
            f"a table begins here with the column '{names[0]}'",
            f"the first column says what is in the table: {', '.join(_BY_NAME)}; only between tables is an empty line",
        )
        return None
    known = {leaf.name for leaf in noun.leaves}
    before = problems.count
    for index, name in enumerate(names[1:], start=1):
        if name not in known or name in names[:index]:
            fault = "twice" if name in known else "that is not known"
            problems.add(line, f"the table '{noun.name}' has a column {fault}: '{name}'", "remove it")
    for leaf in noun.leaves:
        if leaf.required and leaf.name not in names:
            problems.add(line, f"the table '{noun.name}' has no column '{leaf.name}'", "add it")
    return _Table(noun, names, problems) if problems.count == before else None


class _Table:
    """One table while it is read."""

    def __init__(self, noun: Noun, names: list[str], problems: Problems) -> None:
        self._noun = noun
        self._leaves = [noun.leaf(name) for name in names[1:]]
        self._problems = problems

    def entry(self, line: int, row: list[str]) -> Entry | None:
        """The entry in a row; None where something is wrong with it."""
        noun, problems = self._noun, self._problems
        row = _trimmed(row)
        if len(row) > len(self._leaves) + 1:
            problems.add(
                line,
                f"the row has {len(row)} cells, and the table '{noun.name}' {len(self._leaves) + 1} columns",
                "put a cell with commas in quotes",
            )
            return None
        key = row[0].strip()
        if not key:
            problems.add(line, f"a {noun.words} has nothing in the column '{noun.name}'", "say which it is")
            return None
        before = problems.count
        values: dict[str, Any] = {}
        for leaf, cell in zip(self._leaves, row[1:], strict=False):
            assert leaf is not None
            if cell == "":
                if leaf.required:
                    problems.add(line, f"{noun.words} '{key}' has no {leaf.name}", "give it")
                continue
            try:
                values[leaf.name] = canonical(leaf, _value(leaf, cell))
            except InvalidValue as error:
                problems.add_error(line, error, f"{noun.words} '{key}'")
        for leaf in self._leaves[len(row) - 1 :]:
            if leaf is not None and leaf.required:
                problems.add(line, f"{noun.words} '{key}' has no {leaf.name}", "give it")
        return Entry(noun, key, values, line) if problems.count == before else None


def _trimmed(row: list[str]) -> list[str]:
    """Without the empty cells at the end, which spreadsheets add."""
    end = len(row)
    while end > 1 and row[end - 1] == "":
        end -= 1
    return row[:end]


def _value(leaf: Leaf, cell: str) -> Any:
    kind = leaf.kind
    if kind is Kind.TEXT:
        return cell
    if kind is Kind.COUNT:
        return check_count(cell)
    if kind is Kind.SECONDS:
        return check_seconds(cell)
    if kind is Kind.NUMBER:
        return int(check_count(cell))
    if kind is Kind.FLAG:
        if cell.lower() not in ("true", "false"):
            raise InvalidValue(f"{leaf.name} is '{cell[:40]}'", "write true or false")
        return cell.lower() == "true"
    parts = [part for part in _split(cell, ";") if part]
    if kind is not Kind.MAP:
        return [_unescape(part) for part in parts]
    return [_pair(leaf, part) for part in parts]


def _pair(leaf: Leaf, part: str) -> tuple[str, str]:
    halves = _split(part, "=")
    if len(halves) != 2 or not halves[0]:
        raise InvalidValue(
            f"{leaf.name} has '{part[:40]}'",
            f"write {leaf.pair[0].upper()}={leaf.pair[1].upper()}, and '\\=' for a '=' inside",
        )
    return _unescape(halves[0]), _unescape(halves[1])


def _split(text: str, mark: str) -> list[str]:
    """`text` cut at each `mark` that has no '\\' before it; nothing is unescaped."""
    parts = [""]
    for token in _TOKEN.findall(text):
        if token == mark:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
