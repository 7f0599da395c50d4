"""Data of our YANG as XML text, without a tree of elements in between.

What is below one top-level container is of one namespace, so that only the container declares it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape, unescape

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.netconf.trees import text_of
from casm_ctrl.service.verb import Document
from casm_ctrl.yang.schema import SchemaNode


def local(tag: str) -> str:
    """The name in a tag in Clark notation."""
    return tag.rpartition("}")[2]


def safe_text(text: str) -> str:
    """`text` as the content of an element; what XML cannot carry is replaced."""
    return escape(text if text.isprintable() else printable(text))


def leaf_text(name: str, value: str) -> str:
    return f"<{name}>{safe_text(value)}</{name}>"


def leaf_value(written: str) -> str:
    """The value of a leaf that `leaf_text` wrote."""
    return unescape(written[written.index(">") + 1 : written.rindex("<")])


def nodes_text(node: SchemaNode, document: Document) -> str:
    """What a document of the service (RFC 7951 in its values) says of the children of `node`, in schema order. What
    the model does not have there is left out."""
    pieces = []
    for tag, child in node.children.items():
        name = local(tag)
        if name in document:
            pieces.append(node_text(name, child, document[name]))
    return "".join(pieces)


def node_text(name: str, node: SchemaNode, value: Any) -> str:
    """All instances of one node."""
    if isinstance(value, list):
        return "".join(node_text(name, node, one) for one in value)
    if isinstance(value, dict):
        return f"<{name}>{nodes_text(node, value)}</{name}>"
    if isinstance(value, bool):
        return f"<{name}>{'true' if value else 'false'}</{name}>"
    return leaf_text(name, str(value))


def elements_text(elements: Iterable[Element], namespace: str) -> str:
    """Elements as they stand where `namespace` is the default one."""
    return "".join(_element_text(element, namespace) for element in elements)


def _element_text(element: Element, namespace: str) -> str:
    name = etree.QName(element)
    if name.namespace != namespace or element.keys():
        # Somebody else's, with prefixes that its values may stand on.
        return etree.tostring(element, encoding="unicode", with_tail=False)
    if len(element) == 0:
        return f"<{name.localname}>{safe_text(text_of(element))}</{name.localname}>"
    inner = elements_text(element.iterchildren("*"), namespace)
    return f"<{name.localname}>{inner}</{name.localname}>"
