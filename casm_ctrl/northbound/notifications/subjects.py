"""Which node of the configuration a row of the audit is about, for netconf-config-change (RFC 6470, 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.store.events import EventRow

_POOLS = {"p": "urn:casm:yang:casm-pools"}
_DEVICES = {"d": "urn:casm:yang:casm-devices"}
_CONTROL = {"c": "urn:casm:yang:casm-control"}
_ALARMS = {"al": "urn:ietf:params:xml:ns:yang:ietf-alarms"}
_ACCESS = {"nacm": "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"}

_NODES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "space": ("/p:address-spaces/p:address-space[p:name={0}]", _POOLS),
    "pool": ("/p:pools/p:pool[p:name={0}]", _POOLS),
    "device": ("/d:devices/d:device[d:name={0}]", _DEVICES),
    "device-pool": ("/d:devices/d:device[d:name={0}]/d:device-pool[d:name={1}]", _DEVICES),
    "group": ("/d:owner-groups/d:owner-group[d:name={0}]", _DEVICES),
    "quota": ("/d:quotas/d:quota[d:name={0}]", _DEVICES),
    "access-group": ("/nacm:nacm/nacm:groups/nacm:group[nacm:name={0}]", _ACCESS),
    "control": ("/c:control", _CONTROL),
    "alarms": ("/al:alarms/al:control", _ALARMS),
    "document": ("/nacm:nacm", _ACCESS),
}


_DOCUMENTS = {"casm-control": "control", "ietf-alarms": "alarms"}
"""What a document of a module is; any other is that of ietf-netconf-acm."""


@dataclass(frozen=True)
class ChangedNode:
    """An instance-identifier with its prefixes, and the operation of an edit that does the same."""

    path: str
    namespaces: Mapping[str, str]
    operation: str

    def target(self, namespace: str) -> Element:
        """The leaf `target` of an edit, in `namespace`."""
        leaf = etree.Element(f"{{{namespace}}}target", nsmap=dict(self.namespaces))
        leaf.text = self.path
        return leaf


def changed_node(event: EventRow) -> ChangedNode | None:
    """The node that the row says was changed; None where it is none of the configuration's."""
    kind = event.subject_kind
    known = _NODES.get(_DOCUMENTS.get(event.subject, kind) if kind == "document" else kind)
    if known is None:
        return None
    path, namespaces = known
    keys = event.subject.split("/") if event.subject_kind == "device-pool" else [event.subject]
    if len(keys) != path.count("{") and "{" in path:
        return None
    # Names of ours have no quotes; those of access groups may have any but both kinds.
    quoted = [f"'{key}'" if "'" not in key else f'"{key}"' for key in keys]
    return ChangedNode(path.format(*quoted), namespaces, _operation(event))


def _operation(event: EventRow) -> str:
    for ending, operation in (("-add", "create"), ("-remove", "delete")):
        if event.verb == f"{event.subject_kind}{ending}":
            return operation
    return "merge"
