"""What a simulated device says about its chassis (ietf-hardware, RFC 8348) and its clock (ietf-system, RFC 7317)."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.base.clock import Micros, to_rfc3339
from casm_ctrl.netconf.names import Element

HARDWARE_MODULE = "ietf-hardware"
_HARDWARE = "urn:ietf:params:xml:ns:yang:ietf-hardware"
SYSTEM_MODULE = "ietf-system"
_SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
_CLASSES = "urn:ietf:params:xml:ns:yang:iana-hardware"


def chassis(serial: str) -> list[Element]:
    """One component, of the class chassis, with its serial number."""
    top = etree.Element(f"{{{_HARDWARE}}}hardware", nsmap={None: _HARDWARE})  # type: ignore[dict-item]
    component = etree.SubElement(top, f"{{{_HARDWARE}}}component", nsmap={"ianahw": _CLASSES})
    for name, text in (("name", "chassis"), ("class", "ianahw:chassis"), ("serial-num", serial)):
        etree.SubElement(component, f"{{{_HARDWARE}}}{name}").text = text
    return [top]


def system_clock(now: Micros, booted: Micros) -> list[Element]:
    """What time it is there, and when it started."""
    top = etree.Element(f"{{{_SYSTEM}}}system-state", nsmap={None: _SYSTEM})  # type: ignore[dict-item]
    clock = etree.SubElement(top, f"{{{_SYSTEM}}}clock")
    for name, moment in (("current-datetime", now), ("boot-datetime", booted)):
        etree.SubElement(clock, f"{{{_SYSTEM}}}{name}").text = to_rfc3339(moment)
    return [top]
