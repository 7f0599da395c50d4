"""What is told of a row of the audit that is about an alarm (RFC 8632, 4.8)."""

from __future__ import annotations

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.alarms.names import TOP, add_keys, add_leafs, al
from casm_ctrl.northbound.notifications.names import add, element
from casm_ctrl.service import alarms
from casm_ctrl.service.alarm_resources import words_of
from casm_ctrl.store.events import EventRow


def tell_alarm(event: EventRow) -> list[Element]:
    """alarm-notification of a change of status, operator-action of what somebody did; nothing of shelved alarms, and of
    changes that are not to be told."""
    if event.verb not in (alarms.TOLD, alarms.OPERATOR):
        return []
    resource, type_id, qualifier = f"{event.subject}  ".split(" ", 2)
    if event.verb == alarms.TOLD:
        told = element(al("alarm-notification"))
        add_keys(told, resource, type_id, qualifier.strip())
        add(told, "alt-resource", words_of(resource))
        add_leafs(
            told,
            {
                "time": to_rfc3339(event.at),
                "perceived-severity": event.target,
                "alarm-text": event.reason or "",
            },
            ("time", "perceived-severity", "alarm-text"),
        )
        return [told]
    told = element(TOP)
    entry = add(add(told, "alarm-list"), "alarm")
    add_keys(entry, resource, type_id, qualifier.strip())
    values = {"time": to_rfc3339(event.at), "operator": event.actor, "state": event.target}
    if event.reason:
        values["text"] = event.reason
    add_leafs(add(entry, "operator-action"), values, ("time", "operator", "state", "text"))
    return [told]
