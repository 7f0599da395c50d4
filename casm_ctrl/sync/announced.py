"""Which YANG modules a device says that it has, with their features and deviations.

From its hello (RFC 6020, 5.6.4); from yang-library where the hello points to it, since YANG 1.1 modules are listed only
there (RFC 7950, 5.6.4; RFC 7895, RFC 8525); from the list of schemas of ietf-netconf-monitoring (RFC 6022), which
knows no features, where neither tells of any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

from lxml import etree

from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.netconf.messages import parse_module
from casm_ctrl.netconf.names import MONITORING, Element

_LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"


@dataclass(frozen=True)
class AnnouncedModule:
    """One module. `features` is None where nobody said which it has; then it may have all."""

    name: str
    revision: str | None = None
    features: tuple[str, ...] | None = None
    deviations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Announced:
    """The modules that the device implements, by name, and the revisions of those that are only imported."""

    modules: Mapping[str, AnnouncedModule]
    imports: Mapping[str, str | None]

    @cached_property
    def revisions(self) -> Mapping[str, str | None]:
        """Revision by module name, as drivers take it."""
        return {module.name: module.revision for module in self.modules.values()}

    def features_of(self, name: str) -> tuple[str, ...] | None:
        module = self.modules.get(name)
        return None if module is None else module.features

    @cached_property
    def digest(self) -> str:
        """Differs where anything that was announced does."""
        said = sorted(map(repr, self.modules.values())), sorted(self.imports.items(), key=repr)
        return hashlib.sha256(repr(said).encode()).hexdigest()


_asked: WeakKeyDictionary[Session, Announced] = WeakKeyDictionary()


async def read_announced(session: Session) -> Announced:
    """What the device announces, asked once in a session; errors are those of `Session.rpc`."""
    known = _asked.get(session)
    if known is None:
        known = _asked[session] = await _read(session)
    return known


async def _read(session: Session) -> Announced:
    modules = _of_hello(session.capabilities.uris)
    imports: dict[str, str | None] = {}
    client = Client(session)
    if session.capabilities.has(":yang-library"):
        subtree = [etree.Element(f"{{{_LIBRARY}}}{name}") for name in ("modules-state", "yang-library")]
        data = await client.get(subtree)
        for module in _of_library(data, "module"):
            modules[module.name] = module
        imports |= {module.name: module.revision for module in _of_library(data, "import-only-module")}
        for name in _import_only(data):
            imports[name] = modules.pop(name).revision if name in modules else None
    if not modules and session.capabilities.has(MONITORING):
        modules = {module.name: module for module in await _listed_schemas(client)}
    return Announced(modules, imports)


def _of_hello(uris: Iterable[str]) -> dict[str, AnnouncedModule]:
    """The newest of each name. Without the parameter `features` a module has none (RFC 6020, 5.6.4)."""
    modules: dict[str, AnnouncedModule] = {}
    for uri in uris:
        found = parse_module(uri)
        if found is not None:
            known = modules.get(found.name)
            if known is None or (known.revision or "") <= (found.revision or ""):
                modules[found.name] = AnnouncedModule(
                    found.name, found.revision, found.features, found.deviations
                )
    return modules


def _of_library(data: Element, tag: str) -> Iterator[AnnouncedModule]:
    for entry in data.iter(f"{{{_LIBRARY}}}{tag}"):
        name = entry.findtext(f"{{{_LIBRARY}}}name")
        if name:
            deviations = (
                element.findtext(f"{{{_LIBRARY}}}name") or element.text or ""  # RFC 7895, RFC 8525
                for element in entry.iterchildren(f"{{{_LIBRARY}}}deviation")
            )
            yield AnnouncedModule(
                name,
                entry.findtext(f"{{{_LIBRARY}}}revision") or None,
                tuple(leaf.text or "" for leaf in entry.iterchildren(f"{{{_LIBRARY}}}feature")),
                tuple(sorted(text.strip() for text in deviations if text.strip())),
            )


def _import_only(data: Element) -> Iterator[str]:
    """The names of modules with conformance-type import (RFC 7895) of which no revision is implemented."""
    found: dict[str, set[str]] = {}
    for entry in data.iter(f"{{{_LIBRARY}}}module"):
        kind = entry.findtext(f"{{{_LIBRARY}}}conformance-type")
        if kind is not None:
            found.setdefault(entry.findtext(f"{{{_LIBRARY}}}name") or "", set()).add(kind)
    return (name for name, kinds in found.items() if kinds == {"import"})


async def _listed_schemas(client: Client) -> list[AnnouncedModule]:
    state = etree.Element(f"{{{MONITORING}}}netconf-state")
    etree.SubElement(state, f"{{{MONITORING}}}schemas")
    return [
        AnnouncedModule(name, entry.findtext(f"{{{MONITORING}}}version") or None)
        for entry in (await client.get([state])).iter(f"{{{MONITORING}}}schema")
        if (name := entry.findtext(f"{{{MONITORING}}}identifier"))
    ]
