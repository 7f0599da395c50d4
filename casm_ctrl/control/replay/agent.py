"""One device pool under a policy: it is looked at, decided about, and what was decided is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.grow import crosses
from casm_ctrl.control.deciding.policy import Policy, Scarcity
from casm_ctrl.control.deciding.view import (
    BlockView,
    CancelDrain,
    Decision,
    Drain,
    GiveBack,
    Grow,
    Nothing,
    PoolView,
)
from casm_ctrl.control.replay.figures import Figures, PoolFigures
from casm_ctrl.control.replay.ledger import DRAIN, GROW, Ledger
from casm_ctrl.control.replay.memory import Memory
from casm_ctrl.control.replay.samples import Series
from casm_ctrl.control.replay.scenario import Polling, capacity_of
from casm_ctrl.control.replay.stock import Stock
from casm_ctrl.control.replay.subscribers import Block, Served, Subscribers

Decide = Callable[[PoolView, int], Decision]
AT_ONCE = 4
"""Decisions in one look: a first block and then others, or one after another kind."""


@dataclass(slots=True)
class Agent:
    """A device pool, its subscribers, and what the controller remembers of it."""

    one: Series
    policy: Policy
    polling: Polling
    install_delay: int
    """Microseconds"""
    subscribers: Subscribers
    pool: str
    stock: Stock
    figures: Figures
    pool_figures: PoolFigures
    decide: Decide | None
    """None: nothing is decided."""
    ledger: Ledger
    memory: Memory
    high: bool = False
    """The device told that usage is above the mark, or a poll saw it: it is looked at more often."""
    coming: list[tuple[int, Block]] = field(default_factory=list)
    """(when it is in running, block), in order."""
    short: float = 0.0
    """Seconds"""
    _last_grow: int | None = None
    _last_shrink: int | None = None
    _numbers: int = 0
    _capacities: dict[int, int] = field(default_factory=dict)

    # --- Blocks ---------------------------------------------------------------------------------

    def begin(self, now: int) -> bool:
        """A block that was there before: a person allocated it. False where there is none."""
        block = self._allocate(self.policy.length, now, automatic=False)
        if block is not None:
            self._install(block)
        return block is not None

    def install_due(self, now: int) -> None:
        """What was allocated is in running, and who waited is served."""
        while self.coming and self.coming[0][0] <= now:
            self._install(self.coming.pop(0)[1])
        self.subscribers.serve_waiting()

    def _allocate(self, length: int, now: int, *, automatic: bool) -> Block | None:
        prefix = self.stock.allocate(length)
        if prefix is None:
            return None
        self._numbers += 1
        block = Block(self._numbers, prefix, self.capacity(length), now, automatic)
        self.subscribers.blocks.append(block)
        return block

    def _install(self, block: Block) -> None:
        block.installed = block.serves = True

    def capacity(self, length: int) -> int:
        """How many subscribers a block of `length` serves here."""
        found = self._capacities.get(length)
        if found is None:
            found = self._capacities[length] = capacity_of(self.one, self.stock.sample(length))
        return found

    # --- Usage ----------------------------------------------------------------------------------

    def mark(self) -> int:
        """How many subscribers (drained blocks' included) the device tells as high."""
        capacity, _, drained = self.subscribers.room()
        policy = self.policy
        if policy.grow_at is not None:
            return drained + -(-capacity * policy.grow_at // 100)
        return drained + max(0, capacity - (policy.grow_at_free or 0))

    def account(self, served: Served) -> None:
        """Count what a stretch of time brought."""
        if served.short or served.refused:
            self.short += served.short
            self.figures.shortage_seconds += served.short
            self.figures.unserved_seconds += served.unserved
            self.figures.refused += served.refused
            self.pool_figures.shortage_minutes += served.short / 60
            self.pool_figures.refused += served.refused

    def restart(self, now: int) -> None:
        """The device restarted."""
        self.subscribers.lose_all()
        self.memory.restarted_at = now

    # --- A look ---------------------------------------------------------------------------------

    def look(self, now: int, source: str = "poll") -> None:
        """Read usage, decide, and do what was decided. A notice, and a block that is found empty, are read again at
        once, so that two readings agree."""
        if self.decide is None:
            return
        if not self.high and self.polling.notifications and self.subscribers.used >= self.mark():
            source = "notice"  # the device tells it at this moment
        self._read(now, source)
        if self.rests():
            if self.subscribers.waiting:  # for stock: nothing else lets it rest then
                self._count_blocked("stock")
            return
        if source != "poll" or any(
            block.drained_at is not None and not block.used for block in self.subscribers.blocks
        ):
            self._read(now, "poll")
        for _ in range(AT_ONCE):
            decision = self.decide(self.view(now), now)
            self.figures.decisions += 1
            if not self._act(decision, now):
                return

    def is_calm(self, wanted: int) -> bool:
        """Whether nothing happens until so many are wanted that would have to be looked at closer."""
        if self.coming:
            return False
        capacity, used, drained = self.subscribers.room()
        if not drained and self._without_stock():
            return True
        if self.subscribers.waiting:
            return False
        level = used + max(0, wanted - self.subscribers.wanted)
        if self._expected(level) > capacity:
            return False
        return self.high or wanted < self.mark()

    def _without_stock(self) -> bool:
        """Whether there is no block that it could get."""
        return not self.stock.view(self.pool).count(self.policy.lengths[-1])

    def rests(self) -> bool:
        """Whether a decision could only be to do nothing, by the marks that policies have: then it is not asked for.
        A test compares replays with and without it."""
        subscribers, policy = self.subscribers, self.policy
        if self.coming or len(subscribers.blocks) < max(1, policy.min_blocks):
            return False
        capacity, least, unused = 0, 0, False
        for block in subscribers.blocks:
            if not block.serves:
                return False
            unused |= not block.ever_used
            capacity += block.capacity
            least = min(least or block.capacity, block.capacity)
        used, left = subscribers.used, capacity - least
        scarce = self.stock.left * 100 < self.ledger.limits.scarce_at * self.stock.size
        if self._expected(used) <= left:
            if unused and self._is_surplus(
                used if scarce else max(used, *self.memory.peaks[-2:]), left, least
            ):
                return False
            if scarce and policy.scarcity is Scarcity.APPLY:
                return False
        if self._is_idle(used, capacity) and self._is_known() and self._fits(left):
            return False
        return self._has_enough(used, capacity) or self._without_stock()

    def _has_enough(self, used: int, capacity: int) -> bool:
        """Whether it is not at the mark for growing, and will not be short at the next look."""
        told, policy = self.memory.told, self.policy
        if self.subscribers.waiting or len(told) < 2:
            return False
        level = used + 5 * max(0, used - told[-2].used) // 4 + 1
        if self._expected(level) > capacity:
            return False
        return not self.high or (policy.sparing and capacity - level >= self._block)

    def _is_surplus(self, wanted: int, left: int, block: int) -> bool:
        """Whether a block that nobody ever used may go, by time and the mark."""
        rested = self.memory.told[-1].at - self.policy.hold_down * SECOND
        lately = self._last_grow is not None and self._last_grow > rested
        return not lately and not crosses(self.policy, wanted, left, block)

    @property
    def _block(self) -> int:
        """How many subscribers the next block would serve."""
        return self.capacity(self.policy.next_length or self.policy.length)

    def _expected(self, level: int) -> int:
        """So many with the reserve that the policy keeps."""
        reserve = -(-level * self.policy.reserve // 100)
        return level + (min(reserve, self._block) if self.policy.sparing else reserve)

    def _is_idle(self, used: int, capacity: int) -> bool:
        policy = self.policy
        if policy.shrink_at is not None:
            return used * 100 <= policy.shrink_at * capacity
        return capacity - used >= (policy.shrink_at_free or 0)

    def _is_known(self) -> bool:
        """Whether there are samples of as many days as a shrink wants."""
        return len(self.memory.peaks) >= self.policy.history

    def _fits(self, capacity: int) -> bool:
        """Whether the peaks of the days that count would not be at the mark with so much capacity."""
        policy = self.policy
        peak = max(self.memory.peaks[-policy.history :], default=0) if policy.history else 0
        if policy.grow_at is not None:
            return peak * 100 < policy.grow_at * capacity
        return capacity - peak > (policy.grow_at_free or 0)

    def _read(self, now: int, source: str) -> None:
        self.memory.note(now, source, self.subscribers)
        self.high = self.subscribers.used >= self.mark()

    def view(self, now: int) -> PoolView:
        """What is known of the device pool at `now`."""
        memory, ledger = self.memory, self.ledger
        whose = (self.one.label, self.one.device, self.pool)
        return PoolView(
            label=self.one.label,
            policy=self.policy,
            limits=ledger.limits,
            role=self.one.role,
            blocks=tuple([self._seen(block) for block in self.subscribers.blocks]),
            readings=memory.readings(),
            look_every=float(self.polling.hot_interval if self.high else self.polling.interval),
            install_time=self.install_delay / SECOND,
            capacities=self._capacities,
            first_sample=memory.first,
            peaks=memory.peaks,
            expected_peak=memory.expected_peak(self.subscribers.used),
            last_grow=self._last_grow,
            last_shrink=self._last_shrink,
            stock=(self.stock.view(self.pool),),
            grow_caps=ledger.caps(GROW, now, *whose),
            drain_caps=ledger.caps(DRAIN, now, *whose),
            loss=memory.loss,
            started_at=memory.first or 0,
        )

    def _seen(self, block: Block) -> BlockView:
        drained = block.drained_at is not None
        return BlockView(
            number=block.number,
            prefix=block.prefix,
            capacity=block.capacity,
            state="draining" if drained else "installed" if block.installed else "reserved",
            wanted="drained" if drained else "present",
            used=block.used if block.installed else None,
            automatic=block.automatic,
            ever_used=block.ever_used,
            allocated_at=block.allocated_at,
            drained_at=block.drained_at,
            automatic_drain=drained,
            pool=self.pool,
        )

    # --- What was decided -----------------------------------------------------------------------

    def _act(self, decision: Decision, now: int) -> bool:
        """Do it; true where it is worth deciding again at once."""
        figures, action = self.figures, decision.action
        if decision.blocked_by is not None:
            self._count_blocked(decision.blocked_by)
        if decision.would or isinstance(action, Nothing):
            return False
        figures.rules[decision.rule] = figures.rules.get(decision.rule, 0) + 1
        if isinstance(action, Grow):
            return self._grow(action, now)
        block = next(one for one in self.subscribers.blocks if one.number == action.block)
        if isinstance(action, Drain):
            block.drained_at, block.serves = now, False
            figures.drains += 1
            figures.touched += block.used
            self.ledger.note(DRAIN, now, self.one.label, self.one.device, self.pool, 1)
            self.ledger.drain_goes_on(self.one.device, 1)
            self._last_shrink = now
        elif isinstance(action, CancelDrain):
            block.drained_at, block.serves = None, True
            figures.cancelled += 1
            self.ledger.drain_goes_on(self.one.device, -1)
        elif isinstance(action, GiveBack):
            if block.drained_at is None:
                self._last_shrink = now
            else:
                self.ledger.drain_goes_on(self.one.device, -1)
            figures.returned += 1
            figures.cut += self.subscribers.cut(block)
            self.stock.give_back(block.prefix, now, forced=action.forced)
            return False
        return True

    def _count_blocked(self, guard: str) -> None:
        blocked = self.figures.blocked
        blocked[guard] = blocked.get(guard, 0) + 1

    def _grow(self, action: Grow, now: int) -> bool:
        added = 0
        for _ in range(action.count):
            block = self._allocate(action.length, now, automatic=True)
            if block is None:
                break
            added += 1
            self.coming.append((now + self.install_delay, block))
        self.figures.added += added
        if added:
            self._last_grow = now
            self.ledger.note(GROW, now, self.one.label, self.one.device, self.pool, added)
            self.coming.sort(key=lambda due: due[0])
        return bool(added)


def first_blocks(agent: Agent, wanted: int) -> int:
    """How many blocks a person would have installed for so many subscribers: with them it is below the mark."""
    length, policy = agent.policy.length, agent.policy
    each = agent.capacity(length)
    count = -(-wanted // each)
    while policy.grow_at is not None and count and wanted * 100 >= policy.grow_at * count * each:
        count += 1
    while policy.grow_at_free is not None and count * each - wanted <= policy.grow_at_free:
        count += 1
    return max(count, policy.min_blocks)
