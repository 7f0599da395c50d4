"""Reading the operations on subscriptions: create-subscription of RFC 5277, and those of RFC 8639 and 8641."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace

from lxml import etree

from casm_ctrl.base.clock import Micros, from_rfc3339, to_rfc3339
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name, nc
from casm_ctrl.northbound.notifications.filters import (
    EventFilter,
    FilterRefused,
    check_expression,
    subtree_of,
    xpath_of,
)
from casm_ctrl.northbound.notifications.names import DATASTORES, NETCONF_STREAM, SUBSCRIBED, sn, yp
from casm_ctrl.northbound.notifications.refusals import Rpc, refuse
from casm_ctrl.northbound.notifications.terms import (
    DatastoreTarget,
    EventTarget,
    OnChange,
    Periodic,
    Terms,
)

SHORTEST_PERIOD = 100
"""Centiseconds between two updates of a periodic subscription, at the least."""
DATASTORE_NAMES = ("running", "operational")
"""The datastores that can be subscribed to; the candidate is somebody's draft."""
CHANGES = frozenset(("create", "delete", "insert", "move", "replace"))
STREAM_NAMES = (NETCONF_STREAM,)

_EVENT_LEAVES = ("stream", "stream-filter-name", "stream-subtree-filter", "stream-xpath-filter")
_PUSH_LEAVES = ("datastore", "selection-filter-ref", "datastore-subtree-filter", "datastore-xpath-filter")


# --- RFC 5277 -------------------------------------------------------------------------------------


def read_create(operation: Element, now: Micros) -> Terms:
    """The terms of a create-subscription, with the errors of RFC 5277, 2.1.1."""
    arguments = Arguments(_with_own_filter(operation), ("stream", "filter", "startTime", "stopTime"))
    stream = (arguments.text("stream") or NETCONF_STREAM).strip()
    if stream not in STREAM_NAMES:
        raise rpc_error.invalid_value(f"there is no stream '{stream}'", layer="protocol")
    start = _moment(arguments.text("startTime"), "startTime")
    stop = _moment(arguments.text("stopTime"), "stopTime")
    if stop is not None and start is None:
        raise rpc_error.missing_element("startTime", "<stopTime> needs <startTime>")
    if start is not None and start > now:
        raise rpc_error.bad_element("startTime", f"<startTime> is later than now, {to_rfc3339(now)}")
    if start is not None and stop is not None and stop < start:
        raise rpc_error.bad_element("stopTime", "<stopTime> is earlier than <startTime>")
    return Terms(EventTarget(stream, _event_filter(arguments.optional("filter")), start), stop)


def _with_own_filter(operation: Element) -> Element:
    """The operation with its filter in its own namespace: some clients take that of get (RFC 5277's examples leave
    it open which it is)."""
    theirs = operation.find(nc("filter"))
    if theirs is None:
        return operation
    copied = deepcopy(operation)
    for found in copied.iterchildren(nc("filter")):
        found.tag = f"{{{NOTIFICATION}}}filter"
    return copied


def _event_filter(element: Element | None) -> EventFilter | None:
    if element is None:
        return None
    kind = element.get("type", element.get(nc("type"), "subtree"))
    if kind == "subtree":
        return subtree_of(element)
    if kind != "xpath":
        message = f"a filter's type is 'subtree' or 'xpath', not '{kind}'"
        raise rpc_error.bad_attribute("type", "filter", message, layer="protocol")
    select = element.get("select", element.get(nc("select")))
    if select is None:
        raise rpc_error.missing_attribute("select", "filter", layer="protocol")
    try:
        return xpath_of(element, select)
    except FilterRefused as refusal:
        raise rpc_error.invalid_value(
            f"the filter is no XPath expression: {refusal}", layer="protocol"
        ) from None


def _moment(text: str | None, name: str) -> Micros | None:
    if text is None:
        return None
    try:
        return from_rfc3339(text.strip())
    except InvalidValue as error:
        raise rpc_error.bad_element(name, error.message) from None


# --- RFC 8639 and 8641 ----------------------------------------------------------------------------


class _Leaves:
    """The children of an operation, each in the namespace that its module gives it."""

    def __init__(self, operation: Element, known: Mapping[str, str]) -> None:
        self._found: dict[str, list[Element]] = {}
        for child in operation.iterchildren("*"):
            name = local_name(child)
            if name not in known:
                raise rpc_error.unknown_element(name, f"<{local_name(operation)}> has no <{name}> here")
            if child.tag != known[name]:
                raise rpc_error.unknown_namespace(name, etree.QName(child).namespace or "")
            self._found.setdefault(name, []).append(child)
            if len(self._found[name]) > 1 and name != "excluded-change":
                raise rpc_error.bad_element(name, f"<{name}> occurs more than once")

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def element(self, name: str) -> Element | None:
        return self._found[name][0] if name in self._found else None

    def all(self, name: str) -> Iterable[Element]:
        return self._found.get(name, ())

    def text(self, name: str) -> str | None:
        found = self.element(name)
        return None if found is None else (found.text or "").strip()

    def number(self, name: str, *, least: int = 0, most: int = 4_294_967_295) -> int | None:
        text = self.text(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise rpc_error.bad_element(name, f"<{name}> is '{text}', and must be from {least} to {most}")
        return int(text)


def _named(function: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    return {name: function(name) for name in names}


_TARGETS = {**_named(sn, _EVENT_LEAVES), **_named(yp, _PUSH_LEAVES), **_named(yp, ("periodic", "on-change"))}
_ESTABLISH = {**_TARGETS, **_named(sn, ("replay-start-time", "stop-time", "encoding"))}
_MODIFY = {**_TARGETS, **_named(sn, ("id", "stop-time"))}


def read_establish(operation: Element, now: Micros) -> Terms:
    """The terms of an establish-subscription. Those of features that are not announced do not exist."""
    leaves = _Leaves(operation, _ESTABLISH)
    push = "datastore" in leaves
    if push == ("stream" in leaves):
        raise rpc_error.missing_element("stream", "name the stream, or the datastore, to subscribe to")
    encoding = leaves.text("encoding")
    if encoding is not None and identity(leaves.element("encoding")) != (SUBSCRIBED, "encode-xml"):
        message = f"notifications are written in XML, not in '{encoding}'"
        raise refuse("establish", "encoding-unsupported", message, push=push)
    stop = _later(leaves, now)
    if push:
        return Terms(_datastore_target(leaves), stop)
    _refuse_others(leaves, (*_PUSH_LEAVES, "periodic", "on-change"))
    stream = leaves.text("stream") or ""
    if stream not in STREAM_NAMES:
        raise rpc_error.invalid_value(
            f"there is no stream '{stream}'", app_tag="ietf-subscribed-notifications:stream-unavailable"
        )
    start = _moment(leaves.text("replay-start-time"), "replay-start-time")
    if start is not None and start > now:
        raise rpc_error.bad_element("replay-start-time", "<replay-start-time> is later than now")
    if start is not None and stop is not None and stop < start:
        raise rpc_error.bad_element("stop-time", "<stop-time> is earlier than <replay-start-time>")
    return Terms(EventTarget(stream, _stream_filter(leaves, "establish"), start), stop)


def read_modify(operation: Element, known: Callable[[int], Terms], now: Micros) -> tuple[int, Terms]:
    """The id and the new terms of a modify-subscription: what it does not say stays. `known` gives the terms
    that hold, or refuses."""
    leaves = _Leaves(operation, _MODIFY)
    number = _id(leaves)
    before = known(number)
    stop = _later(leaves, now) if "stop-time" in leaves else before.stop
    target = before.target
    if isinstance(target, EventTarget):
        _refuse_others(leaves, (*_PUSH_LEAVES, "periodic", "on-change"))
        if any(name in leaves for name in _EVENT_LEAVES[1:]):
            target = replace(target, filter=_stream_filter(leaves, "modify"))
        return number, Terms(target, stop)
    _refuse_others(leaves, _EVENT_LEAVES)
    if "datastore" in leaves and _datastore(leaves, "modify") != target.datastore:
        raise rpc_error.invalid_value("a subscription stays with its datastore: establish another")
    if any(name in leaves for name in _PUSH_LEAVES[1:]):
        target = replace(target, filter=_selection(leaves, "modify"))
    if "periodic" in leaves or "on-change" in leaves:
        target = replace(target, trigger=_trigger(leaves, "modify", target.trigger))
    return number, Terms(target, stop)


def read_id(operation: Element) -> int:
    """The id that delete-, kill- and resync-subscription name."""
    space = sn if operation.tag != yp("resync-subscription") else yp
    return _id(_Leaves(operation, {"id": space("id")}))


def _id(leaves: _Leaves) -> int:
    number = leaves.number("id")
    if number is None:
        raise rpc_error.missing_element("id", "the subscription's <id> is missing")
    return number


def identity(leaf: Element | None) -> tuple[str | None, str]:
    """An identityref as (namespace, name): its prefix is bound where it stands (RFC 7950, 9.10.3)."""
    if leaf is None:
        return None, ""
    prefix, colon, name = (leaf.text or "").strip().rpartition(":")
    return leaf.nsmap.get(prefix if colon else None), name


def _later(leaves: _Leaves, now: Micros) -> Micros | None:
    stop = _moment(leaves.text("stop-time"), "stop-time")
    if stop is not None and stop <= now and "replay-start-time" not in leaves:
        raise rpc_error.bad_element("stop-time", "<stop-time> is over")
    return stop


def _refuse_others(leaves: _Leaves, names: Iterable[str]) -> None:
    for name in names:
        if name in leaves:
            raise rpc_error.unknown_element(name, f"<{name}> does not go with what is subscribed to")


def _stream_filter(leaves: _Leaves, rpc: Rpc) -> EventFilter | None:
    if "stream-filter-name" in leaves:
        message = (
            f"there is no stream filter '{leaves.text('stream-filter-name')}' in /filters: write it in place"
        )
        raise refuse(rpc, "filter-unsupported", message)
    subtree, xpath = leaves.element("stream-subtree-filter"), leaves.element("stream-xpath-filter")
    if subtree is not None and xpath is not None:
        raise rpc_error.bad_element("stream-xpath-filter", "a subscription has one filter")
    try:
        if subtree is not None:
            return subtree_of(subtree)
        return None if xpath is None else xpath_of(xpath, xpath.text or "")
    except FilterRefused as refusal:
        raise refuse(rpc, "filter-unsupported", str(refusal), filter_failure_hint=str(refusal)) from None


def _datastore_target(leaves: _Leaves) -> DatastoreTarget:
    _refuse_others(leaves, (*_EVENT_LEAVES, "replay-start-time"))
    datastore = _datastore(leaves, "establish")
    return DatastoreTarget(datastore, _trigger(leaves, "establish", None), _selection(leaves, "establish"))


def _datastore(leaves: _Leaves, rpc: Rpc) -> str:
    namespace, name = identity(leaves.element("datastore"))
    if namespace != DATASTORES or name not in DATASTORE_NAMES:
        message = f"datastore '{name}' cannot be subscribed to, only {' and '.join(DATASTORE_NAMES)}"
        raise refuse(rpc, "datastore-not-subscribable", message, push=True)
    return name


def _selection(leaves: _Leaves, rpc: Rpc) -> Element | None:
    if "selection-filter-ref" in leaves:
        name = leaves.text("selection-filter-ref")
        message = f"there is no selection filter '{name}' in /filters: write it in place"
        raise refuse(rpc, "filter-unsupported", message, push=True)
    subtree, xpath = leaves.element("datastore-subtree-filter"), leaves.element("datastore-xpath-filter")
    if subtree is not None and xpath is not None:
        raise rpc_error.bad_element("datastore-xpath-filter", "a subscription has one filter")
    if xpath is not None:
        try:
            check_expression(xpath, xpath.text or "")
        except FilterRefused as refusal:
            raise refuse(rpc, "filter-unsupported", str(refusal), push=True) from None
    return subtree if subtree is not None else xpath


def _trigger(leaves: _Leaves, rpc: Rpc, before: Periodic | OnChange | None) -> Periodic | OnChange:
    periodic, on_change = leaves.element("periodic"), leaves.element("on-change")
    if (periodic is None) == (on_change is None):
        raise rpc_error.missing_element("periodic", "say one of <periodic> and <on-change>")
    if periodic is not None:
        if isinstance(before, OnChange):
            raise rpc_error.bad_element("periodic", "the subscription is on-change, and stays so")
        inner = _Leaves(periodic, _named(yp, ("period", "anchor-time")))
        period = inner.number("period")
        if period is None:
            raise rpc_error.missing_element("period")
        if period < SHORTEST_PERIOD:
            message = f"a period has {SHORTEST_PERIOD} centiseconds at the least, not {period}"
            raise refuse(rpc, "period-unsupported", message, push=True, period_hint=str(SHORTEST_PERIOD))
        return Periodic(period, _moment(inner.text("anchor-time"), "anchor-time"))
    assert on_change is not None
    if isinstance(before, Periodic):
        raise rpc_error.bad_element("on-change", "the subscription is periodic, and stays so")
    if isinstance(before, OnChange):
        changed = _Leaves(on_change, _named(yp, ("dampening-period",)))
        return replace(before, dampening=changed.number("dampening-period") or 0)
    inner = _Leaves(on_change, _named(yp, ("dampening-period", "sync-on-start", "excluded-change")))
    sync = inner.text("sync-on-start") or "true"
    if sync not in ("true", "false"):
        raise rpc_error.bad_element("sync-on-start", f"<sync-on-start> is true or false, not '{sync}'")
    excluded = frozenset((leaf.text or "").strip() for leaf in inner.all("excluded-change"))
    if not excluded <= CHANGES:
        raise rpc_error.bad_element(
            "excluded-change", f"<excluded-change> is one of: {', '.join(sorted(CHANGES))}"
        )
    return OnChange(inner.number("dampening-period") or 0, sync == "true", excluded)
