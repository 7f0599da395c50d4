"""Why a particular prefix cannot be had: who has it, what it is kept for, or until when it rests."""

from __future__ import annotations

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.clock import to_rfc3339
from casm_ctrl.base.errors import Held, Overlap, Refusal
from casm_ctrl.store import holdings
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction


def not_free(tx: Transaction, pool: PoolRow, prefix: Prefix) -> Refusal:
    """The refusal that says what is on `prefix`, which lies in the pool and is not wholly free."""
    block = holdings.block_over(tx, pool.space_id, prefix.range)
    if block is not None and block.state is State.QUARANTINED:
        assert block.rest_until is not None
        return Held(
            f"{prefix} is not free: {block.label} of {block.device_pool} is quarantined until"
            f" {to_rfc3339(block.rest_until)}",
            "wait until then, or ask for another prefix",
        )
    if block is not None:
        return Overlap(
            f"{prefix} is not free: {block.device_pool} has {block.label} ({block.state.value})",
            f"ask for another prefix, or release that block ('casm release {block.name}')",
        )
    cut = holdings.cut_over(tx, pool.id, prefix.range)
    if cut is None:
        return Held(
            f"{prefix} is not free: its address is shared, and other port sets of it have another owner",
            "ask for another prefix, or ask for the owner of the others",
        )
    where = f"{prefix} is not free: {cut.prefix} of pool '{pool.name}'"
    because = f" ({cut.reason})" if cut.reason else ""
    if cut.kind == "exclusion":
        return Held(
            f"{where} is excluded{because}", f"'casm pool include {pool.name} {cut.prefix}' ends that"
        )
    if cut.kind == "reservation":
        return Held(
            f"{where} is reserved{because}", f"'casm pool unreserve {pool.name} {cut.prefix}' ends that"
        )
    if cut.kind == "child":
        return Overlap(f"{where} was cut for pool '{cut.child}'", f"ask for it from pool '{cut.child}'")
    return Held(
        f"{where} is held because of what device '{cut.device}' shows{because}",
        f"look at 'casm device show {cut.device}', and remove there what is not ours",
    )
