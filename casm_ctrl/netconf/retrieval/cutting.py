"""Taking out of data what is not wanted, by what the schema says of each node: its content, or its origin.

What stays keeps its ancestors, and the keys of the entries around it (RFC 8526, 3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Literal

from casm_ctrl.netconf.names import Element
from casm_ctrl.yang.schema import Schema, SchemaNode

Content = Literal["all", "config", "nonconfig"]


class Wanted(Enum):
    """What is to become of a node."""

    WHOLE = "with all that is in it"
    NOTHING = "not at all"
    ITSELF = "it is, and each node in it is asked for"
    INSIDE = "only for what is wanted in it"


Judge = Callable[[Element, SchemaNode], Wanted]


def cut(nodes: Iterable[Element], schema: Schema, judge: Judge) -> list[Element]:
    """The top-level nodes that stay, cut in place. Nodes that the schema does not know go with their parent."""
    kept = []
    for element in nodes:
        node = schema.roots.get(str(element.tag))
        if node is None or _keep(element, node, judge):
            kept.append(element)
    return kept


def _keep(element: Element, node: SchemaNode, judge: Judge) -> bool:
    wanted = judge(element, node)
    if wanted in (Wanted.WHOLE, Wanted.NOTHING):
        return wanted is Wanted.WHOLE
    kept = wanted is Wanted.ITSELF
    for child in list(element.iterchildren("*")):
        tag = str(child.tag)
        below = node.children.get(tag)
        if tag in node.keys or below is None:
            continue
        if _keep(child, below, judge):
            kept = True
        else:
            element.remove(child)
    return kept


class Contents:
    """Which nodes of a schema are configuration, state, or hold some of both."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._mixed: set[int] = set()
        for node in schema.roots.values():
            self._holds_state(node)

    def _holds_state(self, node: SchemaNode) -> bool:
        if not node.config:
            return True
        holding = [child for child in node.children.values() if self._holds_state(child)]
        if holding:
            self._mixed.add(id(node))
        return bool(holding)

    def cut(self, nodes: Iterable[Element], content: Content) -> list[Element]:
        """`nodes`, which become what is configuration in them, or what is not."""
        if content == "all":
            return list(nodes)
        return cut(nodes, self._schema, self._config if content == "config" else self._nonconfig)

    def _config(self, element: Element, node: SchemaNode) -> Wanted:
        if not node.config:
            return Wanted.NOTHING
        return Wanted.ITSELF if id(node) in self._mixed else Wanted.WHOLE

    def _nonconfig(self, element: Element, node: SchemaNode) -> Wanted:
        if not node.config:
            return Wanted.WHOLE
        return Wanted.INSIDE if id(node) in self._mixed else Wanted.NOTHING
