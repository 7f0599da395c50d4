"""How full device pools are and were: for people and systems that ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.base.readings import Sample, Span
from casm_ctrl.service import samples
from casm_ctrl.service.averages import DAY, HOUR
from casm_ctrl.service.verb import Document
from casm_ctrl.store import blocks, devices, pools
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.transaction import Transaction

STEPS = ("hour", "day")
LONGEST = 3660 * 86400
"""Seconds back that may be asked for."""


@dataclass(frozen=True)
class PoolUsed:
    """A device pool: its last sample, and what was counted in spans of one length. `peaks`: by block, the highest of
    the days asked for; `refused`: why readings of its devices are not believed now."""

    label: str
    last: Sample | None
    spans: tuple[Span, ...]
    peaks: dict[int, int]
    prefixes: dict[int, str]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class UsageReport:
    """All at one time. `step` is hour or day."""

    since: Micros
    step: str
    pools: tuple[PoolUsed, ...]

    def document(self) -> Document:
        return {
            "since": to_rfc3339(self.since),
            "step": self.step,
            "device-pool": [_document(pool, self.step) for pool in self.pools],
        }


def usage_report(
    database: Database, subjects: Sequence[str] = (), *, since: int, step: str = "day"
) -> UsageReport:
    """`subjects`: device pools (DEVICE/NAME), devices, or pools that device pools draw from; none: all device pools.
    `since`: seconds back. NotFound names what is none of these."""
    if not 1 <= since <= LONGEST:
        raise InvalidValue(f"usage of the last {since} s cannot be told", f"give 1s to {LONGEST // 86400}d")
    if step not in STEPS:
        raise InvalidValue(f"usage is told by hour or day, not by '{step}'", "give hour or day")
    with database.read() as tx:
        begin = Micros(max(tx.now - since * SECOND, 0))
        rows = _chosen(tx, subjects)
        return UsageReport(begin, step, tuple(_used(tx, row, begin, step) for row in rows))


def _chosen(tx: Transaction, subjects: Sequence[str]) -> list[DevicePoolRow]:
    rows = sorted(devices.list_device_pools(tx), key=lambda row: row.label)
    if not subjects:
        return rows
    by_pool = {row.name: row.id for row in pools.list_pools(tx)}
    known = {row.label for row in rows} | by_pool.keys() | {row.name for row in devices.list_devices(tx)}
    for subject in subjects:
        if subject not in known:
            raise NotFound(f"'{subject}' is no device pool, device or pool", "see 'casm device-pool list'")
    wanted = {by_pool[subject] for subject in subjects if subject in by_pool}
    return [
        row
        for row in rows
        if row.label in subjects
        or row.device in subjects
        or wanted & set(devices.device_pool_sources(tx, row.id))
    ]


def _used(tx: Transaction, row: DevicePoolRow, begin: int, step: str) -> PoolUsed:
    read = samples.hours if step == "hour" else samples.days
    held = blocks.list_blocks(tx, device_pool_id=row.id)
    kept = samples.block_days(tx, row.id, begin)
    refused = {
        kind for device in store.members_of_pool(tx, row.id) for kind in store.get_last(tx, device).refused
    }
    return PoolUsed(
        row.label,
        samples.latest(tx, row.id),
        tuple(read(tx, row.id, begin)),
        {block.id: max(kept[block.id].values()) for block in held if kept.get(block.id)},
        {block.id: str(block.prefix) for block in held},
        tuple(sorted(refused)),
    )


def _document(pool: PoolUsed, step: str) -> Document:
    found: Document = {"device-pool": pool.label}
    if pool.last is not None:
        found |= {"kind": pool.last.kind, "time": to_rfc3339(pool.last.at)}
        found |= _fill(pool.last.used, pool.last.capacity)
    if pool.spans:
        weight = sum(span.covered for span in pool.spans)
        found |= {
            "average": str(sum(span.average * span.covered for span in pool.spans) // weight),
            "peak": str(max(span.peak for span in pool.spans)),
            "refused-requests": str(sum(span.refused for span in pool.spans)),
        }
    found["not-believed"] = list(pool.refused)
    found["span"] = [
        {
            "begin": to_rfc3339(span.begin),
            "end": to_rfc3339(span.begin + (HOUR if step == "hour" else DAY)),
            "covered": span.covered,
            "average": str(span.average),
            "peak": str(span.peak),
            "capacity": str(span.capacity),
            "refused-requests": str(span.refused),
        }
        for span in pool.spans
    ]
    told = {} if pool.last is None else {block.block: block for block in pool.last.blocks}
    found["block"] = [
        {"id": block_id(number), "prefix": prefix}
        | (_fill(told[number].used, told[number].capacity) if number in told else {})
        | ({"peak": str(pool.peaks[number])} if number in pool.peaks else {})
        for number, prefix in pool.prefixes.items()
    ]
    return found


def _fill(used: int, capacity: int) -> Document:
    found: Document = {"used": str(used), "capacity": str(capacity)}
    return found | ({"percent": min(used * 100 // capacity, 100)} if capacity else {})
