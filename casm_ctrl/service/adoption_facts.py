"""What the store says of a range that was found on a device: the pool that it would be cut from, and what stands in
the way, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.store import blocks, devices, observations, owners, pools, spaces
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

_CUT = "cut the range there on the device, and adopt again"


@dataclass(frozen=True)
class Obstacle:
    """Why a range cannot be adopted, and what to do."""

    kind: str
    words: str
    remedy: str


@dataclass(frozen=True)
class Place:
    """`pool` is the innermost pool that holds all of the range; None where there is none."""

    pool: PoolRow | None
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True)
class GroupFacts:
    """An owner group: `holders` are the devices that have its blocks, `relays` those that do not."""

    name: str
    holders: frozenset[str]
    relays: frozenset[str]


@dataclass(frozen=True)
class Elsewhere:
    """A range that an earlier read showed on a device, and that is no block of ours."""

    device: str
    space: int
    range: Range
    label: str


@dataclass(frozen=True)
class StoreFacts:
    """What the whole store says; `elsewhere`: of devices that are not read now."""

    spaces: Mapping[int, str]
    pools: frozenset[str]
    prefixes: Mapping[int, tuple[Prefix, ...]]
    """Those of root pools, by space."""
    public: tuple[Prefix, ...]
    groups: tuple[GroupFacts, ...]
    elsewhere: tuple[Elsewhere, ...]


def read_facts(tx: Transaction, reading: Collection[str]) -> StoreFacts:
    """`reading`: the devices that are read now."""
    names = {device.id: device.name for device in devices.list_devices(tx)}
    rows = pools.list_pools(tx)
    prefixes: dict[int, tuple[Prefix, ...]] = {}
    public: tuple[Prefix, ...] = ()
    for row in rows:
        if row.parent_id is None:
            own = tuple(pools.pool_prefixes(tx, row.id))
            prefixes[row.space_id] = (*prefixes.get(row.space_id, ()), *own)
            public += own if row.public else ()
    groups = []
    for group in owners.list_groups(tx):
        members = devices.owner_members(tx, group.id)
        holders = frozenset(names[m.device_id] for m in members if m.holds_blocks)
        groups.append(
            GroupFacts(group.name, holders, frozenset(names[m.device_id] for m in members) - holders)
        )
    return StoreFacts(
        {space.id: space.name for space in spaces.list_spaces(tx)},
        frozenset(row.name for row in rows),
        prefixes,
        public,
        tuple(groups),
        tuple(_elsewhere(tx, reading)),
    )


def _elsewhere(tx: Transaction, reading: Collection[str]) -> list[Elsewhere]:
    return [
        Elsewhere(device, row.space_id, row.range, f"{row.path}[{', '.join(row.keys)}]")
        for device, row in observations.strange_ranges(tx)
        if device not in reading and row.space_id is not None
    ]


# --- One range ------------------------------------------------------------------------------------


def find_place(tx: Transaction, space_id: int, span: Range, holders: Collection[str]) -> Place:
    """Where a range that the devices `holders` show belongs. Reads only what touches it."""
    place = _in_space(tx, space_id, span, holders)
    return replace(place, obstacles=(*place.obstacles, *_public(tx, space_id, span)))


def _public(tx: Transaction, space_id: int, span: Range) -> list[Obstacle]:
    """Public pools of other spaces, whose addresses are the same ones in all."""
    found = []
    for number, prefix in pools.public_in_range(tx, space_id, span):
        pool = pools.get_pool(tx, number)
        words = f"it shares addresses with {prefix} of pool '{pool.name}' in space '{pool.space}', which is public"
        found.append(
            Obstacle("public", words, "give the device that space, or the network instance that it is in")
        )
    return found


def _in_space(tx: Transaction, space_id: int, span: Range, holders: Collection[str]) -> Place:
    inside = pools.pools_in_range(tx, space_id, span)
    if not inside:
        return Place(None, (Obstacle("outside", "no pool has it", ""),))
    if len(inside) > 1 or not inside[0][1].contains(span):
        names = list(dict.fromkeys(pools.get_pool(tx, number).name for number, _ in reversed(inside)))
        if len(names) > 1:
            words = f"it lies across pools {' and '.join(names)}"
            return Place(None, (Obstacle("border", words, _CUT),))
        if len(inside) > 1:
            words = f"it lies across {', '.join(str(p) for _, p in reversed(inside))} of pool '{names[0]}'"
            return Place(None, (Obstacle("border", words, _CUT),))
        words = f"only {inside[0][1]} of pool '{names[0]}' has a part of it"
        return Place(None, (Obstacle("outside", words, ""),))
    pool = pools.get_pool(tx, inside[0][0])
    return _within(tx, pool, span, holders)


def _within(tx: Transaction, pool: PoolRow, span: Range, holders: Collection[str]) -> Place:
    obstacles = []
    for carve, child_id in pools.carves_in_range(tx, pool.id, span):
        if child_id is not None:
            child = pools.get_pool(tx, child_id)
            own = [p for p in pools.pool_prefixes(tx, child_id) if p.contains(span)]
            if own:
                return _within(tx, child, span, holders)
            words = (
                f"it lies across the border of pool '{child.name}', which has {carve.prefix} of '{pool.name}'"
            )
            obstacles.append(Obstacle("border", words, _CUT))
        elif carve.kind in ("exclusion", "reservation"):
            which = f"{pool.name} {carve.prefix}"
            end = (
                f"'casm pool include {which}'"
                if carve.kind == "exclusion"
                else f"'casm pool unreserve {which}'"
            )
            said = f" ({carve.reason})" if carve.reason else ""
            obstacles.append(
                Obstacle(
                    "excluded" if carve.kind == "exclusion" else "reserved",
                    f"it shares addresses with the {carve.kind} {carve.prefix} of pool '{pool.name}'{said}",
                    f"{end}, then adopt again",
                )
            )
        elif carve.device not in holders:
            obstacles.append(
                Obstacle(
                    "two-devices",
                    f"{carve.prefix} is held because device '{carve.device}' showed it ({carve.reason})",
                    "take the range off one of the devices, and adopt both again",
                )
            )
    return Place(pool, (*obstacles, *_blocks(tx, pool.space_id, span), *_kind(pool, span)))


def _blocks(tx: Transaction, space_id: int, span: Range) -> list[Obstacle]:
    found = []
    for block in blocks.blocks_in_range(tx, space_id, span):
        if block.state is State.QUARANTINED:
            until = "" if block.rest_until is None else f" until {to_rfc3339(block.rest_until)}"
            words = (
                f"it shares addresses with {block.label} of {block.device_pool}, which is quarantined{until}"
            )
            found.append(
                Obstacle("quarantined", words, "take the range off the device, or adopt again after that")
            )
        else:
            words = f"it shares addresses with {block.label} of {block.device_pool} ({block.state.value})"
            remedy = f"take the range off the device, or release that block ('casm release {block.name}')"
            found.append(Obstacle("block", words, remedy))
    return found


def _kind(pool: PoolRow, span: Range) -> list[Obstacle]:
    """Whether blocks of the pool can be like that."""
    if span.family is Family.PORTS and pool.family is not Family.PORTS:
        words = f"it holds port sets, and pool '{pool.name}' has whole addresses"
        return [
            Obstacle(
                "length", words, "give the device whole addresses there, or make the pool one of shared ports"
            )
        ]
    longest = max(piece.length for piece in span.prefixes())
    if longest > pool.longest:
        words = f"it needs blocks of /{longest}, and those of pool '{pool.name}' are /{pool.longest} at the longest"
        return [Obstacle("length", words, "correct the range on the device, and adopt again")]
    return []
