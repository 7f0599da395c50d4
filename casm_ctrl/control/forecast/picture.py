"""The forecast as a picture: what was counted, what is expected, and what can be served, of a few device pools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.control.forecast.exhaustion import peaks
from casm_ctrl.control.forecast.outlook import Course, Outlook
from casm_ctrl.control.forecast.pattern import DAY
from casm_ctrl.control.plots import EXPECTED, INSTALLED, SHORT, USED, moments, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6
"""Device pools in one picture: those that run dry first."""


def draw(outlook: Outlook, path: Path) -> Sequence[str]:
    """Write the picture; the labels of the device pools in it. InvalidValue where nothing can be drawn."""
    courses = [
        course
        for course in outlook.courses
        if course.pattern is not None and outlook.chosen(course.label, *course.demand.sources)
    ]
    if not courses:
        raise InvalidValue(
            "there is nothing to draw: no device pool has two days of samples",
            "'casm forecast' tells what is known of each",
        )
    never = outlook.facts.now + (outlook.days + 1) * DAY
    courses.sort(key=lambda course: (course.exhaustion.likely or never, course.label))
    courses = courses[:MOST]
    figure, rows = new_figure(len(courses))
    for axes, course in zip(rows, courses, strict=True):
        _draw_course(axes, course, outlook)
    save(figure, path)
    return [course.label for course in courses]


def _draw_course(axes: Axes, course: Course, outlook: Outlook) -> None:
    pattern, demand = course.pattern, course.demand
    assert pattern is not None
    days = list(peaks(pattern, outlook.facts.now, outlook.days, course.growths))
    ahead = moments([day * DAY + DAY // 2 for day, _ in days])
    axes.plot(moments([span.begin for span in demand.hours]), [s.peak for s in demand.hours], color=USED)
    axes.fill_between(
        ahead, [b.low for _, b in days], [b.high for _, b in days], color=EXPECTED, alpha=0.25, linewidth=0
    )
    axes.plot(ahead, [band.likely for _, band in days], color=EXPECTED)
    axes.axhline(demand.capacity, color=INSTALLED, linestyle="--")
    if course.exhaustion.likely is not None:
        axes.axvline(moments([course.exhaustion.likely])[0], color=SHORT, linestyle=":")
    axes.set_title(
        f"{course.label}: counted, expected each day, and what its blocks serve (dashed)", fontsize=9
    )
    axes.set_ylabel("subscribers")
    axes.set_ylim(bottom=0)
