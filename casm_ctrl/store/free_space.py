"""Free space as rows: split on allocate, merged with the buddy on release (design: Allocation).

A pool's free rows are always the fewest prefixes that cover what is free inside each of its own
prefixes, so a pool whose blocks all came back has the rows of a fresh one. Nothing here reads more rows
than it takes or gives, at any size of the pool.

Arithmetic is on the store's scale, where IPv4 has 48 bits: an address and a port-set id. A free piece of
an address that is shared carries the owner of the address's other port sets (`tenant`): traffic back is
routed by address, so nobody else may have it. 0: anybody may.
"""

from __future__ import annotations

from collections.abc import Iterable

from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.store.contention import await_turn, cut_one, lock_best
from casm_ctrl.store.transaction import Transaction

ANYBODY = 0


def take(
    tx: Transaction, pool_id: int, family: Family, length: int, count: int, tenant: int = ANYBODY
) -> list[Prefix]:
    """Up to `count` blocks of `length` by best fit: from the smallest free prefixes that hold one.

    Fewer where the pool has no more; the caller decides whether that will do. With a `tenant` its own
    shared addresses are used up first, and what is left of a newly shared one is kept for it.
    """
    taken: list[Prefix] = []
    scale = _scale(family)
    size = 1 << (scale.width - length)
    while len(taken) < count:
        if tx.dialect == "postgresql" and len(taken) == count - 1:
            found = _cut_one(tx, pool_id, scale, length, tenant)
            return taken if found is None else [*taken, Prefix(scale, found.first, length).plain]
        found = _best(tx, pool_id, scale, length, tenant)
        if not found:
            break
        _delete(tx, pool_id, found, tenant)
        blocks = min(count - len(taken), 1 << (length - found.length))
        taken += found.beginning(length, blocks)
        rest = found.first + blocks * size
        if rest <= found.last:
            insert_free(tx, pool_id, Range(scale, rest, found.last).prefixes(), tenant)
    return taken


def take_prefix(tx: Transaction, pool_id: int, prefix: Prefix, tenant: int = ANYBODY) -> bool:
    """Take exactly `prefix`, which one free row must hold; False (and nothing done) where none does."""
    prefix = prefix.of(_scale(prefix.family))
    for length in range(prefix.length, -1, -1):
        mask = -1 << (prefix.family.width - length)
        holder = Prefix(prefix.family, prefix.first & mask, length)
        if _delete(tx, pool_id, holder, tenant):
            insert_free(tx, pool_id, holder.subtract(prefix), tenant)
            return True
    return False


def take_within(tx: Transaction, pool_id: int, span: Range) -> list[Prefix]:
    """Take all that is free inside `span`, and say what it was."""
    taken: list[Prefix] = []
    for whole in span.prefixes():
        prefix = whole.of(_scale(span.family))
        if take_prefix(tx, pool_id, prefix):
            taken.append(whole)
            continue
        for length in range(prefix.length + 1, prefix.family.width + 1):
            rows = tx.all(
                "SELECT first, tenant FROM free_block WHERE pool_id = :pool AND tenant = 0 AND length = :length"
                " AND first BETWEEN :first AND :last",
                pool=pool_id,
                length=length,
                first=prefix.first_key,
                last=prefix.last_key,
            )
            for first, tenant in rows:
                piece = Prefix.read(prefix.family.number, first, length)
                _delete(tx, pool_id, piece.of(prefix.family), tenant)
                taken.append(piece)
    return sorted(taken, key=lambda piece: piece.first_key)


def give(tx: Transaction, pool_id: int, prefix: Prefix, tenant: int = ANYBODY) -> None:
    """Put `prefix` back, merged with its buddies as far as the pool's own prefix around it reaches.

    `tenant` is the owner of the address that it is a part of; a whole address is anybody's again.
    """
    limit = _container_length(tx, pool_id, prefix)
    prefix = prefix.of(_scale(prefix.family))
    while prefix.length > limit:
        await_turn(tx, pool_id, prefix.parent)
        if not _delete(tx, pool_id, prefix.buddy, tenant):
            break
        prefix = prefix.parent
    insert_free(tx, pool_id, [prefix], tenant)


def insert_free(tx: Transaction, pool_id: int, prefixes: Iterable[Prefix], tenant: int = ANYBODY) -> None:
    """Add rows as they are: `prefixes` must be free, disjoint and already merged."""
    tx.run_many(
        "INSERT INTO free_block (pool_id, tenant, length, first) VALUES (:pool, :tenant, :length, :first)",
        (
            {"pool": pool_id, "tenant": _tenant_of(p, tenant), "length": p.length, "first": p.first_key}
            for p in prefixes
        ),
    )


def free_addresses(tx: Transaction, pool_id: int, family: Family) -> int:
    """What a pool has left, counted by length: the cost does not grow with the addresses, but with the holes."""
    rows = tx.all(
        "SELECT length, COUNT(*) FROM free_block WHERE pool_id = :pool GROUP BY length",
        pool=pool_id,
    )
    return sum(count << (family.width - length) for length, count in rows if length <= family.width)


def free_lengths(tx: Transaction, pool_id: int, longest: int, most: int) -> dict[int, int]:
    """How many free prefixes of each length up to `longest` there are, of the `most` largest that anybody may have."""
    rows = tx.all(
        "SELECT length, COUNT(*) FROM (SELECT length FROM free_block WHERE pool_id = :pool AND tenant = 0"
        " AND length <= :longest ORDER BY length LIMIT :most) AS largest GROUP BY length",
        pool=pool_id,
        longest=longest,
        most=most,
    )
    return {row[0]: int(row[1]) for row in rows}


def largest_free_length(tx: Transaction, pool_id: int) -> int | None:
    """The length of the largest free prefix that anybody may have, or None where there is none."""
    row = tx.first(
        "SELECT length FROM free_block WHERE pool_id = :pool AND tenant = 0 ORDER BY length LIMIT 1",
        pool=pool_id,
    )
    return None if row is None else int(row[0])


def free_prefixes(tx: Transaction, pool_id: int, family: Family) -> list[Prefix]:
    """Every free row, in order. For tests and small pools."""
    rows = tx.all("SELECT first, length FROM free_block WHERE pool_id = :pool", pool=pool_id)
    found = (Prefix.read(family.number, first, length) for first, length in rows)
    return sorted(found, key=lambda prefix: prefix.first_key)


def _scale(family: Family) -> Family:
    return Family.IPV6 if family is Family.IPV6 else Family.PORTS


def _tenant_of(prefix: Prefix, tenant: int) -> int:
    return tenant if prefix.family is Family.PORTS and prefix.length > Family.IPV4.width else ANYBODY


def _best(tx: Transaction, pool_id: int, scale: Family, length: int, tenant: int) -> Prefix | None:
    """The smallest free row that holds a block: the tenant's own where it has one, else anybody's."""
    row = None
    for holder in _holders(tenant):
        if tx.dialect == "postgresql":
            row = row or lock_best(tx, pool_id, length, holder)
        else:
            row = row or tx.first(
                "SELECT length, first FROM free_block"
                " WHERE pool_id = :pool AND tenant = :tenant AND length <= :length"
                " ORDER BY length DESC, first LIMIT 1",
                pool=pool_id,
                tenant=holder,
                length=length,
            )
    return None if row is None else Prefix.read(scale.number, row[1], row[0]).of(scale)


def _cut_one(tx: Transaction, pool_id: int, scale: Family, length: int, tenant: int) -> Prefix | None:
    """Take the row that `_best` would choose, and put back what is left of it when one block is cut."""
    row = None
    for holder in _holders(tenant):
        row = row or cut_one(tx, pool_id, scale, length, holder, tenant)
    return None if row is None else Prefix.read(scale.number, row[1], row[0]).of(scale)


def _holders(tenant: int) -> tuple[int, ...]:
    return (tenant, ANYBODY) if tenant else (ANYBODY,)


def _delete(tx: Transaction, pool_id: int, prefix: Prefix, tenant: int) -> bool:
    sql = "DELETE FROM free_block WHERE pool_id = :pool AND tenant = :tenant AND length = :length AND first = :first"
    return (
        tx.run(
            sql, pool=pool_id, tenant=_tenant_of(prefix, tenant), length=prefix.length, first=prefix.first_key
        )
        == 1
    )


def _container_length(tx: Transaction, pool_id: int, prefix: Prefix) -> int:
    row = None
    for table, column in (("pool_prefix", "pool_id"), ("carve", "child_id")):
        row = row or tx.first(
            f"SELECT length, last FROM {table} WHERE {column} = :pool AND first <= :first"
            " ORDER BY first DESC LIMIT 1",
            pool=pool_id,
            first=prefix.first_key,
        )
    if row is None or row[1] < prefix.last_key:
        raise StoreBroken(
            f"{prefix} lies outside its pool", "restore the store from a backup, and report this"
        )
    return int(row[0])
