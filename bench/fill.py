"""A store with a million blocks, by bulk SQL: what the verbs would have left, without their hours.

The blocks lie in a pool `fill` of /32 blocks, from which the device pool d0/fill allocates. Keys ascend, so
indexes stay and are appended to. SQLite's triggers are put back afterwards: a check for each of a million
rows known to be disjoint tells nothing. PostgreSQL's exclusion constraints stay: to make them anew would
check each row against a worse index, which takes several times as long.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.service.configuration import AddDevicePool, AddPool, AddPrefix, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.free_space import insert_free

ME = Author("bench")
FIRST = 0x64000000


@dataclass(frozen=True)
class Fill:
    """`step` 2 leaves a hole behind each of the `blocks`. The pool is a prefix of `length`."""

    length: int
    step: int
    blocks: int

    @property
    def pool(self) -> Prefix:
        return Prefix(Family.IPV4, FIRST, self.length)


CONTIGUOUS = Fill(12, 1, (1 << 20) * 99 // 100)
"""So many more than a million that a hundredth of a /12 is left."""
HOLES = Fill(11, 2, 1_000_000)

_BLOCK = (
    "INSERT INTO block (pool_id, space_id, public, family, first, last, length, device_pool_id, owner_id, wanted,"
    " state, allocated_at, changed_at) SELECT :pool, :space, 0, 4, {first}, {last}, 32, :device_pool, :owner,"
    " 'present', 'reserved', :now, :now FROM {numbers}"
)
_FREE = "INSERT INTO free_block (pool_id, tenant, length, first) SELECT :pool, 0, 32, {first} FROM {numbers}"


def fill(database: Database, kind: Fill) -> None:
    """Add the pool, its blocks and what is free between and behind them."""
    change(database, ME, [AddPool("fill", "s", (str(kind.pool),)), AddDevicePool("d0/fill", ("fill",), 32)])
    with database.write() as tx:
        number, space = tx.one("SELECT id, space_id FROM pool WHERE name = 'fill'")
        device_pool, owner = tx.one("SELECT id, owner_id FROM device_pool WHERE name = 'fill'")
        tx.run("DELETE FROM free_block WHERE pool_id = :pool", pool=number)
        rest = FIRST + kind.blocks * kind.step
        free = Range(Family.IPV4, rest, kind.pool.last).prefixes()
        insert_free(tx, number, (prefix.of(Family.PORTS) for prefix in free))
        tx.run(
            "INSERT INTO block_count (pool_id, state, length, stripe, blocks)"
            " VALUES (:pool, 'reserved', 32, 0, :blocks)",
            pool=number,
            blocks=kind.blocks,
        )
        columns = {"pool": number, "space": space, "device_pool": device_pool, "owner": owner, "now": tx.now}
    columns |= {"start": FIRST, "step": kind.step, "blocks": kind.blocks}
    if database.dialect == "postgresql":
        _fill_postgresql(database, columns)
    else:
        _fill_sqlite(str(database.url.database), columns)


def widen(database: Database) -> None:
    """Double the pool of CONTIGUOUS by the /12 behind it, so that half of it is used."""
    change(database, ME, [AddPrefix("fill", str(Prefix(Family.IPV4, CONTIGUOUS.pool.last + 1, 12)))])


def _fill_postgresql(database: Database, columns: dict[str, Any]) -> None:
    hexadecimal = "lpad(to_hex(:start + n * :step + {more}), 28, '0')"
    numbers = "generate_series(0, :blocks - 1) AS n"
    first = f"decode({hexadecimal.format(more=0)} || '0000', 'hex')"
    last = f"decode({hexadecimal.format(more=0)} || 'ffff', 'hex')"
    hole = f"decode({hexadecimal.format(more=1)} || '0000', 'hex')"
    with database.write() as tx:
        tx.run(_BLOCK.format(first=first, last=last, numbers=numbers), **columns)
        if columns["step"] == 2:
            tx.run(_FREE.format(first=hole, numbers=numbers), **columns)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE block")
        connection.exec_driver_sql("VACUUM ANALYZE free_block")
        connection.exec_driver_sql("CHECKPOINT")


def _fill_sqlite(path: str, columns: dict[str, Any]) -> None:
    numbers = "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < :blocks - 1) SELECT n FROM c)"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("key", 2, _key, deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN IMMEDIATE")
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'block'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        value = ":start + n * :step"
        block = _BLOCK.format(first=f"key({value}, 0)", last=f"key({value}, 65535)", numbers=numbers)
        connection.execute(block, columns)
        if columns["step"] == 2:
            connection.execute(_FREE.format(first=f"key({value} + 1, 0)", numbers=numbers), columns)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _key(address: int, port: int) -> bytes:
    return (address << 16 | port).to_bytes(16, "big")
