"""`casm hold`, `unhold` and `holds`: the switch that keeps automation from changing anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

_Device = Annotated[
    str | None,
    typer.Option("--device", metavar="DEVICE", help="What is on it.", autocompletion=complete.devices),
]
_Pool = Annotated[
    str | None,
    typer.Option(
        "--pool",
        metavar="POOL",
        help="What draws from it, or from one that is cut from it.",
        autocompletion=complete.pools,
    ),
]
_DevicePool = Annotated[
    str | None,
    typer.Option(
        "--device-pool",
        metavar="DEVICE/NAME",
        help="That one alone.",
        autocompletion=complete.device_pools,
    ),
]


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "hold",
        panel=panel,
        examples=(
            "casm hold --reason 'core work tonight, ticket 4711'",
            "casm hold --device bng1 --reason 'line card is replaced'",
            "casm hold --device-pool bng1/home --reason 'is being moved'",
        ),
        changes=True,
    )(hold_)
    command(
        app,
        "unhold",
        panel=panel,
        examples=("casm unhold", "casm unhold --device bng1 --reason 'work is done'"),
        changes=True,
    )(unhold_)
    command(app, "holds", panel=panel, examples=("casm holds", "casm holds --json"))(holds_)


def hold_(call: Call, device: _Device = None, pool: _Pool = None, device_pool: _DevicePool = None) -> Answer:
    """Keep automation from changing anything, or one device, pool or device pool. It needs a --reason.

    It works at once, for all controllers of the store, until 'casm unhold'. What is under way on a device ends as
    it would. Watching, deciding and telling go on, and so does what a person asks for.
    """
    from casm_ctrl.service.holds import hold

    kind, subject = _subject(device, pool, device_pool)
    done = hold(call.database, call.author, kind, subject)
    return Answer(done, lines(f"Held {hold_words(done['hold'])}. It ends with: {_command(done['hold'])}"))


def unhold_(
    call: Call, device: _Device = None, pool: _Pool = None, device_pool: _DevicePool = None
) -> Answer:
    """End a hold: that on everything, or that on one device, pool or device pool."""
    from casm_ctrl.service.holds import list_holds, unhold

    kind, subject = _subject(device, pool, device_pool)
    done = unhold(call.database, call.author, kind, subject)
    left = ", ".join(hold_words(found) for found in list_holds(call.database))
    more = f" Still held: {left}." if left else ""
    return Answer(done, lines(f"No longer held: {hold_words(done['hold'])}.{more}"))


def holds_(call: Call) -> Answer:
    """List what is held from automatic changes, since when, by whom and why."""
    from casm_ctrl.service.holds import list_holds

    found = list_holds(call.database)
    return Answer({"hold": found}, lambda: _table(found))


def _table(found: list[Document]) -> Iterable[RenderableType]:
    return [hold_table(found)] if found else ["Nothing is held."]


def hold_table(found: list[Document]) -> RenderableType:
    """Holds, one a line."""
    from casm_ctrl.cli.output import moment, table

    rows = ((hold_words(row), moment(row["since"]), row["actor"], row["reason"]) for row in found)
    return table(("HELD", "SINCE", "BY", "WHY"), rows)


def hold_words(found: Document) -> str:
    """What is held, for people."""
    if found["kind"] == "all":
        return "everything"
    return f"{found['kind'].replace('-', ' ')} {found['subject']}"


def _command(found: Document) -> str:
    return "casm unhold" if found["kind"] == "all" else f"casm unhold --{found['kind']} {found['subject']}"


def _subject(device: str | None, pool: str | None, device_pool: str | None) -> tuple[str, str | None]:
    from casm_ctrl.base.errors import InvalidValue

    named = (("device", device), ("pool", pool), ("device-pool", device_pool))
    given = [(kind, name) for kind, name in named if name is not None]
    if len(given) > 1:
        raise InvalidValue(
            f"{' and '.join(f'--{kind}' for kind, _ in given)} are both given",
            "name one, or none for everything",
        )
    return given[0] if given else ("all", None)
