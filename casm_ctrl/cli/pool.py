"""`casm pool`: the prefixes that blocks are cut from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete, pool_change
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import Labels, Parent, Scope, Strategy, split_pairs

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
        "casm pool add v6-pd --space internet --prefix 2001:db8::/32 --delegated-length 56 --label region=north",
        "casm pool add lab --space internet --scope public --prefix 198.51.100.128/26 --parent public-v4",
        "casm pool add map --space internet --prefix 192.0.2.0/24 --psid-offset 6",
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
    parent: Parent = None,
    psid_offset: Annotated[
        int | None,
        typer.Option(
            "--psid-offset",
            metavar="N",
            help="Share ports: blocks may be port sets, up to /48 less N (RFC 7597; 6 is usual).",
            show_default=False,
        ),
    ] = None,
    port_routed: Annotated[
        bool,
        typer.Option(
            "--port-routed",
            help="Border relays steer by port: port sets of one address may have several owners.",
        ),
    ] = False,
    delegated_length: Annotated[
        int | None,
        typer.Option(
            "--delegated-length",
            metavar="N",
            help="Blocks serve prefix delegation, and a subscriber gets a /N of IPv6.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        Strategy,
        typer.Option("--strategy", help="Which free block an allocation takes.", case_sensitive=False),
    ] = Strategy.BEST_FIT,
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
    label: Labels = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
) -> Answer:
    """Add a pool. Its prefixes are of one family, and no other pool of the space has them.

    With --parent it is a child pool: its prefixes come out of what is free in the parent, and go back there
    when it is removed."""
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
        strategy=strategy.value,
        parent=parent,
        psid_offset=psid_offset,
        port_routed=port_routed,
        delegated_length=delegated_length,
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
            "  " * depth + pool["name"],
            pool["address-space"],
            pool["family"],
            pool["scope"],
            ", ".join(pool["prefix"]),
            *usage_cells(pool["usage"]),
        )
        for depth, pool in tree(found)
    )
    return [
        table(
            ("NAME", "SPACE", "FAMILY", "SCOPE", "PREFIXES", *USAGE),
            rows,
            right=USAGE,
            flexible=("PREFIXES",),
        )
    ]


def tree(found: list[Document]) -> Iterator[tuple[int, Document]]:
    """Pools with their depth: each child pool under its parent, where that is listed too."""
    listed = {pool["name"] for pool in found}
    below: dict[str | None, list[Document]] = {}
    for pool in found:
        parent = pool.get("parent")
        below.setdefault(parent if parent in listed else None, []).append(pool)
    waiting = [(0, pool) for pool in reversed(below.get(None, []))]
    while waiting:
        depth, pool = waiting.pop()
        yield depth, pool
        waiting += ((depth + 1, child) for child in reversed(below.get(pool["name"], [])))


USAGE = ("ADDRESSES", "FREE", "USED", "LARGEST")


def usage_cells(usage: Document) -> tuple[str, str, str, str | None]:
    """What a pool may give out, has left, has given away in percent, and its largest free block."""
    from fractions import Fraction

    from casm_ctrl.cli.output import number, share

    total, free = usage["total-addresses"], usage["free-addresses"]
    largest = usage.get("largest-free-length")
    return (
        number(total),
        number(free),
        share(Fraction(total) - Fraction(free), total),
        largest and f"/{largest}",
    )


@command(app, "show", examples=("casm pool show public-v4", "casm pool show public-v4 --json"))
def show(call: Call, name: _Known) -> Answer:
    """Show a pool: its prefixes, policy and usage."""
    from casm_ctrl.service.views import show_pool

    found = show_pool(call.database, name)
    return Answer({"pool": found}, lambda: _facts(found))


def _facts(pool: Document) -> Iterable[RenderableType]:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import facts, number, titled

    usage, policy = pool["usage"], pool["policy"]
    delegated = pool.get("delegated-length")
    offset = pool.get("psid-offset")
    shared = f"PSID offset {offset}{', port-routed' if pool.get('port-routed') else ''}"
    yield facts(
        (
            ("name", pool["name"]),
            ("space", pool["address-space"]),
            ("family", pool["family"]),
            ("parent", pool.get("parent")),
            ("scope", pool["scope"]),
            ("description", pool["description"]),
            ("shared ports", None if offset is None else shared),
            (
                "delegates",
                delegated and f"/{delegated}: up to {number(usage['delegated-prefixes'])} prefixes",
            ),
            ("prefixes", pool["prefix"]),
            ("excluded", pool["exclude"]),
            ("reserved", [f"{row['prefix']} {row['reason']}".rstrip() for row in pool["reservation"]]),
            ("child pools", pool["child-pool"]),
            ("labels", [f"{row['name']}={row['value']}" for row in pool["label"]]),
            ("strategy", policy["strategy"]),
            ("quarantine", show_duration(policy["quarantine"])),
            ("lease time", show_duration(policy["lease-time"])),
        )
    )
    yield from titled("Usage", usage_table(usage))
    yield usage_facts(usage)


_KINDS = (
    ("allocated", "green"),
    ("quarantined", "magenta"),
    ("child", "blue"),
    ("free", ""),
)
_BESIDE = ("excluded", "reserved", "held")


def usage_table(usage: Document) -> RenderableType:
    """What a pool or a space may give out, and where it is; beside that, what nobody gets."""
    from casm_ctrl.cli.output import bar, number, share, table

    total = usage["total-addresses"]
    rows = [
        (name, number(usage[key]), share(usage[key], total), bar(usage[key], total, style))
        for name, style in _KINDS
        if usage[key := f"{name}-addresses"] != "0" or name in ("allocated", "free")
    ]
    rows.append(("total", number(total), "", None))
    rows += (
        (name, number(usage[key]), "", None) for name in _BESIDE if usage[key := f"{name}-addresses"] != "0"
    )
    bars = any(row[3] is not None for row in rows)
    columns = ("KIND", "ADDRESSES", "SHARE", "")
    shown = 4 if bars else 3
    return table(columns[:shown], (row[:shown] for row in rows), right=columns[1:3])


def usage_facts(usage: Document) -> RenderableType:
    """What stands under the table: how the free space is scattered, and the blocks."""
    from rich.padding import Padding

    from casm_ctrl.cli.output import facts, number

    largest = usage.get("largest-free-length")
    scattered = usage.get("fragmentation")
    shown = facts(
        (
            ("largest free", "none" if largest is None else f"/{largest}"),
            ("fragmentation", None if scattered is None else f"{scattered}%"),
            ("blocks", [f"{number(row['blocks'])} {row['state']}" for row in usage["block-count"]]),
            ("lengths", [f"{number(row['blocks'])} of /{row['length']}" for row in usage["length-count"]]),
        )
    )
    return Padding(shown, (0, 0, 0, 2))


@command(app, "remove", examples=("casm pool remove old-v4",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove a pool that has no blocks and that no device pool draws from."""
    from casm_ctrl.service.configuration import RemovePool, change

    done = change(call.database, call.author, [RemovePool(name)])
    return Answer({"pool": {"name": name}, **done}, lines(f"Removed pool {name}."))


pool_change.register(app)
