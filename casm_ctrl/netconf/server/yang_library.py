"""What ietf-yang-library tells of a server's modules: /yang-library (RFC 8525), and /modules-state (RFC 7895), which
RFC 8525 keeps for older clients.

All datastores have one schema, of one set of modules. What is told never changes while a server is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import cast

from lxml import etree

from casm_ctrl.netconf.names import Element
from casm_ctrl.yang.modules import Module

LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
DATASTORES = "urn:ietf:params:xml:ns:yang:ietf-datastores"
YANG_LIBRARY = f"{{{LIBRARY}}}yang-library"
MODULES_STATE = f"{{{LIBRARY}}}modules-state"

_CAPABILITY = "urn:ietf:params:netconf:capability:yang-library"
_ALL = "all"
"""The name of the one set, and of its schema."""


@dataclass(frozen=True)
class YangLibrary:
    """`modules` are all that the server has, submodules and imported modules too; `implemented` are the names of
    those that it implements, each with the features that are on; `datastores` are names in ietf-datastores."""

    modules: Sequence[Module]
    implemented: Mapping[str, Sequence[str]]
    datastores: Sequence[str]

    @cached_property
    def content_id(self) -> str:
        """Changes whenever anything that is told does, or the text of a module; the same after a restart."""
        digest = sha256(etree.tostring(self._modules_state, method="c14n"))
        digest.update(repr(tuple(self.datastores)).encode())
        for text in sorted(module.text for module in self.modules):
            digest.update(sha256(text.encode()).digest())
        return digest.hexdigest()[:16]

    @property
    def capabilities(self) -> tuple[str, str]:
        """For the hello: of RFC 8526, 2, and of RFC 7950, 5.6.4, by which older clients find /modules-state."""
        revision = next(module.revision for module in self.modules if module.name == "ietf-yang-library")
        return (
            f"{_CAPABILITY}:1.1?revision={revision}&content-id={self.content_id}",
            f"{_CAPABILITY}:1.0?revision={revision}&module-set-id={self.content_id}",
        )

    def yang_library(self) -> Element:
        """The container yang-library (RFC 8525, 3), the caller's own."""
        top = deepcopy(self._yang_library)
        _leaf(top, "content-id", self.content_id)
        return top

    def modules_state(self) -> Element:
        """The container modules-state (RFC 7895, 2.1), the caller's own."""
        top = deepcopy(self._modules_state)
        top[0].text = self.content_id
        return top

    @cached_property
    def _yang_library(self) -> Element:
        top = etree.Element(YANG_LIBRARY, nsmap=cast("dict[str, str]", {None: LIBRARY}))
        modules = _add(top, "module-set")
        _leaf(modules, "name", _ALL)
        imported = []
        for module in self._modules:
            if module.name in self.implemented:
                self._add_implemented(_add(modules, "module"), module)
            else:
                imported.append(module)
        for module in imported:
            entry = _add(modules, "import-only-module")
            for name, text in _leafs(module):
                _leaf(entry, name, text)
            self._add_submodules(entry, module)
        schema = _add(top, "schema")
        _leaf(schema, "name", _ALL)
        _leaf(schema, "module-set", _ALL)
        for name in self.datastores:
            datastore = _add(top, "datastore")
            etree.SubElement(datastore, f"{{{LIBRARY}}}name", nsmap={"ds": DATASTORES}).text = f"ds:{name}"
            _leaf(datastore, "schema", _ALL)
        return top

    def _add_implemented(self, entry: Element, module: Module) -> None:
        for name, text in _leafs(module):
            if text:
                _leaf(entry, name, text)
        self._add_submodules(entry, module)
        for feature in self.implemented[module.name]:
            _leaf(entry, "feature", feature)
        for other in self._deviations(module):
            _leaf(entry, "deviation", other.name)

    @cached_property
    def _modules_state(self) -> Element:
        top = etree.Element(MODULES_STATE, nsmap=cast("dict[str, str]", {None: LIBRARY}))
        _leaf(top, "module-set-id", "")
        for module in self._modules:
            entry = _add(top, "module")
            for name, text in _leafs(module):
                _leaf(entry, name, text)
            for feature in self.implemented.get(module.name, ()):
                _leaf(entry, "feature", feature)
            for other in self._deviations(module):
                deviation = _add(entry, "deviation")
                _leaf(deviation, "name", other.name)
                _leaf(deviation, "revision", other.revision)
            _leaf(entry, "conformance-type", "implement" if module.name in self.implemented else "import")
            self._add_submodules(entry, module, always_revision=True)
        return top

    @property
    def _modules(self) -> list[Module]:
        """Without submodules."""
        return [module for module in self.modules if not module.header.belongs_to]

    def _deviations(self, module: Module) -> list[Module]:
        """The modules that say how the server deviates from `module`."""
        if module.name not in self.implemented:
            return []
        return [other for other in self._modules if module.name in other.header.deviates]

    def _add_submodules(self, entry: Element, module: Module, *, always_revision: bool = False) -> None:
        for part in self.modules:
            if part.header.belongs_to == module.name:
                submodule = _add(entry, "submodule")
                _leaf(submodule, "name", part.name)
                if part.revision or always_revision:
                    _leaf(submodule, "revision", part.revision)


def _leafs(module: Module) -> tuple[tuple[str, str], ...]:
    return ("name", module.name), ("revision", module.revision), ("namespace", module.namespace)


def _add(parent: Element, name: str) -> Element:
    return etree.SubElement(parent, f"{{{LIBRARY}}}{name}")


def _leaf(parent: Element, name: str, text: str) -> None:
    _add(parent, name).text = text
