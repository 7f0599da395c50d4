"""What a replay is of besides usage: the policies of device pools, and the pools that their blocks come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from casm_ctrl.addressing.capacity import GatewayKind, gateway_address, served_addresses
from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.base.errors import CasmError, InvalidValue
from casm_ctrl.control.deciding.policy import Policy
from casm_ctrl.control.replay.samples import Series

DEFAULT_LENGTH = 24
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Polling:
    """How a device is watched: seconds."""

    interval: int = 300
    hot_interval: int = 30
    notifications: bool = True


@dataclass(frozen=True, slots=True)
class PoolSize:
    """How much space a pool has. One of the four is given."""

    prefixes: tuple[Prefix, ...] | None = None
    blocks: int | None = None
    """So many of the smallest blocks that are cut from it."""
    times_needs: float | None = None
    """So many times the peak of the sum of needs, each rounded up to whole blocks, and what rests at most."""
    times_subscribers: float | None = None
    """So many times the peak of the sum of subscribers."""


NEEDS = PoolSize(times_needs=1.15)
SUBSCRIBERS = PoolSize(times_subscribers=1.15)


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a policy file says of one pool."""

    size: PoolSize | None = None
    quarantine: int | None = None
    """Seconds"""
    lease_time: int | None = None
    """Seconds that the longest lease of a subscriber lasts."""
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DevicePoolPlan:
    """What a policy file says of the device pools whose labels match a pattern."""

    pattern: str
    pool: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One policy to replay. Values of a policy are by field of `Policy`."""

    name: str
    static: bool = False
    """Nothing is decided: each device pool has its equal share of its pool for ever."""
    policy: Mapping[str, Any] = field(default_factory=dict)
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pools: Mapping[str, PoolPlan] = field(default_factory=dict)
    device_pools: tuple[DevicePoolPlan, ...] = ()
    polling: Polling = Polling()
    install_delay: int = 2
    """Seconds from a decision to the block in running."""

    def pool_of(self, one: Series) -> str:
        """The pool that a device pool draws from."""
        pool = one.pool
        for plan in self.device_pools:
            if plan.pool is not None and fnmatchcase(one.label, plan.pattern):
                pool = plan.pool
        return pool or "pool"

    def policy_of(self, one: Series) -> Policy:
        """What holds for a device pool: of all, its role, its pool, its patterns; the later overrides the earlier."""
        given: dict[str, Any] = {"length": one.length or DEFAULT_LENGTH}
        parts = [self.policy, self.roles.get(one.role, {}), self._of_pool(self.pool_of(one)).policy]
        parts += [plan.policy for plan in self.device_pools if fnmatchcase(one.label, plan.pattern)]
        for part in parts:
            for mark, other in _INSTEAD:
                if mark in part:
                    given.pop(other, None)
            given |= part
        try:
            return Policy.of(one.role, given)
        except CasmError as error:
            raise InvalidValue(
                f"the policy '{self.name}' does not hold for {one.label}: {error.message}", error.remedy
            ) from None

    def size_of(self, pool: str) -> PoolSize:
        return self._of_pool(pool).size or self._of_pool(EVERY).size or NEEDS

    def quarantine_of(self, pool: str) -> int:
        """Seconds for which a block rests."""
        own, every = self._of_pool(pool).quarantine, self._of_pool(EVERY).quarantine
        return own if own is not None else every if every is not None else 3600

    def lease_time_of(self, pool: str) -> int:
        """Seconds for which a block rests at least that was taken with its subscribers; a day, as in the store."""
        own, every = self._of_pool(pool).lease_time, self._of_pool(EVERY).lease_time
        return own if own is not None else every if every is not None else 86_400

    def sized(self, size: PoolSize) -> Scenario:
        """The same with pools of another size, whatever its file says."""
        pools = {name: replace(plan, size=size) for name, plan in self.pools.items()}
        return replace(self, pools={EVERY: PoolPlan(size), **pools})

    def _of_pool(self, name: str) -> PoolPlan:
        return self.pools.get(name, _NO_PLAN)


_NO_PLAN = PoolPlan()
_INSTEAD = (
    ("grow_at", "grow_at_free"),
    ("grow_at_free", "grow_at"),
    ("shrink_at", "shrink_at_free"),
    ("shrink_at_free", "shrink_at"),
)
AUTOMATIC = Scenario("automatic", policy={"grow": "automatic", "shrink": "automatic"})
"""The defaults of each role, with grow and shrink switched on."""
STATIC = Scenario("static", static=True)
"""Equal shares, as a person who divides a pool once."""
BUILT_IN = {one.name: one for one in (AUTOMATIC, STATIC)}


def capacity_of(one: Series, prefix: Prefix) -> int:
    """How many subscribers a block serves on a device pool."""
    if one.subscriber_length is not None:
        return 1 << max(0, one.subscriber_length - prefix.length)
    if one.per_address is not None:
        return prefix.size * one.per_address
    return served_addresses(prefix, gateway_address(prefix, GatewayKind.FIRST), serve_edges=False)


def family_of(lengths: set[int], series: list[Series]) -> Family:
    """Of the pool whose blocks have these lengths."""
    wide = any(one.subscriber_length is not None and one.subscriber_length > 32 for one in series)
    return Family.IPV6 if wide or max(lengths) > Family.IPV4.width else Family.IPV4


def made_up(family: Family, values: int) -> list[Prefix]:
    """Prefixes of so many values, for a pool of which only the size is known."""
    first, room = (10 << 24, 24) if family is Family.IPV4 else (0xFD << 120, 120)
    if values > 1 << room:
        raise InvalidValue(
            f"a pool of {values} addresses is wanted, and one that is made up has {1 << room} at the most",
            "name the prefixes of the pool in the policy file",
        )
    return list(Range(family, first, first + max(1, values) - 1).prefixes())
