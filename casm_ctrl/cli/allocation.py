"""`casm allocate`, `release`, `renew`, `drain` and `cancel-drain`, and `accept-clock`, on which the end of quarantine
hangs: give blocks to device pools and take them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.block import block_table
from casm_ctrl.cli.call import Answer, Call, Document, command, lines
from casm_ctrl.cli.options import (
    BlockNames,
    Expires,
    Lifetime,
    SpaceFilter,
    Strategy,
    parse_count,
    split_pairs,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

_LISTED = 3


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "allocate",
        panel=panel,
        examples=(
            "casm allocate bng1/home",
            "casm allocate bng1/home --count 3 --length 25 --request-id order-4711 --json",
            "casm allocate bng1/home --addresses 1000 --dry-run",
            "casm allocate bng1/home --prefix 198.51.100.64/26 --reason 'as before the move'",
            "casm allocate bng1/home --label region=north --strategy adjacent --lifetime 30d",
        ),
        changes=True,
    )(allocate)
    command(
        app,
        "release",
        panel=panel,
        examples=(
            "casm release b12 b13",
            "casm release 198.51.100.0/24 --space internet --reason 'moved to bng2'",
            "casm release b12 --force --reason 'bng1 burned down'",
            "casm release b12 --below-minimum --reason 'bng1/home goes away'",
        ),
        changes=True,
    )(release)
    command(
        app,
        "renew",
        panel=panel,
        examples=("casm renew b12 --lifetime 30d", "casm renew b12 b13 --expires never"),
        changes=True,
    )(renew)
    command(app, "drain", panel=panel, examples=("casm drain b12 b13",), changes=True)(drain)
    command(app, "cancel-drain", panel=panel, examples=("casm cancel-drain b12",), changes=True)(cancel_drain)

    command(
        app,
        "accept-clock",
        panel=panel,
        examples=("casm accept-clock --reason 'the battery was changed; NTP is right again'",),
        changes=True,
    )(accept_clock)


def allocate(
    call: Call,
    device_pool: Annotated[
        str,
        typer.Argument(
            metavar="DEVICE/NAME",
            help="The device pool that gets the blocks.",
            show_default=False,
            autocompletion=complete.device_pools,
        ),
    ],
    count: Annotated[int, typer.Option("--count", metavar="N", help="How many blocks.")] = 1,
    length: Annotated[
        int | None,
        typer.Option("--length", metavar="N", help="Their prefix length. Default: the device pool's."),
    ] = None,
    addresses: Annotated[
        str | None,
        typer.Option(
            "--addresses",
            metavar="N",
            help="As many blocks as hold N addresses (or 2^N); the smallest is of --length.",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", metavar="PREFIX", help="This very block.", show_default=False),
    ] = None,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            "--pool",
            metavar="POOL",
            help="From this one of the device pool's pools; repeat it for more, the preferred one first.",
            show_default=False,
            autocompletion=complete.pools,
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="NAME=VALUE",
            help="From those of its pools that have this label (scope is one); may be repeated.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            "--strategy",
            help="Which free block is taken. Default: as the device pool says, or the pool.",
            case_sensitive=False,
        ),
    ] = None,
    lifetime: Lifetime = None,
    expires: Expires = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Answer the same, or refuse, and change nothing.")
    ] = False,
) -> Answer:
    """Give blocks to a device pool: all that are asked for, or none.

    They are reserved at once; 'casm apply' installs them on the device.
    """
    from casm_ctrl.service import views
    from casm_ctrl.service.allocation import allocate as verb

    done = verb(
        call.database,
        call.author,
        device_pool,
        count=count,
        length=length,
        addresses=None if addresses is None else parse_count("--addresses", addresses),
        prefix=prefix,
        pools=pool or (),
        labels=split_pairs("--label", label or (), "NAME=VALUE"),
        strategy=None if strategy is None else strategy.value,
        lifetime=_seconds(lifetime),
        expires=expires,
        dry_run=dry_run,
    )
    return Answer(
        done, lambda: _show_allocated(done, views.devices_served(call.database, device_pool), dry_run)
    )


def renew(
    call: Call,
    blocks: BlockNames,
    space: SpaceFilter = None,
    lifetime: Lifetime = None,
    expires: Expires = None,
) -> Answer:
    """Give blocks a new lifetime. At its end they are released, as 'casm release' does.

    It takes back no release that began: 'casm cancel-drain' does, as long as nothing was sent.
    """
    from casm_ctrl.service.lifetime import renew as verb

    done = verb(call.database, call.author, blocks, lifetime=_seconds(lifetime), expires=expires, space=space)
    return Answer(done, lambda: [block_table(done["block"]), *_until(done["block"])])


def _until(blocks: Sequence[Document]) -> Iterable[str]:
    from casm_ctrl.cli.output import moment

    for block in blocks:
        end = f"expires {moment(block['expires'])}" if "expires" in block else "never expires"
        leaving = ", and is on its way out" if block["wanted"] == "absent" else ""
        yield f"{block['id']} {end}{leaving}."


def _seconds(lifetime: str | None) -> int | None:
    from casm_ctrl.base.clock import parse_duration

    return None if lifetime is None else parse_duration(lifetime)


def _device_of(device_pool: str) -> str:
    return device_pool.partition("/")[0]


def release(
    call: Call,
    blocks: BlockNames,
    space: SpaceFilter = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="For a dead device: quarantine the blocks without proof that they are gone. Needs --reason.",
        ),
    ] = False,
    below_minimum: Annotated[
        bool,
        typer.Option("--below-minimum", help="Also where a device pool keeps fewer than its --min-blocks."),
    ] = False,
) -> Answer:
    """Take blocks back. What is on a device leaves it with the next apply, then rests in quarantine.

    A block that was never sent to a device is free at once.
    """
    from casm_ctrl.service.release import force_release
    from casm_ctrl.service.release import release as verb

    if force:
        done = force_release(call.database, call.author, blocks, space=space)
    else:
        done = verb(call.database, call.author, blocks, space=space, below_minimum=below_minimum)
    return Answer(done, lambda: _show(done["block"]))


def drain(call: Call, blocks: BlockNames, space: SpaceFilter = None) -> Answer:
    """Ask that devices serve who is on the blocks, and nobody new. Sent with the next apply."""
    from casm_ctrl.service.release import drain as verb

    done = verb(call.database, call.author, blocks, space=space)
    return Answer(done, lambda: _show(done["block"]))


def cancel_drain(call: Call, blocks: BlockNames, space: SpaceFilter = None) -> Answer:
    """Take a drain back, or a release, as long as no removal may have been sent."""
    from casm_ctrl.service.release import cancel_drain as verb

    done = verb(call.database, call.author, blocks, space=space)
    return Answer(done, lambda: _show(done["block"]))


def accept_clock(call: Call) -> Answer:
    """Say that the clock is right, after it jumped by more than five minutes.

    Until then no block leaves quarantine, because nobody knows how long it rested. 'casm status' tells.
    """
    from casm_ctrl.service.rest import accept_clock as verb

    done = verb(call.database, call.author)
    return Answer(
        {"clock": done}, lines("The clock is taken as right: blocks leave quarantine in time again.")
    )


def _show_allocated(done: Document, devices: Sequence[str], dry_run: bool) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import moment, plural

    blocks = done["block"]
    yield block_table(blocks)
    if "expires" in blocks[0]:
        yield f"Until {moment(blocks[0]['expires'])}, unless renewed."
    if "routes" in done:
        yield f"The device pool then needs {plural(int(done['routes']), 'route')}."
    if dry_run:
        yield "A dry run: nothing was changed."
    else:
        yield f"Reserved: 'casm apply {' '.join(devices)}' installs {'it' if len(blocks) == 1 else 'them'}."


def _show(blocks: Sequence[Document]) -> Iterable[RenderableType]:
    yield block_table(blocks)
    told: dict[str, list[str]] = {}
    for block in blocks:
        told.setdefault(_what_next(block), []).append(block["id"])
    for words, names in told.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        yield f"{', '.join(names[:_LISTED])}{more}: {words}"


def _what_next(block: Document) -> str:
    """What happens to a block after a release, a drain or a cancelled one."""
    from casm_ctrl.cli.output import moment

    device, state, wanted = _device_of(block["device-pool"]), block["state"], block.get("wanted")
    if state == "free":
        return "free again: never sent to a device."
    if state == "quarantined":
        return f"in quarantine until {moment(block.get('quarantined-until'))}."
    if state == "withdrawing":
        return f"on its way out; 'casm apply {device}' goes on with it."
    if wanted == "absent":
        return (
            f"off {device} with the next 'casm apply {device}' (drained first, where the device drains and counts),"
            " then in quarantine."
        )
    if wanted == "drained":
        return "drained already." if state == "draining" else f"drained with the next 'casm apply {device}'."
    if state == "installed":
        return "stays installed."
    return f"served after the next 'casm apply {device}'."
