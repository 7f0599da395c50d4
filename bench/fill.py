"""A store with a million blocks, by bulk SQL: what the verbs would have left, without their hours.

The blocks lie in a pool `fill` of /32 blocks, from which the device pool d0/fill allocates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.service.configuration import AddDevicePool, AddPool, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.free_space import insert_free
from casm_ctrl.store.transaction import Transaction

MILLION = 1_000_000


@dataclass(frozen=True)
class Fill:
    """`step` 2 leaves a hole behind each block. The pool is a prefix of `length`."""

    length: int
    step: int


FILLS = {
    "1,000,000 blocks, contiguous, 50 % used": Fill(11, 1),
    "1,000,000 blocks, contiguous, 99 % used": Fill(12, 1),
    "1,000,000 blocks, 1,000,000 single holes": Fill(11, 2),
}


def fill(database: Database, kind: Fill) -> None:
    pool = Prefix(Family.IPV4, 0x64000000, kind.length)
    change(
        database,
        Author("bench"),
        [AddPool("fill", "s", (str(pool),)), AddDevicePool("d0/fill", ("fill",), 32)],
    )
    # At 99 % so many more blocks are taken that a hundredth of the pool is left.
    blocks = MILLION if kind.length == 11 else pool.size * 99 // 100
    with database.write() as tx:
        number, space = tx.one("SELECT id, space_id FROM pool WHERE name = 'fill'")
        device_pool, owner = tx.one("SELECT id, owner_id FROM device_pool WHERE name = 'fill'")
        columns = {"pool": number, "space": space, "device_pool": device_pool, "owner": owner, "now": tx.now}
        _insert_blocks(tx, columns, pool.first, kind.step, blocks)
        tx.run("DELETE FROM free_block WHERE pool_id = :pool", pool=number)
        insert_free(tx, number, _free(pool, kind.step, blocks))
        tx.run(
            "INSERT INTO block_count (pool_id, state, length, stripe, blocks)"
            " VALUES (:pool, 'reserved', 32, 0, :blocks)",
            pool=number,
            blocks=blocks,
        )
    if database.dialect == "postgresql":
        with database.engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _insert_blocks(tx: Transaction, columns: dict[str, Any], first: int, step: int, blocks: int) -> None:
    if tx.dialect == "postgresql":
        keys = "decode(lpad(to_hex(:first + n * :step), 28, '0') || '0000', 'hex')"
        last = keys.replace("'0000'", "'ffff'")
        tx.run(
            "INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id,"
            " wanted, state, allocated_at, changed_at)"
            f" SELECT :pool, :space, 0, 4, {keys}, {last}, 32, :device_pool, :owner, 'present', 'reserved',"
            " :now, :now FROM generate_series(0, :blocks - 1) AS n",
            **columns,
            first=first,
            step=step,
            blocks=blocks,
        )
        return
    tx.run_many(
        "INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id,"
        " wanted, state, allocated_at, changed_at) VALUES (:pool, :space, 0, 4, :first, :last, 32,"
        " :device_pool, :owner, 'present', 'reserved', :now, :now)",
        (
            {**columns, "first": prefix.first_key, "last": prefix.last_key}
            for prefix in (Prefix(Family.IPV4, first + index * step, 32) for index in range(blocks))
        ),
    )


def _free(pool: Prefix, step: int, blocks: int) -> Iterator[Prefix]:
    for index in range(blocks if step == 2 else 0):
        yield Prefix(Family.IPV4, pool.first + 2 * index + 1, 32).of(Family.PORTS)
    rest = pool.first + blocks * step
    if rest <= pool.last:
        for prefix in Range(Family.IPV4, rest, pool.last).prefixes():
            yield prefix.of(Family.PORTS)
