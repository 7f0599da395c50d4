"""`casm control settings`: what automation may do at the most, for all device pools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.limits import NAMES, PERCENTS, SECONDS, leaf
from casm_ctrl.cli.call import Answer, Call, Document, command, lines

if TYPE_CHECKING:
    from rich.console import RenderableType

WORDS = {
    "grow-per-device-pool": "blocks added to one device pool in an hour",
    "grow-per-device": "blocks added on one device in an hour",
    "grow-per-pool": "blocks added from one pool in an hour",
    "grow-per-hour": "blocks added everywhere in an hour",
    "drain-per-device-pool": "drains begun in one device pool in an hour",
    "drain-per-device": "drains begun on one device in an hour",
    "drain-per-pool": "drains begun of blocks of one pool in an hour",
    "drain-per-hour": "drains begun everywhere in an hour",
    "drains-per-device": "drains at once on one device",
    "breaker-failures": "failed changes in a row that stop automation",
    "breaker-window": "the time within which those count together",
    "breaker-devices": "devices that restart or lose subscribers, that stop it",
    "breaker-reset": "until it is tried again; 0: with 'casm control resume' only",
    "away-after": "without a look: the controller was away",
    "gentle-readings": "own readings before the first change, after it was away",
    "gentle-percent": "of all limits hold then",
    "gentle-time": "as long as that",
    "scarce-at": "of a pool is free when it counts as scarce",
}


def register(app: typer.Typer) -> None:
    """As a subcommand of `casm control`."""
    command(
        app,
        "settings",
        examples=(
            "casm control settings",
            "casm control settings grow-per-hour=500 breaker-window=10m --reason 'careful at first'",
            "casm control settings --unset grow-per-hour",
        ),
        changes=True,
    )(settings)


def _names(incomplete: str) -> list[str]:
    return [f"{leaf(name)}=" for name in NAMES if leaf(name).startswith(incomplete)]


def _leafs(incomplete: str) -> list[str]:
    return [leaf(name) for name in NAMES if leaf(name).startswith(incomplete)]


def settings(
    call: Call,
    pairs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="What is to be set; times as 600, 10m or 1h.",
            show_default=False,
            autocompletion=_names,
        ),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="NAME",
            help="What is to have its default again; may be repeated.",
            show_default=False,
            autocompletion=_leafs,
        ),
    ] = None,
) -> Answer:
    """Show what automation may do at the most, whatever device pools want; or set it.

    A limit of 0 stops what it limits.
    """
    from casm_ctrl.service.configuration import SetLimits, change
    from casm_ctrl.service.control_settings import show_settings

    values = _values(pairs or (), unset or ())
    if not values:
        found = show_settings(call.database)
        return Answer({"control": found}, lambda: _table(found))
    done = change(call.database, call.author, [SetLimits(values)])
    found = show_settings(call.database)
    told = ", ".join(
        f"{leaf(name)} {_shown(leaf(name), found['settings'][leaf(name)])}" for name, _ in values
    )
    return Answer({"control": found, **done}, lines(f"From now on: {told}."))


def _values(pairs: Sequence[str], unset: Sequence[str]) -> tuple[tuple[str, int | None], ...]:
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.base.errors import InvalidValue
    from casm_ctrl.cli.options import split_pairs

    found: dict[str, int | None] = {}
    for name, text in split_pairs("casm control settings", pairs, "NAME=VALUE"):
        field = name.replace("-", "_")
        if field in SECONDS:
            found[field] = parse_duration(text)
        elif text.isascii() and text.isdigit() and len(text) <= 10:
            found[field] = int(text)
        else:
            raise InvalidValue(f"'{text}' is not a number for {name}", f"write {name}=100")
    for name in unset:
        if found.setdefault(name.replace("-", "_"), None) is not None:
            raise InvalidValue(f"'{name}' was to be set, and to have its default again", "say one of them")
    return tuple(found.items())


def _table(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    rows = (
        (name, _shown(name, value), "set" if name in found["set"] else "default", WORDS[name])
        for name, value in found["settings"].items()
    )
    return [table(("SETTING", "VALUE", "FROM", "WHAT"), rows, right=("VALUE",))]


def _shown(name: str, value: int) -> str:
    from casm_ctrl.base.clock import show_duration
    from casm_ctrl.cli.output import number

    field = name.replace("-", "_")
    if field in SECONDS:
        return show_duration(value)
    return f"{value} %" if field in PERCENTS else number(value)
