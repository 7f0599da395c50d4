"""Elements of device data, read and written: what every driver needs of lxml and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from lxml import etree

from casm_ctrl.base.errors import InvalidValue, ProtocolViolation
from casm_ctrl.drivers.interface import Element
from casm_ctrl.netconf.names import nc

OPERATION = nc("operation")


def text_of(element: Element) -> str:
    """The character data of a leaf, comments and processing instructions left out. Not stripped."""
    if not len(element):
        return element.text or ""
    return (element.text or "") + "".join(child.tail or "" for child in element)


def leaves_of(element: Element) -> dict[str, str]:
    """Text by tag of the children that are leaves; of a leaf-list the last."""
    return {child.tag: text_of(child) for child in element if isinstance(child.tag, str) and is_leaf(child)}


def is_leaf(element: Element) -> bool:
    return all(not isinstance(child.tag, str) for child in element)


def list_entries(parent: Element, tag: str, key: str) -> Iterator[tuple[str, Element]]:
    """(key, entry) of each entry of the list `tag` in `parent`; ProtocolViolation where one has no `key`."""
    for entry in parent.iterchildren(tag):
        leaf = entry.find(key)
        if leaf is None:
            name = etree.QName(entry).localname
            raise ProtocolViolation(
                f"the device sent an entry of the list {name} without its key {etree.QName(key).localname}",
                "look at the device's answer; without its key the entry cannot be named",
            )
        yield text_of(leaf), entry


def top_element(tag: str, namespace: str) -> Element:
    """A top-level node with its namespace as the default one, ready for operations below it."""
    return etree.Element(tag, nsmap=cast("Mapping[str, str]", {None: namespace, "nc": nc("")[1:-1]}))


def add_leaf(parent: Element, tag: str, text: str, operation: str | None = None) -> Element:
    """A leaf at the end of `parent`. InvalidValue where XML cannot carry `text`.

    A leaf of another module than its parent declares that module's namespace as its default one.
    """
    namespace = tag[1:].rpartition("}")[0]
    own = None if parent.tag.startswith(f"{{{namespace}}}") else {None: namespace}
    leaf = etree.SubElement(parent, tag, nsmap=cast("Mapping[str, str] | None", own))
    try:
        leaf.text = text
    except ValueError as error:
        raise InvalidValue(
            f"{text!r} has characters that XML cannot carry", "leave out control characters"
        ) from error
    if operation is not None:
        leaf.set(OPERATION, operation)
    return leaf
