"""`casm quota`: how many addresses may be had at the most."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import AddressFamily, parse_count

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True, help="Quotas: how many addresses a device, a space or a pool may have in blocks."
)


@command(
    app,
    "set",
    examples=(
        "casm quota set home-v4 --pool public-v4 --addresses 4096",
        "casm quota set tenant-a --space tenant-a --family ipv6 --addresses 2^88",
        "casm quota set small-site --device bng7 --family ipv4 --addresses 1024",
    ),
    changes=True,
)
def set_(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The quota's name.", show_default=False)],
    addresses: Annotated[
        str,
        typer.Option(
            "--addresses",
            metavar="N",
            help="How many its blocks may hold together, as a number or 2^N.",
            show_default=False,
        ),
    ],
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="DEVICE", help="Limit this device.", autocompletion=complete.devices
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option("--space", metavar="SPACE", help="Limit this tenant.", autocompletion=complete.spaces),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option("--pool", metavar="POOL", help="Limit this pool.", autocompletion=complete.pools),
    ] = None,
    family: Annotated[
        AddressFamily | None,
        typer.Option(
            "--family", help="Which addresses of a device or space it counts.", case_sensitive=False
        ),
    ] = None,
) -> Answer:
    """Set a quota on one device, space or pool. One that has this name is replaced.

    Blocks count until they are free again. A quota that is below what is used only stops growth.
    """
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.service.configuration import SetQuota, change

    given = [(kind, text) for kind, text in (("device", device), ("space", space), ("pool", pool)) if text]
    if len(given) != 1:
        raise InvalidValue(
            f"quota '{name}' is on {len(given)} things", "give one --device, --space or --pool"
        )
    kind, subject = given[0]
    word = None if family is None else family.value
    edit = SetQuota(name, kind, subject, parse_count("--addresses", addresses), word)
    done = change(call.database, call.author, [edit])
    return Answer(
        {"quota": {"name": name}, **done},
        lines(f"Set quota {name}: blocks of {kind} {subject} hold at most {addresses} addresses."),
    )


@command(app, "list", examples=("casm quota list",))
def list_(call: Call) -> Answer:
    """List the quotas, and how much of each is used."""
    from casm_ctrl.service.quotas import list_quotas

    found = list_quotas(call.database)
    return Answer({"quota": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import number, table

    if not found:
        return ["There is no quota: set one with 'casm quota set NAME --pool POOL --addresses N'."]
    rows = (
        (
            row["name"],
            f"{row['kind']} {row['subject']}",
            row["family"],
            number(row["used-addresses"]),
            number(row["max-addresses"]),
        )
        for row in found
    )
    return [table(("NAME", "ON", "FAMILY", "USED", "AT MOST"), rows, right=("USED", "AT MOST"))]


@command(app, "remove", examples=("casm quota remove home-v4",), changes=True)
def remove(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The quota's name.", show_default=False)],
) -> Answer:
    """Remove a quota: nothing is limited by it any more."""
    from casm_ctrl.service.configuration import RemoveQuota, change

    done = change(call.database, call.author, [RemoveQuota(name)])
    return Answer({"quota": {"name": name}, **done}, lines(f"Removed quota {name}."))
