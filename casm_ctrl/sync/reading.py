"""What a session is asked about our objects on a device."""

from __future__ import annotations

from collections.abc import Sequence

from casm_ctrl.drivers.interface import Driver, Element, Seen, UsageKind
from casm_ctrl.netconf.client import Client
from casm_ctrl.netconf.session import Session
from casm_ctrl.store.observations import ObjectRow


async def read_ours(session: Session, driver: Driver) -> Element:
    """The part of running that the driver reads."""
    return await Client(session).get_config("running", driver.config_filter())


async def read_counts(session: Session, driver: Driver, objects: Sequence[ObjectRow]) -> dict[int, int]:
    """Addresses in use by block, of those that the device counts."""
    data = await Client(session).get(driver.usage_filter())
    by_key = {(row.path, row.keys): row.block for row in objects if row.block is not None}
    readings = {by_key.get((r.key.path, r.key.keys)): r for r in driver.parse_usage(data)}
    return {
        number: reading.used
        for number, reading in readings.items()
        if number is not None and reading.kind is UsageKind.COUNT
    }


def blocks_shown(objects: Sequence[ObjectRow], seen: Seen) -> frozenset[int]:
    """The blocks whose object is on the device."""
    there = {(r.key.path, r.key.keys) for r in seen.ranges}
    return frozenset(row.block for row in objects if row.block is not None and (row.path, row.keys) in there)
