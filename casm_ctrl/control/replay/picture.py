"""A replay as a picture: what was wanted, served and installed under each policy, and when there was too little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from casm_ctrl.control.plots import EXPECTED, INSTALLED, SHORT, USED, moments, new_figure, save
from casm_ctrl.control.replay.figures import Figures

_MOST = 1500
"""Points of a line: more than can be seen."""


def draw(replays: Sequence[Figures], path: Path) -> None:
    """Write the picture of one policy, or of two one above the other."""
    figure, axes = new_figure(len(replays) + 1)
    for axis, found in zip(axes, replays, strict=False):
        course = found.course
        each = -(-len(course.times) // _MOST)
        times = moments(course.times[::each])
        axis.plot(times, course.capacity[::each], color=INSTALLED, linewidth=1.2, label="installed")
        axis.plot(times, course.wanted[::each], color=EXPECTED, linewidth=1.0, label="wanted")
        axis.plot(times, course.served[::each], color=USED, linewidth=1.0, label="served")
        axis.set_ylim(bottom=0)
        axis.set_ylabel("subscribers")
        axis.set_title(
            f"{found.policy}: {found.shortage_seconds / 60:,.0f} min of shortage, {found.refused:,} login failures, "
            f"{found.utilisation:.0%} of what is installed in use",
            loc="left",
            fontsize=9,
        )
        axis.legend(loc="lower right", fontsize=8, ncols=3, frameon=False)
    last = axes[len(replays)]
    for found, colour, style in zip(replays, (USED, SHORT), ("-", "--"), strict=False):
        course = found.course
        each = max(
            1,
            round(3600 / max(1, (course.times[-1] - course.times[0]) / 1e6 / max(1, len(course.times) - 1))),
        )
        hours = [sum(course.short[index : index + each]) for index in range(0, len(course.short), each)]
        last.plot(
            moments(course.times[::each]),
            hours,
            color=colour,
            linestyle=style,
            linewidth=1.0,
            label=found.policy,
        )
    last.set_ylim(bottom=0)
    last.set_ylabel("minutes of shortage\nper hour, all device pools")
    last.legend(loc="upper right", fontsize=8, frameon=False)
    last.set_xlabel("UTC")
    save(figure, path)
