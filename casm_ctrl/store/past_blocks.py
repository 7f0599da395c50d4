"""Blocks that were freed: who had what, until when."""

from __future__ import annotations

import json
from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import Micros
from casm_ctrl.store.block_members import list_members
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True)
class PastBlock:
    """A block that was freed. `devices` are the names and roles of its members."""

    id: int
    pool: str
    space_id: int
    space: str
    prefix: Prefix
    psid_offset: int | None
    device_pool: str
    members: tuple[int, ...]
    devices: tuple[tuple[str, str], ...]
    allocated_at: Micros
    freed_at: Micros


_PAST_COLUMNS = (
    "id, pool, space_id, space, family, first, length, psid_offset, device_pool, members, allocated_at, freed_at"
    " FROM past_block"
)


def _past(row: Row) -> PastBlock:
    number, pool, space_id, space, family, first, length, psid_offset, device_pool, members = row[:10]
    devices = json.loads(members)
    return PastBlock(
        id=number,
        pool=pool,
        space_id=space_id,
        space=space,
        prefix=Prefix.read(family, first, length),
        psid_offset=psid_offset,
        device_pool=device_pool,
        members=tuple(device[0] for device in devices),
        devices=tuple((device[1], device[2]) for device in devices),
        allocated_at=row[10],
        freed_at=row[11],
    )


def past_block(tx: Transaction, number: int) -> PastBlock | None:
    row = tx.first(f"SELECT {_PAST_COLUMNS} WHERE id = :id", id=number)
    return None if row is None else _past(row)


def past_of(tx: Transaction, prefix: Prefix) -> list[PastBlock]:
    """The freed blocks that had exactly this prefix, the latest of each address space."""
    found: list[PastBlock] = []
    for (space,) in tx.all("SELECT id FROM space"):
        row = tx.first(
            f"SELECT {_PAST_COLUMNS} WHERE space_id = :space AND family = :family AND length = :length"
            " AND first = :first ORDER BY id DESC LIMIT 1",
            space=space,
            family=prefix.family.number,
            length=prefix.length,
            first=prefix.first_key,
        )
        found += [] if row is None else [_past(row)]
    return found


def past_holders(tx: Transaction, space_id: int, prefix: Prefix) -> list[PastBlock]:
    """Freed blocks that were on devices and shared addresses with `prefix`, the latest of each prefix.

    Shorter and equal prefixes are looked up length by length; longer ones by their range.
    """
    found: list[PastBlock] = []
    for length in range(prefix.length + 1):
        shorter = Prefix(prefix.family, prefix.first & (-1 << (prefix.family.width - length)), length)
        found += (
            _past(row)
            for row in tx.all(
                f"SELECT {_PAST_COLUMNS} WHERE space_id = :space AND family = :family AND length = :length"
                " AND first = :first AND sent = 1 ORDER BY id DESC LIMIT 1",
                space=space_id,
                family=prefix.family.number,
                length=length,
                first=shorter.first_key,
            )
        )
    for length in range(prefix.length + 1, prefix.family.width + 1):
        found += (
            _past(row)
            for row in tx.all(
                f"SELECT {_PAST_COLUMNS} WHERE space_id = :space AND family = :family AND length = :length"
                " AND first BETWEEN :first AND :last AND sent = 1 ORDER BY id DESC LIMIT 20",
                space=space_id,
                family=prefix.family.number,
                length=length,
                first=prefix.first_key,
                last=prefix.last_key,
            )
        )
    return found


def note_past(
    tx: Transaction, number: int, *, space: str, pool: str, device_pool: str, psid_offset: int | None
) -> None:
    """Keep what a block was, before its row goes: names and members as they are now."""
    members = [(row.device_id, row.device, row.role) for row in list_members(tx, [number])[number]]
    tx.run(
        "INSERT INTO past_block (id, pool_id, space_id, space, public, family, first, last, length,"
        " device_pool_id, device_pool, pool, psid_offset, members, sent, allocated_at, freed_at)"
        " SELECT id, pool_id, space_id, :space, public, family, first, last, length, device_pool_id,"
        " :device_pool, :pool, :psid_offset, :members, sent, allocated_at, :now FROM block WHERE id = :id",
        space=space,
        psid_offset=psid_offset,
        device_pool=device_pool,
        pool=pool,
        members=json.dumps(members),
        now=tx.now,
        id=number,
    )
