"""What the XML code must know of a data model: kinds, keys and order of its nodes (RFC 7950).

Choices and cases are left out: they do not show in a document (RFC 7950, 7.9). So are anydata and anyxml, whose
content nobody knows, and the RPCs and notifications.

It is read from the engine's compiled modules: features, deviations and augments are as the engine knows them, and
some 20,000 nodes take a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from casm_ctrl.yang import libyang
from casm_ctrl.yang.context import Context
from casm_ctrl.yang.engine import Engine, engine_for
from casm_ctrl.yang.libyang import ffi


class Kind(Enum):
    """The data-defining statements that show in a document."""

    CONTAINER = "container"
    LIST = "list"
    LEAF = "leaf"
    LEAF_LIST = "leaf-list"


@dataclass(frozen=True)
class SchemaNode:
    """One data node. `tag` is its name in Clark notation, `{namespace}name`, as lxml writes it."""

    tag: str
    kind: Kind
    config: bool = True
    keys: tuple[str, ...] = ()
    """Tags of a list's keys, in the order of its key statement."""
    presence: bool = False
    user_ordered: bool = False
    default: str | None = None
    cases: tuple[tuple[str, str], ...] = ()
    """(choice, case) pairs around the node, outermost first: an edit that makes a node of one case
    removes the others' (RFC 7950, 7.9)."""
    base: str | None = None
    """The built-in type of a leaf or leaf-list (RFC 7950, 4.2.4)."""
    mandatory: bool = False
    """Of a leaf: it must be there where its parent is (RFC 7950, 7.6.5)."""
    children: Mapping[str, SchemaNode] = field(default_factory=dict)
    """By tag, in schema order; a list's keys first."""


@dataclass(frozen=True)
class Schema:
    """The data trees of a set of modules: top-level nodes by tag."""

    roots: Mapping[str, SchemaNode]


def load_schema(modules: Sequence[str], search: Sequence[Path] | None = None) -> Schema:
    """The schema of `modules` (names or `NAME@REVISION`), read once in a process.

    They and their imports are looked for in `search` (our own folder where None) and in pyang's common
    modules. Modules that they refer to are in it too. NotFound where one is missing or wrong.
    """
    return _load_schema(tuple(modules), None if search is None else tuple(search))


@cache
def _load_schema(modules: tuple[str, ...], search: tuple[Path, ...] | None) -> Schema:
    engine = engine_for(*modules) if search is None else Engine(modules, search)
    return read_schema(engine.context)


def read_schema(context: Context) -> Schema:
    """The data trees of all modules that are implemented in `context`."""
    roots: dict[str, SchemaNode] = {}
    for module in context.implemented():
        first = context.library.lys_getnext(ffi.NULL, ffi.NULL, module.compiled, libyang.NEXT_WITH_CHOICE)
        roots.update(read_siblings(context.library, first, ()))
    return Schema(roots)


def read_siblings(
    library: Any, node: Any, cases: tuple[tuple[str, str], ...] = ()
) -> Iterator[tuple[str, SchemaNode]]:
    """`node` of the library and those after it, with what is below them; `cases` are around them."""
    while node:
        if node.nodetype == libyang.NODE_CHOICE:
            case = library.lysc_node_child(node)  # a short-hand case has its case node too
            while case:
                way = (*cases, (_name(node), _name(case)))
                yield from read_siblings(library, library.lysc_node_child(case), way)
                case = case.next
        elif node.nodetype in _KINDS:
            read = _read_node(library, node, cases)
            yield read.tag, read
        node = node.next


def _read_node(library: Any, node: Any, cases: tuple[tuple[str, str], ...]) -> SchemaNode:
    kind = _KINDS[node.nodetype]
    config = bool(node.flags & libyang.FLAG_CONFIG)
    default = ffi.cast("struct lysc_node_leaf *", node).dflt if kind is Kind.LEAF else None
    inner = kind in (Kind.CONTAINER, Kind.LIST)
    return SchemaNode(
        tag=_tag(node),
        kind=kind,
        config=config,
        keys=tuple(_keys(library.lysc_node_child(node))) if kind is Kind.LIST else (),
        presence=kind is Kind.CONTAINER and bool(node.flags & libyang.FLAG_PRESENCE),
        user_ordered=config
        and kind in (Kind.LIST, Kind.LEAF_LIST)
        and bool(node.flags & libyang.FLAG_USER_ORDERED),
        default=ffi.string(default).decode() if default else None,
        cases=cases,
        base=None if inner else _base(node),
        mandatory=kind is Kind.LEAF and bool(node.flags & libyang.FLAG_MANDATORY),
        children=dict(read_siblings(library, library.lysc_node_child(node), ())) if inner else {},
    )


def _base(node: Any) -> str:
    kind = ffi.cast("struct lysc_type *", ffi.cast("struct lysc_node_leaf *", node).type)
    return libyang.BASES[kind.basetype]


def _keys(child: Any) -> Iterator[str]:
    """The keys stand first, in the order of the key statement."""
    while child and child.nodetype == libyang.NODE_LEAF and child.flags & libyang.FLAG_KEY:
        yield _tag(child)
        child = child.next


def _name(node: Any) -> str:
    return str(ffi.string(node.name).decode())


def _tag(node: Any) -> str:
    return f"{{{ffi.string(node.module.ns).decode()}}}{_name(node)}"


_KINDS = {
    libyang.NODE_CONTAINER: Kind.CONTAINER,
    libyang.NODE_LIST: Kind.LIST,
    libyang.NODE_LEAF: Kind.LEAF,
    libyang.NODE_LEAF_LIST: Kind.LEAF_LIST,
}
