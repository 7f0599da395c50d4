"""/control-status as it is now: who runs the control loop, the breaker, holds, and the devices that are watched."""

from __future__ import annotations

from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.alarms.names import add_leafs
from casm_ctrl.northbound.notifications.names import add, element
from casm_ctrl.service import control_state
from casm_ctrl.service.control_settings import NAMESPACE
from casm_ctrl.store.database import Database

TOP = f"{{{NAMESPACE}}}control-status"

_LISTS = {
    "controller": ("name", "started", "expires", "devices"),
    "hold": ("kind", "subject", "since", "actor", "reason"),
    "decision": ("action", "count"),
    "device": (
        "name",
        "watched-by",
        "last-poll",
        "next-poll",
        "hot",
        "failures",
        "error",
        "started-at",
    ),
}
"""The leafs of each list, keys first."""
_BREAKER = ("state", "since", "reason")


def control_status(database: Database) -> Element:
    """The whole node, from one snapshot; no device is asked."""
    found = control_state.status(database)["control"]
    top = element(TOP)
    _add_list(top, "controller", found["controller"])
    add_leafs(add(top, "breaker"), found["breaker"], _BREAKER)
    # A hold on everything has no subject, and an entry of a list has all its keys (RFC 7950, 7.8.2).
    _add_list(top, "hold", [{"subject": "", **row} for row in found["hold"]])
    _add_list(top, "decision", found["decision"])
    _add_list(top, "device", found["device"])
    return top


def _add_list(top: Element, name: str, rows: list[dict[str, object]]) -> None:
    for row in rows:
        add_leafs(add(top, name), row, _LISTS[name])
