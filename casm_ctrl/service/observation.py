"""Record what a read of a device showed, and what it proves (promises 1 and 3).

This is the only place where a block becomes installed, draining, or quarantined after a removal. What is
seen is stored as it is; what does not fit what is wanted becomes a finding, and where addresses would
come to be on two owners the finding holds the block, or the free space, until it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from casm_ctrl.addressing.ports import write_block
from casm_ctrl.addressing.prefix import Range
from casm_ctrl.base.clock import Micros
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.service import alarm_causes, routes
from casm_ctrl.service.desired import Desired, read_desired
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.replacement import forget_strangers
from casm_ctrl.service.route_sightings import RouteSighting, note_routes, sort_routes, strange_routes
from casm_ctrl.service.spans import outside, touched_blocks
from casm_ctrl.service.whole_objects import WholeObjects
from casm_ctrl.store import (
    block_members,
    blocks,
    devices,
    history,
    identities,
    leases,
    observations,
    past_blocks,
    spaces,
)
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.history import Stay
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.observations import FindingRow, ObjectRow, RangeRow
from casm_ctrl.store.states import Seen, State, Wanted
from casm_ctrl.store.transaction import Transaction

_OWNED = (State.RESERVED, State.INSTALLED, State.DRAINING, State.WITHDRAWING)


@dataclass(frozen=True)
class Sighting:
    """A range of addresses in an object on a device. `mark_*`: whose mark its name carries, if any."""

    path: str
    keys: tuple[str, ...]
    range: Range | None
    network_instance: str | None = None
    mark_store: str | None = None
    mark_block: int | None = None
    drained: bool = False


@dataclass(frozen=True)
class Sight:
    """All that one read showed. `containers` are objects that hold ranges.

    `proof`: no confirmed commit can be pending: only then does what is not there count as gone, be it a
    block or somebody else's range. Without it, and while the store knows of a commit that may be pending,
    the read changes no block's state.
    `kept`: where there is a startup datastore, it holds the same: only then is a block that is gone proven
    to stay so.
    """

    sightings: tuple[Sighting, ...]
    containers: tuple[tuple[str, tuple[str, ...]], ...]
    proof: bool
    kept: bool = True
    routes: tuple[RouteSighting, ...] = ()
    """Static routes, where the driver configures some."""


@dataclass(frozen=True)
class Observed:
    """What the read changed in the store."""

    transitions: tuple[str, ...]
    findings: tuple[FindingRow, ...]


@dataclass
class _Reading:
    """One observation while it is being worked out."""

    device: DeviceRow
    store: str
    own: dict[int, list[Sighting]] = field(default_factory=dict)
    foreign: list[tuple[Sighting, int, str, str]] = field(default_factory=list)
    """(sighting, space id, kind, words) of what is on the device and is none of its blocks."""
    findings: list[FindingRow] = field(default_factory=list)
    stays: dict[int, Stay] = field(default_factory=dict)
    """The stays on the device, by block, that were not over before this read."""
    zombies: set[int] = field(default_factory=set)

    def find(
        self, kind: str, sighting: Sighting, words: str, block: int | None = None, *, holds: bool = False
    ) -> None:
        self.findings.append(
            FindingRow(self.device.name, kind, sighting.path, sighting.keys, block, holds, Micros(0), words)
        )


def observe(database: Database, author: Author, lease: Lease, sight: Sight) -> Observed:
    """Store what was seen, move blocks along the edges that it proves, and list what is wrong.

    LeaseLost where the lease is not ours any more: what was seen may be old, and is not stored.
    """

    def body(tx: Transaction) -> Observed:
        leases.check(tx, lease)
        device = devices.get_device(tx, lease.device_id)
        return observe_within(tx, author, device, sight)

    return database.run(body)


def preview(database: Database, author: Author, device_name: str, sight: Sight) -> Desired:
    """What would be wanted of a device if `sight` were observed; nothing is written.

    Worked out in a transaction that is taken back, so that it is the very same as `observe` would do.
    """
    with database.rehearse() as tx:
        device = the_device(tx, device_name)
        observe_within(tx, author, device, sight)
        return read_desired(tx, device)


def observe_within(tx: Transaction, author: Author, device: DeviceRow, sight: Sight) -> Observed:
    """`observe`, in a transaction that holds the device's lease."""
    reading = _Reading(device, spaces.get_store(tx).store_id, stays=history.open_stays(tx, device.id))
    mine = {block.id: block for block in blocks.list_blocks(tx, device_id=device.id)}
    replaced = identities.get_identity(tx, device.id).replaced_at is not None
    if replaced:
        forget_strangers(tx, device.id, mine, {(s.path, s.keys): s.range for s in sight.sightings})
    ranges = _sort(tx, reading, mine, sight)
    _judge_foreign(tx, reading)
    seen_routes = sort_routes(tx, device, mine, sight.routes, store=reading.store)
    reading.findings += strange_routes(device, mine, seen_routes)
    news = observations.replace_findings(tx, device.id, reading.findings, forget=sight.proof)
    observations.replace_ranges(tx, device.id, ranges, forget=sight.proof)
    record(tx, author, (Event(f.kind, "device", device.id, device.name, reason=f.words) for f in news))
    _hold(tx, reading, forget=sight.proof)
    if sight.proof:
        _forget_objects(tx, device.id, sight)
        if replaced:
            identities.end_replacement(tx, device.id)
    if not sight.proof and leases.get_pending(tx, device.id) is not None:
        return Observed((), tuple(observations.list_findings(tx, device_id=device.id)))
    proven = sight.proof and sight.kept
    note_routes(tx, author, device, mine, seen_routes, proof=proven)
    touched = touched_blocks(mine.values(), ranges)
    words = [
        step
        for block in mine.values()
        if block.state is not State.QUARANTINED
        for step in _prove(
            tx, author, reading, block, gone=sight.proof and block.id not in touched, kept=sight.kept
        )
    ]
    _note_others(tx, reading, {block.id for block in mine.values() if block.state in _OWNED}, sight)
    history.note_read(tx, device.id, leases.claimed_at(tx, device.id))
    alarm_causes.note_findings(tx, device, [step for step in words if "vanished" in step])
    return Observed(tuple(words), tuple(observations.list_findings(tx, device_id=device.id)))


# --- Whose is it ----------------------------------------------------------------------------------


def _sort(tx: Transaction, reading: _Reading, mine: dict[int, BlockRow], sight: Sight) -> list[RangeRow]:
    """Tell our objects from all others, and return every range as it is to be stored."""
    device = reading.device
    objects = {(row.path, row.keys): row for row in observations.list_objects(tx, device.id)}
    owned = {block.id: block for block in mine.values() if block.state in _OWNED}
    whole = WholeObjects.read(tx, device.id, objects.values())
    objects |= whole.given_up(owned)
    instances = devices.device_instances(tx, device.id)
    rows: list[RangeRow] = []
    for sighting in sight.sightings:
        space = (
            device.space_id if sighting.network_instance is None else instances.get(sighting.network_instance)
        )
        block = _owner_of(tx, reading, mine, objects, sighting)
        homes = [] if block is None else [block]
        standing = whole.blocks_at((sighting.path, sighting.keys), space, owned)
        if block is not None:
            reading.own.setdefault(block.id, []).append(sighting)
        elif standing and sighting.range is not None:
            homes = standing
            inside = [home for home in standing if sighting.range.contains(home.prefix)]
            block = inside[0] if inside else None
            for home in inside:
                reading.own.setdefault(home.id, []).append(replace(sighting, range=home.prefix.range))
        if sighting.range is None:
            continue
        if space is None:
            reading.find(
                "unmapped",
                sighting,
                f"{_where(sighting)} is in network instance '{sighting.network_instance}', which no space stands for",
            )
        elif not homes:
            kind, words = _kind_of(tx, reading, mine, objects, sighting)
            reading.foreign.append((sighting, space, kind, words))
        else:
            labels = ", ".join(home.label for home in homes[:3])
            pieces = (replace(sighting, range=part) for part in outside(sighting.range, homes))
            reading.foreign += (
                (piece, space, "drift", f"{_where(piece)} on {device.name} reaches beyond {labels}")
                for piece in pieces
            )
        rows.append(
            RangeRow(
                sighting.path,
                sighting.keys,
                sighting.network_instance,
                space,
                sighting.range,
                None if block is None else block.id,
                sighting.drained,
            )
        )
    return rows


def _owner_of(
    tx: Transaction,
    reading: _Reading,
    mine: dict[int, BlockRow],
    objects: dict[tuple[str, tuple[str, ...]], ObjectRow],
    sighting: Sighting,
) -> BlockRow | None:
    """The block of this device that the object serves: by the store's row of the object, or by its mark
    where that names a block that the device owns and the range is the block's."""
    known = objects.get((sighting.path, sighting.keys))
    if known is not None and known.block is not None:
        block = mine.get(known.block)
        return block if block is not None and block.state in _OWNED else None
    if sighting.mark_store != reading.store or sighting.mark_block is None:
        return None
    block = mine.get(sighting.mark_block)
    if block is None or block.state not in _OWNED or sighting.range != block.prefix.range:
        return None
    mine[block.id] = block = blocks.mark_sent(tx, block)
    row = ObjectRow(sighting.path, sighting.keys, block.id, "wrote")
    observations.put_objects(tx, reading.device.id, [row])
    return block


def _kind_of(
    tx: Transaction,
    reading: _Reading,
    mine: dict[int, BlockRow],
    objects: dict[tuple[str, tuple[str, ...]], ObjectRow],
    sighting: Sighting,
) -> tuple[str, str]:
    """What an object is that serves no block of this device: (kind, words)."""
    where = f"{_where(sighting)} is on {reading.device.name}"
    known = objects.get((sighting.path, sighting.keys))
    number = known.block if known is not None and known.block is not None else None
    if number is None and sighting.mark_store == reading.store:
        number = sighting.mark_block
    if number is not None:
        past = past_blocks.past_block(tx, number)
        home = mine[number].prefix if number in mine else None if past is None else past.prefix
        if home is not None and sighting.range == home.range:
            reading.zombies.add(number)
        if number in mine and mine[number].state in _OWNED:
            return "drift", f"{where}, where {mine[number].label} should be"
        if number in mine:
            return "zombie", f"{where}, and {mine[number].label} is {mine[number].state.value}"
        if past is not None:
            return (
                "zombie",
                f"{where}, and {block_id(number)} {write_block(past.prefix, past.psid_offset)} is free again",
            )
        return "orphan", f"{where} with our mark, and this store gave {block_id(number)} to no such device"
    if sighting.mark_store is not None:
        return "other-store", f"{where} with the mark of another store ({sighting.mark_store})"
    return "foreign", f"{where} and was configured by somebody else"


def _where(sighting: Sighting) -> str:
    return f"{sighting.path}[{', '.join(sighting.keys)}] {sighting.range}"


# --- What it means --------------------------------------------------------------------------------


def _judge_foreign(tx: Transaction, reading: _Reading) -> None:
    """A finding for each block that a foreign range touches, and one where it touches free space of ours
    or is a thing of ours that should not be there."""
    for sighting, space, kind, words in reading.foreign:
        assert sighting.range is not None
        touched = blocks.blocks_in_range(tx, space, sighting.range)
        touched += blocks.public_blocks_in_range(tx, space, sighting.range)
        # A sweep that frees one at this moment must see the finding, or this the space that became free.
        blocks.lock_blocks(tx, (block.id for block in touched))
        for block in touched:
            reading.find(
                kind,
                sighting,
                f"{words}: it shares addresses with {block.label} of {block.device_pool}",
                block.id,
                holds=True,
            )
        in_pools = observations.touches_pool(tx, space, sighting.range)
        if not touched and (in_pools or kind in ("zombie", "orphan")):
            tail = ": nothing is allocated from there" if in_pools else ""
            reading.find(kind, sighting, words + tail)


def _hold(tx: Transaction, reading: _Reading, *, forget: bool) -> None:
    spans = [(space, s.range, words) for s, space, _, words in reading.foreign if s.range is not None]
    if forget:
        release_held(tx, reading.device.id, [(space, span) for space, span, _ in spans])
    for space, span, words in spans:
        hold(tx, space, span, reading.device.id, words)


def _forget_objects(tx: Transaction, device_id: int, sight: Sight) -> None:
    """An object of ours that a proving read does not show is not ours any more if it comes back."""
    there = {(s.path, s.keys) for s in sight.sightings} | {(r.path, r.keys) for r in sight.routes}
    there |= set(sight.containers)
    gone = [row for row in observations.list_objects(tx, device_id) if (row.path, row.keys) not in there]
    observations.delete_objects(tx, device_id, gone)


# --- What it proves -------------------------------------------------------------------------------


def _prove(
    tx: Transaction, author: Author, reading: _Reading, block: BlockRow, *, gone: bool, kept: bool
) -> list[str]:
    """Note what was seen of one block on this device, and take the edges that all its members prove.

    `gone`: the read counts as proof, and shows none of the block's addresses. `kept`: so does startup.
    """
    device = reading.device
    own = [s for s in reading.own.get(block.id, ()) if s.range == block.prefix.range]
    seen = Seen.PRESENT if own else Seen.ABSENT if gone and kept else Seen.UNKNOWN
    block_members.set_seen(tx, block.id, device.id, seen)
    history.note_seen(tx, reading.stays.get(block.id), block.id, device.id, seen)
    members = block_members.list_members(tx, [block.id])[block.id]
    serving = [member.seen for member in members if member.role == "serves"]
    everywhere = all(value is Seen.PRESENT for value in serving)
    nowhere = all(member.seen is Seen.ABSENT for member in members)
    others = [member for member in members if member.device_id != device.id]
    serves = any(member.device_id == device.id and member.role == "serves" for member in members)
    drained = bool(own) and all(s.drained for s in own)
    if drained and others:
        drained = all(
            observations.shows_drained(tx, block.id, member.device_id)
            for member in others
            if member.role == "serves"
        )
    undrained = serves and any(not s.drained for s in own)

    steps: list[str] = []

    def go(target: State, reason: str) -> None:
        nonlocal block
        after = blocks.transition(tx, author, block, target, "observe", f"{reason} on {device.name}")
        assert after is not None
        steps.append(f"{block.label}: {block.state.value} → {target.value}, {reason}")
        block = after

    if nowhere and block.wanted is Wanted.ABSENT:
        if block.state is not State.WITHDRAWING:
            go(State.WITHDRAWING, "released, and seen gone")
            for member in others:  # seen gone before the release: that proved no removal
                block_members.set_seen(tx, block.id, member.device_id, Seen.UNKNOWN)
            if others:
                return steps
        if not routes.lingers(tx, block):
            go(State.QUARANTINED, "proven gone")
        return steps
    if serves and gone and not own and block.state in (State.INSTALLED, State.DRAINING):
        go(State.RESERVED, "vanished without us")
    if everywhere and block.state is State.RESERVED:
        go(State.INSTALLED, "seen")
    if drained and block.state is State.INSTALLED and block.wanted is not Wanted.PRESENT:
        go(State.DRAINING, "drain seen")
    elif undrained and block.state is State.DRAINING:
        go(State.INSTALLED, "no drain seen")
    return steps


def _note_others(tx: Transaction, reading: _Reading, proved: set[int], sight: Sight) -> None:
    """What the read tells of blocks that the device does not own any more."""
    absent = Seen.ABSENT if sight.proof and sight.kept else Seen.UNKNOWN
    for number in sorted((reading.zombies | set(reading.stays)) - proved):
        seen = Seen.PRESENT if number in reading.zombies else absent
        history.note_seen(tx, reading.stays.get(number), number, reading.device.id, seen)
