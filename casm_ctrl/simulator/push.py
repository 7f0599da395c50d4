"""YANG-Push of a simulated device (RFC 8639 and RFC 8641, over NETCONF as RFC 8640 says): what a filter selects of its
operational datastore, periodically or on change.

A change is told as one edit that replaces each top node of which something changed; times alone are no change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.messages import Answer, Ok, Output
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.server.dispatch import Operation
from casm_ctrl.simulator.subscriptions import Send

MODULE = "ietf-yang-push"
_SUBSCRIBED = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
_PUSH = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
_DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
ESTABLISH = f"{{{_SUBSCRIBED}}}establish-subscription"
_DELETE = f"{{{_SUBSCRIBED}}}delete-subscription"
_CENTISECOND = SECOND // 100
_TIMES = frozenset({"sampled-at"})
"""Leaves that are no change of what is told."""


@dataclass
class _Subscription:
    number: int
    session_id: int
    wanted: Element | None
    period: int
    """Microseconds between two updates, or two changes at the least."""
    on_change: bool
    due: Micros | None = None
    """When there is something to send; None where not before something changes."""
    send: Send | None = None
    sent_at: int | None = None
    last: Mapping[str, bytes] = field(default_factory=dict)
    """What was told last, by top node; of an on-change subscription."""
    patches: int = 0


class Push:
    """The subscriptions of all sessions of one device. `read` gives the nodes of its operational datastore."""

    def __init__(self, read: Callable[[], Sequence[Element]], names: Mapping[str, str]) -> None:
        """`names`: modules by namespace."""
        self._read = read
        self._names = names
        self._open: list[_Subscription] = []
        self._count = 0

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {ESTABLISH: self._establish, _DELETE: self._delete}

    @property
    def next_due(self) -> Micros | None:
        """When an update is to be sent, if nothing changes."""
        return min((one.due for one in self._open if one.send and one.due is not None), default=None)

    def begin(self, session_id: int, send: Send, now: Micros) -> None:
        """The reply to establish-subscription is out: `settle` sends the first update."""
        for one in self._open:
            if one.session_id == session_id and one.send is None:
                one.send, one.due = send, now

    def end(self, session_id: int) -> None:
        self._open = [one for one in self._open if one.session_id != session_id]

    def settle(self, now: Micros, *, changed: bool, jump: int = 0, silent: bool = False) -> None:
        """Send what is due. `changed`: something may be other than at the call before; `jump`: by how much the clock
        that is told is ahead."""
        for one in self._open:
            due = one.due is not None and one.due <= now
            if one.send is None or not (due or (one.on_change and changed)):
                continue
            content = self._change(one, now) if one.on_change else self._update(one, now)
            if content is not None and not silent:
                one.send(_envelope(now + jump, content))

    # --- Operations -------------------------------------------------------------------------------

    def _establish(self, session_id: int, operation: Element) -> Answer:
        leaves = {local_name(child): child for child in operation.iterchildren("*")}
        _check_datastore(leaves.pop("datastore", None))
        wanted = leaves.pop("datastore-subtree-filter", None)
        periodic, on_change = leaves.pop("periodic", None), leaves.pop("on-change", None)
        if leaves:
            name = next(iter(leaves))
            raise rpc_error.unknown_element(name, f"this device knows no <{name}> of a subscription")
        if (periodic is None) == (on_change is None):
            raise rpc_error.missing_element("periodic", "say one of <periodic> and <on-change>")
        trigger, name = (on_change, "dampening-period") if periodic is None else (periodic, "period")
        assert trigger is not None
        period = _centiseconds(trigger, name, required=periodic is not None)
        self._count += 1
        self._open.append(
            _Subscription(
                self._count,
                session_id,
                None if wanted is None else deepcopy(wanted),
                period,
                on_change is not None,
            )
        )
        number = etree.Element(f"{{{_SUBSCRIBED}}}id", nsmap={None: _SUBSCRIBED})  # type: ignore[dict-item]
        number.text = str(self._count)
        return Output([number])

    def _delete(self, session_id: int, operation: Element) -> Answer:
        number = (operation.findtext(f"{{{_SUBSCRIBED}}}id") or "").strip()
        found = [one for one in self._open if str(one.number) == number and one.session_id == session_id]
        if not found:
            raise rpc_error.invalid_value(
                f"this session has no subscription {number}",
                app_tag="ietf-subscribed-notifications:no-such-subscription",
            )
        self._open.remove(found[0])
        return Ok()

    # --- What is sent -----------------------------------------------------------------------------

    def _select(self, one: _Subscription) -> list[Element]:
        holder = etree.Element("data")
        holder.extend(self._read())
        return apply_filter(holder, one.wanted)

    def _update(self, one: _Subscription, now: Micros) -> Element:
        assert one.due is not None
        one.due = Micros(one.due + (now - one.due) // one.period * one.period + one.period)
        return self._push_update(one, self._select(one))

    def _change(self, one: _Subscription, now: Micros) -> Element | None:
        if one.sent_at is not None and now < one.sent_at + one.period:
            one.due = Micros(one.sent_at + one.period)
            return None
        one.due = None
        nodes = self._select(one)
        told = {str(node.tag): _without_times(node) for node in nodes}
        before, one.last = one.last, told
        if one.sent_at is not None and told == before:
            return None
        first, one.sent_at = one.sent_at is None, now
        if first:
            return self._push_update(one, nodes)
        one.patches += 1
        changed = [node for node in nodes if told[str(node.tag)] != before.get(str(node.tag))]
        gone = [tag for tag in before if tag not in told]
        return self._push_change_update(one, changed, gone)

    def _push_update(self, one: _Subscription, nodes: Sequence[Element]) -> Element:
        update = _top("push-update", one)
        etree.SubElement(update, f"{{{_PUSH}}}datastore-contents").extend(nodes)
        return update

    def _push_change_update(
        self, one: _Subscription, changed: Sequence[Element], gone: Sequence[str]
    ) -> Element:
        update = _top("push-change-update", one)
        changes = etree.SubElement(update, f"{{{_PUSH}}}datastore-changes")
        patch = etree.SubElement(changes, f"{{{_PUSH}}}yang-patch")
        etree.SubElement(patch, f"{{{_PUSH}}}patch-id").text = str(one.patches)
        edits: list[tuple[str, Element | None]] = [(str(node.tag), node) for node in changed]
        edits += [(tag, None) for tag in gone]
        for number, (tag, node) in enumerate(edits, start=1):
            edit = etree.SubElement(patch, f"{{{_PUSH}}}edit")
            name = etree.QName(tag)
            texts = {
                "edit-id": f"edit{number}",
                "operation": "delete" if node is None else "replace",
                "target": f"/{self._names.get(str(name.namespace), '')}:{name.localname}",
            }
            for leaf, text in texts.items():
                etree.SubElement(edit, f"{{{_PUSH}}}{leaf}").text = text
            if node is not None:
                etree.SubElement(edit, f"{{{_PUSH}}}value").append(node)
        return update


def _check_datastore(leaf: Element | None) -> None:
    if leaf is None:
        raise rpc_error.missing_element("datastore", "this device pushes datastores, and no streams")
    prefix, colon, name = (leaf.text or "").strip().rpartition(":")
    if (leaf.nsmap.get(prefix if colon else None), name) != (_DATASTORES, "operational"):
        raise rpc_error.invalid_value(
            f"'{name}' cannot be subscribed to, only operational",
            app_tag=f"{MODULE}:datastore-not-subscribable",
        )


def _centiseconds(trigger: Element, name: str, *, required: bool) -> int:
    """In microseconds."""
    leaves = {local_name(child): (child.text or "").strip() for child in trigger.iterchildren("*")}
    text = leaves.pop(name, None)
    if leaves:
        other = next(iter(leaves))
        raise rpc_error.unknown_element(other, f"this device knows no <{other}> of a subscription")
    if text is None:
        if required:
            raise rpc_error.missing_element(name)
        return 0
    if not (text.isascii() and text.isdigit() and (int(text) or not required)):
        raise rpc_error.bad_element(name, f"<{name}> is '{text}'")
    return int(text) * _CENTISECOND


def _without_times(node: Element) -> bytes:
    copied = deepcopy(node)
    for leaf in [one for one in copied.iter(etree.Element) if local_name(one) in _TIMES]:
        leaf.text = None
    return etree.tostring(copied, with_tail=False)


def _top(name: str, one: _Subscription) -> Element:
    made = etree.Element(f"{{{_PUSH}}}{name}", nsmap={None: _PUSH})  # type: ignore[dict-item]
    etree.SubElement(made, f"{{{_PUSH}}}id").text = str(one.number)
    return made


def _envelope(moment: int, content: Element) -> bytes:
    head = f'<notification xmlns="{NOTIFICATION}"><eventTime>{to_rfc3339(moment)}</eventTime>'
    return (
        head.encode() + etree.tostring(content, encoding="UTF-8", xml_declaration=False) + b"</notification>"
    )
