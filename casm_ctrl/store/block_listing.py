"""Blocks as rows of plain values, for whoever writes thousands of them: nothing is made of a row but what is shown.

Each statement reads the rows that are asked for through an index, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.store import pools
from casm_ctrl.store.adoptions import PieceRow
from casm_ctrl.store.routes import RouteRow
from casm_ctrl.store.static_assignments import StaticRow
from casm_ctrl.store.transaction import Row, Transaction

BLOCK_COLUMNS = (
    "block.id, block.pool_id, block.space_id, block.family, block.first, block.length, block.wanted, block.state,"
    " block.changed_at, block.rest_until, block.expires_at, block.used, block.used_at"
)
"""What `list_rows` gives first; the reason and the columns of a member follow."""

_REASON = (
    "(SELECT reason FROM event WHERE subject_kind = 'block' AND subject_id = block.id AND target = block.state"
    " AND source != target ORDER BY seq DESC LIMIT 1)"
)
"""Why a block came into its state: the row of the audit that brought it there."""

_MEMBER = "member.device_id, member.role, member.seen, member.since, member.used, member.used_at"

Span = tuple[int, int, bytes, int, str]
"""(space id, family, first, length, wanted) of one block."""

Place = tuple[str, str]
"""A device and the name of a device pool on it."""


@dataclass(frozen=True)
class Chosen:
    """Blocks of one device pool: all, or those with some ids, or those that were cut from some pools."""

    device_pool_id: int
    ids: frozenset[int] | None = None
    pool_ids: frozenset[int] | None = None

    @property
    def where(self) -> str:
        """A condition on `block`. The values are integers of our own."""
        tests = [f"block.device_pool_id = {self.device_pool_id}"]
        if self.ids is not None:
            tests.append(f"block.id IN ({_listed(self.ids)})")
        if self.pool_ids is not None:
            tests.append(f"block.pool_id IN ({_listed(self.pool_ids)})")
        return " AND ".join(tests)


def list_rows(
    tx: Transaction, chosen: Chosen, *, reasons: bool = True, members: bool = True
) -> Sequence[Row]:
    """The columns of each block, its reason and one of its members (device id, role, seen, since, used, used_at):
    as many rows as it has members, and one where it has none. Without `reasons` or `members`: null.

    By id, and members by device.
    """
    columns = f"{BLOCK_COLUMNS}, {_REASON if reasons else 'NULL'}"
    if not members:
        nulls = ", ".join(["NULL"] * 6)
        return tx.all(f"SELECT {columns}, {nulls} FROM block WHERE {chosen.where} ORDER BY block.id")
    return tx.all(
        f"SELECT {columns}, {_MEMBER} FROM block"
        " LEFT JOIN block_member AS member ON member.block_id = block.id"
        f" WHERE {chosen.where} ORDER BY block.id, member.device_id"
    )


def reason_of(tx: Transaction, number: int) -> str:
    """Why a block is in its state; "" where nobody said."""
    row = tx.first(f"SELECT {_REASON} FROM block WHERE id = :id", id=number)
    return "" if row is None or row[0] is None else str(row[0])


def list_spans(tx: Transaction, device_pool_id: int) -> list[Span]:
    """Of a device pool's blocks in all states."""
    rows = tx.all(
        "SELECT space_id, family, first, length, wanted FROM block WHERE device_pool_id = :id",
        id=device_pool_id,
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


def spans_of(rows: Sequence[Row]) -> list[Span]:
    """Those of the blocks in `list_rows`, where that listed all of a device pool."""
    spans: list[Span] = []
    last = 0
    for number, _, space, family, first, length, wanted, *_ in rows:
        if number != last:
            last = number
            spans.append((space, family, first, length, wanted))
    return spans


def routes_of(tx: Transaction, chosen: Chosen) -> dict[int, list[RouteRow]]:
    """What was confirmed or read of routes, by block."""
    rows = tx.all(
        "SELECT block_id, device_id, present, since, actor FROM block_route WHERE block_id IN"
        f" (SELECT id FROM block WHERE {chosen.where}) ORDER BY block_id, device_id"
    )
    found: dict[int, list[RouteRow]] = {}
    for number, device_id, present, since, actor in rows:
        found.setdefault(number, []).append(RouteRow(number, device_id, bool(present), since, actor))
    return found


def pieces_of(tx: Transaction, chosen: Chosen) -> dict[int, list[PieceRow]]:
    """The objects on devices of blocks that were adopted and that nobody manages, by block."""
    if tx.first("SELECT 1 FROM adopted_piece LIMIT 1") is None:  # the usual case
        return {}
    rows = tx.all(
        "SELECT block_id, device_id, device.name, path, keys FROM adopted_piece"
        " JOIN device ON device.id = device_id WHERE block_id IN"
        f" (SELECT id FROM block WHERE {chosen.where}) ORDER BY block_id, device.name"
    )
    found: dict[int, list[PieceRow]] = {}
    for number, device_id, device, path, keys in rows:
        found.setdefault(number, []).append(
            PieceRow(number, device_id, device, path, tuple(json.loads(keys)))
        )
    return found


def statics_of(tx: Transaction, chosen: Chosen) -> dict[int, list[StaticRow]]:
    """The static assignments that begin in each block, in the order of their addresses."""
    if tx.first("SELECT 1 FROM static_assignment LIMIT 1") is None:  # the usual case
        return {}
    rows = tx.all(
        "SELECT block.id, device.name, static.path, static.keys, static.family, static.first, static.length"
        " FROM block JOIN static_assignment AS static ON static.space_id = block.space_id"
        " AND static.family = block.family AND static.first BETWEEN block.first AND block.last"
        f" JOIN device ON device.id = static.device_id WHERE {chosen.where}"
        " ORDER BY block.id, static.first, device.name"
    )
    found: dict[int, list[StaticRow]] = {}
    for number, device, path, keys, family, first, length in rows:
        prefix = Prefix.read(family, first, length)
        found.setdefault(number, []).append(StaticRow(device, path, tuple(json.loads(keys)), prefix))
    return found


# --- Where blocks are -----------------------------------------------------------------------------


def places_of(tx: Transaction, ids: Iterable[int]) -> set[Place]:
    """The device pools of the live blocks with these ids."""
    return _places(tx, f"SELECT device_pool_id FROM block WHERE id IN ({_listed(ids)})")


def ids_at(tx: Transaction, prefix: Prefix) -> list[int]:
    """The live blocks of any space that show this prefix: of an IPv4 address, its port sets too."""
    whole = prefix.family is Family.IPV4 and prefix.length == Family.IPV4.width
    rows = tx.all(
        "SELECT id FROM block WHERE space_id IN (SELECT id FROM space) AND family = :family"
        f" AND first BETWEEN :first AND :last AND length {'>=' if whole else '='} :length",
        family=prefix.family.number,
        first=prefix.first_key,
        last=prefix.last_key if whole else prefix.first_key,
        length=prefix.length,
    )
    return [row[0] for row in rows]


def places_in(tx: Transaction, pool_id: int) -> set[Place]:
    """The device pools that have blocks which were cut from a pool."""
    pool = pools.get_pool(tx, pool_id)
    found: set[int] = set()
    for prefix in pools.pool_prefixes(tx, pool_id):
        rows = tx.all(
            "SELECT DISTINCT device_pool_id FROM block WHERE space_id = :space AND family = :family"
            " AND first BETWEEN :first AND :last AND pool_id = :pool",
            space=pool.space_id,
            family=prefix.family.number,
            first=prefix.first_key,
            last=prefix.last_key,
            pool=pool_id,
        )
        found.update(row[0] for row in rows)
    return _places(tx, _listed(found))


def _places(tx: Transaction, numbers: str) -> set[Place]:
    rows = tx.all(
        "SELECT device.name, device_pool.name FROM device_pool JOIN device ON device.id = device_pool.device_id"
        f" WHERE device_pool.id IN ({numbers})"
    )
    return {(row[0], row[1]) for row in rows}


def _listed(numbers: Iterable[int]) -> str:
    """Integers inside a statement: there may be more than a driver takes as parameters."""
    return ", ".join(str(int(number)) for number in sorted(numbers)) or "NULL"
