"""Which events a subscriber wants: subtree filters and XPath, held against whole notifications.

A filter passes a notification or holds it back; it never changes what is in it (RFC 8639, 2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.xpath.filters import TooCostly, compile_condition, compile_filter
from casm_ctrl.netconf.xpath.tree import XPathError

NODES = 100
"""Of a notification, about; the largest of ours have some fifty."""


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
    try:
        condition = compile_condition(expression, element.nsmap, NODES)
    except (XPathError, TooCostly) as error:
        raise FilterRefused(str(error)) from None

    def passes(content: Element) -> bool:
        holder = etree.Element("event")
        holder.append(deepcopy(content))
        return condition.holds(holder)

    return EventFilter("xpath", element, passes)


def check_expression(element: Element, expression: str) -> None:
    """FilterRefused where it is not written as an XPath expression that selects nodes."""
    try:
        compile_filter(expression, element.nsmap)
    except XPathError as error:
        raise FilterRefused(str(error)) from None
