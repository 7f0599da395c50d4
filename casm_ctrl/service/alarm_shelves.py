"""Shelves of alarms, made and taken away one by one: edits of the document of ietf-alarms (RFC 8632, 4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import AlreadyExists, InvalidValue, NotFound
from casm_ctrl.service.alarm_control import ALARMS, ANY_TYPE, NAMESPACE, OURS, parse_control
from casm_ctrl.service.alarm_resources import NAMESPACES
from casm_ctrl.service.alarm_types import SEVERITIES, check_type
from casm_ctrl.service.config_documents import SetDocument, set_document
from casm_ctrl.service.edits import Done
from casm_ctrl.service.verb import Document
from casm_ctrl.store import config_documents
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction

_PREFIX = "casm-alarms"


@dataclass(frozen=True)
class AddShelf:
    """A shelf after those that are there. `resources` are XPath expressions with names of modules as prefixes; `types`
    are names of alarm types with any qualifier, `qualified` those with an expression for it. What is not said matches
    all."""

    name: str
    resources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    below: str | None = None
    description: str = ""
    qualified: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RemoveShelf:
    name: str


def within_device(name: str) -> str:
    """An expression for a device, and all that is on it."""
    return f"/casm-devices:devices/casm-devices:device[casm-devices:name='{name}']/descendant-or-self::*"


def exactly_device_pool(label: str) -> str:
    device, _, name = label.partition("/")
    return (
        f"/casm-devices:devices/casm-devices:device[casm-devices:name='{device}']"
        f"/casm-devices:device-pool[casm-devices:name='{name}']"
    )


def exactly_pool(name: str) -> str:
    return f"/casm-pools:pools/casm-pools:pool[casm-pools:name='{name}']"


def add_shelf(tx: Transaction, edit: AddShelf) -> Done:
    types = [*((type_id, ".*") for type_id in edit.types), *edit.qualified]
    for type_id, _ in types:
        check_type(type_id)
    if edit.below is not None and edit.below not in SEVERITIES:
        raise InvalidValue(f"'{edit.below}' is no severity", f"use {', '.join(SEVERITIES)}")
    if not edit.name or edit.name != edit.name.strip() or not edit.name.isprintable():
        raise InvalidValue(f"'{edit.name}' is not the name of a shelf", "give one without spaces around it")
    alarms = _stored(tx)
    shelves = _shelves(alarms)
    if _find(shelves, edit.name) is not None:
        raise AlreadyExists(
            f"there is a shelf '{edit.name}' already",
            "name another, or take it away with 'casm alarms unshelve'",
        )
    shelf = etree.SubElement(shelves, _al("shelf"), nsmap={**NAMESPACES, _PREFIX: OURS})
    etree.SubElement(shelf, _al("name")).text = edit.name
    for resource in edit.resources:
        etree.SubElement(shelf, _al("resource")).text = resource
    for type_id, expression in types:
        entry = etree.SubElement(shelf, _al("alarm-type"))
        etree.SubElement(entry, _al("alarm-type-id")).text = f"{_PREFIX}:{type_id}"
        etree.SubElement(entry, _al("alarm-type-qualifier-match")).text = expression
    if edit.description:
        etree.SubElement(shelf, _al("description")).text = edit.description
    if edit.below is not None:
        etree.SubElement(shelf, f"{{{OURS}}}below").text = edit.below
    _store(tx, alarms)
    return Done("alarm-shelf-add", "document", 0, ALARMS, f"shelf {edit.name}")


def remove_shelf(tx: Transaction, edit: RemoveShelf) -> Done:
    alarms = _stored(tx)
    shelves = _shelves(alarms)
    shelf = _find(shelves, edit.name)
    if shelf is None:
        names = ", ".join(each.findtext(_al("name")) or "" for each in shelves) or "none"
        raise NotFound(f"there is no shelf '{edit.name}'; there are: {names}", "see 'casm alarms shelves'")
    shelves.remove(shelf)
    _store(tx, alarms)
    return Done("alarm-shelf-remove", "document", 0, ALARMS, f"shelf {edit.name}")


def list_shelves(database: Database) -> list[Document]:
    """In the order in which they are looked at."""
    with database.read() as tx:
        xml = config_documents.find_document(tx, ALARMS)
    found = []
    for shelf in () if xml is None else parse_control(xml).shelves:
        document: Document = {
            "name": shelf.name,
            "resource": [match.text for match in shelf.resources],
            "alarm-type": [
                {
                    "alarm-type-id": name if name == ANY_TYPE else f"{_PREFIX}:{name}",
                    "alarm-type-qualifier-match": expression,
                }
                for name, expression in shelf.types
            ],
            "description": shelf.description,
        }
        if shelf.below is not None:
            document["below"] = shelf.below
        found.append(document)
    return found


def _stored(tx: Transaction) -> etree._Element:
    xml = config_documents.find_document(tx, ALARMS)
    nsmap = {None: NAMESPACE}
    return etree.fromstring(xml) if xml else etree.Element(_al("alarms"), nsmap=nsmap)  # type: ignore[arg-type]


def _store(tx: Transaction, alarms: etree._Element) -> None:
    set_document(tx, SetDocument(ALARMS, etree.tostring(alarms).decode()))


def _shelves(alarms: etree._Element) -> etree._Element:
    """The container of the shelves, made where it is not there."""
    found = alarms
    for name in ("control", "alarm-shelving"):
        inner = found.find(_al(name))
        found = etree.SubElement(found, _al(name)) if inner is None else inner
    return found


def _find(shelves: etree._Element, name: str) -> etree._Element | None:
    return next((shelf for shelf in shelves if shelf.findtext(_al("name")) == name), None)


def _al(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
