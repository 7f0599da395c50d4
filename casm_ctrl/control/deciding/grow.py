"""When a device pool gets blocks, how many, and how long their prefixes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.demand import Demand, block_capacity, is_scarce, serving_used
from casm_ctrl.control.deciding.guards import is_gentle, own_readings, room_under, stopped
from casm_ctrl.control.deciding.policy import Policy
from casm_ctrl.control.deciding.view import BlockView, CancelDrain, Decision, Grow, PoolView
from casm_ctrl.control.deciding.words import act, count_blocks, grow_mark, last, leave, use

DECISION_BLOCKED, POOL_LOW, POOL_EXHAUSTED = "decision-blocked", "pool-low", "pool-exhausted"
"""Types of alarms."""


@dataclass(frozen=True, slots=True)
class Need:
    """Why it grows, how many blocks of which length would be right, and whether logins fail without them."""

    rule: str
    words: str
    count: int
    length: int
    urgent: bool


def crosses(policy: Policy, used: int, capacity: int, block: int) -> bool:
    """Whether so much in use is at the mark for growing. `block` is what a new block serves."""
    if policy.grow_at is None:
        return capacity - used <= (policy.grow_at_free or 0)
    if used * 100 < policy.grow_at * capacity:
        return False
    return not (policy.sparing and capacity - used >= block)


def grow(view: PoolView, demand: Demand, now: int) -> Decision | None:
    """What is to be done so that nobody is refused; None where there is enough."""
    need = _need(view, demand, now)
    if need is None:
        return None
    policy, mode = view.policy, view.policy.grow
    would_add = f"{need.words}: {count_blocks(need.count, need.length)} would be added"
    stop = stopped(view)
    if stop is not None:
        return leave(
            view,
            demand,
            stop[0],
            f"{would_add}, but it is {stop[1]}" if stop[0] == "hold" else f"{would_add}, but {stop[1]}",
            blocked_by=stop[0],
            alarm=DECISION_BLOCKED,
            mode=mode,
        )
    if not need.urgent and view.last_shrink is not None:
        since = now - view.last_shrink
        if 0 <= since < policy.hold_down * SECOND:
            return leave(
                view,
                demand,
                "hold-down",
                f"{would_add}, but the last block was given back {last(since)} ago and hold-down is "
                f"{policy.hold_down}s; what is free is enough until then",
                blocked_by="hold-down",
                mode=mode,
            )
    drain = _drain_to_cancel(view)
    if drain is not None:
        return act(
            view,
            demand,
            CancelDrain(drain.number),
            "cancel-drain",
            f"{need.words}, and b{drain.number} ({drain.prefix}) is being drained: to serve from it again costs less "
            "than a new block",
            mode=mode if policy.shrink is not mode.AUTOMATIC else policy.shrink,
        )
    return _add(view, demand, need, now)


def _need(view: PoolView, demand: Demand, now: int) -> Need | None:
    policy = view.policy
    total = demand.capacity + demand.coming
    present = sum(block.wanted == "present" for block in view.blocks)
    first = policy.first_length or policy.length
    length = first if not view.blocks else policy.next_length or policy.length
    block = block_capacity(view, length)
    if present == 0:
        count = max(1, policy.min_blocks, _blocks_for(demand.expected, block))
        return Need("first-block", "it has no block that serves", _same_length(policy, count), first, True)
    if present < policy.min_blocks:
        count = policy.min_blocks - present
        words = f"it has {present} block(s), and min-blocks is {policy.min_blocks}"
        return Need("min-blocks", words, count, length, False)
    if not view.readings or is_stale(view, now):
        return None
    short = demand.expected > total
    if demand.refusing and short:
        rule = "refused-logins"
        words = f"{demand.waiting} logins wait for what is refused, with {use(demand.used, total)}"
    elif _agree(view, total, 0 if short else block, now):
        rule = "threshold"
        words = f"two readings say {use(demand.serving, total)}, {grow_mark(policy)}"
        if is_gentle(view, now):
            words = f"{view.limits.gentle_readings} {words.removeprefix('two ')}"
        if not short and is_scarce(view):
            return None
    else:
        return None
    count = max(
        1, _blocks_for(demand.expected - total, block), _past_mark(policy, demand.level, total, block)
    )
    words += (
        f", {demand.expected} are expected within {view.look_every + view.install_time:.0f} s at "
        f"{demand.rate:.2g} logins/s and with a reserve of {policy.reserve} %"
    )
    return Need(rule, words, count, length, short)


def _same_length(policy: Policy, count: int) -> int:
    """The first block comes alone where those after it are of another length."""
    same = (policy.first_length or policy.length) == (policy.next_length or policy.length)
    return count if same else 1


def _blocks_for(subscribers: int, block: int) -> int:
    return -(-subscribers // max(1, block)) if subscribers > 0 else 0


def _past_mark(policy: Policy, level: int, total: int, block: int) -> int:
    """The fewest blocks with which so many are not at the mark any more: else the next look would add again."""
    if policy.grow_at is None:
        return max(0, (level + (policy.grow_at_free or 0) - total) // max(1, block) + 1)
    count = (level * 100 - policy.grow_at * total) // max(1, policy.grow_at * block) + 1
    return max(0, min(count, _blocks_for(level + block - total, block)) if policy.sparing else count)


def _agree(view: PoolView, total: int, block: int, now: int) -> bool:
    """Whether the last two readings are at the mark, or as many own ones as a gentle start wants. A `block` of 0
    is for when less than what is expected is free: then a whole block's worth does not suffice."""
    wanted = 2
    readings: Sequence[object] = view.readings
    if is_gentle(view, now):
        wanted, readings = max(2, view.limits.gentle_readings), own_readings(view)
    if len(readings) < wanted:
        return False
    drained = [one.number for one in view.blocks if one.wanted != "present"]
    room = block or total + 1
    policy = view.policy
    return all(crosses(policy, serving_used(one, drained), total, room) for one in view.readings[-wanted:])


def is_stale(view: PoolView, now: int) -> bool:
    """Whether the newest reading is too old to act on: three looks were missed."""
    return now - view.readings[-1].at > max(60.0, 3 * view.look_every + view.install_time) * SECOND


def leave_at_mark(view: PoolView, demand: Demand, now: int) -> Decision | None:
    """Why a device pool that is at its mark gets nothing; None where it is not at its mark."""
    policy = view.policy
    total = demand.capacity + demand.coming
    if not crosses(policy, demand.serving, demand.capacity, demand.capacity + 1):
        return None
    full = f"{use(demand.serving, demand.capacity)}, {grow_mark(policy)}"
    if not crosses(policy, demand.serving, total, total + 1):
        return leave(
            view, demand, "on-its-way", f"{full}, and blocks for {demand.coming} more are on their way"
        )
    block = block_capacity(view, policy.next_length or policy.length)
    room = total - demand.serving
    if not crosses(policy, demand.serving, total, block) and demand.expected <= total:
        words = f"{full}, but {room} are free, as many as a block has, and {demand.expected} are expected at the most"
        return leave(view, demand, "enough-free", words)
    if not _agree(view, total, block if demand.expected <= total else 0, now):
        wanted = max(2, view.limits.gentle_readings) if is_gentle(view, now) else 2
        return leave(view, demand, "one-reading", f"{full}, but not in {wanted} readings")
    words = (
        f"{full}, but less than {view.limits.scarce_at} % of the stock is left, and the {demand.expected} that are "
        "expected fit"
    )
    return leave(view, demand, "enough-while-scarce", words, alarm=POOL_LOW)


def _drain_to_cancel(view: PoolView) -> BlockView | None:
    """The block whose drain is cancelled: that which serves the most."""
    drains = [
        block
        for block in view.blocks
        if block.wanted == "drained" and block.automatic_drain and block.state in ("installed", "draining")
    ]
    return max(drains, key=lambda block: (block.capacity, -block.number)) if drains else None


def _add(view: PoolView, demand: Demand, need: Need, now: int) -> Decision:
    policy, mode = view.policy, view.policy.grow
    total = demand.capacity + demand.coming
    alarm = POOL_EXHAUSTED if demand.level >= total else POOL_LOW
    wanted = f"{need.words}: {count_blocks(need.count, need.length)} would be right"
    if policy.max_blocks is not None and len(view.blocks) >= policy.max_blocks:
        words = f"{wanted}, but it has {len(view.blocks)} and max-blocks is {policy.max_blocks}"
        return leave(view, demand, "max-blocks", words, blocked_by="max-blocks", alarm=alarm, mode=mode)
    short = max(1, demand.expected - total)
    choices = _choices(view, need, short)
    chosen = next((one for one in choices if one["chosen"]), None)
    if chosen is None:
        pools = ", ".join(stock.pool for stock in view.stock) or "no pool"
        words = f"{wanted}, but {pools} has no free block of /{' or /'.join(map(str, policy.lengths))}"
        return leave(
            view, demand, "stock", words, blocked_by="stock", alarm=alarm, mode=mode, candidates=choices
        )
    length, count = int(str(chosen["length"])), int(str(chosen["blocks"]))
    bounds: list[tuple[int, str]] = []
    if policy.max_blocks is not None:
        bounds.append((policy.max_blocks - len(view.blocks), f"max-blocks is {policy.max_blocks}"))
    bounds.append((sum(stock.count(length) for stock in view.stock), "no more are free"))
    room, cap = room_under(view, view.grow_caps, now)
    if cap is not None:
        if not room:
            words = f"{wanted}, but {cap.used} were added within the hour and {cap.name} is {cap.limit}"
            gentle = " (the controller was away and starts gently)" if is_gentle(view, now) else ""
            return leave(
                view,
                demand,
                "cap",
                words + gentle,
                blocked_by="cap",
                alarm=DECISION_BLOCKED,
                mode=mode,
                candidates=choices,
            )
        bounds.append((room, f"{cap.name} lets no more through in this hour"))
    least, why = min(bounds, key=lambda bound: bound[0])
    words = f"{need.words}: {count_blocks(min(count, least), length)}"
    if least < count:
        words += f" instead of {count}, because {why}"
    if length != need.length:
        words += f", smaller than /{need.length} because the stock is nearly empty"
    return act(view, demand, Grow(min(count, least), length), need.rule, words, mode=mode, candidates=choices)


def _choices(view: PoolView, need: Need, short: int) -> tuple[dict[str, object], ...]:
    """The lengths that blocks may have and how many of each would do. Of a stock that is nearly empty the smallest
    one that is enough is taken; and where the right length is not free, the next smaller that is."""
    lengths = [length for length in view.policy.lengths if length >= need.length]
    found: list[dict[str, object]] = []
    for length in lengths:
        block = block_capacity(view, length)
        count = need.count if length == need.length else max(1, _blocks_for(short, block))
        free = sum(stock.count(length) for stock in view.stock)
        found.append({"length": length, "blocks": count, "free": free, "serves": block, "chosen": False})
    possible = [one for one in found if one["free"]]
    if possible:
        pick = possible[0]
        if len(possible) > 1 and is_scarce(view):
            enough = [one for one in possible if one["blocks"] == 1]
            pick = enough[-1] if enough else pick
        pick["chosen"] = True
    return tuple(found)
