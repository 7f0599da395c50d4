"""From what the store knows of a device pool to what a decision is made from, and from a decision to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.readings import PERCENT, Sample
from casm_ctrl.control.deciding import guards
from casm_ctrl.control.deciding.demand import peak_ahead
from casm_ctrl.control.deciding.policy import Policy, Scarcity
from casm_ctrl.control.deciding.view import (
    BlockView,
    CancelDrain,
    Cap,
    Decision,
    Drain,
    GiveBack,
    Grow,
    Loss,
    PoolView,
    Reading,
    Stock,
)
from casm_ctrl.service import automatic
from casm_ctrl.service.decisions import NOTHING, Made
from casm_ctrl.service.pool_facts import BlockFacts, DeviceFacts, PoolFacts, StockFacts
from casm_ctrl.store.states import State, Wanted

_GONE = (State.QUARANTINED, State.WITHDRAWING)


@dataclass(frozen=True)
class Way:
    """What a device can: `kind` of its usage, and whether it drains. `look_every`: seconds to the next look."""

    kind: str
    can_drain: bool
    look_every: float


def view_of(facts: DeviceFacts, pool: PoolFacts, way: Way) -> PoolView:
    row, history = pool.row, pool.history
    scale = scale_of(pool) if way.kind == PERCENT else None
    readings = tuple(reading_of(sample, scale) for sample in pool.samples)
    told = dict(readings[-1].blocks) if readings else {}
    counted = pool.samples[-1:] if scale is None else ()
    capacities = {reading.block: reading.capacity for sample in counted for reading in sample.blocks}
    blocks = tuple(
        _block_view(block, told, capacities) for block in pool.blocks if block.row.state not in _GONE
    )
    peaks = history.peaks
    if scale is not None:
        peaks = tuple(-(-peak * sum(scale.values()) // 100) for peak in peaks)
    watch, policy = facts.watch, policy_of(facts, pool)
    ahead = None
    if policy.scarcity is Scarcity.APPLY and readings and scale is None:
        ahead = peak_ahead(history.hours, readings[-1].used)
    return PoolView(
        label=row.label,
        policy=policy,
        limits=facts.limits,
        role=facts.device.role,
        kind=way.kind,
        can_drain=way.can_drain,
        blocks=blocks,
        readings=readings,
        look_every=way.look_every,
        capacities=dict(pool.serves) | {block.prefix.length: block.capacity for block in blocks},
        first_sample=history.first_sample,
        peaks=peaks,
        expected_peak=ahead,
        last_grow=pool.control.grown_at,
        last_shrink=pool.control.shrunk_at,
        stock=tuple(_stock_view(stock) for stock in pool.stock),
        held=pool.held,
        breaker=_breaker(facts),
        clock=automatic.CLOCK_HELD if facts.clock_held else None,
        grow_caps=_caps(facts, pool, "grow"),
        drain_caps=_caps(facts, pool, "drain"),
        loss=None if pool.control.loss is None else loss_of(pool.control.loss),
        started_at=0 if watch is None else watch.since,
        gentle_until=None if watch is None else watch.gentle_until,
    )


def policy_of(facts: DeviceFacts, pool: PoolFacts) -> Policy:
    row = pool.row
    given = vars(pool.automation) | {
        "length": row.length,
        "first_length": row.first_length,
        "next_length": row.next_length,
        "min_blocks": row.min_blocks,
        "max_blocks": row.max_blocks,
    }
    return Policy.of(facts.device.role, given, usage_high=row.usage_high)


def scale_of(pool: PoolFacts) -> dict[int, int]:
    """What the blocks that the device serves have room for, by number: what a device's percents are of."""
    return {
        block.row.id: block.capacity
        for block in pool.blocks
        if block.row.state in (State.INSTALLED, State.DRAINING)
    }


def reading_of(sample: Sample, scale: Mapping[int, int] | None = None) -> Reading:
    """A sample in subscribers. `scale`: where it is in percents, those of which."""
    used, capacity = sample.used, sample.capacity
    blocks = {block.block: block.used for block in sample.blocks}
    if scale is not None:
        capacity = sum(scale.get(number, 0) for number in blocks) or sum(scale.values())
        used = -(-sample.used * capacity // 100)
        blocks = {n: -(-percent * scale[n] // 100) for n, percent in blocks.items() if n in scale}
    return Reading(
        at=sample.at,
        source=sample.source,
        used=used,
        capacity=capacity,
        refused=sample.refused,
        refused_since=sample.refused_since,
        blocks=blocks,
    )


def loss_of(known: tuple[int, str, int]) -> Loss:
    return Loss(at=known[0], cause=known[1], before=known[2])


def _block_view(block: BlockFacts, told: Mapping[int, int], capacities: Mapping[int, int]) -> BlockView:
    row, known = block.row, block.controlled
    draining = row.wanted.value != "present"
    begun: int | None = row.changed_at
    if row.wanted is Wanted.ABSENT and known is not None:
        begun = known.drained_at  # the row's moment is that of its release
    return BlockView(
        number=row.id,
        prefix=row.prefix,
        capacity=capacities.get(row.id, block.capacity),
        state=row.state.value,
        wanted=row.wanted.value,
        used=told.get(row.id, row.used),
        automatic=known is not None and known.added_by is not None,
        ever_used=known is None or known.used or bool(row.used),
        allocated_at=row.allocated_at,
        changed_at=row.changed_at,
        drained_at=begun if row.state is State.DRAINING else None,
        automatic_drain=draining and known is not None and known.drained_by is not None,
        forced=known is not None and known.forced,
        managed=block.managed,
        pool=row.pool,
    )


def _stock_view(stock: StockFacts) -> Stock:
    """What is free in pieces too small for a block counts for how full the pool is, and for no block."""
    width = stock.pool.family.width
    free = dict(stock.free)
    rest = stock.total_free - sum(number << max(0, width - length) for length, number in free.items())
    if rest > 0:
        free[width] = free.get(width, 0) + rest
    return Stock(pool=stock.pool.name, size=stock.size, free=free, width=width)


def _breaker(facts: DeviceFacts) -> str | None:
    """Why all automatic changes are stopped; None where they are not, or the time of that is over: the change itself
    closes the breaker then."""
    breaker, reset = facts.breaker, facts.limits.breaker_reset
    if not breaker.open or breaker.opened_at is None:
        return None
    if reset and breaker.opened_at + reset * SECOND <= facts.now:
        return None
    return breaker.reason or "it was stopped"


def _caps(facts: DeviceFacts, pool: PoolFacts, kind: str) -> tuple[Cap, ...]:
    """Of the pools that it draws from, the one from which most was taken counts."""
    done = {"device_pool": 0, "device": 0, "hour": 0}
    by_pool = {stock.pool.id: 0 for stock in pool.stock}
    for action, device_pool, device, source, count in facts.changes:
        if action == kind:
            done["hour"] += count
            done["device_pool"] += count * (device_pool == pool.row.id)
            done["device"] += count * (device == facts.device.id)
            if source in by_pool:
                by_pool[source] += count
    done["pool"] = max(by_pool.values(), default=0)
    return guards.caps(facts.limits, kind, done | {"drains_per_device": facts.drains})


# --- The record -----------------------------------------------------------------------------------


def made_of(facts: DeviceFacts, pool: PoolFacts, decision: Decision) -> Made:
    action = decision.action
    blocks: Sequence[tuple[int, int]] = ()
    word = NOTHING
    if isinstance(action, Grow):
        word = automatic.GROW
    elif isinstance(action, (Drain, CancelDrain, GiveBack)):
        word = {
            Drain: automatic.DRAIN,
            CancelDrain: automatic.CANCEL_DRAIN,
            GiveBack: automatic.GIVE_BACK,
        }[type(action)]
        blocks = [(block.row.id, block.row.pool_id) for block in pool.blocks if block.row.id == action.block]
    return Made(
        device_pool_id=pool.row.id,
        device_pool=pool.row.label,
        device_id=facts.device.id,
        action=word,
        rule=decision.rule,
        because=decision.because,
        blocked_by=decision.blocked_by,
        would=decision.would,
        inputs=decision.inputs,
        candidates=decision.candidates,
        blocks=blocks,
    )
