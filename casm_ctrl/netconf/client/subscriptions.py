"""The operations that subscribe: RFC 5277, and RFC 8639 with RFC 8641 where a device has them. Pure builders."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import cast

from lxml import etree

from casm_ctrl.netconf.names import NOTIFICATION, Element, nc

SUBSCRIBED = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
PUSH = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
STREAM = "NETCONF"
"""The stream that every server with notifications has (RFC 5277, 3.2.3)."""


def sn(name: str) -> str:
    """`name` in ietf-subscribed-notifications."""
    return f"{{{SUBSCRIBED}}}{name}"


def yp(name: str) -> str:
    """`name` in ietf-yang-push."""
    return f"{{{PUSH}}}{name}"


def create_subscription(events: Iterable[Element] = (), stream: str | None = STREAM) -> Element:
    """RFC 5277, 2.1.1: the events of a stream, or those that the subtree filter selects. One in a session."""
    operation = _element(f"{{{NOTIFICATION}}}create-subscription", {None: NOTIFICATION})
    if stream is not None:
        etree.SubElement(operation, f"{{{NOTIFICATION}}}stream").text = stream
    nodes = [copy.deepcopy(node) for node in events]
    if nodes:
        etree.SubElement(operation, f"{{{NOTIFICATION}}}filter", {"type": "subtree"}).extend(nodes)
    return operation


def subscribe_events(events: Iterable[Element] = (), stream: str = STREAM) -> Element:
    """RFC 8639, 2.4.2: the same, as a subscription that has a number."""
    operation = _establish()
    etree.SubElement(operation, sn("stream")).text = stream
    nodes = [copy.deepcopy(node) for node in events]
    if nodes:
        etree.SubElement(operation, sn("stream-subtree-filter")).extend(nodes)
    return operation


def subscribe_changes(state: Iterable[Element], dampening: float = 0.0) -> Element:
    """RFC 8641, 4.4.1: what `state` selects of the operational datastore, whenever it changes; at most once in
    `dampening` seconds."""
    operation = _selection(state)
    trigger = etree.SubElement(operation, yp("on-change"))
    if dampening > 0:
        etree.SubElement(trigger, yp("dampening-period")).text = str(_centiseconds(dampening))
    return operation


def subscribe_periods(state: Iterable[Element], period: float) -> Element:
    """RFC 8641, 4.4.1: what `state` selects of the operational datastore, every `period` seconds."""
    operation = _selection(state)
    trigger = etree.SubElement(operation, yp("periodic"))
    etree.SubElement(trigger, yp("period")).text = str(_centiseconds(period))
    return operation


def _selection(state: Iterable[Element]) -> Element:
    operation = _establish()
    etree.SubElement(operation, yp("datastore"), nsmap={"ds": DATASTORES}).text = "ds:operational"
    chosen = etree.SubElement(operation, yp("datastore-subtree-filter"))
    chosen.extend(copy.deepcopy(node) for node in state)
    return operation


def _establish() -> Element:
    return _element(sn("establish-subscription"), {None: SUBSCRIBED, "yp": PUSH, "nc": nc("")[1:-1]})


def _centiseconds(seconds: float) -> int:
    return max(1, round(seconds * 100))


def _element(tag: str, namespaces: Mapping[str | None, str]) -> Element:
    return etree.Element(tag, nsmap=cast("Mapping[str, str]", namespaces))
