"""How answers look: one JSON object, or tables and sentences for people.

On a terminal there are colours (unless NO_COLOR is set) and lines are folded to its width; in a pipe
there are neither, and nothing is ever cut.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 10_000
_GROUPED_UP_TO = 10**15

_STYLES = {
    "installed": "green",
    "in-sync": "green",
    "changed": "green",
    "fit": "green",
    "reserved": "cyan",
    "changes": "cyan",
    "draining": "yellow",
    "withdrawing": "yellow",
    "quarantined": "magenta",
    "waiting": "yellow",
    "out-of-sync": "yellow",
    "unknown": "bold red",
    "held": "bold red",
    "failed": "bold red",
    "add": "green",
    "change": "cyan",
    "drain": "yellow",
    "undrain": "cyan",
    "remove": "red",
    "never": "dim",
    "free": "dim",
}


def print_json(document: Mapping[str, Any]) -> None:
    """`document` with the `casm` member that says which form it has."""
    sys.stdout.write(json.dumps({"casm": 1, **document}, indent=2) + "\n")
    sys.stdout.flush()


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print `parts` below one another on stdout."""
    if sys.stdout.isatty():
        console = _console(sys.stdout)
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, (str, Text)))
        return
    for part in parts:
        buffer = io.StringIO()
        console = _console(buffer, width=_PIPE_WIDTH)
        console.print(part, soft_wrap=isinstance(part, (str, Text)))
        sys.stdout.writelines(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())
    sys.stdout.flush()


def _console(file: Any, width: int | None = None) -> Console:
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


# --- Tables ---------------------------------------------------------------------------------------


_NARROWEST = 10
"""A flexible column is folded to this width before the others are folded too."""


class _Listing(Table):
    """A table that folds its flexible columns first where the terminal is narrow, so that names, prefixes
    and times stay whole."""

    def __init__(self, columns: Sequence[str], right: Sequence[str], flexible: Sequence[str]) -> None:
        super().__init__(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        self._flexible = [column in flexible for column in columns]
        self._natural = [len(column) for column in columns]
        for column in columns:
            self.add_column(column, justify="right" if column in right else "left", overflow="fold")

    def add_values(self, values: Sequence[Any]) -> None:
        cells = [_cell(value) for value in values]
        self._natural = [max(width, cell.cell_len) for width, cell in zip(self._natural, cells, strict=True)]
        self.add_row(*cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        least = sum(
            min(width, _NARROWEST) if flexible else width
            for width, flexible in zip(self._natural, self._flexible, strict=True)
        )
        fits = least + 2 * (len(self.columns) - 1) <= options.max_width
        for column, flexible in zip(self.columns, self._flexible, strict=True):
            column.no_wrap = fits and not flexible
        yield from super().__rich_console__(console, options)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    right: Sequence[str] = (),
    flexible: Sequence[str] = (),
) -> Table:
    """A table without lines. Cells are text, numbers (grouped) or None (a dash); `right` are the columns
    of numbers, `flexible` those that are folded first (default: the last)."""
    made = _Listing(columns, right, flexible or columns[-1:])
    for row in rows:
        made.add_values(row)
    return made


def facts(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names and values, one pair a line; a list is shown one under the other, None is left out."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs:
        if value is None or value == [] or value == "":
            continue
        values = value if isinstance(value, list) else [value]
        for number, one in enumerate(values):
            made.add_row("" if number else name, _cell(one))
    return made


def titled(title: str, part: RenderableType) -> list[RenderableType]:
    """A heading with `part` under it, and an empty line before."""
    return ["", Text(title, style="bold"), Padding(part, (0, 0, 0, 2))]


def _cell(value: Any) -> Text:
    if value is None or value == "":
        return Text("-", style="dim")
    if isinstance(value, Text):
        return value
    text = number(value) if isinstance(value, int) else str(value)
    return Text(text, style=_STYLES.get(text, ""))


# --- Values ---------------------------------------------------------------------------------------


def number(value: int | str) -> str:
    """An exact count for people: 65,536; beyond 10^15 as a power of two, or rounded. Counts of addresses may
    have a fraction, where ports are shared: 1,023.9375."""
    whole, point, fraction = str(value).partition(".")
    if point:
        return f"{int(whole):,}.{fraction}"
    count = int(value)
    if abs(count) < _GROUPED_UP_TO:
        return f"{count:,}"
    if count & (count - 1) == 0:
        return f"2^{count.bit_length() - 1}"
    digits, exponent = f"{count:.3e}".split("e+")
    return f"{digits}·10^{int(exponent)}"


def share(part: int | str | Fraction, whole: int | str) -> str:
    """`part` of `whole` in percent; never 0% or 100% unless it is exactly that."""
    some, total = Fraction(part), Fraction(whole)
    if total == 0:
        return "-"
    tenths = some * 1000 // total
    if some and tenths == 0:
        return "<0.1%"
    return f"{tenths / 10:g}%"


_BAR = 20


def bar(part: int | str, whole: int | str, style: str = "") -> Text | None:
    """`part` of `whole` as a bar, for a terminal; None in a pipe. Anything above 0 shows."""
    if not sys.stdout.isatty() or not Fraction(whole):
        return None
    filled = -(-_BAR * Fraction(part) // Fraction(whole))
    return Text("█" * filled, style=style).append("░" * (_BAR - filled), style="dim")


def moment(text: str | None) -> str | None:
    """A time of RFC 3339 for people: to the second, in UTC."""
    return None if text is None else f"{text[:10]} {text[11:19]}Z"


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 block`, `3 blocks`; `many` where an s does not do."""
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"
