"""Rows of what was set of device pools' automation, and of how devices are polled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casm_ctrl.base.automation import NAMES, UNSET, Automation
from casm_ctrl.base.polling import Polling
from casm_ctrl.store.transaction import Transaction

_COUNTS = ("grow_at_free", "shrink_at_free")
"""Addresses: more than 64 bits, so they are text."""
_COLUMNS = ", ".join(NAMES)


def get_automation(tx: Transaction, device_pool_id: int) -> Automation:
    """What was set of one device pool."""
    row = tx.first(f"SELECT {_COLUMNS} FROM device_pool_policy WHERE device_pool_id = :id", id=device_pool_id)
    return UNSET if row is None else _automation(dict(zip(NAMES, row, strict=True)))


def list_automation(tx: Transaction) -> dict[int, Automation]:
    """Of all device pools of which something was set, by id."""
    rows = tx.all(f"SELECT device_pool_id, {_COLUMNS} FROM device_pool_policy")
    return {row[0]: _automation(dict(zip(NAMES, row[1:], strict=True))) for row in rows}


def put_automation(tx: Transaction, device_pool_id: int, automation: Automation) -> None:
    """This is all that is set."""
    tx.run("DELETE FROM device_pool_policy WHERE device_pool_id = :id", id=device_pool_id)
    if automation == UNSET:
        return
    values = dict(vars(automation))
    for name in _COUNTS:
        values[name] = None if values[name] is None else str(values[name])
    tx.run(
        f"INSERT INTO device_pool_policy (device_pool_id, {_COLUMNS})"
        f" VALUES (:id, {', '.join(f':{name}' for name in NAMES)})",
        id=device_pool_id,
        **values,
    )


def _automation(values: Mapping[str, Any]) -> Automation:
    counts = {name: int(values[name]) for name in _COUNTS if values[name] is not None}
    return Automation(**{**values, **counts})


def put_polling(tx: Transaction, device_id: int, polling: Polling) -> None:
    tx.run(
        "UPDATE device SET poll_interval = :interval, hot_interval = :hot, notifications = :notifications"
        " WHERE id = :id",
        interval=polling.interval,
        hot=polling.hot_interval,
        notifications=int(polling.notifications),
        id=device_id,
    )
