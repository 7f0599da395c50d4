"""`casm device-pool change`: what a device pool says of itself, after it was made."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, command, lines
from casm_ctrl.cli.options import Access, Announcement, Strategy


def register(app: typer.Typer) -> None:
    """As a subcommand of `casm device-pool`."""
    command(
        app,
        "change",
        examples=(
            "casm device-pool change bng1/home --pool public-v4 --pool spare-v4",
            "casm device-pool change bng1/home --length 25 --max-blocks 8 --reason 'grows faster now'",
            "casm device-pool change bng1/home --unset max-blocks --unset strategy",
        ),
        changes=True,
    )(change_)


def _whole(option: str, words: str) -> Any:
    return typer.Option(option, metavar="N", help=words, show_default=False)


def _text(option: str, metavar: str, words: str) -> Any:
    return typer.Option(option, metavar=metavar, help=words, show_default=False)


def change_(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(
            metavar="DEVICE/NAME",
            help="The device pool.",
            show_default=False,
            autocompletion=complete.device_pools,
        ),
    ],
    pool: Annotated[
        list[str] | None,
        typer.Option(
            "--pool",
            metavar="POOL",
            help="The pools to draw from, all of them, the preferred one first; repeat it for each.",
            show_default=False,
            autocompletion=complete.pools,
        ),
    ] = None,
    length: Annotated[int | None, _whole("--length", "The prefix length of the blocks to come.")] = None,
    gateway: Annotated[
        str | None,
        _text(
            "--gateway", "WHERE", "first, last (of each block), none, an address, or unnumbered:INTERFACE."
        ),
    ] = None,
    gateway_mask: Annotated[
        int | None, _whole("--gateway-mask", "Prefix length told to subscribers.")
    ] = None,
    serve_edges: Annotated[
        bool | None,
        typer.Option(
            "--serve-edges/--no-serve-edges",
            help="Whether subscribers get the network and broadcast address of a block too.",
            show_default=False,
        ),
    ] = None,
    service: Annotated[
        list[str] | None,
        _text("--service", "NAME", "The services that draw from it, all of them; repeat it for each."),
    ] = None,
    access: Annotated[
        Access | None,
        typer.Option(
            "--access", help="The kind of access it serves.", show_default=False, case_sensitive=False
        ),
    ] = None,
    withdraw_when_unknown: Annotated[
        str | None, _text("--withdraw-when-unknown", "WHEN", "operator, never, or 'after 24h'.")
    ] = None,
    description: Annotated[str | None, _text("--description", "TEXT", "What it is for.")] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            "--strategy",
            help="Which free block an allocation takes.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    first_length: Annotated[int | None, _whole("--first-length", "That of its first block.")] = None,
    next_length: Annotated[int | None, _whole("--next-length", "That of the blocks after it.")] = None,
    min_blocks: Annotated[
        int | None, _whole("--min-blocks", "A release that leaves it fewer blocks is refused.")
    ] = None,
    max_blocks: Annotated[
        int | None, _whole("--max-blocks", "An allocation that gives it more is refused.")
    ] = None,
    network_instance: Annotated[
        str | None,
        _text("--network-instance", "NAME", "The VRF of the device that it serves in; only without blocks."),
    ] = None,
    announcement: Annotated[
        Announcement | None,
        typer.Option(
            "--announcement",
            help="Who announces the routes to its blocks.",
            show_default=False,
            case_sensitive=False,
        ),
    ] = None,
    next_hop: Annotated[
        str | None, _text("--next-hop", "ADDRESS", "Where routes announced externally should lead.")
    ] = None,
    route_tag: Annotated[int | None, _whole("--route-tag", "The tag that the routes should carry.")] = None,
    usage_high: Annotated[
        int | None, _whole("--usage-high", "The device should tell when it is so full, in percent.")
    ] = None,
    usage_low: Annotated[
        int | None, _whole("--usage-low", "And when it is no longer; below --usage-high.")
    ] = None,
    aaa_name: Annotated[
        str | None, _text("--aaa-name", "NAME", "Never changes: refused, with the reason.")
    ] = None,
    group: Annotated[
        str | None, _text("--group", "GROUP", "Never changes: refused, with the reason.")
    ] = None,
    unset: Annotated[
        list[str] | None,
        _text("--unset", "OPTION", "Take away what was set, as 'max-blocks'; may be repeated."),
    ] = None,
) -> Answer:
    """Change a device pool: what is not named stays. On the device it takes effect with the next apply.

    Blocks that it has stay as they are: a new length is for those to come.
    """
    from casm_ctrl.service.configuration import ChangeDevicePool, change

    given: dict[str, Any] = {
        "pools": tuple(pool) if pool else None,
        "length": length,
        "gateway": gateway,
        "gateway_mask": gateway_mask,
        "serve_edges": serve_edges,
        "services": tuple(service) if service else None,
        "access": None if access is None else access.value,
        "withdraw_when_unknown": withdraw_when_unknown,
        "description": description,
        "strategy": None if strategy is None else strategy.value,
        "first_length": first_length,
        "next_length": next_length,
        "min_blocks": min_blocks,
        "max_blocks": max_blocks,
        "network_instance": network_instance,
        "announcement": None if announcement is None else announcement.value,
        "next_hop": next_hop,
        "route_tag": route_tag,
        "usage_high": usage_high,
        "usage_low": usage_low,
        "aaa_name": aaa_name,
        "group": group,
    }
    values = tuple((field, value) for field, value in given.items() if value is not None)
    done = change(call.database, call.author, [ChangeDevicePool(name, values, tuple(unset or ()))])
    return Answer(
        {"device-pool": {"device-pool": name}, **done},
        lines(f"Changed device pool {name}. Next: casm plan {name.partition('/')[0]}"),
    )
