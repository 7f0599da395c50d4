"""Did a new revision narrow a string? The part of RFC 7950, 11 that pyang leaves out.

`pyang --check-update-from` does not look at `length` and `pattern`. A length may only be widened; a pattern
may only be removed, because whether another pattern takes all that the old one took cannot be told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyang.context import Context
from pyang.repository import FileRepository

if TYPE_CHECKING:
    from scripts.pyang_findings import Finding, search_path
else:
    from casm_scripts.pyang_findings import Finding, search_path

_Spans = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Restriction:
    """What one string (or member of a union) may be: spans of length, and patterns it must match."""

    lengths: _Spans
    patterns: frozenset[str]


def find_narrowed(old: Path, new: Path, path: Sequence[Path]) -> list[Finding]:
    """Each leaf, leaf-list and typedef of both modules whose strings may be less than they might be."""
    before, after = _read(old, path), _read(new, path)
    findings = []
    for name in before.keys() & after.keys():
        _, olds = before[name]
        line, news = after[name]
        for was, now in zip(olds, news, strict=False):  # another number of members: pyang says so
            if not all(_inside(span, now.lengths) for span in was.lengths):
                findings.append(
                    Finding(str(new), line, "strings", f"{name}: the length is narrower than it was")
                )
            if not now.patterns <= was.patterns:
                findings.append(
                    Finding(str(new), line, "strings", f"{name}: a pattern is new or not what it was")
                )
    return sorted(findings, key=lambda finding: (finding.line, finding.message))


def _read(file: Path, path: Sequence[Path]) -> dict[str, tuple[int, list[Restriction]]]:
    """Line and restrictions of everything that holds a string, by its path in the module."""
    context = Context(FileRepository(search_path([file.parent, *path]), use_env=False))
    module = context.add_module(str(file), file.read_text(encoding="utf-8"))
    if module is None:
        return {}  # pyang's own run says why
    context.validate()
    found = {}
    for name, holder in _holders(module):
        restrictions = _restrictions(holder.search_one("type"))
        if restrictions:
            found[name] = (holder.pos.line, restrictions)
    return found


def _holders(module: Any) -> Iterator[tuple[str, Any]]:
    for name, typedef in getattr(module, "i_typedefs", {}).items():
        yield f"typedef {name}", typedef
    yield from _leafs(module, "")


def _leafs(parent: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for child in getattr(parent, "i_children", ()):
        name = f"{prefix}/{child.arg}"
        if child.keyword in ("leaf", "leaf-list"):
            yield name, child
        yield from _leafs(child, name)


def _restrictions(kind: Any) -> list[Restriction]:
    """One for a string or a binary, one for each such member of a union, none for other types."""
    patterns: set[str] = set()
    lengths: _Spans | None = None
    while kind is not None:
        for pattern in kind.search("pattern"):
            modifier = pattern.search_one("modifier")
            patterns.add(f"{modifier.arg} {pattern.arg}" if modifier else pattern.arg)
        length = kind.search_one("length")
        if lengths is None and length is not None:
            lengths = _spans(length.arg)  # a derived type's length lies inside its base's
        typedef = getattr(kind, "i_typedef", None)
        if typedef is None:
            break
        kind = typedef.search_one("type")
    if kind is None:
        return []
    if kind.arg == "union":
        return [restriction for member in kind.search("type") for restriction in _restrictions(member)]
    if kind.arg in ("string", "binary"):
        return [Restriction(lengths or ((0, math.inf),), frozenset(patterns))]
    return []


def _spans(text: str) -> _Spans:
    """`1..63 | 100..max` as pairs, with neighbours joined."""
    words = {"min": 0.0, "max": math.inf}
    spans: list[tuple[float, float]] = []
    for part in text.split("|"):
        low, _, high = (piece.strip() for piece in part.partition(".."))
        first, last = (words[word] if word in words else float(word) for word in (low, high or low))
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return tuple(spans)


def _inside(span: tuple[float, float], spans: _Spans) -> bool:
    return any(low <= span[0] and span[1] <= high for low, high in spans)
