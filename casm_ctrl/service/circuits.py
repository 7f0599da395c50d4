"""Leave a device alone that did not answer in several runs, and try it again by one probe at a time.

Closed: runs visit the device. Open, after FAILURES runs in which it did not answer: runs pass it over, so
that nobody waits for what is dead. Half-open, when the pause is over: the next run visits it once. An answer,
be it a refusal, closes the circuit; each further silence doubles the pause. All of it is in the store, so
that it holds for every process and outlives them.
"""

from __future__ import annotations

from dataclasses import replace

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.errors import CircuitOpen
from casm_ctrl.service import alarm_causes
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import circuits, devices
from casm_ctrl.store.circuits import CircuitRow
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction

FAILURES = 3
"""Runs in which a device does not answer, one after the other, before its circuit opens."""

FIRST_PAUSE, LONGEST_PAUSE = 60, 3600
"""Seconds that a circuit stays open: doubled with each failure from the first."""

PROBE = 120
"""Seconds for which one run has the probe of a half-open circuit for itself."""

_SPREAD = 4
"""Up to this part of a pause is left off by chance, so that devices that died at once are not probed at once."""


def enter(database: Database, device: str) -> bool:
    """Before a run visits the device. True: as the one probe of a half-open circuit. CircuitOpen where it is
    to be left alone."""

    def body(tx: Transaction) -> bool:
        circuit = circuits.find_circuit(tx, the_device(tx, device).id)
        if circuit is None or circuit.open_until is None:
            return False
        if circuit.open_until > tx.now:
            raise _circuit_open(device, circuit)
        circuits.put_circuit(tx, replace(circuit, open_until=Micros(tx.now + PROBE * SECOND)))
        return True

    with database.read() as tx:  # most have no circuit, and need no write
        if circuits.find_circuit(tx, the_device(tx, device).id) is None:
            return False
    return database.run(body)


def left_alone(database: Database, device: str) -> CircuitOpen | None:
    """Why nobody is to wait for the device now; None where its circuit is not open."""
    with database.read() as tx:
        circuit = circuits.find_circuit(tx, the_device(tx, device).id)
        if circuit is None or circuit.open_until is None or circuit.open_until <= tx.now:
            return None
        return _circuit_open(device, circuit)


def _circuit_open(device: str, circuit: CircuitRow) -> CircuitOpen:
    assert circuit.open_until is not None
    return CircuitOpen(
        f"{device} is left alone until {to_rfc3339(circuit.open_until)}: it did not answer in"
        f" {circuit.failures} runs, the last time with: {circuit.error}",
        f"see whether it is up; 'casm apply {device}' tries it at once",
    )


def record_silence(database: Database, device: str, error: str, chance: float) -> None:
    """A run could not speak with the device. `chance`: a random number from 0 to 1, which spreads the probes."""

    def body(tx: Transaction) -> None:
        number = the_device(tx, device).id
        before = circuits.find_circuit(tx, number)
        failures = 1 if before is None else before.failures + 1
        until = None
        if failures >= FAILURES:
            pause = min(FIRST_PAUSE << min(failures - FAILURES, 16), LONGEST_PAUSE)
            until = Micros(tx.now + round(pause * (1 - chance / _SPREAD) * SECOND))
        circuits.put_circuit(tx, CircuitRow(number, failures, until, error))
        alarm_causes.note_silence(tx, device, failures, error)

    database.run(body)


def record_answer(database: Database, device: str) -> None:
    """The device spoke with us, whatever it said."""
    with database.read() as tx:
        number = the_device(tx, device).id
        if circuits.find_circuit(tx, number) is None:
            return

    def body(tx: Transaction) -> None:
        circuits.delete_circuit(tx, number)
        alarm_causes.note_answer(tx, device)

    database.run(body)


def silent_devices(database: Database) -> frozenset[str]:
    """The devices that did not answer the last time."""
    with database.read() as tx:
        found = circuits.list_circuits(tx)
        return (
            frozenset(row.name for row in devices.list_devices(tx) if row.id in found)
            if found
            else frozenset()
        )


def circuit_document(circuit: CircuitRow | None, now: Micros) -> Document:
    """What `status` and `device show` say of it: nothing where the device answered the last time."""
    if circuit is None:
        return {}
    document: Document = {"state": "closed", "failures": circuit.failures}
    if circuit.open_until is not None:
        document["state"] = "open" if circuit.open_until > now else "half-open"
        document["open-until"] = to_rfc3339(circuit.open_until)
    return {"circuit": document}
