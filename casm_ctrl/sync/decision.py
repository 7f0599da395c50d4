"""What is to become of each block of a device now: pure, from what is wanted, seen and counted.

Usage decides how a released block leaves: counts prove it empty, and without them its device pool's
`withdraw-when-unknown` says what a person's release is worth (design: Usage has a kind).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from casm_ctrl.base.clock import SECOND, Micros, parse_duration, show_duration, to_rfc3339
from casm_ctrl.drivers.interface import Abilities, UsageKind
from casm_ctrl.service.desired import Desired, DesiredPool
from casm_ctrl.service.routes import EXTERNAL, Proof, Route
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.states import State, Wanted


@dataclass
class Decision:
    """`present` maps a block's number to whether it is to be drained. `emptied`: of `removed`, those that
    counts proved empty after a drain. `held` and `waiting` say why, by block."""

    present: dict[int, bool] = field(default_factory=dict)
    removed: list[BlockRow] = field(default_factory=list)
    emptied: set[int] = field(default_factory=set)
    held: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def decide(
    desired: Desired, on_device: frozenset[int], counts: Mapping[int, int], abilities: Abilities
) -> Decision:
    """Blocks that were adopted and are not managed are left as they are.

    `on_device`: the blocks that the device shows. `counts`: addresses in use, by block, where the device
    counts; a block without an entry has unknown usage."""
    decision = Decision()
    untouched = {piece.block for piece in desired.adopted}
    for pool in desired.pools:
        for block in pool.blocks:
            if block.state is State.QUARANTINED or block.id in untouched:
                continue
            _look_at_route(decision, block, desired.routes.get(block.id), block.id in on_device)
            if block.state is State.WITHDRAWING:
                if not _still_used(decision, pool, block, on_device, counts.get(block.id), abilities):
                    decision.removed.append(block)
            elif block.wanted is Wanted.ABSENT:
                _take_back(decision, desired, pool, block, on_device, counts.get(block.id), abilities)
            elif block.id in desired.holds and block.id not in on_device:
                why = desired.holds[block.id][0]
                decision.held[block.id] = (
                    f"{block.label} is not installed: {why.words} (seen on {why.device})"
                )
            else:
                decision.present[block.id] = block.wanted is Wanted.DRAINED
    return decision


def _look_at_route(decision: Decision, block: BlockRow, route: Route | None, there: bool) -> None:
    """What a person must do about a route that is announced by hand."""
    if route is None or route.announcement != EXTERNAL:
        return
    if block.wanted is Wanted.ABSENT:
        if not there and block.sent and route.proof is not Proof.ABSENT:
            decision.waiting[block.id] = (
                f"{block.label} is gone and rests when its route is gone: withdraw it, then"
                f" 'casm route confirm {block.name} --gone'"
            )
    elif route.proof is not Proof.PRESENT:
        decision.warnings.append(
            f"the route to {block.label} is not confirmed: announce it, then 'casm route confirm {block.name}'"
        )


def _take_back(
    decision: Decision,
    desired: Desired,
    pool: DesiredPool,
    block: BlockRow,
    on_device: frozenset[int],
    count: int | None,
    abilities: Abilities,
) -> None:
    if pool.role == "stands-by":
        if block.id in on_device:
            decision.present[block.id] = abilities.drain
            decision.waiting[block.id] = f"{block.label} leaves after a member that serves let it go"
    elif block.id not in on_device:
        decision.removed.append(block)
    elif count is not None and abilities.usage is UsageKind.COUNT:
        elsewhere = desired.counted_elsewhere.get(block.id, 0)
        if block.id in desired.forced and block.state is State.DRAINING and count + elsewhere:
            decision.removed.append(block)
            decision.warnings.append(
                f"{block.label} is withdrawn with {count + elsewhere:,} of its addresses in use: its drain took longer"
                " than drain-deadline and force-after"
            )
            return
        _take_back_counted(decision, block, count, elsewhere, abilities.drain)
    elif block.id in desired.given_back - desired.forced:
        decision.present[block.id] = abilities.drain
        decision.waiting[block.id] = (
            f"{block.label} drains: automation gave it back, and the device does not count who uses it at this moment"
        )
    else:
        _take_back_unknown(decision, pool, block, desired.now, abilities.drain)


def _still_used(
    decision: Decision,
    pool: DesiredPool,
    block: BlockRow,
    on_device: frozenset[int],
    count: int | None,
    abilities: Abilities,
) -> bool:
    """A block that another member of the group let go, and whose subscribers here are counted: it drains on."""
    if pool.role is None or not count or block.id not in on_device or not abilities.drain:
        return False
    decision.present[block.id] = True
    decision.waiting[block.id] = f"{block.label} drains: {count:,} of its addresses are still in use"
    return True


def _take_back_counted(
    decision: Decision, block: BlockRow, count: int, elsewhere: int, can_drain: bool
) -> None:
    """`elsewhere`: what the other members of a group count. Its block drains until none of them has a
    subscriber: they move from one to the other."""
    if not can_drain:
        decision.removed.append(block)
        if count:
            decision.warnings.append(
                f"{block.label} is withdrawn while {count:,} of its addresses are in use: the device cannot drain,"
                " and an operator released it"
            )
    elif block.state is State.DRAINING and count + elsewhere == 0:
        decision.removed.append(block)
        decision.emptied.add(block.id)
    else:
        decision.present[block.id] = True
        if block.state is State.DRAINING:
            there = f" ({elsewhere:,} of them on other members)" if elsewhere else ""
            decision.waiting[block.id] = (
                f"{block.label} drains: {count + elsewhere:,} of its addresses are still in use{there}"
            )
        else:
            decision.waiting[block.id] = f"{block.label} is drained first"


def _take_back_unknown(
    decision: Decision, pool: DesiredPool, block: BlockRow, now: Micros, can_drain: bool
) -> None:
    rule = pool.row.withdraw_when_unknown
    unknown = f"{block.label} of {pool.row.label}: the device gives no counts, so nobody knows who uses it"
    if rule == "operator":
        decision.removed.append(block)
        decision.warnings.append(f"{unknown}; it is withdrawn because an operator released it")
        return
    if rule == "never":
        decision.waiting[block.id] = f"{unknown}, and withdraw-when-unknown is 'never'"
    else:
        seconds = parse_duration(rule.partition(" ")[2])
        drained = block.state is State.DRAINING or not can_drain
        ready = Micros(block.changed_at + seconds * SECOND)
        if drained and ready <= now:
            decision.removed.append(block)
            decision.warnings.append(
                f"{unknown}; it is withdrawn {show_duration(seconds)} after it was asked to leave"
            )
            return
        until = (
            f"until {to_rfc3339(ready)}"
            if drained
            else f"for {show_duration(seconds)} after its drain is seen"
        )
        decision.waiting[block.id] = f"{unknown}; it rests {until}"
    decision.present[block.id] = can_drain
