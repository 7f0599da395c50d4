"""Does a device have what its driver needs: modules, capabilities?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from casm_ctrl.base.errors import DeviceUnfit
from casm_ctrl.drivers.interface import Driver, ModuleNeed
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.sync.announced import Announced, read_announced
from casm_ctrl.sync.way import NO_WAY, way_of


async def announced_modules(session: Session) -> Mapping[str, str | None]:
    """Revision by module name, as drivers take it."""
    return (await read_announced(session)).revisions


def check_fitness(session: Session, driver: Driver, modules: Mapping[str, str | None]) -> None:
    """DeviceUnfit with everything that is missing."""
    missing = missing_of(session, driver, modules)
    if missing:
        raise unfit(session, driver, missing)


def missing_of(session: Session, driver: Driver, modules: Mapping[str, str | None]) -> list[str]:
    """The capabilities and modules that the driver needs and the device does not announce, in words."""
    missing = []
    if way_of(session.capabilities) is None:
        missing.append(f"capability {NO_WAY}")
    missing += [f"module {describe(need)}" for need in driver.needs if not _met(need, modules)]
    return missing


def missing_features(driver: Driver, announced: Announced) -> list[str]:
    """The features that the driver needs of modules that say which they have, and that they lack."""
    return [
        f"feature {feature} of module {need.name}"
        for need in driver.needs
        if (has := announced.features_of(need.name)) is not None
        for feature in need.features
        if feature not in has
    ]


def unfit(session: Session, driver: Driver, missing: Sequence[str]) -> DeviceUnfit:
    """One error for everything that is missing."""
    return DeviceUnfit(
        f"{session.target} cannot be served by driver '{driver.name}': it lacks {', '.join(missing)}",
        "load what is missing on the device, give the texts of modules by --yang-path, or choose another driver",
    )


def describe(need: ModuleNeed) -> str:
    """`ietf-address-pool since 2015-10-14`."""
    return need.name if need.revision is None else f"{need.name} since {need.revision}"


def _met(need: ModuleNeed, modules: Mapping[str, str | None]) -> bool:
    if need.name not in modules:
        return False
    revision = modules[need.name]
    return need.revision is None or revision is None or revision >= need.revision
