"""The software of a simulated device: its modules, their schema and the engine that enforces them.

Devices of one process that have the same modules share one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from lxml import etree

from casm_ctrl.netconf.messages import ModuleCapability
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.violations import to_rpc_error
from casm_ctrl.yang.engine import Engine, Violation
from casm_ctrl.yang.header import Import
from casm_ctrl.yang.modules import standard_folders, with_imports, yang_folder
from casm_ctrl.yang.schema import Schema, read_schema

SYSTEM_MODULES = ("ietf-netconf-monitoring", "ietf-inet-types", "ietf-yang-types")
"""What every device has besides its own modules."""


class Platform:
    """A set of modules. Built once, then only read: it may be used by many devices and threads."""

    def __init__(self, modules: tuple[str, ...], search: tuple[Path, ...]) -> None:
        named = dict(Import(*name.split("@")) for name in (*modules, *SYSTEM_MODULES))
        self.modules = with_imports(named, (*search, *standard_folders()))
        """The modules named, and all that they import and include: what get-schema hands out."""
        self._namespaces: Mapping[str, str] = {module.name: module.namespace for module in self.modules}
        self._engine = Engine((*modules, SYSTEM_MODULES[0]), search)
        self.schema: Schema = read_schema(self._engine.context)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The modules as a hello announces them, with all of their features; submodules are not (RFC 6020, 5.6.4)."""
        return tuple(
            ModuleCapability(
                module.name,
                module.namespace,
                module.revision or None,
                module.header.features,
                tuple(other.name for other in self.modules if module.name in other.header.deviates),
            ).capability
            for module in self.modules
            if not module.header.belongs_to
        )

    def has(self, module: str) -> bool:
        return module in self._namespaces

    def validate(self, configuration: Element) -> None:
        """RpcError where the nodes under `configuration` are not a valid configuration of these modules."""
        document = b"".join(etree.tostring(node, with_tail=False) for node in configuration.iterchildren("*"))
        try:
            self._engine.validate(document, what="config")
        except Violation as violation:
            raise to_rpc_error(violation, self._namespaces) from None


@cache
def load_platform(modules: Sequence[str], search: Sequence[Path] | None = None) -> Platform:
    """The platform with these modules (a tuple of names or `NAME@REVISION`), found in `search` or ours."""
    return Platform(tuple(modules), tuple(search) if search is not None else (yang_folder(),))
