"""What the server says that it is: its capabilities, its YANG modules with their features, and its datastores.

All that is told of them comes from here: the hello, ietf-netconf-monitoring, ietf-yang-library.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lxml import etree

from casm_ctrl.netconf.messages import ModuleCapability
from casm_ctrl.netconf.names import (
    BASE_1_0,
    BASE_1_1,
    CANDIDATE,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    STARTUP,
    URL,
    VALIDATE_1_0,
    VALIDATE_1_1,
    WRITABLE_RUNNING,
    XPATH,
)
from casm_ctrl.netconf.retrieval.with_defaults import CAPABILITY as WITH_DEFAULTS
from casm_ctrl.netconf.retrieval.with_defaults import WITH_OPERATIONAL_DEFAULTS
from casm_ctrl.netconf.server.yang_library import LIBRARY, YangLibrary
from casm_ctrl.northbound.alarms.names import FEATURES as ALARM_FEATURES
from casm_ctrl.northbound.alarms.names import NEVER_TOLD as NEVER_TOLD_OF_ALARMS
from casm_ctrl.northbound.notifications.names import MODULES as NOTIFICATION_MODULES
from casm_ctrl.northbound.notifications.names import NETCONF_NOTIFICATIONS
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import Module, standard_folders, with_imports, yang_folder
from casm_ctrl.yang.schema import Schema, read_schema

OURS = (
    "casm-pools",
    "casm-devices",
    "casm-control",
    "casm-alarms",
    "casm-operations",
    "casm-events",
    "casm-deviations",
)
"""Of yang/: what the server is about. The device models there are for devices."""

STANDARD = (
    "ietf-netconf",
    "ietf-netconf-monitoring",
    "ietf-netconf-with-defaults",
    "ietf-netconf-notifications",
    "ietf-netconf-nmda",
    "ietf-netconf-acm",
    "ietf-alarms",
    "ietf-yang-library",
    "ietf-datastores",
    "ietf-origin",
    "ietf-subscribed-notifications",
    "ietf-yang-push",
    "notifications",
    "nc-notifications",
)
"""Of the IETF: those whose nodes, RPCs and notifications are done here, and those whose identities are (RFC 7950,
9.10.2: only an implemented module's identities are values). What they import beside is not implemented."""

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
    XPATH,
    WITH_DEFAULTS,
    WITH_OPERATIONAL_DEFAULTS,
)

DATASTORES = ("running", "candidate", "intended", "operational")
"""By their names in ietf-datastores (RFC 8342). There are no templates and nothing inactive: intended is running."""

_FEATURES_OF_NETCONF = {
    WRITABLE_RUNNING: "writable-running",
    CANDIDATE: "candidate",
    CONFIRMED_COMMIT_1_1: "confirmed-commit",
    ROLLBACK_ON_ERROR: "rollback-on-error",
    VALIDATE_1_1: "validate",
    STARTUP: "startup",
    URL: "url",
    XPATH: "xpath",
}
"""Each capability of RFC 6241 is a feature of ietf-netconf too."""

FEATURES: Mapping[str, Sequence[str]] = {
    **NOTIFICATION_MODULES,
    "ietf-netconf": tuple(
        feature for capability, feature in _FEATURES_OF_NETCONF.items() if capability in PROTOCOL
    ),
    "ietf-netconf-nmda": ("origin", "with-defaults"),
    "ietf-alarms": ALARM_FEATURES,
}
"""Those that are on; a module that is not named here has none on."""

NEVER_TOLD = NEVER_TOLD_OF_ALARMS | frozenset(
    (
        f"{{{LIBRARY}}}yang-library-update",
        f"{{{LIBRARY}}}yang-library-change",
        f"{{{NETCONF_NOTIFICATIONS}}}netconf-capability-change",
    )
)
"""Notifications of what never happens: capabilities and modules are the same from a server's start to its end."""


class Models:
    """Read once, then shared by all threads."""

    def __init__(self) -> None:
        names = (*OURS, *STANDARD)
        self.implemented = {name: tuple(FEATURES.get(name, ())) for name in names}
        """The modules that are implemented, with the features that are on."""
        self.modules: tuple[Module, ...] = with_imports(
            dict.fromkeys(names), (yang_folder(), *standard_folders())
        )
        """Those that are implemented, and all that they import and include: what get-schema hands out."""
        features = {module.name: self.implemented.get(module.name, ()) for module in self.modules}
        self.engine = Engine(names, (yang_folder(),), features=features)
        self.schema: Schema = _schema_of(self.engine, self.modules, self.implemented)
        self.library = YangLibrary(self.modules, self.implemented, DATASTORES)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """All that the hello announces.

        Modules of YANG 1.1 are advertised by ietf-yang-library (RFC 7950, 5.6.4). Those that are implemented are listed
        here too: many clients look for modules nowhere else.
        """
        modules = (
            ModuleCapability(
                module.name, module.namespace, module.revision or None, self.implemented.get(module.name, ())
            ).capability
            for module in self.modules
            if not module.header.belongs_to
            and (module.header.yang_version == "1" or module.name in self.implemented)
        )
        return (*PROTOCOL, *self.library.capabilities, *modules)


def _schema_of(engine: Engine, modules: Sequence[Module], implemented: Collection[str]) -> Schema:
    """Without what the engine implements only because another module refers to it."""
    spaces = {module.namespace for module in modules if module.name in implemented}
    roots = read_schema(engine.context).roots
    return Schema({tag: node for tag, node in roots.items() if etree.QName(tag).namespace in spaces})
