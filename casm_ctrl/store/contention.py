"""Free rows that others want at the same time: how PostgreSQL's transactions take turns on them.

SQLite needs none of it: its writers come one after the other.

A row that another transaction is just taking is skipped, so those beside each other do not wait. Skipping
may miss the only row there is, so who finds nothing looks again, and waits. Two buddies that come back at once
do not see each other: merges take turns on a row chosen by the parent prefix. It is a row and not an
advisory lock because a transaction with one snapshot must fail where a merge came after that snapshot.
"""

from __future__ import annotations

import zlib

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.store.transaction import Row, Transaction

TURNS = 1024
"""The rows of merge_turn, numbered from 0."""

_WHERE = "pool_id = :pool AND tenant = :tenant AND length <= :length"
_BEST = f"SELECT length, first FROM free_block WHERE {_WHERE} ORDER BY length DESC, first LIMIT 1 FOR UPDATE {{wait}}"
_SKIP, _WAIT = {"wait": "SKIP LOCKED"}, {"wait": ""}

# The holder goes, and what is left of it when its first block is cut comes: a prefix of each length between.
_CUT = f"""
WITH best AS ({_BEST}),
gone AS (
    DELETE FROM free_block USING best
    WHERE free_block.pool_id = :pool AND free_block.tenant = :tenant
    AND free_block.length = best.length AND free_block.first = best.first
    RETURNING free_block.length, free_block.first
),
rest AS (
    INSERT INTO free_block (pool_id, tenant, length, first)
    SELECT :pool, CASE WHEN bits > :whole THEN :owner ELSE 0 END, bits,
        set_bit(first, (:skip + bits - 1) / 8 * 8 + 7 - (:skip + bits - 1) % 8, 1)
    FROM gone, generate_series(gone.length + 1, :length) AS bits
)
SELECT length, first FROM gone
"""


def lock_best(tx: Transaction, pool_id: int, length: int, tenant: int) -> Row | None:
    """(length, first) of the best free row that nobody else is taking, locked; None where there is none."""
    return _look(tx, _BEST, {"pool": pool_id, "tenant": tenant, "length": length})


def cut_one(tx: Transaction, pool_id: int, scale: Family, length: int, tenant: int, owner: int) -> Row | None:
    """Cut one block of `length` from the best free row of `tenant`, in one statement.

    Gives the (length, first) of that row: the block is its beginning. What is left of a shared address is
    kept for `owner`.
    """
    values = {
        "pool": pool_id,
        "tenant": tenant,
        "length": length,
        "owner": owner,
        "whole": Family.IPV4.width if scale is Family.PORTS else scale.width,
        "skip": 128 - scale.width,
    }
    return _look(tx, _CUT, values)


def _look(tx: Transaction, sql: str, values: dict[str, int]) -> Row | None:
    row = tx.first(sql.format_map(_SKIP), **values)
    there = f"SELECT 1 FROM free_block WHERE {_WHERE} LIMIT 1"
    at = {name: values[name] for name in ("pool", "tenant", "length")}
    while row is None and tx.first(there, **at) is not None:
        # Empty too where another took the row while this waited, and left smaller ones: look once more.
        row = tx.first(sql.format_map(_WAIT), **values)
    return row


def await_turn(tx: Transaction, pool_id: int, parent: Prefix) -> None:
    """Be the only one, until this transaction ends, that merges into `parent`."""
    if tx.dialect == "sqlite":
        return
    name = b"%d/%d/" % (pool_id, parent.length) + parent.first_key
    tx.put("UPDATE merge_turn SET turns = turns + 1 WHERE slot = :slot", slot=zlib.crc32(name) % TURNS)
