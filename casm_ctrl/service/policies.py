"""The policy of a device pool as it holds: each value, and where it comes from."""

from __future__ import annotations

from casm_ctrl.base.automation import NAMES, ROLE_DEFAULTS, UNITS, effective
from casm_ctrl.service.lookup import the_device_pool
from casm_ctrl.service.verb import Document
from casm_ctrl.store import automation, devices
from casm_ctrl.store.database import Database


def show_policy(database: Database, label: str) -> Document:
    """Each leaf of the automation of a device pool with what holds, and where that comes `from`.

    `value` is absent where nothing holds. `from` is set (here), usage-high, role (its default), or of shrink-at
    grow-at, since the default stays below that. Of two thresholds that stand for each other, the one that holds.
    """
    with database.read() as tx:
        row = the_device_pool(tx, label)
        given = automation.get_automation(tx, row.id)
        role = devices.get_device(tx, row.device_id).role
    held = effective(given, role, row.usage_high)
    values = []
    for name in NAMES:
        value = getattr(held, name)
        if value is None and any(name in pair for pair in UNITS):
            continue
        source = "role" if getattr(given, name) is None else "set"
        if name == "grow_at" and source == "role" and row.usage_high is not None:
            source = "usage-high"
        if name == "shrink_at" and source == "role" and value != ROLE_DEFAULTS[role].shrink_at:
            source = "grow-at"
        document: Document = {"name": name.replace("_", "-"), "from": source}
        if value is not None:
            document["value"] = str(value) if name.endswith("_free") else value
        values.append(document)
    return {"device-pool": label, "role": role, "value": values}
