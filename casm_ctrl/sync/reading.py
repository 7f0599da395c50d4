"""What a session is asked about our objects on a device."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lxml import etree

from casm_ctrl.base.errors import DeviceRefused
from casm_ctrl.drivers.interface import (
    AsksUsage,
    Driver,
    Element,
    ObjectKey,
    Seen,
    UsageKind,
    UsageReading,
    config_filter_of,
)
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Session
from casm_ctrl.store.observations import ObjectRow
from casm_ctrl.sync.announced import read_announced


async def read_ours(session: Session, driver: Driver) -> Element:
    """The part of running that the driver reads."""
    announced = await read_announced(session)
    return await Client(session).get_config("running", config_filter_of(driver, announced.revisions))


async def read_counts(session: Session, driver: Driver, objects: Sequence[ObjectRow]) -> dict[int, int]:
    """Addresses in use by block, of those that the device counts."""
    by_key = {ObjectKey(row.path, row.keys): row.block for row in objects if row.block is not None}
    readings = {by_key.get(r.key): r for r in await _read_usage(session, driver, by_key.keys())}
    return {
        number: reading.used
        for number, reading in readings.items()
        if number is not None and reading.kind is UsageKind.COUNT
    }


async def _read_usage(
    session: Session, driver: Driver, ours: Collection[ObjectKey]
) -> tuple[UsageReading, ...]:
    """What state data says, or what the device answers where its usage is in no datastore."""
    if not isinstance(driver, AsksUsage):
        return driver.parse_usage(await Client(session).get(driver.usage_filter()))
    answers = etree.Element("data")
    for request in driver.usage_requests(ours):
        try:
            answers.extend(await session.rpc(request))
        except DeviceRefused:
            continue  # of an object that is not there, for one: it has no reading then
    return driver.parse_usage_replies(answers, ours)


def blocks_shown(objects: Sequence[ObjectRow], seen: Seen) -> frozenset[int]:
    """The blocks whose object is on the device."""
    there = {(r.key.path, r.key.keys) for r in seen.ranges}
    return frozenset(row.block for row in objects if row.block is not None and (row.path, row.keys) in there)
