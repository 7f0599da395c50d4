"""Add a prefix to a pool, and remove one that nothing stands on."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.errors import InUse, InvalidValue, NotFound, StoreBroken
from casm_ctrl.service.edits import Done
from casm_ctrl.service.holding import hold_seen
from casm_ctrl.service.lookup import the_pool
from casm_ctrl.service.pool_edits import cut_from, refuse_foreign_overlap
from casm_ctrl.store import free_space, holdings, pools
from casm_ctrl.store.transaction import Transaction


@dataclass(frozen=True)
class AddPrefix:
    pool: str
    prefix: str


@dataclass(frozen=True)
class RemovePrefix:
    """A whole prefix of the pool's, as it was added."""

    pool: str
    prefix: str


def add_prefix(tx: Transaction, edit: AddPrefix) -> Done:
    pool, prefix = the_pool(tx, edit.pool), parse_prefix(edit.prefix)
    if prefix.family.number != pool.family.number:
        raise InvalidValue(
            f"{prefix} is {prefix.family.value}, and pool '{pool.name}' is not", "make a pool for each family"
        )
    if pool.delegated_length is not None and prefix.length > pool.delegated_length:
        raise InvalidValue(
            f"{prefix} is smaller than the /{pool.delegated_length} that pool '{pool.name}' delegates",
            f"give a prefix of /{pool.delegated_length} or shorter",
        )
    if pool.parent_id is None:
        refuse_foreign_overlap(tx, prefix, pool.space_id, pool.public)
        pools.insert_pool_prefixes(tx, pool, [prefix])
    else:
        cut_from(tx, pools.get_pool(tx, pool.parent_id), pool, [prefix])
    free_space.insert_free(tx, pool.id, [prefix])
    hold_seen(tx, pool, prefix.range)
    return Done("pool-add-prefix", "pool", pool.id, pool.name, str(prefix))


def remove_prefix(tx: Transaction, edit: RemovePrefix) -> Done:
    pool, prefix = the_pool(tx, edit.pool), parse_prefix(edit.prefix)
    own = pools.pool_prefixes(tx, pool.id)
    if prefix not in own:
        raise NotFound(
            f"{prefix} is no prefix of pool '{pool.name}' ({', '.join(map(str, own))})",
            "name one of those: a part of a prefix is taken out with 'casm pool exclude'",
        )
    block = holdings.block_over(tx, pool.space_id, prefix.range)
    if block is not None:
        raise InUse(
            f"pool '{pool.name}' cannot lose {prefix}: {block.label} of {block.device_pool}"
            f" is in it ({block.state.value})",
            "release its blocks, apply, and wait until their quarantine has ended",
        )
    for carve in pools.list_carves(tx, pool_id=pool.id):
        if not prefix.contains(carve.prefix):
            continue
        if carve.kind in ("child", "reservation"):
            raise InUse(
                f"pool '{pool.name}' cannot lose {prefix}: the {carve.kind} {carve.prefix} is in it",
                "end that first",
            )
        pools.delete_carve(tx, carve)
        free_space.give(tx, pool.id, carve.prefix)
    if not free_space.take_prefix(tx, pool.id, prefix):
        raise StoreBroken(
            f"{prefix} of pool '{pool.name}' is neither free nor in use",
            "restore the store from a backup, and report this",
        )
    cut = [carve for carve in pools.list_cut(tx, pool.id) if carve.prefix == prefix]
    pools.delete_pool_prefix(tx, pool.id, prefix)
    for carve in cut:
        pools.delete_carve(tx, carve)
        free_space.give(tx, carve.pool_id, prefix)
        hold_seen(tx, pools.get_pool(tx, carve.pool_id), prefix.range)

    def check(tx: Transaction) -> None:
        refuse_without_prefix(tx, pool.id, str(prefix))

    return Done("pool-remove-prefix", "pool", pool.id, pool.name, str(prefix), check)


def refuse_without_prefix(tx: Transaction, pool_id: int, last: str = "") -> None:
    """InvalidValue where a pool that is still there has no prefix left; `last` is the one that it had."""
    for pool in pools.list_pools(tx):
        if pool.id == pool_id and not pools.pool_prefixes(tx, pool_id):
            raise InvalidValue(
                f"{last} is the only prefix of pool '{pool.name}'"
                if last
                else f"pool '{pool.name}' has no prefix",
                f"add another first, or remove the pool with 'casm pool remove {pool.name}'",
            )
