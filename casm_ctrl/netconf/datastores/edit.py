"""edit-config: what an edit makes of a configuration (RFC 6241, 7.2; RFC 7950, 7.5 to 7.9 and 8.3).

The edit is applied to one copy of the tree, so that a failure leaves the input as it was; beyond that copy
the cost follows the size of the edit, except that a list which the edit touches is indexed once.

Types, must, when, mandatory, unique and references are not looked at here: the complete configuration that
comes out is for the validating engine.

Two readings where the RFCs leave room. Below a node that is replaced or created the edit sees a new, empty
node: `delete` in there finds nothing. A non-presence container exists always (RFC 7950, 7.5.1), so under
`none` it leads the way even where it holds nothing; but nothing is there to be deleted from it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.datastores.edit_reader import (
    DEFAULTS,
    OPERATION,
    REMOVING,
    EditReader,
    Operation,
    Step,
)
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.netconf.retrieval.with_defaults import is_kept
from casm_ctrl.netconf.trees import add_child, hollow, index_entries, is_implicit, says_something, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode


def apply_edit(
    tree: Element,
    config: Element,
    schema: Schema,
    default_operation: str = "merge",
    *,
    trims: bool = False,
) -> Element:
    """The configuration that `tree` becomes by the edit in `config`, as a new tree; `tree` is left as it is.

    `trims`: the server's basic mode is trim (RFC 6243, 2.2). A leaf that is set to its default is not kept, and may
    say so itself by its attribute `default` (4.5.2).
    RpcError with the path of the node to blame where the edit does not fit the schema or the tree.
    """
    default = next((one for one in DEFAULTS if one.value == default_operation), None)
    if default is None:
        raise rpc_error.invalid_value(
            f"'{default_operation}' is not a default-operation: use merge, replace or none", layer="protocol"
        )
    if config.get(OPERATION) is not None:
        raise rpc_error.unknown_attribute("operation", local_name(config))
    if default is Operation.REPLACE:
        target = hollow(tree)
    else:
        target = copy.deepcopy(tree)
        target.tail = None
    _Edit(EditReader(config, schema, tags_defaults=trims), trims).apply(target, config, schema.roots, default)
    return target


class _Siblings:
    """The children of one node of the target, found by tag and key."""

    def __init__(self, parent: Element) -> None:
        self.parent = parent
        self._indexes: dict[str, dict[tuple[str, ...], Element]] = {}

    def find(self, node: SchemaNode, key: tuple[str, ...]) -> Element | None:
        if node.kind in (Kind.CONTAINER, Kind.LEAF):
            return next(self.parent.iterchildren(node.tag), None)
        return self._index(node).get(key)

    def add(self, node: SchemaNode, key: tuple[str, ...], element: Element) -> None:
        if key:
            self._index(node)[key] = element

    def remove(self, node: SchemaNode, key: tuple[str, ...], element: Element) -> None:
        self.parent.remove(element)
        if key:
            self._index(node).pop(key, None)

    def remove_all(self, tag: str) -> None:
        self._indexes.pop(tag, None)
        for element in list(self.parent.iterchildren(tag)):
            self.parent.remove(element)

    def _index(self, node: SchemaNode) -> dict[tuple[str, ...], Element]:
        if node.tag not in self._indexes:
            self._indexes[node.tag] = index_entries(self.parent, node)
        return self._indexes[node.tag]


class _Edit:
    """One edit on its way down the trees."""

    def __init__(self, reader: EditReader, trims: bool) -> None:
        self._reader = reader
        self._trims = trims

    def apply(
        self,
        target: Element,
        source: Element,
        nodes: Mapping[str, SchemaNode],
        inherited: Operation,
        keys: tuple[str, ...] = (),
    ) -> None:
        """Apply the children of `source` (without a list entry's `keys`) to `target`."""
        siblings = _Siblings(target)
        steps = self._reader.read_children(source, nodes, inherited, keys)
        if any(step.node.cases for step in steps):
            # What leaves one case must be gone before another case's nodes push it out.
            steps.sort(key=lambda step: step.operation not in REMOVING)
        chosen: dict[tuple[str, ...], str] = {}
        for step in steps:
            made = self._apply_step(siblings, step)
            if made and step.node.cases:
                self._choose(siblings, nodes, step, chosen)

    def _apply_step(self, siblings: _Siblings, step: Step) -> bool:
        """Apply one node of the edit; True where the node exists afterwards."""
        node, operation = step.node, step.operation
        existing = siblings.find(node, step.key)
        present = existing is not None and says_something(existing, node)
        if operation in REMOVING:
            if existing is not None:
                siblings.remove(node, step.key, existing)
            if not present and operation is Operation.DELETE:
                raise self._reader.at(
                    step.source, rpc_error.data_missing(message="there is nothing to delete here")
                )
            return False
        if present and operation is Operation.CREATE:
            raise self._reader.at(step.source, rpc_error.data_exists())
        if existing is None and operation is Operation.NONE and not is_implicit(node):
            raise self._reader.at(step.source, rpc_error.data_missing())
        if node.kind is Kind.LEAF:
            if self._trims and operation is not Operation.NONE and not is_kept(step.source, node):
                if existing is not None:
                    siblings.remove(node, step.key, existing)
                return False
            if operation is not Operation.NONE:
                _write_leaf(siblings.parent, existing, step.source)
            return True
        element = existing if existing is not None else _make(siblings, step)
        if node.user_ordered:
            self._place(siblings, step, element)
        if node.kind is Kind.LEAF_LIST:
            return True
        if existing is not None and operation in (Operation.REPLACE, Operation.CREATE):
            _empty(element, node.keys)
        self.apply(element, step.source, node.children, operation, node.keys)
        if is_implicit(node) and not len(element):
            siblings.remove(node, step.key, element)
            return False
        return True

    def _choose(
        self,
        siblings: _Siblings,
        nodes: Mapping[str, SchemaNode],
        step: Step,
        chosen: dict[tuple[str, ...], str],
    ) -> None:
        """Remove the nodes of the cases that the node of `step` excludes (RFC 7950, 7.9)."""
        way: tuple[str, ...] = ()
        for depth, (choice, case) in enumerate(step.node.cases):
            way = (*way, choice)
            if chosen.get(way, case) != case:
                error = rpc_error.bad_element(
                    local_name(step.source),
                    f"the edit holds nodes of two cases of the choice {choice}",
                    layer="application",
                )
                raise self._reader.at(step.source, error)
            if way not in chosen:
                chosen[way] = case
                for other in nodes.values():
                    if other.cases[:depth] == step.node.cases[:depth] and (
                        len(other.cases) > depth
                        and other.cases[depth][0] == choice
                        and other.cases[depth][1] != case
                    ):
                        siblings.remove_all(other.tag)
            way = (*way, case)

    def _place(self, siblings: _Siblings, step: Step, element: Element) -> None:
        """Put an entry of a user-ordered list where yang:insert wants it (RFC 7950, 7.7.9 and 7.8.6)."""
        tag = step.node.tag
        if step.insert == "first":
            first = next(siblings.parent.iterchildren(tag))
            if first is not element:
                first.addprevious(element)
        elif step.insert == "last":
            siblings.parent.append(element)
        elif step.insert is not None:
            other = siblings.find(step.node, self._reader.read_insert_point(step))
            if other is None or other is element:
                attribute = "value" if step.node.kind is Kind.LEAF_LIST else "key"
                error = rpc_error.bad_attribute(
                    attribute, local_name(step.source), "there is no such other entry to insert at"
                )
                error.app_tag = "missing-instance"
                raise self._reader.at(step.source, error)
            if step.insert == "before":
                other.addprevious(element)
            else:
                other.addnext(element)


# --- The target tree ------------------------------------------------------------------------------


def _make(siblings: _Siblings, step: Step) -> Element:
    """A new last child; a list entry gets its keys, a leaf-list entry its value."""
    element = add_child(siblings.parent, step.source)
    if step.node.kind is Kind.LEAF_LIST:
        element.text = step.key[0]
    for tag in step.node.keys:
        _write_leaf(element, None, next(step.source.iterchildren(tag)))
    siblings.add(step.node, step.key, element)
    return element


def _write_leaf(parent: Element, existing: Element | None, source: Element) -> None:
    leaf = add_child(parent, source)
    leaf.text = text_of(source) or None
    if existing is not None:
        parent.replace(existing, leaf)


def _empty(element: Element, keys: tuple[str, ...]) -> None:
    """Take everything out of a node but its keys."""
    for child in list(element):
        if child.tag not in keys:
            element.remove(child)
    element.text = None
