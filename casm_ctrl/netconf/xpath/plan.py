"""How an XPath expression is put to libxml2.

The root node of a datastore has many children, that of an XML document only one: here an element stands for it,
which `$root` gives, and which steps must not find as if it were data.

libxml2 joins what a step finds from several nodes by comparing all with all, and evaluates a path anew for each node
of which it is asked. So the steps of a path that may look far are taken node by node, the members of a union one by
one, and what does not depend on a node is evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from casm_ctrl.netconf.xpath.tree import (
    Call,
    Chain,
    Expression,
    Filtered,
    Junction,
    Literal,
    Negation,
    Number,
    Path,
    Step,
    is_kept,
    is_kept_condition,
    type_of,
)

ROOT = "root"
"""The variable that holds the element above the top-level nodes."""

NEAR = frozenset(("child", "attribute", "self", "namespace"))
"""Axes that find no node from two others."""

_UPWARD = frozenset(("parent", "ancestor", "ancestor-or-self"))
_FINDS_ROOT = _UPWARD | {"self", "descendant-or-self"}


@dataclass(frozen=True)
class Plan:
    """What is evaluated: first the constants, each a variable for all that follows; then each branch. A branch is
    a chain of expressions, each from every node that the last one found, the first from the root."""

    constants: tuple[tuple[str, str], ...]
    branches: tuple[tuple[str, ...], ...]
    namespaces: dict[str, str]


def plan_of(expression: Expression) -> Plan:
    """Of an expression for a node-set."""
    writer = _Writer()
    branches = tuple(tuple(writer.branch(member)) for member in union_members(expression))
    return writer.plan(branches)


def owners_of(expression: Expression) -> Expression:
    """The same for a node-set, but with the elements that have them in place of namespace nodes at the end of paths:
    from those libxml2 gives no way back."""
    members = union_members(expression)
    if len(members) > 1:
        return Junction("|", tuple(map(owners_of, members)))
    if (
        isinstance(expression, Path)
        and len(expression.steps) > 1
        and expression.steps[-1].axis == "namespace"
    ):
        *before, owner, last = expression.steps
        owner = replace(owner, predicates=(*owner.predicates, Path(False, None, (last,))))
        return replace(expression, steps=(*before, owner))
    return expression


def value_plan(expression: Expression) -> Plan:
    """Of an expression of any type, in one piece."""
    writer = _Writer()
    branches = ((writer.text(expression),),)
    return writer.plan(branches)


def union_members(expression: Expression) -> list[Expression]:
    """What is joined by `|` at the top."""
    if isinstance(expression, Junction) and expression.operator == "|":
        return [one for member in expression.members for one in union_members(member)]
    return [expression]


def pieces_of(path: Path) -> list[Sequence[Step]]:
    """The steps of a path, parted before each that may look far from many nodes. The first follow the start."""
    pieces: list[list[Step]] = [[]]
    before: Step | None = None
    for step in path.steps:
        elements = before is not None and (
            (before.by_name and before.axis not in ("attribute", "namespace")) or before.axis in _UPWARD
        )
        if elements and step.axis not in NEAR:
            pieces.append([])
        pieces[-1].append(step)
        before = step
    return [*pieces]


def is_guarded(step: Step) -> bool:
    """Whether a predicate keeps the step from finding the element that stands for the root node as if it were data,
    or the document above it."""
    return step.axis in _UPWARD or (step.by_name and step.axis in _FINDS_ROOT)


@dataclass
class _Writer:
    """Writes expressions in XPath, with prefixes of its own."""

    prefixes: dict[str, str] = field(default_factory=dict)
    constants: list[tuple[str, str]] = field(default_factory=list)
    _depth: int = 0
    """Predicates around what is written."""

    def plan(self, branches: tuple[tuple[str, ...], ...]) -> Plan:
        namespaces = {prefix: uri for uri, prefix in self.prefixes.items()}
        return Plan(tuple(self.constants), branches, namespaces)

    def branch(self, expression: Expression) -> Iterable[str]:
        if not isinstance(expression, Path):
            yield self.text(expression)
            return
        first, *others = pieces_of(expression)
        yield self._path(expression, first)
        for steps in others:
            yield "/".join(map(self._step, steps))

    def text(self, expression: Expression) -> str:
        if self._depth and is_kept(expression):
            return self._constant(expression, condition=False)
        match expression:
            case Literal(value):
                return f'"{value}"' if "'" in value else f"'{value}'"
            case Number(text):
                return text
            case Negation(operand):
                return f"(-{self.text(operand)})"
            case Chain(first, rest):
                return f"({self.text(first)}{''.join(f' {sign} {self.text(one)}' for sign, one in rest)})"
            case Junction("|", members):
                return f"({' | '.join(map(self.text, members))})"
            case Junction(operator, members):
                return f"({f' {operator} '.join(map(self._condition, members))})"
            case Call():
                return self._call(expression)
            case Filtered(primary, predicates):
                return f"({self.text(primary)}){self._predicates(predicates)}"
            case Path():
                return self._path(expression, expression.steps)

    def _path(self, path: Path, steps: Sequence[Step]) -> str:
        start: list[str] = []
        if path.absolute:
            start = [f"${ROOT}"]
        elif path.start is not None:
            start = [f"({self.text(path.start)})"]
        return "/".join([*start, *map(self._step, steps)])

    def _condition(self, expression: Expression) -> str:
        if self._depth and is_kept_condition(expression):
            return self._constant(expression, condition=True)
        return self.text(expression)

    def _constant(self, expression: Expression, *, condition: bool) -> str:
        depth, self._depth = self._depth, 0
        text = self.text(expression)
        self._depth = depth
        name = f"value{len(self.constants)}"
        self.constants.append(
            (name, f"boolean({text})" if condition and type_of(expression) != "boolean" else text)
        )
        return f"${name}"

    def _call(self, call: Call) -> str:
        arguments = [self.text(argument) for argument in call.arguments]
        if call.function == "current":  # the initial context node is the root node
            return f"${ROOT}"
        if call.function == "bit-is-set":
            bits, name = arguments
            return f"contains(concat(' ', normalize-space({bits}), ' '), concat(' ', {name}, ' '))"
        if call.function == "re-match":  # ours, which takes strings
            text, pattern = arguments
            return f"re-match(string({text}), {pattern})"
        return f"{call.function}({', '.join(arguments)})"

    def _step(self, step: Step) -> str:
        guard = ""
        if is_guarded(step):
            guard = "[parent::*]" if step.by_name else "[parent::node()]"
        return f"{step.axis}::{self._test(step)}{guard}{self._predicates(step.predicates)}"

    def _test(self, step: Step) -> str:
        if not step.by_name:
            return step.test
        uri, _, name = step.test[1:].partition("}")
        if uri == "*":
            return "*" if name == "*" else f"*[local-name() = '{name}']"
        if not uri:
            return name
        return f"{self.prefixes.setdefault(uri, f'n{len(self.prefixes)}')}:{name}"

    def _predicates(self, predicates: Sequence[Expression]) -> str:
        self._depth += 1
        texts = [self._condition(one) if type_of(one) != "number" else self.text(one) for one in predicates]
        self._depth -= 1
        return "".join(f"[{text}]" for text in texts)
