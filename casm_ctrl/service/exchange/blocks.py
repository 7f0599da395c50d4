"""Import blocks: each at its particular prefix, in bulk.

A block comes in as reserved and wanted present, whatever state a file gives: an import plans, and never
claims that something is on a device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.ports import parse_block
from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import Micros, from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import InvalidValue, Overlap, Refusal
from casm_ctrl.service import limits
from casm_ctrl.service.exchange.nouns import Entry
from casm_ctrl.service.exchange.problems import Problems
from casm_ctrl.service.lifetime import expiry
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.service.occupancy import not_free
from casm_ctrl.service.pending_commit import check_untouched
from casm_ctrl.store import blocks, devices, free_bulk, pools
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A block of the file whose values were understood."""

    entry: Entry
    prefix: Prefix
    pool: PoolRow
    expires_at: Micros | None


class _Target:
    """A device pool that gets blocks, with what is looked up once for all of them."""

    def __init__(self, tx: Transaction, label: str) -> None:
        self.row: DevicePoolRow = the_device_pool(tx, label)
        rows = [pools.get_pool(tx, number) for number in devices.device_pool_sources(tx, self.row.id)]
        self.sources = {row.name: row for row in rows}
        check_untouched(tx, label, self.sources)
        self.prefixes = {row.name: pools.pool_prefixes(tx, row.id) for row in rows}
        self.held: dict[tuple[int, Prefix], BlockRow] = {
            (block.pool_id, block.prefix): block
            for block in blocks.list_blocks(tx, device_pool_id=self.row.id)
        }

    def wanted(self, tx: Transaction, entry: Entry) -> _Wanted:
        """The entry's values, or InvalidValue where they do not fit the device pool."""
        prefix = _prefix_of(entry)
        pool = self._pool_of(entry, prefix)
        if prefix.length > pool.longest or prefix.family.number != pool.family.number:
            raise InvalidValue(
                f"{prefix} is not a block of pool '{pool.name}'",
                f"give {pool.family.value} blocks of up to /{pool.longest}",
            )
        return _Wanted(entry, prefix, pool, self._expiry(tx, entry, self.held.get((pool.id, prefix))))

    def _expiry(self, tx: Transaction, entry: Entry, held: BlockRow | None) -> Micros | None:
        """When its lifetime ends: in the future, unless it is what the store has already."""
        text = entry.values.get("expires")
        if text is not None and held is not None and from_rfc3339(text) == held.expires_at:
            return held.expires_at
        return expiry(tx.now, None, text)

    def _pool_of(self, entry: Entry, prefix: Prefix) -> PoolRow:
        named = entry.values.get("pool")
        candidates = self.sources if named is None else {n: r for n, r in self.sources.items() if n == named}
        for name, row in candidates.items():
            if any(outer.contains(prefix) for outer in self.prefixes[name]):
                return row
        listed = ", ".join(self.sources)
        if named is not None and not candidates:
            raise InvalidValue(
                f"'{self.row.label}' does not draw from pool '{named}'", f"name one of its pools: {listed}"
            )
        raise InvalidValue(
            f"{prefix} is not inside {f'pool {named!r}' if named else f'the pools of {self.row.label!r} ({listed})'}",
            "correct the prefix or the pool",
        )


def _prefix_of(entry: Entry) -> Prefix:
    psid, length = entry.values.get("psid"), entry.values.get("psid-length")
    if (psid is None) != (length is None):
        raise InvalidValue(
            "a port set has an id and the id's length", "give psid and psid-length, or neither"
        )
    return parse_block(entry.key if psid is None else f"{entry.key} psid {psid}/{length}")


def import_blocks(
    tx: Transaction,
    author: Author,
    entries: Iterable[Entry],
    problems: Problems,
    progress: Callable[[int], None],
) -> tuple[int, int]:
    """Reserve the blocks that are not there yet. Returns how many are new and how many were there.

    What cannot be had is a problem; then the caller takes everything back. `progress` is told how many more
    entries are done.
    """
    targets: dict[str, _Target] = {}
    wanted: dict[str, list[_Wanted]] = {}
    there = 0
    for entry in entries:
        label = entry.values["device-pool"]
        try:
            if label not in targets:
                targets[label] = _Target(tx, label)
            one = targets[label].wanted(tx, entry)
        except Refusal as error:
            problems.add_error(entry.place, error, f"block {entry.key}")
            continue
        held = targets[label].held.get((one.pool.id, one.prefix))
        if held is None:
            wanted.setdefault(label, []).append(one)
        elif held.expires_at != one.expires_at:
            shown = "never" if held.expires_at is None else to_rfc3339(held.expires_at)
            here = entry.values.get("expires", "never")
            problems.add(
                entry.place,
                f"{held.label} is there and differs: expires is {shown} there and {here} here",
                "correct the file, or release or renew the block",
            )
        else:
            there += 1
            progress(1)
    _refuse_overlaps(wanted.values(), problems)
    if problems.count:
        return 0, there
    for label, ones in wanted.items():
        _insert(tx, author, targets[label].row, ones, problems)
        progress(len(ones))
    return sum(map(len, wanted.values())), there


def _refuse_overlaps(groups: Iterable[Sequence[_Wanted]], problems: Problems) -> None:
    """Blocks of the file that share addresses are a problem of the later one."""
    ones = [one for group in groups for one in group]
    ones.sort(
        key=lambda one: (one.pool.space_id, one.prefix.family.number, one.prefix.first_key, one.prefix.length)
    )
    previous: _Wanted | None = None
    for one in ones:
        if (
            previous is not None
            and previous.pool.space_id == one.pool.space_id
            and previous.prefix.overlaps(one.prefix)
        ):
            problems.add_error(one.entry.place, _overlap(previous), f"block {one.entry.key}")
        else:
            previous = one


def _overlap(other: _Wanted) -> Overlap:
    return Overlap(
        f"it shares addresses with {other.prefix} of '{other.entry.values['device-pool']}' in the same file",
        "give each address once",
    )


def _insert(
    tx: Transaction, author: Author, row: DevicePoolRow, ones: Sequence[_Wanted], problems: Problems
) -> None:
    places = {(one.pool.id, one.prefix): one.entry.place for one in ones}
    members = [member for member in devices.owner_members(tx, row.owner_id) if member.holds_blocks]
    try:
        limits.check_maximum(tx, row, len(ones))
    except Refusal as error:
        problems.add_error(ones[0].entry.place, error)
        return
    given: list[tuple[PoolRow, list[Prefix]]] = []
    for pool, expires_at, prefixes in _runs(ones):
        missing = free_bulk.take_prefixes(tx, pool.id, prefixes, pool.tenant(row.owner_id))
        for prefix in missing:
            problems.add_error(places[pool.id, prefix], not_free(tx, pool, prefix), f"block {prefix}")
        if not missing:
            blocks.insert_blocks(tx, author, row, members, pool, prefixes, expires_at)
            given.append((pool, prefixes))
    if given:
        try:
            limits.check_quotas(tx, row, [pool for pool, _ in given], given)
        except Refusal as error:
            problems.add_error(ones[0].entry.place, error)


def _runs(ones: Sequence[_Wanted]) -> Iterator[tuple[PoolRow, Micros | None, list[Prefix]]]:
    """The blocks by pool and lifetime, each in the order of the file."""
    runs: dict[tuple[int, Micros | None], tuple[PoolRow, list[Prefix]]] = {}
    for one in ones:
        runs.setdefault((one.pool.id, one.expires_at), (one.pool, []))[1].append(one.prefix)
    for (_, expires_at), (pool, prefixes) in runs.items():
        yield pool, expires_at, prefixes
