"""`casm usage`: how full device pools are and were."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType


class Step(Enum):
    """By what spans of time."""

    HOUR = "hour"
    DAY = "day"


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "usage",
        panel=panel,
        examples=(
            "casm usage",
            "casm usage bng1/home",
            "casm usage bng1/home --since 24h --by hour",
            "casm usage public-v4 --since 52w --plot year.svg",
            "casm usage bng1 --json",
        ),
    )(usage)


def usage(
    call: Call,
    subject: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT]...",
            help="Device pools (DEVICE/NAME), devices, or pools that device pools draw from. Default: all device "
            "pools.",
            show_default=False,
            autocompletion=complete.usage_subjects,
        ),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="How far back, as 24h or 52w.")
    ] = "7d",
    by: Annotated[
        Step | None,
        typer.Option(
            "--by", help="By hour (35 days back) or by day. Default: by hour up to 2 days, else by day."
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw the fullest device pools, as .svg or .png."),
    ] = None,
) -> Answer:
    """Tell how full device pools are, and their average and peak by hour or day.

    From what devices were asked and told, and was believed. Where nobody looked there is a gap, not a zero.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.control.plots import check_picture
    from casm_ctrl.service.usage_report import usage_report

    seconds = parse_duration(since)
    step = by or (Step.HOUR if seconds <= 2 * 86400 else Step.DAY)
    if plot is not None:
        check_picture(plot)
    report = usage_report(call.database, subject or (), since=seconds, step=step.value)
    found = report.document()
    if plot is not None:
        from casm_ctrl.control.usage.picture import draw

        found["picture"] = {"file": str(plot), "device-pool": list(draw(report, plot))}
    return Answer({"usage": found}, lambda: _show(found))


def _show(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import moment, table

    pools = found["device-pool"]
    if not pools:
        yield "There is no device pool."
        return
    columns = ("DEVICE POOL", "IN USE", "SERVES", "FULL", "AVERAGE", "PEAK", "REFUSED", "AS OF")
    yield table(
        columns,
        (
            (
                pool["device-pool"],
                _count(pool, "used"),
                _count(pool, "capacity"),
                f"{pool['percent']} %" if "percent" in pool else None,
                _count(pool, "average"),
                _count(pool, "peak"),
                pool.get("refused-requests"),
                moment(pool.get("time")),
            )
            for pool in pools
        ),
        right=columns[1:7],
    )
    for pool in pools:
        if pool["not-believed"]:
            yield f"{pool['device-pool']}: readings are not believed now: {', '.join(pool['not-believed'])}"
    if len(pools) == 1:
        yield from _show_one(pools[0])
    if "picture" in found:
        yield ""
        yield f"Drawn in {found['picture']['file']}: {', '.join(found['picture']['device-pool'])}."


def _show_one(pool: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import moment, table, titled

    if pool["block"]:
        rows = (
            (
                block["id"],
                block["prefix"],
                _count(block, "used", pool),
                _count(block, "capacity", pool),
                _count(block, "peak", pool),
            )
            for block in pool["block"]
        )
        columns = ("BLOCK", "PREFIX", "IN USE", "SERVES", "PEAK")
        yield from titled("Blocks", table(columns, rows, right=columns[2:]))
    if pool["span"]:
        spans = (
            (
                moment(span["begin"]),
                _count(span, "average", pool),
                _count(span, "peak", pool),
                _count(span, "capacity", pool),
                span["refused-requests"],
                f"{span['covered']} %",
            )
            for span in pool["span"]
        )
        names = ("FROM", "AVERAGE", "PEAK", "SERVES", "REFUSED", "WATCHED")
        yield from titled("Over time (UTC)", table(names, spans, right=names[1:]))


def _count(found: Document, name: str, pool: Document | None = None) -> str | None:
    """A count, or a share where the device tells no counts."""
    value: str | None = found.get(name)
    shares = (pool or found).get("kind") == "percent"
    return f"{value} %" if value is not None and shares else value
