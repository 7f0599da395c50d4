"""Namespaces, tags and small builders of what notifications are written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lxml import etree

from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.netconf.names import NOTIFICATION, Element

EVENTS = "urn:casm:yang:casm-events"
STREAMS = "urn:ietf:params:xml:ns:netmod:notification"
NETCONF_NOTIFICATIONS = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
SUBSCRIBED = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
PUSH = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"

IDENTITIES = {"sn": SUBSCRIBED, "yp": PUSH}
"""Prefixes for identities. lxml drops a second prefix of a namespace where it finds the first further out, so that
these are bound at the top of what is told."""

NETCONF_STREAM = "NETCONF"
"""The stream that is always there (RFC 5277, 3.2.3)."""

MODULES: dict[str, tuple[str, ...]] = {
    "casm-events": (),
    "notifications": (),
    "nc-notifications": (),
    "ietf-netconf-notifications": (),
    "ietf-subscribed-notifications": ("encode-xml", "replay", "subtree", "xpath"),
    "ietf-yang-push": ("on-change",),
    "ietf-yang-patch": (),
}
"""The modules that this package implements, each with the features that are done."""


def ev(name: str) -> str:
    """`name` in our own module of events."""
    return f"{{{EVENTS}}}{name}"


def sn(name: str) -> str:
    """`name` in ietf-subscribed-notifications."""
    return f"{{{SUBSCRIBED}}}{name}"


def yp(name: str) -> str:
    """`name` in ietf-yang-push."""
    return f"{{{PUSH}}}{name}"


def element(tag: str, text: str | None = None, prefixes: Mapping[str, str] | None = None) -> Element:
    """An element whose namespace is the default one; `prefixes` are bound there for values."""
    bound: dict[str | None, str | None] = {None: etree.QName(tag).namespace}
    bound.update(prefixes or {})
    made = etree.Element(tag, nsmap=cast("dict[str, str]", bound))
    made.text = text
    return made


def add(parent: Element, name: str, text: str | None = None) -> Element:
    """A child in the namespace of its parent, or with a Clark name in its own as the default one."""
    if name.startswith("{"):
        child = element(name, text)
        parent.append(child)
        return child
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    child.text = text
    return child


def envelope(moment: int, content: Element) -> bytes:
    """The notification message (RFC 5277, 4): when it happened, and what."""
    opening = f'<notification xmlns="{NOTIFICATION}"><eventTime>{to_rfc3339(moment)}</eventTime>'
    body = etree.tostring(content, encoding="UTF-8", xml_declaration=False, with_tail=False)
    return b"".join((opening.encode(), body, b"</notification>"))


OF_SUBSCRIPTIONS = frozenset(
    (
        *(f"{{{STREAMS}}}{name}" for name in ("replayComplete", "notificationComplete")),
        *map(
            sn,
            (
                "replay-completed",
                "subscription-modified",
                "subscription-resumed",
                "subscription-suspended",
                "subscription-terminated",
            ),
        ),
        *map(yp, ("push-update", "push-change-update")),
    )
)
"""The notifications that are told to a subscriber of its subscription, and what YANG-Push sends."""
