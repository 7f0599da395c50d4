"""Free space as rows: split on allocate, merged with the buddy on release (design: Allocation).

A pool's free rows are always the fewest prefixes that cover what is free inside each of its own
prefixes, so a pool whose blocks all came back has the rows of a fresh one. Nothing here reads more rows
than it takes or gives, at any size of the pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family, Prefix, Range, from_key, to_key
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class FreeStock:
    """What a pool has left: free addresses, and the length of its largest free prefix (None: nothing)."""

    addresses: int
    largest_length: int | None


def take(tx: Transaction, pool_id: int, family: Family, length: int, count: int) -> list[Prefix]:
    """Up to `count` blocks of `length` by best fit: from the smallest free prefixes that hold one.

    Fewer where the pool has no more; the caller decides whether that will do.
    """
    taken: list[Prefix] = []
    size = 1 << (family.width - length)
    while len(taken) < count:
        row = tx.first(
            "SELECT length, first FROM free_block WHERE pool_id = :pool AND length <= :length"
            " ORDER BY length DESC, first LIMIT 1",
            pool=pool_id,
            length=length,
        )
        if row is None:
            break
        found = Prefix(family, from_key(row[1]), row[0])
        _delete(tx, pool_id, found)
        blocks = min(count - len(taken), 1 << (length - found.length))
        taken += (Prefix(family, found.first + index * size, length) for index in range(blocks))
        rest = found.first + blocks * size
        if rest <= found.last:
            insert_free(tx, pool_id, list(Range(family, rest, found.last).prefixes()))
    return taken


def take_prefix(tx: Transaction, pool_id: int, prefix: Prefix) -> bool:
    """Take exactly `prefix`, which one free row must hold; False (and nothing done) where none does."""
    for length in range(prefix.length, -1, -1):
        mask = -1 << (prefix.family.width - length)
        holder = Prefix(prefix.family, prefix.first & mask, length)
        if _delete(tx, pool_id, holder):
            insert_free(tx, pool_id, list(holder.subtract(prefix)))
            return True
    return False


def take_within(tx: Transaction, pool_id: int, span: Range) -> list[Prefix]:
    """Take all that is free inside `span`, and say what it was."""
    taken: list[Prefix] = []
    for prefix in span.prefixes():
        if take_prefix(tx, pool_id, prefix):
            taken.append(prefix)
            continue
        for (length,) in tx.all(
            "SELECT DISTINCT length FROM free_block WHERE pool_id = :pool AND length > :length",
            pool=pool_id,
            length=prefix.length,
        ):
            rows = tx.all(
                "SELECT first FROM free_block WHERE pool_id = :pool AND length = :length"
                " AND first BETWEEN :first AND :last",
                pool=pool_id,
                length=length,
                first=to_key(prefix.first),
                last=to_key(prefix.last),
            )
            taken += (Prefix(span.family, from_key(first), length) for (first,) in rows)
        for piece in taken:
            if prefix.contains(piece):
                _delete(tx, pool_id, piece)
    return sorted(taken)


def give(tx: Transaction, pool_id: int, prefix: Prefix) -> None:
    """Put `prefix` back, merged with its buddies as far as the pool's own prefix around it reaches."""
    limit = _container_length(tx, pool_id, prefix)
    while prefix.length > limit and _delete(tx, pool_id, prefix.buddy):
        prefix = prefix.parent
    insert_free(tx, pool_id, [prefix])


def insert_free(tx: Transaction, pool_id: int, prefixes: list[Prefix]) -> None:
    """Add rows as they are: `prefixes` must be free, disjoint and already merged."""
    tx.run_many(
        "INSERT INTO free_block (pool_id, length, first) VALUES (:pool, :length, :first)",
        ({"pool": pool_id, "length": p.length, "first": to_key(p.first)} for p in prefixes),
    )


def free_stock(tx: Transaction, pool_id: int, family: Family) -> FreeStock:
    """Counted by length, so the cost does not grow with the addresses; it does with the holes."""
    rows = tx.all(
        "SELECT length, COUNT(*) FROM free_block WHERE pool_id = :pool GROUP BY length ORDER BY length",
        pool=pool_id,
    )
    addresses = sum(count << (family.width - length) for length, count in rows)
    return FreeStock(addresses, rows[0][0] if rows else None)


def largest_free_length(tx: Transaction, pool_id: int) -> int | None:
    """The length of the largest free prefix, or None where nothing is free."""
    row = tx.first(
        "SELECT length FROM free_block WHERE pool_id = :pool ORDER BY length ASC LIMIT 1", pool=pool_id
    )
    return None if row is None else int(row[0])


def free_prefixes(tx: Transaction, pool_id: int, family: Family) -> list[Prefix]:
    """Every free row, in order. For tests and small pools."""
    rows = tx.all("SELECT first, length FROM free_block WHERE pool_id = :pool", pool=pool_id)
    return sorted(Prefix(family, from_key(first), length) for first, length in rows)


def _delete(tx: Transaction, pool_id: int, prefix: Prefix) -> bool:
    sql = "DELETE FROM free_block WHERE pool_id = :pool AND length = :length AND first = :first"
    return tx.run(sql, pool=pool_id, length=prefix.length, first=to_key(prefix.first)) == 1


def _container_length(tx: Transaction, pool_id: int, prefix: Prefix) -> int:
    row = tx.first(
        "SELECT length, last FROM pool_prefix WHERE pool_id = :pool AND first <= :first"
        " ORDER BY first DESC LIMIT 1",
        pool=pool_id,
        first=to_key(prefix.first),
    )
    if row is None or row[1] < to_key(prefix.last):
        raise StoreBroken(
            f"{prefix} lies outside its pool", "restore the store from a backup, and report this"
        )
    return int(row[0])
