"""The actions of ietf-alarms (RFC 7950, 7.15): what an operator says of an alarm, purging, and compressing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.messages import Answer, Ok, Output
from casm_ctrl.netconf.names import BASE, Element, local_name
from casm_ctrl.northbound.alarms.names import TOP, al
from casm_ctrl.northbound.interface import Caller, Operations
from casm_ctrl.service import alarm_actions
from casm_ctrl.service.alarm_actions import Chosen
from casm_ctrl.service.alarm_control import NAMESPACE, ResourceMatch, type_name
from casm_ctrl.service.alarm_resources import from_xml
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import Engine

ACTION = "{urn:ietf:params:xml:ns:yang:1}action"

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 7 * 86_400}
_CLEARED = {"any": None, "cleared": True, "not-cleared": False}


def action_nodes(operation: Element) -> Iterator[Element]:
    """The way to the action: data nodes from the top, then the node of the action itself."""
    node: Element | None = next(operation.iterchildren("*"), None)
    while node is not None:
        yield node
        if local_name(node) in _ACTIONS:
            return
        # Keys come first; what is below is the last child (RFC 7950, 7.15.2).
        children = list(node.iterchildren("*"))
        node = children[-1] if children else None


class Actions:
    """`changed` is called when something was."""

    def __init__(self, database: Database, engine: Engine, changed: Callable[[], None]) -> None:
        self._database = database
        self._engine = engine
        self._changed = changed

    @property
    def operations(self) -> Operations:
        return Operations({ACTION: self._act})

    def _act(self, caller: Caller, operation: Element) -> Answer:
        nodes = list(action_nodes(operation))
        if not nodes or nodes[0].tag != TOP or local_name(nodes[-1]) not in _ACTIONS:
            named = local_name(nodes[-1]) if nodes else "action"
            raise rpc_error.operation_not_supported(f"this server has no action <{named}>")
        rpc = etree.Element(f"{{{BASE}}}rpc", {"message-id": "1"})
        rpc.append(etree.fromstring(etree.tostring(operation, with_tail=False)))
        self._engine.validate(etree.tostring(rpc), what="rpc")
        author = Author(f"{caller.username}@netconf")
        answer = _ACTIONS[local_name(nodes[-1])](self._database, author, nodes)
        self._changed()
        return answer


def _set_operator_state(database: Database, author: Author, nodes: list[Element]) -> Answer:
    alarm, action = nodes[-2], nodes[-1]
    resource, kind = alarm.find(al("resource")), alarm.find(al("alarm-type-id"))
    assert resource is not None
    assert kind is not None
    key = (
        from_xml(resource.text or "", resource.nsmap),
        type_name(kind),
        alarm.findtext(al("alarm-type-qualifier")) or "",
    )
    state, text = action.findtext(al("state")) or "", action.findtext(al("text")) or ""
    alarm_actions.set_operator_state_of(database, author, key, state, text)
    return Ok()


def _purge(database: Database, author: Author, nodes: list[Element]) -> Answer:
    given = nodes[-1]
    age, severity, said = (
        given.find(al(name)) for name in ("older-than", "severity", "operator-state-filter")
    )
    older = None
    for leaf in () if age is None else age.iterchildren("*"):
        older = int(leaf.text or "0") * _SECONDS[local_name(leaf)]
    by_severity = {
        local_name(leaf): leaf.text for leaf in (() if severity is None else severity.iterchildren("*"))
    }
    chosen = Chosen(
        cleared=_CLEARED[given.findtext(al("alarm-clearance-status")) or "any"],
        older_than=older,
        below=by_severity.get("below"),
        equal=by_severity.get("is"),
        above=by_severity.get("above"),
        state=None if said is None else said.findtext(al("state")),
        operator=None if said is None else said.findtext(al("user")),
    )
    shelved = local_name(given) == "purge-shelved-alarms"
    done = alarm_actions.purge(database, author, chosen, shelved=shelved)
    return _count("purged-alarms", done["purged-alarms"])


def _compress(database: Database, author: Author, nodes: list[Element]) -> Answer:
    given = nodes[-1]
    resource, kind = given.find(al("resource")), given.find(al("alarm-type-id"))
    match = None
    if resource is not None:
        prefixes = {prefix: space for prefix, space in resource.nsmap.items() if prefix is not None}
        match = ResourceMatch((resource.text or "").strip(), prefixes)
    shelved = local_name(given) == "compress-shelved-alarms"
    done = alarm_actions.compress(
        database,
        author,
        resource=match,
        type_id=None if kind is None else type_name(kind),
        qualifier=given.findtext(al("alarm-type-qualifier")),
        shelved=shelved,
    )
    return _count("compressed-alarms", done["compressed-alarms"])


def _count(name: str, count: int) -> Answer:
    return Output([f'<{name} xmlns="{NAMESPACE}">{count}</{name}>'.encode()])


_ACTIONS: dict[str, Callable[[Database, Author, list[Element]], Answer]] = {
    "set-operator-state": _set_operator_state,
    "purge-alarms": _purge,
    "purge-shelved-alarms": _purge,
    "compress-alarms": _compress,
    "compress-shelved-alarms": _compress,
}
