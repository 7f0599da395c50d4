"""What changed between two readings of a datastore, as the edits of a YANG patch (RFC 8641, 3.7; RFC 8072, 2).

An edit is made at the highest node that came or went; where a leaf changed, at the leaf. Targets are paths from
the datastore's root, as RFC 8072 writes them: /module:list=key/leaf.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from urllib.parse import quote

from lxml import etree

from casm_ctrl.netconf.names import Element, local_name, namespace
from casm_ctrl.netconf.trees import NO_NODES
from casm_ctrl.northbound.notifications.names import add, element, yp
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode


@dataclass(frozen=True)
class Change:
    """`operation` is create, delete or replace; `value` the node as it is now."""

    operation: str
    target: str
    value: Element | None = None


class Differ:
    """Compares readings by a schema: entries of a list by their keys. `prefixes` are module names by namespace."""

    def __init__(self, schema: Schema, modules: Mapping[str, str]) -> None:
        self._schema = schema
        self._modules = modules

    def changes(self, before: Element, after: Element) -> list[Change]:
        """The changes that make the nodes under `before` those under `after`, in document order."""
        return list(self._compare(before, after, self._schema.roots, ""))

    def _compare(
        self, before: Element, after: Element, nodes: Mapping[str, SchemaNode], path: str
    ) -> Iterator[Change]:
        old = self._index(before, nodes)
        new = self._index(after, nodes)
        for key, node in old.items():
            if key not in new:
                yield Change("delete", self._path(path, node, nodes))
        for key, node in new.items():
            where = self._path(path, node, nodes)
            was = old.get(key)
            if was is None:
                yield Change("create", where, node)
            elif len(node) or len(was):
                schema = nodes.get(str(node.tag))
                yield from self._compare(was, node, schema.children if schema else NO_NODES, where)
            elif (was.text or "") != (node.text or ""):
                yield Change("replace", where, node)

    def _index(self, parent: Element, nodes: Mapping[str, SchemaNode]) -> dict[tuple[str, ...], Element]:
        found: dict[tuple[str, ...], Element] = {}
        for child in parent.iterchildren("*"):
            found[(str(child.tag), *_keys(child, nodes))] = child
        return found

    def _path(self, path: str, node: Element, nodes: Mapping[str, SchemaNode]) -> str:
        parent = node.getparent()
        space = namespace(node) or ""
        name = local_name(node)
        if not path or parent is None or namespace(parent) != space:
            name = f"{self._modules.get(space, space)}:{name}"
        keys = _keys(node, nodes)
        return f"{path}/{name}{'=' if keys else ''}{','.join(quote(key, safe='') for key in keys)}"


def _keys(node: Element, nodes: Mapping[str, SchemaNode]) -> Sequence[str]:
    schema = nodes.get(str(node.tag))
    if schema is None:
        return ()
    if schema.kind is Kind.LEAF_LIST:
        return (node.text or "",)
    if schema.kind is Kind.LIST:
        return tuple(node.findtext(key) or "" for key in schema.keys)
    return ()


def write_patch(number: int, patch: int, changes: Sequence[Change], *, incomplete: bool = False) -> Element:
    """The notification push-change-update for subscription `number`; `patch` numbers its patches."""
    told = element(yp("push-change-update"))
    add(told, "id", str(number))
    body = add(add(told, "datastore-changes"), "yang-patch")
    add(body, "patch-id", str(patch))
    for count, change in enumerate(changes, start=1):
        edit = add(body, "edit")
        add(edit, "edit-id", str(count))
        add(edit, "operation", change.operation)
        add(edit, "target", change.target)
        if change.value is not None:
            add(edit, "value").append(_copy(change.value))
    if incomplete:
        add(told, "incomplete-update")
    return told


def write_update(number: int, nodes: Sequence[Element]) -> Element:
    """The notification push-update: all that is selected."""
    told = element(yp("push-update"))
    add(told, "id", str(number))
    contents = add(told, "datastore-contents")
    contents.extend(_copy(node) for node in nodes)
    return told


def weigh(nodes: Sequence[Element]) -> int:
    """Octets of `nodes` in XML."""
    return sum(len(etree.tostring(node, with_tail=False)) for node in nodes)


def _copy(node: Element) -> Element:
    copied = deepcopy(node)
    copied.tail = None
    return copied
