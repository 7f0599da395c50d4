"""What devices told of their usage: kept, and read back as samples, hours and days of a device pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from casm_ctrl.base.clock import Micros
from casm_ctrl.base.readings import (
    COUNT,
    NONE,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Refused,
    Sample,
    Span,
)
from casm_ctrl.service.averages import DAY, HOUR, Told, block_peaks, day_of, gap_of, hour_of, merge_peaks
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.thresholds import tell_crossings
from casm_ctrl.store import counts as counts_store
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event
from casm_ctrl.store.events import record as record_events
from casm_ctrl.store.sample_rows import PollRow, unpack_spans
from casm_ctrl.store.transaction import Transaction

REFUSED = "usage-refused"
"""How the audit names a reading that was not believed; its target is what was wrong."""
_CONTROLLER = Author("controller")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- Keeping --------------------------------------------------------------------------------------


def record(database: Database, device: str, accepted: Accepted) -> None:
    """Keep a reading with the time of now; counts become those of the blocks, and marks that are crossed are told."""
    database.run(lambda tx: record_in(tx, device, accepted))


def record_in(tx: Transaction, device: str, accepted: Accepted) -> None:
    """As `record`, in a transaction of the caller's."""
    number, reading = the_device(tx, device).id, accepted.reading
    last = store.get_last(tx, number)
    known = {} if last.row is None else {pool.pool: pool for pool in last.row.pools}
    whole = reading.source == POLL
    pools = (
        reading.pools if whole else tuple(_completed(pool, known.get(pool.pool)) for pool in reading.pools)
    )
    if reading.kind == COUNT:
        found = {block.block: block.used for pool in reading.pools for block in pool.blocks}
        counts_store.note_counts(tx, number, found)
    if reading.kind == NONE:  # that it answers, and when it started, is all that it tells
        store.put_last(tx, number, PollRow(tx.now, POLL, NONE, (), {}), reading.booted_at or last.booted_at)
        return
    row = PollRow(
        tx.now,
        reading.source,
        reading.kind,
        pools,
        store.counted_by_others(tx, number) if reading.kind == COUNT else {},
        reading.sampled_at,
        accepted.restarted,
        accepted.suspicious,
    )
    store.insert_poll(tx, number, row)
    store.note_owners(tx, (pool.pool for pool in pools), tx.now)
    kept = {} if whole or (last.row is not None and last.row.kind != reading.kind) else known
    merged = tuple((kept | {pool.pool: _with_blocks(pool, kept.get(pool.pool)) for pool in pools}).values())
    latest = PollRow(tx.now, reading.source, reading.kind, merged, {}, reading.sampled_at)
    store.put_last(tx, number, latest, reading.booted_at or last.booted_at)
    if reading.kind == COUNT:
        tell_crossings(tx, number)


def refuse_in(tx: Transaction, device: str, refused: Refused) -> bool:
    """Keep in the audit that a reading was not believed, once by kind until one is; False where that is known. In a
    transaction of the caller's."""
    if not refused.grave:
        return False
    number = the_device(tx, device).id
    last = store.get_last(tx, number)
    kinds, now = last.refused | {refused.kind}, refused.renewed
    if now is not None:
        row = PollRow(now.at, now.source, now.kind, now.pools, {}, now.sampled_at)
        store.put_last(tx, number, row, now.booted_at or last.booted_at, kinds)
    elif kinds != last.refused:
        store.put_refused(tx, number, kinds)
    if kinds == last.refused:
        return False
    event = Event(REFUSED, "device", number, device, target=refused.kind, reason=refused.reason)
    record_events(tx, _CONTROLLER, [event])
    return True


def _completed(told: PoolReading, known: PoolReading | None) -> PoolReading:
    """What a device told by itself, with those blocks that it did not tell of as they were last."""
    if not told.blocks or known is None:
        return told
    blocks: dict[int, BlockReading] = {block.block: block for block in known.blocks}
    blocks |= {block.block: block for block in told.blocks}
    counter = known if told.refused is None else told
    return PoolReading.of_blocks(
        told.pool, told.label, blocks.values(), counter.refused, counter.refused_since
    )


def _with_blocks(told: PoolReading, known: PoolReading | None) -> PoolReading:
    """Of a device pool that was told of as a whole, the blocks that it had last."""
    if told.blocks or known is None:
        return told
    counter = known if told.refused is None else told
    since = counter.refused_since
    return replace(told, blocks=known.blocks, refused=counter.refused, refused_since=since)


def last_reading(tx: Transaction, device: str) -> DeviceReading | None:
    """The last reading of a device that was kept, or None: what the next one is judged by."""
    last = store.get_last(tx, the_device(tx, device).id)
    if last.row is None:
        return None
    row = last.row
    return DeviceReading(
        device, row.kind, row.source, row.at, row.pools, row.sampled_at, booted_at=last.booted_at
    )


# --- Reading back ---------------------------------------------------------------------------------


def latest(tx: Transaction, device_pool_id: int) -> Sample | None:
    """The last sample of a device pool, however old, over all members; None where there never was one."""
    rows = [
        last.row
        for device in store.members_of_pool(tx, device_pool_id)
        if (last := store.get_last(tx, device)).row
    ]
    told = [
        (row, sample)
        for row in rows
        if row is not None and (sample := row.sample(device_pool_id)) is not None
    ]
    if not told:
        return None
    _, newest = max(told, key=lambda one: one[1].at)
    if newest.kind != COUNT or len(told) == 1:
        return newest
    used: dict[int, int] = {}
    for _, sample in told:
        for block in sample.blocks:
            used[block.block] = used.get(block.block, 0) + block.used
    blocks = tuple(replace(block, used=used[block.block]) for block in newest.blocks)
    more = sum(block.used for block in blocks) - sum(block.used for block in newest.blocks)
    return replace(newest, used=newest.used + more, blocks=blocks)


def recent(tx: Transaction, device_pool_id: int, since: int) -> list[Sample]:
    """The samples of a device pool from `since` on, oldest first; of the last 24 hours there are all."""
    return [sample for _, sample in _told(tx, device_pool_id, since)]


def hours(tx: Transaction, device_pool_id: int, since: int) -> list[Span]:
    """The hours from the one of `since` on, oldest first; of 35 days. The last one is not over yet."""
    first = since - since % HOUR
    spans: dict[Micros, Span] = {}
    for _, row in store.list_hours(tx, device_pool_id, first // DAY, tx.now // DAY):
        spans |= {span.begin: span for span in row.spans.values() if span.begin >= first}
    told, begin, gap = _unthinned(tx, device_pool_id, first)
    for at in range(begin, told[-1][1].at + 1, HOUR) if told else ():
        span = hour_of(told, at, gap)
        if span is not None:
            spans[span.begin] = span
    return [span for _, span in sorted(spans.items())]


def days(tx: Transaction, device_pool_id: int, since: int) -> list[Span]:
    """The days (UTC) from the one of `since` on, oldest first; of years. The last one is not over yet."""
    first = since - since % DAY
    spans: dict[Micros, Span] = {}
    for month, data in store.list_days(tx, device_pool_id, month_of(first), month_of(tx.now)):
        row = unpack_spans(data, month_begin(month), DAY)
        spans |= {span.begin: span for span in row.spans.values() if span.begin >= first}
    by_day: dict[int, list[Span]] = {}
    for span in hours(tx, device_pool_id, max(first, _days_until(tx, device_pool_id))):
        by_day.setdefault(span.begin - span.begin % DAY, []).append(span)
    for begin, inside in by_day.items():
        day = day_of(inside, begin)
        if day is not None:
            spans[day.begin] = day
    return [span for _, span in sorted(spans.items())]


def block_days(tx: Transaction, device_pool_id: int, since: int) -> dict[int, dict[Micros, int]]:
    """By block, the peak of each day (UTC) from the one of `since` on."""
    first = since - since % DAY
    peaks: dict[int, dict[Micros, int]] = {}
    found = store.get_block_days(tx, device_pool_id, month_of(first), month_of(tx.now))
    for month, block, by_day in found:
        for day, peak in by_day.items():
            at = Micros(month_begin(month) + day * DAY)
            if at >= first:
                peaks.setdefault(block, {})[at] = peak
    lately = max(first, _days_until(tx, device_pool_id))
    newer: dict[int, Mapping[int, int]] = {}
    for day, row in store.list_hours(tx, device_pool_id, lately // DAY, tx.now // DAY):
        newer[day] = row.blocks
    told, begin, _ = _unthinned(tx, device_pool_id, lately)
    for day in range(begin // DAY, tx.now // DAY + 1):
        of_day = block_peaks(told, max(begin, day * DAY), (day + 1) * DAY)
        newer[day] = merge_peaks(newer.get(day, {}), of_day)
    for day, blocks in newer.items():
        for block, peak in blocks.items():
            peaks.setdefault(block, {})[Micros(day * DAY)] = peak
    return peaks


def _told(tx: Transaction, device_pool_id: int, since: int) -> list[Told]:
    """All members' samples of a device pool, oldest first."""
    told = [
        (device, sample)
        for device in store.members_of_pool(tx, device_pool_id)
        for row in store.list_polls(tx, device, since, pool=device_pool_id)
        if (sample := row.sample(device_pool_id)) is not None
    ]
    return sorted(told, key=lambda one: one[1].at)


def _unthinned(tx: Transaction, device_pool_id: int, first: int) -> tuple[list[Told], int, int]:
    """The samples that are in no hour yet, with those of the gap before them; where their first hour begins; and the
    gap."""
    progress = store.progress_of_pool(tx, device_pool_id)
    begin = first if progress is None else max(first, progress.hours_until)
    gap = gap_of(store.longest_interval(tx, store.members_of_pool(tx, device_pool_id)))
    return _told(tx, device_pool_id, begin - gap), begin, gap


def _days_until(tx: Transaction, device_pool_id: int) -> int:
    """Before which time the hours of a device pool are in days."""
    progress = store.progress_of_pool(tx, device_pool_id)
    return 0 if progress is None else progress.days_until


# --- The calendar ---------------------------------------------------------------------------------


def month_of(at: int) -> int:
    """The number of the month (UTC) that a time is in: twelve a year, and January 1970 is 1970 * 12."""
    when = _EPOCH + timedelta(microseconds=at)
    return when.year * 12 + when.month - 1


def month_begin(month: int) -> Micros:
    """When the month with a number begins."""
    begin = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return Micros((begin - _EPOCH) // timedelta(microseconds=1))
