"""Requests made at random from the schema: of every operation, and of every part of the configuration."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

from lxml import etree

from casm_ctrl.netconf.names import BASE, Element, nc
from casm_ctrl.northbound.models import Models
from casm_ctrl.yang.operations import read_operations
from casm_ctrl.yang.schema import Kind, SchemaNode

DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
POOLS = "urn:casm:yang:casm-pools"
NAMES = ["s", "vpn", "d0", "bng1", "bng2", "gone", "home", "pair", "p", "nobody", "x-1", "b1", "b2"]
PATHS = ["/", "//*", "/p:pools", "/x:y/z[1]", "count(//*)", "/*/*[name='bng1']", "string(//*) = 'x'"]
TEXTS = {
    "boolean": ["true", "false"],
    "empty": [""],
    "enumeration": ["merge", "set", "x"],
    "identityref": ["ds:running", "ds:operational", "ds:candidate", "ds:intended", "ds:startup", "yang"],
    "union": ["0", "1", "b1", "10.0.0.0/24", "2001:db8::/56", "all", "operator", "now", "*", "10.0.0.1"],
    "binary": ["AAAA", "=", "!"],
    "bits": ["", "create read", "*"],
    "decimal64": ["0.5", "1e3", "-1.25", "100"],
    "leafref": NAMES,
    "instance-identifier": PATHS,
}
NUMBERS = ["0", "1", "2", "24", "32", "56", "128", "255", "65535", "4294967295", "18446744073709551615", "-1"]
STRINGS = [
    *NAMES,
    *PATHS,
    "",
    " ",
    "10.0.0.0/24",
    "10.0.0.0/8",
    "10.0.0.7/24",
    "2001:db8::/48",
    "10.0.0.5",
    "192.0.2.1",
    "2001:db8::1",
    "10.0.0.1-10.0.0.9",
    "2026-11-23T12:00:00Z",
    "2026-11-23T12:00:00.123456+05:30",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0000-00-00T00:00:00Z",
    "bng1/home",
    "bng1/pair",
    "bng2/",
    "nobody/x",
    "b1",
    "b99999",
    "é" * 70,
    "a" * 3000,
    "{}",
    '{"casm": 1}',
    '{"casm": 1, "store": {}}',
    "env:HOME",
    "file:/nowhere",
    "1h",
    "NETCONF",
    "running",
    "casm-pools",
    "%",
    "'",
    '"',
]
DEVICES_ARE_ASKED = {"plan", "apply", "adopt", "check-drift", "verify", "check-devices", "replace-device"}
"""RPCs that talk to devices: they are asked about one that nobody knows."""


NAMED = {
    "block": ["b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b12", "10.0.0.0/24", "10.8.64.0/24"],
    "device-pool": ["bng1/home", "bng1/pair", "bng2/home", "bng1/internet", "d0/home", "nobody/x"],
    "identifier": ["casm-pools", "casm-devices", "ietf-yang-types", "nothing"],
    "stream": ["NETCONF", "nothing"],
    "address": ["10.0.0.5", "10.8.64.7", "2001:db8::1", "192.0.2.9"],
    "at": ["2026-11-23T12:00:00Z", "1970-01-01T00:00:00Z"],
    "user": ["admin", "alice"],
    "operation": ["read", "create", "update", "delete", "exec"],
    "encoding": ["encode-xml"],
    "store": ["{}", '{"casm": 1, "store": {}}', '{"casm": 1, "store": {"pool": []}}'],
    "id": ["2147483648", "1"],
    "max-depth": ["1", "3", "unbounded"],
    "persist": ["x"],
    "persist-id": ["x"],
    "name": NAMES,
    "device": NAMES,
    "pool": ["p", "public", "x-1"],
    "prefix": ["10.0.0.0/24", "10.9.0.0/16", "2001:db8::/48", "10.0.0.7/24"],
}
"""What leafs of some names mostly hold."""
NEEDED = {"source", "target", "config", "block", "device-pool", "identifier", "datastore", "stream", "store"}
"""What a request without is refused for, before anything else is looked at."""
_ENUMERATION = r"type enumeration \{((?:[^{}]|\{[^{}]*\})*)\}"


def enumerations(models: Models) -> dict[str, list[str]]:
    """Values by the name of a leaf, as far as that can be told from the text of a module."""
    found: dict[str, list[str]] = {}
    text = "\n".join(module.text for module in models.modules)
    types = {
        name: re.findall(r"enum ([\w.-]+)", values)
        for name, values in re.findall(r"typedef ([\w.-]+) \{[^{}]*" + _ENUMERATION, text)
    }
    for name, values in re.findall(r"leaf(?:-list)? ([\w.-]+) \{[^{}]*" + _ENUMERATION, text):
        found.setdefault(name, []).extend(re.findall(r"enum ([\w.-]+)", values))
    for name, kind in re.findall(r"leaf(?:-list)? ([\w.-]+) \{[^{}]*type (?:[\w-]+:)?([\w.-]+);", text):
        found.setdefault(name, []).extend(types.get(kind, []))
    return {name: values for name, values in found.items() if values}


class Requests:
    """Operations, one after the other, from one seed."""

    def __init__(self, models: Models, dice: random.Random) -> None:
        self._dice = dice
        self._enumerations = enumerations(models)
        self._schema = models.schema
        self._operations = [
            (operation.tag, operation.input)
            for name in models.implemented
            for operation in read_operations(models.engine.context, name).values()
        ]

    def next(self) -> Element:
        """The element inside `<rpc>`."""
        dice = self._dice
        if dice.random() < 0.3:
            return self._edit()
        tag, inputs = dice.choice(self._operations)
        operation = etree.Element(tag, nsmap={None: etree.QName(tag).namespace})  # type: ignore[dict-item]
        name = etree.QName(tag).localname
        if name == "edit-config":
            return self._edit()
        self._fill(operation, inputs, dice.choice([0.0, 0.15, 0.3, 0.6]))
        if name in DEVICES_ARE_ASKED:
            for node in [found for found in operation if etree.QName(found).localname in ("device", "name")]:
                operation.remove(node)
            ours = next((found for found in inputs if found.endswith(("}device", "}name"))), None)
            if ours is None:
                return etree.Element(nc("get"))
            etree.SubElement(operation, ours).text = "nobody"
        if name == "kill-session":
            operation.clear()
            etree.SubElement(operation, nc("session-id")).text = dice.choice(["0", "1", "77", "x", ""])
        if name in ("commit", "lock"):
            for node in list(operation)[dice.randint(0, 1) :]:
                operation.remove(node)
        return operation

    def _edit(self) -> Element:
        dice = self._dice
        edit = etree.Element(nc("edit-config"), nsmap={None: BASE})  # type: ignore[dict-item]
        etree.SubElement(etree.SubElement(edit, nc("target")), nc("candidate"))
        if dice.random() < 0.3:
            default = etree.SubElement(edit, nc("default-operation"))
            default.text = dice.choice(["merge", "none", "replace"])
        config = etree.SubElement(edit, nc("config"))
        tops = {tag: node for tag, node in self._schema.roots.items() if node.config and "casm" in tag}
        for tag in dice.sample(sorted(tops), dice.randint(1, min(2, len(tops)))):
            self._node(config, tops[tag], 0.25, edits=True)
        return edit

    def _fill(
        self, parent: Element, nodes: Mapping[str, SchemaNode], chance: float, *, edits: bool = False
    ) -> None:
        dice, taken = self._dice, dict[str, str]()
        for node in nodes.values():
            if edits and not node.config:
                continue
            if any(taken.get(choice, case) != case for choice, case in node.cases) and dice.random() < 0.97:
                continue
            if node.cases and dice.random() < 0.3:
                continue
            name = etree.QName(node.tag).localname
            if node.mandatory or (name in NEEDED and dice.random() < 0.95) or dice.random() < chance:
                taken.update(node.cases)
                self._node(parent, node, chance, edits=edits)

    def _node(self, parent: Element, node: SchemaNode, chance: float, *, edits: bool = False) -> None:
        dice = self._dice
        times = dice.choice([1, 1, 2]) if node.kind in (Kind.LIST, Kind.LEAF_LIST) else 1
        for _ in range(times):
            prefixes = {None: etree.QName(node.tag).namespace, "ds": DATASTORES, "p": POOLS}
            made = etree.SubElement(parent, node.tag, nsmap=prefixes)  # type: ignore[arg-type]
            if edits and dice.random() < 0.08:
                made.set(
                    nc("operation"), dice.choice(["delete", "remove", "create", "replace", "merge", "x"])
                )
            if node.kind in (Kind.LEAF, Kind.LEAF_LIST):
                made.text = self._text(node)
            else:
                for key in node.keys:
                    etree.SubElement(made, key).text = self._text(node.children[key])
                rest = {tag: child for tag, child in node.children.items() if tag not in node.keys}
                self._fill(made, rest, chance, edits=edits)

    def _text(self, node: SchemaNode) -> str:
        dice = self._dice
        if dice.random() < 0.05:
            return dice.choice(STRINGS)
        base, name = node.base or "string", etree.QName(node.tag).localname
        if base == "enumeration" and name in self._enumerations:
            return dice.choice(self._enumerations[name])
        if name in NAMED and base in ("string", "union", "leafref", "enumeration") and dice.random() < 0.9:
            return dice.choice(NAMED[name])
        if base == "string":
            return dice.choice(STRINGS)
        return dice.choice(NUMBERS if "int" in base else TEXTS.get(base, STRINGS))
