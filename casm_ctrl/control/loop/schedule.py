"""When a device is looked at next: pure, from its polling, what was seen, and chance."""

from __future__ import annotations

from collections.abc import Iterable

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.polling import Polling
from casm_ctrl.control.deciding.demand import measure
from casm_ctrl.control.deciding.grow import crosses
from casm_ctrl.control.deciding.view import Decision, PoolView

SPREAD = 0.2
"""Up to this part of an interval is left off by chance, so that devices are not looked at in step. Never more is added:
a policy's reaction is promised within the interval."""
NEAR = 10
"""Percent below the mark for growing from which on a device pool is hot."""
SOON = 2.0
"""Seconds until the second look that is to agree with one, where something waits for it."""
EAGER = 8
"""Looks in a row, each because the device told of one pool, that changed nothing: after so many the next ones wait. A
pool that is full and gets nothing is told of each second for as long as somebody asks."""
FIRST_PAUSE = 10
"""Seconds after which a device that did not answer is asked again; doubled each time."""
_LATE = SECOND // 5
"""So long after the moment that something waits for: readings are dated by the store's clock, after the answer."""


def next_look(now: Micros, polling: Polling, *, hot: bool, moments: Iterable[int], chance: float) -> Micros:
    """After a look that succeeded. `chance`: 0 to 1. `moments`: when something is due, as `due_moments` tells."""
    seconds = polling.hot_interval if hot else polling.interval
    regular = now + round(seconds * (1 - SPREAD * chance) * SECOND)
    return Micros(min([regular, *(moment + _LATE for moment in moments if moment > now)]))


def rest_after(vain: int, polling: Polling) -> float:
    """Seconds until a device is looked at again that told of a pool, after so many looks in vain for that reason."""
    return min(2.0 ** min(vain - EAGER, 16), polling.hot_interval) if vain >= EAGER else 0.0


def pause_after(failures: int, polling: Polling, chance: float) -> float:
    """Seconds until a device is asked again after the look that was the `failures`-th in a row to fail."""
    seconds = min(FIRST_PAUSE << min(failures - 1, 16), max(polling.interval, FIRST_PAUSE))
    return seconds * (1 - SPREAD * chance)


def is_hot(view: PoolView, now: int) -> bool:
    """Whether the device pool is near to where it grows, has grown within its hold-down, or something of it is on its
    way."""
    if view.last_grow is not None and now - view.last_grow < view.policy.hold_down * SECOND:
        return True
    if any(block.state in ("reserved", "withdrawing") or block.automatic_drain for block in view.blocks):
        return True
    if not view.readings:
        return False
    last, policy = view.readings[-1], view.policy
    if policy.grow_at is not None:
        return last.used * 100 >= (policy.grow_at - NEAR) * last.capacity
    free = last.capacity - last.used
    return free <= 2 * (policy.grow_at_free or 0) or last.used * 100 >= (100 - NEAR) * last.capacity


def wants_agreement(view: PoolView, decision: Decision) -> bool:
    """Whether only a second reading is missing for a device pool that is too full: it is taken at once."""
    if decision.rule != "one-reading" or not view.readings:
        return False
    demand = measure(view)
    return crosses(view.policy, demand.serving, demand.capacity, demand.capacity + 1)


def due_moments(view: PoolView, now: int) -> list[int]:
    """When something is to be decided that a regular look would find late: a hold-down that ends, the second of two
    readings that are to agree."""
    rest = view.policy.hold_down * SECOND
    changed = [moment for moment in (view.last_grow, view.last_shrink) if moment is not None]
    if changed:
        changed += [reading.at for reading in view.readings if reading.at > max(changed)][:1]
    found = [moment + rest for moment in changed]
    for block in view.blocks:
        if block.automatic_drain and block.drained_at is not None:
            last = view.readings[-1].blocks.get(block.number) if view.readings else None
            if block.state == "draining" and last == 0:
                found.append(now + round(SOON * SECOND))
            found.append(block.drained_at + view.policy.drain_deadline * SECOND)
    return found
