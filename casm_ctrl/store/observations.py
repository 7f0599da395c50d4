"""What reads of devices showed: our objects there, every range, and what is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Range
from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True, order=True)
class ObjectRow:
    """An object of ours on a device. `origin` is wrote or adopted; `block` None: a container."""

    path: str
    keys: tuple[str, ...]
    block: int | None
    origin: str


@dataclass(frozen=True)
class FindingRow:
    """Something on a device that an operator should know. `holds`: its block is not installed elsewhere."""

    device: str
    kind: str
    path: str
    keys: tuple[str, ...]
    block: int | None
    holds: bool
    since: Micros
    words: str


@dataclass(frozen=True)
class RangeRow:
    """A range as it was seen. `space_id` None: its network instance is mapped to no space."""

    path: str
    keys: tuple[str, ...]
    network_instance: str | None
    space_id: int | None
    range: Range
    block: int | None
    drained: bool


def list_objects(tx: Transaction, device_id: int) -> list[ObjectRow]:
    rows = tx.all(
        "SELECT path, keys, block_id, origin FROM device_object WHERE device_id = :id", id=device_id
    )
    return [ObjectRow(row[0], tuple(json.loads(row[1])), row[2], row[3]) for row in rows]


def put_objects(tx: Transaction, device_id: int, objects: Iterable[ObjectRow]) -> None:
    """Note objects as ours, before they are written; those that are noted already stay as they are."""
    tx.run_many(
        "INSERT INTO device_object (device_id, path, keys, block_id, origin, since)"
        " VALUES (:device, :path, :keys, :block, :origin, :now) ON CONFLICT DO NOTHING",
        (
            {
                "device": device_id,
                "path": row.path,
                "keys": json.dumps(row.keys),
                "block": row.block,
                "origin": row.origin,
                "now": tx.now,
            }
            for row in objects
        ),
    )


def delete_objects(tx: Transaction, device_id: int, objects: Iterable[ObjectRow]) -> None:
    """Forget objects that were proven gone."""
    tx.run_many(
        "DELETE FROM device_object WHERE device_id = :device AND path = :path AND keys = :keys",
        ({"device": device_id, "path": row.path, "keys": json.dumps(row.keys)} for row in objects),
    )


def replace_ranges(
    tx: Transaction, device_id: int, ranges: Iterable[RangeRow], *, forget: bool = True
) -> None:
    """Make the stored ranges of a device what the read showed; only differences are written.

    Those that it did not show are kept unless `forget`.
    """
    old = {(row.path, row.keys): row for row in list_ranges(tx, device_id)}
    new = {(row.path, row.keys): row for row in ranges}
    tx.run_many(
        "DELETE FROM seen_range WHERE device_id = :device AND path = :path AND keys = :keys",
        (
            {"device": device_id, "path": path, "keys": json.dumps(keys)}
            for (path, keys), row in old.items()
            if new.get((path, keys), None if forget else row) != row
        ),
    )
    tx.run_many(
        "INSERT INTO seen_range (device_id, path, keys, network_instance, space_id, family, first, last,"
        " block_id, drained, since) VALUES (:device, :path, :keys, :instance, :space, :family, :first, :last,"
        " :block, :drained, :now)",
        (
            {
                "device": device_id,
                "path": row.path,
                "keys": json.dumps(row.keys),
                "instance": row.network_instance,
                "space": row.space_id,
                "family": row.range.family.number,
                "first": row.range.first_key,
                "last": row.range.last_key,
                "block": row.block,
                "drained": int(row.drained),
                "now": tx.now,
            }
            for key, row in new.items()
            if old.get(key) != row
        ),
    )


def list_ranges(tx: Transaction, device_id: int) -> list[RangeRow]:
    rows = tx.all(
        "SELECT path, keys, network_instance, space_id, family, first, last, block_id, drained"
        " FROM seen_range WHERE device_id = :device ORDER BY family, first",
        device=device_id,
    )
    return [
        RangeRow(
            row[0],
            tuple(json.loads(row[1])),
            row[2],
            row[3],
            Range.read(row[4], row[5], row[6]),
            row[7],
            bool(row[8]),
        )
        for row in rows
    ]


def strange_ranges(tx: Transaction) -> list[tuple[str, RangeRow]]:
    """(device, range) of all ranges in all spaces that are no block of ours."""
    rows = tx.all(
        "SELECT device.name, path, keys, network_instance, seen_range.space_id, family, first, last, drained"
        " FROM seen_range JOIN device ON device.id = device_id WHERE block_id IS NULL"
        " ORDER BY device.name, family, first"
    )
    return [
        (
            row[0],
            RangeRow(
                row[1],
                tuple(json.loads(row[2])),
                row[3],
                row[4],
                Range.read(row[5], row[6], row[7]),
                None,
                bool(row[8]),
            ),
        )
        for row in rows
    ]


def shows_drained(tx: Transaction, block: int, device_id: int) -> bool:
    """True where the last read of a device showed a block there, and drained."""
    row = tx.first(
        "SELECT MIN(drained) FROM seen_range WHERE block_id = :block AND device_id = :device",
        block=block,
        device=device_id,
    )
    return row is not None and row[0] == 1


def touches_pool(tx: Transaction, space_id: int, span: Range) -> bool:
    """True where a range shares an address with a pool of the space, or a public one of any space."""
    return any(_touches(tx, scope, space_id, span) for scope in ("space_id = :space", "public = 1"))


def _touches(tx: Transaction, scope: str, space_id: int, span: Range) -> bool:
    row = tx.first(
        f"SELECT last FROM pool_prefix WHERE {scope} AND family = :family AND first <= :last"
        " ORDER BY first DESC LIMIT 1",
        space=space_id,
        family=span.family.number,
        last=span.last_key,
    )
    return row is not None and row[0] >= span.first_key


def foreign_ranges(
    tx: Transaction, space_id: int, span: Range, *, public: bool
) -> list[tuple[int, int, Range]]:
    """(device id, space id, range) of ranges that share addresses with `span` and are no block of ours, or reach
    beyond theirs. `public`: those of all spaces.

    Reads all ranges of the space: for changes of configuration, not for allocation.
    """
    scope = "seen.space_id IS NOT NULL" if public else "seen.space_id = :space"
    rows = tx.all(
        "SELECT seen.device_id, seen.space_id, seen.first, seen.last FROM seen_range AS seen"
        " LEFT JOIN block ON block.id = seen.block_id"
        f" WHERE {scope} AND seen.family = :family"
        " AND (seen.block_id IS NULL OR block.first > seen.first OR block.last < seen.last)"
        " AND seen.first <= :last AND seen.last >= :first",
        space=space_id,
        family=span.family.number,
        first=span.first_key,
        last=span.last_key,
    )
    return [(row[0], row[1], Range.read(span.family.number, row[2], row[3])) for row in rows]


def replace_findings(
    tx: Transaction, device_id: int, findings: Iterable[FindingRow], *, forget: bool = True
) -> list[FindingRow]:
    """Make the findings of a device what the read showed. Returns those that are new.

    Those that it did not show are kept unless `forget`.
    """
    old = {(f.kind, f.path, f.keys, f.block): f for f in list_findings(tx, device_id=device_id)}
    new = {(f.kind, f.path, f.keys, f.block): f for f in findings}
    sql = (
        "DELETE FROM finding WHERE device_id = :device AND kind = :kind AND path = :path AND keys = :keys"
        " AND block_id = :block"
    )
    tx.run_many(
        sql,
        (
            {
                "device": device_id,
                "kind": f.kind,
                "path": f.path,
                "keys": json.dumps(f.keys),
                "block": f.block or 0,
            }
            for key, f in old.items()
            if forget and key not in new
        ),
    )
    tx.run_many(
        "INSERT INTO finding (device_id, kind, path, keys, block_id, holds, since, words)"
        " VALUES (:device, :kind, :path, :keys, :block, :holds, :now, :words)"
        " ON CONFLICT (device_id, kind, path, keys, block_id) DO UPDATE SET holds = :holds, words = :words",
        (
            {
                "device": device_id,
                "kind": f.kind,
                "path": f.path,
                "keys": json.dumps(f.keys),
                "block": f.block or 0,
                "holds": int(f.holds),
                "now": tx.now,
                "words": f.words,
            }
            for f in new.values()
        ),
    )
    return [f for key, f in new.items() if key not in old]


def forget_findings(tx: Transaction, device_id: int, objects: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    """What was said of objects, (path, keys), is not so any more."""
    tx.run_many(
        "DELETE FROM finding WHERE device_id = :device AND path = :path AND keys = :keys",
        ({"device": device_id, "path": path, "keys": json.dumps(keys)} for path, keys in objects),
    )


def list_findings(tx: Transaction, *, device_id: int | None = None) -> list[FindingRow]:
    where = "" if device_id is None else " WHERE device_id = :device"
    rows = tx.all(
        "SELECT device.name, kind, path, keys, block_id, holds, since, words FROM finding"
        f" JOIN device ON device.id = device_id{where} ORDER BY device.name, kind, path, keys",
        device=device_id,
    )
    return [
        FindingRow(
            row[0], row[1], row[2], tuple(json.loads(row[3])), row[4] or None, bool(row[5]), row[6], row[7]
        )
        for row in rows
    ]


def holds_on(tx: Transaction, block: int) -> list[FindingRow]:
    """The findings, on any device, because of which a block must not be installed."""
    rows = tx.all(
        "SELECT device.name, kind, path, keys, block_id, holds, since, words FROM finding"
        " JOIN device ON device.id = device_id WHERE block_id = :block AND holds = 1 ORDER BY since",
        block=block,
    )
    return [
        FindingRow(row[0], row[1], row[2], tuple(json.loads(row[3])), row[4], True, row[6], row[7])
        for row in rows
    ]
