"""`casm route`: the routes to blocks, and the word of those who announce them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True, help="Routes to blocks: who announces them, and whether that is proven."
)


@command(
    app,
    "confirm",
    examples=("casm route confirm b12 b13", "casm route confirm b12 --gone --reason 'CHG-4711'"),
    changes=True,
)
def confirm(
    call: Call,
    blocks: Annotated[
        list[str],
        typer.Argument(
            metavar="BLOCK",
            help="Blocks, by id or prefix.",
            show_default=False,
            autocompletion=complete.blocks,
        ),
    ],
    gone: Annotated[
        bool, typer.Option("--gone", help="Their routes are withdrawn: released blocks may come to rest.")
    ] = False,
    space: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="SPACE", help="Where the prefixes are.", autocompletion=complete.spaces
        ),
    ] = None,
) -> Answer:
    """Say that the routes to blocks are announced, or gone, where that is done outside of the devices."""
    from casm_ctrl.cli.block import block_table
    from casm_ctrl.service.routes import confirm_routes

    done = confirm_routes(call.database, call.author, blocks, gone=gone, space=space)
    return Answer(done, lambda: [block_table(done["block"])])


@command(app, "list", examples=("casm route list", "casm route list --device cgn1"))
def list_(
    call: Call,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="DEVICE", help="Only those of this device.", autocompletion=complete.devices
        ),
    ] = None,
) -> Answer:
    """List the route to each block: where it should lead, whether it is proven, and whether the block serves."""
    from casm_ctrl.service.routes import list_routes

    found = list_routes(call.database, device)
    return Answer({"route": found}, lambda: route_table(found))


def route_table(found: Sequence[Document]) -> Iterable[RenderableType]:
    """Routes, one a line."""
    from casm_ctrl.cli.block import written
    from casm_ctrl.cli.output import table

    if not found:
        yield "There is no block that needs a route."
        return
    rows = (
        (
            route["block"],
            written(route),
            route["device-pool"],
            route["route"]["announcement"],
            route.get("next-hop"),
            route.get("network-instance"),
            route.get("route-tag"),
            route["route"]["proof"],
            "yes" if route["serving"] else "no",
        )
        for route in found
    )
    yield table(
        ("BLOCK", "PREFIX", "DEVICE POOL", "ANNOUNCEMENT", "NEXT HOP", "VRF", "TAG", "PROOF", "SERVING"), rows
    )
