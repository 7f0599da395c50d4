"""Configuration documents: the configuration of modules that have no tables, kept whole, as XML.

They are /nacm of ietf-netconf-acm, who may do what here (RFC 8341), /control of casm-control, what automation may do
at the most, and /alarms/control of ietf-alarms, which alarms are shelved and told (RFC 8632). Each is validated
before it is kept, in the one form that libyang writes, without leafs that say what their default says (RFC 6243, 2.2:
trim).
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.service.alarm_control import ALARMS, check_control
from casm_ctrl.service.alarms import shelve_again
from casm_ctrl.service.edits import Done
from casm_ctrl.store import config_documents
from casm_ctrl.store.transaction import Transaction
from casm_ctrl.yang.engine import engine_for, forest
from casm_ctrl.yang.modules import find_module, our_modules
from casm_ctrl.yang.schema import Kind, SchemaNode, load_schema

ACCESS = "ietf-netconf-acm"
CONTROL = "casm-control"
MODULES = (ACCESS, CONTROL, ALARMS)
"""The modules whose configuration is a document."""

_NAMED_IN_PATHS = ("ietf-netconf-monitoring", "ietf-yang-library", "ietf-yang-push")
"""Modules beside ours whose nodes a path in a rule may name; ietf-yang-push brings ietf-subscribed-notifications."""


@dataclass(frozen=True)
class SetDocument:
    """`xml` is the whole configuration of `module`, zero or more top-level elements; empty: it has none."""

    module: str
    xml: str


def set_document(tx: Transaction, edit: SetDocument) -> Done:
    """Keep the document. InvalidValue where its module has none, Violation (with the path) where it is wrong."""
    if edit.module not in MODULES:
        raise InvalidValue(
            f"the configuration of the module {edit.module} is not kept as a document",
            f"set that of {', '.join(MODULES)}",
        )
    xml = normal_form(edit.module, edit.xml)
    if xml and edit.module == ALARMS:
        check_control(xml)
    if xml:
        config_documents.put_document(tx, edit.module, xml)
    else:
        config_documents.delete_document(tx, edit.module)
    if edit.module == ALARMS:
        shelve_again(tx, "controller")
    return Done("document-set", "document", 0, edit.module)


def normal_form(module: str, xml: str) -> str:
    """`xml`, validated, in the form in which it is kept."""
    known = tuple(dict.fromkeys((*our_modules(), *MODULES, *_NAMED_IN_PATHS)))
    engine, schema = engine_for(*known), load_schema(known)
    engine.validate(xml.encode(), what="config")
    text = engine.convert(xml.encode(), source="xml", target="xml")
    root = etree.fromstring(b"<config>" + text + b"</config>")
    namespace = find_module(module).namespace
    for top in list(root):
        if etree.QName(top).namespace != namespace:
            raise InvalidValue(
                f"<{etree.QName(top).localname}> is no configuration of the module {module}", "leave it out"
            )
        _trim(top, schema.roots[str(top.tag)])
        if len(top) == 0:
            root.remove(top)
    return forest(root).decode()


def _trim(element: etree._Element, node: SchemaNode) -> None:
    for child in list(element):
        below = node.children[str(child.tag)]
        if below.kind is Kind.LEAF and below.default is not None and child.text == below.default:
            element.remove(child)
        elif len(child):
            _trim(child, below)
