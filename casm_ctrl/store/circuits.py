"""Rows of devices that did not answer lately; a device that answers has none."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class CircuitRow:
    """`failures`: runs, one after the other, in which the device did not answer. `open_until` None: not yet
    often enough to leave it alone. `error` is the last one, for people."""

    device_id: int
    failures: int
    open_until: Micros | None
    error: str


_COLUMNS = "device_id, failures, open_until, error FROM device_circuit"


def find_circuit(tx: Transaction, device_id: int) -> CircuitRow | None:
    row = tx.first(f"SELECT {_COLUMNS} WHERE device_id = :id", id=device_id)
    return None if row is None else CircuitRow(*row)


def list_circuits(tx: Transaction) -> dict[int, CircuitRow]:
    """By the device's id."""
    return {row[0]: CircuitRow(*row) for row in tx.all(f"SELECT {_COLUMNS}")}


def put_circuit(tx: Transaction, circuit: CircuitRow) -> None:
    tx.run(
        "INSERT INTO device_circuit (device_id, failures, open_until, error)"
        " VALUES (:id, :failures, :until, :error) ON CONFLICT (device_id) DO UPDATE SET"
        " failures = :failures, open_until = :until, error = :error",
        id=circuit.device_id,
        failures=circuit.failures,
        until=circuit.open_until,
        error=circuit.error,
    )


def delete_circuit(tx: Transaction, device_id: int) -> None:
    tx.run("DELETE FROM device_circuit WHERE device_id = :id", id=device_id)
