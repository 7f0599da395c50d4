"""Samples thinned with age: all of them for 24 hours, hours for 35 days, days for five years.

In steps that are short transactions of their own. Each makes hours of samples that are still there and notes how far
it came in the same transaction, so that one that was killed is done anew; a sample goes only once it is in its hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.readings import Span
from casm_ctrl.service.averages import DAY, HOUR, Told, block_peaks, day_of, gap_of, hour_of, merge_peaks
from casm_ctrl.service.samples import month_begin, month_of
from casm_ctrl.store import clock_watch
from casm_ctrl.store import samples as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.sample_rows import SpanRow
from casm_ctrl.store.samples import Progress
from casm_ctrl.store.transaction import Transaction

RAW = 24 * HOUR
HOURS_KEPT = 35
"""Days."""
DAYS_KEPT = 60
"""Months."""

_LATE = 60 * SECOND
"""An hour is made this long after its end: what was begun in it has ended then."""
_OWNERS, _DEVICES, _ROWS = 16, 64, 200
"""At most so many owners, or devices, in one step, and about so many samples."""
_STRETCH = 6 * HOUR
"""At most so much time of one owner or device in one step."""


@dataclass(frozen=True)
class Thinned:
    """What a call did: hours of device pools that were made, samples that went, and in how many steps."""

    hours: int
    samples: int
    steps: int


def thin(database: Database) -> Thinned:
    """Do all that is due. Nothing while the clock is held because it jumped."""
    made = gone = steps = 0
    while (hours := database.run(_fold)) is not None:
        made, steps = made + hours, steps + 1
    after: int | None = 0
    while after is not None:
        position = after
        after, deleted = database.run(lambda tx, position=position: _drop(tx, position))  # type: ignore[misc]
        gone, steps = gone + deleted, steps + 1
    return Thinned(made, gone, steps)


# --- Hours and days -------------------------------------------------------------------------------


def _fold(tx: Transaction) -> int | None:
    """One step; the number of hours made, or None where nothing was left to do."""
    if clock_watch.look(tx):
        return None
    before = tx.now - _LATE
    owners = store.unthinned_owners(tx, before - before % HOUR, _OWNERS)
    made, room = 0, _ROWS
    for progress in owners:
        hours, samples = _fold_owner(tx, progress, before - before % HOUR)
        made, room = made + hours, room - samples
        if room < 0:
            break
    return made if owners else None


def _fold_owner(tx: Transaction, progress: Progress, before: int) -> tuple[int, int]:
    """Make hours of an owner's samples of one stretch before an hour; (hours made, samples read)."""
    members = store.members_of_owner(tx, progress.owner_id)
    firsts = [store.first_poll(tx, device, progress.hours_until) for device in members]
    first = min((at for at in firsts if at is not None), default=None)
    begin = before if first is None else min(first - first % HOUR, before)
    end = min(begin + _STRETCH, before)
    gap = gap_of(store.longest_interval(tx, members))
    rows = [(device, row) for device in members for row in store.list_polls(tx, device, begin - gap, end)]
    pools = store.pools_of_owner(tx, progress.owner_id)
    made = 0
    for pool in pools:
        told = [(device, sample) for device, row in rows if (sample := row.sample(pool)) is not None]
        told.sort(key=lambda one: one[1].at)
        for day in range(begin // DAY, (end - 1) // DAY + 1) if told else ():
            made += _put_hours(tx, pool, day, told, max(begin, day * DAY), min(end, (day + 1) * DAY), gap)
    today = end // DAY
    if progress.days_until // DAY < today:
        for pool in pools:
            _put_days(tx, pool, progress.days_until // DAY, today - 1)
            store.delete_hours(tx, pool, today - HOURS_KEPT)
            store.delete_days(tx, pool, month_of(end) - DAYS_KEPT)
    days_until = Micros(max(progress.days_until, today * DAY))
    store.put_progress(tx, Progress(progress.owner_id, Micros(end), days_until))
    return made, len(rows)


def _put_hours(tx: Transaction, pool: int, day: int, told: list[Told], begin: int, end: int, gap: int) -> int:
    """Those of one day from `begin` to `end`. One that is there already stays where it stands for more time: its
    samples have gone meanwhile."""
    known = store.get_hours(tx, pool, day)
    spans: dict[int, Span] = {}
    for at in range(begin, end, HOUR):
        span, number = hour_of(told, at, gap), (at - day * DAY) // HOUR
        before = known.spans.get(number)
        if span is not None and (before is None or span.covered >= before.covered):
            spans[number] = span
    if spans:
        peaks = merge_peaks(known.blocks, block_peaks(told, begin, end))
        store.put_hours(tx, pool, day, SpanRow({**known.spans, **spans}, peaks))
    return len(spans)


def _put_days(tx: Transaction, pool: int, first: int, last: int) -> None:
    """Make days of the hours of the days from `first` to `last`."""
    by_month: dict[int, dict[int, SpanRow]] = {}
    for day, row in store.list_hours(tx, pool, first, last):
        by_month.setdefault(month_of(day * DAY), {})[day] = row
    for month, rows in by_month.items():
        begin = month_begin(month)
        spans = dict(store.get_days(tx, pool, month, begin).spans)
        known = {block: dict(peaks) for _, block, peaks in store.get_block_days(tx, pool, month, month)}
        for day, row in rows.items():
            span, number = day_of(row.spans.values(), day * DAY), day - begin // DAY
            if span is not None:
                spans[number] = span
            for block, peak in row.blocks.items():
                known.setdefault(block, {})[number] = peak
        store.put_days(tx, pool, month, SpanRow(spans, {}))
        touched = {block for row in rows.values() for block in row.blocks}
        store.put_block_days(tx, pool, month, {block: known[block] for block in touched})


# --- What was kept long enough --------------------------------------------------------------------


def _drop(tx: Transaction, after: int) -> tuple[int | None, int]:
    """One step over devices behind the one with an id; (where the next begins or None, samples that went)."""
    if clock_watch.is_held(tx):
        return None, 0
    gone = 0
    devices = store.polled_devices(tx, after, _DEVICES)
    for device in devices:
        first = store.first_poll(tx, device)
        folded = store.thinned_until(tx, device)
        until = tx.now - RAW if folded is None else min(tx.now - RAW, folded - HOUR)
        if first is not None and first < until:
            gone += store.delete_polls(tx, device, min(until, first + _STRETCH))
            if first + _STRETCH < until:
                return after, gone
            if gone > _ROWS:
                return device, gone
        after = device
    return (after if devices else None), gone
