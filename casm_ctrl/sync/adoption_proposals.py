"""What an operator can do about what was not adopted: the exact commands that make pools and groups. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import PORT_BITS, Family, Prefix, Range
from casm_ctrl.service.adoption import fit_name
from casm_ctrl.service.adoption_facts import StoreFacts
from casm_ctrl.service.verb import Document
from casm_ctrl.sync.adoption_judging import Judgement

_ROOMY = 2
"""A range is proposed as one prefix around it where that is at most so many times as large."""

_SHOWN = 3


@dataclass(frozen=True)
class Proposal:
    """`kind` is pool or group. `devices` are those that it concerns, where they are named."""

    kind: str
    command: str
    words: str
    devices: tuple[str, ...] = ()

    def document(self) -> Document:
        document: Document = {"kind": self.kind, "command": self.command, "words": self.words}
        if self.devices:
            document["device"] = list(self.devices)
        return document


def propose(judgement: Judgement, facts: StoreFacts, roles: Mapping[str, str]) -> list[Proposal]:
    """`roles`: of each device, bng, cgn or dhcp."""
    return [*propose_pools(judgement.outside, facts), *_propose_groups(judgement, facts, roles)]


# --- Pools ----------------------------------------------------------------------------------------


def propose_pools(outside: Iterable[tuple[int, Range]], facts: StoreFacts) -> list[Proposal]:
    """One pool for each space and family."""
    by_kind: dict[tuple[int, int], list[Range]] = {}
    for space, span in outside:
        by_kind.setdefault((space, span.family.number), []).append(_whole(span))
    proposals = []
    taken = set(facts.pools)
    for (space, number), spans in sorted(by_kind.items()):
        prefixes = cover(spans, (*facts.prefixes.get(space, ()), *facts.public))
        if not prefixes:
            continue
        name = _free(f"adopted-{facts.spaces[space]}-v{number}"[:58], taken)
        taken.add(name)
        listed = " ".join(f"--prefix {prefix}" for prefix in prefixes)
        words = f"{len(spans):,} range(s) in space '{facts.spaces[space]}' are in no pool"
        proposals.append(
            Proposal("pool", f"casm pool add {name} --space {facts.spaces[space]} {listed}", words)
        )
    return proposals


def cover(spans: Iterable[Range], taken: Iterable[Prefix]) -> list[Prefix]:
    """Few prefixes that hold all of `spans`, as far as none of `taken` has it: around each stretch the smallest
    prefix, where that is not much larger and in nobody's way, else the stretch itself."""
    scale = sorted((p.family.number, p.first_key, p.last_key) for p in taken)
    found: list[Prefix] = []
    for stretch in _stretches(spans, scale):
        around = _around(stretch)
        roomy = around.size <= _ROOMY * stretch.size and not _taken(around, scale)
        found += [around] if roomy else stretch.prefixes()
    return _merged(found)


def _stretches(spans: Iterable[Range], taken: Sequence[tuple[int, bytes, bytes]]) -> list[Range]:
    """`spans` joined where they touch, without what is taken."""
    joined: list[Range] = []
    for span in sorted(spans, key=lambda s: (s.family.number, s.first, s.last)):
        last = joined[-1] if joined else None
        if last is not None and last.family is span.family and span.first <= last.last + 1:
            joined[-1] = Range(span.family, last.first, max(last.last, span.last))
        else:
            joined.append(span)
    return [piece for span in joined for piece in _without(span, taken)]


def _without(span: Range, taken: Sequence[tuple[int, bytes, bytes]]) -> Iterable[Range]:
    first = span.first
    start = bisect.bisect_right(taken, (span.family.number, span.first_key, b"\xff" * 16)) - 1
    for number, low, high in taken[max(start, 0) :]:
        if (number, low) > (span.family.number, span.last_key):
            break
        if number != span.family.number or high < span.first_key:
            continue
        begin, end = (int.from_bytes(key, "big") >> span.family.shift for key in (low, high))
        if begin > first:
            yield Range(span.family, first, min(begin - 1, span.last))
        first = max(first, end + 1)
    if first <= span.last:
        yield Range(span.family, first, span.last)


def _around(span: Range) -> Prefix:
    bits = (span.first ^ span.last).bit_length()
    return Prefix(span.family, span.first >> bits << bits, span.family.width - bits)


def _taken(prefix: Prefix, taken: Sequence[tuple[int, bytes, bytes]]) -> bool:
    place = bisect.bisect_right(taken, (prefix.family.number, prefix.last_key, b"\xff" * 16))
    if not place:
        return False
    number, _, high = taken[place - 1]
    return number == prefix.family.number and high >= prefix.first_key


def _merged(prefixes: Iterable[Prefix]) -> list[Prefix]:
    """The fewest prefixes for the same addresses."""
    found: list[Prefix] = []
    for prefix in sorted(prefixes, key=lambda p: (p.family.number, p.first, p.length)):
        if found and found[-1].contains(prefix):
            continue
        found.append(prefix)
        while len(found) > 1 and found[-1].length and found[-2] == found[-1].buddy:
            found[-2:] = [found[-1].parent]
    return found


def _whole(span: Range) -> Range:
    """The addresses around port sets."""
    if span.family is not Family.PORTS:
        return span
    return Range(Family.IPV4, span.first >> PORT_BITS, span.last >> PORT_BITS)


def _free(name: str, taken: set[str]) -> str:
    free, number = fit_name(name), 1
    while free in taken:
        number += 1
        free = f"{fit_name(name)}-{number}"
    return free


# --- Groups ---------------------------------------------------------------------------------------


def _propose_groups(judgement: Judgement, facts: StoreFacts, roles: Mapping[str, str]) -> list[Proposal]:
    """A group of each set of devices that show the same ranges."""
    taken = {group.name for group in facts.groups}
    together = {group.holders | group.relays for group in facts.groups}
    proposals = []
    for names, spans in sorted(judgement.alike.items()):
        if frozenset(names) in together:
            continue
        servers = [name for name in names if roles.get(name) == "dhcp"]
        relayed = bool(servers) and len(servers) < len(names)
        members = [(name, "relays" if relayed and name not in servers else "serves") for name in names]
        name = _free("-".join(names)[:58], taken)
        taken.add(name)
        listed = " ".join(f"--member {device}:{role}" for device, role in members)
        shown = ", ".join(map(str, spans[:_SHOWN])) + (
            f" and {len(spans) - _SHOWN:,} more" if len(spans) > _SHOWN else ""
        )
        words = f"{' and '.join(names)} show the same: {shown}"
        if relayed:
            words += "; relays have no ranges of their own: take them off those devices"
        else:
            words += "; a member that only waits to take over is ':stands-by'"
        proposals.append(Proposal("group", f"casm group add {name} {listed}", words, names))
    return proposals
