"""What modules say about access to their own nodes: default-deny-write and default-deny-all (RFC 8341, 3.5).

libyang hands a mark of a node down to its descendants, as the RFC wants (3.4.5, steps 9 and 10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from casm_ctrl.yang import libyang
from casm_ctrl.yang.context import Context
from casm_ctrl.yang.libyang import ffi

Path = tuple[str, ...]
"""The tags of a data node and of all nodes above it, outermost first."""


class Mark(Enum):
    """What nobody may do without a rule that says so."""

    DENY_WRITE = "default-deny-write"
    DENY_ALL = "default-deny-all"


_MARKS = {mark.value: mark for mark in Mark}


@dataclass(frozen=True)
class AccessMarks:
    """The marks in a set of modules. RPCs and notifications are named by tag."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """Names of modules, by namespace."""
    nodes: Mapping[Path, Mark] = field(default_factory=dict)
    operations: frozenset[str] = frozenset()
    notifications: frozenset[str] = frozenset()


def read_marks(context: Context) -> AccessMarks:
    """The marks of everything that is implemented in `context`."""
    nodes: dict[Path, Mark] = {}
    tops: dict[int, set[str]] = {libyang.NODE_RPC: set(), libyang.NODE_NOTIFICATION: set()}
    for module in context.implemented():
        for node in _tops(context.library, module):
            if node.nodetype not in tops:
                nodes.update(_marked(context.library, node, ()))
            elif _mark(node) is Mark.DENY_ALL:
                tops[node.nodetype].add(_tag(node))
    return AccessMarks(
        context.namespaces(),
        nodes,
        frozenset(tops[libyang.NODE_RPC]),
        frozenset(tops[libyang.NODE_NOTIFICATION]),
    )


def _tops(library: Any, module: Any) -> Iterator[Any]:
    node = ffi.NULL
    while node := library.lys_getnext(node, ffi.NULL, module.compiled, libyang.NEXT_WITH_CHOICE):
        yield node


def _marked(library: Any, node: Any, above: Path) -> Iterator[tuple[Path, Mark]]:
    """The marked data nodes from `node` down. Choices and cases do not show in a document."""
    path = above
    if node.nodetype not in (libyang.NODE_CHOICE, libyang.NODE_CASE):
        path = (*above, _tag(node))
        mark = _mark(node)
        if mark is not None:
            yield path, mark
    child = library.lysc_node_child(node)
    while child:
        if child.nodetype != libyang.NODE_NOTIFICATION:
            yield from _marked(library, child, path)
        child = child.next


def _mark(node: Any) -> Mark | None:
    """The mark of a node; libyang refuses a node with both."""
    if node.exts:
        instances = ffi.cast("struct lysc_ext_instance *", node.exts)
        count = ffi.cast("uint64_t *", instances)[-1]  # libyang's arrays have their size before them
        for instance in instances[0:count]:
            name = ffi.string(getattr(instance, "def").name).decode()
            if name in _MARKS:
                return _MARKS[name]
    return None


def _tag(node: Any) -> str:
    return f"{{{ffi.string(node.module.ns).decode()}}}{ffi.string(node.name).decode()}"
