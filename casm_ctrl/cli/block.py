"""`casm block`: the prefixes that device pools have, and had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import BlockNames, LiveState, SpaceFilter

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Blocks: what device pools have of the pools.")


@command(
    app,
    "list",
    examples=("casm block list", "casm block list --device bng1 --state draining", "casm block list --json"),
)
def list_(
    call: Call,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="DEVICE", help="Only those of this device.", autocompletion=complete.devices
        ),
    ] = None,
    device_pool: Annotated[
        str | None,
        typer.Option(
            "--device-pool",
            metavar="DEVICE/NAME",
            help="Only those of this device pool.",
            autocompletion=complete.device_pools,
        ),
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool", metavar="POOL", help="Only those cut from this pool.", autocompletion=complete.pools
        ),
    ] = None,
    state: Annotated[
        LiveState | None, typer.Option("--state", help="Only those in this state.", case_sensitive=False)
    ] = None,
) -> Answer:
    """List the blocks that are not free."""
    from casm_ctrl.service.views import list_blocks
    from casm_ctrl.store.states import State

    found = list_blocks(
        call.database,
        device=device,
        device_pool=device_pool,
        pool=pool,
        state=None if state is None else State(state.value),
    )
    narrowed = any(value is not None for value in (device, device_pool, pool, state))
    return Answer({"block": found}, lambda: _list(found, narrowed))


def _list(found: list[Document], narrowed: bool) -> Iterable[RenderableType]:
    if found:
        return [block_table(found)]
    if narrowed:
        return ["No block is like that."]
    return ["There is no block yet: get one with 'casm allocate DEVICE/NAME'."]


def block_table(found: Sequence[Document]) -> RenderableType:
    """Blocks, one a line: what is asked for, and what is proven."""
    from casm_ctrl.cli.output import moment, table

    counted = any("used-addresses" in row for row in found)
    rows = (
        (
            row["id"],
            written(row),
            row["device-pool"],
            row["pool"],
            row.get("wanted"),
            row["state"] if row.get("managed", True) else f"{row['state']}, not managed",
            moment(row["since"]),
            *((_used(row),) if counted else ()),
        )
        for row in found
    )
    used = ("USED",) if counted else ()
    columns = ("ID", "PREFIX", "DEVICE POOL", "POOL", "WANTED", "STATE", "SINCE", *used)
    return table(columns, rows, right=used, flexible=("DEVICE POOL", "STATE", "SINCE"))


def _used(row: Document) -> str | None:
    from casm_ctrl.cli.output import number

    return number(row["used-addresses"]) if "used-addresses" in row else None


def written(block: Document) -> str:
    """A block's prefix; a port set as its address, id, length and offset, which commands take too."""
    if "psid" not in block:
        return str(block["prefix"])
    offset = f" offset {block['psid-offset']}" if "psid-offset" in block else ""
    return f"{block['prefix']} psid {block['psid']}/{block['psid-length']}{offset}"


def _adopted(block: Document) -> str | None:
    """Where a block was found that nobody manages yet."""
    objects = block.get("adopted-object", [])
    where = ", ".join(f"{row['object']} on {row['device']}" for row in objects)
    return f"from {where}; not managed" if objects else None


_RANGES_SHOWN = 8


def _ports(ranges: list[Document]) -> list[str]:
    shown = [f"{row['first']}-{row['last']}" for row in ranges[:_RANGES_SHOWN]]
    if len(ranges) > len(shown):
        last = ranges[-1]
        shown.append(f"… {len(ranges) - len(shown)} more, to {last['first']}-{last['last']}")
    return shown


@command(
    app,
    "show",
    examples=(
        "casm block show b12",
        "casm block show 198.51.100.0/24 --space internet",
        'casm block show "192.0.2.1/32 psid 5/4"',
    ),
)
def show(
    call: Call,
    block: Annotated[
        str,
        typer.Argument(
            metavar="BLOCK",
            help="The block, by id (live or freed) or prefix.",
            show_default=False,
            autocompletion=complete.blocks,
        ),
    ],
    space: SpaceFilter = None,
) -> Answer:
    """Show a block: what is wanted, what was seen on its devices, and its history."""
    from casm_ctrl.service.views import show_block

    found = show_block(call.database, block, space)
    return Answer({"block": found}, lambda: _facts(found))


def _route(block: Document) -> str | None:
    """`external, not confirmed: not serving`; nothing where no route is needed."""
    route = block.get("route")
    if route is None or route["proof"] == "not-needed":
        return None
    return f"{route['announcement']}, {route['proof']}{'' if block['serving'] else ': not serving'}"


def _facts(block: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.audit import event_table
    from casm_ctrl.cli.output import facts, moment, number, plural, table, titled

    delegated = block.get("delegated-prefixes")
    used = None
    if "used-addresses" in block:
        used = f"{number(block['used-addresses'])} addresses, counted {moment(block['used-time'])}"
    yield facts(
        (
            ("block", block["id"]),
            ("prefix", written(block)),
            ("ports", _ports(block.get("port-range", []))),
            ("delegates", None if delegated is None else plural(int(delegated), "prefix", "prefixes")),
            ("space", block.get("address-space")),
            ("pool", block["pool"]),
            ("device pool", block["device-pool"]),
            ("wanted", block.get("wanted")),
            ("state", block["state"]),
            ("adopted", _adopted(block)),
            ("static", [f"{s['prefix']} ({s['object']} on {s['device']})" for s in block.get("static", [])]),
            ("route", _route(block)),
            ("since", moment(block["since"])),
            ("quarantined until", moment(block.get("quarantined-until"))),
            ("expires", moment(block.get("expires"))),
            ("in use", used),
        )
    )
    members = block.get("member", [])
    if members:
        counted = any("used-addresses" in member for member in members)
        rows = (
            (
                m["device"],
                m["role"],
                m["seen"],
                moment(m["since"]),
                *((_used(m), moment(m.get("used-time"))) if counted else ()),
            )
            for m in members
        )
        columns = ("DEVICE", "ROLE", "SEEN", "SINCE", *(("USED", "COUNTED") if counted else ()))
        yield from titled("Devices", table(columns, rows, right=("USED",) if counted else ()))
    if block["finding"]:
        findings = ((f["device"], f["kind"], f["words"]) for f in block["finding"])
        yield from titled("Held back by", table(("DEVICE", "KIND", "WHAT"), findings))
    if block["event"]:
        yield from titled("History", event_table(block["event"], subject=False))


@command(
    app,
    "manage",
    changes=True,
    examples=("casm block manage b12", "casm block manage b12 b13", "casm block manage b14 --split"),
)
def manage(
    call: Call,
    block: BlockNames,
    split: Annotated[
        bool,
        typer.Option(
            "--split",
            help="Also where it is a part of a range that is no prefix: the next apply replaces that range by an "
            "object for each of its blocks.",
        ),
    ] = False,
    space: SpaceFilter = None,
) -> Answer:
    """Take over blocks that were adopted: from here on they are as any other. Nothing is sent by this."""
    from casm_ctrl.service.management import manage as take_over

    done = take_over(call.database, call.author, block, space=space, split=split)
    return Answer(done, lambda: _managed(done["block"], split))


def _managed(found: list[Document], split: bool) -> Iterable[RenderableType]:
    yield block_table(found)
    if split:
        yield (
            "With the next apply an object for each of its blocks takes the place of the whole range; 'casm plan'"
            " shows it."
        )
