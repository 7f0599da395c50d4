"""What tells a device from every other: its host key, and its serial number or engine id where it has one.

Columns of the device's row, apart from how it is entered: they say who answers there.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class Hold:
    """The device that answered was another one. `host_key`: what it presented, "" where that is not known;
    None where that was as recorded. `serial` likewise; None where it did not come to that."""

    host_key: str | None
    serial: str | None
    since: Micros


@dataclass(frozen=True)
class Identity:
    """`serial` is a kind and a value, as `serial-num FOX1234`, read at `serial_at`. `replaced_at`: there is
    another device since, and no proving read of it yet."""

    host_key: str | None
    serial: str | None
    serial_at: Micros | None
    hold: Hold | None
    replaced_at: Micros | None


def get_identity(tx: Transaction, device_id: int) -> Identity:
    key, serial, serial_at, held_key, held_serial, held_at, replaced = tx.one(
        "SELECT host_key, serial, serial_at, held_key, held_serial, held_at, replaced_at FROM device WHERE id = :id",
        id=device_id,
    )
    hold = None if held_at is None else Hold(held_key, held_serial, held_at)
    return Identity(key, serial, serial_at, hold, replaced)


def set_serial(tx: Transaction, device_id: int, serial: str) -> None:
    tx.run(
        "UPDATE device SET serial = :serial, serial_at = :now WHERE id = :id",
        serial=serial,
        now=tx.now,
        id=device_id,
    )


def devices_with_serial(tx: Transaction, serial: str, *, besides: int) -> list[str]:
    """Other devices that have this serial number or engine id."""
    rows = tx.all(
        "SELECT name FROM device WHERE serial = :serial AND id != :id ORDER BY name",
        serial=serial,
        id=besides,
    )
    return [row[0] for row in rows]


def hold_device(tx: Transaction, device_id: int, host_key: str | None, serial: str | None) -> None:
    """From now on, until `replace_identity`."""
    tx.run(
        "UPDATE device SET held_key = :key, held_serial = :serial, held_at = :now WHERE id = :id",
        key=host_key,
        serial=serial,
        now=tx.now,
        id=device_id,
    )


def replace_identity(tx: Transaction, device_id: int, host_key: str, serial: str | None) -> None:
    """Another device stands under this name; it is not held any more."""
    tx.run(
        "UPDATE device SET host_key = :key, serial = :serial, serial_at = :at, held_key = NULL, held_serial = NULL,"
        " held_at = NULL, replaced_at = :now WHERE id = :id",
        key=host_key,
        serial=serial,
        at=None if serial is None else tx.now,
        now=tx.now,
        id=device_id,
    )


def end_replacement(tx: Transaction, device_id: int) -> None:
    """A read proved what the new device holds."""
    tx.run("UPDATE device SET replaced_at = NULL WHERE id = :id", id=device_id)


def forget_what_was_there(tx: Transaction, device_id: int) -> None:
    """Nothing is known of what the device holds: what was seen, counted and announced there, the containers that
    we made there, and what may have been pending."""
    tx.run(
        "UPDATE block SET used = NULL, used_at = NULL WHERE id IN"
        " (SELECT block_id FROM block_member WHERE device_id = :id AND used IS NOT NULL)",
        id=device_id,
    )
    tx.run(
        "UPDATE block_member SET seen = 'unknown', since = :now, used = NULL, used_at = NULL WHERE device_id = :id",
        now=tx.now,
        id=device_id,
    )
    for sql in (
        "DELETE FROM block_route WHERE device_id = :id",
        "DELETE FROM device_object WHERE device_id = :id AND block_id IS NULL AND origin = 'wrote'",
        "DELETE FROM pending_commit WHERE device_id = :id",
        "DELETE FROM device_circuit WHERE device_id = :id",
        "UPDATE atomic_member SET phase = 'unknown' WHERE device_id = :id AND settled = 0",
    ):
        tx.run(sql, id=device_id)
