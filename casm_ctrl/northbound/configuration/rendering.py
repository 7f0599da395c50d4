"""Entries of the store as XML of our YANG: the configuration nodes, in schema order, trimmed of what is default.

A leaf that says its YANG default is left out (RFC 6243, 2.1: basic-mode `trim`), and so is an empty text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.service.exchange.nouns import DEVICE_POOL, Entry, Kind, Leaf
from casm_ctrl.yang.schema import SchemaNode


def entry_element(entry: Entry, node: SchemaNode, key: str | None = None) -> Element:
    """The entry as an element of the list `node`. `key`: its key there, where it has a longer one in the store."""
    namespace = node.tag[1:].partition("}")[0]
    element = etree.Element(node.tag, nsmap={None: namespace})  # type: ignore[dict-item]
    _leaf(element, node.keys[0], entry.key if key is None else key)
    given = _by_tag(entry, namespace)
    for tag, child in node.children.items():
        if tag in given:
            for leaf, value in given[tag]:
                if leaf.inside:
                    container = element.find(tag)
                    if container is None:
                        container = etree.SubElement(element, tag)
                    _value(container, child.children[f"{{{namespace}}}{leaf.name}"], leaf, value)
                else:
                    _value(element, child, leaf, value)
            container = element.find(tag)
            if container is not None and child.children and not len(container):
                element.remove(container)
    return element


def _by_tag(entry: Entry, namespace: str) -> dict[str, list[tuple[Leaf, Any]]]:
    """What the entry says, by the node below its element that holds it."""
    found: dict[str, list[tuple[Leaf, Any]]] = {}
    for leaf in entry.noun.leaves:
        value = entry.values.get(leaf.name)
        if value is None or _is_own_name(entry, leaf, value):
            continue
        found.setdefault(f"{{{namespace}}}{leaf.inside or leaf.name}", []).append((leaf, value))
    return found


def _is_own_name(entry: Entry, leaf: Leaf, value: Any) -> bool:
    """A device pool whose AAA name is its own name was not given another."""
    return entry.noun is DEVICE_POOL and leaf.name == "aaa-name" and value == entry.key.partition("/")[2]


def _value(parent: Element, node: SchemaNode, leaf: Leaf, value: Any) -> None:
    if leaf.kind is Kind.MAP:
        for first, second in value:
            pair = etree.SubElement(parent, node.tag)
            for name, text in zip(leaf.pair, (first, second), strict=True):
                tag = f"{{{node.tag[1:].partition('}')[0]}}}{name}"
                if text != "" or name != "reason":  # a label always has a value, if an empty one
                    _leaf(pair, tag, text)
        return
    for text in _texts(value):
        if text != node.default and text != "":
            _leaf(parent, node.tag, text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, tuple | list):
        yield from map(str, value)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    else:
        yield str(value)


def _leaf(parent: Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = printable(text) or None
