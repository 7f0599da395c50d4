"""XPath filters (RFC 6241, 8.9; RFC 8526, 3.1.1): what an expression selects of a datastore.

Expressions are read and judged here, and evaluated by libxml2. An answer holds each selected node with all below it,
the nodes above it, and the keys of the list entries among these; nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.depth import copy_to_depth
from casm_ctrl.netconf.trees import NO_NODES, hollow
from casm_ctrl.netconf.xpath.cost import Numbers, cost_of
from casm_ctrl.netconf.xpath.patterns import compile_pattern
from casm_ctrl.netconf.xpath.plan import ROOT, owners_of, plan_of, value_plan
from casm_ctrl.netconf.xpath.syntax import parse_xpath
from casm_ctrl.netconf.xpath.tree import Expression, XPathError, type_of
from casm_ctrl.yang.schema import Schema, SchemaNode

DEAREST = 100_000_000
"""Nodes that an evaluation may look at: some two seconds."""
DEAREST_EACH = 50
"""The same for each node of the data: what reading it costs already."""

DEAREST_CONDITION = 1_000_000
"""The same for a condition, which is asked often: some 20 ms."""


class TooCostly(Exception):
    """Evaluating an expression on this data may take too long; the message says so."""


@dataclass(frozen=True)
class XPathFilter:
    """An expression for a node-set, compiled."""

    expression: Expression
    _constants: tuple[tuple[str, etree.XPath], ...]
    _branches: tuple[tuple[etree.XPath, ...], ...]

    def find(self, data: Element) -> list[Element]:
        """The selected elements, each once, in no order. `data` stands for the root node, and is the root of its own
        document; it is among them where the root node is selected. Of an attribute or a text it is the element.

        TooCostly where it may take too long.
        """
        _check_cost(self.expression, data)
        values = _values(self._constants, data)
        found: dict[Element, None] = {}
        for first, *others in self._branches:
            nodes = _elements(first(data, **values))
            for step in others:
                nodes = dict.fromkeys(one for node in nodes for one in _elements(step(node, **values)))
            found.update(nodes)
        return list(found)

    def select(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        """Copies of the top-level nodes under `data`, cut down to what is selected, and each selected node to `depth`
        levels, itself the first. With a Schema the keys of list entries come along. TooCostly as in `find`."""
        return cut_to(data, self.find(data), schema, depth)


@dataclass(frozen=True)
class XPathCondition:
    """An expression whose value as a boolean is asked for, of small documents."""

    expression: Expression
    _constants: tuple[tuple[str, etree.XPath], ...]
    _whole: etree.XPath

    def holds(self, data: Element) -> bool:
        """Whether it is true where `data` stands for the root node."""
        return bool(self._whole(data, **_values(self._constants, data)))


def compile_filter(expression: str, namespaces: Mapping[str | None, str]) -> XPathFilter:
    """Of an expression whose prefixes `namespaces` binds. XPathError where it is none, or none for a node-set."""
    parsed = parse_xpath(expression, namespaces)
    if type_of(parsed) != "node-set":
        raise XPathError(f"it gives a {type_of(parsed)}, and must select nodes")
    parsed = owners_of(parsed)
    plan = plan_of(parsed)
    return XPathFilter(
        parsed,
        tuple((name, _compile(text, plan.namespaces)) for name, text in plan.constants),
        tuple(tuple(_compile(text, plan.namespaces) for text in branch) for branch in plan.branches),
    )


def compile_condition(expression: str, namespaces: Mapping[str | None, str], nodes: int) -> XPathCondition:
    """As `compile_filter`, of an expression of any type. TooCostly where it is too much to ask of documents with so
    many `nodes`."""
    parsed = parse_xpath(expression, namespaces)
    if cost_of(parsed, Numbers(nodes)) > DEAREST_CONDITION:
        raise TooCostly(
            "the XPath expression may take too long: name whole paths, and ask for less in predicates"
        )
    plan = value_plan(parsed)
    [[whole]] = plan.branches
    return XPathCondition(
        parsed,
        tuple((name, _compile(text, plan.namespaces)) for name, text in plan.constants),
        _compile(f"boolean({whole})", plan.namespaces),
    )


def _compile(text: str, namespaces: Mapping[str, str]) -> etree.XPath:
    try:
        return etree.XPath(text, namespaces=dict(namespaces), extensions=_OF_YANG, regexp=False)
    except (etree.XPathError, ValueError) as error:  # characters that no XML has
        raise XPathError(str(error)) from None


def _re_match(_: object, text: str, pattern: str) -> bool:
    """RFC 7950, 10.2.1."""
    return compile_pattern(str(pattern)).matches(str(text))


_OF_YANG = {(None, "re-match"): _re_match}


def _check_cost(expression: Expression, data: Element) -> None:
    numbers = Numbers.roughly(data)
    most = max(DEAREST, DEAREST_EACH * numbers.all)
    if cost_of(expression, numbers) > most and (cost := cost_of(expression, numbers.exactly(data))) > most:
        raise TooCostly(
            f"the XPath expression may have to look at {cost:.1g} nodes, being asked of {numbers.all}, and may at "
            f"{most:.1g}: name whole paths, and ask for less in predicates"
        )


# --- Evaluating -----------------------------------------------------------------------------------


def _values(constants: Sequence[tuple[str, etree.XPath]], data: Element) -> dict[str, Any]:
    values: dict[str, Any] = {ROOT: [data]}
    for name, expression in constants:
        values[name] = expression(data, **values)
    return values


def _elements(result: object) -> dict[Element, None]:
    """The elements of a node-set; of an attribute or a text, the element that has it."""
    found: dict[Element, None] = {}
    for node in cast("list[object]", result):
        if isinstance(node, etree._Element):
            found[node] = None
        elif isinstance(node, etree._ElementUnicodeResult):
            owner = node.getparent()
            if owner is not None and node.is_tail:
                owner = owner.getparent()
            if owner is not None:
                found[owner] = None
    return found


# --- Cutting --------------------------------------------------------------------------------------


def cut_to(
    data: Element, selected: Sequence[Element], schema: Schema | None = None, depth: int | None = None
) -> list[Element]:
    """Copies of the top-level nodes under `data`: the `selected` nodes, all that is below them or `depth` levels of
    it, and the way to them."""
    if data in selected:
        selected = [*data.iterchildren("*"), *selected]
    cutter = _Cutter(data, selected, depth)
    return list(cutter.children(data, schema.roots if schema else NO_NODES, ()))


class _Cutter:
    def __init__(self, data: Element, selected: Sequence[Element], depth: int | None) -> None:
        self._selected = set(selected)
        self._below: dict[Element, dict[Element, None]] = {data: {}}
        """The children of a node that are selected, or have something below them that is."""
        self._depth = depth
        for node in selected:
            if node is not data:
                self._note(node)

    def _note(self, node: Element) -> None:
        above = node.getparent()
        while above is not None:
            known = bool(self._below.get(above))
            self._below.setdefault(above, {})[node] = None
            if known:
                return
            node, above = above, above.getparent()

    def children(
        self, parent: Element, nodes: Mapping[str, SchemaNode], keys: Sequence[str], left: int = 0
    ) -> Iterator[Element]:
        """Of `parent`: its keys, what is wanted of it, and `left` levels of all."""
        wanted = self._below[parent]
        ordered: Iterable[Element] = wanted
        if left or keys or len(wanted) > 1:
            ordered = parent.iterchildren("*")
        for child in ordered:
            tag = str(child.tag)
            if child in wanted:
                yield self._node(child, nodes.get(tag), left)
            elif left or tag in keys:
                yield copy_to_depth(child, nodes.get(tag), left or None)

    def _node(self, element: Element, node: SchemaNode | None, left: int) -> Element:
        if element in self._selected:
            if self._depth is None:
                return copy_to_depth(element, node, None)
            left = max(left, self._depth)
        if element not in self._below:
            return copy_to_depth(element, node, left)
        copied = hollow(element)
        nodes, keys = (node.children, node.keys) if node is not None else (NO_NODES, ())
        copied.extend(self.children(element, nodes, keys, max(0, left - 1)))
        return copied
