"""Which events a subscriber wants: subtree filters and XPath, held against whole notifications.

A filter passes a notification or holds it back; it never changes what is in it (RFC 8639, 2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from casm_ctrl.netconf.filters import apply_filter
from casm_ctrl.netconf.names import Element

LONGEST = 4096
"""Characters of an XPath expression."""
DEEPEST = 4
"""Predicates inside each other: a notification has some twenty nodes, and each level looks at all of them again."""

_NOTHING = etree.fromstring("<nothing/>")


class FilterRefused(Exception):
    """The filter is not one; the message says why."""


@dataclass(frozen=True)
class EventFilter:
    """`element` is the filter as the client wrote it."""

    kind: Literal["subtree", "xpath"]
    element: Element
    passes: Callable[[Element], bool]
    """Whether a notification, given as the root of its own document, is wanted."""


def subtree_of(element: Element) -> EventFilter:
    """A subtree filter: what it selects of a notification must not be empty (RFC 6241, 6)."""

    def passes(content: Element) -> bool:
        holder = etree.Element("event")
        holder.append(deepcopy(content))
        return bool(apply_filter(holder, element))

    return EventFilter("subtree", element, passes)


def xpath_of(element: Element, expression: str) -> EventFilter:
    """An XPath filter whose prefixes `element` binds: its value as a boolean decides (RFC 8639, 2.2). The context
    node is the root node, above the notification. FilterRefused where it is no such expression."""
    check_expression(element, expression)
    # In this predicate the root node is the context node; lxml would take the notification.
    whole = f"boolean(/self::node()[boolean({expression})])"
    compiled = etree.XPath(whole, namespaces=_prefixes(element), regexp=False)
    try:
        compiled(_NOTHING)  # prefixes and functions are looked up only when it runs
    except etree.XPathError as error:
        raise FilterRefused(str(error)) from None

    def passes(content: Element) -> bool:
        return bool(compiled(content))

    return EventFilter("xpath", element, passes)


def check_expression(element: Element, expression: str) -> None:
    """FilterRefused where it is not written as an XPath expression, or is too long or too deep."""
    if len(expression) > LONGEST:
        raise FilterRefused(f"the expression has {len(expression)} characters, and may have {LONGEST}")
    depth = deepest = 0
    for character in expression:
        depth += {"[": 1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise FilterRefused(f"predicates are {deepest} deep, and may be {DEEPEST}")
    try:
        etree.XPath(expression, namespaces=_prefixes(element))
    except (etree.XPathError, ValueError) as error:
        raise FilterRefused(f"{error}" or "it is no expression") from None


def _prefixes(element: Element) -> dict[str, str]:
    return {prefix: uri for prefix, uri in element.nsmap.items() if prefix is not None}
