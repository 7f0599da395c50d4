"""`casm trace`: who had an address, when, and how certain that is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.block import written
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "trace",
        panel=panel,
        examples=(
            "casm trace 198.51.100.7",
            "casm trace 198.51.100.7 --at 2026-05-03T02:14:00Z",
            "casm trace 192.0.2.1:5060 --space internet",
            "casm trace 2001:db8::1 --json",
            "casm trace b12",
        ),
    )(trace)


def trace(
    call: Call,
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS[:PORT]|BLOCK",
            help="An address; the port tells port sets of a shared IPv4 address apart. Or a block's id, live or "
            "freed, for its whole history.",
            show_default=False,
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When, as 2026-05-03T02:14:00Z. Default: now."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            "--space",
            metavar="SPACE",
            help="Only in this address space. Default: in each.",
            autocompletion=complete.spaces,
        ),
    ] = None,
) -> Answer:
    """Tell which device had an address at a time, since when and by whom.

    The answer is an interval: certainly from, certainly until, and before and after that the time between
    what was sent and what was seen, in which nobody can know.
    """
    from casm_ctrl.service import trace as service

    found = service.trace(call.database, address, at=at, space=space)
    return Answer({"trace": found}, lambda: _show(found))


def _show(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import moment

    what = f"{found.get('address', '')}" + (f" port {found['port']}" if "port" in found else "")
    if what and not found["block"]:
        yield f"No block held {what} at {moment(found['time'])}."
    for number, block in enumerate(found["block"]):
        if number:
            yield ""
        yield from _block(block)
    for place in found["nearest"]:
        yield f"In space {place['address-space']} {place['words']}."
        if "previous" in place:
            last = place["previous"]
            until = moment(last["freed"])
            yield f"Before that {last['device-pool']} had it in {last['id']} {written(last)} until {until}."


def _block(block: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.audit import event_table
    from casm_ctrl.cli.output import facts, moment, table, titled

    by, allocated = block.get("by"), block.get("allocated")
    yield facts(
        (
            ("block", block["id"]),
            ("prefix", written(block)),
            ("space", block["address-space"]),
            ("pool", block["pool"]),
            ("device pool", block["device-pool"]),
            ("state", block.get("state")),
            ("since", moment(block.get("since"))),
            ("until", moment(block.get("until"))),
            ("by", None if by is None else _author(by)),
            ("allocated", None if allocated is None else f"{moment(allocated['time'])} {_author(allocated)}"),
            ("freed", moment(block.get("freed"))),
        )
    )
    rows = (
        (
            member["device"],
            member["role"],
            member["presence"],
            moment(member.get("possibly-from")),
            moment(member.get("certainly-from")),
            moment(member.get("certainly-until")),
            moment(member.get("possibly-until")),
            member.get("ended"),
        )
        for member in block["member"]
    )
    columns = (
        "DEVICE",
        "ROLE",
        "SEEN",
        "MAYBE FROM",
        "CERTAIN FROM",
        "CERTAIN UNTIL",
        "MAYBE UNTIL",
        "ENDED",
    )
    yield from titled("On devices", table(columns, rows))
    if "event" in block:
        yield from titled("History", event_table(block["event"], subject=False))


def _author(event: Document) -> str:
    request = f", request {event['request-id']}" if "request-id" in event else ""
    reason = f": {event['reason']}" if event["reason"] else ""
    return f"{event['actor']} ({event['verb']}{request}){reason}"
