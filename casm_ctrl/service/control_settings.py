"""What automation may do at the most, for all device pools: the container `control` of casm-control, as configuration.

What was set is kept as a configuration document, and nothing else: of the rest the model's defaults hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.limits import DEFAULT_LIMITS, NAMES, Limits, leaf
from casm_ctrl.service.config_documents import CONTROL, SetDocument, set_document
from casm_ctrl.service.edits import Done
from casm_ctrl.service.verb import Document
from casm_ctrl.store import config_documents
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction

NAMESPACE = "urn:casm:yang:casm-control"
TOP = f"{{{NAMESPACE}}}control"


@dataclass(frozen=True)
class SetLimits:
    """`values` are by the names of the fields of Limits; None is the default again. What is not named stays."""

    values: tuple[tuple[str, int | None], ...]


def get_limits(tx: Transaction) -> Limits:
    """What holds now."""
    return Limits(**_set(tx))


def show_settings(database: Database) -> Document:
    """What holds, by leaf name, and the names of what was set."""
    with database.read() as tx:
        given = _set(tx)
    held = Limits(**given)
    return {
        "settings": {leaf(name): getattr(held, name) for name in NAMES},
        "set": [leaf(name) for name in NAMES if name in given],
    }


def set_limits(tx: Transaction, edit: SetLimits) -> Done:
    if not edit.values:
        raise InvalidValue("nothing of the settings was to be changed", "name a setting and its value")
    before = _set(tx)
    after = dict(before)
    for name, value in edit.values:
        if name not in NAMES:
            raise InvalidValue(f"there is no setting '{name}'", f"use {', '.join(map(leaf, NAMES))}")
        if value is None or value == getattr(DEFAULT_LIMITS, name):
            after.pop(name, None)
        else:
            after[name] = value
    held = [Limits(**values) for values in (before, after)]
    set_document(tx, SetDocument(CONTROL, _xml(after)))
    words = [
        f"{leaf(name)} {old} → {new}"
        for name in NAMES
        if (old := getattr(held[0], name)) != (new := getattr(held[1], name))
    ]
    return Done("control-set", "control", 0, "control", ", ".join(words) or "nothing")


def _set(tx: Transaction) -> dict[str, int]:
    """What was set, by field."""
    xml = config_documents.find_document(tx, CONTROL)
    if xml is None:
        return {}
    container = etree.fromstring(xml.encode())
    said = {etree.QName(child).localname: child.text or "" for child in container.iterchildren("*")}
    return {name: int(said[leaf(name)]) for name in NAMES if leaf(name) in said}


def _xml(values: dict[str, int]) -> str:
    if not values:
        return ""
    container = etree.Element(TOP, nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    for name in NAMES:
        if name in values:
            etree.SubElement(container, f"{{{NAMESPACE}}}{leaf(name)}").text = str(values[name])
    return etree.tostring(container, encoding="unicode")
