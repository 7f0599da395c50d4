"""Who gives back what when the stock is empty: by priority, and within a priority so that all are equally full.

A plan is worked out move by move. Each time the device pool that is next gets one block: that of the highest
priority, and of those the one that is fullest for what it wants (demand over capacity). It comes

1. from the stock, while that has one: of each pool that it draws from, in its order;
2. as `idle`, from any device pool that keeps enough for its own demand and its reserve;
3. by `priority`, from one that is below it, whose subscribers are refused then;
4. by `fairness`, from one of its own priority that would still be less full than the taker is now.

A demand is what is used, who waits, and who is expected until the next look; who is full is short of a block. For a
reserve nobody else gives.
So nobody is refused while idle blocks can do, nobody is refused for somebody less important, and within a priority
the fullest is as little full as blocks of one size allow (max-min fairness).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from casm_ctrl.control.deciding.costs import routes_without
from casm_ctrl.control.deciding.demand import block_capacity, measure
from casm_ctrl.control.deciding.view import COUNT, BlockView, PoolView, Stock

IDLE, PRIORITY, FAIRNESS = "idle", "priority", "fairness"
_RULES = (IDLE, PRIORITY, FAIRNESS)
FULLEST = 1e18


@dataclass(frozen=True, slots=True)
class Move:
    """A block that a device pool gives back, so that another gets its space."""

    block: int
    prefix: str
    donor: str
    taker: str
    subscribers: int
    """Who is in it now, and moves to what its device pool keeps."""
    refused: int
    """Who of the donor's demand has no room any more because of it."""
    rule: str
    because: str


@dataclass(frozen=True, slots=True)
class Share:
    """A device pool before and after: what it wants, and what it has for that."""

    label: str
    priority: int
    demand: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be moved. Applied, each donor's block is drained, withdrawn, and rests before the taker gets it."""

    moves: tuple[Move, ...]
    from_stock: tuple[tuple[str, int], ...]
    """(device pool, blocks) that need nobody else's."""
    unmet: tuple[tuple[str, int], ...]
    """(device pool, subscribers) for whom nothing is left."""
    shares: tuple[Share, ...]
    kept: tuple[tuple[str, str], ...]
    """(device pool, why) of those that were not asked to give."""

    @property
    def subscribers(self) -> int:
        """How many have to move."""
        return sum(move.subscribers for move in self.moves)

    @property
    def refused(self) -> int:
        """How many more lose service with their donors."""
        return sum(move.refused for move in self.moves)


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a device pool would give next for a block of some length."""

    block: BlockView
    idle: bool
    """It needs it neither for its demand nor for its reserve."""
    after: float
    """How full it would be without it."""
    rank: tuple[int, float, int, str]
    """Who gives is asked in this order."""


class _Holder:
    """A device pool while the plan is made; it can give its blocks of `pool`."""

    def __init__(self, view: PoolView, pool: str) -> None:
        demand = measure(view)
        self.view, self.label, self.priority = view, view.label, view.policy.priority
        self.demand = demand.due
        self.wanted = demand.expected
        self.before = self.capacity = demand.capacity + demand.coming
        self.count = sum(block.wanted == "present" for block in view.blocks)
        self.floor = max(1, view.policy.min_blocks)
        self.length = view.policy.lengths[-1]
        self.sources = [stock.pool for stock in view.stock] or [pool]
        self.why_kept = _why_kept(view)
        self.blocks = [] if self.why_kept else _cheapest_first(view, pool)
        self.stuck = False
        self.settle()

    def settle(self) -> None:
        """Work out again what is asked of each device pool for each move."""
        self.offers: dict[int, _Offer | None] = {}
        limit = self.view.policy.max_blocks
        self.is_short = 0 < self.demand >= self.capacity and (limit is None or self.count < limit)
        self.turn = (-self.priority, -_fullness(self.demand, self.capacity), self.label)
        """Who is short gets a block in this order."""

    def offer(self, length: int) -> _Offer | None:
        """What it would give for a block of `length`: the cheapest that is idle, else the cheapest."""
        if length not in self.offers:
            self.offers[length] = self._work_out(length)
        return self.offers[length]

    def _work_out(self, length: int) -> _Offer | None:
        found: _Offer | None = None
        for block in self.blocks if self.count > self.floor else ():
            if block.prefix.length > length:
                continue
            left = self.capacity - block.capacity
            idle = self.wanted < left or (self.wanted == 0 and left >= 0)  # who would be full takes it back
            if found is None or idle:
                after = _fullness(self.demand, left)
                found = _Offer(block, idle, after, (self.priority, after, _inside(self, block), self.label))
            if idle:
                break
        return found


def _fullness(demand: int, capacity: int) -> float:
    """Demand over capacity; a device pool without capacity is fuller than any other. Quotients of whole numbers are
    rounded the same way each time, so that equal ones stay equal."""
    return demand / capacity if capacity > 0 else FULLEST + demand


def finest_stock(views: Sequence[PoolView]) -> dict[str, Stock]:
    """What is free of each pool that `views` draw from, by name. Each knows the pieces that hold a block of its own
    and the sum of the rest: who has the smallest blocks knows the most."""
    ordered = sorted(views, key=lambda view: view.policy.lengths[-1])
    return {stock.pool: stock for view in ordered for stock in view.stock}


def share_out(views: Sequence[PoolView], stock: Stock) -> Plan:
    """Plan what the device pools that draw from one pool give to those of them that are short. O(moves x pools).

    `stock`: what that pool has; what others have that they draw from is known by `views`.
    """
    holders = [_Holder(view, stock.pool) for view in sorted(views, key=lambda view: view.label)]
    free = {pool: dict(one.free) for pool, one in (finest_stock(views) | {stock.pool: stock}).items()}
    moves: list[Move] = []
    given: dict[str, int] = {}
    while True:
        takers = [holder for holder in holders if holder.is_short and not holder.stuck]
        if not takers:
            break
        taker = min(takers, key=lambda holder: holder.turn)
        if any(_cut(free[pool], taker.length) for pool in taker.sources):
            given[taker.label] = given.get(taker.label, 0) + 1
            _give(taker)
            continue
        found = _donor(holders, taker)
        if found is None:
            taker.stuck = True
            continue
        donor, block, rule = found
        moves.append(_move(donor, block, taker, rule))
        pieces = free[stock.pool]
        pieces[block.prefix.length] = pieces.get(block.prefix.length, 0) + 1
        _cut(pieces, taker.length)
        _give(taker)
    return Plan(
        moves=tuple(moves),
        from_stock=tuple(sorted(given.items())),
        unmet=tuple((one.label, one.demand - one.capacity) for one in holders if one.demand > one.capacity),
        shares=tuple(Share(one.label, one.priority, one.demand, one.before, one.capacity) for one in holders),
        kept=tuple((one.label, one.why_kept) for one in holders if one.why_kept),
    )


def _why_kept(view: PoolView) -> str:
    """Why a device pool is not asked to give; empty where it is."""
    if view.held is not None:
        return f"held: {view.held}"
    if view.kind != COUNT:
        return f"its usage is told as {view.kind}: nothing proves that a block is empty"
    if not view.can_drain:
        return "the device cannot drain a block"
    if view.loss is not None:
        return f"the device {view.loss.cause}: what is idle proves nothing yet"
    return "" if view.readings else "no reading of it is there"


def _cheapest_first(view: PoolView, pool: str) -> list[BlockView]:
    """What it can give of `pool`, as it would choose: the least used, then what leaves the fewest routes, then the
    youngest."""
    serving = [one for one in view.blocks if one.wanted == "present" and one.state == "installed"]
    routes = routes_without([one.prefix for one in serving])
    told = view.readings[-1].blocks
    ranked = sorted(
        (told.get(one.number, one.used or 0), left, -one.allocated_at, -one.number, index)
        for index, (one, left) in enumerate(zip(serving, routes, strict=True))
        if one.managed and one.pool == pool and (one.number in told or one.used is not None)
    )
    return [serving[rank[-1]] for rank in ranked]


def _donor(holders: Sequence[_Holder], taker: _Holder) -> tuple[_Holder, BlockView, str] | None:
    """The best one to ask: idle before needed, the least important first, then who stays least full."""
    best: tuple[int, _Holder, _Offer] | None = None
    need = -taker.turn[1]
    for holder in holders:
        offer = None if holder is taker else holder.offer(taker.length)
        if offer is None:
            continue
        if offer.idle:
            rule = 0
        elif holder.priority < taker.priority:
            rule = 1
        elif holder.priority == taker.priority and offer.after < need:
            rule = 2
        else:
            continue
        if best is None or (rule, offer.rank) < (best[0], best[2].rank):
            best = rule, holder, offer
    return None if best is None else (best[1], best[2].block, _RULES[best[0]])


def _inside(holder: _Holder, block: BlockView) -> int:
    return holder.view.readings[-1].blocks.get(block.number, block.used or 0)


def _move(donor: _Holder, block: BlockView, taker: _Holder, rule: str) -> Move:
    before = max(0, donor.demand - donor.capacity)
    donor.blocks.remove(block)
    donor.count -= 1
    donor.capacity -= block.capacity
    donor.settle()
    refused = max(0, donor.demand - donor.capacity) - before
    keeps = f"{donor.label} wants {donor.demand} and keeps {donor.capacity}"
    wants = f"{taker.label} wants {taker.demand} and has {taker.capacity}"
    why = {
        IDLE: "nobody needs it",
        PRIORITY: f"its priority is {donor.priority} and that of {taker.label} {taker.priority}",
        FAIRNESS: "the other is fuller still",
    }[rule]
    return Move(
        block=block.number,
        prefix=str(block.prefix),
        donor=donor.label,
        taker=taker.label,
        subscribers=_inside(donor, block),
        refused=refused,
        rule=rule,
        because=f"{wants}; {keeps}: {why}",
    )


def _give(taker: _Holder) -> None:
    taker.count += 1
    taker.capacity += block_capacity(taker.view, taker.length)
    taker.settle()


def _cut(free: dict[int, int], length: int) -> bool:
    """Take a block of `length` out of what is free, from the smallest prefix that holds one."""
    for have in range(length, -1, -1):
        if free.get(have):
            free[have] -= 1
            for rest in range(have + 1, length + 1):
                free[rest] = free.get(rest, 0) + 1
            return True
    return False
