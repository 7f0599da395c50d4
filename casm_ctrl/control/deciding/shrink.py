"""When a device pool gives a block back, which one, and how its drain goes on."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.base.clock import SECOND, show_duration
from casm_ctrl.control.deciding.costs import routes_without
from casm_ctrl.control.deciding.demand import Demand, is_scarce, reserve_of
from casm_ctrl.control.deciding.grow import DECISION_BLOCKED, crosses
from casm_ctrl.control.deciding.guards import grieves, is_gentle, room_under, stopped
from casm_ctrl.control.deciding.policy import DAY, MARGIN, Policy, Scarcity
from casm_ctrl.control.deciding.view import (
    COUNT,
    LOST,
    BlockView,
    Decision,
    Drain,
    GiveBack,
    PoolView,
    Reading,
)
from casm_ctrl.control.deciding.words import act, last, leave, shrink_mark, use

DRAIN_OVERDUE = "drain-overdue"
SURPLUS_MARGIN = 5
"""Percent that usage stays below the mark for growing when a block goes that nobody ever used."""
SHOWN = 16
"""How many candidates a record shows."""


def follow_drain(view: PoolView, demand: Demand, now: int) -> Decision | None:
    """How the drain that the loop began goes on; None where there is none. A person's drains are left alone."""
    drain = next((one for one in view.blocks if one.automatic_drain and one.wanted == "drained"), None)
    if drain is None:
        drain = next((one for one in view.blocks if one.automatic_drain and one.state == "draining"), None)
    if drain is None:
        return None
    if drain.wanted == "absent" and (drain.forced or _is_empty(view, drain)):
        return None  # it goes; else somebody came before it did, and is waited for as in any drain
    name, mode = f"b{drain.number} ({drain.prefix})", view.policy.shrink
    if drain.state != "draining" or drain.drained_at is None:
        return leave(view, demand, "draining", f"the device is not yet seen to drain {name}")
    for_time = now - drain.drained_at
    forced = False
    if _is_empty(view, drain):
        rule = "empty"
        words = f"two readings since its drain count nobody in {name}"
    else:
        left = _used(view, drain)
        inside = "the device does not count who is in it" if left is None else f"{left} subscribers are in it"
        overdue = for_time - view.policy.drain_deadline * SECOND
        force_after = view.policy.force_after
        if overdue <= 0:
            return leave(
                view, demand, "draining", f"{name} has been drained for {last(for_time)}, and {inside} still"
            )
        words = (
            f"{name} has been drained for {last(for_time)}, which is longer than drain-deadline "
            f"({show_duration(view.policy.drain_deadline)}), and {inside} still"
        )
        if force_after is None or overdue < force_after * SECOND:
            return leave(view, demand, "drain-overdue", words, alarm=DRAIN_OVERDUE)
        rule, forced = "forced", True
        words += f"; force-after is {show_duration(force_after)}"
    kept = _guarded(view, demand, now, capped=False, surplus=drain.automatic and not drain.ever_used)
    if kept is not None:
        guard, why = kept
        return leave(
            view,
            demand,
            guard,
            f"{words}: it would be given back, but {why}",
            blocked_by=guard,
            alarm=DECISION_BLOCKED,
            mode=mode,
        )
    return act(view, demand, GiveBack(drain.number, forced), rule, f"{words}: it is given back", mode=mode)


def shrink(view: PoolView, demand: Demand, now: int) -> Decision:
    """Which block goes, or why none does."""
    policy = view.policy
    if view.kind != COUNT:
        words = f"its usage is told as {view.kind}, and only counts prove that nobody uses a block"
        return leave(view, demand, "not-counted", words)
    if not view.can_drain:
        return leave(
            view, demand, "no-drain", "the device cannot drain a block, so none is taken back by itself"
        )
    serving = [one for one in view.blocks if one.wanted == "present" and one.state == "installed"]
    floor = max(1, policy.min_blocks)
    surplus = [one for one in serving if one.automatic and not one.ever_used and one.managed]
    if surplus and len(serving) > floor:
        found = _surplus(view, demand, now, serving, surplus)
        if found is not None:
            return found
    scarce = policy.scarcity is Scarcity.APPLY and is_scarce(view)
    if not scarce and not _below(policy, view.readings[-1].used, demand.capacity):
        return leave(view, demand, "between-marks", f"{use(demand.used, demand.capacity)}, {_marks(policy)}")
    idle = f"{use(demand.used, demand.capacity)}, {shrink_mark(policy)}"
    if demand.coming:
        return leave(view, demand, "growing", f"{idle}, but blocks are on their way to it")
    if len(serving) <= floor:
        which = f"min-blocks is {policy.min_blocks}" if policy.min_blocks > 1 else "the last one stays"
        return leave(view, demand, "min-blocks", f"{idle}, but it has {len(serving)} block(s) and {which}")
    recent = _agreeing(view, now)
    if not recent or (not scarce and not all(_below(policy, one.used, demand.capacity) for one in recent)):
        words = f"{idle}, but not in all readings of hold-down ({policy.hold_down}s)"
        return leave(view, demand, "one-reading", words)
    days = 0 if view.first_sample is None else (now - view.first_sample) // (DAY * SECOND)
    if min(days, len(view.peaks)) < (min(policy.history, 1) if scarce else policy.history):
        words = f"{idle}, but samples of {min(days, len(view.peaks))} day(s) are there and history is {policy.history}"
        return leave(view, demand, "history", words)
    used = max(demand.level, *(one.used for one in recent))
    if scarce and view.expected_peak is not None:
        peak, of = view.expected_peak, "is expected in the next hours"
    else:
        peak = max(view.peaks[-policy.history - 1 :], default=0) if policy.history else 0
        of = f"was the peak of {policy.history} days"
    wanted = max(used, peak)
    free = [one for one in serving if one.managed and _used(view, one) is not None]
    if not free:
        return leave(
            view, demand, "not-by-block", f"{idle}, but which block is idle is not known, or none is managed"
        )
    fitting = [one for one in free if _fits(view, wanted, demand.capacity - one.capacity, scarce)]
    if not fitting:
        least = min(free, key=lambda one: one.capacity)
        words = (
            f"{idle}, but without b{least.number} {demand.capacity - least.capacity} would be left, and {wanted} "
            f"{of if wanted == peak else 'is in use'}"
        )
        return leave(view, demand, "peaks", words)
    return _choose(view, demand, now, serving, fitting, "scarcity" if scarce else "idle", idle)


def _surplus(
    view: PoolView, demand: Demand, now: int, serving: Sequence[BlockView], surplus: Sequence[BlockView]
) -> Decision | None:
    """The return of a block that was added and never used: without history and window, after one hold-down. It stays
    where the peak of today or yesterday would bring it back, unless others may need it."""
    policy = view.policy
    rested = now - policy.hold_down * SECOND
    if view.last_grow is not None and rested < view.last_grow <= now:
        return None
    wanted = demand.level if is_scarce(view) else max(demand.level, *view.peaks[-2:], 0)
    if view.loss is not None and view.loss.cause == LOST:
        wanted = max(wanted, view.loss.before)  # all of them may come back
    found = []
    for block in surplus:
        zeros = [one for one in view.readings if one.at >= block.allocated_at and block.number in one.blocks]
        after = demand.capacity - block.capacity
        if (
            block.allocated_at <= rested
            and len(zeros) >= 2
            and not any(one.blocks[block.number] for one in zeros)
            and demand.expected <= after
            and not crosses(policy, wanted + after * SURPLUS_MARGIN // 100, after, block.capacity)
        ):
            found.append(block)
    if not found:
        return None
    words = f"{use(demand.used, demand.capacity)}, and nobody ever used a block that was added by itself"
    return _choose(view, demand, now, serving, found, "surplus", words)


def _choose(
    view: PoolView,
    demand: Demand,
    now: int,
    serving: Sequence[BlockView],
    fitting: Sequence[BlockView],
    rule: str,
    idle: str,
) -> Decision:
    """Drain the one of `fitting` that costs least, if no guard keeps it."""
    routes = dict(
        zip(
            (one.number for one in serving),
            routes_without([one.prefix for one in serving]),
            strict=True,
        )
    )
    ranked = sorted(
        fitting,
        key=lambda one: (_used(view, one) or 0, routes[one.number], -one.allocated_at, -one.number),
    )
    chosen = ranked[0]
    candidates: tuple[dict[str, object], ...] = tuple(
        {
            "block": f"b{one.number}",
            "prefix": str(one.prefix),
            "used": _used(view, one) or 0,
            "routes-after": routes[one.number],
            "chosen": one is chosen,
        }
        for one in ranked[:SHOWN]
    )
    words = f"{idle}: b{chosen.number} ({chosen.prefix}) costs least"
    mode = view.policy.shrink
    kept = _guarded(view, demand, now, capped=True, surplus=rule == "surplus")
    if kept is not None:
        guard, why = kept
        return leave(
            view,
            demand,
            guard,
            f"{words}, but {why}",
            blocked_by=guard,
            alarm=DECISION_BLOCKED if guard in ("hold", "breaker", "clock") else None,
            mode=mode,
            candidates=candidates,
        )
    words += f", with {_used(view, chosen) or 0} subscribers and {routes[chosen.number]} route(s) left"
    return act(view, demand, Drain(chosen.number), rule, words, mode=mode, candidates=candidates)


def _guarded(
    view: PoolView, demand: Demand, now: int, *, capped: bool, surplus: bool
) -> tuple[str, str] | None:
    """(guard, words) of what keeps a block from being taken back. `surplus`: the loop added it, and nobody was ever in
    it: it goes at any time, and who was lost elsewhere cannot come back to it. A restart forgets who was where."""
    policy = view.policy
    stop = stopped(view)
    if stop is not None:
        return stop[0], f"it is {stop[1]}" if stop[0] == "hold" else stop[1]
    mourned = view.loss is not None and not (surplus and view.loss.cause == LOST)
    if view.loss is not None and mourned and grieves(view.loss, demand.used, now):
        words = f"the device {view.loss.cause} {last(now - view.loss.at)} ago with {view.loss.before} in use before"
        return "loss", f"{words}: until they are back, or for a day, what is idle proves nothing"
    if view.clock is not None:
        return "clock", view.clock
    if is_gentle(view, now):
        return "gentle-start", "the controller was away and takes nothing back yet"
    if not capped:
        return None
    if not surplus and not policy.in_window(now):
        return "window", f"blocks are drained from {policy.window_words} only"
    if not surplus:
        serving = [one.changed_at for one in view.blocks if one.wanted == "present"]
        for moment, what in (
            (view.last_grow, "one was added"),
            (view.last_shrink, "one was drained"),
            (max(serving, default=None), "one that serves was changed"),
        ):
            if moment is not None and 0 <= now - moment < policy.hold_down * SECOND:
                return "hold-down", f"{what} {last(now - moment)} ago and hold-down is {policy.hold_down}s"
    room, cap = room_under(view, view.drain_caps, now)
    if cap is not None and not room:
        return "cap", f"{cap.name} is {cap.limit} and {cap.used} were begun"
    return None


def _agreeing(view: PoolView, now: int) -> list[Reading]:
    """The readings of the last hold-down with one before it; empty where they do not reach back so far."""
    since = view.readings[-1].at - view.policy.hold_down * SECOND
    found: list[Reading] = []
    for reading in reversed(view.readings):
        found.append(reading)
        if reading.at <= since and len(found) > 1:
            return found
    return []


def _below(policy: Policy, used: int, capacity: int) -> bool:
    if policy.shrink_at is not None:
        return used * 100 <= policy.shrink_at * capacity
    return capacity - used >= (policy.shrink_at_free or 0)


def _fits(view: PoolView, wanted: int, after: int, scarce: bool) -> bool:
    """Whether what is wanted would stay clear of the mark for growing; when the stock is scarce, with its reserve
    inside of what is left."""
    policy = view.policy
    if scarce:
        return wanted + reserve_of(view, wanted) <= after
    if policy.grow_at is not None:
        return wanted * 100 <= (policy.grow_at - MARGIN) * after
    return after - wanted > (policy.grow_at_free or 0) + after * MARGIN // 100


def _used(view: PoolView, block: BlockView) -> int | None:
    if view.readings:
        told = view.readings[-1].blocks.get(block.number)
        if told is not None:
            return told
    return block.used


def _is_empty(view: PoolView, block: BlockView) -> bool:
    """Whether the two newest readings were taken since the drain was seen, and count nobody in it."""
    if view.kind != COUNT or len(view.readings) < 2 or block.drained_at is None:
        return False
    return all(one.at > block.drained_at and one.blocks.get(block.number) == 0 for one in view.readings[-2:])


def _marks(policy: Policy) -> str:
    grow = f"{policy.grow_at} %" if policy.grow_at is not None else f"{policy.grow_at_free} free"
    shrink = f"{policy.shrink_at} %" if policy.shrink_at is not None else f"{policy.shrink_at_free} free"
    return f"between shrink-at ({shrink}) and grow-at ({grow})"
