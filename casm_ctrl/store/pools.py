"""Rows of pools: their prefixes, labels, and what is carved out of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, Prefix, Range, from_key, to_key
from casm_ctrl.store import free_space
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True)
class PoolRow:
    """`quarantine` and `lease_time` are seconds; `scope` is private or public."""

    id: int
    name: str
    space_id: int
    space: str
    family: Family
    scope: str
    description: str
    strategy: str
    quarantine: int
    lease_time: int
    parent_id: int | None
    psid_offset: int | None
    port_routed: bool
    delegated_length: int | None

    @property
    def public(self) -> bool:
        return self.scope == "public"

    @property
    def longest(self) -> int:
        """The longest block that may be cut from it: a port set leaves room for its offset (RFC 7597, 5.1)."""
        if self.psid_offset is not None:
            return self.family.width - self.psid_offset
        return self.delegated_length or self.family.width

    def tenant(self, owner_id: int) -> int:
        """Who a shared address is kept for: its first owner, unless border relays steer by port."""
        return owner_id if self.family is Family.PORTS and not self.port_routed else free_space.ANYBODY


@dataclass(frozen=True)
class Carve:
    """Space cut from a pool that is no block: `kind` is exclusion, reservation, child or held."""

    id: int
    pool_id: int
    kind: str
    prefix: Prefix
    device: str | None
    reason: str


_COLUMNS = (
    "pool.id, pool.name, pool.space_id, space.name, pool.family, pool.scope, pool.description, pool.strategy,"
    " pool.quarantine, pool.lease_time, pool.parent_id, pool.psid_offset, pool.port_routed,"
    " pool.delegated_length FROM pool JOIN space ON space.id = pool.space_id"
)


def _pool(row: Row) -> PoolRow:
    number, name, space_id, space, family, scope, description, strategy, quarantine, lease_time = row[:10]
    parent_id, psid_offset, port_routed, delegated_length = row[10:]
    return PoolRow(
        id=number,
        name=name,
        space_id=space_id,
        space=space,
        family=Family.IPV6 if family == 6 else Family.IPV4 if psid_offset is None else Family.PORTS,
        scope=scope,
        description=description,
        strategy=strategy,
        quarantine=quarantine,
        lease_time=lease_time,
        parent_id=parent_id,
        psid_offset=psid_offset,
        port_routed=bool(port_routed),
        delegated_length=delegated_length,
    )


def insert_pool(
    tx: Transaction,
    *,
    name: str,
    space_id: int,
    family: Family,
    scope: str,
    description: str,
    strategy: str,
    quarantine: int,
    lease_time: int,
    parent_id: int | None = None,
    psid_offset: int | None = None,
    port_routed: bool = False,
    delegated_length: int | None = None,
) -> int:
    return tx.insert(
        "INSERT INTO pool (name, space_id, family, scope, description, strategy, quarantine, lease_time,"
        " parent_id, psid_offset, port_routed, delegated_length)"
        " VALUES (:name, :space, :family, :scope, :description, :strategy, :quarantine, :lease_time,"
        " :parent, :psid_offset, :port_routed, :delegated_length) RETURNING id",
        name=name,
        space=space_id,
        family=family.number,
        scope=scope,
        description=description,
        strategy=strategy,
        quarantine=quarantine,
        lease_time=lease_time,
        parent=parent_id,
        psid_offset=psid_offset,
        port_routed=int(port_routed),
        delegated_length=delegated_length,
    )


def update_pool(
    tx: Transaction, pool_id: int, *, description: str, strategy: str, quarantine: int, lease_time: int
) -> None:
    tx.run(
        "UPDATE pool SET description = :description, strategy = :strategy, quarantine = :quarantine,"
        " lease_time = :lease_time WHERE id = :id",
        description=description,
        strategy=strategy,
        quarantine=quarantine,
        lease_time=lease_time,
        id=pool_id,
    )


def insert_pool_prefixes(tx: Transaction, pool: PoolRow, prefixes: Iterable[Prefix]) -> None:
    """Of a root pool. The database refuses (Overlap) a prefix that touches another pool's."""
    prefixes = list(prefixes)
    _count(tx, pool.id, "prefix", prefixes)
    tx.run_many(
        "INSERT INTO pool_prefix (pool_id, space_id, public, family, first, last, length)"
        " VALUES (:pool, :space, :public, :family, :first, :last, :length)",
        (
            {
                "pool": pool.id,
                "space": pool.space_id,
                "public": int(pool.public),
                "family": prefix.family.number,
                "first": prefix.first_key,
                "last": prefix.last_key,
                "length": prefix.length,
            }
            for prefix in prefixes
        ),
    )


def insert_labels(tx: Transaction, pool_id: int, labels: Mapping[str, str]) -> None:
    tx.run_many(
        "INSERT INTO pool_label (pool_id, name, value) VALUES (:pool, :name, :value)",
        ({"pool": pool_id, "name": name, "value": value} for name, value in labels.items()),
    )


def delete_labels(tx: Transaction, pool_id: int) -> None:
    tx.run("DELETE FROM pool_label WHERE pool_id = :pool", pool=pool_id)


def insert_carves(
    tx: Transaction,
    pool_id: int,
    kind: str,
    prefixes: Iterable[Prefix],
    *,
    device_id: int | None = None,
    child_id: int | None = None,
    reason: str = "",
) -> None:
    prefixes = list(prefixes)
    _count(tx, pool_id, kind, prefixes)
    if child_id is not None:
        _count(tx, child_id, "prefix", prefixes)
    tx.run_many(
        "INSERT INTO carve (pool_id, kind, child_id, device_id, family, first, last, length, reason)"
        " VALUES (:pool, :kind, :child, :device, :family, :first, :last, :length, :reason)",
        (
            {
                "pool": pool_id,
                "kind": kind,
                "child": child_id,
                "device": device_id,
                "family": prefix.family.number,
                "first": prefix.first_key,
                "last": prefix.last_key,
                "length": prefix.length,
                "reason": reason,
            }
            for prefix in prefixes
        ),
    )


def delete_carve(tx: Transaction, carve: Carve) -> None:
    tx.run("DELETE FROM carve WHERE id = :id", id=carve.id)
    _count(tx, carve.pool_id, carve.kind, [carve.prefix], -1)


def _count(tx: Transaction, pool_id: int, kind: str, prefixes: Iterable[Prefix], sign: int = 1) -> None:
    tx.run_many(
        "INSERT INTO piece_count (pool_id, kind, length, pieces) VALUES (:pool, :kind, :length, :pieces)"
        " ON CONFLICT (pool_id, kind, length) DO UPDATE SET pieces = piece_count.pieces + :pieces",
        (
            {"pool": pool_id, "kind": kind, "length": length, "pieces": sign * pieces}
            for length, pieces in sorted(Counter(prefix.length for prefix in prefixes).items())
        ),
    )


def delete_pool_prefix(tx: Transaction, pool_id: int, prefix: Prefix) -> None:
    """A root pool's own, or as a child pool counts it; what a child was cut is given back besides."""
    tx.run(
        "DELETE FROM pool_prefix WHERE pool_id = :pool AND first = :first AND length = :length",
        pool=pool_id,
        first=prefix.first_key,
        length=prefix.length,
    )
    _count(tx, pool_id, "prefix", [prefix], -1)


def piece_counts(tx: Transaction, pool_id: int) -> dict[tuple[str, int], int]:
    """How many pieces a pool has by (kind, length): its prefixes, and what is carved from it."""
    rows = tx.all("SELECT kind, length, pieces FROM piece_count WHERE pool_id = :pool", pool=pool_id)
    return {(kind, length): int(pieces) for kind, length, pieces in rows}


def list_carves(
    tx: Transaction, *, pool_id: int | None = None, kind: str | None = None, device_id: int | None = None
) -> list[Carve]:
    """Of a pool (and of one kind), or of all pools those that were held because of one device."""
    if pool_id is None:
        return _carves(tx, "carve.device_id = :id", id=device_id)
    if kind is None:
        return _carves(tx, "carve.pool_id = :id", id=pool_id)
    return _carves(tx, "carve.pool_id = :id AND carve.kind = :kind", id=pool_id, kind=kind)


def list_cut(tx: Transaction, child_id: int) -> list[Carve]:
    """What was cut from its parent for a child pool."""
    return _carves(tx, "carve.child_id = :id", id=child_id)


def carves_in_range(tx: Transaction, pool_id: int, span: Range) -> list[tuple[Carve, int | None]]:
    """What was cut from a pool and shares addresses with a range, each with the pool that it was cut for. Reads
    only those, and one more."""
    found: list[tuple[Carve, int | None]] = []
    bound = span.last_key
    while True:
        row = tx.first(
            "SELECT carve.id, carve.pool_id, kind, family, first, length, device.name, reason, last, child_id"
            " FROM carve LEFT JOIN device ON device.id = carve.device_id"
            " WHERE carve.pool_id = :pool AND first <= :bound ORDER BY first DESC LIMIT 1",
            pool=pool_id,
            bound=bound,
        )
        if row is None or row[8] < span.first_key:
            return found[::-1]
        prefix = Prefix.read(row[3], row[4], row[5])
        found.append((Carve(row[0], row[1], row[2], prefix, row[6], row[7]), row[9]))
        if from_key(row[4]) == 0:
            return found[::-1]
        bound = to_key(from_key(row[4]) - 1)


def _carves(tx: Transaction, where: str, **parameters: object) -> list[Carve]:
    rows = tx.all(
        "SELECT carve.id, carve.pool_id, kind, family, first, length, device.name, reason"
        f" FROM carve LEFT JOIN device ON device.id = carve.device_id WHERE {where} ORDER BY first",
        **parameters,
    )
    return [
        Carve(row[0], row[1], row[2], Prefix.read(row[3], row[4], row[5]), row[6], row[7]) for row in rows
    ]


def find_pool(tx: Transaction, name: str) -> PoolRow | None:
    row = tx.first(f"SELECT {_COLUMNS} WHERE pool.name = :name", name=name)
    return None if row is None else _pool(row)


def get_pool(tx: Transaction, pool_id: int) -> PoolRow:
    return _pool(tx.known(f"SELECT {_COLUMNS} WHERE pool.id = :id", id=pool_id)[0])


def list_pools(tx: Transaction, space_id: int | None = None) -> list[PoolRow]:
    """By name; of one space where it is given."""
    where = "" if space_id is None else " WHERE pool.space_id = :space"
    return [_pool(row) for row in tx.all(f"SELECT {_COLUMNS}{where} ORDER BY pool.name", space=space_id)]


def pool_prefixes(tx: Transaction, pool_id: int) -> list[Prefix]:
    """A root pool's prefixes, or what a child pool was cut."""
    rows = tx.all(
        "SELECT family, first, length FROM pool_prefix WHERE pool_id = :pool"
        " UNION ALL SELECT family, first, length FROM carve WHERE child_id = :pool ORDER BY 2",
        pool=pool_id,
    )
    return [Prefix.read(family, first, length) for family, first, length in rows]


def child_pools(tx: Transaction, pool_id: int) -> list[int]:
    """The ids of the pools that are cut from a pool."""
    return [row[0] for row in tx.all("SELECT id FROM pool WHERE parent_id = :pool ORDER BY id", pool=pool_id)]


def child_names(tx: Transaction, pool_id: int) -> list[str]:
    rows = tx.all("SELECT name FROM pool WHERE parent_id = :pool ORDER BY name", pool=pool_id)
    return [row[0] for row in rows]


def pool_labels(tx: Transaction, pool_id: int) -> dict[str, str]:
    rows = tx.all("SELECT name, value FROM pool_label WHERE pool_id = :pool ORDER BY name", pool=pool_id)
    return {row[0]: row[1] for row in rows}


def find_overlapping_prefix(
    tx: Transaction, prefix: Prefix, *, space_id: int | None
) -> tuple[str, str, Prefix] | None:
    """A pool prefix that shares addresses with `prefix`: (pool, space, its prefix), or None.

    In one space, or (with None) among the public pools of all spaces.
    """
    row = tx.first(
        "SELECT pool.name, space.name, pool_prefix.family, first, last, length"
        " FROM pool_prefix JOIN pool ON pool.id = pool_prefix.pool_id"
        " JOIN space ON space.id = pool_prefix.space_id"
        f" WHERE {'pool_prefix.public = 1' if space_id is None else 'pool_prefix.space_id = :space'}"
        " AND pool_prefix.family = :family AND first <= :last ORDER BY first DESC LIMIT 1",
        space=space_id,
        family=prefix.family.number,
        last=prefix.last_key,
    )
    if row is None or row[4] < prefix.first_key:
        return None
    return row[0], row[1], Prefix.read(row[2], row[3], row[5])


def pools_in_range(tx: Transaction, space_id: int, span: Range) -> list[tuple[int, Prefix]]:
    """The (pool id, prefix) of every pool prefix in a space that shares addresses with a range."""
    return _in_range(tx, "space_id = :space", space_id, span)


def public_in_range(tx: Transaction, space_id: int, span: Range) -> list[tuple[int, Prefix]]:
    """Those of public pools in other spaces than this: their addresses are the same ones in all spaces."""
    return _in_range(tx, "public = 1 AND space_id != :space", space_id, span)


def _in_range(tx: Transaction, scope: str, space_id: int, span: Range) -> list[tuple[int, Prefix]]:
    """`scope`: within it prefixes are disjoint."""
    found: list[tuple[int, Prefix]] = []
    bound = span.last_key
    while True:
        row = tx.first(
            "SELECT pool_id, first, length, last FROM pool_prefix"
            f" WHERE {scope} AND family = :family AND first <= :bound ORDER BY first DESC LIMIT 1",
            space=space_id,
            family=span.family.number,
            bound=bound,
        )
        if row is None or row[3] < span.first_key:
            break
        found.append((int(row[0]), Prefix.read(span.family.number, row[1], row[2])))
        if from_key(row[1]) == 0:
            break
        bound = to_key(from_key(row[1]) - 1)
    return found


def pool_users(tx: Transaction, pool_id: int) -> list[str]:
    """What stands on a pool, in words."""
    rows = tx.all(
        "SELECT 'device pool ' || device.name || '/' || device_pool.name FROM device_pool_source"
        " JOIN device_pool ON device_pool.id = device_pool_id JOIN device ON device.id = device_id"
        " WHERE pool_id = :pool UNION ALL SELECT 'child pool ' || name FROM pool WHERE parent_id = :pool"
        " ORDER BY 1 LIMIT 5",
        pool=pool_id,
    )
    return [row[0] for row in rows]


def delete_pool(tx: Transaction, pool_id: int) -> None:
    """Remove a pool that nothing stands on, with its free rows, carves and counts. What a child pool was
    cut must have been given back before."""
    for table in ("free_block", "carve", "piece_count", "block_count", "pool_label", "pool_prefix"):
        tx.run(f"DELETE FROM {table} WHERE pool_id = :pool", pool=pool_id)
    tx.run("DELETE FROM pool WHERE id = :pool", pool=pool_id)
