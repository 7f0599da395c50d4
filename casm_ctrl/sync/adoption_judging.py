"""Which ranges on many devices can be adopted, and why the others cannot. All devices are judged together.

An address on two devices is a conflict on both, whatever the order in which they were read. Pure but for
`Finder`, which looks up in the store what touches one range. The cost is that of sorting the ranges.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange
from casm_ctrl.service.adoption_facts import Place, StoreFacts
from casm_ctrl.service.desired import Desired
from casm_ctrl.service.verb import Document
from casm_ctrl.store.pools import PoolRow

Finder = Callable[[int, Range, Collection[str]], Place]
"""Asked for (space, range, the devices that show it)."""

_WITNESSES = 3
"""Others that a conflict names; more are counted."""


@dataclass(frozen=True)
class DeviceRead:
    """What one device runs, and what the store held of it at that moment. `instances`: its network instances'
    spaces."""

    before: Desired
    instances: Mapping[str, int]
    seen: Seen

    @property
    def name(self) -> str:
        return self.before.device.name

    def space_of(self, instance: str | None) -> int | None:
        return self.before.device.space_id if instance is None else self.instances.get(instance)


@dataclass(frozen=True)
class Candidate:
    """A range that nobody recorded, on one device, or alike on all that have a group's blocks."""

    space: int
    range: Range
    on: Mapping[str, SeenRange]
    """The object on each device."""
    group: str | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(sorted(self.on))

    @property
    def pool_name(self) -> str:
        return self.on[self.devices[0]].pool_name


@dataclass(frozen=True)
class Conflict:
    """Why one object on one device is not adopted, and what to do."""

    kind: str
    device: str
    key: ObjectKey
    range: Range
    words: str
    remedy: str

    def document(self) -> Document:
        return {
            "kind": self.kind,
            "object": str(self.key),
            "range": str(self.range),
            "words": self.words,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Adoptable:
    """A candidate that nothing is in the way of, and the pool that it is in."""

    candidate: Candidate
    pool: PoolRow


@dataclass
class Judgement:
    """`outside`: (space, range) of what no pool has; `alike`: the ranges that several devices show alike, by the
    devices."""

    adoptable: list[Adoptable] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    outside: list[tuple[int, Range]] = field(default_factory=list)
    alike: dict[tuple[str, ...], list[Range]] = field(default_factory=dict)
    ours: dict[str, int] = field(default_factory=dict)
    """How many objects on each device are ours already."""


def judge(reads: Iterable[DeviceRead], facts: StoreFacts, find: Finder) -> Judgement:
    """Everything that the devices show and that is not ours is adoptable or in conflict."""
    judgement = Judgement()
    found: list[Candidate] = []
    strange: list[_Item] = []
    for read in reads:
        _sort(read, judgement, found, strange)
    candidates = _join_groups(found, facts, judgement)
    items = [_Item.of(one.space, one.range, one.devices, _label(one), one) for one in candidates]
    elsewhere = [
        _Item.of(e.space, e.range, (e.device,), f"{e.label} {e.range}", None) for e in facts.elsewhere
    ]
    meetings = _meet([*items, *strange, *elsewhere], facts)
    for item in items:
        assert item.candidate is not None
        _judge_one(item.candidate, meetings.get(id(item), []), facts, find, judgement)
    return judgement


# --- Whose is it ----------------------------------------------------------------------------------


def _sort(read: DeviceRead, judgement: Judgement, found: list[Candidate], strange: list[_Item]) -> None:
    """What is ours is left; what nobody can adopt is a conflict, and in the way of others all the same."""
    recorded = {ObjectKey(row.path, row.keys) for row in read.before.objects}
    recorded |= {ObjectKey(piece.path, piece.keys) for piece in read.before.adopted}
    numbers = {block.id for block in read.before.blocks}
    judgement.ours[read.name] = 0
    for one in read.seen.ranges:
        if one.range is None:
            continue
        space = read.space_of(one.network_instance)
        kind, words, remedy = _stranger(read, one, space, numbers)
        marked = one.mark is not None and one.mark.store == read.before.store and one.mark.block in numbers
        if one.key in recorded or marked:
            judgement.ours[read.name] += 1
            continue
        if kind:
            judgement.conflicts.append(Conflict(kind, read.name, one.key, one.range, words, remedy))
            if space is not None:
                strange.append(_Item.of(space, one.range, (read.name,), f"{one.key} {one.range}", None))
        elif space is not None:
            found.append(Candidate(space, one.range, {read.name: one}))


def _stranger(
    read: DeviceRead, one: SeenRange, space: int | None, numbers: Collection[int]
) -> tuple[str, str, str]:
    """(kind, words, remedy) of what is nobody's to adopt; empty where it may be."""
    name, what = read.name, f"{one.key} {one.range} on {read.name}"
    if space is None:
        return (
            "unmapped",
            f"{what} is in network instance '{one.network_instance}', which no space stands for",
            f"add the device with --instance {one.network_instance}=SPACE, then 'casm adopt {name}'",
        )
    if one.mark is None:
        return "", "", ""
    if one.mark.store != read.before.store:
        return (
            "other-store",
            f"{what} has the mark of another store ({one.mark.store})",
            "release it there, or find out whose it is",
        )
    return (
        "orphan",
        f"{what} has our mark, and b{one.mark.block} is no block of the device (any more)",
        f"take it off with 'casm apply {name} --remove-zombies', or on the device",
    )


def _join_groups(found: list[Candidate], facts: StoreFacts, judgement: Judgement) -> list[Candidate]:
    """Make one candidate of a range that all holding members of a group show alike."""
    places: dict[tuple[int, Range], list[Candidate]] = {}
    for one in found:
        places.setdefault((one.space, one.range), []).append(one)
    groups: dict[frozenset[str], list[str]] = {}
    for group in facts.groups:
        groups.setdefault(group.holders, []).append(group.name)
    joined: list[Candidate] = []
    for (space, span), alike in places.items():
        on = {device: one for candidate in alike for device, one in candidate.on.items()}
        names = groups.get(frozenset(on), [])
        same = len({one.pool_name for one in on.values()}) == 1
        if len(on) == len(alike) and len(names) == 1 and same:
            joined.append(Candidate(space, span, on, names[0]))
            continue
        if len(on) > 1 and not names:
            judgement.alike.setdefault(tuple(sorted(on)), []).append(span)
        joined += alike
    return joined


# --- What is in the way ---------------------------------------------------------------------------


def _judge_one(
    one: Candidate, others: Sequence[_Item], facts: StoreFacts, find: Finder, judgement: Judgement
) -> None:
    place = find(one.space, one.range, one.devices)
    reasons = [(o.kind, o.words, o.remedy) for o in place.obstacles]
    here = [other for other in others if set(other.devices) & set(one.devices)]
    there = [other for other in others if not set(other.devices) & set(one.devices)]
    if there:
        reasons.append(_on_two(one, there, facts))
    if here:
        reasons.append(
            (
                "overlap",
                f"it shares addresses with {_list(here)} on the same device",
                "leave each address in one of them, and adopt again",
            )
        )
    if not reasons and place.pool is not None:
        judgement.adoptable.append(Adoptable(one, place.pool))
        return
    if any(kind == "outside" for kind, _, _ in reasons):
        judgement.outside.append((one.space, one.range))
    for device, seen in sorted(one.on.items()):
        assert seen.range is not None
        judgement.conflicts += (
            Conflict(kind, device, seen.key, seen.range, f"{seen.key} {seen.range}: {words}", remedy)
            for kind, words, remedy in reasons
        )


def _on_two(one: Candidate, there: Sequence[_Item], facts: StoreFacts) -> tuple[str, str, str]:
    """Two devices that show the same may be a pair, once somebody says so."""
    (mine,), first = one.devices[:1], there[0].devices[0]
    where = ", ".join(dict.fromkeys(device for other in there[:_WITNESSES] for device in other.devices))
    words = f"its addresses are on {where} too: {_list(there)}"
    for group in facts.groups:
        both = group.holders | group.relays
        if mine in both and first in both:
            if first in group.relays or mine in group.relays:
                relay = first if first in group.relays else mine
                return (
                    "two-devices",
                    words,
                    f"'{relay}' relays in group '{group.name}': take the range off it",
                )
            return (
                "two-devices",
                words,
                f"make the range, and its pool's name, the same on all members of group '{group.name}'",
            )
    if all(other.span == one.range for other in there):
        remedy = (
            "declare the devices a group if they have it together (see the proposals), or take it off one"
        )
        return "two-devices", words, remedy
    return "two-devices", words, "take the addresses off one of the devices, and adopt again"


def _list(items: Sequence[_Item]) -> str:
    more = f" and {len(items) - _WITNESSES:,} more" if len(items) > _WITNESSES else ""
    return ", ".join(item.label for item in items[:_WITNESSES]) + more


def _label(one: Candidate) -> str:
    return f"{one.on[one.devices[0]].key} {one.range}"


# --- Who shares addresses with whom ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Item:
    """A range in one space, on one scale for both families, and whose it is."""

    space: int
    first: int
    last: int
    span: Range
    devices: tuple[str, ...]
    label: str
    candidate: Candidate | None

    @staticmethod
    def of(
        space: int, span: Range, devices: tuple[str, ...], label: str, candidate: Candidate | None
    ) -> _Item:
        first, last = _scaled(span)
        return _Item(space, first, last, span, devices, label, candidate)


def _scaled(span: Range) -> tuple[int, int]:
    offset = 0 if span.family.number == 4 else 1 << 128
    return offset + (span.first << span.family.shift), offset + ((span.last + 1) << span.family.shift) - 1


def _meet(items: Sequence[_Item], facts: StoreFacts) -> dict[int, list[_Item]]:
    """By `id` of an item, others that share addresses with it: some of them, and never none where there are any.

    Within each space, and among what lies in public pools whatever its space.
    """
    met: dict[int, dict[int, _Item]] = {}
    scopes: dict[object, list[_Item]] = {}
    public = sorted(_scaled(prefix.range) for prefix in facts.public)
    for item in items:
        scopes.setdefault(item.space, []).append(item)
        if _touches(public, item):
            scopes.setdefault("public", []).append(item)
    for scope in scopes.values():
        for one, other in _neighbours(scope):
            met.setdefault(id(one), {})[id(other)] = other
            met.setdefault(id(other), {})[id(one)] = one
    return {key: list(others.values()) for key, others in met.items()}


def _neighbours(items: list[_Item]) -> Iterable[tuple[_Item, _Item]]:
    """Pairs that share addresses: each with the one before it that reaches furthest, and with the next. Who has any
    pair at all is in one of these; there are at most two for each."""
    items.sort(key=lambda item: (item.first, item.last, item.devices, item.label))
    furthest: _Item | None = None
    previous: _Item | None = None
    for item in items:
        if furthest is not None and item.first <= furthest.last:
            yield furthest, item
        if previous is not None and previous is not furthest and item.first <= previous.last:
            yield previous, item
        if furthest is None or item.last > furthest.last:
            furthest = item
        previous = item


def _touches(spans: Sequence[tuple[int, int]], item: _Item) -> bool:
    """Whether an item shares addresses with one of `spans`, which are in order and disjoint."""
    place = bisect.bisect_right(spans, (item.last, 1 << 130))
    return place > 0 and spans[place - 1][1] >= item.first
