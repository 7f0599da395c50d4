"""Reading XPath 1.0 expressions (W3C XPath 1.0, sections 2 and 3).

Prefixes become namespaces here, so that nothing behind it knows of prefixes. What can never work, whatever the data,
is refused here, in words that name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from casm_ctrl.netconf.xpath.patterns import PatternError, compile_pattern
from casm_ctrl.netconf.xpath.tree import (
    ABSENT,
    AXES,
    FUNCTIONS,
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
    XPathError,
    type_of,
    uses_position,
)

LONGEST = 8192
"""Characters of an expression."""
DEEPEST = 30
"""Expressions inside each other: predicates, arguments and parentheses."""

XML = "http://www.w3.org/XML/1998/namespace"


# --- Words ----------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str
    """`name` (also prefix:name, prefix:*, *), `literal`, `number`, `end`, or the operator or mark itself."""
    text: str
    at: int


_SPACE = " \t\r\n"
_NAME = r"[^\W\d][\w.\-·]*"
_TOKEN = re.compile(
    rf"""[{_SPACE}]*(?:(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)
    |(?P<literal>"[^"]*"|'[^']*')
    |(?P<name>{_NAME}(?::(?!:)(?:{_NAME}|\*))?)
    |(?P<mark>//|::|\.\.|!=|<=|>=|[()\[\]@,/|+\-=<>.*$])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_BEFORE_OPERAND = frozenset(
    (
        *("@", "::", "(", "[", ",", "and", "or", "mod", "div", "multiply", "/", "//", "|", "$"),
        *("+", "-", "=", "!=", "<", "<=", ">", ">="),
    )
)
_NODE_TYPES = frozenset(("node", "text", "comment", "processing-instruction"))


def _tokens(text: str) -> list[_Token]:
    """XPath 1.0, 3.7: whether `*` and the names and, or, div, mod are operators depends on what precedes."""
    tokens: list[_Token] = []
    position = 0
    while not tokens or tokens[-1].kind != "end":
        match = _TOKEN.match(text, position)
        if match is None:
            rest = text[position:].lstrip(_SPACE)
            raise XPathError(f"{_quoted(rest[0])} at character {len(text) - len(rest) + 1} has no meaning")
        position = match.end()
        group = str(match.lastgroup)
        word, at = match[group], match.start(group)
        kind = word if group == "mark" else group
        operand_came = bool(tokens) and tokens[-1].kind not in _BEFORE_OPERAND
        if word == "*":
            kind = "multiply" if operand_came else "name"
        elif group == "name" and operand_came:
            if word not in ("and", "or", "div", "mod"):
                raise XPathError(f"'{word}' at character {at + 1} stands where an operator is awaited")
            kind = word
        tokens.append(_Token(kind, word, at))
    return tokens


def _quoted(character: str) -> str:
    return '"\'"' if character == "'" else f"'{character}'"


# --- Grammar --------------------------------------------------------------------------------------


def parse_xpath(text: str, namespaces: Mapping[str | None, str]) -> Expression:
    """The tree of an expression whose prefixes `namespaces` binds; the binding of None does not count.

    An element's name without a prefix is one in any namespace, as it is in a subtree filter (RFC 6241, 6.2.1): in no
    namespace (XPath 1.0, 2.3) there is no data that it could name.

    XPathError where it is none, has a prefix or function that nobody knows, a variable, or is too long or too deep.
    """
    if len(text) > LONGEST:
        raise XPathError(f"it has {len(text)} characters, and may have {LONGEST}")
    return _Parser(text, namespaces).read()


_LEVELS: tuple[frozenset[str], ...] = (
    frozenset(("=", "!=")),
    frozenset(("<", "<=", ">", ">=")),
    frozenset(("+", "-")),
    frozenset(("multiply", "div", "mod")),
)


class _Parser:
    def __init__(self, text: str, namespaces: Mapping[str | None, str]) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._namespaces = namespaces
        self._depth = 0

    def read(self) -> Expression:
        expression = self._or()
        if self._kind != "end":
            raise self._unexpected()
        return expression

    # --- Moving on --------------------------------------------------------------------------------

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    @property
    def _kind(self) -> str:
        return self._token.kind

    def _ahead(self) -> str:
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind

    def _take(self, kind: str | None = None) -> _Token:
        token = self._token
        if kind is not None and token.kind != kind:
            raise self._unexpected(kind)
        self._next += 1
        return token

    def _found(self, kind: str) -> bool:
        found = self._kind == kind
        self._next += found
        return found

    def _unexpected(self, wanted: str = "") -> XPathError:
        token = self._token
        what = "its end" if token.kind == "end" else f"'{token.text}' at character {token.at + 1}"
        return XPathError(f"{what} comes where {wanted or 'something else'} is awaited")

    # --- Operators (3.3 to 3.5) -------------------------------------------------------------------

    def _or(self) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise XPathError(f"it is nested deeper than {DEEPEST} levels")
        members = [self._and()]
        while self._found("or"):
            members.append(self._and())
        self._depth -= 1
        return members[0] if len(members) == 1 else Junction("or", tuple(members))

    def _and(self) -> Expression:
        members = [self._level(0)]
        while self._found("and"):
            members.append(self._level(0))
        return members[0] if len(members) == 1 else Junction("and", tuple(members))

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        first = self._level(level + 1)
        rest: list[tuple[str, Expression]] = []
        while self._kind in _LEVELS[level]:
            rest.append((self._take().text, self._level(level + 1)))
        return Chain(first, tuple(rest)) if rest else first

    def _unary(self) -> Expression:
        signs = 0
        while self._found("-"):
            signs += 1
        expression = self._union()
        if not signs:
            return expression
        return Negation(expression if signs % 2 else Negation(expression))

    def _union(self) -> Expression:
        members = [self._path()]
        while self._kind == "|":
            at = self._take().at
            members.append(self._path())
            if any(type_of(member) != "node-set" for member in members):
                raise XPathError(f"'|' at character {at + 1} joins node-sets only")
        return members[0] if len(members) == 1 else Junction("|", tuple(members))

    # --- Paths (2) --------------------------------------------------------------------------------

    def _path(self) -> Expression:
        if self._kind in ("literal", "number", "(", "$") or self._calls_function():
            return self._filter_path()
        if self._found("/"):
            return Path(True, None, self._steps() if self._kind in ("name", ".", "..", "@") else ())
        return Path(self._kind == "//", None, self._steps())

    def _filter_path(self) -> Expression:
        at = self._token.at
        primary = self._primary()
        predicates = self._predicates()
        further = self._kind in ("/", "//")
        if (predicates or further) and type_of(primary) != "node-set":
            raise XPathError(
                f"what begins at character {at + 1} is no node-set: nothing can be selected in it"
            )
        if predicates:
            primary = Filtered(primary, predicates)
        if not further:
            return primary
        self._found("/")
        return Path(False, primary, self._steps())

    def _steps(self) -> tuple[Step, ...]:
        """Steps up to the end of the path; a `//` in front is taken too."""
        steps: list[Step] = []
        while True:
            anywhere = self._found("//")
            step = self._step()
            if anywhere and step.axis == "child" and not any(map(uses_position, step.predicates)):
                step = Step("descendant", step.test, step.predicates)  # the same nodes, found at once
            elif anywhere:
                steps.append(Step("descendant-or-self", "node()"))
            steps.append(step)
            if self._kind != "//" and not self._found("/"):
                return tuple(steps)

    def _step(self) -> Step:
        if self._found("."):
            return Step("self", "node()")
        if self._found(".."):
            return Step("parent", "node()")
        axis = "child"
        if self._found("@"):
            axis = "attribute"
        elif self._kind == "name" and self._ahead() == "::":
            axis = self._take().text
            if axis not in AXES:
                raise XPathError(f"there is no axis '{axis}'")
            self._take("::")
        return Step(axis, self._node_test(axis), self._predicates())

    def _node_test(self, axis: str) -> str:
        if self._kind != "name":
            raise self._unexpected("the name of a node")
        name = self._take().text
        if name in _NODE_TYPES and self._found("("):
            if name == "processing-instruction" and self._kind == "literal":
                self._take()
            self._take(")")
            return f"{name}()"
        prefix, colon, local = name.rpartition(":")
        if axis == "namespace":
            if colon:
                raise XPathError(f"'{name}': the names of namespace nodes have no prefix")
            return f"{{}}{local}"
        if not colon:
            return f"{{}}{name}" if axis == "attribute" and name != "*" else f"{{*}}{name}"
        if prefix == "xml":
            return f"{{{XML}}}{local}"
        if prefix not in self._namespaces:
            raise XPathError(
                f"the prefix '{prefix}' of '{name}' is not bound: declare it at the filter, xmlns:{prefix}=\"…\""
            )
        return f"{{{self._namespaces[prefix]}}}{local}"

    def _predicates(self) -> tuple[Expression, ...]:
        predicates: list[Expression] = []
        while self._found("["):
            predicates.append(self._or())
            self._take("]")
        return tuple(predicates)

    # --- Primary expressions (3.1, 3.2) -----------------------------------------------------------

    def _calls_function(self) -> bool:
        return self._kind == "name" and self._ahead() == "(" and self._token.text not in _NODE_TYPES

    def _primary(self) -> Expression:
        token = self._take()
        if token.kind == "literal":
            return Literal(token.text[1:-1])
        if token.kind == "number":
            return Number(token.text)
        if token.kind == "(":
            inner = self._or()
            self._take(")")
            return inner
        if token.kind == "$":
            raise XPathError(f"the variable at character {token.at + 1} is not bound: no variables are")
        return self._call(token.text)

    def _call(self, name: str) -> Call:
        signature = FUNCTIONS.get(name)
        if name in ABSENT:
            raise XPathError(f"the function {name}() is not supported here")
        if signature is None:
            raise XPathError(f"there is no function {name}()")
        self._take("(")
        arguments: list[Expression] = []
        while self._kind != ")":
            if arguments:
                self._take(",")
            arguments.append(self._or())
        self._take(")")
        fewest, most = signature.needs, len(signature.takes)
        if len(arguments) < fewest or (len(arguments) > most and not signature.more):
            raise XPathError(f"{name}() takes {_count(fewest, most, signature.more)}, not {len(arguments)}")
        for argument, wanted in zip(arguments, signature.takes, strict=False):
            if wanted == "node-set" and type_of(argument) != "node-set":
                raise XPathError(f"{name}() takes a node-set, not a {type_of(argument)}")
        if name == "re-match":
            _check_pattern(arguments[1])
        return Call(name, tuple(arguments))


def _check_pattern(argument: Expression) -> None:
    """What it costs can be told only of a pattern that is known."""
    if not isinstance(argument, Literal):
        raise XPathError("the second argument of re-match() must be a literal here")
    try:
        compile_pattern(argument.value)
    except PatternError as error:
        raise XPathError(f"in '{argument.value}': {error}") from None


def _count(fewest: int, most: int, more: bool) -> str:
    if more:
        return f"at least {fewest} arguments"
    return f"{most} argument{'s' * (most != 1)}" if fewest == most else f"{fewest} to {most} arguments"
