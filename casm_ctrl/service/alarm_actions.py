"""What people do with alarms: say how far they are with one, purge them, and shorten their histories (RFC 8632, 3.5).

None of it changes what is so: an alarm that is closed, and still raised by the controller, stays so; one that is purged
comes back.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.service.alarm_control import ResourceMatch
from casm_ctrl.service.alarm_types import rank
from casm_ctrl.service.alarm_views import alarm_document, the_alarm
from casm_ctrl.service.alarms import KIND, OPERATOR, WORDS_KEPT, next_change, subject_of
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import alarms as store
from casm_ctrl.store.alarms import AlarmRow, OperatorChange
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction

STATES = ("none", "ack", "closed")
"""What an operator may say of an alarm."""


@dataclass(frozen=True)
class Chosen:
    """Which alarms are purged; what is not said does not matter (RFC 8632, 4.7). `cleared`: those that are, or are not.
    `older_than`: seconds since the last change. `below`, `equal`, `above`: of severity. `state`, `operator`: of the
    last that somebody said of it."""

    cleared: bool | None = None
    older_than: int | None = None
    below: str | None = None
    equal: str | None = None
    above: str | None = None
    state: str | None = None
    operator: str | None = None

    def matches(self, alarm: AlarmRow, last: OperatorChange | None, now: int) -> bool:
        severity = rank(alarm.severity)
        return (
            self.cleared in (None, alarm.is_cleared)
            and (self.older_than is None or now - alarm.changed_at > self.older_than * SECOND)
            and (self.below is None or severity < rank(self.below))
            and (self.equal is None or severity == rank(self.equal))
            and (self.above is None or severity > rank(self.above))
            and self.state in (None, alarm.operator_state)
            and (self.operator is None or (last is not None and last.operator == self.operator))
        )


def set_operator_state(database: Database, author: Author, name: str, state: str, text: str = "") -> Document:
    """Note what somebody says of an alarm, by its short name. NotFound where there is none, InvalidValue where it is
    shelved: those are nobody's (RFC 8632, 4.5). Others are told."""

    def body(tx: Transaction) -> Document:
        return _set(tx, author, the_alarm(tx, name), state, text)

    arguments = {"alarm": name, "state": state, "text": text}
    return perform(database, author, "set-operator-state", arguments, body)


def set_operator_state_of(
    database: Database, author: Author, key: tuple[str, str, str], state: str, text: str = ""
) -> Document:
    """The same, by resource, type and qualifier."""

    def body(tx: Transaction) -> Document:
        found = store.find_alarm(tx, *key)
        if found is None:
            raise NotFound(
                f"there is no alarm {' '.join(key).rstrip()}", "list them with 'casm alarms --all'"
            )
        return _set(tx, author, found, state, text)

    arguments = {"alarm": list(key), "state": state, "text": text}
    return perform(database, author, "set-operator-state", arguments, body)


def _set(tx: Transaction, author: Author, alarm: AlarmRow, state: str, text: str) -> Document:
    if state not in STATES:
        raise InvalidValue(f"'{state}' is no state of an operator", f"use {', '.join(STATES)}")
    if alarm.shelf is not None:
        raise InvalidValue(
            f"the alarm a{alarm.id} is on the shelf '{alarm.shelf}'",
            f"take the shelf away first, with 'casm alarms unshelve {alarm.shelf}'",
        )
    change = OperatorChange(next_change(tx, alarm), author.actor, state, text or author.reason)
    store.set_operator_state(tx, alarm.id, change, None, WORDS_KEPT)
    store.note_changed(tx, store.ALARMS)
    event = Event(OPERATOR, KIND, alarm.id, subject_of(alarm), alarm.operator_state, state, change.text)
    record(tx, author, [event])
    after = store.get_alarm(tx, alarm.id)
    assert after is not None
    return {"alarm": alarm_document(tx, after)}


def purge(database: Database, author: Author, chosen: Chosen, *, shelved: bool = False) -> Document:
    """Delete alarms from the list, or the shelved ones. What is still so appears again when it is found again."""

    def body(tx: Transaction) -> Document:
        rows = store.list_alarms(tx, shelved=shelved)
        said = store.operator_changes(tx, [row.id for row in rows]) if chosen.operator else {}
        gone = [row for row in rows if chosen.matches(row, next(iter(said.get(row.id, ())), None), tx.now)]
        for row in gone:
            store.delete_alarm(tx, row.id)
        if gone:
            store.note_changed(tx, store.SHELVED if shelved else store.ALARMS)
            words = ", ".join(f"a{row.id}" for row in gone[:20]) + (", …" if len(gone) > 20 else "")
            record(tx, author, [Event("alarm-purge", "request", 0, f"{len(gone)} alarm(s): {words}")])
        return {"purged-alarms": len(gone)}

    return perform(database, author, "purge-alarms", {**vars(chosen), "shelved": shelved}, body)


def compress(
    database: Database,
    author: Author,
    *,
    resource: ResourceMatch | None = None,
    type_id: str | None = None,
    qualifier: str | None = None,
    shelved: bool = False,
) -> Document:
    """Forget all but the last change of status of the alarms that match."""

    def body(tx: Transaction) -> Document:
        count = 0
        for row in store.list_alarms(tx, shelved=shelved):
            if (
                type_id in (None, row.type_id)
                and qualifier in (None, row.qualifier)
                and (resource is None or resource.matches(row.resource))
            ):
                count += store.forget_status(tx, row.id, 1) > 0
        if count:
            record(tx, author, [Event("alarm-compress", "request", 0, f"{count} alarm(s)")])
        return {"compressed-alarms": count}

    text = None if resource is None else resource.text
    arguments = {"resource": text, "type": type_id, "qualifier": qualifier, "shelved": shelved}
    return perform(database, author, "compress-alarms", arguments, body)
