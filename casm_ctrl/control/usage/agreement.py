"""Which readings agree: one alone never moves a block.

For growth two are enough that say the same, one told and one read at the same moment too. For shrinking they lie a
hold-down apart, all between them say the same, and nothing that happened to the device explains it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.readings import COUNT, Sample

Says = Callable[[Sample], bool]
"""What is asked of a sample: that the device pool is too full, or full enough with a block less."""


def agree_for_growth(samples: Sequence[Sample], says: Says) -> tuple[Sample, Sample] | None:
    """The last two, where both say it; None where they do not. `samples`: oldest first.

    A notice and a poll of one moment are two; what a device told twice of one sample of its own is one.
    """
    if not samples or not says(samples[-1]):
        return None
    last = samples[-1]
    for before in reversed(samples[:-1]):
        if _is_another(before, last):
            return (before, last) if says(before) else None
    return None


def agree_for_shrinking(
    samples: Sequence[Sample], hold_down: float, says: Says
) -> tuple[Sample, Sample] | None:
    """The last, and the newest that is `hold_down` seconds older, where they and all between say it.

    None where one of them is no count, came from a device that had just started, or had lost most of its
    subscribers at once.
    """
    if not samples:
        return None
    last = samples[-1]
    for sample in reversed(samples):
        if sample.kind != COUNT or sample.restarted or sample.suspicious or not says(sample):
            return None
        if last.at - sample.at >= hold_down * SECOND and _is_another(sample, last):
            return sample, last
    return None


def _is_another(before: Sample, last: Sample) -> bool:
    if before.source != last.source:
        return True
    if before.sampled_at is not None and before.sampled_at == last.sampled_at:
        return False
    return before.at != last.at
