"""Rows of quotas, and how much of each is used: counted when one is checked, kept nowhere.

Quantities are on the store's scale, where IPv4 has 48 bits, so that port sets count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.store.blocks import block_counts
from casm_ctrl.store.transaction import Row, Transaction

KINDS = ("device", "space", "pool")


@dataclass(frozen=True)
class QuotaRow:
    """`kind` says whose blocks `addresses` limits; `subject` is the name. One family: 4 or 6."""

    id: int
    name: str
    kind: str
    subject_id: int
    subject: str
    family: Family
    addresses: int


_COLUMNS = (
    "quota.id, quota.name, quota.kind, quota.subject_id, COALESCE(device.name, space.name, pool.name),"
    " quota.family, quota.addresses FROM quota"
    " LEFT JOIN device ON quota.kind = 'device' AND device.id = quota.subject_id"
    " LEFT JOIN space ON quota.kind = 'space' AND space.id = quota.subject_id"
    " LEFT JOIN pool ON quota.kind = 'pool' AND pool.id = quota.subject_id"
)


def _quota(row: Row) -> QuotaRow:
    family = Family.IPV6 if row[5] == 6 else Family.IPV4
    return QuotaRow(row[0], row[1], row[2], row[3], row[4], family, int(row[6]))


def put_quota(tx: Transaction, name: str, kind: str, subject_id: int, family: Family, addresses: int) -> int:
    """Set a quota; one of that name is replaced."""
    return tx.insert(
        "INSERT INTO quota (name, kind, subject_id, family, addresses)"
        " VALUES (:name, :kind, :subject, :family, :addresses)"
        " ON CONFLICT (name) DO UPDATE SET kind = :kind, subject_id = :subject, family = :family,"
        " addresses = :addresses RETURNING id",
        name=name,
        kind=kind,
        subject=subject_id,
        family=family.number,
        addresses=str(addresses),
    )


def find_quota(tx: Transaction, name: str) -> QuotaRow | None:
    row = tx.first(f"SELECT {_COLUMNS} WHERE quota.name = :name", name=name)
    return None if row is None else _quota(row)


def quota_on(tx: Transaction, kind: str, subject_id: int, family: Family) -> QuotaRow | None:
    """The quota of one subject and family."""
    row = tx.first(
        f"SELECT {_COLUMNS} WHERE quota.kind = :kind AND quota.subject_id = :subject AND quota.family = :family",
        kind=kind,
        subject=subject_id,
        family=family.number,
    )
    return None if row is None else _quota(row)


def list_quotas(tx: Transaction) -> list[QuotaRow]:
    return [_quota(row) for row in tx.all(f"SELECT {_COLUMNS} ORDER BY quota.name")]


def any_quota(tx: Transaction) -> bool:
    """False where none is set at all, which is the usual case and costs one look."""
    return bool(tx.known("SELECT 1 FROM quota LIMIT 1"))


def quotas_over(
    tx: Transaction, *, device_id: int, space_ids: Sequence[int], pool_ids: Sequence[int], family: Family
) -> list[QuotaRow]:
    """The quotas that an allocation for a device out of pools comes under, locked where the transaction
    shares, so that two allocations do not both take the last of one."""
    found = []
    subjects = [("device", device_id), *(("space", n) for n in space_ids), *(("pool", n) for n in pool_ids)]
    for kind, subject in sorted(subjects):
        if tx.shares:
            tx.first(
                "SELECT id FROM quota WHERE kind = :kind AND subject_id = :subject AND family = :family FOR UPDATE",
                kind=kind,
                subject=subject,
                family=family.number,
            )
        quota = quota_on(tx, kind, subject, family)
        if quota is not None:
            found.append(quota)
    return found


def used(tx: Transaction, quota: QuotaRow) -> int:
    """What the quota's blocks hold, quarantined ones too, in units of the store's scale.

    Of pools and spaces from the counts, which cost the same at any size; of a device by its blocks.
    """
    if quota.kind == "device":
        rows = tx.all(
            "SELECT block.length, COUNT(*) FROM device_pool JOIN block ON block.device_pool_id = device_pool.id"
            " WHERE device_pool.device_id = :device AND block.family = :family GROUP BY block.length",
            device=quota.subject_id,
            family=quota.family.number,
        )
        return sum(int(count) * unit(quota.family, length) for length, count in rows)
    column = "space_id" if quota.kind == "space" else "id"
    pools = tx.all(
        f"SELECT id FROM pool WHERE {column} = :subject AND family = :family",
        subject=quota.subject_id,
        family=quota.family.number,
    )
    return sum(
        count * unit(quota.family, length)
        for (pool,) in pools
        for (_, length), count in block_counts(tx, pool).items()
    )


def unit(family: Family, length: int) -> int:
    """The size of a block of `length` on the store's scale."""
    scale = family if family is Family.IPV6 else Family.PORTS
    return 1 << (scale.width - length)


def delete_quota(tx: Transaction, quota_id: int) -> None:
    tx.run("DELETE FROM quota WHERE id = :id", id=quota_id)


def delete_quotas_on(tx: Transaction, kind: str, subject_id: int) -> None:
    """With what it limits goes a quota."""
    tx.run("DELETE FROM quota WHERE kind = :kind AND subject_id = :subject", kind=kind, subject=subject_id)
