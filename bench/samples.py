"""How much room a year of usage samples takes, and what keeping and reading them costs beside a year of them.

Run with `make bench-samples`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the machine and
the versions, to bench/results/samples.json. Ten thousand device pools of five /24 blocks on two thousand devices,
polled every five minutes, one device in twenty every thirty seconds. The samples are made here and packed as the
store does; subscribers follow a daily curve, with noise of their own in each block.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.readings import (
    COUNT,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Sample,
    Span,
)
from casm_ctrl.service import samples
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.averages import DAY, HOUR
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.samples import month_begin, month_of
from casm_ctrl.service.thinning import thin
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.store.sample_rows import PollRow, SpanRow, pack_peaks, pack_poll, pack_spans
from casm_ctrl.store.transaction import Mode, Transaction

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.report import Report, versions

ME = Author("bench")
POOLS, BLOCKS, SIZE = 5, 5, 256
"""Device pools of a device, blocks of a device pool, addresses of a block."""
INTERVAL, HOT_INTERVAL, HOT = 300, 30, 20
"""Seconds; one device in so many is hot."""
END = 20_420 * DAY + 13 * HOUR + 90 * SECOND
TABLES = ("usage_poll", "usage_hours", "usage_days", "usage_block_days", "usage_device", "usage_thinned")
GOAL = 2_000_000_000


class Crowd:
    """Subscribers of all blocks: a daily curve, and what each block differs from it."""

    def __init__(self) -> None:
        self.random = random.Random(6)

    def used(self, at: int, block: int) -> int:
        share = 0.62 + 0.25 * math.sin(math.tau * ((at % DAY) / DAY - 0.45))
        return min(int(SIZE * share) + block % 17 + self.random.randrange(-4, 5), SIZE)

    def pool(self, at: int, pool: int) -> PoolReading:
        first = (pool - 1) * BLOCKS + 1
        blocks = [BlockReading(n, self.used(at, n), SIZE, SIZE - 9) for n in range(first, first + BLOCKS)]
        return PoolReading.of_blocks(pool, "", blocks, pool % 7)

    def span(self, at: int, pool: int, spread: int) -> Span:
        average = sum(self.used(at, pool * BLOCKS + n) for n in range(2)) * BLOCKS // 2
        peak = average + self.random.randrange(spread)
        return Span(Micros(at), COUNT, 100, average, peak, SIZE * BLOCKS, int(self.random.random() < 0.02))


def configure(database: Database, devices: int) -> None:
    """One device by the verbs, and copies of it by SQL: their pools and blocks have no addresses that count."""
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("p", "s", ("10.0.0.0/8",)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
        *(AddDevicePool(f"bng1/pool{n}", ("p",), 24) for n in range(1, POOLS + 1)),
    ]
    change(database, ME, edits)
    for number in range(1, POOLS + 1):
        allocate(database, ME, f"bng1/pool{number}", count=BLOCKS)
    with closing(sqlite3.connect(database.url.database or "", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {devices}) "

        def copy(table: str, rows: str = "n", **columns: str) -> None:
            info = connection.execute(f"PRAGMA table_info({table})")
            names = [row[1] for row in info]
            values = ", ".join(columns.get(name, name) for name in names)
            connection.execute(
                f"{numbers} INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {rows}"
            )

        copy("owner", "n, owner WHERE id = 1", id="i", name="'bng' || i")
        copy("device", "n, device WHERE id = 1", id="i", name="'bng' || i", owner_id="i")
        copy("owner_member", "n, owner_member WHERE device_id = 1", owner_id="i", device_id="i")
        ids = {"id": f"(i - 1) * {POOLS} + id", "device_id": "i", "owner_id": "i"}
        copy("device_pool", f"n, device_pool WHERE id <= {POOLS}", **ids)
        connection.execute("COMMIT")


def fill(path: str, devices: int, say: Callable[[str], None]) -> None:
    """A year of samples up to END, thinned as the store thins."""
    crowd = Crowd()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")

        def put(table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
            connection.execute("BEGIN")
            marks = ", ".join("?" * (columns.count(",") + 1))
            connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            connection.execute("COMMIT")
            say(f"{table} is full")

        put("usage_poll", "device_id, at, data", _polls(crowd, devices))
        pools = range(1, devices * POOLS + 1)
        put("usage_hours", "device_pool_id, day, data", _hours(crowd, pools))
        put("usage_days", "device_pool_id, month, data", _days(crowd, pools))
        put("usage_block_days", "device_pool_id, month, block_id, data", _block_days(crowd, pools))
        latest = (
            (device, END, END, 1, pack_poll(_row(crowd, device, END))) for device in range(1, devices + 1)
        )
        put("usage_device", "device_id, at, sampled_at, booted_at, data", latest)
        made = END - END % HOUR - HOUR
        thinned = ((device, made, made - made % DAY) for device in range(1, devices + 1))
        put("usage_thinned", "owner_id, hours_until, days_until", thinned)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _row(crowd: Crowd, device: int, at: int) -> PollRow:
    first = (device - 1) * POOLS + 1
    pools = tuple(crowd.pool(at, pool) for pool in range(first, first + POOLS))
    return PollRow(Micros(at), POLL, COUNT, pools, {}, Micros(at - 3000))


def _polls(crowd: Crowd, devices: int) -> Iterator[tuple[int, int, bytes]]:
    for device in range(1, devices + 1):
        interval = HOT_INTERVAL if device % HOT == 0 else INTERVAL
        for at in range(END - DAY - HOUR, END, interval * SECOND):
            at += device * 137
            yield device, at, pack_poll(_row(crowd, device, at))


def _hours(crowd: Crowd, pools: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    today = END // DAY
    for pool in pools:
        first = (pool - 1) * BLOCKS + 1
        for day in range(today - 35, today + 1):
            until = (END % DAY) // HOUR - 1 if day == today else 24
            spans = {hour: crowd.span(day * DAY + hour * HOUR, pool, 40) for hour in range(until)}
            peaks = {n: crowd.used(day * DAY + 17 * HOUR, n) for n in range(first, first + BLOCKS)}
            yield pool, day, pack_spans(SpanRow(spans, peaks))


def _months() -> Iterator[tuple[int, range]]:
    """(month, its days that are over) of a year up to END."""
    for month in range(month_of(END) - 12, month_of(END) + 1):
        begin = month_begin(month) // DAY
        yield month, range(begin, min(month_begin(month + 1) // DAY, END // DAY))


def _days(crowd: Crowd, pools: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    for pool in pools:
        for month, days in _months():
            spans = {day - days[0]: crowd.span(day * DAY, pool, 300) for day in days}
            yield pool, month, pack_spans(SpanRow(spans, {}))


def _block_days(crowd: Crowd, pools: Sequence[int]) -> Iterator[tuple[int, int, int, bytes]]:
    for pool in pools:
        for month, days in _months():
            for block in range((pool - 1) * BLOCKS + 1, pool * BLOCKS + 1):
                peaks = {day - days[0]: crowd.used(day * DAY + 17 * HOUR, block) for day in days}
                yield pool, month, block, pack_peaks(peaks)


# --- What it costs --------------------------------------------------------------------------------


def time_records(database: Database, clock: ManualClock) -> tuple[float, float]:
    """Seconds for one reading of a device with all its blocks: until it is durable, and without the commit."""
    clock.advance(30)
    pools = _row(Crowd(), 1, clock.now()).pools
    accepted = Accepted(DeviceReading("bng1", COUNT, POLL, clock.now(), pools, clock.now(), Micros(1)))
    begin = time.perf_counter()
    samples.record(database, "bng1", accepted)
    kept = time.perf_counter() - begin
    with database.rehearse() as tx:
        begin = time.perf_counter()
        samples.record_in(tx, "bng1", accepted)
        return kept, time.perf_counter() - begin


def time_reads(database: Database, pools: Sequence[int], read: str, since: int) -> tuple[float, int]:
    """Seconds to read one device pool's samples or spans since then, the median; and how many there were."""
    taken, found = [], 0
    for pool in pools:
        with database.read() as tx:
            begin = time.perf_counter()
            rows: list[Sample] | list[Span] = getattr(samples, read)(tx, pool, since)
            taken.append(time.perf_counter() - begin)
        found = max(found, len(rows))
    return statistics.median(taken), found


def open_at_end(path: str) -> tuple[Database, ManualClock]:
    """The store as if it had been made at END: its clock did not jump."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM clock_watch")
        connection.commit()
    clock = ManualClock(END)
    return open_database(path, clock), clock


def measure(report: Report, folder: Path, devices: int, records: int) -> None:
    empty_path, path = str(folder / "empty.db"), str(folder / "casm.db")
    database, _ = create_store(path, ManualClock(END))
    configure(database, devices)
    database.close()
    shutil.copyfile(path, empty_path)
    fill(path, devices, report.say)
    with closing(sqlite3.connect(path)) as connection:
        sizes = dict(connection.execute("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name").fetchall())
        rows = {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES}
    whole = sum(size for name, size in sizes.items() if name.startswith("usage_"))
    for table in TABLES:
        report.add(f"{table}: {rows[table]} rows", sizes[table] / 1e6, "MB")
    scale = 2000 / devices
    report.add("a year of ten thousand device pools", whole * scale / 1e6, "MB", GOAL / 1e6, at_most=True)
    report.add("the whole file", Path(path).stat().st_size / 1e6, "MB")
    (empty, empty_clock), (database, clock) = open_at_end(empty_path), open_at_end(path)
    taken: tuple[list[tuple[float, float]], list[tuple[float, float]]] = [], []
    for _ in range(records):  # in turn, so that what else the machine does falls on both
        taken[0].append(time_records(empty, empty_clock))
        taken[1].append(time_records(database, clock))
    for number, words in enumerate(("durable", "without the commit")):
        little, much = (statistics.median(times[number] for times in of_store) for of_store in taken)
        report.add(f"one reading of 25 blocks kept, {words}, in an empty store", little * 1e3, "ms")
        report.add(f"one reading of 25 blocks kept, {words}, beside a year of all", much * 1e3, "ms")
    report.add("the latter, against an empty store", much / little, "times", 1.5, at_most=True)
    empty.close()
    picks = random.Random(7).sample(range(POOLS + 1, devices * POOLS + 1), min(200, (devices - 1) * POOLS))
    for read, since, words in (
        ("recent", END - 3600 * SECOND, "samples of an hour"),
        ("recent", END - DAY, "samples of a day"),
        ("hours", END - 7 * DAY, "hours of 7 days"),
        ("days", END - 365 * DAY, "days of a year"),
    ):
        seconds, found = time_reads(database, picks, read, since)
        report.add(f"{words} of one device pool read ({found})", seconds * 1e3, "ms")
    steps: list[float] = []
    run = database.run

    def timed(body: Callable[[Transaction], Any], mode: Mode = Mode.WRITE) -> Any:
        begin = time.perf_counter()
        try:
            return run(body, mode)
        finally:
            steps.append(time.perf_counter() - begin)

    database.run = timed  # type: ignore[method-assign]
    done = thin(database)
    report.add(f"an hour of all thinned, in {done.steps} steps, {done.samples} samples gone", sum(steps), "s")
    report.add("one step of that: the median", statistics.median(steps) * 1e3, "ms")
    report.add("one step of that: the longest", max(steps) * 1e3, "ms")
    database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=2000, help="with five device pools each")
    parser.add_argument("--records", type=int, default=300, help="readings that are timed")
    arguments = parser.parse_args()
    report = Report("samples", versions=versions("casm-ctrl", "SQLAlchemy"), sqlite=sqlite3.sqlite_version)
    with tempfile.TemporaryDirectory() as folder:
        measure(report, Path(folder), arguments.devices, arguments.records)
    report.finish()


if __name__ == "__main__":
    main()
