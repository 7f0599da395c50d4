"""What a decision about a device pool is made from, and what it says. Values only.

Moments are microseconds since 1970, lengths of time are seconds, and usage is counted in what the pool serves:
addresses, delegated prefixes or port sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.control.deciding.policy import Limits, Policy

COUNT, PERCENT, NONE = "count", "percent", "none"
"""How a device tells usage: only counts prove emptiness, percentages are estimates, none is no reading at all."""
RESTARTED, LOST = "restarted", "lost its subscribers"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockView:
    """A block of the device pool. Those that are withdrawn, quarantined or free are not of it."""

    number: int
    prefix: Prefix
    capacity: int
    """How many subscribers it can serve."""
    state: str = "installed"
    """reserved, installed, draining or withdrawing."""
    wanted: str = "present"
    """present, drained or absent."""
    used: int | None = None
    """By the newest reading; None where the device does not tell it by block."""
    automatic: bool = False
    """The loop added it, no person did."""
    ever_used: bool = True
    """A reading since it was allocated found a subscriber in it."""
    allocated_at: int = 0
    changed_at: int = 0
    """When it became what it is, or something else was wanted of it, by whomever."""
    drained_at: int | None = None
    """Since when the device was seen to drain it (state draining); None before that."""
    automatic_drain: bool = False
    """The loop asked for the drain: a person's drains are left alone."""
    forced: bool = False
    """It was given back with the subscribers that are in it."""
    managed: bool = True
    """False: it was adopted, and nobody has said yet that it may be taken back."""
    pool: str = ""
    """The pool that it was cut from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a device said of the device pool at one moment, and was believed (control.usage judges that)."""

    at: int
    source: str = "poll"
    """poll or notice."""
    used: int
    """Of all its blocks, drained ones too."""
    capacity: int
    """Of what the device serves from, as it was then."""
    refused: int | None = None
    """The device's counter of refused requests; who asks again is counted again. None: it has none."""
    refused_since: int | None = None
    """When that counter began."""
    blocks: Mapping[int, int] = field(default_factory=dict)
    """What of it is used in which block, by number; a block that the device did not tell is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What is free of a pool that the device pool draws from."""

    pool: str
    size: int
    """Of the whole pool, in values of its family (a /24 of IPv4 has 256)."""
    free: Mapping[int, int]
    """How many free prefixes of which length there are, as they lie: two free halves of a block are not one."""
    width: int = 32
    """The bits of its family: 32, 128, or 48 for port sets."""

    def count(self, length: int) -> int:
        """How many blocks of `length` can be cut."""
        return sum(number << (length - have) for have, number in self.free.items() if have <= length)

    @property
    def left(self) -> int:
        """What of `size` is free."""
        return sum(number << (self.width - have) for have, number in self.free.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """How much of something may still be done in this hour."""

    name: str
    """The leaf that sets it, as grow-per-device."""
    limit: int
    used: int
    """What was done in the last 3600 s, or goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Usage fell without subscribers having left one by one: until it is back, what is idle proves nothing."""

    at: int
    cause: str
    """RESTARTED or LOST."""
    before: int
    """What was in use before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """All that is known of a device pool when it is decided about."""

    label: str
    """DEVICE/NAME."""
    policy: Policy
    limits: Limits
    role: str = "bng"
    kind: str = COUNT
    can_drain: bool = True
    blocks: tuple[BlockView, ...] = ()
    readings: tuple[Reading, ...] = ()
    """Newest last; all of the last `hold_down` seconds, and the newest one before those."""
    look_every: float = 30.0
    """Seconds until the device pool is looked at again."""
    install_time: float = 5.0
    """Seconds from a decision until the block serves."""
    capacities: Mapping[int, int] = field(default_factory=dict)
    """What a new block serves, by length; where a length is left out: as blocks of that length that it has, else
    all its addresses less two."""
    first_sample: int | None = None
    """When its history begins."""
    peaks: tuple[int, ...] = ()
    """The highest usage of each of the last days that has samples, newest last: the last one is today's so far."""
    expected_peak: int | None = None
    """The most that its pattern of day and week lets expect in the next hours; None: not known. What a device pool
    gives back when the stock is scarce is measured by it."""
    last_grow: int | None = None
    last_shrink: int | None = None
    """When a drain or a return was last begun; one that was cancelled counts."""
    stock: tuple[Stock, ...] = ()
    """In the order in which the device pool draws from them."""
    held: str | None = None
    """What a person holds back, and why: as `device bng1: maintenance`."""
    breaker: str | None = None
    """Why all automatic changes are stopped."""
    clock: str | None = None
    """Why times are not known, and nothing is taken back because of them."""
    grow_caps: tuple[Cap, ...] = ()
    drain_caps: tuple[Cap, ...] = ()
    loss: Loss | None = None
    """The last one of the device; `guards.notice_loss` finds it."""
    started_at: int = 0
    """Since when this controller looks at the device pool without a gap of `away_after` seconds."""
    gentle_until: int | None = None
    """It was away before that, and goes gently until then."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Leave it as it is."""


@dataclass(frozen=True, slots=True)
class Grow:
    """Allocate `count` blocks of `length` and install them."""

    count: int
    length: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Let the device give out nothing new from a block (its number)."""

    block: int


@dataclass(frozen=True, slots=True)
class CancelDrain:
    """Let the device give out from it again."""

    block: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Release a drained block. `forced`: with the subscribers that are still in it."""

    block: int
    forced: bool = False


Action = Nothing | Grow | Drain | CancelDrain | GiveBack
NOTHING = Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, and why."""

    action: Action
    rule: str
    """The rule that decided, by its name in docs/policy-reasons.md."""
    because: str
    """One sentence with the numbers."""
    inputs: Mapping[str, object]
    candidates: tuple[Mapping[str, object], ...] = ()
    """What else could have been done, each with its cost; the chosen one has chosen: true."""
    blocked_by: str | None = None
    """The guard that keeps back what was to be done: hold, breaker, cap, stock, gentle-start …"""
    would: bool = False
    """The mode is observe: it is only told."""
    alarm: str | None = None
    """The type of alarm that `because` is the text of."""
