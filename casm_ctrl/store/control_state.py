"""What the loop changed last and where it stands: of device pools, of blocks, and the breaker that stops it.

All of it is rows, so that who is killed forgets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class PoolControlRow:
    """The loop's last changes of a device pool; `generation` counts them. `loss`: when subscribers were lost at once,
    why, and how much was in use before."""

    generation: int = 0
    grown_at: Micros | None = None
    shrunk_at: Micros | None = None
    loss: tuple[Micros, str, int] | None = None


@dataclass(frozen=True)
class BreakerRow:
    """Open where it was opened and not closed since. `tried`: its time was over, and no person closed it."""

    opened_at: Micros | None = None
    reason: str | None = None
    closed_at: Micros | None = None
    tried: bool = False

    @property
    def open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None


@dataclass(frozen=True)
class ControlledBlock:
    """A block that the loop added (by decision `added_by`) or drains (by `drained_by`, since `drained_at`). `used`: a
    reading found a subscriber in it. `forced`: its drain took too long, and it goes with its subscribers."""

    block_id: int
    added_by: int | None
    used: bool
    drained_by: int | None
    drained_at: Micros | None
    forced: bool


# --- Device pools ---------------------------------------------------------------------------------


def get_pool_control(tx: Transaction, device_pool_id: int) -> PoolControlRow:
    row = tx.first(
        "SELECT generation, grown_at, shrunk_at, loss_at, loss_cause, loss_before FROM device_pool_control"
        " WHERE device_pool_id = :id",
        id=device_pool_id,
    )
    if row is None:
        return PoolControlRow()
    loss = None if row[3] is None else (row[3], row[4], int(row[5]))
    return PoolControlRow(row[0], row[1], row[2], loss)


def put_loss(tx: Transaction, device_pool_id: int, loss: tuple[int, str, int] | None) -> None:
    """Remember how subscribers were lost last, or that they are back."""
    at, cause, before = (None, None, None) if loss is None else (loss[0], loss[1], str(loss[2]))
    tx.run(
        "INSERT INTO device_pool_control (device_pool_id, generation, loss_at, loss_cause, loss_before)"
        " VALUES (:id, 0, :at, :cause, :before) ON CONFLICT (device_pool_id) DO UPDATE SET"
        " loss_at = :at, loss_cause = :cause, loss_before = :before",
        id=device_pool_id,
        at=at,
        cause=cause,
        before=before,
    )


def next_generation(
    tx: Transaction, device_pool_id: int, seen: int, *, grown: bool = False, shrunk: bool = False
) -> bool:
    """Note that the loop changes a device pool; False where it was changed since generation `seen` was read."""
    tx.run(
        "INSERT INTO device_pool_control (device_pool_id, generation) VALUES (:id, 0)"
        " ON CONFLICT (device_pool_id) DO NOTHING",
        id=device_pool_id,
    )
    touched = tx.run(
        "UPDATE device_pool_control SET generation = generation + 1,"
        " grown_at = CASE WHEN :grown = 1 THEN :now ELSE grown_at END,"
        " shrunk_at = CASE WHEN :shrunk = 1 THEN :now ELSE shrunk_at END"
        " WHERE device_pool_id = :id AND generation = :seen",
        grown=int(grown),
        shrunk=int(shrunk),
        now=tx.now,
        id=device_pool_id,
        seen=seen,
    )
    return touched == 1


def lock_breaker(tx: Transaction) -> BreakerRow:
    """The breaker; on PostgreSQL nobody else makes an automatic change until this transaction ends."""
    if tx.dialect == "postgresql":
        tx.run("INSERT INTO control_breaker (id) VALUES (1) ON CONFLICT (id) DO NOTHING")
        tx.first("SELECT id FROM control_breaker WHERE id = 1 FOR UPDATE")
    return get_breaker(tx)


def get_breaker(tx: Transaction) -> BreakerRow:
    row = tx.first("SELECT opened_at, reason, closed_at, tried FROM control_breaker WHERE id = 1")
    return BreakerRow() if row is None else BreakerRow(row[0], row[1], row[2], bool(row[3]))


def open_breaker(tx: Transaction, reason: str) -> None:
    tx.run(
        "INSERT INTO control_breaker (id, opened_at, reason) VALUES (1, :now, :reason) ON CONFLICT (id) DO UPDATE SET"
        " opened_at = :now, reason = :reason, closed_at = NULL, tried = 0",
        now=tx.now,
        reason=reason,
    )


def close_breaker(tx: Transaction, *, tried: bool) -> None:
    tx.run(
        "UPDATE control_breaker SET closed_at = :now, tried = :tried WHERE id = 1",
        now=tx.now,
        tried=int(tried),
    )


# --- Blocks ---------------------------------------------------------------------------------------


def blocks_of(tx: Transaction, device_pool_id: int) -> dict[int, ControlledBlock]:
    """What the loop knows of the blocks of a device pool, by number."""
    rows = tx.all(
        "SELECT block_id, added_by, used, drained_by, drained_at, forced FROM control_block"
        " WHERE device_pool_id = :id",
        id=device_pool_id,
    )
    return {
        row[0]: ControlledBlock(row[0], row[1], bool(row[2]), row[3], row[4], bool(row[5])) for row in rows
    }


def add_block(tx: Transaction, block_id: int, device_pool_id: int, decision_id: int) -> None:
    """The loop added it."""
    tx.run(
        "INSERT INTO control_block (block_id, device_pool_id, added_by) VALUES (:block, :pool, :decision)",
        block=block_id,
        pool=device_pool_id,
        decision=decision_id,
    )


def begin_drain(tx: Transaction, block_id: int, device_pool_id: int, decision_id: int) -> None:
    """The loop drains it."""
    tx.run(
        "INSERT INTO control_block (block_id, device_pool_id, used, drained_by, drained_at)"
        " VALUES (:block, :pool, 1, :decision, :now) ON CONFLICT (block_id) DO UPDATE SET"
        " drained_by = :decision, drained_at = :now, forced = 0",
        block=block_id,
        pool=device_pool_id,
        decision=decision_id,
        now=tx.now,
    )


def note_blocks(tx: Transaction, device_pool_id: int, used: Iterable[int]) -> None:
    """After a reading: the blocks in `used` have subscribers; a drain that somebody took back is none any more, and its
    block counts as used: they want it."""
    tx.run_many(
        "UPDATE control_block SET used = 1 WHERE block_id = :block AND used = 0", ({"block": n} for n in used)
    )
    tx.run(
        "UPDATE control_block SET used = 1, drained_by = NULL, drained_at = NULL, forced = 0"
        " WHERE device_pool_id = :id AND drained_by IS NOT NULL"
        " AND block_id IN (SELECT id FROM block WHERE wanted = 'present')",
        id=device_pool_id,
    )


def end_drain(tx: Transaction, block_id: int) -> None:
    """The loop drains it no more."""
    tx.run(
        "UPDATE control_block SET drained_by = NULL, drained_at = NULL, forced = 0 WHERE block_id = :id",
        id=block_id,
    )


def force(tx: Transaction, block_id: int) -> None:
    """It goes with the subscribers that are still in it."""
    tx.run("UPDATE control_block SET forced = 1 WHERE block_id = :id", id=block_id)


def forced_blocks(tx: Transaction, device_id: int) -> frozenset[int]:
    """The blocks on a device that go with their subscribers."""
    rows = tx.all(
        "SELECT control_block.block_id FROM control_block JOIN block_member"
        " ON block_member.block_id = control_block.block_id WHERE device_id = :id AND forced = 1",
        id=device_id,
    )
    return frozenset(row[0] for row in rows)


def count_drains(tx: Transaction, device_id: int) -> int:
    """How many drains of the loop go on in the device pools of a device."""
    row = tx.one(
        "SELECT COUNT(*) FROM control_block JOIN device_pool ON device_pool.id = device_pool_id"
        " WHERE device_id = :id AND drained_by IS NOT NULL",
        id=device_id,
    )
    return int(row[0])
