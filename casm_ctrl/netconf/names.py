"""Namespaces and capability URIs of NETCONF, as the RFCs write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lxml import etree

Element = etree._Element

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
YANG = "urn:ietf:params:xml:ns:yang:1"

DEFAULT_BASE = cast("Mapping[str, str]", {None: BASE})
"""For elements of ours: NETCONF's namespace without a prefix (lxml's stubs do not know the None key)."""

BASE_1_0 = "urn:ietf:params:netconf:base:1.0"
BASE_1_1 = "urn:ietf:params:netconf:base:1.1"
WRITABLE_RUNNING = "urn:ietf:params:netconf:capability:writable-running:1.0"
CANDIDATE = "urn:ietf:params:netconf:capability:candidate:1.0"
CONFIRMED_COMMIT_1_0 = "urn:ietf:params:netconf:capability:confirmed-commit:1.0"
CONFIRMED_COMMIT_1_1 = "urn:ietf:params:netconf:capability:confirmed-commit:1.1"
ROLLBACK_ON_ERROR = "urn:ietf:params:netconf:capability:rollback-on-error:1.0"
VALIDATE_1_0 = "urn:ietf:params:netconf:capability:validate:1.0"
VALIDATE_1_1 = "urn:ietf:params:netconf:capability:validate:1.1"
STARTUP = "urn:ietf:params:netconf:capability:startup:1.0"
URL = "urn:ietf:params:netconf:capability:url:1.0"
XPATH = "urn:ietf:params:netconf:capability:xpath:1.0"


def nc(name: str) -> str:
    """`name` in NETCONF's base namespace, in Clark notation."""
    return f"{{{BASE}}}{name}"


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname


def namespace(element: Element) -> str | None:
    """The element's namespace; None where it has none."""
    return etree.QName(element).namespace
