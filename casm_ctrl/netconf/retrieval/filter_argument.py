"""The filter that an operation carries, of whatever kind: what must be read for it, and what it selects of that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.names import Element, local_name, nc
from casm_ctrl.netconf.retrieval.selection import EVERYTHING, Selection
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.xpath.filters import TooCostly, XPathFilter, compile_filter
from casm_ctrl.netconf.xpath.selection import selection_of
from casm_ctrl.netconf.xpath.tree import XPathError
from casm_ctrl.yang.schema import Schema

_SHOWN = 200
"""Characters of an expression in an error."""


class Filter(Protocol):
    """One filter, read and checked."""

    @property
    def selection(self) -> Selection:
        """What must be read at least."""
        ...

    def apply(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        """Copies of the top-level nodes under `data`, cut down to what the filter selects, and each node that it
        selects to `depth` levels (RFC 8526, 3.1.1: max-depth). `data`, of any name, is the root of its own document,
        and is not changed. With a Schema the keys of list entries come along. RpcError where it would take too
        long."""
        ...


@dataclass(frozen=True)
class SubtreeFilter:
    """RFC 6241, section 6. `element` is the `<filter>`; None, where there is none, selects everything."""

    element: Element | None

    @cached_property
    def selection(self) -> Selection:
        return EVERYTHING if self.element is None else Selection.from_subtree(self.element)

    def apply(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        return apply_filter(data, self.element, schema, depth)


@dataclass(frozen=True)
class XPathArgument:
    """An XPath expression (RFC 6241, 8.9)."""

    xpath: XPathFilter
    schema: Schema | None = None
    """Of the data that it is for; so that less of it is read."""

    @cached_property
    def selection(self) -> Selection:
        return selection_of(self.xpath.expression, self.schema)

    def apply(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        try:
            return self.xpath.select(data, schema, depth)
        except TooCostly as error:
            raise rpc_error.resource_denied(str(error)) from None
        except etree.XPathError as error:
            raise rpc_error.operation_failed(f"the XPath expression cannot be evaluated: {error}") from None


NO_FILTER: Filter = SubtreeFilter(None)
"""Selects everything."""


def filter_of(element: Element | None, schema: Schema | None = None, *, xpath: bool = True) -> Filter:
    """Of the `<filter>` of get and get-config (RFC 6241, 7.1 and 8.9.5); everything where there is none. `xpath`:
    whether the server has the capability :xpath. A schema of the data lets its selection be smaller."""
    if element is None:
        return NO_FILTER
    attributes = {str(name).removeprefix(nc("")): str(value) for name, value in element.attrib.items()}
    for name in attributes:
        if name not in ("type", "select"):
            raise rpc_error.unknown_attribute(name, "filter", layer="protocol")
    kind = attributes.get("type", "subtree")
    select = attributes.get("select")
    if kind == "xpath":
        if not xpath:
            raise rpc_error.operation_not_supported(
                "this server has no :xpath capability: use a subtree filter"
            )
        if select is None:
            raise rpc_error.missing_attribute("select", "filter", layer="protocol")
        for child in element.iterchildren("*"):
            raise rpc_error.unknown_element(local_name(child), "an XPath filter is empty: select says it all")
        return _xpath(select, element, schema)
    if kind != "subtree":
        kinds = "'subtree' or 'xpath'" if xpath else "'subtree'"
        raise rpc_error.bad_attribute(
            "type", "filter", f"a filter's type is {kinds}, not '{kind}'", layer="protocol"
        )
    if select is not None:
        raise rpc_error.bad_attribute(
            "select", "filter", "select is for filters of type 'xpath'", layer="protocol"
        )
    return SubtreeFilter(element)


def data_filter_of(arguments: Arguments, schema: Schema | None = None) -> Filter:
    """Of get-data's `subtree-filter` or `xpath-filter` (RFC 8526, 3.1.1); everything where there is neither."""
    subtree, expression = arguments.optional("subtree-filter"), arguments.optional("xpath-filter")
    if expression is None:
        return SubtreeFilter(subtree)
    if subtree is not None:
        raise rpc_error.bad_element(
            "xpath-filter", "there is a subtree filter already, and may be one filter"
        )
    return _xpath(arguments.text("xpath-filter") or "", expression, schema)


def _xpath(text: str, element: Element, schema: Schema | None) -> Filter:
    try:
        return XPathArgument(compile_filter(text, element.nsmap), schema)
    except XPathError as error:
        raise rpc_error.invalid_value(
            f"the XPath expression '{_short(text)}': {error}", layer="protocol"
        ) from None


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
