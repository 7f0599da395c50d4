"""Views of device pools for tests of what is decided: /24 blocks, readings every 30 s. And the facts of a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.clock import SECOND
from casm_ctrl.control.deciding.guards import caps
from casm_ctrl.control.deciding.policy import Limits, Policy
from casm_ctrl.control.deciding.view import BlockView, PoolView, Reading, Stock
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.pool_facts import DeviceFacts, read_facts
from casm_ctrl.store.database import Database

NOW = 1_790_000_000 * SECOND
DAY = 86_400 * SECOND
LIMITS = Limits()


def facts_on(database: Database, device: str) -> DeviceFacts:
    """What the store knows of a device now."""
    with database.read() as tx:
        return read_facts(tx, the_device(tx, device))


def prefix(index: int, length: int = 24) -> Prefix:
    return Prefix(Family.IPV4, (10 << 24) + (index << (32 - length)), length)


def block(number: int, used: int | None = 0, **values: Any) -> BlockView:
    """A /24 with 254 addresses that serves, as a person allocated it long ago."""
    given: dict[str, Any] = {"prefix": prefix(number), "capacity": 254, "pool": "north"}
    given["allocated_at"] = NOW - 30 * DAY
    return BlockView(number=number, used=used, **(given | values))


def drained(number: int, used: int = 0, seconds: int = 60, **values: Any) -> BlockView:
    """A block whose drain the loop asked for, seen `seconds` ago."""
    given: dict[str, Any] = {"state": "draining", "wanted": "drained", "automatic_drain": True}
    return block(number, used, **(given | {"drained_at": NOW - seconds * SECOND} | values))


def stock(blocks: int = 100, of: int = 256, length: int = 24) -> tuple[Stock, ...]:
    """`blocks` free blocks of `length`, of a pool that has `of`."""
    return (Stock(pool="north", size=of << (32 - length), free={length: blocks}),)


def policy(role: str = "bng", **values: Any) -> Policy:
    given: dict[str, Any] = {"grow": "automatic", "shrink": "automatic"}
    return Policy.of(role, given | values)


def readings(
    blocks: tuple[BlockView, ...], *used: int, every: int = 30, now: int = NOW, **values: Any
) -> tuple[Reading, ...]:
    """One reading for each of `used`, the last at `now`; what is in use fills the blocks in their order, drained
    ones as they say."""
    found = []
    for index, total in enumerate(used):
        at = now - (len(used) - 1 - index) * every * SECOND
        found.append(reading(blocks, total, at, **values))
    return tuple(found)


def reading(blocks: tuple[BlockView, ...], used: int, at: int = NOW, **values: Any) -> Reading:
    fixed = {one.number: one.used or 0 for one in blocks if one.wanted != "present"}
    left = used - sum(fixed.values())
    told: dict[int, int] = dict(fixed)
    for one in blocks:
        if one.wanted == "present" and one.state == "installed":
            told[one.number] = max(0, min(left, one.capacity))
            left -= told[one.number]
    capacity = sum(one.capacity for one in blocks if one.state == "installed" and one.wanted == "present")
    given: dict[str, Any] = {"at": at, "used": used, "capacity": capacity, "blocks": told}
    return Reading(**(given | values))


def view(
    blocks: tuple[BlockView, ...] = (),
    used: tuple[int, ...] = (),
    done: Mapping[str, int] = {},
    **values: Any,
) -> PoolView:
    """A device pool of `blocks` with readings of `used`, all of whose guards are open."""
    given: dict[str, Any] = {
        "label": "bng1/home",
        "policy": policy(),
        "limits": LIMITS,
        "blocks": blocks,
        "readings": readings(blocks, *used),
        "stock": stock(),
        "first_sample": NOW - 30 * DAY,
        "peaks": tuple([max(used, default=0)] * 7),
        "grow_caps": caps(LIMITS, "grow", done),
        "drain_caps": caps(LIMITS, "drain", done),
    }
    return PoolView(**(given | values))
