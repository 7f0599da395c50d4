"""XPath 1.0 expressions as trees, and what can be told of one without any data (W3C XPath 1.0, 2 to 4).

There are no variables in a filter (RFC 6241, 8.9.1), so the type of each expression is known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal as Word
from typing import NamedTuple

Type = Word["node-set", "string", "number", "boolean"]


class XPathError(Exception):
    """The expression is not one, or not one that can be evaluated here; the message says what is wrong and where."""


@dataclass(frozen=True)
class Literal:
    value: str


@dataclass(frozen=True)
class Number:
    text: str


@dataclass(frozen=True)
class Negation:
    operand: Expression


@dataclass(frozen=True)
class Chain:
    """Operators of one precedence, from left to right. Each is one of = != < <= > >= + - * div mod."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Junction:
    """All of `or`, all of `and`, or all of `|` in a row."""

    operator: str
    members: tuple[Expression, ...]


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Step:
    """`test` is a tag with wildcards (`{uri}name`, `{uri}*`, `{*}name`, `{*}*`; `{}name` of attributes), or the type
    of a node with its parentheses."""

    axis: str
    test: str
    predicates: tuple[Expression, ...] = ()

    @property
    def by_name(self) -> bool:
        """Whether it asks for elements or attributes by their names."""
        return self.test.startswith("{")


@dataclass(frozen=True)
class Path:
    """Steps from the root where `absolute`, from `start` where there is one, else from the context node."""

    absolute: bool
    start: Expression | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Filtered:
    """A node-set that is no path, with predicates: `(…)[1]`."""

    primary: Expression
    predicates: tuple[Expression, ...]


Expression = Literal | Number | Negation | Chain | Junction | Call | Path | Filtered


class Signature(NamedTuple):
    """What a function gives and takes. The first `needs` must be there; the last may be repeated where `more`."""

    gives: Type
    takes: tuple[Word["node-set", "string", "number", "boolean", "any"], ...] = ()
    needs: int = 0
    more: bool = False


FUNCTIONS: Mapping[str, Signature] = {
    # XPath 1.0, 4.1 to 4.4
    "last": Signature("number"),
    "position": Signature("number"),
    "count": Signature("number", ("node-set",), 1),
    "id": Signature("node-set", ("any",), 1),
    "local-name": Signature("string", ("node-set",)),
    "namespace-uri": Signature("string", ("node-set",)),
    "name": Signature("string", ("node-set",)),
    "string": Signature("string", ("any",)),
    "concat": Signature("string", ("string", "string", "string"), 2, more=True),
    "starts-with": Signature("boolean", ("string", "string"), 2),
    "contains": Signature("boolean", ("string", "string"), 2),
    "substring-before": Signature("string", ("string", "string"), 2),
    "substring-after": Signature("string", ("string", "string"), 2),
    "substring": Signature("string", ("string", "number", "number"), 2),
    "string-length": Signature("number", ("string",)),
    "normalize-space": Signature("string", ("string",)),
    "translate": Signature("string", ("string", "string", "string"), 3),
    "boolean": Signature("boolean", ("any",), 1),
    "not": Signature("boolean", ("boolean",), 1),
    "true": Signature("boolean"),
    "false": Signature("boolean"),
    "lang": Signature("boolean", ("string",), 1),
    "number": Signature("number", ("any",)),
    "sum": Signature("number", ("node-set",), 1),
    "floor": Signature("number", ("number",), 1),
    "ceiling": Signature("number", ("number",), 1),
    "round": Signature("number", ("number",), 1),
    # RFC 7950, 10.1, 10.2 and 10.6
    "current": Signature("node-set"),
    "re-match": Signature("boolean", ("string", "string"), 2),
    "bit-is-set": Signature("boolean", ("node-set", "string"), 2),
}

ABSENT = ("deref", "derived-from", "derived-from-or-self", "enum-value")
"""Functions of RFC 7950, 10 that ask the schema for more than we keep of it."""

OF_CONTEXT = frozenset(
    ("local-name", "namespace-uri", "name", "string", "string-length", "normalize-space", "number")
)
"""Functions that take the context node where they have no argument (XPath 1.0, 4)."""

AXES = frozenset(
    (
        *("child", "descendant", "descendant-or-self", "self", "parent", "ancestor", "ancestor-or-self"),
        *("following", "following-sibling", "preceding", "preceding-sibling", "attribute", "namespace"),
    )
)

_ARITHMETIC = frozenset(("+", "-", "*", "div", "mod"))


def type_of(expression: Expression) -> Type:
    """What the expression gives, whatever the data."""
    match expression:
        case Literal():
            return "string"
        case Number() | Negation():
            return "number"
        case Chain(rest=rest):
            return "number" if rest[0][0] in _ARITHMETIC else "boolean"
        case Junction(operator=operator):
            return "node-set" if operator == "|" else "boolean"
        case Call(function=function):
            return FUNCTIONS[function].gives
        case Path() | Filtered():
            return "node-set"


def operands(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that are evaluated with the context node and position of this one."""
    match expression:
        case Call(arguments=inner) | Junction(members=inner):
            return inner
        case Negation(operand=operand):
            return (operand,)
        case Chain(first=first, rest=rest):
            return (first, *(operand for _, operand in rest))
        case Path(start=start):
            return () if start is None else (start,)
        case Filtered(primary=primary):
            return (primary,)
    return ()


def asks_position(expression: Expression) -> bool:
    """Whether position() or last() of this context are asked for. Predicates have positions of their own."""
    if isinstance(expression, Call) and expression.function in ("position", "last"):
        return True
    return any(map(asks_position, operands(expression)))


def uses_position(predicate: Expression) -> bool:
    """True for a predicate that depends on where a node stands among those selected (XPath 1.0, 2.4)."""
    return type_of(predicate) == "number" or asks_position(predicate)


def is_constant(expression: Expression) -> bool:
    """True where neither context node nor position matter: each path begins at the root."""
    match expression:
        case Path(absolute=False, start=None):
            return False
        case Call(function="position" | "last" | "lang" | "id"):
            return False
        case Call(function=function, arguments=()) if function in OF_CONTEXT:
            return False
    return all(map(is_constant, operands(expression)))


def is_kept(expression: Expression) -> bool:
    """True for a value, not a node-set, that the data alone decides: it need be found only once for all nodes."""
    return type_of(expression) != "node-set" and is_constant(expression) and _reads(expression)


def is_kept_condition(expression: Expression) -> bool:
    """The same of something that is used as a boolean."""
    return is_constant(expression) and _reads(expression)


def _reads(expression: Expression) -> bool:
    return isinstance(expression, Path) or any(map(_reads, operands(expression)))
