"""Change the row of a device pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from casm_ctrl.store.devices import insert_device_pool_lists
from casm_ctrl.store.transaction import Transaction

CHANGEABLE = (
    "length",
    "gateway",
    "gateway_mask",
    "serve_edges",
    "access",
    "withdraw_when_unknown",
    "description",
    "strategy",
    "first_length",
    "next_length",
    "min_blocks",
    "max_blocks",
    "network_instance",
    "announcement",
    "next_hop",
    "route_tag",
    "usage_high",
    "usage_low",
)
"""All columns but its device, name, AAA name and owner, which never change."""


def update_device_pool(
    tx: Transaction,
    number: int,
    columns: Mapping[str, object],
    *,
    pool_ids: Iterable[int],
    services: Iterable[str],
) -> None:
    """Set all CHANGEABLE columns to the values in `columns`, and what it draws from and what draws from it."""
    values = {name: columns[name] for name in CHANGEABLE} | {"serve_edges": int(bool(columns["serve_edges"]))}
    tx.run(
        f"UPDATE device_pool SET {', '.join(f'{name} = :{name}' for name in CHANGEABLE)} WHERE id = :id",
        id=number,
        **values,
    )
    for table in ("device_pool_source", "device_pool_service"):
        tx.run(f"DELETE FROM {table} WHERE device_pool_id = :id", id=number)
    insert_device_pool_lists(tx, number, pool_ids, services)
