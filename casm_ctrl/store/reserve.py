"""A reserved block in one statement: its row, its members and its count. PostgreSQL pays by the statement."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.store.devices import Member
from casm_ctrl.store.transaction import Transaction

_RESERVE = """
WITH new AS (
    INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id, shared,
        wanted, state, allocated_at, changed_at, expires_at)
    VALUES (:pool, :space, :public, :family, :first, :last, :length, :device_pool, :owner, :shared,
        'present', 'reserved', :now, :now, :expires)
    RETURNING id
),
member AS (
    INSERT INTO block_member (block_id, device_id, role, since)
    SELECT new.id, has.device_id, has.role, :now
    FROM new, unnest(:devices::bigint[], :roles::text[]) AS has (device_id, role)
),
counted AS (
    INSERT INTO block_count (pool_id, state, length, stripe, blocks) VALUES (:pool, 'reserved', :length, :stripe, 1)
    ON CONFLICT (pool_id, state, length, stripe) DO UPDATE SET blocks = block_count.blocks + 1
)
SELECT id FROM new
"""


def reserve_one(tx: Transaction, values: dict[str, object], members: Sequence[Member]) -> int:
    """Insert the block whose columns are `values`. Returns its number."""
    return tx.insert(
        _RESERVE,
        **values,
        devices=[member.device_id for member in members],
        roles=[member.role for member in members],
        now=tx.now,
        stripe=tx.stripe,
    )
