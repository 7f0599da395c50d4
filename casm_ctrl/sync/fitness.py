"""Does a device have what its driver needs: modules, capabilities?"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from casm_ctrl.base.errors import DeviceUnfit
from casm_ctrl.drivers.interface import Driver, ModuleNeed
from casm_ctrl.netconf.client import Client
from casm_ctrl.netconf.session import Session
from casm_ctrl.sync.way import NO_WAY, way_of

_LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"


async def announced_modules(session: Session) -> Mapping[str, str | None]:
    """Revision by module name: from the hello, and from yang-library where the hello points to it, since
    YANG 1.1 modules are listed only there (RFC 7950, 5.6.4; RFC 7895, RFC 8525)."""
    modules = dict(session.capabilities.modules)
    if session.capabilities.has(":yang-library"):
        subtree = [etree.Element(f"{{{_LIBRARY}}}{name}") for name in ("modules-state", "yang-library")]
        data = await Client(session).get(subtree)
        for entry in data.iter(f"{{{_LIBRARY}}}module"):
            name = entry.findtext(f"{{{_LIBRARY}}}name")
            if name:
                modules.setdefault(name, entry.findtext(f"{{{_LIBRARY}}}revision") or None)
    return modules


def check_fitness(session: Session, driver: Driver, modules: Mapping[str, str | None]) -> None:
    """DeviceUnfit with everything that is missing."""
    missing = []
    if way_of(session.capabilities) is None:
        missing.append(f"capability {NO_WAY}")
    missing += [f"module {describe(need)}" for need in driver.needs if not _met(need, modules)]
    if missing:
        raise DeviceUnfit(
            f"{session.target} cannot be served by driver '{driver.name}': it lacks {', '.join(missing)}",
            "load what is missing on the device, or choose another driver",
        )


def describe(need: ModuleNeed) -> str:
    """`ietf-address-pool since 2015-10-14`."""
    return need.name if need.revision is None else f"{need.name} since {need.revision}"


def _met(need: ModuleNeed, modules: Mapping[str, str | None]) -> bool:
    if need.name not in modules:
        return False
    revision = modules[need.name]
    return need.revision is None or revision is None or revision >= need.revision
