"""The filter that an operation carries, of whatever kind: what must be read for it, and what it selects of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from casm_ctrl.netconf.arguments import Arguments, subtree_filter
from casm_ctrl.netconf.filters import apply_filter
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.selection import EVERYTHING, Selection
from casm_ctrl.yang.schema import Schema


class Filter(Protocol):
    """One filter, read and checked."""

    @property
    def selection(self) -> Selection:
        """What must be read at least."""
        ...

    def apply(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        """Copies of the top-level nodes under `data`, cut down to what the filter selects, and each node that it
        selects to `depth` levels (RFC 8526, 3.1.1: max-depth). `data`, of any name, is the root of its own document,
        and is not changed. With a Schema the keys of list entries come along."""
        ...


@dataclass(frozen=True)
class SubtreeFilter:
    """RFC 6241, section 6. `element` is the `<filter>`; None, where there is none, selects everything."""

    element: Element | None

    @property
    def selection(self) -> Selection:
        return EVERYTHING if self.element is None else Selection.from_subtree(self.element)

    def apply(self, data: Element, schema: Schema | None = None, depth: int | None = None) -> list[Element]:
        return apply_filter(data, self.element, schema, depth)


NO_FILTER: Filter = SubtreeFilter(None)
"""Selects everything."""


def filter_of(element: Element | None, *, xpath: bool = True) -> Filter:
    """Of the `<filter>` of get and get-config (RFC 6241, 7.1); everything where there is none. `xpath`: whether the
    server has the capability :xpath."""
    return SubtreeFilter(subtree_filter(element))


def data_filter_of(arguments: Arguments) -> Filter:
    """Of get-data's `subtree-filter` or `xpath-filter` (RFC 8526, 3.1.1); everything where there is neither."""
    return SubtreeFilter(arguments.optional("subtree-filter"))
