"""How many subscribers want of a device pool: those that have something, those that wait, those that come next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.view import BlockView, PoolView, Reading

RETRY = 4
"""Seconds after which a client that was refused asks again at first (RFC 2131, 4.1; PPP's are 3 to 5 s)."""
ONCE = 3 * SECOND
"""Within that, who was refused has not asked again: the counter counts clients."""
MEMORY = 20 * SECOND
"""How long one that was refused counts as waiting: a DHCP client's third retry is 16 s after the second."""
SHORT, LONG = 10 * SECOND, 60 * SECOND
"""A login rate is what holds over both, at least: a burst that is over goes on in the longer one only."""
AHEAD, DAY_HOURS = 6, 24
"""Hours: a block that is not needed for so long is worth moving while the stock is nearly empty."""
MOST_MORE = 150
"""Percent of what was in use at the same hour before, up to which the difference is believed to last."""


@dataclass(frozen=True, slots=True)
class Demand:
    """By the readings."""

    used: int
    """Of all blocks, drained ones too."""
    serving: int
    """What of it is used in blocks that are not drained."""
    waiting: int
    level: int
    """What is wanted now: `used` and `waiting`."""
    rate: float
    """Of logins less logouts, per second; never negative."""
    due: int
    """`level` and who logs in until the next decision can be effective."""
    expected: int
    """`due` and the reserve."""
    capacity: int
    """Of the blocks that serve."""
    coming: int
    """Of the blocks that are on their way."""
    refusing: bool
    """Logins were refused since the reading before the last."""


def measure(view: PoolView) -> Demand:
    """The demand of a device pool."""
    capacity = coming = 0
    drained: list[int] = []
    for block in view.blocks:
        if block.wanted == "present":
            if block.state == "reserved":
                coming += block.capacity
            elif block.state == "installed":
                capacity += block.capacity
            else:  # a drain that was cancelled, and is not yet seen to be
                coming += block.capacity
        else:
            drained.append(block.number)
    readings = view.readings
    if not readings:
        return Demand(0, 0, 0, 0, 0.0, 0, 0, capacity, coming, False)
    last = readings[-1]
    level = _level(readings, len(readings) - 1)
    rate = _rate(readings, level) if len(readings) > 1 else 0.0
    refusing = _refusing(readings)
    if refusing:  # those who wait are known: nobody has to be guessed
        rate = 0.0
    before = view.loss.before if view.loss is not None else 0
    ahead = round(rate * (view.look_every + view.install_time))
    if before > level:  # those who come back have been served before
        ahead = min(ahead, before - level)
    due = level + ahead
    expected = due + reserve_of(view, level)
    serving = serving_used(last, drained)
    return Demand(
        last.used, serving, level - last.used, level, rate, due, expected, capacity, coming, refusing
    )


def is_scarce(view: PoolView) -> bool:
    """Whether little is left of the pools that it draws from."""
    size = sum([stock.size for stock in view.stock])
    return sum([stock.left for stock in view.stock]) * 100 < view.limits.scarce_at * size


def reserve_of(view: PoolView, level: int) -> int:
    """What stays free beyond what is expected; by a policy that spares, one block's worth at the most."""
    policy = view.policy
    reserve = -(-level * policy.reserve // 100)
    if policy.sparing:
        return min(reserve, block_capacity(view, policy.next_length or policy.length))
    return reserve


def peak_ahead(hours: Sequence[int], used: int, ahead: int = AHEAD) -> int | None:
    """The most that is expected in the next `ahead` hours, by the same hours of yesterday and of a week ago, and by
    how much more is in use now than then. `hours`: the peak of each hour, newest last, the last one so far; None where
    they do not reach back a day."""
    if len(hours) <= DAY_HOURS:
        return None
    expected = used
    for back in (DAY_HOURS, 7 * DAY_HOURS):
        here = len(hours) - 1 - back
        if here < 0:
            break
        then = max(hours[here : here + ahead + 1])
        more = used * 100 // hours[here] if hours[here] else 100
        expected = max(expected, then * max(100, min(more, MOST_MORE)) // 100)
    return expected


def serving_used(reading: Reading, drained: Sequence[int]) -> int:
    """What a reading says is used in blocks other than those that are `drained`."""
    if not drained:
        return reading.used
    return max(0, reading.used - sum(reading.blocks.get(number, 0) for number in drained))


def block_capacity(view: PoolView, length: int) -> int:
    """What a new block of `length` will serve."""
    known = view.capacities.get(length)
    if known is not None:
        return known
    like: BlockView | None = next((block for block in view.blocks if block.prefix.length == length), None)
    if like is not None:
        return like.capacity
    width = view.stock[0].width if view.stock else 32
    size = 1 << max(0, width - length)
    return size - 2 if size > 2 else size


def _level(readings: Sequence[Reading], index: int) -> int:
    """What was wanted at a reading: the most that it or one of the seconds before it tells, so that who is between
    two requests is not forgotten, and who was served since is not counted twice."""
    newest = readings[index]
    if not newest.refused:
        return newest.used
    since, level = newest.at - MEMORY, newest.used
    while index >= 0 and readings[index].at >= since:
        if readings[index].refused:
            level = max(level, readings[index].used + _waiting(readings, index))
        index -= 1
    return level


def _waiting(readings: Sequence[Reading], index: int) -> int:
    """How many clients were refused at a reading. Its counter has counted each of them again with each retry."""
    reading, start = readings[index], None
    for before in range(index - 1, -1, -1):
        other = readings[before]
        if other.refused is None or not _same_counter(other, reading):
            break
        if start is not None and reading.at - other.at > ONCE:
            break
        start = other
    begun = start.at if start is not None else reading.refused_since
    if begun is None:
        return 0
    more = (reading.refused or 0) - ((start.refused or 0) if start is not None else 0)
    window = reading.at - begun
    # A device tells of the first that it refuses at once: where none was before, all are of this second.
    calm = start is not None and (start.used < start.capacity or not start.refused)
    if window <= ONCE or (reading.source == "notice" and calm):
        return max(0, more)
    return -(-max(0, more) * RETRY * SECOND // (RETRY * SECOND + window))


def _same_counter(one: Reading, other: Reading) -> bool:
    """Whether two readings count from the same moment on, as far as a device that reckons it by its uptime knows."""
    if one.refused_since is None or other.refused_since is None:
        return one.refused_since is other.refused_since
    return abs(one.refused_since - other.refused_since) <= SECOND


def _refusing(readings: Sequence[Reading]) -> bool:
    last = readings[-1]
    if not last.refused:
        return False
    since, again = last.at - ONCE, False
    for index in range(len(readings) - 2, -1, -1):
        other = readings[index]
        if other.refused is None or not _same_counter(other, last):
            # It began to count a moment ago, and two readings say so: what it counts is refused now.
            return again and last.refused_since is not None and last.at - last.refused_since <= MEMORY
        if other.refused < last.refused:
            return True
        if other.at < since:
            return False
        again = True
    return False


def _rate(readings: Sequence[Reading], level: int) -> float:
    """Logins less logouts per second, at least, over both windows; 0 while no two readings are so far apart.

    A device that is full and does not tell whom it refuses shows no more than it has: then the faster counts. Where
    it told that it refused some, it is known what they need, and what came with them is no rate.
    """
    last = readings[-1]
    rates: list[float] = []
    for window in (SHORT, LONG):
        for index in range(len(readings) - 2, -1, -1):
            apart = last.at - readings[index].at
            if apart >= window:
                if readings[index].refused != last.refused:
                    return 0.0
                rates.append((level - _level(readings, index)) * SECOND / apart)
                break
    if not rates:
        return 0.0
    if last.refused is None and last.used >= last.capacity:
        return max(0.0, *rates)
    return max(0.0, min(rates)) if len(rates) == 2 else 0.0
