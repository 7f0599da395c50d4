"""`casm device-pool`: what one service on a device serves from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete, device_pool_change, device_pool_policy
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import Access, Announcement, Strategy

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Device pools: what one service on a device serves from.")

_Known = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE/NAME",
        help="The device pool.",
        show_default=False,
        autocompletion=complete.device_pools,
    ),
]


@command(
    app,
    "add",
    examples=(
        "casm device-pool add bng1/home --pool public-v4 --pool spare-v4 --length 24 --gateway first "
        "--gateway-mask 24",
        "casm device-pool add bng1/home-pd --pool v6-pd --length 40 --aaa-name HOME-PD --access pppoe",
        "casm device-pool add bng1/vpn --pool vpn-v4 --length 26 --first-length 24 --max-blocks 8 --strategy adjacent",
        "casm device-pool add bng1/pair --pool public-v4 --length 24 --group pair",
        "casm device-pool add cgn1/outside --pool public-v4 --length 28 --announcement external "
        "--next-hop 192.0.2.1 --usage-high 90 --usage-low 80",
    ),
    changes=True,
)
def add(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="DEVICE/NAME", help="The device, and the pool's name on it.", show_default=False
        ),
    ],
    pool: Annotated[
        list[str],
        typer.Option(
            "--pool",
            metavar="POOL",
            help="A pool to draw from; repeat it for more, the preferred one first.",
            show_default=False,
            autocompletion=complete.pools,
        ),
    ],
    length: Annotated[
        int,
        typer.Option(
            "--length", metavar="N", help="The prefix length of a block, as 24.", show_default=False
        ),
    ],
    aaa_name: Annotated[
        str,
        typer.Option(
            "--aaa-name",
            metavar="NAME",
            help="The name that AAA and the device use. It never changes. Default: NAME.",
        ),
    ] = "",
    gateway: Annotated[
        str,
        typer.Option(
            "--gateway",
            metavar="WHERE",
            help="first, last (of each block), none, an address, or unnumbered:INTERFACE.",
        ),
    ] = "none",
    gateway_mask: Annotated[
        int | None,
        typer.Option(
            "--gateway-mask", metavar="N", help="Prefix length told to subscribers. Default: the block's."
        ),
    ] = None,
    serve_edges: Annotated[
        bool,
        typer.Option(
            "--serve-edges",
            help="Subscribers get the network and broadcast address of a block too (as with PPPoE).",
        ),
    ] = False,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service",
            metavar="NAME",
            help="A service that draws from it, in the device's words; may be repeated.",
            show_default=False,
        ),
    ] = None,
    access: Annotated[
        Access | None, typer.Option("--access", help="The kind of access it serves.", case_sensitive=False)
    ] = None,
    withdraw_when_unknown: Annotated[
        str,
        typer.Option(
            "--withdraw-when-unknown",
            metavar="WHEN",
            help="When a released block leaves a device that does not count its use: operator (with the next "
            "apply), never, or 'after 24h'.",
        ),
    ] = "operator",
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="GROUP",
            help="The owner group that has the blocks. Default: the device alone.",
            autocompletion=complete.groups,
        ),
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            "--strategy",
            help="Which free block an allocation takes. Default: as the pool says.",
            case_sensitive=False,
        ),
    ] = None,
    first_length: Annotated[
        int | None,
        typer.Option("--first-length", metavar="N", help="That of its first block. Default: --length."),
    ] = None,
    next_length: Annotated[
        int | None,
        typer.Option("--next-length", metavar="N", help="That of the blocks after it. Default: --length."),
    ] = None,
    min_blocks: Annotated[
        int,
        typer.Option("--min-blocks", metavar="N", help="A release that leaves it fewer blocks is refused."),
    ] = 0,
    max_blocks: Annotated[
        int | None,
        typer.Option("--max-blocks", metavar="N", help="An allocation that gives it more is refused."),
    ] = None,
    network_instance: Annotated[
        str | None,
        typer.Option(
            "--network-instance",
            metavar="NAME",
            help="The VRF of the device that it serves in. Default: by the address space of its pools.",
        ),
    ] = None,
    announcement: Annotated[
        Announcement,
        typer.Option("--announcement", help="Who announces the routes to its blocks.", case_sensitive=False),
    ] = Announcement.NONE,
    next_hop: Annotated[
        str | None,
        typer.Option("--next-hop", metavar="ADDRESS", help="Where routes announced externally should lead."),
    ] = None,
    route_tag: Annotated[
        int | None, typer.Option("--route-tag", metavar="N", help="The tag that the routes should carry.")
    ] = None,
    usage_high: Annotated[
        int | None,
        typer.Option("--usage-high", metavar="PERCENT", help="The device should tell when it is so full."),
    ] = None,
    usage_low: Annotated[
        int | None,
        typer.Option("--usage-low", metavar="PERCENT", help="And when it is no longer; below --usage-high."),
    ] = None,
) -> Answer:
    """Add a device pool. It is made on the device when it has its first block."""
    from casm_ctrl.service.configuration import AddDevicePool, change

    edit = AddDevicePool(
        name=name,
        pools=tuple(pool),
        length=length,
        aaa_name=aaa_name,
        gateway=gateway,
        gateway_mask=gateway_mask,
        serve_edges=serve_edges,
        services=tuple(service or ()),
        access=None if access is None else access.value,
        withdraw_when_unknown=withdraw_when_unknown,
        description=description,
        group=group,
        strategy=None if strategy is None else strategy.value,
        first_length=first_length,
        next_length=next_length,
        min_blocks=min_blocks,
        max_blocks=max_blocks,
        network_instance=network_instance,
        announcement=announcement.value,
        next_hop=next_hop,
        route_tag=route_tag,
        usage_high=usage_high,
        usage_low=usage_low,
    )
    done = change(call.database, call.author, [edit])
    return Answer(
        {"device-pool": {"device-pool": name}, **done},
        lines(
            f"Added device pool {name}, blocks of /{length} from {', '.join(pool)}. Next: casm allocate {name}"
        ),
    )


@command(app, "list", examples=("casm device-pool list", "casm device-pool list --device bng1"))
def list_(
    call: Call,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="DEVICE", help="Only those of this device.", autocompletion=complete.devices
        ),
    ] = None,
) -> Answer:
    """List the device pools."""
    from casm_ctrl.service.views import list_device_pools

    found = list_device_pools(call.database, device)
    return Answer({"device-pool": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    if not found:
        return ["There is no device pool yet: make one with 'casm device-pool add DEVICE/NAME --pool POOL'."]
    return [device_pool_table(found)]


def device_pool_table(found: list[Document]) -> RenderableType:
    """Device pools, one a line."""
    from casm_ctrl.cli.output import number, table

    rows = (
        (
            row["device-pool"],
            row["aaa-name"],
            ", ".join(row["pool"]),
            f"/{row['length']}",
            row["gateway"],
            number(row["blocks"]),
            _automatic(row),
        )
        for row in found
    )
    return table(
        ("DEVICE POOL", "AAA NAME", "POOLS", "LENGTH", "GATEWAY", "BLOCKS", "AUTOMATIC"),
        rows,
        right=("LENGTH", "BLOCKS"),
    )


def _automatic(row: Document) -> str | None:
    """What it does by itself; None where it only observes."""
    held = row.get("automation", {})
    return ", ".join(name for name in ("grow", "shrink") if held.get(name) == "automatic") or None


@command(app, "show", examples=("casm device-pool show bng1/home",))
def show(call: Call, name: _Known) -> Answer:
    """Show a device pool and its blocks."""
    from casm_ctrl.service.views import show_device_pool

    found = show_device_pool(call.database, name)
    return Answer({"device-pool": found}, lambda: _facts(found))


def _facts(row: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.block import block_table
    from casm_ctrl.cli.output import facts, number, titled

    mask = row.get("gateway-mask")
    lengths = [
        f"{words} /{row[name]}"
        for words, name in (("first", "first-length"), ("next", "next-length"))
        if name in row
    ]
    yield facts(
        (
            ("device pool", row["device-pool"]),
            ("AAA name", row["aaa-name"]),
            ("description", row["description"]),
            ("pools", row["pool"]),
            ("owner group", row.get("owner-group")),
            ("block length", ", ".join([f"/{row['length']}", *lengths])),
            ("strategy", row.get("strategy")),
            ("least blocks", row["min-blocks"] or None),
            ("most blocks", row.get("max-blocks")),
            ("gateway", row["gateway"]),
            ("gateway mask", None if mask is None else f"/{mask}"),
            ("edges served", "yes" if row["serve-edges"] else "no"),
            ("can serve", f"{number(row['capacity-addresses'])} addresses"),
            ("services", row["service"]),
            ("access", row.get("access")),
            ("withdraw when unknown", row["withdraw-when-unknown"]),
            ("network instance", row.get("network-instance")),
            ("routes announced", _announced(row)),
            ("usage marks", _marks(row)),
            ("automation", _automation(row)),
            ("routes", row["routes"] if row["block"] else None),
        )
    )
    if row["block"]:
        yield from titled("Blocks", block_table(row["block"]))


def _announced(row: Document) -> str:
    words = (("next-hop", "next hop"), ("route-tag", "tag"))
    more = [f"{word} {row[name]}" for name, word in words if name in row]
    return ", ".join([row["announcement"], *more])


def _automation(row: Document) -> str | None:
    held = row.get("automation")
    if held is None:
        return None
    words = [f"{name} {held[name]}" for name in ("grow", "shrink") if name in held]
    return f"{', '.join(words) or 'a policy of its own'} (casm device-pool policy {row['device-pool']})"


def _marks(row: Document) -> str | None:
    if "usage-high" not in row:
        return None
    low = f", no longer full at {row['usage-low']} %" if "usage-low" in row else ""
    return f"full at {row['usage-high']} %{low}"


@command(app, "remove", examples=("casm device-pool remove bng1/home",), changes=True)
def remove(call: Call, name: _Known) -> Answer:
    """Remove a device pool that has no blocks any more."""
    from casm_ctrl.service.configuration import RemoveDevicePool, change

    done = change(call.database, call.author, [RemoveDevicePool(name)])
    return Answer({"device-pool": {"device-pool": name}, **done}, lines(f"Removed device pool {name}."))


device_pool_change.register(app)
device_pool_policy.register(app)
