"""The YANG modules that the server implements: their text, their schema, the engine, and what a hello says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from casm_ctrl.netconf.messages import ModuleCapability
from casm_ctrl.netconf.names import (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    VALIDATE_1_0,
    VALIDATE_1_1,
)
from casm_ctrl.northbound.notifications.names import MODULES as NOTIFICATION_MODULES
from casm_ctrl.yang.closure import Closure
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import Module, find_module, standard_folders, yang_folder
from casm_ctrl.yang.schema import Schema, read_schema

OURS = ("casm-pools", "casm-devices", "casm-operations", "casm-events")
"""Of yang/: what the server is about. The device models there are for devices."""

STANDARD = (
    "ietf-netconf",
    "ietf-netconf-monitoring",
    "ietf-netconf-with-defaults",
    "ietf-netconf-notifications",
    "ietf-netconf-nmda",
    "ietf-netconf-acm",
    "ietf-yang-library",
    "ietf-origin",
    "ietf-subscribed-notifications",
    "ietf-yang-push",
    "notifications",
    "nc-notifications",
)

NOTIFICATION_1_0 = "urn:ietf:params:netconf:capability:notification:1.0"
INTERLEAVE_1_0 = "urn:ietf:params:netconf:capability:interleave:1.0"

PROTOCOL = (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    VALIDATE_1_0,
    VALIDATE_1_1,
    NOTIFICATION_1_0,
    INTERLEAVE_1_0,
)

FEATURES: dict[str, tuple[str, ...]] = {
    **{name: features for name, features in NOTIFICATION_MODULES.items() if features},
    "ietf-netconf": ("candidate", "confirmed-commit", "rollback-on-error", "validate"),
    "ietf-netconf-nmda": (),
    "ietf-interfaces": (),
    "ietf-ip": (),
}
"""Those that are on, where a module has more than the server does; all are elsewhere."""


class Models:
    """Read once, then shared by all threads."""

    def __init__(self) -> None:
        folders = (yang_folder(), *standard_folders())
        self.engine = Engine((*OURS, *STANDARD), (yang_folder(),), features=FEATURES)
        self.schema: Schema = read_schema(self.engine.context)
        self.modules: tuple[Module, ...] = _with_imports((*OURS, *STANDARD), folders)
        """Those that are implemented, and all that they import and include: what get-schema hands out."""

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The modules as a hello announces them; submodules are not (RFC 6020, 5.6.4)."""
        return tuple(
            ModuleCapability(
                module.name,
                module.namespace,
                module.revision or None,
                FEATURES.get(module.name, module.header.features),
            ).capability
            for module in self.modules
            if not module.header.belongs_to
        )


def _with_imports(names: Sequence[str], folders: Sequence[Path]) -> tuple[Module, ...]:
    closure = Closure(names, dict.fromkeys(names))
    found: dict[Path, Module] = {}
    while missing := closure.missing:
        for wanted in missing:
            module = find_module(wanted.name, wanted.revision, folders)
            closure.give(wanted, module.header)
            found[module.path] = module
    return tuple(found.values())
