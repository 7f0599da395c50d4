"""What is told of a row of the audit: our own notification, and that of RFC 6470 where it has one.

A row that nothing else fits is told as a request that was done: so nothing of the audit is kept back, and a verb
that is new needs no line here.
"""

from __future__ import annotations

import re

from casm_ctrl.base.clock import SECOND, from_rfc3339, to_rfc3339
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.northbound.alarms.telling import tell_alarm
from casm_ctrl.northbound.notifications.names import NETCONF_NOTIFICATIONS, add, element, ev
from casm_ctrl.northbound.notifications.subjects import changed_node
from casm_ctrl.service import alarms
from casm_ctrl.store.event_feed import FeedRow
from casm_ctrl.store.events import EventRow

TOLD = frozenset(
    (
        *map(
            ev,
            (
                "block-transition",
                "block-changed",
                "configuration-changed",
                "device-synchronized",
                "finding-raised",
                "drift-found",
                "device-identity-changed",
                "request-done",
                "usage-threshold-crossed",
            ),
        ),
        *(
            f"{{{NETCONF_NOTIFICATIONS}}}{name}"
            for name in (
                "netconf-config-change",
                "netconf-session-start",
                "netconf-session-end",
                "netconf-confirmed-commit",
            )
        ),
    )
)
"""The notifications that rows of the audit become, for a check that none of the model's is missing."""

_CONFIGURED = frozenset(
    ("space", "pool", "group", "quota", "document", "control", "access-group", "device-pool")
)
"""Kinds of which every row is a change of configuration; a device's are told apart by their verb."""
_SYNCHRONIZED = frozenset(("apply", "adopt"))
_IDENTITY = frozenset(("identity-changed", "device-serial"))
_THRESHOLD = "usage-threshold"


def tell(row: FeedRow) -> list[Element]:
    """The notifications that a row becomes, ours first; none for a row that is nobody's business."""
    event = row.event
    if event.subject_kind == alarms.KIND:
        return tell_alarm(event)
    if event.subject_kind == "session":
        return _tell_session(event)
    if event.verb == "confirmed-commit":
        return [_tell_confirmed_commit(event)]
    if event.subject_kind == "block":
        return [_tell_block(row)]
    if event.verb == _THRESHOLD:
        return [_tell_threshold(event)]
    if event.subject_kind == "device" and not event.verb.startswith("device-"):
        return [_tell_device(event)]
    if event.verb in _IDENTITY:
        return [_about_device("device-identity-changed", event)]
    if event.subject_kind in (*_CONFIGURED, "device") and event.verb != "allocate":
        return [_tell_configuration(event), _tell_config_change(event)]
    return [_with_subject("request-done", event)]


# --- Ours -----------------------------------------------------------------------------------------


def _occasion(name: str, event: EventRow) -> Element:
    told = element(ev(name))
    add(told, "sequence", str(event.seq))
    add(told, "time", to_rfc3339(event.at))
    add(told, "actor", printable(event.actor))
    if event.request_id is not None:
        add(told, "request-id", printable(event.request_id))
    if event.reason:
        add(told, "reason", printable(event.reason))
    add(told, "verb", printable(event.verb))
    return told


def _tell_block(row: FeedRow) -> Element:
    event = row.event
    source, target = event.source or "free", event.target or "free"
    told = _occasion("block-changed" if source == target else "block-transition", event)
    add(told, "block", block_id(event.subject_id))
    prefix = event.subject.partition(" ")[2]
    for name, text in (
        ("prefix", prefix),
        ("pool", row.pool),
        ("device", row.device),
        ("device-pool", row.device_pool),
    ):
        if text:
            add(told, name, text)
    if source == target:
        add(told, "state", target)
    else:
        add(told, "from-state", source)
        add(told, "to-state", target)
    return told


def _tell_device(event: EventRow) -> Element:
    if event.verb in _SYNCHRONIZED:
        return _about_device("device-synchronized", event)
    if event.verb in _IDENTITY:
        return _about_device("device-identity-changed", event)
    if event.verb == "drift":
        return _about_device("drift-found", event)
    told = _about_device("finding-raised", event)
    add(told, "finding", printable(event.verb))
    return told


def _about_device(name: str, event: EventRow) -> Element:
    told = _occasion(name, event)
    add(told, "device", event.subject)
    return told


def _with_subject(name: str, event: EventRow) -> Element:
    told = _occasion(name, event)
    add(told, "subject-kind", event.subject_kind)
    add(told, "subject", printable(event.subject))
    return told


def _tell_configuration(event: EventRow) -> Element:
    told = _with_subject("configuration-changed", event)
    if event.revision is not None:
        add(told, "revision", str(event.revision))
    return told


def _tell_threshold(event: EventRow) -> Element:
    told = _occasion("usage-threshold-crossed", event)
    device, _, device_pool = event.subject.partition("/")
    add(told, "device", device)
    add(told, "device-pool", device_pool)
    add(told, "level", event.target or "normal")
    return told


# --- RFC 6470 -------------------------------------------------------------------------------------


def _standard(name: str) -> Element:
    return element(f"{{{NETCONF_NOTIFICATIONS}}}{name}")


def _tell_config_change(event: EventRow) -> Element:
    told = _standard("netconf-config-change")
    changed_by = add(told, "changed-by")
    add(changed_by, "username", printable(_username(event.actor)))
    # 0 is what the RFC has for changes that no session made.
    add(changed_by, "session-id", str(event.session_id or 0))
    add(told, "datastore", "running")
    node = changed_node(event)
    if node is not None:
        edit = add(told, "edit")
        edit.append(node.target(NETCONF_NOTIFICATIONS))
        add(edit, "operation", node.operation)
    return told


def _tell_session(event: EventRow) -> list[Element]:
    if event.verb not in ("session-start", "session-end"):
        return [_with_subject("request-done", event)]
    told = _standard(f"netconf-{event.verb}")
    _add_session(told, event.subject, event.subject_id)
    if event.verb == "session-end":
        killer = re.search(r"by session ([0-9]+)", event.reason)
        if killer:
            add(told, "killed-by", killer[1])
        add(told, "termination-reason", event.target or "other")
    return [told]


def _tell_confirmed_commit(event: EventRow) -> Element:
    told = _standard("netconf-confirmed-commit")
    if event.subject != "timeout":
        add(told, "username", printable(_username(event.actor)))
        add(told, "session-id", str(event.session_id or 0))
    add(told, "confirm-event", event.subject)
    until = re.match(r"until ([^ ,]+)", event.reason)
    if until and event.subject in ("start", "extend"):
        add(told, "timeout", str(round((from_rfc3339(until[1]) - event.at) / SECOND)))
    return told


def _add_session(told: Element, subject: str, number: int) -> None:
    """Who a session was, as `service.session_events` writes it: USER from HOST."""
    username, _, host = subject.rpartition(" from ")
    add(told, "username", printable(username))
    add(told, "session-id", str(number))
    if host:
        add(told, "source-host", host)


def _username(actor: str) -> str:
    return actor.removesuffix("@netconf")
