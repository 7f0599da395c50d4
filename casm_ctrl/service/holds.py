"""The hold switch: what automation must not change until somebody says otherwise. Audited.

It is state and no configuration: it works at once, whoever has the configuration locked. What a person asks for
goes on: a hold is for the controller alone.
"""

from __future__ import annotations

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound
from casm_ctrl.service.lookup import the_device, the_device_pool, the_pool
from casm_ctrl.service.verb import Document, perform
from casm_ctrl.store import holds as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.holds import KINDS as KINDS
from casm_ctrl.store.holds import Hold as Hold
from casm_ctrl.store.transaction import Transaction


def holds_on(tx: Transaction, row: DevicePoolRow) -> tuple[Hold, ...]:
    """What keeps automation from changing a device pool; () where nothing does."""
    return tuple(store.holds_of(tx, row.id))


def hold(database: Database, author: Author, kind: str, subject: str | None = None) -> Document:
    """Hold all (`kind` all), or the device, pool or device pool `subject`. InvalidValue where the author says no
    reason. What is held already stays so since it was; who holds it, and why, is what is said now."""
    if not author.reason.strip():
        raise InvalidValue("a hold has no reason", "say why with --reason: others will want to know")

    def body(tx: Transaction) -> Document:
        number, name = _find(tx, kind, subject)
        return {"hold": hold_document(_put(tx, author, kind, number, name, author.reason))}

    return perform(database, author, "hold", {"kind": kind, "subject": subject}, body)


def add_hold(tx: Transaction, author: Author, kind: str, subject: str | None, reason: str) -> Hold:
    """A hold where there is none, in a transaction. InvalidValue, NotFound, AlreadyExists."""
    if not reason.strip():
        raise InvalidValue("a hold has no reason", "say why: others will want to know")
    if kind == "all" and subject is not None:
        raise InvalidValue(f"a hold on all is on '{subject}' too", "name its kind, or leave it out")
    number, name = _find(tx, kind, subject)
    if store.find_hold(tx, kind, number) is not None:
        raise AlreadyExists(f"{_words(kind, name)} is held already", "see 'casm holds'")
    return _put(tx, author, kind, number, name, reason)


def _put(tx: Transaction, author: Author, kind: str, number: int, name: str, reason: str) -> Hold:
    store.put_hold(tx, kind, number, actor=author.actor, reason=reason)
    made = store.find_hold(tx, kind, number)
    assert made is not None
    record(tx, author, [Event("hold", "hold", number, _words(kind, name), reason=reason)])
    return made


def unhold(database: Database, author: Author, kind: str, subject: str | None = None) -> Document:
    """End a hold; answers what it was. NotFound where there is none on that very thing: what else holds it is told."""

    def body(tx: Transaction) -> Document:
        number, name = _find(tx, kind, subject)
        found = store.find_hold(tx, kind, number)
        if found is None:
            others = ", ".join(one.words for one in store.list_holds(tx)[:5])
            what = "everything" if kind == "all" else f"{_words(kind, name)} itself"
            raise NotFound(
                f"there is no hold on {what} ({f'held: {others}' if others else 'nothing is held'})",
                "list them with 'casm holds'",
            )
        store.delete_hold(tx, kind, number)
        record(tx, author, [Event("unhold", "hold", number, found.words)])
        return {"hold": hold_document(found)}

    return perform(database, author, "unhold", {"kind": kind, "subject": subject}, body)


def list_holds(database: Database) -> list[Document]:
    """All holds, that on everything first."""
    with database.read() as tx:
        return held(tx)


def held(tx: Transaction) -> list[Document]:
    """The same, in a transaction."""
    return [hold_document(found) for found in store.list_holds(tx)]


def hold_document(found: Hold) -> Document:
    document: Document = {"kind": found.kind}
    if found.kind != "all":
        document["subject"] = found.subject
    return document | {"since": to_rfc3339(found.since), "actor": found.actor, "reason": found.reason}


def _find(tx: Transaction, kind: str, subject: str | None) -> tuple[int, str]:
    """The id and the name of what is named."""
    if kind not in KINDS:
        raise InvalidValue(f"'{kind}' cannot be held", f"hold {', '.join(KINDS)}")
    if kind == "all":
        return 0, ""
    if subject is None:
        raise InvalidValue(f"no {kind.replace('-', ' ')} is named", "say which")
    if kind == "device":
        device = the_device(tx, subject)
        return device.id, device.name
    if kind == "pool":
        pool = the_pool(tx, subject)
        return pool.id, pool.name
    row = the_device_pool(tx, subject)
    return row.id, row.label


def _words(kind: str, name: str) -> str:
    return f"{kind.replace('-', ' ')} {name}".rstrip()
