"""Alarms about devices, raised and cleared where the store learns that it is so: by silence, results and reads; and the
one about the breaker, which lives in the store."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.service.alarms import CONTROLLER, clear_alarm, of_device, raise_alarm
from casm_ctrl.service.lookup import the_device
from casm_ctrl.store import observations
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DeviceRow
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.transaction import Transaction

_SURELY = 3
"""Runs in which a device does not answer, one after the other, before that is major."""
_CONFLICTS = frozenset({"zombie", "other-store"})
"""Findings that are addresses on two owners, or about to be, also where they touch no block now."""


def note_silence(tx: Transaction, device: str, failures: int, error: str) -> None:
    """A device did not answer, in so many runs one after the other."""
    severity = "major" if failures >= _SURELY else "warning"
    raise_alarm(tx, of_device(device), "device-unreachable", severity, f"it does not answer: {error}")


def note_answer(tx: Transaction, device: str) -> None:
    clear_alarm(tx, of_device(device), "device-unreachable", "it answers")


def note_breaker(tx: Transaction, reason: str | None) -> None:
    """All automatic changes were stopped, or go on (None)."""
    if reason is not None:
        raise_alarm(tx, CONTROLLER, "automation-stopped", "major", reason)
    else:
        clear_alarm(tx, CONTROLLER, "automation-stopped", "automatic changes go on")


def note_result(tx: Transaction, device: DeviceRow, state: str, error: str | None) -> None:
    """How a visit ended that was to make the device hold what is wanted; not for one that did not answer."""
    resource = of_device(device.name)
    if error is not None:
        if state == "failed":
            raise_alarm(tx, resource, "out-of-sync", "major", f"it does not hold what is wanted: {error}")
        return
    clear_alarm(tx, resource, "out-of-sync", "the last run ended well")
    if state == "in-sync" and not _of_kind(observations.list_findings(tx, device_id=device.id), "drift"):
        clear_alarm(tx, resource, "drift", "it holds what is wanted")


def note_findings(tx: Transaction, device: DeviceRow, vanished: Sequence[str]) -> None:
    """After a read was stored. `vanished`: blocks that somebody took away."""
    resource = of_device(device.name)
    found = observations.list_findings(tx, device_id=device.id)
    conflicts = [finding for finding in found if finding.holds or finding.kind in _CONFLICTS]
    if conflicts:
        raise_alarm(tx, resource, "address-conflict", "critical", _words([f.words for f in conflicts]))
    else:
        clear_alarm(tx, resource, "address-conflict", "all that it serves is its own")
    drifted = [*vanished, *(finding.words for finding in _of_kind(found, "drift"))]
    if drifted:
        raise_alarm(tx, resource, "drift", "minor", _words(drifted))


def note_drift(database: Database, device: str, drifted: Sequence[str]) -> None:
    """A look for drift found so much, or nothing."""
    resource = of_device(device)
    with database.read() as tx:
        the_device(tx, device)

    def body(tx: Transaction) -> None:
        if drifted:
            raise_alarm(tx, resource, "drift", "minor", _words(drifted))
        else:
            clear_alarm(tx, resource, "drift", "nothing differs from what was put there")

    database.run(body)


def _of_kind(findings: Sequence[FindingRow], kind: str) -> list[FindingRow]:
    return [finding for finding in findings if finding.kind == kind]


def _words(words: Sequence[str]) -> str:
    """The first, and how many more there are."""
    return words[0] if len(words) == 1 else f"{words[0]}; and {len(words) - 1} more"
