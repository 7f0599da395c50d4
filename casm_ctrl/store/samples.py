"""Samples of usage: kept as they came for a day, by hours for weeks, by days for years."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.store.sample_rows import (
    PollRow,
    SpanRow,
    pack_peaks,
    pack_poll,
    pack_spans,
    unpack_peaks,
    unpack_poll,
    unpack_spans,
)
from casm_ctrl.store.transaction import Transaction

HOUR, DAY = 3600 * SECOND, 86400 * SECOND


@dataclass(frozen=True)
class Last:
    """What a device said last that was believed, and what of it was refused since then and was told, by kind."""

    row: PollRow | None
    booted_at: Micros | None
    refused: frozenset[str]


@dataclass(frozen=True)
class Progress:
    """Until when the samples of an owner were made into hours, and its hours into days."""

    owner_id: int
    hours_until: Micros
    days_until: Micros


# --- As they came ---------------------------------------------------------------------------------


def insert_poll(tx: Transaction, device_id: int, row: PollRow) -> None:
    """Two of one microsecond are kept one behind the other."""
    at, data = row.at, pack_poll(row)
    while not tx.run(
        "INSERT INTO usage_poll (device_id, at, data) VALUES (:device, :at, :data) ON CONFLICT DO NOTHING",
        device=device_id,
        at=at,
        data=data,
    ):
        at = Micros(at + 1)


def list_polls(
    tx: Transaction, device_id: int, since: int, until: int | None = None, *, pool: int | None = None
) -> list[PollRow]:
    """Those from `since` on and before `until`, oldest first. `pool`: the one device pool that is wanted of them."""
    rows = tx.all(
        "SELECT at, data FROM usage_poll WHERE device_id = :device AND at >= :since"
        + (" AND at < :until" if until is not None else "")
        + " ORDER BY at",
        device=device_id,
        since=since,
        until=until,
    )
    return [unpack_poll(at, bytes(data), pool) for at, data in rows]


def first_poll(tx: Transaction, device_id: int, since: int = 0) -> Micros | None:
    """The time of the oldest one from `since` on."""
    row = tx.one(
        "SELECT MIN(at) FROM usage_poll WHERE device_id = :device AND at >= :since",
        device=device_id,
        since=since,
    )
    return row[0]  # type: ignore[no-any-return]


def delete_polls(tx: Transaction, device_id: int, before: int) -> int:
    return tx.run(
        "DELETE FROM usage_poll WHERE device_id = :device AND at < :before", device=device_id, before=before
    )


def get_last(tx: Transaction, device_id: int) -> Last:
    row = tx.first(
        "SELECT at, booted_at, data, refused, sampled_at FROM usage_device WHERE device_id = :device",
        device=device_id,
    )
    if row is None:
        return Last(None, None, frozenset())
    known = None if row[2] is None else replace(unpack_poll(row[0], bytes(row[2])), sampled_at=row[4])
    return Last(known, row[1], frozenset(row[3].split()))


def put_last(
    tx: Transaction, device_id: int, row: PollRow, booted_at: int | None, refused: Iterable[str] = ()
) -> None:
    """`row`: what the next answer is judged by; `refused`: what was refused since one was believed."""
    tx.run(
        "INSERT INTO usage_device (device_id, at, sampled_at, booted_at, data, refused)"
        " VALUES (:device, :at, :sampled, :booted, :data, :refused) ON CONFLICT (device_id) DO UPDATE"
        " SET at = :at, sampled_at = :sampled, booted_at = :booted, data = :data, refused = :refused",
        device=device_id,
        at=row.at,
        sampled=row.sampled_at,
        booted=booted_at,
        data=pack_poll(row),
        refused=" ".join(sorted(refused)),
    )


def put_refused(tx: Transaction, device_id: int, kinds: Iterable[str]) -> None:
    tx.run(
        "INSERT INTO usage_device (device_id, at, refused) VALUES (:device, :now, :refused)"
        " ON CONFLICT (device_id) DO UPDATE SET refused = :refused",
        device=device_id,
        now=tx.now,
        refused=" ".join(sorted(kinds)),
    )


def polled_devices(tx: Transaction, after: int, limit: int) -> list[int]:
    """The ids of devices that have samples, in order, `limit` of those above `after`."""
    rows = tx.all(
        "SELECT device_id FROM usage_device WHERE device_id > :after ORDER BY device_id LIMIT :limit",
        after=after,
        limit=limit,
    )
    return [row[0] for row in rows]


# --- By hours and days ----------------------------------------------------------------------------


def get_hours(tx: Transaction, device_pool_id: int, day: int) -> SpanRow:
    """The hours of the day with a number, by their number; empty where there are none."""
    row = tx.first(
        "SELECT data FROM usage_hours WHERE device_pool_id = :pool AND day = :day",
        pool=device_pool_id,
        day=day,
    )
    return SpanRow({}, {}) if row is None else unpack_spans(bytes(row[0]), day * DAY, HOUR)


def put_hours(tx: Transaction, device_pool_id: int, day: int, row: SpanRow) -> None:
    tx.put(
        "INSERT INTO usage_hours (device_pool_id, day, data) VALUES (:pool, :day, :data)"
        " ON CONFLICT (device_pool_id, day) DO UPDATE SET data = :data",
        pool=device_pool_id,
        day=day,
        data=pack_spans(row),
    )


def list_hours(tx: Transaction, device_pool_id: int, first: int, last: int) -> Iterator[tuple[int, SpanRow]]:
    """(number of the day, its hours) of the days from `first` to `last`, oldest first."""
    rows = tx.all(
        "SELECT day, data FROM usage_hours WHERE device_pool_id = :pool AND day BETWEEN :first AND :last"
        " ORDER BY day",
        pool=device_pool_id,
        first=first,
        last=last,
    )
    return ((day, unpack_spans(bytes(data), day * DAY, HOUR)) for day, data in rows)


def delete_hours(tx: Transaction, device_pool_id: int, before: int) -> None:
    tx.put(
        "DELETE FROM usage_hours WHERE device_pool_id = :pool AND day < :before",
        pool=device_pool_id,
        before=before,
    )


def get_days(tx: Transaction, device_pool_id: int, month: int, begin: int) -> SpanRow:
    """The days of a month, by their number in it from 0; `begin`: when the month began."""
    row = tx.first(
        "SELECT data FROM usage_days WHERE device_pool_id = :pool AND month = :month",
        pool=device_pool_id,
        month=month,
    )
    return SpanRow({}, {}) if row is None else unpack_spans(bytes(row[0]), begin, DAY)


def put_days(tx: Transaction, device_pool_id: int, month: int, row: SpanRow) -> None:
    tx.put(
        "INSERT INTO usage_days (device_pool_id, month, data) VALUES (:pool, :month, :data)"
        " ON CONFLICT (device_pool_id, month) DO UPDATE SET data = :data",
        pool=device_pool_id,
        month=month,
        data=pack_spans(row),
    )


def list_days(tx: Transaction, device_pool_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """(month, packed days) of the months from `first` to `last`, oldest first."""
    rows = tx.all(
        "SELECT month, data FROM usage_days WHERE device_pool_id = :pool AND month BETWEEN :first AND :last"
        " ORDER BY month",
        pool=device_pool_id,
        first=first,
        last=last,
    )
    return [(month, bytes(data)) for month, data in rows]


def get_block_days(
    tx: Transaction, device_pool_id: int, first: int, last: int
) -> list[tuple[int, int, Mapping[int, int]]]:
    """(month, block, peak by the number of the day from 0) of the months from `first` to `last`."""
    rows = tx.all(
        "SELECT month, block_id, data FROM usage_block_days WHERE device_pool_id = :pool"
        " AND month BETWEEN :first AND :last ORDER BY month, block_id",
        pool=device_pool_id,
        first=first,
        last=last,
    )
    return [(month, block, unpack_peaks(bytes(data))) for month, block, data in rows]


def put_block_days(
    tx: Transaction, device_pool_id: int, month: int, peaks: Mapping[int, Mapping[int, int]]
) -> None:
    """`peaks`: of each block, by day."""
    tx.run_many(
        "INSERT INTO usage_block_days (device_pool_id, month, block_id, data)"
        " VALUES (:pool, :month, :block, :data)"
        " ON CONFLICT (device_pool_id, month, block_id) DO UPDATE SET data = :data",
        (
            {"pool": device_pool_id, "month": month, "block": block, "data": pack_peaks(days)}
            for block, days in peaks.items()
        ),
    )


def delete_days(tx: Transaction, device_pool_id: int, before: int) -> None:
    """Forget the months before one."""
    for table in ("usage_days", "usage_block_days"):
        tx.put(
            f"DELETE FROM {table} WHERE device_pool_id = :pool AND month < :before",
            pool=device_pool_id,
            before=before,
        )


# --- How far thinning is --------------------------------------------------------------------------


def note_owners(tx: Transaction, device_pool_ids: Iterable[int], at: int) -> None:
    """See that samples of `at` of these device pools are thinned, whatever the clock was before."""
    tx.run_many(
        "INSERT INTO usage_thinned (owner_id, hours_until, days_until)"
        " SELECT owner_id, :hour, :day FROM device_pool WHERE id = :pool"
        " ON CONFLICT (owner_id) DO UPDATE SET hours_until = :hour, days_until ="
        " CASE WHEN usage_thinned.days_until > :day THEN :day ELSE usage_thinned.days_until END"
        " WHERE usage_thinned.hours_until > :hour",
        (
            {"pool": number, "hour": at - at % HOUR, "day": at - at % DAY}
            for number in sorted(set(device_pool_ids))
        ),
    )


def unthinned_owners(tx: Transaction, before: int, limit: int) -> list[Progress]:
    """Those whose samples before an hour are not in hours yet, the oldest first."""
    rows = tx.all(
        "SELECT owner_id, hours_until, days_until FROM usage_thinned WHERE hours_until < :before"
        " ORDER BY hours_until, owner_id LIMIT :limit",
        before=before,
        limit=limit,
    )
    return [Progress(*row) for row in rows]


def thinned_until(tx: Transaction, device_id: int) -> Micros | None:
    """The hour before which all samples of a device are in hours; None where it has none."""
    row = tx.one(
        "SELECT MIN(hours_until) FROM usage_thinned WHERE owner_id IN"
        " (SELECT owner_id FROM owner_member WHERE device_id = :device)",
        device=device_id,
    )
    return row[0]  # type: ignore[no-any-return]


def progress_of_pool(tx: Transaction, device_pool_id: int) -> Progress | None:
    """How far the samples of a device pool's owner are thinned; None where it never had any."""
    row = tx.first(
        "SELECT owner_id, hours_until, days_until FROM usage_thinned WHERE owner_id ="
        " (SELECT owner_id FROM device_pool WHERE id = :pool)",
        pool=device_pool_id,
    )
    return None if row is None else Progress(*row)


def put_progress(tx: Transaction, progress: Progress) -> None:
    tx.run(
        "UPDATE usage_thinned SET hours_until = :hours, days_until = :days WHERE owner_id = :owner",
        owner=progress.owner_id,
        hours=progress.hours_until,
        days=progress.days_until,
    )


def pools_of_owner(tx: Transaction, owner_id: int) -> list[int]:
    rows = tx.all("SELECT id FROM device_pool WHERE owner_id = :owner ORDER BY id", owner=owner_id)
    return [row[0] for row in rows]


def members_of_owner(tx: Transaction, owner_id: int) -> list[int]:
    rows = tx.all(
        "SELECT device_id FROM owner_member WHERE owner_id = :owner ORDER BY device_id", owner=owner_id
    )
    return [row[0] for row in rows]


def longest_interval(tx: Transaction, devices: Iterable[int]) -> int:
    """Seconds between two polls, of the device of these that is polled least often."""
    found = [
        tx.one("SELECT poll_interval FROM device WHERE id = :device", device=device)[0] for device in devices
    ]
    return max(found, default=0)


def members_of_pool(tx: Transaction, device_pool_id: int) -> list[int]:
    """The devices that may count a device pool's blocks."""
    rows = tx.all(
        "SELECT device_id FROM owner_member WHERE owner_id ="
        " (SELECT owner_id FROM device_pool WHERE id = :pool) ORDER BY device_id",
        pool=device_pool_id,
    )
    return [row[0] for row in rows]


def counted_by_others(tx: Transaction, device_id: int) -> dict[int, int]:
    """By block of this device, what other members of its owner count."""
    rows = tx.all(
        "SELECT other.block_id, other.used FROM block_member AS mine JOIN block_member AS other"
        " ON other.block_id = mine.block_id AND other.device_id != :device"
        " WHERE mine.device_id = :device AND other.used IS NOT NULL",
        device=device_id,
    )
    sums: dict[int, int] = {}
    for block, used in rows:
        sums[block] = sums.get(block, 0) + int(used)
    return {block: used for block, used in sums.items() if used}
