"""Samples made into hours, and hours into days. Pure.

A sample stands for the time until the next one, but for no longer than three intervals, or GAP: then nobody looked, and
what was not seen is a gap and not zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import Sample, Span

HOUR, DAY = 3600 * SECOND, 86400 * SECOND
GAP = 900 * SECOND
"""Three times the interval at which devices are polled where nobody said otherwise; it is longer for those that are
polled less often."""

Told = tuple[int, Sample]
"""A sample and the device that told it."""


def gap_of(interval: int) -> int:
    """For how long a sample of a device stands that is polled every `interval` seconds."""
    return max(GAP, 3 * interval * SECOND)


def hour_of(told: Sequence[Told], begin: int, gap: int = GAP) -> Span | None:
    """The hour that begins at `begin`; None where it has no sample. `told`: oldest first, those of the `gap` before
    it too."""
    inside = [sample for _, sample in told if begin <= sample.at < begin + HOUR]
    if not inside:
        return None
    kind = inside[-1].kind
    seen = [sample for _, sample in told if sample.kind == kind and sample.at < begin + HOUR]
    times = [sample.at for sample in seen[1:]] + [begin + HOUR]
    weights = [
        max(min(following, sample.at + gap) - max(sample.at, begin), 0)
        for sample, following in zip(seen, times, strict=True)
    ]
    whole = sum(weights)
    if whole:
        average = sum(s.used * weight for s, weight in zip(seen, weights, strict=True)) // whole
    else:  # all in the last microsecond
        average = inside[-1].used
    return Span(
        Micros(begin),
        kind,
        max(whole * 100 // HOUR, 1),
        _in_units(average, (sample.used for sample in seen)),
        max(sample.used for sample in inside if sample.kind == kind),
        inside[-1].capacity,
        _refused(told, begin),
    )


def day_of(hours: Iterable[Span], begin: int) -> Span | None:
    """The day that begins at `begin`, of those hours of it that there are; None where there are none."""
    known = sorted(hours, key=lambda span: span.begin)
    if not known:
        return None
    kind = known[-1].kind
    alike = [span for span in known if span.kind == kind]
    weight = sum(span.covered for span in alike)
    average = sum(span.average * span.covered for span in alike) // weight
    return Span(
        Micros(begin),
        kind,
        max(weight // 24, 1),
        _in_units(average, (span.average for span in alike)),
        max(span.peak for span in alike),
        alike[-1].capacity,
        sum(span.refused for span in known),
    )


def block_peaks(told: Iterable[Told], begin: int, end: int) -> dict[int, int]:
    """The highest sample of each block from `begin` to before `end`."""
    peaks: dict[int, int] = {}
    for _, sample in told:
        if begin <= sample.at < end:
            for block in sample.blocks:
                peaks[block.block] = max(block.used, peaks.get(block.block, 0))
    return peaks


def merge_peaks(*parts: Mapping[int, int]) -> dict[int, int]:
    """The higher of each."""
    merged: dict[int, int] = {}
    for part in parts:
        for number, peak in part.items():
            merged[number] = max(peak, merged.get(number, 0))
    return merged


def _refused(told: Iterable[Told], begin: int) -> int:
    """Logins refused in the hour: how far the counter of each device went on; one that began anew says all that it
    counts."""
    last: dict[int, int] = {}
    more = 0
    for device, sample in told:
        if sample.refused is None or sample.at >= begin + HOUR:
            continue
        before = last.get(device)
        if sample.at >= begin and before is not None:
            more += sample.refused - before if sample.refused >= before else sample.refused
        last[device] = sample.refused
    return more


def _in_units(average: int, counts: Iterable[int]) -> int:
    """Where all counts are whole multiples of a large power of two (delegated prefixes in addresses), so is their
    average: it is rounded down to one."""
    every = 0
    for count in counts:
        every |= count
    unit = every & -every
    return average - average % unit if unit >= 1 << 28 else average
