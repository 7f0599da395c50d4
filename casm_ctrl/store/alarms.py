"""Rows of alarms (RFC 8632): one for each resource, type and qualifier, with what became of it and who acted on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from casm_ctrl.base.clock import Micros
from casm_ctrl.store.transaction import Row, Transaction

ALARMS, SHELVED = "alarms", "shelved"
"""The two lists: an alarm is in one of them."""

AT_ONCE = 500
"""Alarms whose changes are read with one statement."""


@dataclass(frozen=True)
class AlarmRow:
    """`severity` stays what it was where it is cleared. `changed_at`: its status, or what operators say of it."""

    id: int
    resource: str
    type_id: str
    qualifier: str
    severity: str
    is_cleared: bool
    text: str
    created_at: Micros
    raised_at: Micros
    changed_at: Micros
    operator_state: str
    shelf: str | None


@dataclass(frozen=True)
class StatusChange:
    """`severity` may be cleared."""

    at: Micros
    severity: str
    text: str


@dataclass(frozen=True)
class OperatorChange:
    at: Micros
    operator: str
    state: str
    text: str


_COLUMNS = (
    "id, resource, type_id, qualifier, severity, is_cleared, text, created_at, raised_at, changed_at,"
    " operator_state, shelf"
)


def _alarm(row: Row) -> AlarmRow:
    values = list(row)
    values[5] = bool(values[5])
    return AlarmRow(*values)


def find_alarm(tx: Transaction, resource: str, type_id: str, qualifier: str) -> AlarmRow | None:
    """For who changes it then: others wait."""
    beside = " FOR UPDATE" if tx.shares else ""
    row = tx.first(
        f"SELECT {_COLUMNS} FROM alarm WHERE resource = :resource AND type_id = :type AND qualifier = :qualifier"
        f"{beside}",
        resource=resource,
        type=type_id,
        qualifier=qualifier,
    )
    return None if row is None else _alarm(row)


def get_alarm(tx: Transaction, number: int) -> AlarmRow | None:
    row = tx.first(f"SELECT {_COLUMNS} FROM alarm WHERE id = :id", id=number)
    return None if row is None else _alarm(row)


def list_alarms(tx: Transaction, *, shelved: bool | None = False, most: int | None = None) -> list[AlarmRow]:
    """Those of the list of alarms, or with `shelved` of the other; None: both. Those that last changed come first."""
    where = "" if shelved is None else f" WHERE shelf IS {'NOT ' if shelved else ''}NULL"
    limit = "" if most is None else f" LIMIT {most:d}"
    rows = tx.all(f"SELECT {_COLUMNS} FROM alarm{where} ORDER BY changed_at DESC, id DESC{limit}")
    return [_alarm(row) for row in rows]


def open_alarms(tx: Transaction, type_id: str) -> list[AlarmRow]:
    """Those of a type that are not cleared."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM alarm WHERE is_cleared = 0 AND type_id = :type ORDER BY resource",
        type=type_id,
    )
    return [_alarm(row) for row in rows]


def open_below(tx: Transaction, resource: str) -> list[AlarmRow]:
    """Those of a resource, or of what is in it, that are not cleared."""
    rows = tx.all(
        f"SELECT {_COLUMNS} FROM alarm WHERE is_cleared = 0"
        " AND (resource = :resource OR substr(resource, 1, :length) = :inside) ORDER BY id",
        resource=resource,
        length=len(resource) + 1,
        inside=f"{resource}/",
    )
    return [_alarm(row) for row in rows]


def insert_alarm(
    tx: Transaction,
    *,
    resource: str,
    type_id: str,
    qualifier: str,
    severity: str,
    text: str,
) -> AlarmRow:
    """A new one, raised now."""
    number = tx.insert(
        "INSERT INTO alarm (resource, type_id, qualifier, severity, is_cleared, text, created_at, raised_at,"
        " changed_at, operator_state) VALUES (:resource, :type, :qualifier, :severity, 0, :text, :now, :now, :now,"
        " 'none') RETURNING id",
        resource=resource,
        type=type_id,
        qualifier=qualifier,
        severity=severity,
        text=text,
        now=tx.now,
    )
    found = get_alarm(tx, number)
    assert found is not None
    return found


def set_status(
    tx: Transaction, number: int, *, severity: str, is_cleared: bool, text: str, raised_at: Micros, at: Micros
) -> None:
    tx.run(
        "UPDATE alarm SET severity = :severity, is_cleared = :cleared, text = :text, raised_at = :raised,"
        " changed_at = :at WHERE id = :id",
        severity=severity,
        cleared=int(is_cleared),
        text=text,
        raised=raised_at,
        at=at,
        id=number,
    )


def add_status(tx: Transaction, number: int, change: StatusChange, keep: int | None) -> None:
    """Note a change, and forget the oldest where there are more than `keep`."""
    tx.run(
        "INSERT INTO alarm_status (alarm_id, at, severity, text) VALUES (:id, :at, :severity, :text)",
        id=number,
        at=change.at,
        severity=change.severity,
        text=change.text,
    )
    if keep is not None:
        forget_status(tx, number, keep)


def forget_status(tx: Transaction, number: int, keep: int) -> int:
    """Forget all but the newest `keep` changes of an alarm; returns how many were forgotten."""
    return tx.run(
        "DELETE FROM alarm_status WHERE alarm_id = :id AND at NOT IN"
        " (SELECT at FROM alarm_status WHERE alarm_id = :id ORDER BY at DESC LIMIT :keep)",
        id=number,
        keep=keep,
    )


def set_operator_state(
    tx: Transaction, number: int, change: OperatorChange, shelf: str | None, keep: int
) -> None:
    """What is said of an alarm from now on, and the shelf that it is on; of older words `keep` stay."""
    tx.run(
        "UPDATE alarm SET operator_state = :state, shelf = :shelf, changed_at = :at WHERE id = :id",
        state=change.state,
        shelf=shelf,
        at=change.at,
        id=number,
    )
    tx.run(
        "INSERT INTO alarm_operator (alarm_id, at, operator, state, text)"
        " VALUES (:id, :at, :operator, :state, :text)",
        id=number,
        at=change.at,
        operator=change.operator,
        state=change.state,
        text=change.text,
    )
    tx.run(
        "DELETE FROM alarm_operator WHERE alarm_id = :id AND at NOT IN"
        " (SELECT at FROM alarm_operator WHERE alarm_id = :id ORDER BY at DESC LIMIT :keep)",
        id=number,
        keep=keep,
    )


def status_changes(tx: Transaction, numbers: Collection[int]) -> dict[int, list[StatusChange]]:
    """By alarm, the newest first."""
    found: dict[int, list[StatusChange]] = {number: [] for number in numbers}
    for row in _of(tx, "severity, text FROM alarm_status", list(numbers)):
        found[row[0]].append(StatusChange(Micros(row[1]), row[2], row[3]))
    return found


def operator_changes(tx: Transaction, numbers: Collection[int]) -> dict[int, list[OperatorChange]]:
    """By alarm, the newest first."""
    found: dict[int, list[OperatorChange]] = {number: [] for number in numbers}
    for row in _of(tx, "operator, state, text FROM alarm_operator", list(numbers)):
        found[row[0]].append(OperatorChange(Micros(row[1]), row[2], row[3], row[4]))
    return found


def _of(tx: Transaction, columns: str, numbers: list[int]) -> Iterator[Row]:
    for begin in range(0, len(numbers), AT_ONCE):
        listed = ", ".join(str(int(number)) for number in numbers[begin : begin + AT_ONCE])
        yield from tx.all(
            f"SELECT alarm_id, at, {columns} WHERE alarm_id IN ({listed}) ORDER BY alarm_id, at DESC"
        )


def delete_alarm(tx: Transaction, number: int) -> None:
    tx.run("DELETE FROM alarm WHERE id = :id", id=number)


def note_changed(tx: Transaction, name: str) -> None:
    """The list `name` changed now."""
    tx.run(
        "INSERT INTO alarm_list (name, changed_at) VALUES (:name, :now)"
        " ON CONFLICT (name) DO UPDATE SET changed_at = :now",
        name=name,
        now=tx.now,
    )


def list_changed(tx: Transaction, name: str) -> Micros | None:
    """When the list last changed; None: never."""
    row = tx.first("SELECT changed_at FROM alarm_list WHERE name = :name", name=name)
    return None if row is None else Micros(row[0])


def count_alarms(tx: Transaction) -> list[tuple[str, bool, bool, int]]:
    """Of those that are not shelved: (severity, cleared, closed, how many)."""
    rows = tx.all(
        "SELECT severity, is_cleared, CASE WHEN operator_state = 'closed' THEN 1 ELSE 0 END, COUNT(*) FROM alarm"
        " WHERE shelf IS NULL GROUP BY 1, 2, 3"
    )
    return [(row[0], bool(row[1]), bool(row[2]), int(row[3])) for row in rows]


def count_shelved(tx: Transaction) -> int:
    return int(tx.one("SELECT COUNT(*) FROM alarm WHERE shelf IS NOT NULL")[0])
