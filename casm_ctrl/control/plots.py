"""Pictures of usage: one style for all, PNG or SVG by the name of the file. matplotlib is imported when one is drawn.

Figures are made without pyplot: nothing global is touched, and no display is looked for. The same numbers give the
same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casm_ctrl.base.errors import InvalidValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH, _HEIGHT = 10.0, 3.2
"""Inches, of a figure and of each row of it."""
USED, INSTALLED, EXPECTED, SHORT = "#0b6fb8", "#8a8a8a", "#c96a00", "#c0232c"
"""Colours that are told apart without red and green, and in grey."""


def check_picture(path: Path) -> None:
    """InvalidValue where no picture can be written at `path`: before long work, not after."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidValue(f"'{path}' names no kind of picture", "end the name with .svg or .png")
    if not path.parent.is_dir():
        raise InvalidValue(f"the picture cannot be written: there is no '{path.parent}'", "make it first")


def new_figure(rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with so many rows, the times of which are the same."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for one in axes:
        one.grid(visible=True, color="#dddddd", linewidth=0.5)
        one.spines[["top", "right"]].set_visible(False)
        one.set_axisbelow(True)
    return figure, list(axes)


def save(figure: Figure, path: Path) -> None:
    """Write it; InvalidValue where that cannot be."""
    import matplotlib

    check_picture(path)
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
    try:
        with matplotlib.rc_context({"svg.hashsalt": "casm"}):
            figure.savefig(path, dpi=110, metadata=metadata)
    except OSError as error:
        raise InvalidValue(
            f"the picture cannot be written to '{path}': {error.strerror}", "choose another place"
        ) from None


def moments(times: Sequence[int]) -> Any:
    """Microseconds since 1970 as the datetimes that a time axis takes (its annotations know of numbers only)."""
    return [_EPOCH + timedelta(microseconds=time) for time in times]
