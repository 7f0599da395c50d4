"""Subscriptions to what a device tells by itself: create-subscription of RFC 5277, without replay."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from lxml import etree

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.messages import Answer, Ok
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name, nc
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.xpath.filters import TooCostly, compile_condition
from casm_ctrl.netconf.xpath.tree import XPathError

NOTIFICATION_1_0 = "urn:ietf:params:netconf:capability:notification:1.0"
INTERLEAVE_1_0 = "urn:ietf:params:netconf:capability:interleave:1.0"
STREAM = "NETCONF"
CREATE = f"{{{NOTIFICATION}}}create-subscription"
_NODES = 100
"""Of a notification, about, for the cost of an XPath expression."""

Passes = Callable[[Element], bool]
Send = Callable[[bytes], None]


class _Subscription:
    def __init__(self, passes: Passes) -> None:
        self.passes = passes
        self.send: Send | None = None
        self.held: list[bytes] = []
        """What happened before the reply to create-subscription was out."""


class Subscriptions:
    """Those of one device's sessions, by session id."""

    def __init__(self, *, interleave: bool) -> None:
        self._interleave = interleave
        self._open: dict[int, _Subscription] = {}

    def __len__(self) -> int:
        return len(self._open)

    def check(self, session_id: int, operation: Element) -> None:
        """RpcError where the session gets notifications and may ask nothing else (RFC 5277, 6)."""
        if session_id in self._open and not self._interleave and operation.tag != nc("close-session"):
            raise rpc_error.resource_denied(
                f"this session gets notifications, and without :interleave does no <{local_name(operation)}>"
            )

    def create(self, session_id: int, operation: Element) -> Answer:
        """Do create-subscription, with the errors of RFC 5277, 2.1.1. Nothing is sent before `begin`."""
        arguments = Arguments(_own_filter(operation), ("stream", "filter", "startTime", "stopTime"))
        if session_id in self._open:
            raise rpc_error.in_use("this session has a subscription already")
        stream = (arguments.text("stream") or STREAM).strip()
        if stream != STREAM:
            raise rpc_error.invalid_value(f"there is no stream '{stream}'", layer="protocol")
        if arguments.optional("startTime") is not None:
            raise rpc_error.operation_failed(f"the stream {STREAM} has no replay")
        if arguments.optional("stopTime") is not None:
            raise rpc_error.missing_element("startTime", "<stopTime> needs <startTime>")
        self._open[session_id] = _Subscription(_passes(arguments.optional("filter")))
        return Ok()

    def begin(self, session_id: int, send: Send) -> None:
        """The reply to create-subscription is out: send what happened since it was done, and what will."""
        subscription = self._open.get(session_id)
        if subscription is not None and subscription.send is None:
            subscription.send = send
            for message in subscription.held:
                send(message)
            subscription.held.clear()

    def end(self, session_id: int) -> None:
        self._open.pop(session_id, None)

    def tell(self, now: Micros, content: Element) -> None:
        """Send a notification at once to all who want it."""
        if not self._open:
            return
        head = f'<notification xmlns="{NOTIFICATION}"><eventTime>{to_rfc3339(now)}</eventTime>'.encode()
        message = head + etree.tostring(content, encoding="UTF-8", xml_declaration=False) + b"</notification>"
        for subscription in list(self._open.values()):
            if subscription.passes(content):
                if subscription.send is None:
                    subscription.held.append(message)
                else:
                    subscription.send(message)


def _own_filter(operation: Element) -> Element:
    """With its filter in its own namespace: some clients take that of get."""
    copied = deepcopy(operation)
    for found in copied.iterchildren(nc("filter")):
        found.tag = f"{{{NOTIFICATION}}}filter"
    return copied


def _passes(wanted: Element | None) -> Passes:
    """Whether a filter wants a notification: it passes or holds back, and changes nothing in it."""
    if wanted is None:
        return lambda content: True
    kind = wanted.get("type", wanted.get(nc("type"), "subtree"))
    if kind == "subtree":
        return lambda content: bool(apply_filter(_hold(content), wanted))
    if kind != "xpath":
        raise rpc_error.bad_attribute(
            "type", "filter", f"a filter is subtree or xpath, not {kind}", layer="protocol"
        )
    expression = wanted.get("select", wanted.get(nc("select")))
    if expression is None:
        raise rpc_error.missing_attribute("select", "filter", layer="protocol")
    try:
        condition = compile_condition(expression, wanted.nsmap, _NODES)
    except (XPathError, TooCostly) as error:
        raise rpc_error.invalid_value(
            f"the filter is no XPath expression: {error}", layer="protocol"
        ) from None
    return lambda content: condition.holds(_hold(content))


def _hold(content: Element) -> Element:
    holder = etree.Element("event")
    holder.append(deepcopy(content))
    return holder
