"""`casm forecast`: when device pools, pools and address spaces run dry."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.cli import complete
from casm_ctrl.cli.call import Answer, Call, Document, command

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer, panel: str) -> None:
    command(
        app,
        "forecast",
        panel=panel,
        examples=(
            "casm forecast",
            "casm forecast bng1/home",
            "casm forecast public-v4 --horizon 52w",
            "casm forecast --growth region=north:+20% --growth all:+5%@26w",
            "casm forecast bng1/home --plot home.svg",
            "casm forecast --json",
        ),
    )(forecast)


def forecast(
    call: Call,
    subject: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT]...",
            help="Device pools (DEVICE/NAME), devices, pools or address spaces. Default: all.",
            show_default=False,
            autocompletion=complete.forecast_subjects,
        ),
    ] = None,
    horizon: Annotated[
        str, typer.Option("--horizon", metavar="TIME", help="How far to look ahead, as 26w or 180d.")
    ] = "180d",
    growth: Annotated[
        list[str] | None,
        typer.Option(
            "--growth",
            metavar="WHO:±N%[@TIME]",
            help="What if: subscribers that come or go beside what the past says, at once or within TIME. WHO is a "
            "label of a device or pool (region=north), a device pool, a device, a pool, or all. May be repeated.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the device pools that run dry first, as .svg or .png."
        ),
    ] = None,
) -> Answer:
    """Tell when what is installed, and what is in stock, will not be enough.

    Learned from what was counted: growth, and the pattern of the day and, from two weeks of samples on, of the
    week. Of each time there is an earliest and a latest one: nine times in ten it is later, or earlier.
    """
    from casm_ctrl.base.clock import parse_duration
    from casm_ctrl.control.forecast.growth import Growth
    from casm_ctrl.control.forecast.outlook import LONGEST, look_ahead
    from casm_ctrl.control.plots import check_picture

    days = parse_duration(horizon) // 86400
    if not 1 <= days <= LONGEST:
        raise InvalidValue(f"--horizon {horizon} is {days} days", f"give 1d to {LONGEST}d")
    growths = [Growth.parse(text) for text in growth or ()]
    if plot is not None:
        check_picture(plot)
    outlook = look_ahead(call.database, subject or (), days=days, growths=growths)
    found = outlook.document()
    if plot is not None:
        from casm_ctrl.control.forecast.picture import draw

        found["picture"] = {"file": str(plot), "device-pool": draw(outlook, plot)}
    return Answer({"forecast": found}, lambda: _show(found))


def _show(found: Document) -> Iterable[RenderableType]:
    from casm_ctrl.cli.output import table

    if not found["device-pool"] and not found["pool"]:
        yield "There is nothing to forecast: no device pool and no pool."
        return
    if found["growth"]:
        yield f"What if: {', '.join(found['growth'])}."
    never = "\uffff"
    if found["device-pool"]:
        columns = (
            *("DEVICE POOL", "IN USE", "SERVES", "GROWTH"),
            *("RUNS DRY", "EARLIEST", "LATEST", "NO BLOCK LEFT", "KNOWN BY"),
        )
        rows = sorted(found["device-pool"], key=lambda one: (one.get("exhausted", never), one["device-pool"]))
        yield table(
            columns,
            (
                (
                    one["device-pool"],
                    _number(one.get("used")),
                    _number(one["capacity"]),
                    f"{float(one['growth-per-week']):+.1f} %/week" if "growth-per-week" in one else None,
                    *_times(one, found["horizon"]),
                    one["no-block-left"][:10] if "no-block-left" in one else None,
                    _known(one),
                )
                for one in rows
            ),
            right=("IN USE", "SERVES", "GROWTH"),
        )
    for kind, title in (("pool", "POOL"), ("address-space", "ADDRESS SPACE")):
        rows = sorted(found[kind], key=lambda one: (one.get("exhausted", never), one[kind]))
        if rows:
            yield ""
            yield table(
                (title, "FREE", "RUNS DRY", "EARLIEST", "LATEST"),
                (
                    (
                        f"{one[kind]} {one['family']}" if "family" in one else one[kind],
                        f"{one['free-percent']} %",
                        *_times(one, found["horizon"]),
                    )
                    for one in rows
                ),
                right=("FREE",),
            )
    if "picture" in found:
        yield ""
        yield f"Drawn in {found['picture']['file']}: {', '.join(found['picture']['device-pool'])}."


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _times(one: Document, horizon: int) -> tuple[str | None, str | None, str | None]:
    """The three times; days are enough for what lies weeks ahead."""
    if one.get("pattern") == "none":
        return None, None, None
    beyond = f"not in {horizon} days"
    likely = one["exhausted"][:16].replace("T", " ") if "exhausted" in one else beyond
    earliest = one["earliest"][:10] if "earliest" in one else None
    return likely, earliest, one["latest"][:10] if "latest" in one else None


def _known(one: Document) -> str:
    if one["pattern"] == "none":
        return "fewer than 2 days of samples"
    return f"{one['history-days']} days, by the {one['pattern']}"
