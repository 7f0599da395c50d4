"""Usage as a picture: averages, peaks and what could be served, of a few device pools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.base.readings import PERCENT, Span
from casm_ctrl.control.plots import INSTALLED, SHORT, USED, moments, new_figure, save
from casm_ctrl.service.averages import DAY, HOUR
from casm_ctrl.service.usage_report import PoolUsed, UsageReport

MOST = 6
"""Device pools in one picture: the fullest."""


def draw(report: UsageReport, path: Path) -> Sequence[str]:
    """Write the picture; the labels of the device pools in it. InvalidValue where nothing can be drawn."""
    pools = sorted((pool for pool in report.pools if pool.spans), key=_fullness, reverse=True)[:MOST]
    if not pools:
        raise InvalidValue(
            "there is nothing to draw: no device pool has samples of that time", "give a longer --since"
        )
    figure, rows = new_figure(len(pools))
    for axes, pool in zip(rows, pools, strict=True):
        _draw_pool(axes, pool, report.step)
    save(figure, path)
    return [pool.label for pool in pools]


def _draw_pool(axes: Any, pool: PoolUsed, step: str) -> None:
    length = HOUR if step == "hour" else DAY
    for part in _without_gaps(pool.spans, length):
        times = moments([span.begin + length // 2 for span in part])
        averages, peaks = [float(span.average) for span in part], [float(span.peak) for span in part]
        axes.fill_between(times, averages, peaks, color=USED, alpha=0.25, linewidth=0)
        axes.plot(times, averages, color=USED, marker="." if len(part) == 1 else None)
        axes.plot(times, [float(span.capacity) for span in part], color=INSTALLED, linestyle="--")
        refusing = [index for index, span in enumerate(part) if span.refused]
        at = [times[index] for index in refusing]
        axes.plot(at, [peaks[index] for index in refusing], linestyle="", marker="x", color=SHORT)
    words = f"average and peak by {step}, what its blocks serve (dashed), logins refused (x)"
    axes.set_title(f"{pool.label}: {words}", fontsize=9)
    axes.set_ylabel("percent" if pool.spans[-1].kind == PERCENT else "subscribers")
    axes.set_ylim(bottom=0)


def _fullness(pool: PoolUsed) -> tuple[float, str]:
    return max(span.peak / span.capacity if span.capacity else 0.0 for span in pool.spans), pool.label


def _without_gaps(spans: Sequence[Span], length: int) -> list[list[Span]]:
    """Spans that follow each other, apart where one is missing."""
    parts: list[list[Span]] = []
    for span in spans:
        if parts and parts[-1][-1].begin + length == span.begin:
            parts[-1].append(span)
        else:
            parts.append([span])
    return parts
