"""/alarms as it is now: what is configured, the inventory, the summary, and the two lists."""

from __future__ import annotations

import copy

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.alarms.names import TOP, add_keys, add_leafs, al
from casm_ctrl.northbound.notifications.names import add, element
from casm_ctrl.service.alarm_control import OURS
from casm_ctrl.service.alarm_resources import NAMESPACES, words_of
from casm_ctrl.service.alarm_types import (
    CONTROLLER,
    DEVICE,
    DEVICE_POOL,
    MODULE,
    POOL,
    TYPES,
)
from casm_ctrl.service.alarm_views import document_of, summary
from casm_ctrl.store import alarms as store
from casm_ctrl.store.alarms import AlarmRow, OperatorChange, StatusChange
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction

_MATCHES = {
    DEVICE: ("casm-devices", "/casm-devices:devices/casm-devices:device"),
    DEVICE_POOL: ("casm-devices", "/casm-devices:devices/casm-devices:device/casm-devices:device-pool"),
    POOL: ("casm-pools", "/casm-pools:pools/casm-pools:pool"),
    CONTROLLER: ("casm-control", "/casm-control:control"),
}
"""What each kind of resource is, as an expression (RFC 8632, resource-match), and the module in it."""
_SUMMARY = (
    "severity",
    "total",
    "not-cleared",
    "cleared",
    "cleared-not-closed",
    "cleared-closed",
    "not-cleared-closed",
    "not-cleared-not-closed",
)
_STATUS = ("is-cleared", "last-raised", "last-changed", "perceived-severity", "alarm-text")


def alarms_data(database: Database, configured: Element | None) -> Element:
    """The whole node; `configured` is what of it is configuration, which is not changed."""
    top = element(TOP)
    for child in () if configured is None else configured.iterchildren("*"):
        top.append(copy.deepcopy(child))
    _add_inventory(top)
    with database.read() as tx:
        _add_summary(tx, top)
        _add_list(tx, top, shelved=False)
        _add_list(tx, top, shelved=True)
    return top


def _add_inventory(top: Element) -> None:
    inventory = add(top, "alarm-inventory")
    for name, kind in TYPES.items():
        entry = add(inventory, "alarm-type")
        entry.append(element(al("alarm-type-id"), f"{MODULE}:{name}", {MODULE: OURS}))
        add(entry, "alarm-type-qualifier", "")
        for resource in kind.resources:
            module, expression = _MATCHES[resource]
            entry.append(element(al("resource"), expression, {module: NAMESPACES[module]}))
        add(entry, "will-clear", "true")
        for severity in kind.severities:
            add(entry, "severity-level", severity)
        add(entry, "description", kind.description)


def _add_summary(tx: Transaction, top: Element) -> None:
    made = add(top, "summary")
    for row in summary(tx):
        add_leafs(add(made, "alarm-summary"), row, _SUMMARY)
    if store.count_shelved(tx):
        add(made, "shelves-active")


def _add_list(tx: Transaction, top: Element, *, shelved: bool) -> None:
    rows = store.list_alarms(tx, shelved=shelved)
    changed = store.list_changed(tx, store.SHELVED if shelved else store.ALARMS)
    numbers = [row.id for row in rows]
    changes, operators = store.status_changes(tx, numbers), store.operator_changes(tx, numbers)
    made = add(top, "shelved-alarms" if shelved else "alarm-list")
    add(made, "number-of-shelved-alarms" if shelved else "number-of-alarms", str(len(rows)))
    if changed is not None:
        add(made, "shelved-alarms-last-changed" if shelved else "last-changed", to_rfc3339(changed))
    for row in rows:
        _add_alarm(made, row, changes[row.id], operators[row.id])


def _add_alarm(
    parent: Element, row: AlarmRow, changes: list[StatusChange], operators: list[OperatorChange]
) -> None:
    document = document_of(row, changes=changes, operators=operators)
    made = add(parent, "alarm" if row.shelf is None else "shelved-alarm")
    add_keys(made, row.resource, row.type_id, row.qualifier)
    add(made, "alt-resource", words_of(row.resource))
    add_leafs(made, document, ("time-created" if row.shelf is None else "shelf-name", *_STATUS))
    for each in document["status-change"]:
        add_leafs(add(made, "status-change"), each, ("time", "perceived-severity", "alarm-text"))
    for each in document["operator-state-change"]:
        add_leafs(add(made, "operator-state-change"), each, ("time", "operator", "state", "text"))
    add(made, f"{{{OURS}}}id", document["id"])
