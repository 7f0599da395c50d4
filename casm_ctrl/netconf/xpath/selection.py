"""What an XPath filter asks for, so that no more need be read than that (netconf.retrieval.selection).

Steps to children by name are followed as far as the expression looks nowhere else; `[leaf = 'value']` in these chooses
entries. Everything is asked for below the last of them: what the expression says of that is left to the filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from casm_ctrl.netconf.retrieval.selection import EVERYTHING, Selection
from casm_ctrl.netconf.retrieval.selection import Step as Asked
from casm_ctrl.netconf.xpath.places import placed
from casm_ctrl.netconf.xpath.plan import union_members
from casm_ctrl.netconf.xpath.tree import (
    Call,
    Chain,
    Expression,
    Filtered,
    Junction,
    Literal,
    Path,
    Step,
    operands,
    uses_position,
)
from casm_ctrl.yang.schema import Schema

MOST = 256
"""Alternatives (`[name = 'a' or name = 'b']`) that are followed; what has more of them is not parted by them."""

_Equal = tuple[str, str]
"""Tag of a child, which is taken to be a leaf; the value that it must have."""


def selection_of(expression: Expression, schema: Schema | None = None) -> Selection:
    """Of an expression for a node-set. A Schema tells where the nodes are that a path seeks at any depth."""
    asked: list[Asked] = []
    for member in union_members(expression):
        if not isinstance(member, Path) or member.start is not None:
            return EVERYTHING.loosely()
        for steps in [member.steps] if schema is None else placed(member.steps, schema):
            followed = _followed(steps)
            if not followed:
                return EVERYTHING.loosely()
            below: list[Asked] | None = None
            for step in reversed(steps[:followed]):
                below = _alternatives(step, below)
            asked.extend(below or ())
    return Selection(tuple(asked), exact=False)


def _alternatives(step: Step, below: Sequence[Asked] | None) -> list[Asked]:
    found = []
    for equals in _choices(step.predicates):
        # The leaves that decide must be there when the filter is applied.
        leaves = [Asked(tag, EVERYTHING) for tag, _ in equals]
        inside = EVERYTHING if below is None else Selection((*leaves, *below), exact=False)
        found.append(Asked(step.test, inside, equals, exact=False))
    return found


# --- How far --------------------------------------------------------------------------------------


def _followed(steps: Sequence[Step]) -> int:
    """How many steps can be followed: nothing that decides lies outside of what they name."""
    followed = len(steps)
    for level, step in enumerate(steps):
        if level >= followed:
            return min(followed, _reach_of_steps(steps[level:], level)[0])
        if step.axis != "child" or not step.by_name:
            return min(followed, level, _reach_of_steps(steps[level:], level)[0])
        for predicate in step.predicates[_understood(step.predicates) :]:
            followed = min(followed, _reach(predicate, level + 1))
    return followed


def _reach(expression: Expression, level: int) -> int:
    """The level of the highest node whose children are looked at, where the context node is at `level`; 0 is the
    root."""
    match expression:
        case Path(absolute, start, steps):
            if absolute:
                return 0
            reached = level if start is None else 0
            return min(reached, _reach_of_steps(steps, level)[0])
        case Filtered():
            return 0
        case Call(function="id" | "lang" | "current"):
            return 0
    return min([level, *(_reach(operand, level) for operand in operands(expression))])


def _reach_of_steps(steps: Sequence[Step], level: int) -> tuple[int, int]:
    """The same of steps, and the level at which their last ends at least."""
    reached = level
    for step in steps:
        match step.axis:
            case "child" | "descendant" | "attribute" | "namespace":
                level += 1
            case "self" | "descendant-or-self":
                pass
            case "parent":
                level -= 1
                reached = min(reached, level)
            case "following-sibling" | "preceding-sibling":
                reached = min(reached, level - 1)
            case _:
                return 0, 0
        for predicate in step.predicates:
            reached = min(reached, _reach(predicate, level))
    return max(0, reached), level


# --- Which entries --------------------------------------------------------------------------------


def _understood(predicates: Sequence[Expression]) -> int:
    """How many predicates in front say no more than what leaves must be."""
    for count, predicate in enumerate(predicates):
        if uses_position(predicate) or _equals(predicate) is None:
            return count
    return len(predicates)


def _choices(predicates: Sequence[Expression]) -> list[tuple[_Equal, ...]]:
    """The alternatives that the predicates in front leave: values that leaves must have."""
    choices: list[tuple[_Equal, ...]] = [()]
    for predicate in predicates[: _understood(predicates)]:
        more = _equals(predicate) or []
        if len(choices) * len(more) <= MOST:
            choices = [(*one, *other) for one in choices for other in more]
    return choices


def _equals(predicate: Expression) -> list[tuple[_Equal, ...]] | None:
    """The alternatives of one predicate; None where it is of another kind."""
    match predicate:
        case Junction("or", members):
            found = [_equals(member) for member in members]
            parts = [part for part in found if part is not None]
            return [*chain.from_iterable(parts)] if len(parts) == len(found) else None
        case Junction("and", members):
            choices: list[tuple[_Equal, ...]] = [()]
            for member in members:
                more = _equals(member)
                if more is None or len(choices) * len(more) > MOST:
                    return None
                choices = [(*one, *other) for one in choices for other in more]
            return choices
        case Chain(Path() as path, (("=", Literal(value)),)) | Chain(
            Literal(value), (("=", Path() as path),)
        ):
            tag = _leaf(path)
            # Values are compared without white space around them when they are looked up.
            return [((tag, value),)] if tag is not None and value == value.strip() else None
    return None


def _leaf(path: Path) -> str | None:
    """The tag of the child that a path names."""
    match path:
        case Path(False, None, (Step("child", test, ()) as step,)) if step.by_name and not test.endswith(
            "}*"
        ):
            return test
    return None
