"""`casm space`: scopes in which an address is unique."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Address spaces: in each, an address is unique.")

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The space's name.", show_default=False)]
_Known = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The space's name.", show_default=False, autocompletion=complete.spaces
    ),
]


@command(app, "add", examples=('casm space add internet --description "the public Internet"',), changes=True)
def add(
    call: Call,
    name: _Name,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
) -> Answer:
    """Add an address space: a VRF, a tenant, or the Internet."""
    from casm_ctrl.service.configuration import AddSpace, change

    done = change(call.database, call.author, [AddSpace(name, description)])
    return Answer(
        {"address-space": {"name": name}, **done},
        lines(f"Added address space {name}. Next: casm pool add NAME --space {name} --prefix PREFIX"),
    )


@command(app, "change", examples=('casm space change internet --description "AS 64500"',), changes=True)
def change_(
    call: Call,
    name: _Known,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What it is for.", show_default=False)
    ],
) -> Answer:
    """Change what is said of an address space."""
    from casm_ctrl.service.configuration import ChangeSpace, change

    done = change(call.database, call.author, [ChangeSpace(name, description)])
    return Answer({"address-space": {"name": name}, **done}, lines(f"Changed address space {name}."))


@command(app, "list", examples=("casm space list", "casm space list --json"))
def list_(call: Call) -> Answer:
    """List the address spaces."""
    from casm_ctrl.service.views import list_spaces

    found = list_spaces(call.database)
    return Answer({"address-space": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        return ["There is no address space yet: make one with 'casm space add NAME'."]
    return [table(("NAME", "DESCRIPTION"), ((row["name"], row["description"]) for row in found))]


@command(app, "show", examples=("casm space show internet",))
def show(call: Call, name: _Known) -> Answer:
    """Show an address space, the pools in it, and how full they are together."""
    from casm_ctrl.service.views import show_space

    found = show_space(call.database, name)
    return Answer({"address-space": found}, lambda: _facts(found))


def _facts(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import facts, titled
    from casm_ctrl.cli.pool import usage_facts, usage_table

    yield facts(
        (("name", found["name"]), ("description", found["description"]), ("pools", found["pool"] or None))
    )
    for usage in found["usage"]:
        yield from titled(f"Usage of {usage['family']}", usage_table(usage))
        yield usage_facts(usage)


@command(app, "remove", examples=("casm space remove tenant-7",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove an address space that no pool and no device uses."""
    from casm_ctrl.service.configuration import RemoveSpace, change

    done = change(call.database, call.author, [RemoveSpace(name)])
    return Answer({"address-space": {"name": name}, **done}, lines(f"Removed address space {name}."))
