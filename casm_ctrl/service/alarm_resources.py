"""What alarms are raised on, as instance-identifiers of our YANG (RFC 8632, 3.3; RFC 7951, 6.11).

Prefixes are names of modules. Names of ours have no quotes and never change, so that there is one way to write each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

NAMESPACES: Mapping[str, str] = {
    "casm-devices": "urn:casm:yang:casm-devices",
    "casm-pools": "urn:casm:yang:casm-pools",
    "casm-control": "urn:casm:yang:casm-control",
}
"""Of the modules in them."""

CONTROLLER = "/casm-control:control"
"""What belongs to no device and no pool."""

_STEP = re.compile(r"/(?:([a-z-]+):)?([a-z-]+)(?:\[name='([^']*)'\])?")


def of_device(name: str) -> str:
    return f"/casm-devices:devices/device[name='{name}']"


def of_device_pool(label: str) -> str:
    """`label`: DEVICE/NAME."""
    device, _, name = label.partition("/")
    return f"{of_device(device)}/device-pool[name='{name}']"


def of_pool(name: str) -> str:
    return f"/casm-pools:pools/pool[name='{name}']"


@dataclass(frozen=True)
class Step:
    """One node on the way: `key` is its name's value, where it is an entry of a list."""

    module: str
    node: str
    key: str | None


def steps_of(resource: str) -> list[Step]:
    """The way to a resource, from the top."""
    steps: list[Step] = []
    for module, node, key in _STEP.findall(resource):
        steps.append(Step(module or steps[-1].module, node, key or None))
    return steps


def words_of(resource: str) -> str:
    """For people: `device bng1`, `device-pool bng1/home`, `pool public-v4`, `controller`."""
    named = [step for step in steps_of(resource) if step.key is not None]
    if not named:
        return "controller"
    return f"{named[-1].node} {'/'.join(step.key or '' for step in named)}"


def device_of(resource: str) -> str | None:
    """The device that it is, or that it is in."""
    return next((step.key for step in steps_of(resource) if step.node == "device"), None)


def in_xml(resource: str) -> tuple[str, dict[str, str]]:
    """As XML has it (RFC 7950, 9.13.2): every node with its prefix, and what the prefixes stand for."""
    steps = steps_of(resource)
    text = "".join(
        f"/{step.module}:{step.node}" + ("" if step.key is None else f"[{step.module}:name='{step.key}']")
        for step in steps
    )
    return text, {step.module: NAMESPACES[step.module] for step in steps}


_XML_STEP = re.compile(
    r"/(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)"
    r"(?:\[\s*(?:[A-Za-z_][\w.-]*:)?name\s*=\s*(?:'([^']*)'|\"([^\"]*)\")\s*\])?"
)


def from_xml(text: str, prefixes: Mapping[str | None, str]) -> str:
    """The resource that a document names, whose `prefixes` are its own; what is none of ours stays as it is."""
    modules = {space: module for module, space in NAMESPACES.items()}
    text = text.strip()
    found, position, last = "", 0, None
    while position < len(text):
        step = _XML_STEP.match(text, position)
        if step is None:
            return text
        prefix, node, single, double = step.groups()
        module = modules.get(prefixes.get(prefix, ""), prefix if prefix in NAMESPACES else None)
        if module is None:
            return text
        key = single if single is not None else double
        found += f"/{node}" if module == last else f"/{module}:{node}"
        found += "" if key is None else f"[name='{key}']"
        position, last = step.end(), module
    return found


def tree_of(resource: str) -> etree._Element:
    """The instance as a tree with nothing else in it: its own element, its ancestors, and the keys of all of them."""
    parent: etree._Element | None = None
    for step in steps_of(resource):
        tag = f"{{{NAMESPACES[step.module]}}}"
        made = etree.Element(tag + step.node) if parent is None else etree.SubElement(parent, tag + step.node)
        if step.key is not None:
            etree.SubElement(made, f"{tag}name").text = step.key
        parent = made
    assert parent is not None
    return parent
