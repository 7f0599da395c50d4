"""What is to be done about a device pool now, and why. The same view at the same moment gives the same decision."""

from __future__ import annotations

from casm_ctrl.control.deciding.demand import measure
from casm_ctrl.control.deciding.grow import grow, is_stale, leave_at_mark
from casm_ctrl.control.deciding.shrink import follow_drain, shrink
from casm_ctrl.control.deciding.view import NONE, Decision, PoolView
from casm_ctrl.control.deciding.words import last, leave


def decide(view: PoolView, now: int) -> Decision:
    """Growing comes first: who is refused an address has none, and an idle block only waits.

    One action at a time: where more is to be done, the next call says it.
    """
    demand = measure(view)
    found = grow(view, demand, now)
    if found is not None:
        return found
    if not view.readings:
        told = "its device does not tell usage" if view.kind == NONE else "no reading of it was accepted yet"
        return leave(view, demand, "no-reading", f"{told}: nothing is known of what it needs")
    if is_stale(view, now):
        ago = last(now - view.readings[-1].at)
        return leave(
            view, demand, "stale", f"its last reading is {ago} old: nothing is known of what it needs"
        )
    found, at_mark = follow_drain(view, demand, now), leave_at_mark(view, demand, now)
    if at_mark is not None and at_mark.rule == "one-reading" and (found is None or found.alarm is None):
        found = (
            at_mark  # what is drained may be needed again: the next reading, which is taken at once, decides
        )
    found = found or at_mark
    return shrink(view, demand, now) if found is None else found
