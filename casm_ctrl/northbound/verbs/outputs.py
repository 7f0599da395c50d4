"""From the documents of the service to the output of an RPC: XML in the order of the model.

A document's keys are the names of the model's leafs, so that the schema alone says how to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from casm_ctrl.netconf.rpc_error import printable
from casm_ctrl.yang.schema import Kind, SchemaNode

_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e]")
"""What may have to be replaced; most texts have none of it."""


class OutputWriter:
    """Writes the output of one RPC, whose nodes are given by tag."""

    def __init__(self, output: Mapping[str, SchemaNode]) -> None:
        self._nodes = tuple(_compile(node) for node in output.values())
        self._namespace = etree.QName(next(iter(output))).namespace if output else None

    def write(self, document: Mapping[str, Any]) -> list[bytes]:
        """The output elements, each with its namespace. Keys that the model does not have are left out."""
        found = []
        for node in self._nodes:
            for value in _values(node, document):
                parts = [f'<{node.name} xmlns="{self._namespace}">']
                _write_content(node, value, parts)
                parts.append(node.closing)
                found.append("".join(parts).encode())
        return found

    def strays(self, document: Mapping[str, Any]) -> list[str]:
        """The paths of what a document says and the model has no place for: there should be none."""
        return list(_strays(self._nodes, document, ""))


@dataclass(frozen=True)
class _Node:
    """A node as it is written. `leaf`: it holds text; `many`: its value is a list."""

    name: str
    leaf: bool
    many: bool
    children: tuple[_Node, ...]
    opening: str
    closing: str


def _compile(node: SchemaNode) -> _Node:
    name = etree.QName(node.tag).localname
    return _Node(
        name,
        node.kind in (Kind.LEAF, Kind.LEAF_LIST),
        node.kind in (Kind.LIST, Kind.LEAF_LIST),
        tuple(map(_compile, node.children.values())),
        f"<{name}>",
        f"</{name}>",
    )


def _values(node: _Node, document: Mapping[str, Any]) -> Any:
    value = document.get(node.name)
    if value is None:
        return ()
    return value if node.many else (value,)


def _write_content(node: _Node, value: Any, parts: list[str]) -> None:
    if node.leaf:
        parts.append(_write_text(value))
        return
    for child in node.children:
        for inner in _values(child, value):
            parts.append(child.opening)
            _write_content(child, inner, parts)
            parts.append(child.closing)


def _write_text(value: Any) -> str:
    if value is True or value is False:
        return "true" if value else "false"
    text = str(value)
    if _UNPRINTABLE.search(text):
        # A bare carriage return would be read as a line end (XML 1.0, 2.11).
        text = "\r".join(map(printable, text.split("\r")))
        return escape(text, {"\r": "&#13;"})
    return escape(text)


def _strays(nodes: tuple[_Node, ...], document: Mapping[str, Any], path: str) -> Iterator[str]:
    known = {node.name: node for node in nodes}
    for name, value in document.items():
        node = known.get(name)
        if node is None:
            yield f"{path}/{name}"
        elif not node.leaf:
            for entry in value if node.many else (value,):
                yield from _strays(node.children, entry, f"{path}/{name}")
