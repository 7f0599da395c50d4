"""Which controllers run the loop, and what each watches: rows, so that who is killed forgets nothing.

A controller holds devices for as long as its own row says; it renews that one row, not one for each device.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class WatchRow:
    """What is known of watching a device. `since`: it was looked at without a gap since then. `booted_at`: when it
    started, as it says; `restarted_at`: when a reading showed that it had. `hot`: a pool of it is near its mark.
    `gentle_until`: it was not looked at for long before, and is changed little until then."""

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
    gentle_until: Micros | None


@dataclass(frozen=True)
class ControllerRow:
    """A process that runs the loop. `who` is for people: host and pid."""

    id: int
    who: str
    started: Micros
    expires: Micros


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
    " restarted_at, gentle_until FROM device_watch"
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
    since: Micros,
    gentle_until: Micros | None,
    next_poll: Micros,
    hot: bool,
    booted_at: Micros | None,
    restarted: bool,
) -> None:
    """A look at the device succeeded."""
    tx.run(
        "UPDATE device_watch SET polled_at = :now, next_poll = :next, hot = :hot, failures = 0, error = NULL,"
        " since = :since, gentle_until = :gentle,"
        " booted_at = COALESCE(:booted, booted_at),"
        " restarted_at = CASE WHEN :restarted = 1 THEN :now ELSE restarted_at END WHERE device_id = :id",
        now=tx.now,
        next=next_poll,
        hot=int(hot),
        since=since,
        gentle=gentle_until,
        booted=booted_at,
        restarted=int(restarted),
        id=device_id,
    )


def note_failed_look(tx: Transaction, device_id: int, *, next_poll: Micros, error: str) -> None:
    """A look at the device failed."""
    tx.run(
        "UPDATE device_watch SET next_poll = :next, failures = failures + 1, error = :error WHERE device_id = :id",
        next=next_poll,
        error=error,
        id=device_id,
    )


def restarted_since(tx: Transaction, moment: int) -> tuple[int, int]:
    """(Devices that were seen to have restarted since `moment`, devices that are watched)."""
    row = tx.one(
        "SELECT COALESCE(SUM(CASE WHEN restarted_at > :moment THEN 1 ELSE 0 END), 0), COUNT(*) FROM device_watch",
        moment=moment,
    )
    return int(row[0]), int(row[1])
