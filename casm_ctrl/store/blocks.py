"""Rows of live blocks and their counts; the only place that changes a block's state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from casm_ctrl.addressing.ports import write_block
from casm_ctrl.addressing.prefix import Prefix, Range, from_key, to_key
from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.errors import IllegalTransition
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.store.block_numbers import next_numbers
from casm_ctrl.store.devices import DevicePoolRow, Member
from casm_ctrl.store.events import Author, Event, record, record_alike
from casm_ctrl.store.history import note_forced
from casm_ctrl.store.past_blocks import note_past
from casm_ctrl.store.pools import PoolRow, get_pool
from casm_ctrl.store.reserve import reserve_many, reserve_one
from casm_ctrl.store.states import State, Wanted, is_edge
from casm_ctrl.store.static_assignments import give_around
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True)
class BlockRow:
    """A live block. `generation` grows with every change: who changes it says which one was read.

    `sent`: an edit that holds it may have left for a device. `used` is how many addresses subscribers use,
    by the last counts (store.counts), where devices count. `rest_until` is when its quarantine ends,
    `expires_at` when its release starts unless it is renewed.
    """

    id: int
    pool_id: int
    pool: str
    space_id: int
    space: str
    prefix: Prefix
    device_pool_id: int
    device_id: int
    device_pool: str
    owner_id: int
    wanted: Wanted
    state: State
    generation: int
    sent: bool
    proven_empty: bool
    allocated_at: Micros
    changed_at: Micros
    rest_until: Micros | None
    used: int | None
    expires_at: Micros | None
    psid_offset: int | None = None
    """Of the pool, where it shares ports."""
    used_at: Micros | None = None
    """When that was counted."""

    @property
    def name(self) -> str:
        return block_id(self.id)

    @property
    def label(self) -> str:
        """How it is called in messages: `b12 198.51.100.0/24`."""
        return f"{self.name} {write_block(self.prefix, self.psid_offset)}"


_COLUMNS = """
    block.id, block.pool_id, pool.name, block.space_id, space.name, block.family, block.first, block.length,
    block.device_pool_id, device_pool.device_id, device.name || '/' || device_pool.name, block.owner_id,
    block.wanted, block.state, block.generation, block.sent, block.proven_empty,
    block.allocated_at, block.changed_at, block.rest_until, block.used, block.expires_at,
    pool.psid_offset, block.used_at
    FROM block JOIN pool ON pool.id = block.pool_id JOIN space ON space.id = block.space_id
    JOIN device_pool ON device_pool.id = block.device_pool_id JOIN device ON device.id = device_pool.device_id
"""


def _block(row: Row) -> BlockRow:
    number, pool_id, pool, space_id, space, family, first, length = row[:8]
    device_pool_id, device_id, device_pool, owner_id, wanted, state, generation = row[8:15]
    sent, proven_empty, allocated_at, changed_at, rest_until, used, expires_at, psid_offset = row[15:23]
    return BlockRow(
        id=number,
        pool_id=pool_id,
        pool=pool,
        space_id=space_id,
        space=space,
        prefix=Prefix.read(family, first, length),
        device_pool_id=device_pool_id,
        device_id=device_id,
        device_pool=device_pool,
        owner_id=owner_id,
        wanted=Wanted(wanted),
        state=State(state),
        generation=generation,
        sent=bool(sent),
        proven_empty=bool(proven_empty),
        allocated_at=allocated_at,
        changed_at=changed_at,
        rest_until=rest_until,
        used=None if used is None else int(used),
        expires_at=expires_at,
        psid_offset=psid_offset,
        used_at=row[23],
    )


# --- Reading --------------------------------------------------------------------------------------


def find_block(tx: Transaction, number: int) -> BlockRow | None:
    row = tx.first(f"SELECT {_COLUMNS} WHERE block.id = :id", id=number)
    return None if row is None else _block(row)


def get_block(tx: Transaction, number: int) -> BlockRow:
    return _block(tx.one(f"SELECT {_COLUMNS} WHERE block.id = :id", id=number))


def find_blocks_at(tx: Transaction, prefix: Prefix) -> list[BlockRow]:
    """The live blocks with exactly this prefix, in any space."""
    rows = tx.all(
        f"SELECT {_COLUMNS} WHERE block.space_id IN (SELECT id FROM space) AND block.family = :family"
        " AND block.first = :first AND block.length = :length ORDER BY block.id",
        family=prefix.family.number,
        first=prefix.first_key,
        length=prefix.length,
    )
    return [_block(row) for row in rows]


def list_blocks(
    tx: Transaction,
    *,
    device_pool_id: int | None = None,
    device_id: int | None = None,
    pool_id: int | None = None,
    state: State | None = None,
    limit: int | None = None,
) -> list[BlockRow]:
    """Live blocks in the order of their ids; each argument narrows the list. `device_id`: any member."""
    where, parameters = ["1 = 1"], dict[str, object]()
    if device_pool_id is not None:
        where.append("block.device_pool_id = :device_pool")
        parameters["device_pool"] = device_pool_id
    if device_id is not None:
        where.append("block.id IN (SELECT block_id FROM block_member WHERE device_id = :device)")
        parameters["device"] = device_id
    if pool_id is not None:
        where.append("block.pool_id = :pool")
        parameters["pool"] = pool_id
    if state is not None:
        where.append("block.state = :state")
        parameters["state"] = state.value
    sql = f"SELECT {_COLUMNS} WHERE {' AND '.join(where)} ORDER BY block.id"
    if limit is not None:
        sql += " LIMIT :limit"
        parameters["limit"] = limit
    return [_block(row) for row in tx.all(sql, **parameters)]


def blocks_in_range(tx: Transaction, space_id: int, span: Range) -> list[BlockRow]:
    """The live blocks of a space that share an address with `span`. Reads only those, and one more."""
    return _in_range(tx, "space_id = :space", space_id, span)


def public_blocks_in_range(tx: Transaction, space_id: int, span: Range) -> list[BlockRow]:
    """Those of public pools in other spaces than this: their addresses are the same ones in all spaces."""
    return _in_range(tx, "public = 1 AND space_id != :space", space_id, span)


def _in_range(tx: Transaction, scope: str, space_id: int, span: Range) -> list[BlockRow]:
    """`scope`: within it blocks are disjoint."""
    found: list[BlockRow] = []
    bound = span.last_key
    while True:
        row = tx.first(
            f"SELECT id, first, last FROM block WHERE {scope} AND family = :family"
            " AND first <= :bound ORDER BY first DESC LIMIT 1",
            space=space_id,
            family=span.family.number,
            bound=bound,
        )
        if row is None or row[2] < span.first_key:
            break
        found.append(get_block(tx, row[0]))
        if from_key(row[1]) == 0:
            break
        bound = to_key(from_key(row[1]) - 1)
    return found[::-1]


def lock_blocks(tx: Transaction, numbers: Iterable[int]) -> None:
    """Let nobody else change these blocks until this transaction ends; they must be read after this, unless
    the transaction has one snapshot: then it is repeated where they changed since.

    In the order of their numbers, so that two who lock the same blocks do not wait for each other.
    """
    if tx.dialect == "postgresql":
        for number in sorted(numbers):
            tx.put("SELECT id FROM block WHERE id = :id FOR UPDATE", id=number)


def block_counts(tx: Transaction, pool_id: int) -> dict[tuple[State, int], int]:
    """How many blocks a pool has by (state, length); exact, from the stripes."""
    rows = tx.all(
        "SELECT state, length, SUM(blocks) FROM block_count WHERE pool_id = :pool"
        " GROUP BY state, length HAVING SUM(blocks) != 0",
        pool=pool_id,
    )
    return {(State(state), length): int(blocks) for state, length, blocks in rows}


# --- Changing -------------------------------------------------------------------------------------


def insert_blocks(
    tx: Transaction,
    author: Author,
    device_pool: DevicePoolRow,
    members: Sequence[Member],
    pool: PoolRow,
    prefixes: Sequence[Prefix],
    expires_at: Micros | None = None,
) -> list[int]:
    """Reserve `prefixes` (already taken from the pool's free rows) for a device pool. Returns the ids."""
    shared = bool(pool.tenant(1))
    values: dict[str, object] = {
        "pool_id": pool.id,
        "space_id": pool.space_id,
        "public": int(pool.public),
        "device_pool_id": device_pool.id,
        "owner_id": device_pool.owner_id,
        "expires_at": expires_at,
    }
    if tx.dialect == "postgresql" and len(prefixes) == 1:
        numbers = [reserve_one(tx, values, members, prefixes[0], shared=shared)]
    else:
        numbers = next_numbers(tx, len(prefixes))
        reserve_many(tx, values, members, prefixes, numbers, shared=shared)
        for length, blocks in Counter(prefix.length for prefix in prefixes).items():
            count_blocks(tx, pool.id, State.RESERVED, length, blocks)
    subjects = (
        (number, f"{block_id(number)} {write_block(prefix, pool.psid_offset)}")
        for number, prefix in zip(numbers, prefixes, strict=True)
    )
    record_alike(tx, author, "allocate", "block", subjects, State.FREE.value, State.RESERVED.value)
    return numbers


def set_wanted(tx: Transaction, author: Author, block: BlockRow, wanted: Wanted, verb: str) -> BlockRow:
    """Change what is asked for. The row of the audit names both wishes; the state stays."""
    _compare_and_set(tx, block, "wanted = :wanted, changed_at = :now", wanted=wanted.value, now=tx.now)
    record(
        tx,
        author,
        [
            Event(
                verb,
                "block",
                block.id,
                block.label,
                block.state.value,
                block.state.value,
                author.reason or f"wanted {block.wanted.value} → {wanted.value}",
            )
        ],
    )
    return replace(block, wanted=wanted, generation=block.generation + 1, changed_at=tx.now)


def mark_sent(tx: Transaction, block: BlockRow) -> BlockRow:
    """Note, before anything is sent, that an edit may carry the block to a device.

    Written even where it was noted before: it fails where the block changed since it was read.
    """
    _compare_and_set(tx, block, "sent = 1")
    return replace(block, sent=True, generation=block.generation + 1)


def mark_proven_empty(tx: Transaction, block: BlockRow) -> BlockRow:
    """Counts showed that nobody used the drained block."""
    _compare_and_set(tx, block, "proven_empty = 1")
    return replace(block, proven_empty=True, generation=block.generation + 1)


def transition(
    tx: Transaction, author: Author, block: BlockRow, target: State, verb: str, reason: str
) -> BlockRow | None:
    """Take `block` along an edge of the table, or raise IllegalTransition. None where it became free.

    Quarantine lasts the pool's time, and at least the longest lease unless counts proved it empty.
    """
    if not is_edge(block.state, target):
        raise IllegalTransition(
            f"{block.label} is {block.state.value} and cannot become {target.value}",
            f"see it with 'casm block show {block.name}'",
        )
    rest: Micros | None = None
    pool = get_pool(tx, block.pool_id)
    if target is State.QUARANTINED:
        seconds = pool.quarantine if block.proven_empty else max(pool.quarantine, pool.lease_time)
        rest = Micros(tx.now + seconds * SECOND)
        reason = f"{reason}; rests until {to_rfc3339(rest)}"
        note_forced(tx, block.id)
    elif target is State.INSTALLED:
        _compare_and_set(tx, block, "proven_empty = 0")
        block = replace(block, proven_empty=False, generation=block.generation + 1)
    if target is State.FREE:
        _bury(tx, block)
    else:
        _compare_and_set(
            tx,
            block,
            "state = :state, rest_until = :rest, changed_at = :now",
            state=target.value,
            rest=rest,
            now=tx.now,
        )
        count_blocks(tx, block.pool_id, target, block.prefix.length, 1)
    count_blocks(tx, block.pool_id, block.state, block.prefix.length, -1)
    record(
        tx,
        author,
        [Event(verb, "block", block.id, block.label, block.state.value, target.value, reason)],
    )
    if target is State.FREE:
        give_around(tx, pool, block.prefix, pool.tenant(block.owner_id))
        return None
    return replace(block, state=target, rest_until=rest, generation=block.generation + 1, changed_at=tx.now)


def set_expiry(tx: Transaction, block: BlockRow, expires_at: Micros | None) -> BlockRow:
    """When the block's release starts by itself; None: never."""
    _compare_and_set(tx, block, "expires_at = :expires", expires=expires_at)
    return replace(block, expires_at=expires_at, generation=block.generation + 1)


def rested_blocks(tx: Transaction, limit: int) -> list[int]:
    """Blocks whose quarantine has ended and that no finding holds, those that rested longest first.

    On PostgreSQL they are locked, and those that another sweep is at are left to it.
    """
    beside = " FOR UPDATE OF block SKIP LOCKED" if tx.dialect == "postgresql" else ""
    rows = tx.all(
        "SELECT id FROM block WHERE rest_until IS NOT NULL AND rest_until <= :now"
        " AND NOT EXISTS (SELECT 1 FROM finding WHERE finding.block_id = block.id AND holds = 1)"
        f" ORDER BY rest_until LIMIT :limit{beside}",
        now=tx.now,
        limit=limit,
    )
    return [row[0] for row in rows]


def _compare_and_set(tx: Transaction, block: BlockRow, change: str, **values: object) -> None:
    sql = (
        f"UPDATE block SET {change}, generation = generation + 1 WHERE id = :id AND generation = :generation"
    )
    if tx.run(sql, id=block.id, generation=block.generation, **values) != 1:
        raise IllegalTransition(
            f"{block.label} was changed by somebody else meanwhile", "look again, and repeat"
        )


def _bury(tx: Transaction, block: BlockRow) -> None:
    note_past(
        tx,
        block.id,
        space=block.space,
        pool=block.pool,
        device_pool=block.device_pool,
        psid_offset=block.psid_offset,
    )
    sql = "DELETE FROM block WHERE id = :id AND generation = :generation"
    if tx.run(sql, id=block.id, generation=block.generation) != 1:
        raise IllegalTransition(
            f"{block.label} was changed by somebody else meanwhile", "look again, and repeat"
        )


def count_blocks(tx: Transaction, pool_id: int, state: State, length: int, blocks: int) -> None:
    """So many blocks more, or fewer, in a state."""
    tx.put(
        "INSERT INTO block_count (pool_id, state, length, stripe, blocks)"
        " VALUES (:pool, :state, :length, :stripe, :blocks)"
        " ON CONFLICT (pool_id, state, length, stripe) DO UPDATE SET blocks = block_count.blocks + :blocks",
        pool=pool_id,
        state=state.value,
        length=length,
        stripe=tx.stripe,
        blocks=blocks,
    )
