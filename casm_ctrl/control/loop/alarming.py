"""The one place where the loop raises and clears alarms, in the transactions in which it learns of them."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.identifiers import block_id
from casm_ctrl.base.readings import Accepted, Refused
from casm_ctrl.service import alarm_causes
from casm_ctrl.service.alarms import clear_alarm, of_device, of_device_pool, raise_alarm
from casm_ctrl.store.transaction import Transaction

OF_POOLS = {
    "pool-low": "minor",
    "pool-exhausted": "major",
    "decision-blocked": "minor",
    "drain-overdue": "minor",
}
"""Types of alarms that a decision may call for, with their severity: those that it does not call for are over."""
SILENT = 3
"""Looks in a row that fail until a device counts as unreachable."""


def tell_decision(tx: Transaction, label: str, wanted: str | None, because: str) -> None:
    """The alarms of a device pool are the one that its decision calls for, and no other of OF_POOLS."""
    resource = of_device_pool(label)
    for kind, severity in OF_POOLS.items():
        if kind == wanted:
            raise_alarm(tx, resource, kind, severity, because)
        else:
            clear_alarm(tx, resource, kind, because)


def tell_readings(
    tx: Transaction, device: str, believed: Sequence[Accepted], refused: Sequence[Refused]
) -> None:
    """Readings that were refused, or that show that the device restarted or that it did not."""
    resource = of_device(device)
    if refused:
        raise_alarm(tx, resource, "bad-reading", "minor", refused[-1].reason)
    elif unseen := sorted({block for accepted in believed for block in accepted.reading.unseen}):
        blocks = ", ".join(map(block_id, unseen))
        words = f"its reports leave out {blocks}: their device pools are not watched"
        raise_alarm(tx, resource, "bad-reading", "minor", words)
    elif believed:
        clear_alarm(tx, resource, "bad-reading", "its readings are believed again")
    if any(accepted.restarted for accepted in believed):
        raise_alarm(
            tx, resource, "device-restarted", "warning", "it restarted, and its subscribers come back"
        )
    elif believed:
        clear_alarm(tx, resource, "device-restarted", "it has been up since the last reading")


def tell_silence(tx: Transaction, device: str, failures: int, error: str) -> None:
    """It could not be looked at."""
    if failures >= SILENT:
        alarm_causes.note_silence(tx, device, failures, error)


def tell_answer(tx: Transaction, device: str) -> None:
    """It answers again."""
    alarm_causes.note_answer(tx, device)
