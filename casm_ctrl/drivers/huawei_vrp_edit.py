"""The edit that makes a VRP device hold what is wanted: each block a pool of its own, since locks are per pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import NotSupported
from casm_ctrl.base.identifiers import block_id
from casm_ctrl.drivers import huawei_vrp_limits as limits
from casm_ctrl.drivers.huawei_vrp_ipv4 import Ipv4Edit
from casm_ctrl.drivers.huawei_vrp_ipv6 import Ipv6Edit
from casm_ctrl.drivers.huawei_vrp_model import IPV4_POOL, MODEL, PREFIX, SECTION
from casm_ctrl.drivers.interface import (
    Action,
    BlockMark,
    Change,
    Edit,
    Element,
    ObjectKey,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.object_edit import ObjectEdit


def render_edit(wanted: Wanted, running: Element) -> Edit:
    """The difference between `wanted` and `running`. NotSupported where VRP cannot hold what is wanted."""
    vpns = limits.instances(running)
    for pool in wanted.pools:
        if pool.blocks:
            limits.check_pool(pool, vpns)
    edit = ObjectEdit(MODEL, wanted, running)
    Ipv4Edit(wanted, running, edit).put_all(list(_blocks(wanted, Family.IPV4)))
    ipv6 = Ipv6Edit(wanted, running, edit)
    ipv6.put_all(list(_blocks(wanted, Family.IPV6)))
    edit.remove_rest()
    made = edit.edit()
    return Edit(made.config, tuple(_whose(change, ipv6) for change in made.changes))


def _blocks(wanted: Wanted, family: Family) -> Iterator[tuple[WantedPool, WantedBlock, ObjectKey]]:
    """The blocks of one family in the order of their numbers, each with the key of its object."""
    held = [(pool, block) for pool in wanted.pools for block in pool.blocks]
    for pool, block in sorted(held, key=lambda one: one[1].number):
        limits.check_block(pool, block)
        if block.prefix.family is family:
            yield pool, block, _key(wanted, block)


def _key(wanted: Wanted, block: WantedBlock) -> ObjectKey:
    own = IPV4_POOL if block.prefix.family is Family.IPV4 else PREFIX
    if block.key is None:
        return own.key(str(BlockMark(wanted.store, block.number)))
    if block.key.path not in (own.path, SECTION.path if own is IPV4_POOL else own.path):
        raise NotSupported(
            f"{block_id(block.number)} ({block.prefix}) cannot be {block.key}",
            "release the block, or let go of it on the device",
        )
    return block.key


def _whose(change: Change, ipv6: Ipv6Edit) -> Change:
    """A change of the IPv6 pool that serves a block is one of the block: its lock drains it."""
    number = ipv6.served.get(change.key)
    of_block = number is not None and change.action in (Action.CHANGE, Action.DRAIN, Action.UNDRAIN)
    return replace(change, block=number) if of_block else change
