"""Limits: quotas, and the least and greatest number of blocks of a device pool. Where none is set, none costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from casm_ctrl.addressing.prefix import Prefix
from casm_ctrl.base.errors import LimitReached
from casm_ctrl.service.quotas import limit_scaled, used_addresses
from casm_ctrl.store import devices, holdings, quotas
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.devices import DevicePoolRow
from casm_ctrl.store.pools import PoolRow
from casm_ctrl.store.transaction import Transaction


def check_maximum(tx: Transaction, row: DevicePoolRow, more: int) -> None:
    """LimitReached where `more` blocks are more than the device pool may have. Blocks in quarantine, which
    are on no device any more, do not count."""
    if row.max_blocks is None:
        return
    holdings.lock_device_pool(tx, row.id)
    have = holdings.count_on_device(tx, row.id, row.max_blocks)
    if have + more > row.max_blocks:
        raise LimitReached(
            f"{more} block(s) were asked for '{row.label}', which has {have} and may have at most {row.max_blocks}",
            f"release blocks, ask for fewer, or allow more with 'casm device-pool change {row.label} --max-blocks N'",
        )


def check_minimum(tx: Transaction, block: BlockRow) -> None:
    """LimitReached where the device pool of a block that was just released keeps too few."""
    row = devices.get_device_pool(tx, block.device_pool_id)
    if row.min_blocks == 0:
        return
    holdings.lock_device_pool(tx, row.id)
    left = holdings.count_kept(tx, row.id, row.min_blocks)
    if left < row.min_blocks:
        raise LimitReached(
            f"without {block.label}, '{row.label}' would keep {left} block(s), and has to keep {row.min_blocks}",
            "allocate others first, or repeat with --below-minimum",
        )


def check_quotas(
    tx: Transaction,
    row: DevicePoolRow,
    sources: Sequence[PoolRow],
    given: Iterable[tuple[PoolRow, Sequence[Prefix]]],
) -> None:
    """LimitReached where blocks that were just inserted (`given`, by pool) exceed a quota."""
    if not quotas.any_quota(tx):
        return
    family = sources[0].family
    found = quotas.quotas_over(
        tx,
        device_id=row.device_id,
        space_ids=sorted({pool.space_id for pool in sources}),
        pool_ids=sorted({pool.id for pool in sources}),
        family=family,
    )
    asked: dict[tuple[str, int], int] = {}
    for pool, prefixes in given:
        size = sum(quotas.unit(family, prefix.length) for prefix in prefixes)
        for subject in (("device", row.device_id), ("space", pool.space_id), ("pool", pool.id)):
            asked[subject] = asked.get(subject, 0) + size
    for quota in found:
        more = asked.get((quota.kind, quota.subject_id), 0)
        used = quotas.used(tx, quota)
        if more and used > limit_scaled(quota):
            raise LimitReached(
                f"{used_addresses(quota, more)} addresses were asked for '{row.label}', and quota '{quota.name}'"
                f" of {quota.kind} '{quota.subject}' is {quota.addresses}, of which"
                f" {used_addresses(quota, used - more)} are used",
                "release blocks, or raise the quota with 'casm quota set'",
            )
