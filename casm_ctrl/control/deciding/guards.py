"""What keeps automation from acting: holds, the breaker, caps, a gentle start, and subscribers who were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.policy import DAY, Limits
from casm_ctrl.control.deciding.view import LOST, RESTARTED, Cap, Loss, PoolView, Reading

LOST_PERCENT, LOST_LEAST = 30, 16
"""Subscribers that are gone between two readings, of those that were there and in number, from which on they are
counted as lost: they did not log out one by one."""
LOST_WITHIN = 900 * SECOND
"""Two readings that are further apart do not tell it: nights look alike."""
BACK_PERCENT = 80
"""Of what was in use before, from which on usage is back."""


def notice_loss(
    previous: Reading | None, reading: Reading, restarted_at: int | None, loss: Loss | None
) -> Loss | None:
    """The loss that counts after a reading: a new one, or `loss`, which was known before; None where it is over.

    `restarted_at` is when the device says that it started last.
    """
    if previous is not None:
        before = previous.used if loss is None else max(previous.used, loss.before)
        if restarted_at is not None and previous.at < restarted_at <= reading.at:
            return Loss(at=restarted_at, cause=RESTARTED, before=before)
        gone = previous.used - reading.used
        if (
            gone >= LOST_LEAST
            and gone * 100 >= LOST_PERCENT * previous.used
            and reading.at - previous.at <= LOST_WITHIN
        ):
            return Loss(at=reading.at, cause=LOST, before=before)
    return loss if loss is not None and grieves(loss, reading.used, reading.at) else None


def grieves(loss: Loss | None, used: int, now: int) -> bool:
    """Whether what is idle proves nothing still: usage is not back, and no full day has passed."""
    return loss is not None and used * 100 < BACK_PERCENT * loss.before and now - loss.at < DAY * SECOND


def caps(limits: Limits, kind: str, done: Mapping[str, int]) -> tuple[Cap, ...]:
    """The caps of `kind` (grow or drain). `done`: blocks of the last 3600 s by device_pool, device, pool (of those
    that it draws from, the one with the most) and hour (everywhere); `drains_per_device`: how many go on."""
    names = [f"{kind}_per_{what}" for what in ("device_pool", "device", "pool", "hour")]
    found = [
        Cap(
            name=name.replace("_", "-"), limit=getattr(limits, name), used=done.get(name.split("_per_")[1], 0)
        )
        for name in names
    ]
    if kind == "drain":
        found.append(
            Cap(
                name="drains-per-device",
                limit=limits.drains_per_device,
                used=done.get("drains_per_device", 0),
            )
        )
    return tuple(found)


def is_gentle(view: PoolView, now: int) -> bool:
    return view.gentle_until is not None and now < view.gentle_until


def own_readings(view: PoolView) -> Sequence[Reading]:
    """Those that this controller has made since it began to look."""
    return [reading for reading in view.readings if reading.at >= view.started_at]


def room_under(view: PoolView, found: Sequence[Cap], now: int) -> tuple[int, Cap | None]:
    """How many blocks the caps let through, and the one that lets the fewest; of a gentle start at least one each."""
    room, narrow = 1 << 31, None
    for cap in found:
        limit = cap.limit
        if limit and is_gentle(view, now):
            limit = max(1, limit * view.limits.gentle_percent // 100)
        left = max(0, limit - cap.used)
        if left < room:
            room, narrow = left, cap
    return room, narrow


def stopped(view: PoolView) -> tuple[str, str] | None:
    """(guard, words) where a person or the breaker stops every automatic change."""
    if view.held is not None:
        return "hold", f"held: {view.held}"
    if view.breaker is not None:
        return "breaker", f"the circuit breaker is open: {view.breaker}"
    return None
