"""What was recorded of every device pool over a longer time, as one line each: for replays of it."""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.readings import COUNT
from casm_ctrl.service import samples
from casm_ctrl.store import devices, pools
from casm_ctrl.store.database import Database

HOUR = 3600 * SECOND
DAY = 24 * HOUR


@dataclass(frozen=True)
class Recorded:
    """The usage of one device pool: (when, how many subscribers), oldest first."""

    label: str
    role: str
    pool: str | None
    """The first that it draws from."""
    length: int
    """Of its blocks."""
    subscriber_length: int | None
    """Of the prefix that a subscriber gets; of a block of port sets that of the block. None: an address."""
    points: tuple[tuple[int, int], ...]


def recorded(database: Database, seconds: int) -> list[Recorded]:
    """Of the last so many seconds, of each device pool that counts its subscribers.

    All samples of the last day, and of the days before it the peak of each hour, at its middle.
    """
    found = []
    with database.read() as tx:
        since, lately = tx.now - seconds * SECOND, tx.now - DAY
        roles = {device.id: device.role for device in devices.list_devices(tx)}
        for row in devices.list_device_pools(tx):
            points = {
                span.begin + HOUR // 2: span.peak
                for span in samples.hours(tx, row.id, since)
                if span.kind == COUNT and span.begin + HOUR <= lately
            }
            raw = samples.recent(tx, row.id, max(since, lately))
            points |= {sample.at: sample.used for sample in raw if sample.kind == COUNT}
            source = next(iter(devices.device_pool_sources(tx, row.id)), None)
            pool = None if source is None else pools.get_pool(tx, source)
            unit = None if pool is None else pool.delegated_length
            if pool is not None and pool.psid_offset is not None:
                unit = row.length
            found.append(
                Recorded(
                    row.label,
                    roles[row.device_id],
                    None if pool is None else pool.name,
                    row.length,
                    unit,
                    tuple(sorted(points.items())),
                )
            )
    return [one for one in found if one.points]
