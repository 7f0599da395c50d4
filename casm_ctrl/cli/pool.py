"""`casm pool`: the prefixes that blocks are cut from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import Scope, split_pairs

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Pools: named prefixes that blocks are cut from.")

_Known = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="The pool's name.", show_default=False, autocompletion=complete.pools
    ),
]


@command(
    app,
    "add",
    examples=(
        "casm pool add public-v4 --space internet --prefix 198.51.100.0/22 --exclude 198.51.100.0/28 "
        "--scope public",
        "casm pool add v6-pd --space internet --prefix 2001:db8::/32 --quarantine 2h --label region=north",
    ),
    changes=True,
)
def add(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The pool's name.", show_default=False)],
    space: Annotated[
        str,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="The address space it is in.",
            show_default=False,
            autocompletion=complete.spaces,
        ),
    ],
    prefix: Annotated[
        list[str],
        typer.Option(
            "--prefix", metavar="PREFIX", help="A prefix it has; may be repeated.", show_default=False
        ),
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            metavar="PREFIX",
            help="A part of it that no block is cut from; may be repeated.",
            show_default=False,
        ),
    ] = None,
    scope: Annotated[
        Scope, typer.Option("--scope", help="public: unique across all spaces.", case_sensitive=False)
    ] = Scope.PRIVATE,
    quarantine: Annotated[
        str,
        typer.Option("--quarantine", metavar="TIME", help="How long a withdrawn block rests, at the least."),
    ] = "1h",
    lease_time: Annotated[
        str,
        typer.Option(
            "--lease-time",
            metavar="TIME",
            help="The longest lease of a subscriber; a block rests that long unless it was proven empty.",
        ),
    ] = "24h",
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="NAME=VALUE", help="A label; may be repeated.", show_default=False),
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
) -> Answer:
    """Add a pool. Its prefixes are of one family, and no other pool of the space has them."""
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.service.configuration import AddPool, change

    edit = AddPool(
        name=name,
        space=space,
        prefixes=tuple(prefix),
        exclude=tuple(exclude or ()),
        scope=scope.value,
        description=description,
        quarantine=parse_duration(quarantine),
        lease_time=parse_duration(lease_time),
        labels=split_pairs("--label", label or (), "NAME=VALUE"),
    )
    done = change(call.database, call.author, [edit])
    return Answer(
        {"pool": {"name": name}, **done},
        lines(
            f"Added pool {name} ({', '.join(prefix)}) to space {space}. "
            f"Next: casm device-pool add DEVICE/NAME --pool {name} --length N"
        ),
    )


@command(app, "list", examples=("casm pool list", "casm pool list --space internet"))
def list_(
    call: Call,
    space: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="SPACE", help="Only those in this space.", autocompletion=complete.spaces
        ),
    ] = None,
) -> Answer:
    """List the pools and how full they are."""
    from casm_ctrl.service.views import list_pools

    found = list_pools(call.database, space)
    return Answer({"pool": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found:
        return ["There is no pool yet: make one with 'casm pool add NAME --space SPACE --prefix PREFIX'."]
    rows = (
        (
            pool["name"],
            pool["address-space"],
            pool["family"],
            pool["scope"],
            ", ".join(pool["prefix"]),
            *usage_cells(pool["usage"]),
        )
        for pool in found
    )
    return [
        table(
            ("NAME", "SPACE", "FAMILY", "SCOPE", "PREFIXES", *USAGE),
            rows,
            right=USAGE,
            flexible=("PREFIXES",),
        )
    ]


USAGE = ("ADDRESSES", "FREE", "USED", "LARGEST FREE")


def usage_cells(usage: Document) -> tuple[str, str, str, str | None]:
    """What a pool has, has left, has given away in percent, and its largest free block."""
    from casm_ctrl.cli.output import number, share

    total, free = int(usage["total-addresses"]), int(usage["free-addresses"])
    largest = usage.get("largest-free-length")
    return number(total), number(free), share(total - free, total), largest and f"/{largest}"


@command(app, "show", examples=("casm pool show public-v4", "casm pool show public-v4 --json"))
def show(call: Call, name: _Known) -> Answer:
    """Show a pool: its prefixes, policy and usage."""
    from casm_ctrl.service.views import show_pool

    found = show_pool(call.database, name)
    return Answer({"pool": found}, lambda: _facts(found))


def _facts(pool: Document) -> Iterable[RenderableType]:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import facts, number, share

    usage, policy = pool["usage"], pool["policy"]
    total = usage["total-addresses"]
    largest = usage.get("largest-free-length")
    counted = (
        (title, f"{number(usage[key])} ({share(usage[key], total)})")
        for title, key in (
            ("free", "free-addresses"),
            ("allocated", "allocated-addresses"),
            ("quarantined", "quarantined-addresses"),
        )
    )
    held = usage["held-addresses"]
    return [
        facts(
            (
                ("name", pool["name"]),
                ("space", pool["address-space"]),
                ("family", pool["family"]),
                ("scope", pool["scope"]),
                ("description", pool["description"]),
                ("prefixes", pool["prefix"]),
                ("excluded", pool["exclude"]),
                ("labels", [f"{row['name']}={row['value']}" for row in pool["label"]]),
                ("strategy", policy["strategy"]),
                ("quarantine", show_duration(policy["quarantine"])),
                ("lease time", show_duration(policy["lease-time"])),
                ("addresses", number(total)),
                *counted,
                ("held", f"{number(held)}: configured by others on devices" if int(held) else None),
                ("largest free", (largest is not None and f"/{largest}") or "none"),
                ("blocks", [f"{number(row['blocks'])} {row['state']}" for row in usage["block-count"]]),
            )
        )
    ]


@command(app, "remove", examples=("casm pool remove old-v4",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove a pool that has no blocks and that no device pool draws from."""
    from casm_ctrl.service.configuration import RemovePool, change

    done = change(call.database, call.author, [RemovePool(name)])
    return Answer({"pool": {"name": name}, **done}, lines(f"Removed pool {name}."))
