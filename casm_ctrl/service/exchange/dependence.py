"""Bring the entries of a file into an order in which each finds what it stands on, and compare them with
the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from casm_ctrl.service.exchange.nouns import BLOCK, NOUNS, POOL, Entry
from casm_ctrl.service.exchange.problems import Problems

_RANK = {noun.name: rank for rank, noun in enumerate(NOUNS)}


def in_order(entries: Iterable[Entry], problems: Problems) -> list[Entry]:
    """By noun, and parent pools before their children. What is given twice, or is its own ancestor, is a
    problem and left out; whether blocks share addresses is looked at later."""
    kept: dict[tuple[str, str], Entry] = {}
    blocks: list[Entry] = []
    for entry in entries:
        if entry.noun is BLOCK:
            blocks.append(entry)
        elif kept.setdefault((entry.noun.name, entry.key), entry) is not entry:
            problems.add(entry.place, f"{entry.title} is there twice", "give it once")
    ordered = sorted(kept.values(), key=lambda entry: _RANK[entry.noun.name])
    found = {entry.key: entry for entry in ordered if entry.noun is POOL}
    depths = {name: _depth(entry, found) for name, entry in found.items()}
    for name, depth in depths.items():
        if depth is None:
            problems.add(found[name].place, f"pool '{name}' is its own ancestor", "correct its parent")
    listed = [entry for entry in ordered if entry.noun is not POOL or depths[entry.key] is not None]
    listed.sort(key=lambda e: (_RANK[e.noun.name], depths[e.key] or 0 if e.noun is POOL else 0))
    return listed + blocks


def _depth(entry: Entry, found: dict[str, Entry]) -> int | None:
    """How many of its ancestors are in the file; None where it is one of them."""
    depth, above = 0, entry
    while (parent := found.get(above.get("parent") or "")) is not None:
        depth, above = depth + 1, parent
        if depth > len(found):
            return None
    return depth


def differences(there: Entry, here: Entry) -> list[str]:
    """How the store's entry differs from a file's, in words."""
    words = []
    for leaf in here.noun.leaves:
        if leaf.told or ((here.partial or leaf.follows) and leaf.name not in here.values):
            continue
        old, new = there.get(leaf.name), here.get(leaf.name)
        if old != new:
            words.append(f"{leaf.name} is {_shown(old)} there and {_shown(new)} here")
    return words


def _shown(value: Any) -> str:
    if value is None or value == () or value == "":
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        listed = ", ".join(part if isinstance(part, str) else "=".join(part) for part in value)
        return listed if len(listed) <= 60 else f"{listed[:60]}…"
    return str(value)
