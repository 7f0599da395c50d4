"""Is every address installed at most once, and is the store right about every device? Pure.

What it is given is what each device runs, as its driver read it, and what the store held of that device at
the same moment. What it finds is what an auditor must know; nothing found is the proof.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenRange
from casm_ctrl.service.desired import Desired
from casm_ctrl.service.network import Network
from casm_ctrl.service.routes import ON_DEVICE
from casm_ctrl.service.verb import Document
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.adopted import standing


class Fault(Enum):
    """What can be wrong."""

    TWICE = "installed-twice"
    """An address on two devices that do not own it together, or twice on one."""
    MISSING = "missing"
    """The store says that it is installed, and the device does not have it."""
    DIFFERENT = "different"
    """The device has it otherwise than the store says: other addresses, or drained or not."""
    STRAY = "stray"
    """Addresses on a device that the store has not put there: by hand, of another store, given up."""
    UNMAPPED = "unmapped"
    """Addresses in a network instance that no address space stands for."""
    PENDING = "pending"
    """A confirmed commit may still be undone: what was read may not last."""
    UNREAD = "unread"
    """The device could not be read: nothing is proven of it."""


@dataclass(frozen=True)
class Finding:
    """`devices` is one, or the two that an address is on. `space` is the address space's name."""

    fault: Fault
    devices: tuple[str, ...]
    words: str
    blocks: tuple[str, ...] = ()
    range: Range | None = None
    space: str | None = None

    def document(self) -> Document:
        document: Document = {
            "kind": self.fault.value,
            "device": list(self.devices),
            "block": list(self.blocks),
            "words": self.words,
        }
        if self.range is not None:
            document["range"] = str(self.range)
        if self.space is not None:
            document["address-space"] = self.space
        return document


@dataclass(frozen=True)
class Reading:
    """What one device runs. `before`: what the store held of it; `findings`: what does not fit that."""

    before: Desired
    seen: Seen
    findings: tuple[FindingRow, ...] = ()

    @property
    def device(self) -> str:
        return self.before.device.name


@dataclass(frozen=True, order=True)
class _Installed:
    """A range on a device, on the scale of the store's keys, in one scope."""

    first: int
    last: int
    device: str
    key: ObjectKey = field(compare=False)
    range: Range = field(compare=False)
    block: BlockRow | None = field(compare=False)
    space: int = field(compare=False)


def audit(readings: Iterable[Reading], network: Network) -> tuple[Finding, ...]:
    """Everything that is wrong, in the order of devices; overlaps last."""
    found: list[Finding] = []
    installed: list[_Installed] = []
    for reading in readings:
        found += _judge(reading)
        installed += _installed(reading, network)
    return (*found, *_overlaps(installed, network))


# --- One device -----------------------------------------------------------------------------------

_STRAY = frozenset({"foreign", "drift", "orphan", "other-store", "zombie"})


def _judge(reading: Reading) -> Iterable[Finding]:
    name = reading.device
    if reading.before.pending is not None:
        yield Finding(
            Fault.PENDING,
            (name,),
            f"{name}: a confirmed commit may be pending; 'casm apply {name}' settles it",
        )
    by_key = {seen.key: seen for seen in reading.seen.ranges}
    keys = {
        row.block: ObjectKey(row.path, row.keys) for row in reading.before.objects if row.block is not None
    }
    whole = standing(reading.before, reading.seen)
    routed = {
        route.mark.block: route.range
        for route in reading.seen.routes
        if route.mark is not None and route.mark.store == reading.before.store
    }
    for pool in reading.before.pools:
        announces = pool.row.announcement == ON_DEVICE and pool.role != "stands-by"
        for block in pool.blocks:
            if block.state in (State.INSTALLED, State.DRAINING):
                key = keys.get(block.id)
                seen = whole.get(block.id) if key is None else by_key.get(key)
                yield from _judge_block(
                    name, pool.role, block, seen, pool.network_instance, whole=block.id in whole
                )
                if announces and routed.get(block.id) != block.prefix.range:
                    words = f"{name} does not have the route to {block.label}"
                    yield Finding(Fault.MISSING, (name,), words, (block.name,))
    for finding in reading.findings:
        shares = () if finding.block is None else (f"b{finding.block}",)
        if finding.kind in _STRAY:
            yield Finding(Fault.STRAY, (name,), f"{name}: {finding.words}", shares)
        elif finding.kind == "unmapped":
            yield Finding(Fault.UNMAPPED, (name,), f"{name}: {finding.words}", shares)


def _judge_block(
    name: str,
    role: str | None,
    block: BlockRow,
    seen: SeenRange | None,
    instance: str | None,
    *,
    whole: bool,
) -> Iterable[Finding]:
    """`whole`: the object was adopted, and may hold more blocks."""
    names = (block.name,)
    if seen is None or seen.range is None:
        if role != "stands-by":
            yield Finding(Fault.MISSING, (name,), f"{name} does not have {block.label}", names)
    elif not seen.range.contains(block.prefix) if whole else seen.range != block.prefix.range:
        words = f"{name} has {seen.range} for {block.label}"
        yield Finding(Fault.DIFFERENT, (name,), words, names, seen.range)
    elif seen.network_instance != instance:
        here, there = seen.network_instance or "the default one", instance or "the default one"
        words = f"{name} has {block.label} in network instance {here} instead of {there}"
        yield Finding(Fault.DIFFERENT, (name,), words, names, seen.range)
    elif block.state is State.DRAINING and not seen.drained:
        words = f"{name} gives out addresses of {block.label}, which drains"
        yield Finding(Fault.DIFFERENT, (name,), words, names, seen.range)
    elif block.state is State.INSTALLED and block.wanted is Wanted.PRESENT and seen.drained:
        words = f"{name} drains {block.label}, and nobody here asked for that"
        yield Finding(Fault.DIFFERENT, (name,), words, names, seen.range)


# --- All devices ----------------------------------------------------------------------------------


def _installed(reading: Reading, network: Network) -> Iterable[_Installed]:
    """What is on a device, in the spaces that are known. A range that is not ours counts too."""
    device = reading.before.device
    instances = network.instances.get(device.name, {})
    blocks = {block.id: block for block in reading.before.blocks}
    by_key = {ObjectKey(row.path, row.keys): row.block for row in reading.before.objects}
    for lowest, whole in sorted(standing(reading.before, reading.seen).items(), key=lambda item: -item[0]):
        by_key[whole.key] = lowest  # the first block of it, on each device that shows it alike
    for seen in reading.seen.ranges:
        if seen.range is None:
            continue
        instance = seen.network_instance
        space = device.space_id if instance is None else instances.get(instance)
        if space is None:
            continue
        number = by_key.get(seen.key)
        block = None if number is None else blocks.get(number)
        first, last = _scaled(seen.range)
        yield _Installed(first, last, device.name, seen.key, seen.range, block, space)


def _scaled(span: Range) -> tuple[int, int]:
    """On one scale for both families, IPv6 behind IPv4: they never meet."""
    offset = 0 if span.family.number == 4 else 1 << 128
    shift = span.family.shift
    return offset + (span.first << shift), offset + ((span.last + 1) << shift) - 1


def _overlaps(installed: Sequence[_Installed], network: Network) -> Iterable[Finding]:
    """Addresses that two hold: within each space, and wherever a public pool has them."""
    by_space: dict[int, list[_Installed]] = {}
    for one in installed:
        by_space.setdefault(one.space, []).append(one)
    for space in sorted(by_space):
        for a, b in _meetings(by_space[space]):
            yield _twice(a, b, network.spaces.get(space))
    public = sorted(_scaled(prefix.range) for prefix in network.public)
    shared = [one for one in installed if _touches(public, one)]
    for a, b in _meetings(shared):
        if a.space != b.space:
            yield _twice(a, b, None)


def _meetings(installed: Iterable[_Installed]) -> Iterable[tuple[_Installed, _Installed]]:
    """Each range with the one before it that reaches furthest, where they share addresses and are not one
    block on members of its owner. In order of addresses, so that the cost is that of sorting."""
    furthest: _Installed | None = None
    for one in sorted(installed):
        if furthest is not None and one.first <= furthest.last and not _one_block(furthest, one):
            yield furthest, one
        if furthest is None or one.last > furthest.last:
            furthest = one


def _one_block(a: _Installed, b: _Installed) -> bool:
    return a.block is not None and b.block is not None and a.block.id == b.block.id and a.device != b.device


def _touches(spans: Sequence[tuple[int, int]], one: _Installed) -> bool:
    """Whether `one` shares addresses with one of `spans`, which are in order and disjoint."""
    place = bisect.bisect_right(spans, (one.last, 1 << 130))
    return place > 0 and spans[place - 1][1] >= one.first


def _twice(a: _Installed, b: _Installed, space: str | None) -> Finding:
    shared = a.range if a.first >= b.first and a.last <= b.last else b.range
    devices = tuple(dict.fromkeys((a.device, b.device)))
    where = f"in space {space}" if space is not None else "in a public pool"
    words = f"{shared} {where} is on {a.device} as {a.key} and on {b.device} as {b.key}"
    blocks = tuple(dict.fromkeys(one.block.name for one in (a, b) if one.block is not None))
    return Finding(Fault.TWICE, devices, words, blocks, shared, space)
