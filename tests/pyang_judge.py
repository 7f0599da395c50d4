"""A second judge of configuration for devices, on pyang alone: names, nesting, keys, and types."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree
from pyang.context import Context
from pyang.repository import FileRepository

from casm_ctrl.yang.modules import standard_folders

Element = etree._Element
OPERATION = "{urn:ietf:params:xml:ns:netconf:base:1.0}operation"
_GROUPS = ("choice", "case")


@cache
def _roots(modules: tuple[str, ...], folder: Path) -> tuple[Any, ...]:
    places = os.pathsep.join(map(str, (folder, *standard_folders())))
    context = Context(FileRepository(places, use_env=False))
    statements = [context.search_module(None, name) for name in modules]
    context.validate()
    assert all(statements), f"pyang finds not all of {modules}"
    assert not [error for error in context.errors if error[1] in ("SYNTAX_ERROR", "MODULE_NOT_FOUND")]
    return tuple(context.modules.values())


def complaints(modules: tuple[str, ...], folder: Path, config: Iterable[Element]) -> list[str]:
    """What pyang finds wrong with an edit or a configuration. Removed leaves need no value."""
    found: list[str] = []
    for top in config:
        _judge(top, _roots(modules, folder), "", found)
    return found


def _judge(node: Element, parents: Iterable[Any], path: str, found: list[str]) -> None:
    name = etree.QName(node)
    here = f"{path}/{name.localname}"
    statement = _find(parents, name.namespace or "", name.localname)
    if statement is None:
        found.append(f"{here} is not in the model")
    elif not getattr(statement, "i_config", True):
        found.append(f"{here} is state, not configuration")
    elif statement.keyword in ("leaf", "leaf-list"):
        _judge_value(node, statement, here, found)
    else:
        if statement.keyword == "list":
            keys = [key.arg for key in statement.i_key]
            first = [etree.QName(child).localname for child in node][: len(keys)]
            if first != keys:
                found.append(f"{here} begins with {first} and not its keys {keys}")
        for child in node.iterchildren(etree.Element):
            _judge(child, [statement], here, found)


def _judge_value(node: Element, leaf: Any, here: str, found: list[str]) -> None:
    if node.get(OPERATION) in ("delete", "remove") and not node.text:
        return
    spec = leaf.search_one("type").i_type_spec
    target = getattr(leaf, "i_leafref_ptr", None)
    while target is not None:
        spec = target[0].search_one("type").i_type_spec
        target = getattr(target[0], "i_leafref_ptr", None)
    errors: list[Any] = []
    if spec is not None and spec.name not in ("leafref", "identityref", "instance-identifier", "empty"):
        value = spec.str_to_val(errors, leaf.pos, node.text or "", leaf.i_module)
        if not errors:
            spec.validate(errors, leaf.pos, value, leaf.i_module)
    if errors:
        found.append(f"{here} cannot be '{node.text}': {errors[0][2]}")


def _find(parents: Iterable[Any], namespace: str, name: str) -> Any:
    for parent in parents:
        for child in getattr(parent, "i_children", ()):
            if child.keyword in _GROUPS:
                inner = _find([child], namespace, name)
                if inner is not None:
                    return inner
            elif child.arg == name and child.i_module.search_one("namespace").arg == namespace:
                return child
    return None
