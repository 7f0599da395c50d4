"""What is told of alarms, under the leaf names of ietf-alarms: one snapshot of the store."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import NotFound
from casm_ctrl.service.alarm_control import qualified
from casm_ctrl.service.alarm_resources import device_of
from casm_ctrl.service.alarm_types import SEVERITIES, TYPES, check_type
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.verb import Document
from casm_ctrl.store import alarms as store
from casm_ctrl.store.alarms import AlarmRow, OperatorChange, StatusChange
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction


def list_alarms(
    database: Database,
    *,
    cleared: bool | None = False,
    shelved: bool | None = False,
    device: str | None = None,
    type_id: str | None = None,
) -> Document:
    """The alarms that are not cleared, the most severe first; `cleared` None: all, True: the others. `shelved`: those
    that are; None: both. And the summary of all that are not shelved.

    NotFound where there is no such device, InvalidValue where there is no such type.
    """
    if type_id is not None:
        check_type(type_id)
    with database.read() as tx:
        if device is not None:
            _check_device(tx, device)
        rows = [
            row
            for row in store.list_alarms(tx, shelved=shelved)
            if cleared in (None, row.is_cleared)
            and device in (None, device_of(row.resource))
            and type_id in (None, row.type_id)
        ]
        rows.sort(key=lambda row: (row.is_cleared, -SEVERITIES.index(row.severity)))
        said = store.operator_changes(tx, [row.id for row in rows])
        return {
            "alarm": [document_of(row, operators=said[row.id][:1]) for row in rows],
            "alarm-summary": summary(tx),
            "number-of-shelved-alarms": store.count_shelved(tx),
        }


def _check_device(tx: Transaction, name: str) -> None:
    """NotFound where there is no such device, and no alarm of one that was removed."""
    if all(device_of(row.resource) != name for row in store.list_alarms(tx, shelved=None)):
        the_device(tx, name)


def alarm_document(tx: Transaction, row: AlarmRow) -> Document:
    """One alarm with all that is kept of it."""
    changes = store.status_changes(tx, [row.id])[row.id]
    return document_of(row, changes=changes, operators=store.operator_changes(tx, [row.id])[row.id])


def document_of(
    row: AlarmRow,
    *,
    changes: Sequence[StatusChange] | None = None,
    operators: Sequence[OperatorChange] = (),
) -> Document:
    """`changes` None: the history of its status is left out."""
    document: Document = {
        "id": f"a{row.id}",
        "resource": row.resource,
        "alarm-type-id": qualified(row.type_id),
        "alarm-type-qualifier": row.qualifier,
        "time-created": to_rfc3339(row.created_at),
        "is-cleared": row.is_cleared,
        "last-raised": to_rfc3339(row.raised_at),
        "last-changed": to_rfc3339(row.changed_at),
        "perceived-severity": row.severity,
        "alarm-text": row.text,
    }
    if row.shelf is not None:
        document["shelf-name"] = row.shelf
    if changes is not None:
        document["status-change"] = [
            {"time": to_rfc3339(each.at), "perceived-severity": each.severity, "alarm-text": each.text}
            for each in changes
        ]
    document["operator-state-change"] = [
        {"time": to_rfc3339(each.at), "operator": each.operator, "state": each.state}
        | ({"text": each.text} if each.text else {})
        for each in operators
    ]
    return document


def summary(tx: Transaction) -> list[Document]:
    """By severity, the most severe first; of those that are not shelved."""
    counted = store.count_alarms(tx)
    found = []
    for severity in reversed(SEVERITIES):
        by_state = {(cleared, closed): n for each, cleared, closed, n in counted if each == severity}
        total = sum(by_state.values())
        if not total:
            continue
        closed, both = by_state.get((False, True), 0), by_state.get((True, True), 0)
        open_, left = by_state.get((False, False), 0), by_state.get((True, False), 0)
        found.append(
            {
                "severity": severity,
                "total": total,
                "not-cleared": open_ + closed,
                "cleared": left + both,
                "cleared-not-closed": left,
                "cleared-closed": both,
                "not-cleared-closed": closed,
                "not-cleared-not-closed": open_,
            }
        )
    return found


def show_alarm(database: Database, name: str) -> Document:
    """An alarm by its short name, with what became of it."""
    with database.read() as tx:
        row = the_alarm(tx, name)
        return {
            **alarm_document(tx, row),
            "description": TYPES[row.type_id].description,
        }


def the_alarm(tx: Transaction, name: str) -> AlarmRow:
    """By its short name, as a12; NotFound."""
    number = name[1:] if name.startswith("a") else ""
    found = store.get_alarm(tx, int(number)) if number.isascii() and number.isdigit() else None
    if found is None:
        raise NotFound(f"there is no alarm {name}", "list them with 'casm alarms --all'")
    return found
