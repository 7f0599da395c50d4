"""Copies of nodes that are only so many levels deep (max-depth of RFC 8526, 3.1.1)."""

from __future__ import annotations

import copy

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.trees import NO_NODES, hollow
from casm_ctrl.yang.schema import Kind, SchemaNode


def copy_to_depth(element: Element, node: SchemaNode | None, depth: int | None) -> Element:
    """A copy of `element` with `depth` levels of nodes, itself the first; None: with all. An entry of a list always
    has its keys, for nothing else could name it."""
    if depth is None or (node is not None and node.kind in (Kind.LEAF, Kind.LEAF_LIST)) or not len(element):
        return _whole(element)
    copied = hollow(element)
    keys = node.keys if node is not None else ()
    nodes = node.children if node is not None else NO_NODES
    for child in element.iterchildren("*"):
        tag = str(child.tag)
        if tag in keys:
            copied.append(_whole(child))
        elif depth > 1:
            copied.append(copy_to_depth(child, nodes.get(tag), depth - 1))
    return copied


def _whole(element: Element) -> Element:
    copied = copy.deepcopy(element)
    copied.tail = None
    return copied
