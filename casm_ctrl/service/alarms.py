"""Alarms (RFC 8632): raised and cleared by what the controller finds, in the transaction in which it finds it.

An alarm is a state, not an event: it is one for each resource, type and qualifier, however often it is raised. To
raise it again as it is changes nothing, so whoever looks may say each time what is so. Each change is a row of the
audit, which is what notifications are made of, and a line of the log.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.service.alarm_control import Control, read_control
from casm_ctrl.service.alarm_resources import CONTROLLER as CONTROLLER
from casm_ctrl.service.alarm_resources import of_device as of_device
from casm_ctrl.service.alarm_resources import of_device_pool as of_device_pool
from casm_ctrl.service.alarm_resources import of_pool as of_pool
from casm_ctrl.service.alarm_types import CLEARED, SEVERITIES, TYPES
from casm_ctrl.store import alarms as store
from casm_ctrl.store.alarms import AlarmRow, OperatorChange, StatusChange
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction

KIND = "alarm"
"""Of the subject of its rows in the audit: `subject` is RESOURCE TYPE [QUALIFIER]."""
TOLD, UNTOLD, OPERATOR = "alarm", "alarm-untold", "alarm-operator"
"""Verbs: others are told; they are not, for it is shelved or they want no such change; somebody acted on an alarm."""

TEXT_PAUSE, NUMBERS_PAUSE = 60, 3600
"""Seconds for which a text stays when it alone changes; the longer where only numbers in it do. They may at each look,
and each change is a row of the audit, a notification and a line of the log."""
WORDS_KEPT = 100
"""What operators said of one alarm: so many are kept."""

_RESOURCES = {"device": of_device, "device-pool": of_device_pool, "pool": of_pool}
_CONTROLLER = Author("controller")
_log = logging.getLogger(__name__)


def raise_alarm(
    tx: Transaction, resource: str, type_id: str, severity: str, text: str, qualifier: str = ""
) -> bool:
    """Raise the alarm, or change its severity or text; False where that is how it is already.

    `resource` is what `of_device`, `of_device_pool` or `of_pool` make, or CONTROLLER. A text that changed within
    TEXT_PAUSE seconds of the last change, and nothing else did, waits: the next raise after that brings it. Where only
    its numbers changed, NUMBERS_PAUSE.
    """
    assert type_id in TYPES, type_id
    assert severity in SEVERITIES, severity
    found = store.find_alarm(tx, resource, type_id, qualifier)
    if found is None:
        made = store.insert_alarm(
            tx, resource=resource, type_id=type_id, qualifier=qualifier, severity=severity, text=text
        )
        _changed(tx, None, made, severity, tx.now)
        return True
    just_text = not found.is_cleared and found.severity == severity
    if just_text and (found.text == text or tx.now - found.changed_at < _pause(found.text, text) * SECOND):
        return False
    at = next_change(tx, found)
    raised = at if found.is_cleared else found.raised_at
    after = replace(found, severity=severity, is_cleared=False, text=text, raised_at=raised, changed_at=at)
    _changed(tx, found, after, severity, at)
    return True


def _pause(before: str, after: str) -> int:
    return NUMBERS_PAUSE if _without_numbers(before) == _without_numbers(after) else TEXT_PAUSE


def _without_numbers(text: str) -> list[str]:
    """Its words but those with a figure: counts, times, blocks."""
    return [word for word in text.split() if not any(letter.isdigit() for letter in word)]


def clear_alarm(tx: Transaction, resource: str, type_id: str, text: str, qualifier: str = "") -> bool:
    """What it was raised for is over. False where it is not raised."""
    assert type_id in TYPES, type_id
    found = store.find_alarm(tx, resource, type_id, qualifier)
    if found is None or found.is_cleared:
        return False
    _clear(tx, found, text)
    return True


def clear_removed(tx: Transaction, kind: str, name: str) -> None:
    """A thing is no more: nothing of it, or of what was in it, is to be done."""
    resource = _RESOURCES.get(kind)
    if resource is None:
        return
    for found in store.open_below(tx, resource(name)):
        _clear(tx, found, "it was removed from the configuration")


def clear_others(tx: Transaction, type_id: str, besides: set[str], text: str, *, within: str = "") -> None:
    """Clear the alarms of a type on all resources but those in `besides`; `within`: how they begin."""
    for found in store.open_alarms(tx, type_id):
        if found.resource not in besides and found.resource.startswith(within):
            _clear(tx, found, text)


def _clear(tx: Transaction, found: AlarmRow, text: str) -> None:
    at = next_change(tx, found)
    _changed(tx, found, replace(found, is_cleared=True, text=text, changed_at=at), CLEARED, at)


def next_change(tx: Transaction, found: AlarmRow) -> Micros:
    """The time of a change: no two of an alarm have the same, and none is before another that it follows."""
    return Micros(max(tx.now, found.changed_at + 1))


def _changed(tx: Transaction, before: AlarmRow | None, after: AlarmRow, severity: str, at: Micros) -> None:
    """Keep a change, put the alarm on or off a shelf, and tell."""
    control = read_control(tx)
    if before is not None:
        store.set_status(
            tx,
            after.id,
            severity=after.severity,
            is_cleared=after.is_cleared,
            text=after.text,
            raised_at=after.raised_at,
            at=at,
        )
    store.add_status(tx, after.id, StatusChange(at, severity, after.text), control.keep)
    after = put_on_shelf(tx, control, after, "controller")
    was = None if before is None else CLEARED if before.is_cleared else before.severity
    told = after.shelf is None and control.tells(was, severity)
    verb = TOLD if told else UNTOLD
    record(tx, _CONTROLLER, [Event(verb, KIND, after.id, subject_of(after), was, severity, after.text)])
    store.note_changed(tx, store.ALARMS if after.shelf is None else store.SHELVED)
    level = logging.INFO if after.shelf is not None else logging.WARNING
    tx.afterwards.append(lambda: _log.log(level, "%s", line_of(after, severity)))


def put_on_shelf(tx: Transaction, control: Control, alarm: AlarmRow, operator: str) -> AlarmRow:
    """Move an alarm to the list in which its shelf puts it (RFC 8632, 4.1.1): nobody is told of those on a shelf,
    but that one came back is told."""
    shelf = control.shelf_of(alarm.resource, alarm.type_id, alarm.qualifier, alarm.severity)
    if shelf == alarm.shelf:
        return alarm
    state, text = ("shelved", shelf or "") if shelf is not None else ("un-shelved", alarm.shelf or "")
    change = OperatorChange(next_change(tx, alarm), operator, state, f"shelf {text}")
    store.set_operator_state(tx, alarm.id, change, shelf, WORDS_KEPT)
    after = replace(alarm, operator_state=state, shelf=shelf, changed_at=change.at)
    verb = OPERATOR if shelf is None else UNTOLD
    source = alarm.operator_state
    record(tx, Author(operator), [Event(verb, KIND, alarm.id, subject_of(alarm), source, state, change.text)])
    for name in (store.ALARMS, store.SHELVED):
        store.note_changed(tx, name)
    return after


def shelve_again(tx: Transaction, operator: str) -> None:
    """The shelves changed: put each alarm where it belongs now."""
    control = read_control(tx)
    for alarm in store.list_alarms(tx, shelved=None):
        put_on_shelf(tx, control, alarm, operator)


def subject_of(alarm: AlarmRow) -> str:
    """What the audit calls an alarm."""
    return f"{alarm.resource} {alarm.type_id} {alarm.qualifier}".rstrip()


def line_of(alarm: AlarmRow, severity: str) -> str:
    """A change as a line of the log: words that programs find too, and the text at its end."""
    what = "cleared" if severity == CLEARED else "raised"
    qualifier = f" qualifier={alarm.qualifier}" if alarm.qualifier else ""
    shelf = f" shelf={alarm.shelf}" if alarm.shelf is not None else ""
    return (
        f"alarm {what}: id=a{alarm.id} type={alarm.type_id}{qualifier} severity={severity}"
        f" resource={alarm.resource}{shelf} text={alarm.text}"
    )
