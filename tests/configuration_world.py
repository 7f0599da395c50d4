"""Configurations of our YANG as XML, and stores that hold them."""

from __future__ import annotations

from collections.abc import Iterable

from lxml import etree

from casm_ctrl.netconf.names import Element, nc
from casm_ctrl.northbound.configuration.edits import PlacedEdit, edits_between
from casm_ctrl.northbound.configuration.rendering import entry_element
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.service.configuration import change
from casm_ctrl.service.exchange.documents import TOP
from casm_ctrl.service.exchange.nouns import DEVICE, DEVICE_POOL, Entry
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.modules import find_module
from casm_ctrl.yang.schema import SchemaNode, load_schema

MODULES = ("casm-devices", "casm-pools", "casm-control", "ietf-netconf-acm")
SCHEMA = load_schema(MODULES)
AUTHOR = Author("tester@netconf")
DECLARED = (
    'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:p="urn:casm:yang:casm-pools"'
    ' xmlns:d="urn:casm:yang:casm-devices" xmlns:c="urn:casm:yang:casm-control"'
)


def config(text: str) -> Element:
    """A `<config>` with `text` in it; p: and d: are our modules."""
    return etree.fromstring(f"<config {DECLARED}>{text}</config>")


def config_of(entries: Iterable[Entry]) -> Element:
    """A `<config>` as Running renders it, of entries in any order."""
    listed = list(entries)
    root = etree.Element(nc("config"))
    for name, noun in TOP.items():
        module, _, container = name.partition(":")
        tag = f"{{{find_module(module).namespace}}}{container}"
        node = next(child for child in SCHEMA.roots[tag].children.values())
        top = etree.SubElement(root, tag)
        for entry in sorted((e for e in listed if e.noun is noun), key=lambda e: e.key):
            top.append(_element(entry, node, listed))
        if len(top) == 0:
            root.remove(top)
    return root


def _element(entry: Entry, node: SchemaNode, listed: list[Entry]) -> Element:
    element = entry_element(entry, node)
    if entry.noun is DEVICE:
        inner = next(child for tag, child in node.children.items() if tag.endswith("}device-pool"))
        for pool in sorted((e for e in listed if e.noun is DEVICE_POOL), key=lambda e: e.key):
            device, _, name = pool.key.partition("/")
            if device == entry.key:
                element.append(entry_element(pool, inner, name))
    return element


def running(database: Database) -> Element:
    """What the store holds; of our modules."""
    tree = Running(database, SCHEMA, engine_for(*MODULES)).tree()[1]
    kept = etree.Element(nc("config"))
    kept.extend(
        etree.fromstring(etree.tostring(top)) for top in tree if str(top.tag).startswith("{urn:casm:")
    )
    return kept


def commit(database: Database, after: Element) -> list[PlacedEdit]:
    """Make the store what `after` says. A CasmError has its `path`, as DATASTORES would give it."""
    placed = edits_between(running(database), after)
    if placed:
        change(database, AUTHOR, [one.edit for one in placed])
    return placed
