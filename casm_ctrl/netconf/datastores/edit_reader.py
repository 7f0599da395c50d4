"""Reading an edit: what each node of an edit-config asks for, or why it cannot be understood.

Errors carry the tags of RFC 6241, appendix A, and RFC 7950, 8.3, with the path of the node to blame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import YANG, Element, local_name, nc
from casm_ctrl.netconf.retrieval.with_defaults import DEFAULT, has_default
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import instance_path, key_of, schema_namespaces, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

OPERATION = nc("operation")
INSERT = f"{{{YANG}}}insert"
INSERT_KEY = f"{{{YANG}}}key"
INSERT_VALUE = f"{{{YANG}}}value"

_PREDICATE = re.compile(r"""\s*\[\s*(?:([\w.-]+):)?([\w.-]+)\s*=\s*(?:'([^']*)'|"([^"]*)")\s*\]\s*""")


class Operation(Enum):
    """The values of the operation attribute, and `none` of default-operation."""

    MERGE = "merge"
    REPLACE = "replace"
    CREATE = "create"
    DELETE = "delete"
    REMOVE = "remove"
    NONE = "none"


REMOVING = (Operation.DELETE, Operation.REMOVE)
DEFAULTS = (Operation.MERGE, Operation.REPLACE, Operation.NONE)


class Step(NamedTuple):
    """One node of the edit, understood."""

    source: Element
    node: SchemaNode
    operation: Operation
    key: tuple[str, ...]
    """Keys of a list entry, value of a leaf-list entry, else empty."""
    insert: str | None


class EditReader:
    """Reads one edit. `config` and `schema` are for the paths and names in errors. With `tags_defaults` leafs may have
    the attribute `default` (RFC 6243, 4.5.2)."""

    def __init__(self, config: Element, schema: Schema, *, tags_defaults: bool = False) -> None:
        self._config = config
        self._schema = schema
        self._tags_defaults = tags_defaults

    def read_children(
        self,
        source: Element,
        nodes: Mapping[str, SchemaNode],
        inherited: Operation,
        keys: tuple[str, ...],
    ) -> list[Step]:
        if any(text and text.strip() for text in (source.text, *(child.tail for child in source))):
            raise self.at(source, self._bad(source, "has text where only elements may be"))
        steps: list[Step] = []
        seen: set[tuple[str, ...]] = set()
        for child in source.iterchildren("*"):
            tag = str(child.tag)
            node = nodes.get(tag)
            if node is None or not node.config:
                raise self.at(child, self._unknown(child, node))
            step = self._read_step(child, node, inherited)
            name = (tag, *step.key)
            if name in seen:
                raise self.at(child, self._bad(child, "is in the edit twice"))
            seen.add(name)
            if tag not in keys:
                steps.append(step)
            elif step.operation in REMOVING:
                raise self.at(child, rpc_error.bad_attribute("operation", local_name(child), "a key stays"))
        return steps

    def _read_step(self, source: Element, node: SchemaNode, inherited: Operation) -> Step:
        operation, insert, tagged = inherited, None, False
        for name, value in source.items():
            if name == OPERATION:
                operation = self._read_operation(source, str(value))
            elif name == INSERT and node.user_ordered:
                insert = self._read_insert(source, node, str(value))
            elif name == DEFAULT and self._tags_defaults:
                tagged = self._read_tag(source, str(value))
            elif name not in (INSERT_KEY, INSERT_VALUE) or not node.user_ordered:
                error = rpc_error.unknown_attribute(etree.QName(name).localname, local_name(source))
                raise self.at(source, error)
        if tagged:
            self._check_tagged(source, node, operation)
        if insert and operation in (*REMOVING, Operation.NONE):
            error = rpc_error.bad_attribute(
                "insert", local_name(source), f"insert does not go with the operation {operation.value}"
            )
            raise self.at(source, error)
        if node.kind in (Kind.LEAF, Kind.LEAF_LIST) and next(source.iterchildren("*"), None) is not None:
            raise self.at(source, self._bad(source, "is a leaf and holds elements"))
        key: tuple[str, ...] = ()
        if node.kind is Kind.LEAF_LIST:
            key = (text_of(source),)
        elif node.kind is Kind.LIST:
            key = self._read_keys(source, node)
        if operation in REMOVING:
            self._check_removed(source)
        return Step(source, node, operation, key, insert)

    def _read_operation(self, source: Element, value: str) -> Operation:
        for operation in Operation:
            if operation.value == value and operation is not Operation.NONE:
                return operation
        error = rpc_error.bad_attribute("operation", local_name(source), f"'{value}' is not an operation")
        raise self.at(source, error)

    def _read_tag(self, source: Element, value: str) -> bool:
        """The attribute `default`, an xs:boolean."""
        if value.strip() not in ("true", "1", "false", "0"):
            error = rpc_error.bad_attribute(
                "default", local_name(source), f"the attribute default is true or false, not '{value}'"
            )
            raise self.at(source, error)
        return value.strip() in ("true", "1")

    def _check_tagged(self, source: Element, node: SchemaNode, operation: Operation) -> None:
        """What is tagged as default data is set to its default, or both are invalid (RFC 6243, 4.5.2)."""
        name = local_name(source)
        if operation in (*REMOVING, Operation.NONE):
            message = f"default data does not go with the operation {operation.value}"
            raise self.at(source, rpc_error.invalid_value(message))
        if not has_default(source, node):
            known = "has none" if node.default is None else f"is '{node.default}'"
            message = f"<{name}> is tagged as default data, and its default {known}"
            raise self.at(source, rpc_error.invalid_value(message))

    def _read_keys(self, source: Element, node: SchemaNode) -> tuple[str, ...]:
        key = key_of(source, node.keys)
        if key is None:
            missing = next(tag for tag in node.keys if next(source.iterchildren(tag), None) is None)
            name = etree.QName(missing).localname
            error = rpc_error.missing_element(
                name, f"the entry of <{local_name(source)}> lacks its key <{name}>", layer="application"
            )
            raise self.at(source, error)
        return key

    def _check_removed(self, source: Element) -> None:
        """Below a node that goes nothing can stay: another operation in there is a contradiction."""
        for inner in source.iterdescendants("*"):
            value = inner.get(OPERATION)
            if value is not None and self._read_operation(inner, str(value)) not in REMOVING:
                error = rpc_error.bad_attribute(
                    "operation", local_name(inner), f"'{value}' below a node that is deleted"
                )
                raise self.at(inner, error)

    def _read_insert(self, source: Element, node: SchemaNode, value: str) -> str:
        name = local_name(source)
        if value not in ("first", "last", "before", "after"):
            raise self.at(source, rpc_error.bad_attribute("insert", name, f"'{value}' is no place to insert"))
        at, attribute = (INSERT_VALUE, "value") if node.kind is Kind.LEAF_LIST else (INSERT_KEY, "key")
        if value in ("before", "after") and source.get(at) is None:
            raise self.at(source, rpc_error.missing_attribute(attribute, name, layer="application"))
        return value

    def read_insert_point(self, step: Step) -> tuple[str, ...]:
        """The entry that yang:value or yang:key names; the latter is key predicates (RFC 7950, 9.13)."""
        source, node = step.source, step.node
        if node.kind is Kind.LEAF_LIST:
            return (str(source.get(INSERT_VALUE)),)
        text, position = str(source.get(INSERT_KEY)), 0
        own = etree.QName(source).namespace
        values: dict[str, str] = {}
        while match := _PREDICATE.match(text, position):
            prefix, name, single, double = match.groups()
            namespace = source.nsmap.get(prefix) if prefix else own
            values[f"{{{namespace}}}{name}"] = single if single is not None else double
            position = match.end()
        if position != len(text) or values.keys() != set(node.keys):
            error = rpc_error.bad_attribute(
                "key", local_name(source), f"'{text}' is not the key predicates of an entry"
            )
            raise self.at(source, error)
        return tuple(values[key] for key in node.keys)

    # --- Refusing ---------------------------------------------------------------------------------

    def at(self, source: Element, error: RpcError) -> RpcError:
        """`error` with the path of the node of the edit that is to blame."""
        path = instance_path(source, self._config, self._schema)
        error.path, error.namespaces = path.text or None, path.namespaces
        return error

    def _bad(self, source: Element, what: str) -> RpcError:
        name = local_name(source)
        return rpc_error.bad_element(name, f"<{name}> {what}", layer="application")

    def _unknown(self, source: Element, node: SchemaNode | None) -> RpcError:
        name, namespace = local_name(source), etree.QName(source).namespace or ""
        if node is not None:
            return rpc_error.unknown_element(
                name, f"<{name}> is state, it cannot be configured", layer="application"
            )
        if namespace not in schema_namespaces(self._schema):
            return rpc_error.unknown_namespace(name, namespace, layer="application")
        return rpc_error.unknown_element(name, layer="application")
