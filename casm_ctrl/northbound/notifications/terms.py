"""The terms of a subscription: what it is to, and when it is told (RFC 8639, 2.4; RFC 8641, 3)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound.notifications.filters import EventFilter
from casm_ctrl.northbound.notifications.names import DATASTORES, add, sn, yp

CENTISECOND = 10_000
"""Microseconds."""


@dataclass(frozen=True)
class EventTarget:
    """The events of a stream that a filter passes."""

    stream: str
    filter: EventFilter | None = None
    start: Micros | None = None
    """From when on past events are replayed."""


@dataclass(frozen=True)
class Periodic:
    """Everything selected, each `period` centiseconds, counted from `anchor` where there is one."""

    period: int
    anchor: Micros | None = None

    def next_after(self, moment: int, began: int) -> Micros:
        """The first moment after `moment` that is due; without an anchor it counts from `began`."""
        origin = began if self.anchor is None else self.anchor
        length = self.period * CENTISECOND
        return Micros(origin + ((moment - origin) // length + 1) * length)


@dataclass(frozen=True)
class OnChange:
    """What changed, at most once in `dampening` centiseconds; without the operations of `excluded`."""

    dampening: int = 0
    sync: bool = True
    excluded: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DatastoreTarget:
    """A part of a datastore. `filter` is the leaf or anydata as the client wrote it; None: all of it."""

    datastore: str
    trigger: Periodic | OnChange
    filter: Element | None = None


Target = EventTarget | DatastoreTarget


@dataclass(frozen=True)
class Terms:
    """`stop`: when it ends by itself."""

    target: Target
    stop: Micros | None = None


def add_terms(parent: Element, terms: Terms) -> None:
    """Write the terms into subscription-modified, or into an entry of /subscriptions; IDENTITIES are bound above."""
    target = terms.target
    if isinstance(target, EventTarget):
        if target.filter is not None:
            parent.append(_plain(target.filter.element))
        add(parent, sn("stream"), target.stream)
        if target.start is not None:
            add(parent, sn("replay-start-time"), to_rfc3339(target.start))
    else:
        datastore = etree.SubElement(parent, yp("datastore"), nsmap={"ds": DATASTORES})
        datastore.text = f"ds:{target.datastore}"
        if target.filter is not None:
            parent.append(_plain(target.filter))
    if terms.stop is not None:
        add(parent, sn("stop-time"), to_rfc3339(terms.stop))
    add(parent, sn("encoding"), "sn:encode-xml")
    if isinstance(target, DatastoreTarget):
        _add_trigger(parent, target.trigger)


def _add_trigger(parent: Element, trigger: Periodic | OnChange) -> None:
    if isinstance(trigger, Periodic):
        made = add(parent, yp("periodic"))
        add(made, "period", str(trigger.period))
        if trigger.anchor is not None:
            add(made, "anchor-time", to_rfc3339(trigger.anchor))
        return
    made = add(parent, yp("on-change"))
    add(made, "dampening-period", str(trigger.dampening))
    add(made, "sync-on-start", "true" if trigger.sync else "false")
    for change in sorted(trigger.excluded):
        add(made, "excluded-change", change)


def _plain(filter_element: Element) -> Element:
    copied = deepcopy(filter_element)
    copied.tail = None
    return copied
