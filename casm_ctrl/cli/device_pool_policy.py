"""`casm device-pool policy`: when a device pool gets blocks and gives them back by itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casm_ctrl.base.automation import BAND, NAMES
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command
from casm_ctrl.cli.options import AutomationMode, Scarcity, parse_count

if TYPE_CHECKING:
    from rich.console import RenderableType

WINDOW = ("reclaim-from", "reclaim-until", "reclaim-zone")
_DURATIONS = ("hold-down", "drain-deadline", "force-after")
_PERCENTS = ("grow-at", "shrink-at", "reserve")


def register(app: typer.Typer) -> None:
    """As a subcommand of `casm device-pool`."""
    command(
        app,
        "policy",
        examples=(
            "casm device-pool policy bng1/home",
            "casm device-pool policy bng1/home --grow automatic --grow-at 75 --reason 'observed for a week'",
            "casm device-pool policy bng1/home --shrink automatic --reclaim-window 02:00-05:00 --zone Europe/Berlin",
            "casm device-pool policy bng1/home --unset grow-at --unset reclaim-window",
        ),
        changes=True,
    )(policy)


def _number(option: str, words: str, metavar: str = "N") -> Any:
    return typer.Option(option, metavar=metavar, help=words, show_default=False)


def _unsettable(incomplete: str) -> list[str]:
    names = [name.replace("_", "-") for name in NAMES]
    return [name for name in (*names, "reclaim-window") if name.startswith(incomplete)]


def policy(
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
    grow: Annotated[
        AutomationMode | None,
        typer.Option("--grow", help="Whether blocks are added by themselves.", case_sensitive=False),
    ] = None,
    shrink: Annotated[
        AutomationMode | None,
        typer.Option("--shrink", help="Whether blocks are drained and taken back.", case_sensitive=False),
    ] = None,
    grow_at: Annotated[int | None, _number("--grow-at", "How full it is when it grows.", "PERCENT")] = None,
    grow_at_free: Annotated[
        str | None, _number("--grow-at-free", "How many addresses are free when it grows, instead.")
    ] = None,
    shrink_at: Annotated[
        int | None, _number("--shrink-at", "How full it is at the most when it shrinks.", "PERCENT")
    ] = None,
    shrink_at_free: Annotated[
        str | None, _number("--shrink-at-free", "How many addresses are free when it shrinks, instead.")
    ] = None,
    reserve: Annotated[
        int | None, _number("--reserve", "Kept free beyond what is expected, of what is in use.", "PERCENT")
    ] = None,
    hold_down: Annotated[
        str | None, _number("--hold-down", "The rest between opposite changes: 5m, 1h.", "TIME")
    ] = None,
    history: Annotated[
        int | None, _number("--history", "For how long it is watched before it shrinks.", "DAYS")
    ] = None,
    reclaim_window: Annotated[
        str | None,
        _number(
            "--reclaim-window", "The time of day in which blocks are drained: 02:00-05:00.", "FROM-UNTIL"
        ),
    ] = None,
    zone: Annotated[
        str | None, _number("--zone", "The time zone of --reclaim-window, as Europe/Berlin or UTC.", "ZONE")
    ] = None,
    priority: Annotated[
        int | None, _number("--priority", "0 to 255: the greater is served first, and gives back last.")
    ] = None,
    drain_deadline: Annotated[
        str | None,
        _number("--drain-deadline", "How long a drain may take before an alarm says so: 7d.", "TIME"),
    ] = None,
    force_after: Annotated[
        str | None,
        _number(
            "--force-after",
            "How long after that its block is taken back with the subscribers that it has, whose service is cut.",
            "TIME",
        ),
    ] = None,
    scarcity: Annotated[
        Scarcity | None,
        typer.Option(
            "--scarcity",
            help="What is done with blocks that idle here while others have none: show a plan, or apply it.",
            case_sensitive=False,
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            help="What follows the device's role again, as grow-at or reclaim-window; may be repeated.",
            show_default=False,
            autocompletion=_unsettable,
        ),
    ] = None,
) -> Answer:
    """Show a device pool's policy, and where each value comes from; or change it. What is not named stays.

    Nothing is automatic at first: growing and shrinking are switched on one by one. docs/policy.md shows how.
    """
    from casm_ctrl.service.configuration import ChangeDevicePool, change
    from casm_ctrl.service.policies import show_policy

    given: dict[str, Any] = {
        "grow": None if grow is None else grow.value,
        "shrink": None if shrink is None else shrink.value,
        "grow_at": grow_at,
        "grow_at_free": _count("--grow-at-free", grow_at_free),
        "shrink_at": shrink_at,
        "shrink_at_free": _count("--shrink-at-free", shrink_at_free),
        "reserve": reserve,
        "hold_down": _seconds(hold_down),
        "history": history,
        **_window(reclaim_window, zone),
        "priority": priority,
        "drain_deadline": _seconds(drain_deadline),
        "force_after": _seconds(force_after),
        "scarcity": None if scarcity is None else scarcity.value,
    }
    values = {field: value for field, value in given.items() if value is not None}
    gone = [leaf for one in unset or () for leaf in (WINDOW if one == "reclaim-window" else (one,))]
    _refuse_others(gone)
    done: Document = {}
    if values or gone:
        edit = ChangeDevicePool(name, tuple(values.items()), tuple(gone))
        done = change(call.database, call.author, [edit])
    found = show_policy(call.database, name)
    changed = bool(done)
    return Answer({"policy": found, **done}, lambda: _show(found, changed=changed))


def _refuse_others(gone: list[str]) -> None:
    from casm_ctrl.base.errors import InvalidValue

    for leaf in gone:
        if leaf.replace("-", "_") not in NAMES:
            raise InvalidValue(f"'{leaf}' is nothing of a policy", f"use {', '.join(_unsettable(''))}")


def _count(option: str, text: str | None) -> int | None:
    return None if text is None else parse_count(option, text)


def _seconds(text: str | None) -> int | None:
    from casm_ctrl.base.clock import parse_duration

    return None if text is None else parse_duration(text)


def _window(text: str | None, zone: str | None) -> dict[str, str | None]:
    from casm_ctrl.base.errors import InvalidValue

    if text is None:
        return {"reclaim_zone": zone}
    start, dash, end = text.partition("-")
    if not dash or not start or not end:
        raise InvalidValue(f"'{text}' is not a time of day to another", "write --reclaim-window 02:00-05:00")
    return {"reclaim_from": start, "reclaim_until": end, "reclaim_zone": zone}


def _show(found: Document, *, changed: bool) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if changed:
        yield f"Changed the policy of device pool {found['device-pool']}:"
    yield table(("NAME", "VALUE", "FROM"), _rows(found))


def _rows(found: Document) -> Iterator[tuple[str, str, str]]:
    window = [row["value"] for row in found["value"] if row["name"] in WINDOW and "value" in row]
    for row in found["value"]:
        name, origin = row["name"], _origin(row["from"], found["role"])
        if name == "reclaim-from":
            words = f"{window[0]}-{window[1]} {window[2]}" if window else "at any time"
            yield "reclaim-window", words, origin
        elif name not in WINDOW:
            yield name, _shown(name, row.get("value")), origin


def _origin(word: str, role: str) -> str:
    return {
        "set": "set here",
        "usage-high": "usage-high",
        "grow-at": f"{BAND} below what it grows at",
        "role": f"default of role {role}",
    }[word]


def _shown(name: str, value: Any) -> str:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import number, plural

    if value is None:
        return "never"
    if name in _DURATIONS:
        return show_duration(value)
    if name in _PERCENTS:
        return f"{value} %"
    if name == "history":
        return plural(value, "day")
    return f"{number(value)} free" if name.endswith("-free") else str(value)
