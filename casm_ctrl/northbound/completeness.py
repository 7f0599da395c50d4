"""Does the server do all that its YANG says? What has no handler would be announced and then fail: no start then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lxml import etree

from casm_ctrl.base.errors import NotSupported
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.operations import data_tags, notification_tags, read_operations


@dataclass(frozen=True)
class Handled:
    """What the parts of the server do, by tag: `data` are the nodes at the top that are read or edited."""

    data: Collection[str]
    operations: Collection[str]
    notifications: Collection[str]


def check(engine: Engine, modules: Iterable[str], handled: Handled) -> None:
    """NotSupported, in one line, where a node at the top, an RPC or a notification of `modules` has no handler.

    `modules` are names; the engine has implemented them.
    """
    missing: list[str] = []
    for module in modules:
        context = engine.context
        missing += _missing(module, "data node", data_tags(context, module), handled.data)
        missing += _missing(module, "RPC", read_operations(context, module), handled.operations)
        notifications = notification_tags(context, module)
        missing += _missing(module, "notification", notifications, handled.notifications)
    if missing:
        raise NotSupported(
            f"the server has no handler for {', '.join(missing)}",
            "this program and its YANG modules are not of one version: install it again",
        )


def _missing(module: str, kind: str, tags: Iterable[str], handled: Collection[str]) -> Iterable[str]:
    for tag in tags:
        if tag not in handled:
            yield f"the {kind} {module}:{etree.QName(tag).localname}"
