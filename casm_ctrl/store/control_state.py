"""Which controllers run the loop, what each watches, and what the loop did last: rows, so that who is killed forgets
nothing.

A controller holds devices for as long as its own row says; it renews that one row, not one for each device.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class WatchRow:
    """What is known of watching a device. `since`: it was looked at without a gap since then. `booted_at`: when it
    started, as it says; `restarted_at`: when a reading showed that it had. `hot`: a pool of it is near its mark."""

    device_id: int
    controller_id: int | None
    since: Micros
    polled_at: Micros | None
    next_poll: Micros
    hot: bool
    failures: int
    error: str | None
    booted_at: Micros | None
    restarted_at: Micros | None


@dataclass(frozen=True)
class ControllerRow:
    """A process that runs the loop. `who` is for people: host and pid."""

    id: int
    who: str
    started: Micros
    expires: Micros


@dataclass(frozen=True)
class PoolControlRow:
    """The loop's last changes of a device pool; `generation` counts them."""

    generation: int = 0
    grown_at: Micros | None = None
    shrunk_at: Micros | None = None


@dataclass(frozen=True)
class BreakerRow:
    """Open where it was opened and not closed since."""

    opened_at: Micros | None
    reason: str | None
    closed_at: Micros | None

    @property
    def open(self) -> bool:
        return self.opened_at is not None and self.closed_at is None


@dataclass(frozen=True)
class DrainRow:
    """A block that the loop drains. `overdue_at`: when it was told that its deadline passed."""

    block_id: int
    device_pool_id: int
    decision_id: int
    began: Micros
    overdue_at: Micros | None


# --- Controllers ----------------------------------------------------------------------------------


def add_controller(tx: Transaction, who: str, seconds: int) -> int:
    return tx.insert(
        "INSERT INTO controller (who, started, expires) VALUES (:who, :now, :expires) RETURNING id",
        who=who,
        now=tx.now,
        expires=tx.now + seconds * SECOND,
    )


def keep_controller(tx: Transaction, number: int, seconds: int) -> bool:
    """Say that it is there for another `seconds`; False where its row is gone: all that it held is others'."""
    expires = tx.now + seconds * SECOND
    return tx.run("UPDATE controller SET expires = :expires WHERE id = :id", expires=expires, id=number) == 1


def end_controller(tx: Transaction, number: int) -> None:
    """It is there no more: nobody watches what it did."""
    tx.run("UPDATE device_watch SET controller_id = NULL WHERE controller_id = :id", id=number)
    tx.run("DELETE FROM controller WHERE id = :id", id=number)


def list_controllers(tx: Transaction, *, live: bool = False) -> list[ControllerRow]:
    where = " WHERE expires > :now" if live else ""
    rows = tx.all(f"SELECT id, who, started, expires FROM controller{where} ORDER BY id", now=tx.now)
    return [ControllerRow(*row) for row in rows]


def forget_controllers(tx: Transaction) -> None:
    """Remove the rows of those who are not there any more, and that hold nothing."""
    tx.run(
        "DELETE FROM controller WHERE expires <= :now"
        " AND NOT EXISTS (SELECT 1 FROM device_watch WHERE controller_id = controller.id)",
        now=tx.now,
    )


# --- Watching -------------------------------------------------------------------------------------

_WATCH = (
    "device_id, controller_id, since, polled_at, next_poll, hot, failures, device_watch.error, booted_at,"
    " restarted_at FROM device_watch"
)
_FREE = "(controller_id IS NULL OR controller_id NOT IN (SELECT id FROM controller WHERE expires > :now))"


def _watch(row: tuple[object, ...]) -> WatchRow:
    values = list(row)
    values[5] = bool(values[5])
    return WatchRow(*values)  # type: ignore[arg-type]


def add_watches(tx: Transaction) -> None:
    """A row for each device that has none."""
    tx.run(
        "INSERT INTO device_watch (device_id, since, next_poll) SELECT id, :now, :now FROM device"
        " WHERE NOT EXISTS (SELECT 1 FROM device_watch WHERE device_id = device.id) ORDER BY id"
        " ON CONFLICT (device_id) DO NOTHING",
        now=tx.now,
    )


def claim_watches(tx: Transaction, controller: int, most: int) -> int:
    """Take up to `most` devices that nobody watches, those that wait longest first. Returns how many.

    On PostgreSQL those that another controller is taking are left to it.
    """
    beside = " FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    return tx.run(
        "UPDATE device_watch SET controller_id = :controller WHERE device_id IN (SELECT device_id FROM device_watch"
        f" WHERE {_FREE} ORDER BY next_poll, device_id LIMIT :most{beside})",
        controller=controller,
        most=most,
        now=tx.now,
    )


def give_up_watches(tx: Transaction, controller: int, count: int) -> int:
    """Leave `count` devices to others, those that are to be polled last."""
    return tx.run(
        "UPDATE device_watch SET controller_id = NULL WHERE device_id IN (SELECT device_id FROM device_watch"
        " WHERE controller_id = :controller ORDER BY hot, next_poll DESC LIMIT :count)",
        controller=controller,
        count=count,
    )


def count_watches(tx: Transaction) -> int:
    return int(tx.one("SELECT COUNT(*) FROM device_watch")[0])


def watched_by(tx: Transaction, controller: int) -> list[tuple[str, WatchRow]]:
    """The devices that a controller watches, by name."""
    rows = tx.all(
        f"SELECT device.name, {_WATCH} JOIN device ON device.id = device_id WHERE controller_id = :id ORDER BY 1",
        id=controller,
    )
    return [(row[0], _watch(row[1:])) for row in rows]


def list_watches(tx: Transaction) -> list[WatchRow]:
    return [_watch(row) for row in tx.all(f"SELECT {_WATCH} ORDER BY device_id")]


def find_watch(tx: Transaction, device_id: int) -> WatchRow | None:
    row = tx.first(f"SELECT {_WATCH} WHERE device_id = :id", id=device_id)
    return None if row is None else _watch(row)


def is_watched_by(tx: Transaction, device_id: int, controller: int) -> bool:
    """Whether the controller watches the device, and is there by its row."""
    row = tx.first(
        "SELECT 1 FROM device_watch JOIN controller ON controller.id = controller_id"
        " WHERE device_id = :device AND controller_id = :controller AND expires > :now",
        device=device_id,
        controller=controller,
        now=tx.now,
    )
    return row is not None


def note_look(
    tx: Transaction,
    device_id: int,
    *,
    next_poll: Micros,
    hot: bool,
    booted_at: Micros | None,
    restarted: bool,
    gap: int,
) -> None:
    """A look at the device succeeded. `gap`: seconds without one after which it counts as not watched meanwhile."""
    tx.run(
        "UPDATE device_watch SET polled_at = :now, next_poll = :next, hot = :hot, failures = 0, error = NULL,"
        " since = CASE WHEN polled_at IS NULL OR polled_at < :before THEN :now ELSE since END,"
        " booted_at = COALESCE(:booted, booted_at),"
        " restarted_at = CASE WHEN :restarted = 1 THEN :now ELSE restarted_at END WHERE device_id = :id",
        now=tx.now,
        next=next_poll,
        hot=int(hot),
        before=tx.now - gap * SECOND,
        booted=booted_at,
        restarted=int(restarted),
        id=device_id,
    )


def note_failed_look(tx: Transaction, device_id: int, *, next_poll: Micros, error: str) -> int:
    """A look at the device failed. Returns how often one did since the last that succeeded."""
    row = tx.first(
        "UPDATE device_watch SET next_poll = :next, failures = failures + 1, error = :error WHERE device_id = :id"
        " RETURNING failures",
        next=next_poll,
        error=error,
        id=device_id,
    )
    return 0 if row is None else int(row[0])


def restarted_since(tx: Transaction, moment: int) -> tuple[int, int]:
    """(Devices that were seen to have restarted since `moment`, devices that are watched)."""
    row = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN restarted_at > :moment THEN 1 ELSE 0 END), 0), COUNT(*) FROM device_watch",
        moment=moment,
    )
    return int(row[0]), int(row[1])


# --- What the loop changed ------------------------------------------------------------------------


def get_pool_control(tx: Transaction, device_pool_id: int) -> PoolControlRow:
    row = tx.first(
        "SELECT generation, grown_at, shrunk_at FROM device_pool_control WHERE device_pool_id = :id",
        id=device_pool_id,
    )
    return PoolControlRow() if row is None else PoolControlRow(*row)


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
    row = tx.first("SELECT opened_at, reason, closed_at FROM control_breaker WHERE id = 1")
    return BreakerRow(None, None, None) if row is None else BreakerRow(*row)


def open_breaker(tx: Transaction, reason: str) -> None:
    tx.run(
        "INSERT INTO control_breaker (id, opened_at, reason) VALUES (1, :now, :reason) ON CONFLICT (id) DO UPDATE SET"
        " opened_at = :now, reason = :reason, closed_at = NULL",
        now=tx.now,
        reason=reason,
    )


def close_breaker(tx: Transaction) -> None:
    tx.run("UPDATE control_breaker SET closed_at = :now WHERE id = 1", now=tx.now)


# --- Drains ---------------------------------------------------------------------------------------

_DRAIN = "block_id, device_pool_id, decision_id, began, overdue_at FROM control_drain"


def add_drain(tx: Transaction, block_id: int, device_pool_id: int, decision_id: int) -> None:
    tx.run(
        "INSERT INTO control_drain (block_id, device_pool_id, decision_id, began)"
        " VALUES (:block, :pool, :decision, :now) ON CONFLICT (block_id) DO UPDATE SET decision_id = :decision,"
        " began = :now, overdue_at = NULL",
        block=block_id,
        pool=device_pool_id,
        decision=decision_id,
        now=tx.now,
    )


def drains_of(tx: Transaction, device_pool_id: int) -> dict[int, DrainRow]:
    """By block."""
    rows = tx.all(f"SELECT {_DRAIN} WHERE device_pool_id = :id", id=device_pool_id)
    return {row[0]: DrainRow(*row) for row in rows}


def count_drains(tx: Transaction, device_id: int) -> int:
    """How many drains of the loop go on in the device pools of a device."""
    row = tx.one(
        "SELECT COUNT(*) FROM control_drain JOIN device_pool ON device_pool.id = device_pool_id"
        " WHERE device_id = :id",
        id=device_id,
    )
    return int(row[0])


def end_drain(tx: Transaction, block_id: int) -> None:
    tx.run("DELETE FROM control_drain WHERE block_id = :id", id=block_id)


def note_overdue(tx: Transaction, block_id: int) -> None:
    tx.run("UPDATE control_drain SET overdue_at = :now WHERE block_id = :id", now=tx.now, id=block_id)
