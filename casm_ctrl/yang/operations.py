"""RPCs and notifications: their tags, and what goes in and comes out (RFC 7950, 7.14 and 7.16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from casm_ctrl.yang import libyang
from casm_ctrl.yang.context import Context
from casm_ctrl.yang.libyang import ffi
from casm_ctrl.yang.schema import SchemaNode, read_siblings


@dataclass(frozen=True)
class OperationNode:
    """One RPC. `input` and `output` are nodes by tag, in schema order."""

    tag: str
    input: Mapping[str, SchemaNode]
    output: Mapping[str, SchemaNode]


def read_operations(context: Context, module: str) -> Mapping[str, OperationNode]:
    """The RPCs of one implemented module by tag, in schema order."""
    found = {}
    for node, tag in _top(context, module, libyang.NODE_RPC):
        found[tag] = OperationNode(
            tag, _inside(context, node, 0), _inside(context, node, libyang.NEXT_OUTPUT)
        )
    return found


def notification_tags(context: Context, module: str) -> tuple[str, ...]:
    """The tags of the notifications of one implemented module."""
    return tuple(tag for _, tag in _top(context, module, libyang.NODE_NOTIFICATION))


def data_tags(context: Context, module: str) -> tuple[str, ...]:
    """The tags of the data nodes at the top of one implemented module. ietf-netconf has none: libyang has rpc-error
    there, to parse replies."""
    if module == "ietf-netconf":
        return ()
    kinds = libyang.NODE_CONTAINER | libyang.NODE_LIST | libyang.NODE_LEAF | libyang.NODE_LEAF_LIST
    return tuple(tag for _, tag in _top(context, module, kinds))


def _top(context: Context, module: str, kinds: int) -> Iterator[tuple[Any, str]]:
    found = context.module(module)
    assert found, f"the module {module} is not implemented in this context"
    compiled = found.compiled
    node = context.library.lys_getnext(ffi.NULL, ffi.NULL, compiled, 0)
    while node:
        if node.nodetype & kinds:
            yield node, f"{{{ffi.string(node.module.ns).decode()}}}{ffi.string(node.name).decode()}"
        node = context.library.lys_getnext(node, ffi.NULL, compiled, 0)


def _inside(context: Context, rpc: Any, which: int) -> Mapping[str, SchemaNode]:
    """The library gives the first node below the input or output, and its siblings hang on it."""
    first = context.library.lys_getnext(ffi.NULL, rpc, ffi.NULL, libyang.NEXT_WITH_CHOICE | which)
    return dict(read_siblings(context.library, first)) if first else {}
