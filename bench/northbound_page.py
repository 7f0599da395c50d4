"""What bench/northbound.py recorded, as the tables of docs/northbound-speed.md.

`python bench/northbound_page.py` writes them anew from bench/results/northbound.json; the benchmark does so at its end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "bench/results/northbound.json"
PAGE = ROOT / "docs/northbound-speed.md"
BEGIN, END = "<!-- bench/northbound_page.py -->", "<!-- to here -->"

_OPERATION = re.compile(r"(?P<what>.*), (?P<sessions>\d+) sessions?: (?P<figure>.*)")
_FIGURES = ("rate", "p50", "p99", "CPU of the server")


def tables(recorded: Mapping[str, Any]) -> str:
    """Markdown: what was run where, operations by sessions, and everything else."""
    operations: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    others: list[Mapping[str, Any]] = []
    for result in recorded["results"]:
        found = _OPERATION.fullmatch(result["name"])
        if found is None:
            others.append(result)
        else:
            operations.setdefault((found["what"], found["sessions"]), {})[found["figure"]] = result
    when = str(recorded["when"])[:16].replace("T", " ")
    lines = [
        f"Run at {when} UTC on {recorded['processors']} processors, which the clients share, in"
        f" {recorded['seconds']} s; load {recorded['load']:g} before and {recorded['load_after']:g} after;"
        f" CPython {recorded['python']}, asyncssh {recorded['asyncssh']}.",
        "",
        "| | sessions | a second | p50, ms | p99, ms | CPU of the server, ms each |",
        "|---|---|---|---|---|---|",
        *(
            f"| {what} | {sessions} | {' | '.join(_shown(figures[name]) for name in _FIGURES)} |"
            for (what, sessions), figures in operations.items()
        ),
        "",
        "| | | goal |",
        "|---|---|---|",
        *(f"| {result['name']} | {_shown(result)} {result['unit']} | {_goal(result)} |" for result in others),
    ]
    return "\n".join(lines)


def _shown(result: Mapping[str, Any]) -> str:
    value = float(result["value"])
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text if result["unit"] != "ms" or result["goal"] is None else f"{text} ({_goal(result)})"


def _goal(result: Mapping[str, Any]) -> str:
    if result["goal"] is None:
        return ""
    return f"{result['goal']:g}, {'met' if result['met'] else 'missed'}"


def page_of(page: str, recorded: Mapping[str, Any]) -> str:
    """The page with the tables of what was recorded."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, "the page has no place for tables"
    return f"{before}{begin}\n\n{tables(recorded)}\n\n{end}{after}"


def main() -> None:
    PAGE.write_text(page_of(PAGE.read_text(), json.loads(RECORDED.read_text())))


if __name__ == "__main__":
    main()
