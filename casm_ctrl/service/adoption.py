"""Take over ranges that were found on devices: device pools with their names, blocks, static assignments.

One transaction for the devices that have a range together (mostly one): all that can be adopted of them is, or
nothing. Nothing is sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from casm_ctrl.addressing.prefix import Prefix, Range
from casm_ctrl.base.errors import Refusal
from casm_ctrl.service.config_lock import count_change
from casm_ctrl.service.configuration import AddDevicePool, apply_edit
from casm_ctrl.service.edits import Done
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.lookup import the_device, the_group
from casm_ctrl.service.observation import Sight, observe_within
from casm_ctrl.service.occupancy import not_free
from casm_ctrl.service.pending_commit import check_untouched
from casm_ctrl.store import adoptions, devices, free_space, leases, observations, owners, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow, DeviceRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.observations import RangeRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.savepoint import savepoint
from casm_ctrl.store.static_assignments import StaticRow, put_statics
from casm_ctrl.store.transaction import Transaction

Object = tuple[str, tuple[str, ...]]
"""(path, keys)."""


@dataclass(frozen=True)
class Find:
    """A range to adopt: in one object on each of `objects`' devices. `name`: what AAA calls what it is in."""

    range: Range
    pool: PoolRow
    name: str
    objects: Mapping[str, Object]
    group: str | None = None
    network_instance: str | None = None
    statics: tuple[StaticRow, ...] = ()
    drained: bool = False
    """Somebody drained it, on all devices: it stays so when it is managed."""

    @property
    def pieces(self) -> list[Prefix]:
        """The fewest prefixes that it is made of; whole addresses as IPv4."""
        return [piece.plain for piece in self.range.prefixes()]


@dataclass(frozen=True)
class Adopted:
    """A range that was adopted, as blocks of a device pool."""

    find: Find
    device_pool: str
    blocks: tuple[tuple[int, Prefix], ...]


@dataclass(frozen=True)
class Refused:
    """A range that could not be: what was in the way came up only when it was taken."""

    find: Find
    kind: str
    words: str
    remedy: str


@dataclass
class Outcome:
    """`made`: device pools that were not there, as edits."""

    adopted: list[Adopted] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    made: list[AddDevicePool] = field(default_factory=list)


def adopt(
    database: Database,
    author: Author,
    leased: Mapping[str, Lease],
    sights: Mapping[str, Sight],
    finds: Sequence[Find],
) -> Outcome:
    """Adopt `finds`, and record what the devices showed besides. LeaseLost where one is another's now."""

    def body(tx: Transaction) -> Outcome:
        for lease in leased.values():
            leases.check(tx, lease)
        return _adopt(tx, author, sights, finds)

    return database.run(body)


def rehearse(
    database: Database, author: Author, sights: Mapping[str, Sight], finds: Sequence[Find]
) -> Outcome:
    """What `adopt` would come to; nothing is written."""
    with database.rehearse() as tx:
        return _adopt(tx, author, sights, finds)


def _adopt(tx: Transaction, author: Author, sights: Mapping[str, Sight], finds: Sequence[Find]) -> Outcome:
    rows = {name: the_device(tx, name) for name in sights}
    outcome = Outcome()
    done: list[Done] = []
    held: list[tuple[int, RangeRow]] = []
    if finds:
        for row in rows.values():
            held += ((row.id, seen) for seen in observations.list_ranges(tx, row.id) if seen.block is None)
            release_held(tx, row.id, [], besides={other.id for other in rows.values()})
    for together in _by_name(finds):
        _adopt_pool(tx, author, rows, together, outcome, done)
    if done:
        told = (Event(d.verb, d.kind, d.id, d.name, reason=d.words) for d in done)
        record(tx, author, told, revision=count_change(tx, author.session))
    if outcome.adopted:
        for name, row in rows.items():
            words = (
                f"{len(outcome.adopted)} range(s) as {sum(len(a.blocks) for a in outcome.adopted)} block(s)"
            )
            record(tx, author, [Event("adopt", "device", row.id, name, reason=words)])
    for name, sight in sights.items():
        observe_within(tx, author, devices.get_device(tx, rows[name].id), sight)
    for number, seen in held:  # what this read did not show may be there all the same: it was no proof
        if seen.space_id is not None:
            hold(tx, seen.space_id, seen.range, number, "seen there by an earlier read")
    return outcome


def _by_name(finds: Iterable[Find]) -> list[list[Find]]:
    """Those that belong in one device pool: of one owner, with one name."""
    found: dict[tuple[str, str], list[Find]] = {}
    for find in finds:
        owner = find.group or min(find.objects)
        found.setdefault((owner, find.name), []).append(find)
    return list(found.values())


# --- Device pools ---------------------------------------------------------------------------------


def _adopt_pool(
    tx: Transaction,
    author: Author,
    rows: Mapping[str, DeviceRow],
    finds: Sequence[Find],
    outcome: Outcome,
    done: list[Done],
) -> None:
    """Adopt what is in one pool on the device as one device pool: the one of its name, or a new one."""
    first = finds[0]
    device = rows[min(first.objects)]
    there = next((p for p in owners.device_pools_on(tx, device.id) if p.aaa_name == first.name), None)
    if there is not None:
        wanted = device.owner_id if first.group is None else the_group(tx, first.group).id
        if there.owner_id != wanted:
            owner = owners.group_of(tx, there.owner_id)
            whose = f"device '{device.name}' alone" if owner is None else f"group '{owner}'"
            words = f"device pool '{there.label}' has that name already, and its blocks are of {whose}"
            remedy = "make the range the same on all its devices, or rename one of the pools on the device"
            outcome.refused += (Refused(find, "owner", words, remedy) for find in finds)
            return
        kind = _kind(pools.get_pool(tx, devices.device_pool_sources(tx, there.id)[0]), there.network_instance)
    else:
        kind = Counter(_kind(find.pool, find.network_instance) for find in finds).most_common(1)[0][0]
    alike = []
    for find in finds:
        if _kind(find.pool, find.network_instance) == kind or (there is not None and _fits(find, kind)):
            alike.append(find)
        else:
            words = f"'{find.name}' holds ranges of more than one family, space or kind, and a device pool has one"
            remedy = "put the others into a pool of their own on the device, and adopt again"
            outcome.refused.append(Refused(find, "mixed", words, remedy))
    if there is None:
        there = _make(tx, device, alike, outcome, done)
    if there is not None:
        check_untouched(tx, there.label, [find.pool.name for find in alike])
        before = len(outcome.adopted)
        for find in alike:
            _adopt_range(tx, author, there, find, outcome)
        if len(outcome.adopted) == before and outcome.made and outcome.made[-1].name == there.label:
            outcome.made.pop()
            done.pop()
            devices.delete_device_pool(tx, there.id)


def _kind(pool: PoolRow, instance: str | None) -> tuple[object, ...]:
    """What all ranges of one device pool share."""
    return pool.space_id, pool.family, pool.delegated_length, instance


def _fits(find: Find, kind: tuple[object, ...]) -> bool:
    """A device pool that is there may leave its network instance to be found by its space."""
    return kind[3] is None and _kind(find.pool, None) == kind


def _make(
    tx: Transaction, device: DeviceRow, finds: Sequence[Find], outcome: Outcome, done: list[Done]
) -> DevicePoolRow | None:
    """A device pool for `finds`; None, and all are refused, where there can be none."""
    first = finds[0]
    edit = AddDevicePool(
        f"{device.name}/{_free_name(tx, device, first.name)}",
        tuple(dict.fromkeys(find.pool.name for find in finds)),
        _length_of(finds),
        aaa_name=first.name,
        group=first.group,
        network_instance=first.network_instance,
        description=f"adopted from {device.name}",
    )
    try:
        with savepoint(tx):
            made = apply_edit(tx, edit)
    except Refusal as error:
        outcome.refused += (Refused(find, "device-pool", error.message, error.remedy) for find in finds)
        return None
    done.append(made)
    outcome.made.append(edit)
    return devices.get_device_pool(tx, made.id)


def _length_of(finds: Sequence[Find]) -> int:
    """The commonest length of blocks, of ranges that are prefixes where there are any; of several the shortest."""
    prefixes = [pieces for find in finds if len(pieces := find.pieces) == 1]
    lengths = Counter(piece.length for pieces in prefixes or [f.pieces for f in finds] for piece in pieces)
    return min(lengths, key=lambda length: (-lengths[length], length))


def fit_name(text: str) -> str:
    """`text` as a name of ours; the same where it is one."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", text).lstrip("._-")[:63]
    return f"pool-{name}"[:63].rstrip("-") if not name or re.fullmatch(r"b[0-9]+", name) else name


def _free_name(tx: Transaction, device: DeviceRow, text: str) -> str:
    name, number = fit_name(text), 1
    free = name
    while devices.find_device_pool(tx, device.name, free) is not None:
        number += 1
        free = f"{name[:58]}-{number}"
    return free


# --- Blocks ---------------------------------------------------------------------------------------


def _adopt_range(
    tx: Transaction, author: Author, device_pool: DevicePoolRow, find: Find, outcome: Outcome
) -> None:
    """Make one object's range installed blocks, all of it or nothing."""
    pool, pieces = find.pool, find.pieces
    members = [member for member in devices.owner_members(tx, device_pool.owner_id) if member.holds_blocks]
    numbers = {devices.get_device(tx, member.device_id).name: member.device_id for member in members}
    try:
        with savepoint(tx):
            for piece in pieces:
                if not free_space.take_prefix(tx, pool.id, piece, pool.tenant(device_pool.owner_id)):
                    raise not_free(tx, pool, piece)
            where = "; ".join(f"{path}[{', '.join(keys)}] on {d}" for d, (path, keys) in find.objects.items())
            ids = adoptions.adopt_blocks(
                tx,
                replace(author, reason=f"found as {find.range} in {where}"),
                device_pool,
                members,
                pool,
                pieces,
                {numbers[device]: found for device, found in find.objects.items()},
                drained=find.drained,
            )
            for device, number in numbers.items():
                own = [row for row in find.statics if row.device == device]
                put_statics(tx, number, pool.space_id, own)
                observations.forget_findings(tx, number, [find.objects[device]])
    except Refusal as error:
        outcome.refused.append(Refused(find, "taken", error.message, error.remedy))
        return
    outcome.adopted.append(Adopted(find, device_pool.label, tuple(zip(ids, pieces, strict=True))))
