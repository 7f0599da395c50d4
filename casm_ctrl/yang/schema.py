"""What the XML code must know of a data model: kinds, keys and order of its nodes (RFC 7950).

Choices and cases are left out: they do not show in a document (RFC 7950, 7.9).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from pyang.context import Context
from pyang.error import err_level, err_to_str, is_error
from pyang.repository import FileRepository

from casm_ctrl.base.errors import NotFound, NotSupported, YangInvalid
from casm_ctrl.yang.modules import standard_folders, yang_folder


class Kind(Enum):
    """The data-defining statements that show in a document."""

    CONTAINER = "container"
    LIST = "list"
    LEAF = "leaf"
    LEAF_LIST = "leaf-list"


@dataclass(frozen=True)
class SchemaNode:
    """One data node. `tag` is its name in Clark notation, `{namespace}name`, as lxml writes it."""

    tag: str
    kind: Kind
    config: bool = True
    keys: tuple[str, ...] = ()
    """Tags of a list's keys, in the order of its key statement."""
    presence: bool = False
    user_ordered: bool = False
    default: str | None = None
    cases: tuple[tuple[str, str], ...] = ()
    """(choice, case) pairs around the node, outermost first: an edit that makes a node of one case
    removes the others' (RFC 7950, 7.9)."""
    children: Mapping[str, SchemaNode] = field(default_factory=dict)
    """By tag, in schema order."""


@dataclass(frozen=True)
class Schema:
    """The data trees of a set of modules: top-level nodes by tag."""

    roots: Mapping[str, SchemaNode]


def load_schema(modules: Sequence[str], search: Sequence[Path] | None = None) -> Schema:
    """The schema of `modules` (names or `NAME@REVISION`), read from YANG once in a process.

    They and their imports are looked for in `search` (our own folder where None) and in pyang's common
    modules. Augments are folded in, where the augmenting module is among `modules`; groupings are
    expanded; RPCs and notifications are left out. NotFound where a module is missing, YangInvalid where
    one is wrong. Costs some 50 ms for ours, seconds for the largest vendors' modules.
    """
    return _load_schema(tuple(modules), (yang_folder(),) if search is None else tuple(search))


@cache
def _load_schema(modules: tuple[str, ...], search: tuple[Path, ...]) -> Schema:
    folders = os.pathsep.join(map(str, (*search, *standard_folders())))
    context = Context(FileRepository(folders, use_env=False))
    loaded = []
    for module in modules:
        name, _, revision = module.partition("@")
        statement = context.search_module(None, name, revision or None)
        if statement is None:
            raise NotFound(f"there is no YANG module {module} in {folders}", "name the folder that it is in")
        loaded.append(statement)
    context.validate()
    for position, tag, arguments in context.errors:
        if is_error(err_level(tag)):
            raise YangInvalid(f"{position}: {err_to_str(tag, arguments)}", "correct the module")
    roots: dict[str, SchemaNode] = {}
    for statement in loaded:
        roots.update(_read_children(statement, ()))
    return Schema(roots)


def _read_children(parent: Any, cases: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, SchemaNode]]:
    for child in parent.i_children:
        if child.keyword == "choice":
            for case in child.i_children:  # pyang gives each short-hand case its case node
                yield from _read_children(case, (*cases, (child.arg, case.arg)))
        elif child.keyword in _KINDS:
            yield _tag(child), _read_node(child, cases)
        elif child.keyword in ("anydata", "anyxml"):
            raise NotSupported(
                f"{child.pos}: {child.keyword} {child.arg} has no place in a schema of ours",
                "leave out the module that defines it",
            )


def _read_node(statement: Any, cases: tuple[tuple[str, str], ...]) -> SchemaNode:
    kind = _KINDS[statement.keyword]
    inner = kind in (Kind.CONTAINER, Kind.LIST)
    ordered_by = statement.search_one("ordered-by")
    return SchemaNode(
        tag=_tag(statement),
        kind=kind,
        config=statement.i_config,
        keys=tuple(map(_tag, statement.i_key)) if kind is Kind.LIST and statement.search_one("key") else (),
        presence=statement.search_one("presence") is not None,
        user_ordered=ordered_by is not None and ordered_by.arg == "user",
        default=_read_default(statement) if kind is Kind.LEAF else None,
        cases=cases,
        children=dict(_read_children(statement, ())) if inner else {},
    )


def _read_default(leaf: Any) -> str | None:
    """The leaf's own default, else its typedef's (RFC 7950, 7.6.1)."""
    statement = leaf
    while statement is not None:
        default = statement.search_one("default")
        if default is not None:
            return str(default.arg)
        statement = getattr(statement.search_one("type"), "i_typedef", None)
    return None


def _tag(statement: Any) -> str:
    module = statement.i_module
    if module.keyword == "submodule":
        module = statement.main_module()
    return f"{{{module.search_one('namespace').arg}}}{statement.arg}"


_KINDS = {kind.value: kind for kind in Kind}
