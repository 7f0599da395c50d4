"""Rows of blocks that were just cut, with their members: one in one statement, as PostgreSQL pays by the statement,
or many at once, which both databases do for a fraction of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from casm_ctrl.addressing.prefix import Family, Prefix, to_key
from casm_ctrl.store.devices import Member
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.store.transaction import Transaction

_RESERVE = """
WITH new AS (
    INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id, shared,
        wanted, state, allocated_at, changed_at, expires_at)
    VALUES (:pool_id, :space_id, :public, :family, :first, :last, :length, :device_pool_id, :owner_id, :shared,
        'present', 'reserved', :now, :now, :expires_at)
    RETURNING id
),
member AS (
    INSERT INTO block_member (block_id, device_id, role, since)
    SELECT new.id, has.device_id, has.role, :now
    FROM new, unnest(:devices::bigint[], :roles::text[]) AS has (device_id, role)
),
counted AS (
    INSERT INTO block_count (pool_id, state, length, stripe, blocks) VALUES (:pool_id, 'reserved', :length, :stripe, 1)
    ON CONFLICT (pool_id, state, length, stripe) DO UPDATE SET blocks = block_count.blocks + 1
)
SELECT id FROM new
"""

_OF_PREFIX = ("family", "first", "last", "length", "shared")


def reserve_one(
    tx: Transaction, values: Mapping[str, object], members: Sequence[Member], prefix: Prefix, *, shared: bool
) -> int:
    """Insert a block and count it. Returns its number. `values` are its other columns, by their names.

    `shared`: a port set's address must have one owner.
    """
    return tx.insert(
        _RESERVE,
        **values,
        **dict(zip(_OF_PREFIX, _of_prefix(prefix, shared), strict=True)),
        devices=[member.device_id for member in members],
        roles=[member.role for member in members],
        now=tx.now,
        stripe=tx.stripe,
    )


def reserve_many(
    tx: Transaction,
    values: Mapping[str, object],
    members: Sequence[Member],
    prefixes: Sequence[Prefix],
    numbers: Sequence[int],
    *,
    shared: bool,
    state: State = State.RESERVED,
    wanted: Wanted = Wanted.PRESENT,
    sent: bool = False,
) -> None:
    """Insert blocks that are alike but for their prefixes and `numbers`. The caller counts them.

    `sent`: they are on a device already, or an edit that holds them may have left for one.
    """
    alike = {
        **values,
        "wanted": wanted.value,
        "state": state.value,
        "sent": int(sent),
        "allocated_at": tx.now,
        "changed_at": tx.now,
    }
    rows = ((number, *_of_prefix(prefix, shared)) for number, prefix in zip(numbers, prefixes, strict=True))
    tx.insert_rows("block", alike, ("id", *_OF_PREFIX), rows)
    for member in members:
        as_member = {"device_id": member.device_id, "role": member.role, "since": tx.now}
        tx.insert_rows("block_member", as_member, ("block_id",), ((number,) for number in numbers))


def _of_prefix(prefix: Prefix, shared: bool) -> tuple[int, bytes, bytes, int, int]:
    family, length = prefix.family, prefix.length
    first = prefix.first << family.shift
    last = first + (1 << (family.width + family.shift - length)) - 1
    part = shared and length > Family.IPV4.width
    return family.number, to_key(first), to_key(last), length, int(part)
