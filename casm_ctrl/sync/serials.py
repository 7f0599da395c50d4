"""What a device is known by beside its host key: a serial number, or an SNMP engine id, where it announces one.

A table, so that another model is one line more. The first that is read is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.netconf.names import Element
from casm_ctrl.sync.announced import read_announced

_HARDWARE = "urn:ietf:params:xml:ns:yang:ietf-hardware"
_SNMP = "urn:ietf:params:xml:ns:yang:ietf-snmp"


@dataclass(frozen=True)
class Source:
    """Where a model has it. `module`: announced by devices that have it; `path`: the nodes of the filter, from the
    top; `leaves`: what is asked for below them."""

    kind: str
    module: str
    namespace: str
    path: tuple[str, ...]
    leaves: tuple[str, ...]
    read: Callable[[Element], Iterator[str]]

    def filter(self) -> Element:
        top = node = etree.Element(f"{{{self.namespace}}}{self.path[0]}", nsmap={None: self.namespace})  # type: ignore[dict-item]
        for name in self.path[1:]:
            node = etree.SubElement(node, f"{{{self.namespace}}}{name}")
        for name in self.leaves:
            etree.SubElement(node, f"{{{self.namespace}}}{name}")
        return top


def _chassis(data: Element) -> Iterator[str]:
    """Of the components that stand in no other, and are a chassis (RFC 8348, 7.1): a stack has several."""
    for component in data.iter(f"{{{_HARDWARE}}}component"):
        leaves = {
            etree.QName(leaf).localname: (leaf.text or "").strip() for leaf in component.iterchildren("*")
        }
        kind = leaves.get("class", "").rpartition(":")[2]
        if kind == "chassis" and not leaves.get("parent") and leaves.get("serial-num"):
            yield leaves["serial-num"]


def _engine(data: Element) -> Iterator[str]:
    for leaf in data.iter(f"{{{_SNMP}}}engine-id"):
        if (text := (leaf.text or "").strip().lower()) != "":
            yield text


SOURCES = (
    Source(
        "serial-num",
        "ietf-hardware",
        _HARDWARE,
        ("hardware", "component"),
        ("name", "class", "parent", "serial-num"),
        _chassis,
    ),
    Source("engine-id", "ietf-snmp", _SNMP, ("snmp", "engine"), ("engine-id",), _engine),
)


async def read_serials(session: Session) -> tuple[str, ...]:
    """Kind and value of all that the device tells, as `serial-num FOX1234`; empty where it tells nothing.

    A device that refuses to be asked (RFC 8341) tells nothing. Other errors are those of `Session.rpc`.
    """
    modules = (await read_announced(session)).modules
    found: list[str] = []
    for source in SOURCES:
        if source.module not in modules:
            continue
        try:
            data = await Client(session).get([source.filter()])
        except DeviceRefused:
            continue
        found += (f"{source.kind} {value}" for value in source.read(data))
    return tuple(found)
