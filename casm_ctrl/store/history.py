"""When a block was on a device: what is certain, and the edges between what was sent and what was seen.

A row is one stay. It may have begun when an edit that holds the block was about to be sent, and is certain
from the first read that showed it. It is certain until a removal was about to be sent, or until the last
read before one that did not show it; and over when a read proved it gone. A block that comes back begins
another stay. So at any moment the rows tell: it was there, it was not, or nobody can know.

A read counts as made when it was recorded where it is the begin of what is certain, and when its visit
began where it is the end: what is called certain never depends on how long a read took.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.states import Seen
from casm_ctrl.store.transaction import Row, Transaction


@dataclass(frozen=True)
class Stay:
    """One stay of a block on a device. None: not yet, or never. `read_from` is when the last visit that
    read the device began. `ended` is removal (sent by us), vanished or forced (without a read)."""

    block_id: int
    device_id: int
    device: str
    role: str
    maybe_from: Micros
    sure_from: Micros | None
    sure_until: Micros | None
    maybe_until: Micros | None
    ended: str | None
    read_from: Micros | None

    @property
    def certain_until(self) -> Micros | None:
        """The last moment at which it surely was there; None where it never surely was."""
        if self.sure_from is None or self.sure_until is not None:
            return self.sure_until
        return max(self.sure_from, self.read_from or self.sure_from)

    def seen_at(self, moment: Micros) -> Seen:
        """Whether the block was on the device at a moment; unknown between what was sent and what was seen,
        and after the last read."""
        if moment < self.maybe_from or (self.maybe_until is not None and moment >= self.maybe_until):
            return Seen.ABSENT
        until = self.certain_until
        if self.sure_from is not None and until is not None and self.sure_from <= moment <= until:
            return Seen.PRESENT
        return Seen.UNKNOWN


_COLUMNS = (
    "block_id, device_id, stay.device, stay.role, maybe_from, sure_from, sure_until, maybe_until, ended,"
    " device.read_from FROM stay LEFT JOIN device ON device.id = device_id"
)


def _stay(row: Row) -> Stay:
    return Stay(*row)


def list_stays(tx: Transaction, block_id: int) -> list[Stay]:
    """All stays of a block, in the order of time."""
    rows = tx.all(f"SELECT {_COLUMNS} WHERE block_id = :block ORDER BY maybe_from, device_id", block=block_id)
    return [_stay(row) for row in rows]


def stays_at(tx: Transaction, block_id: int, moment: Micros) -> list[Stay]:
    """Of each device the stay of a block that was the last to begin by `moment`: one row each."""
    found: list[Stay] = []
    device = -1
    while True:
        row = tx.first(
            "SELECT device_id FROM stay WHERE block_id = :block AND device_id > :device"
            " ORDER BY device_id LIMIT 1",
            block=block_id,
            device=device,
        )
        if row is None:
            return found
        device = row[0]
        row = tx.first(
            f"SELECT {_COLUMNS} WHERE block_id = :block AND device_id = :device AND maybe_from <= :moment"
            " ORDER BY maybe_from DESC LIMIT 1",
            block=block_id,
            device=device,
            moment=moment,
        )
        if row is not None:
            found.append(_stay(row))


def open_stays(tx: Transaction, device_id: int) -> dict[int, Stay]:
    """The stays on a device that are not proven to be over, by block."""
    rows = tx.all(f"SELECT {_COLUMNS} WHERE device_id = :device AND maybe_until IS NULL", device=device_id)
    return {row[0]: _stay(row) for row in rows}


# --- What was sent --------------------------------------------------------------------------------


def note_sent(tx: Transaction, device_id: int, block_ids: Iterable[int]) -> None:
    """An edit that holds the blocks is about to be sent to the device."""
    known = open_stays(tx, device_id)
    for number in block_ids:
        if number not in known:
            _begin(tx, number, device_id, tx.now, None)


def note_removal(tx: Transaction, device_id: int, block_ids: Iterable[int]) -> None:
    """An edit that removes the blocks is about to be sent: they are certain no longer."""
    tx.run_many(
        "UPDATE stay SET ended = 'removal', sure_until = CASE WHEN sure_from IS NULL THEN NULL ELSE :now END"
        " WHERE device_id = :device AND block_id = :block AND maybe_until IS NULL AND sure_until IS NULL",
        [{"now": tx.now, "device": device_id, "block": number} for number in block_ids],
    )


# --- What was seen --------------------------------------------------------------------------------


def note_seen(tx: Transaction, stay: Stay | None, block_id: int, device_id: int, seen: Seen) -> None:
    """A read of a device showed the block, proved it gone, or neither. `stay` is the open one."""
    if seen is Seen.PRESENT:
        _note_present(tx, stay, block_id, device_id)
    elif stay is not None:
        if stay.sure_from is not None and stay.sure_until is None:
            _set(tx, stay, "sure_until = :value, ended = 'vanished'", stay.certain_until)
        if seen is Seen.ABSENT:
            _set(tx, stay, "maybe_until = :value", tx.now)


def note_read(tx: Transaction, device_id: int, began: Micros) -> None:
    """A visit that began at `began` has read all of the device's blocks: what it showed was there then."""
    tx.run("UPDATE device SET read_from = :began WHERE id = :id", began=began, id=device_id)


def note_forced(tx: Transaction, block_id: int) -> None:
    """Nobody asks the devices any more whether the block is there: what was certain is so up to the last
    read. Nothing where reads proved it gone before."""
    for stay in list_stays(tx, block_id):
        if stay.maybe_until is None and stay.sure_from is not None and stay.sure_until is None:
            _set(tx, stay, "sure_until = :value, ended = 'forced'", stay.certain_until)


def _note_present(tx: Transaction, stay: Stay | None, block_id: int, device_id: int) -> None:
    if stay is None:
        _begin(tx, block_id, device_id, _earliest(tx, block_id, device_id), tx.now)
    elif stay.sure_from is None and stay.ended is None:
        _set(tx, stay, "sure_from = :value", tx.now)
    elif stay.sure_until is not None or stay.ended is not None:  # it was doubted, and here it is
        _set(tx, stay, "maybe_until = :value", tx.now)
        _begin(tx, block_id, device_id, tx.now, tx.now)


def _earliest(tx: Transaction, block_id: int, device_id: int) -> Micros:
    """From when on a block that nobody sent may have been on a device: since the last read, which did not
    show it, but not before it was gone the last time, or was allocated."""
    rows = tx.all(
        "SELECT maybe_until FROM stay WHERE block_id = :block AND device_id = :device"
        " UNION ALL SELECT read_from FROM device WHERE id = :device"
        " UNION ALL SELECT allocated_at FROM block WHERE id = :block"
        " UNION ALL SELECT allocated_at FROM past_block WHERE id = :block",
        block=block_id,
        device=device_id,
    )
    return Micros(max(row[0] or 0 for row in rows))


def _begin(
    tx: Transaction, block_id: int, device_id: int, maybe_from: Micros, sure_from: Micros | None
) -> None:
    tx.run(
        "INSERT INTO stay (block_id, device_id, device, role, maybe_from, sure_from)"
        " SELECT :block, id, name, COALESCE((SELECT role FROM block_member WHERE block_id = :block"
        " AND device_id = device.id), 'serves'), :maybe, :sure FROM device WHERE id = :device"
        " ON CONFLICT (block_id, device_id, maybe_from) DO UPDATE SET sure_from = :sure, sure_until = NULL,"
        " maybe_until = NULL, ended = NULL",
        block=block_id,
        device=device_id,
        maybe=maybe_from,
        sure=sure_from,
    )


def _set(tx: Transaction, stay: Stay, change: str, value: Micros | None) -> None:
    tx.run(
        f"UPDATE stay SET {change} WHERE block_id = :block AND device_id = :device AND maybe_from = :begin",
        value=value,
        block=stay.block_id,
        device=stay.device_id,
        begin=stay.maybe_from,
    )
