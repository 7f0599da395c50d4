"""The lines of values in a JSON text, found only when they are needed: for what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode

Path = tuple[str | int, ...]


def find_lines(text: str, paths: Iterable[Path]) -> dict[Path, int]:
    """The line (from 1) on which the value at each path begins, in one pass over a text that is well-formed.

    A path to what is not there has the line of the last thing around it that is.
    """
    wanted: dict[str | int, Any] = {}
    listed = list(paths)
    for path in listed:
        branch = wanted
        for step in path:
            branch = branch.setdefault(step, {})
    starts: dict[Path, int] = {}
    _walk(text, _skip(text, 0), wanted, (), starts)
    lines: dict[Path, int] = {}
    for path in listed:
        known = path
        while known not in starts:
            known = known[:-1]
        lines[path] = text.count("\n", 0, starts[known]) + 1
    return lines


def _walk(
    text: str, at: int, wanted: dict[str | int, Any] | None, path: Path, starts: dict[Path, int]
) -> int:
    """Note where the value at `at` begins, unless it is not wanted (None), and what is wanted inside it;
    returns where it ends."""
    if wanted is not None:
        starts[path] = at
    opening = text[at]
    if not wanted or opening not in "{[":
        return _decode(text, at)[1]
    at = _skip(text, at + 1)
    index = 0
    while text[at] not in "}]":
        step: str | int = index
        if opening == "{":
            step, at = _decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        at = _skip(text, _walk(text, at, wanted.get(step), (*path, step), starts))
        if text[at] == ",":
            at = _skip(text, at + 1)
        index += 1
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
