"""When a device started, in models that have nothing to do with pools: a table, so that another is one line more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros, from_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.drivers.elements import text_of
from casm_ctrl.drivers.interface import Element
from casm_ctrl.drivers.values import whole


def moment(text: str | None) -> Micros | None:
    """A date-and-time; None for what is none."""
    try:
        return None if text is None else from_rfc3339(text.strip())
    except InvalidValue:
        return None


def _at(text: str, now: Micros) -> Micros | None:
    return moment(text)


def _ago(text: str, now: Micros) -> Micros | None:
    seconds = whole(text)
    return None if seconds is None or seconds * SECOND > now else Micros(now - seconds * SECOND)


@dataclass(frozen=True)
class _Source:
    """`path`: from the top to the leaf; `read` makes a moment of its text and our time."""

    module: str
    namespace: str
    path: tuple[str, ...]
    read: Callable[[str, Micros], Micros | None]

    def filter(self) -> Element:
        top = node = etree.Element(
            f"{{{self.namespace}}}{self.path[0]}",
            nsmap=cast("Mapping[str, str]", {None: self.namespace}),
        )
        for name in self.path[1:]:
            node = etree.SubElement(node, f"{{{self.namespace}}}{name}")
        return top

    def leaves(self, data: Element) -> Iterator[str]:
        for leaf in data.iterfind("/".join(f"{{{self.namespace}}}{name}" for name in self.path)):
            yield text_of(leaf)


_SOURCES = (
    # RFC 7317, 3.3
    _Source(
        "ietf-system",
        "urn:ietf:params:xml:ns:yang:ietf-system",
        ("system-state", "clock", "boot-datetime"),
        _at,
    ),
    # Seconds that each chassis has run.
    _Source("huawei-devm", "urn:huawei:yang:huawei-devm", ("devm", "chassiss", "chassis", "up-time"), _ago),
)


def system_filters(announced: Mapping[str, str | None]) -> tuple[Element, ...]:
    """What to read of a device with these modules."""
    return tuple(source.filter() for source in _SOURCES if source.module in announced)


def booted_by_system(data: Element, now: Micros) -> Micros | None:
    """When the device started; None where it does not say. Of several chassis, when the first did."""
    found = [
        read
        for source in _SOURCES
        for text in source.leaves(data)
        if (read := source.read(text, now)) is not None
    ]
    return min(found) if found else None
