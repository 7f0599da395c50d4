"""How full device pools are, against the marks that they have: told when one is crossed, and not again until the
other is.

Only counts say how full a device pool is, and only of blocks that serve: what was not counted is not guessed.
"""

from __future__ import annotations

from casm_ctrl.store import counts
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.transaction import Transaction

VERB = "usage-threshold"
"""How the audit names a crossing; its target is the new level."""
NORMAL, HIGH = "normal", "high"

_CONTROLLER = Author("controller")


def next_level(level: str, used: int, capacity: int, high: int, low: int | None) -> str:
    """The level after a count. `high` and `low` are percents: from `high` on it is high, and stays so until it is
    below `low`, or where there is none, below `high`."""
    if not capacity:
        return level
    if used * 100 >= high * capacity:
        return HIGH
    return NORMAL if used * 100 < (high if low is None else low) * capacity else level


def tell_crossings(tx: Transaction, device_id: int) -> None:
    """Record each device pool on a device that has crossed one of its marks, after its blocks were counted."""
    for pool in counts.marked_pools(tx, device_id):
        used, capacity = counts.pool_fill(tx, pool.id)
        level = next_level(pool.level, used, capacity, pool.high, pool.low)
        if level == pool.level:
            continue
        counts.set_level(tx, pool.id, level)
        mark = f"usage-high is {pool.high} %" if level == HIGH else f"usage-low is {pool.low or pool.high} %"
        words = f"{used * 100 // capacity} % of the addresses counted are in use, {mark}"
        record(tx, _CONTROLLER, [Event(VERB, "device-pool", pool.id, pool.label, target=level, reason=words)])
