"""What a device pool holds, and what lies at given addresses: looked up, never listed whole."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import Prefix, Range
from casm_ctrl.store.blocks import BlockRow, get_block
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction

COUNT_KEPT = (
    "SELECT COUNT(*) FROM (SELECT 1 FROM block WHERE device_pool_id = :id AND wanted != 'absent' LIMIT :most)"
    " AS kept"
)
COUNT_ON_DEVICE = (
    "SELECT COUNT(*) FROM (SELECT 1 FROM block WHERE device_pool_id = :id AND state != 'quarantined' LIMIT :most)"
    " AS there"
)
RECENT = (
    "SELECT pool_id, family, first, length FROM block WHERE device_pool_id = :id AND wanted != 'absent'"
    " ORDER BY id DESC LIMIT :most"
)
BLOCK_OVER = (
    "SELECT id, last FROM block WHERE space_id = :space AND family = :family AND first <= :last"
    " ORDER BY first DESC LIMIT 1"
)
CARVE_OVER = (
    "SELECT carve.kind, carve.family, carve.first, carve.length, carve.last, carve.reason, child.name, device.name"
    " FROM carve LEFT JOIN pool AS child ON child.id = carve.child_id"
    " LEFT JOIN device ON device.id = carve.device_id"
    " WHERE carve.pool_id = :pool AND carve.first <= :last ORDER BY carve.first DESC LIMIT 1"
)
EXPIRED = (
    "SELECT id FROM block WHERE expires_at IS NOT NULL AND wanted != 'absent' AND expires_at <= :now"
    " ORDER BY expires_at LIMIT :most"
)


@dataclass(frozen=True)
class Cut:
    """What was cut from a pool at some place. `child` and `device` are names, by its kind."""

    kind: str
    prefix: Prefix
    reason: str
    child: str | None
    device: str | None


@dataclass(frozen=True)
class Drawing:
    """A device pool, the length of the next block that it gets, and the pools that it draws from, in order."""

    label: str
    length: int
    pools: tuple[int, ...]


def list_drawings(tx: Transaction) -> list[Drawing]:
    """All device pools, by device and name."""
    rows = tx.all(
        "SELECT device.name || '/' || device_pool.name, COALESCE(next_length, device_pool.length), pool_id"
        " FROM device_pool JOIN device ON device.id = device_pool.device_id"
        " JOIN device_pool_source ON device_pool_source.device_pool_id = device_pool.id"
        " ORDER BY device.name, device_pool.name, position"
    )
    found: dict[str, tuple[int, list[int]]] = {}
    for label, length, pool in rows:
        found.setdefault(label, (int(length), []))[1].append(int(pool))
    return [Drawing(label, length, tuple(drawn)) for label, (length, drawn) in found.items()]


def count_kept(tx: Transaction, device_pool_id: int, most: int) -> int:
    """How many blocks a device pool has that it is to keep; counted up to `most`."""
    return int(tx.one(COUNT_KEPT, id=device_pool_id, most=most)[0])


def first_block(tx: Transaction, device_pool_id: int, pool_id: int | None = None) -> BlockRow | None:
    """A device pool's oldest block in any state, of one pool where it is given."""
    of_pool = "" if pool_id is None else " AND pool_id = :pool"
    sql = f"SELECT id FROM block WHERE device_pool_id = :id{of_pool} ORDER BY id LIMIT 1"
    row = tx.first(sql, id=device_pool_id, pool=pool_id)
    return None if row is None else get_block(tx, row[0])


def count_on_device(tx: Transaction, device_pool_id: int, most: int) -> int:
    """How many blocks it has that are, or may still be, on a device; counted up to `most`."""
    return int(tx.one(COUNT_ON_DEVICE, id=device_pool_id, most=most)[0])


def recent_blocks(tx: Transaction, device_pool_id: int, most: int) -> list[tuple[int, Prefix]]:
    """(pool id, prefix) of the newest blocks that a device pool is to keep, newest first."""
    rows = tx.all(RECENT, id=device_pool_id, most=most)
    return [(row[0], Prefix.read(row[1], row[2], row[3])) for row in rows]


def block_over(tx: Transaction, space_id: int, span: Range) -> BlockRow | None:
    """A live block of the space that shares an address with `span`: the last of them."""
    row = tx.first(BLOCK_OVER, space=space_id, family=span.family.number, last=span.last_key)
    return None if row is None or row[1] < span.first_key else get_block(tx, row[0])


def cut_over(tx: Transaction, pool_id: int, span: Range) -> Cut | None:
    """What is cut from the pool and shares an address with `span`: the last of them."""
    row = tx.first(CARVE_OVER, pool=pool_id, last=span.last_key)
    if row is None or row[4] < span.first_key:
        return None
    return Cut(row[0], Prefix.read(row[1], row[2], row[3]), row[5], row[6], row[7])


def expired_blocks(tx: Transaction, most: int) -> list[int]:
    """Blocks that are to be kept and whose lifetime is over, the earliest first. A transaction that shares leaves
    to another sweep what that is at."""
    sql = f"{EXPIRED} FOR UPDATE SKIP LOCKED" if tx.shares else EXPIRED
    return [row[0] for row in tx.all(sql, now=tx.now, most=most)]


def lock_device_pool(tx: Transaction, device_pool_id: int) -> None:
    """Let transactions that count the blocks of a device pool, and change them, follow each other."""
    if tx.shares:
        tx.first("SELECT id FROM device_pool WHERE id = :id FOR UPDATE", id=device_pool_id)


def device_counts(tx: Transaction, device_id: int) -> dict[State, int]:
    """How many blocks a device is a member of, by state."""
    rows = tx.all(
        "SELECT state, COUNT(*) FROM block JOIN block_member ON block_member.block_id = block.id"
        " WHERE device_id = :device GROUP BY state ORDER BY state",
        device=device_id,
    )
    return {State(state): int(blocks) for state, blocks in rows}
