"""What an XPath expression may cost at most on some data, known before it is evaluated.

A few characters can ask for hours: each predicate multiplies, and libxml2 joins node-sets by comparing all with all.
The unit of cost is one node looked at, some 20 ns; the other weights are measured against that. The bound is first
taken with the number of nodes alone, and where that is too much, with the numbers of each name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple, cast

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.xpath.patterns import compile_pattern
from casm_ctrl.netconf.xpath.plan import NEAR, is_guarded, pieces_of, union_members
from casm_ctrl.netconf.xpath.tree import (
    Call,
    Chain,
    Expression,
    Filtered,
    Junction,
    Literal,
    Path,
    Step,
    is_kept,
    is_kept_condition,
    operands,
    type_of,
)

_PREDICATE = 50
"""Evaluating a predicate, without what is in it."""
_COMPARISON = 0.4
"""Comparing two nodes, or the hashes of their values."""
_CALL = 300
"""Evaluating a step for one node from here."""
_STATE = 10
"""Holding a character against one state of a pattern, which is done here."""
_GIVEN = 50
"""Making a node known here."""
_LEVELS = 12
"""Nodes above a node, the document's included: our deepest models have eight."""
_BESIDE = 16
"""Attributes or namespaces of an element."""
_BYTES = 16
"""Of text that a node has, about."""

_QUADRATIC = frozenset(("contains", "substring-before", "substring-after", "translate"))
"""Functions of which libxml2 holds each character of one text against all of another."""


class Numbers:
    """How many nodes there are. What takes a walk from Python is counted only where the numbers are `exact`."""

    def __init__(self, nodes: int, counts: _Counts | None = None) -> None:
        self.all = nodes
        """Nodes; more where their texts are long."""
        self._exact = counts

    @staticmethod
    def roughly(data: Element) -> Numbers:
        nodes, text = data.xpath("count(descendant-or-self::node())"), data.xpath("string-length()")
        return Numbers(max(int(cast(float, nodes)), int(cast(float, text)) // _BYTES))

    def exactly(self, data: Element) -> Numbers:
        """The same, with the numbers of each name."""
        return Numbers(self.all, _count(data))

    def of(self, test: str) -> int:
        """Nodes that pass a test."""
        return self._sum(self._exact.each, test, self.all) if self._exact else self.all

    def siblings(self, test: str) -> int:
        """Of these at most among the children of one node."""
        return self._sum(self._exact.siblings, test, self.most_siblings) if self._exact else self.all

    @property
    def most_siblings(self) -> int:
        return self._exact.most_siblings if self._exact else self.all

    @property
    def longest(self) -> int:
        """Characters of one leaf, or of any text where that is not known."""
        return self._exact.longest if self._exact else _BYTES * self.all

    def size(self, test: str) -> int:
        """Nodes in the largest of the subtrees of those that pass a test."""
        if test == "text()":
            return 1
        named = test.startswith("{") and "*" not in test
        return 2 if named and self._exact and test not in self._exact.inner else self.all

    def _sum(self, counts: Counter[str], test: str, most: int) -> int:
        uri, _, name = test.partition("}")
        if not name or (uri == "{*" and name == "*"):
            return most
        if uri != "{*" and name != "*":
            return counts[test]
        return min(most, sum(number for tag, number in counts.items() if _names(uri, name, tag)))


@dataclass
class _Counts:
    """Nodes of each name, and of these at most in one parent; names of those that have children."""

    each: Counter[str] = field(default_factory=Counter)
    siblings: Counter[str] = field(default_factory=Counter)
    inner: set[str] = field(default_factory=set)
    most_siblings: int = 1
    longest: int = 1


def _count(data: Element) -> _Counts:
    counts = _Counts()
    for node in data.iter("*"):
        if len(node):
            counts.inner.add(str(node.tag))
            counts.most_siblings = max(counts.most_siblings, 2 * len(node) + 1)  # and the texts between them
            for tag, number in Counter(str(child.tag) for child in node.iterchildren("*")).items():
                counts.each[tag] += number
                counts.siblings[tag] = max(counts.siblings[tag], number)
        elif node.text:
            counts.longest = max(counts.longest, len(node.text))
    return counts


def _names(uri: str, name: str, tag: str) -> bool:
    space, _, local = tag.partition("}")
    return name in ("*", local) and uri in ("{*", space)


class Nodes(NamedTuple):
    """What is known of the node-sets that an expression gives in several evaluations together."""

    evaluations: float
    total: float
    """Nodes in all of them."""
    copies: float
    """In how many of them the same node may be."""
    most: float
    """Nodes in one of them."""
    size: float
    """Nodes in the largest subtree of one node."""


@dataclass
class _Bill:
    numbers: Numbers
    cost: float = 0.0

    # --- Expressions ------------------------------------------------------------------------------

    def value(self, expression: Expression, context: Nodes, *, condition: bool = False) -> Nodes:
        """Add what `expression` costs, evaluated once with each of the nodes of `context` as its context node. A
        node-set is given; of other values only how many."""
        none = Nodes(context.total, 0, 1, 0, 1)
        root = self.numbers.all
        once = (is_kept_condition if condition else is_kept)(expression)
        if once and context.total > 1:
            self.cost += context.total
            self.value(expression, Nodes(1, 1, 1, 1, root))
            return none
        match expression:
            case Path():
                return self._path(expression, context)
            case Filtered(primary, predicates):
                return self._predicates(predicates, self.value(primary, context))
            case Junction("|", members):
                return self._union([self.value(member, context) for member in members])
            case Junction(_, members):
                for member in members:
                    self.value(member, context, condition=True)
            case Call(function="current"):
                return Nodes(context.total, context.total, context.total, 1, root)
            case Chain(first, rest):
                self._chain(first, [operand for _, operand in rest], context)
            case Call():
                self._call(expression, context)
            case _:
                for operand in operands(expression):
                    self.value(operand, context)
        self.cost += context.total
        return none

    def _union(self, members: Sequence[Nodes]) -> Nodes:
        """Each node of one is compared with all that came before."""
        joined = members[0]
        for nodes in members[1:]:
            self.cost += min(joined.total, nodes.total) * max(joined.most, nodes.most) * _COMPARISON
            joined = Nodes(
                joined.evaluations,
                joined.total + nodes.total,
                joined.copies + nodes.copies,
                joined.most + nodes.most,
                max(joined.size, nodes.size),
            )
        return joined

    def _chain(self, first: Expression, rest: Sequence[Expression], context: Nodes) -> None:
        sets = [self.value(operand, context) for operand in (first, *rest)]
        for nodes in sets:
            self.cost += self._text(nodes)
        for left, right in pairwise(sets):
            if left.total and right.total:
                self.cost += min(left.total * right.most, left.most * right.total) * _COMPARISON

    def _call(self, call: Call, context: Nodes) -> None:
        sets = [self.value(argument, context) for argument in call.arguments]
        if not call.arguments:
            self.cost += self._text(context)
        elif call.function not in ("count", "boolean", "not"):
            self.cost += sum(map(self._text, sets))
        if call.function in _QUADRATIC:
            text = max(self._text(sets[0]), context.total)
            self.cost += text * self._needle(call.arguments[1], sets[1])

        if call.function == "re-match" and isinstance(call.arguments[1], Literal):
            states = compile_pattern(call.arguments[1].value).states
            self.cost += (self._text(sets[0]) * _BYTES + context.total) * states * _STATE

    def _needle(self, expression: Expression, nodes: Nodes) -> float:
        if isinstance(expression, Literal):
            return 1 + len(expression.value) / _BYTES
        if type_of(expression) in ("number", "boolean"):
            return _BYTES
        return self.numbers.longest * nodes.size

    def _text(self, nodes: Nodes) -> float:
        """The nodes whose texts make the values of these."""
        everything = self.numbers.all
        return min(nodes.total * nodes.size, nodes.copies * everything * _LEVELS)

    # --- Paths ------------------------------------------------------------------------------------

    def _path(self, path: Path, context: Nodes) -> Nodes:
        nodes = context._replace(evaluations=context.total, most=1)
        if path.absolute:
            nodes = nodes._replace(copies=nodes.total, size=self.numbers.all)
        elif path.start is not None:
            nodes = self.value(path.start, context)
        for step in path.steps:
            nodes = self.step(step, nodes)
        return nodes

    def step(self, step: Step, nodes: Nodes) -> Nodes:
        """What a step finds from `nodes`."""
        seen, found = self._found(step, nodes)
        if step.axis != "self":
            found = found._replace(size=self.numbers.size(step.test))
        self.cost += seen
        if nodes.most > 1 and step.axis not in NEAR:
            self.cost += found.total * found.most * _COMPARISON
        if step.test.startswith("{*}") and step.test != "{*}*":
            self.cost += seen * _PREDICATE
        if is_guarded(step):
            self.cost += found.total * _PREDICATE
        return self._predicates(step.predicates, found)

    def _found(self, step: Step, nodes: Nodes) -> tuple[float, Nodes]:
        """How many nodes are looked at, and what they give."""
        everything = self.numbers.all
        evaluations, total, copies, most, size = nodes
        named = self.numbers.of(step.test)
        match step.axis:
            case "child":
                beside = self.numbers.siblings(step.test)
                seen = min(total * self.numbers.most_siblings, copies * everything)
                most = min(named, most * beside)
                return seen, Nodes(evaluations, min(total * beside, copies * named), copies, most, size)
            case "descendant" | "descendant-or-self":
                seen = min(total * everything, copies * everything * _LEVELS)
                copies = min(evaluations, copies * _LEVELS)
                return seen, Nodes(evaluations, min(seen, copies * named), copies, named, size)
            case "self" | "parent":
                up = step.axis == "parent"
                copies = min(evaluations, copies * self.numbers.most_siblings) if up else copies
                return total, Nodes(evaluations, total, copies, most, size)
            case "attribute" | "namespace":
                seen = total * _BESIDE
                return seen, Nodes(evaluations, seen, copies, most * _BESIDE, size)
            case "ancestor" | "ancestor-or-self":
                seen = total * _LEVELS
                return seen, Nodes(evaluations, seen, evaluations, min(most * _LEVELS, everything), size)
            case "following-sibling" | "preceding-sibling":
                seen = total * self.numbers.most_siblings
                most = min(named, most * self.numbers.siblings(step.test))
                return seen, Nodes(evaluations, min(seen, evaluations * most), evaluations, most, size)
        seen = total * everything
        return seen, Nodes(evaluations, min(seen, evaluations * named), evaluations, named, size)

    def _predicates(self, predicates: Sequence[Expression], nodes: Nodes) -> Nodes:
        for predicate in predicates:
            self.cost += nodes.total * _PREDICATE
            self.value(predicate, nodes, condition=type_of(predicate) != "number")
        return nodes

    # --- What is taken node by node ---------------------------------------------------------------

    def branch(self, expression: Expression, root: Nodes) -> None:
        if not isinstance(expression, Path):
            found = self.value(expression, root)
            self.cost += found.total * _GIVEN
            return
        first, *others = pieces_of(expression)
        nodes = self._path(replace(expression, steps=tuple(first)), root)
        self.cost += nodes.total * _GIVEN
        for steps in others:
            self.cost += nodes.total * _CALL
            each = Nodes(nodes.total, nodes.total, nodes.copies, 1, nodes.size)
            for step in steps:
                each = self.step(step, each)
            distinct = min(each.total, self.numbers.of(steps[-1].test))
            self.cost += each.total * _GIVEN
            nodes = Nodes(1, distinct, 1, distinct, each.size)


def cost_of(expression: Expression, numbers: Numbers) -> float:
    """The most that evaluating it for the root may cost, in nodes looked at."""
    bill = _Bill(numbers)
    for member in union_members(expression):
        bill.branch(member, Nodes(1, 1, 1, 1, numbers.all))
    return bill.cost
