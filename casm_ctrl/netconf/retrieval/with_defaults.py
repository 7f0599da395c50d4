"""Default data (RFC 6243): filled in where it is asked for, and taken out where a server does not keep it.

The basic mode here is trim: no leaf that has its default is kept, so nobody knows whether a client set it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import cast

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.selection import Selection, Step
from casm_ctrl.netconf.trees import is_implicit, text_of
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

MODULE = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
PARAMETER = f"{{{MODULE}}}with-defaults"
"""The argument of get, get-config and copy-config (4.5)."""

ATTRIBUTES = "urn:ietf:params:xml:ns:netconf:default:1.0"
DEFAULT = f"{{{ATTRIBUTES}}}default"
"""The attribute of nodes that are default data (section 6)."""

WITH_DEFAULTS = "urn:ietf:params:netconf:capability:with-defaults:1.0"
WITH_OPERATIONAL_DEFAULTS = "urn:ietf:params:netconf:capability:with-operational-defaults:1.0"
"""get-data takes the argument for operational too (RFC 8526, 3.1.1.2)."""


class Mode(Enum):
    """The retrieval modes of section 3. There is no `explicit`: what a client set to its default is not kept."""

    REPORT_ALL = "report-all"
    REPORT_ALL_TAGGED = "report-all-tagged"
    TRIM = "trim"


WORDS = (*(mode.value for mode in Mode), "explicit")
"""All that the argument's type has, whether a server has the mode or not."""

CAPABILITY = f"{WITH_DEFAULTS}?basic-mode={Mode.TRIM.value}&also-supported=" + ",".join(
    mode.value for mode in Mode if mode is not Mode.TRIM
)


def read_mode(text: str) -> Mode:
    """The mode that a with-defaults argument asks for."""
    for mode in Mode:
        if mode.value == text.strip():
            return mode
    known = ", ".join(mode.value for mode in Mode)
    raise rpc_error.invalid_value(
        f"with-defaults is '{text.strip()}', and this server has: {known}", layer="protocol"
    )


# --- One leaf -------------------------------------------------------------------------------------

_SIGNED = ("int8", "int16", "int32", "int64")
_INTEGERS = frozenset((*_SIGNED, *(f"u{name}" for name in _SIGNED)))


def has_default(leaf: Element, node: SchemaNode) -> bool:
    """Whether a leaf has the value that its schema gives it by default."""
    if node.default is None:
        return False
    text = text_of(leaf)
    return text == node.default or (
        node.base in _INTEGERS and _number(text) is not None and _number(text) == _number(node.default)
    )


def _number(text: str) -> int | None:
    try:
        return int(text.strip())
    except ValueError:
        return None


def is_kept(leaf: Element, node: SchemaNode) -> bool:
    """Whether a server that trims keeps a leaf that is set. One in a case is kept always: it chooses the case."""
    return bool(node.cases) or not has_default(leaf, node)


def trim(element: Element, node: SchemaNode) -> Element:
    """Take the default data out of `element`, which is changed; and containers that mean nothing without it."""
    for child in list(element.iterchildren("*")):
        below = node.children.get(str(child.tag))
        if below is None:
            continue
        if below.kind is Kind.LEAF:
            if not is_kept(child, below):
                element.remove(child)
        elif len(child):
            trim(child, below)
            if is_implicit(below) and not len(child):
                element.remove(child)
    return element


# --- All that a schema has ------------------------------------------------------------------------


class Defaults:
    """Where default data may be in the data of a schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._plans: dict[int, _Plan] = {}
        self._names: set[str] = set()
        for node in schema.roots.values():
            self._plan(node)

    def _plan(self, node: SchemaNode) -> _Plan:
        """Of `node` and all below it."""
        leafs: list[SchemaNode] = []
        inner: list[SchemaNode] = []
        implied: list[SchemaNode] = []
        for child in node.children.values():
            if child.kind is Kind.LEAF and child.default is not None:
                leafs.append(child)
                self._names.add(child.tag)
            elif child.children:
                below = self._plan(child)
                if below.any:
                    inner.append(child)
                if below.implies and is_implicit(child):
                    implied.append(child)
        made = self._plans[id(node)] = _Plan(node, leafs, inner, implied)
        return made

    # --- Selections -------------------------------------------------------------------------------

    def concern(self, selection: Selection) -> bool:
        """Whether default data may be among what is selected, or decide what is."""
        return any(
            self._concern(selection, tag, root)
            for tag, root in self._schema.roots.items()
            if selection.names(tag)
        )

    def _concern(self, around: Selection, tag: str, node: SchemaNode) -> bool:
        """The same, of the nodes with that tag where `around` is what is asked for."""
        plan, inside = self._plans[id(node)], around.below(tag)
        if not plan.any or inside.nothing:
            return False
        if inside.everything:
            return True
        return any(inside.names(leaf.tag) or around.decides(tag, leaf.tag) for leaf in plan.leafs) or any(
            inside.names(child.tag) and self._concern(inside, child.tag, child) for child in plan.inner
        )

    def loosened(self, selection: Selection) -> Selection:
        """What must be read so that default data can be filled in and the filter be held against it: no value of a
        leaf that has a default decides."""
        if selection.steps is None:
            return selection.loosely()
        steps = tuple(self._loosened(step) for step in selection.steps)
        return Selection(steps, exact=False)

    def _loosened(self, step: Step) -> Step:
        equals = tuple(pair for pair in step.equals if not self._named(pair[0]))
        value = None if step.value is not None and self._named(step.tag) else step.value
        return replace(step, below=self.loosened(step.below), equals=equals, value=value, exact=False)

    def _named(self, tag: str) -> bool:
        return any(_same_name(tag, name) for name in self._names)

    # --- Filling ----------------------------------------------------------------------------------

    def fill(
        self,
        top: Element,
        selection: Selection,
        *,
        state: bool = True,
        attributes: Mapping[str, tuple[str, str]] | None = None,
        tag_all: bool = False,
        of_configuration: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        """Add the default data to the top-level nodes under `top`, which are changed, in schema order; nodes at the
        top that are nothing but defaults only where `selection` names them.

        `state`: of state nodes too. `attributes`, by name (prefix, value), are set on each leaf that is added, and
        with `tag_all` on each that has its default; `of_configuration` on those that are added and are configuration.
        """
        filler = _Filler(self._plans, state, attributes or {}, tag_all, of_configuration or {})
        present = {str(child.tag): child for child in top.iterchildren("*")}
        for tag, node in self._schema.roots.items():
            if tag in present:
                filler.fill(present[tag], node)
            elif selection.names(tag) and filler.implies(node):
                made = _make(top, node)
                top.append(made)
                filler.fill(made, node)


class _Plan:
    """What there is to do inside a node, and where its children stand."""

    def __init__(
        self,
        node: SchemaNode,
        leafs: list[SchemaNode],
        inner: list[SchemaNode],
        implied: list[SchemaNode],
    ) -> None:
        self.leafs = leafs
        self.inner = inner
        """Children in which there may be default data."""
        self.implied = implied
        """Containers that exist for the default data in them."""
        self.any = bool(leafs or inner)
        self.implies = bool(leafs or implied)
        self.order = {tag: position for position, tag in enumerate(node.children)}


class _Filler:
    def __init__(
        self,
        plans: Mapping[int, _Plan],
        state: bool,
        attributes: Mapping[str, tuple[str, str]],
        tag_all: bool,
        of_configuration: Mapping[str, tuple[str, str]],
    ) -> None:
        self._of_configuration = {**attributes, **of_configuration}
        self._plans = plans
        self._state = state
        self._attributes = attributes
        self._tag_all = tag_all

    def implies(self, node: SchemaNode) -> bool:
        """Whether the node, which is not there, is for the default data in it."""
        return (node.config or self._state) and is_implicit(node) and self._plans[id(node)].implies

    def fill(self, element: Element, node: SchemaNode) -> None:
        plan = self._plans.get(id(node))
        if plan is None or not plan.any:
            return
        present = {str(child.tag) for child in element.iterchildren("*")}
        for leaf in plan.leafs:
            if leaf.tag in present:
                if self._tag_all:
                    self._mark_defaults(element, leaf)
            elif self._applies(leaf, plan, node, present):
                made = _make(element, leaf, self._of_configuration if leaf.config else self._attributes)
                made.text = leaf.default
                _insert(element, made, plan.order)
        for container in plan.implied:
            if container.tag not in present and self._applies(container, plan, node, present):
                _insert(element, _make(element, container), plan.order)
        for child in plan.inner:
            for found in element.iterchildren(child.tag):
                self.fill(found, child)

    def _applies(self, child: SchemaNode, plan: _Plan, node: SchemaNode, present: set[str]) -> bool:
        """A default in a case holds where a node of that case is there (RFC 7950, 7.6.1)."""
        if not (child.config or self._state):
            return False
        if not child.cases:
            return True
        return any(
            other.cases[: len(child.cases)] == child.cases
            for tag, other in node.children.items()
            if tag in present
        )

    def _mark_defaults(self, element: Element, leaf: SchemaNode) -> None:
        for found in list(element.iterchildren(leaf.tag)):
            if has_default(found, leaf):
                made = _make(element, leaf, self._attributes)
                made.text = found.text
                element.replace(found, made)


def _make(
    parent: Element, node: SchemaNode, attributes: Mapping[str, tuple[str, str]] | None = None
) -> Element:
    """A new element for `parent`, not yet in it. An attribute's prefix is declared on it, since a value may need it."""
    bound: dict[str | None, str] = {None: node.tag[1:].partition("}")[0]}
    for name, (prefix, _) in (attributes or {}).items():
        bound[prefix] = name[1:].partition("}")[0]
    made = parent.makeelement(node.tag, nsmap=cast("Mapping[str, str]", bound))
    for name, (_, value) in (attributes or {}).items():
        made.set(name, value)
    return made


def _insert(parent: Element, made: Element, order: Mapping[str, int]) -> None:
    """Before the first child that the schema has later."""
    place = order[str(made.tag)]
    for child in parent.iterchildren("*"):
        if order.get(str(child.tag), -1) > place:
            child.addprevious(made)
            return
    parent.append(made)


def _same_name(pattern: str, tag: str) -> bool:
    if pattern == tag:
        return True
    space, _, name = pattern.partition("}")
    return space == "{*" and name == tag.partition("}")[2]


def trimmed(nodes: Iterable[Element], schema: Schema) -> list[Element]:
    """Top-level nodes without their default data; they are changed."""
    kept = []
    for element in nodes:
        node = schema.roots.get(str(element.tag))
        kept.append(element if node is None else trim(element, node))
    return kept
