"""Drivers by name: entry points of the group `casm_ctrl.drivers`, each naming one `Driver` object.

Another package adds a driver by declaring such an entry point. Only the driver that is asked for is imported.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from casm_ctrl.base.errors import NotFound, NotSupported
from casm_ctrl.drivers.interface import Driver

GROUP = "casm_ctrl.drivers"


def driver_names() -> tuple[str, ...]:
    """The names of the drivers that are installed, sorted."""
    return tuple(sorted(_installed()))


def load_driver(name: str) -> Driver:
    """The driver called `name`. NotFound lists those there are; NotSupported where it does not import."""
    entry = _installed().get(name)
    if entry is None:
        known = ", ".join(driver_names()) or "none (is casm-ctrl installed?)"
        raise NotFound(f"there is no driver '{name}'", f"the drivers are: {known}")
    try:
        return cast(Driver, entry.load())
    except (ImportError, AttributeError) as error:
        raise NotSupported(
            f"the driver '{name}' ({entry.value}) cannot be loaded: {error}",
            "install the package that declares it again",
        ) from error


@cache
def _installed() -> dict[str, EntryPoint]:
    """Read once: the packages of an environment do not change under a running program."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}
