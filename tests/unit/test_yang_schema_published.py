"""Published device modules: what libyang compiles has the nodes that pyang finds, kind by kind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from pyang.context import Context
from pyang.repository import FileRepository

from casm_ctrl.yang.modules import standard_folders
from casm_ctrl.yang.schema import SchemaNode, load_schema
from tests.published import MODELS, folder_of

Facts = dict[str, tuple[object, ...]]
SHOWN = ("container", "list", "leaf", "leaf-list")


@pytest.mark.parametrize("model", MODELS)
def test_pyang_finds_the_same_nodes(model: str) -> None:
    folder = folder_of(model)
    schema = load_schema(MODELS[model], [folder])
    expected: Facts = {}
    for statement in pyang_modules(model):
        expected.update(pyang_facts(statement, "", ()))
    found: Facts = {}
    for tag, node in schema.roots.items():
        if tag in expected:  # what these modules refer to is in the schema too
            found.update(facts(node, ""))
    assert expected
    assert found == expected


def pyang_modules(model: str) -> list[Any]:
    folders = os.pathsep.join(map(str, (folder_of(model), *standard_folders())))
    context = Context(FileRepository(folders, use_env=False))
    modules = [context.search_module(None, name) for name in MODELS[model]]
    context.validate()
    return modules


def pyang_facts(
    parent: Any, path: str, cases: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, tuple[object, ...]]]:
    for child in parent.i_children:
        if child.keyword == "choice":
            for case in child.i_children:
                yield from pyang_facts(case, path, (*cases, (child.arg, case.arg)))
        elif child.keyword in SHOWN:
            here = f"{path}/{child.arg}" if path else f"{{{namespace(child)}}}{child.arg}"
            ordered_by = child.search_one("ordered-by")
            keys = [key.arg for key in child.i_key] if child.search_one("key") else []
            yield (
                here,
                (
                    child.keyword,
                    namespace(child),
                    child.i_config,
                    keys,
                    child.search_one("presence") is not None,
                    child.i_config and ordered_by is not None and ordered_by.arg == "user",
                    default(child) if child.keyword == "leaf" else None,
                    cases,
                ),
            )
            if child.keyword in ("container", "list"):
                yield from pyang_facts(child, here, ())


def namespace(statement: Any) -> str:
    module = statement.i_module
    if module.keyword == "submodule":
        module = statement.main_module()
    return str(module.search_one("namespace").arg)


def default(leaf: Any) -> str | None:
    statement = leaf
    while statement is not None:
        found = statement.search_one("default")
        if found is not None:
            return str(found.arg)
        statement = getattr(statement.search_one("type"), "i_typedef", None)
    return None


def facts(node: SchemaNode, path: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    name = node.tag.partition("}")[2]
    here = f"{path}/{name}" if path else node.tag
    yield (
        here,
        (
            node.kind.value,
            node.tag[1:].partition("}")[0],
            node.config,
            [key.partition("}")[2] for key in node.keys],
            node.presence,
            node.user_ordered,
            node.default,
            node.cases,
        ),
    )
    for child in node.children.values():
        yield from facts(child, here)
