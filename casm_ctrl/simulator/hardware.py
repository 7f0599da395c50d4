"""What a simulated device says about its chassis: ietf-hardware (RFC 8348)."""

from __future__ import annotations

from lxml import etree

from casm_ctrl.netconf.names import Element

HARDWARE_MODULE = "ietf-hardware"
_HARDWARE = "urn:ietf:params:xml:ns:yang:ietf-hardware"
_CLASSES = "urn:ietf:params:xml:ns:yang:iana-hardware"


def chassis(serial: str) -> list[Element]:
    """One component, of the class chassis, with its serial number."""
    top = etree.Element(f"{{{_HARDWARE}}}hardware", nsmap={None: _HARDWARE})  # type: ignore[dict-item]
    component = etree.SubElement(top, f"{{{_HARDWARE}}}component", nsmap={"ianahw": _CLASSES})
    for name, text in (("name", "chassis"), ("class", "ianahw:chassis"), ("serial-num", serial)):
        etree.SubElement(component, f"{{{_HARDWARE}}}{name}").text = text
    return [top]
