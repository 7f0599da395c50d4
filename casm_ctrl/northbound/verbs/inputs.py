"""From the element of an RPC to typed values, with the error that RFC 7950 (8.3.1) names where that cannot be.

Names and structure are looked at here, so that each error says which element is to blame; types, ranges, patterns
and `must` are judged by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import BASE, YANG, Element, local_name, namespace
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.violation_words import words_of
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.findings import Violation
from casm_ctrl.yang.operations import OperationNode
from casm_ctrl.yang.schema import Kind, SchemaNode

PREFIX = "casm-o"
"""Stands for our namespace in error-path."""

_STEP = re.compile(r"/(?:[\w.-]+:)?([\w.-]+)")
_KEY = re.compile(r"\[(?:[\w.-]+:)?([A-Za-z_][\w.-]*)=")
_CHOICE = re.compile(r'Mandatory choice "([^"]+)"')
_INTEGERS = frozenset({"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"})


def read_input(operation: Element, node: OperationNode, engine: Engine) -> dict[str, Any]:
    """The input by leaf name; defaults are filled in. RpcError where it is not what the model says."""
    path = Path(operation)
    structured = _read_children(operation, node.input, path)
    try:
        engine.validate(etree.tostring(operation, with_tail=False), what="rpc")
    except Violation as violation:
        raise _refusal(violation, path) from None
    return {name: _convert(value, child) for name, (child, value) in structured.items()}


class Path:
    """The error-path of nodes of one request: its document is the `<rpc>` (RFC 6241, 4.3)."""

    def __init__(self, operation: Element) -> None:
        self.base = f"/nc:rpc/{PREFIX}:{local_name(operation)}"
        self.namespaces: Mapping[str, str] = {"nc": BASE, PREFIX: namespace(operation) or ""}

    def of(self, error: RpcError, *steps: str) -> RpcError:
        """`error` with the path of a node below the operation."""
        error.path = "/".join((self.base, *steps))
        error.namespaces = self.namespaces
        return error


_Structure = dict[str, tuple[SchemaNode, Any]]


def _read_children(
    parent: Element,
    nodes: Mapping[str, SchemaNode],
    path: Path,
    steps: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> _Structure:
    """The children by name, each with its schema and its text (leaf), texts (leaf-list) or entries (list)."""
    found: _Structure = {}
    chosen: dict[str, tuple[str, str]] = {}
    if parent.attrib:
        attribute = str(next(iter(parent.attrib)))
        raise path.of(rpc_error.unknown_attribute(attribute, local_name(parent), layer="protocol"), *steps)
    if _has_text(parent):
        name = local_name(parent)
        raise path.of(rpc_error.bad_element(name, f"<{name}> holds elements, and no text"), *steps)
    for child in parent:
        name = local_name(child)
        here = (*steps, f"{PREFIX}:{name}")
        node = nodes.get(str(child.tag))
        if node is None:
            if namespace(child) != path.namespaces[PREFIX]:
                raise path.of(rpc_error.unknown_namespace(name, namespace(child) or ""), *steps)
            message = f"<{local_name(parent)}> has no <{name}>"
            raise path.of(rpc_error.unknown_element(name, message), *steps)
        for choice, case in node.cases:
            other, before = chosen.setdefault(choice, (case, name))
            if other != case:
                message = f"<{before}> and <{name}> exclude each other"
                raise path.of(rpc_error.bad_element(name, message), *here)
        if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
            value: Any = _text(child, path, here)
        else:
            value = _read_children(child, node.children, path, here, node.keys)
        if node.kind in (Kind.LEAF_LIST, Kind.LIST):
            found.setdefault(name, (node, []))[1].append(value)
        elif name in found:
            raise path.of(rpc_error.bad_element(name, f"<{name}> occurs more than once"), *here)
        else:
            found[name] = (node, value)
    for node in nodes.values():
        name = etree.QName(node.tag).localname
        if name in found:
            continue
        if node.mandatory or node.tag in keys:
            message = f"<{local_name(parent)}> needs <{name}>"
            raise path.of(rpc_error.missing_element(name, message), *steps, f"{PREFIX}:{name}")
        if node.default is not None:
            found[name] = (node, node.default)
    return found


def _has_text(parent: Element) -> bool:
    texts = (parent.text, *(child.tail for child in parent))
    return any(text and not text.isspace() for text in texts)


def _text(leaf: Element, path: Path, steps: Sequence[str]) -> str:
    if leaf.attrib:
        attribute = str(next(iter(leaf.attrib)))
        raise path.of(rpc_error.unknown_attribute(attribute, local_name(leaf), layer="protocol"), *steps)
    if len(leaf):
        inner = local_name(leaf[0])
        message = f"<{local_name(leaf)}> holds text only"
        raise path.of(rpc_error.unknown_element(inner, message), *steps)
    return leaf.text or ""


def _convert(value: Any, node: SchemaNode) -> Any:
    if node.kind is Kind.LEAF:
        return _typed(value, node.base)
    if node.kind is Kind.LEAF_LIST:
        return [_typed(text, node.base) for text in value]
    if node.kind is Kind.CONTAINER:
        return {name: _convert(inner, child) for name, (child, inner) in value.items()}
    return [{name: _convert(inner, child) for name, (child, inner) in entry.items()} for entry in value]


def _typed(text: str, base: str | None) -> Any:
    """The engine took `text`, so it can be read: numbers are decimal, with leading zeros too (RFC 7950, 9.2.1)."""
    if base in _INTEGERS:
        return int(text)
    if base == "boolean":
        return text == "true"
    return True if base == "empty" else text


def _refusal(violation: Violation, path: Path) -> RpcError:
    """What the engine found, where it stands in the request."""
    message = str(violation).removesuffix(f" at {violation.path}")
    error = RpcError("application", violation.tag, app_tag=violation.app_tag, message=words_of(message, None))
    steps = []
    choice = _CHOICE.match(message)
    if choice is not None:  # RFC 7950, 15.6
        missing = etree.Element(f"{{{YANG}}}missing-choice", nsmap={"yang": YANG})
        missing.text = choice[1]
        error.info = (missing,)
    if violation.path:
        whole = _KEY.sub(rf"[{PREFIX}:\1=", _STEP.sub(rf"/{PREFIX}:\1", violation.path))
        steps = [whole.partition("/")[2].partition("/")[2]]
    return path.of(error, *filter(None, steps))
