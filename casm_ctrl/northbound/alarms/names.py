"""Names of ietf-alarms, and small builders of what is written in it."""

from __future__ import annotations

from collections.abc import Mapping

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.northbound.notifications.names import add, element
from casm_ctrl.service.alarm_control import NAMESPACE, OURS
from casm_ctrl.service.alarm_resources import in_xml
from casm_ctrl.service.alarm_types import MODULE

FEATURES = ("operator-actions", "alarm-shelving", "alarm-history", "alarm-summary")
"""Those that are done."""


def al(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


TOP = al("alarms")
TOLD = frozenset({al("alarm-notification")})
"""The notification at the top that is told."""
NEVER_TOLD = frozenset({al("alarm-inventory-changed")})
"""The types of alarms are the same from a server's start to its end."""


def add_keys(parent: Element, resource: str, type_id: str, qualifier: str) -> None:
    """What an alarm is known by. The prefixes of values are bound at their own leafs, for a filter may part them."""
    text, prefixes = in_xml(resource)
    parent.append(element(al("resource"), text, prefixes))
    parent.append(element(al("alarm-type-id"), f"{MODULE}:{type_id}", {MODULE: OURS}))
    add(parent, "alarm-type-qualifier", qualifier)


def add_leafs(parent: Element, values: Mapping[str, object], names: tuple[str, ...]) -> None:
    """Those of `values` that are there, in this order."""
    for name in names:
        if name in values:
            value = values[name]
            text = str(value).lower() if isinstance(value, bool) else printable(str(value))
            add(parent, name, text)
