"""How many allocations a second the store makes durable, against bare durable commits on the same store.

Every allocation is a complete one: its block with state and members, its two rows of the audit, and its answer kept
under a request id.

Run with `make bench-allocation`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with
the machine and the versions, to bench/results/allocation.json. Rounds of what is compared alternate and the
median counts, because a disk's commit rate drifts by itself. PostgreSQL is a throw-away server over TCP.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import psycopg  # noqa: E402
from netaddr import IPNetwork, IPSet  # type: ignore[import-untyped]  # noqa: E402

from bench.fill import CONTIGUOUS, HOLES, fill, widen  # noqa: E402
from casm_ctrl.service.allocation import allocate  # noqa: E402
from casm_ctrl.service.configuration import (  # noqa: E402
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    Edit,
    change,
)
from casm_ctrl.store.database import Database, open_database  # noqa: E402
from casm_ctrl.store.events import Author  # noqa: E402
from casm_ctrl.store.migrate import create_store  # noqa: E402
from tests.peers.postgresql import Postgresql, missing_server  # noqa: E402

ME = Author("bench")
RESULTS = Path(__file__).parent / "results" / "allocation.json"
ROUNDS = 5
SINGLES = 300
BATCH = 50_000
CLIENTS = 8
WARM = 1500
"""Bare commits until SQLite's log is not extended any more but written over, which is twice as fast; an allocation
writes more than ten times as many pages."""
_REQUESTS = itertools.count()

# One client of many: bare commits, or allocations for a device pool; prints its rate.
CLIENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from bench.allocation import allocate, asker, bare_postgresql
url, what, count = sys.argv[2], sys.argv[3], int(sys.argv[4])
if what == "bare":
    work = bare_postgresql(url)
else:
    from casm_ctrl.store.database import open_database
    database = open_database(url)
    def work(): allocate(database, asker(), what)
for _ in range(10): work()
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(count): work()
    print(count / (time.perf_counter() - start), flush=True)
"""


class Report:
    """What was measured so far; written after every figure, so that a run that is cut off keeps it."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = {**about, "complete": False}
        self.results: list[dict[str, Any]] = []
        self._start = time.monotonic()

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self._start:6.1f} s  {words}", file=sys.stderr, flush=True)

    def add(self, name: str, value: float, unit: str, goal: float | None = None) -> None:
        rounded = round(value, 2 if unit == "ratio" else 0)
        met = goal is None or value >= goal
        self.results.append({"name": name, "value": rounded, "unit": unit, "goal": goal, "met": met})
        self.say(f"{name}: {rounded:g} {unit}{'' if met else f' (goal {goal:g}: missed)'}")
        self._write()

    def finish(self) -> None:
        self.about |= {
            "load_after": round(os.getloadavg()[0], 2),
            "complete": True,
            "seconds": round(time.monotonic() - self._start),
        }
        self._write()

    def _write(self) -> None:
        RESULTS.parent.mkdir(exist_ok=True)
        text = json.dumps({**self.about, "results": self.results}, indent=2)
        RESULTS.write_text(text + "\n", encoding="utf-8")


def asker() -> Author:
    """Who asks, with a request id that nobody had."""
    return Author("bench", f"{os.getpid()}-{next(_REQUESTS)}")


def rate(count: int, work: Callable[[], object]) -> float:
    """How often `work` is done per second, over `count` times."""
    start = time.perf_counter()
    for _ in range(count):
        work()
    return count / (time.perf_counter() - start)


def bare_sqlite(path: Path) -> Callable[[], None]:
    """One transaction of one small row, with the store's own settings and nothing of ours."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (at INTEGER)")

    def work() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO bare VALUES (1)")
        connection.execute("COMMIT")

    return work


def bare_postgresql(url: str) -> Callable[[], None]:
    connection = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)

    def work() -> None:
        connection.execute("INSERT INTO bare VALUES (1)")

    return work


def prepare(url: str) -> Database:
    """A store with pools for one client and for many, and a device for each client."""
    database, _ = create_store(url)
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("one", "s", ("10.0.0.0/8",)),
        AddPool("batch", "s", ("11.0.0.0/8",)),
    ]
    for number in range(CLIENTS):
        edits += [
            AddPool(f"p{number}", "s", (f"{20 + number}.0.0.0/8",)),
            AddDevice(f"d{number}", "bng", "ietf-address-pool", f"192.0.2.{number}", 830, "c", "env:S", "s"),
            AddDevicePool(f"d{number}/one", ("one",), 30),
            AddDevicePool(f"d{number}/own", (f"p{number}",), 30),
        ]
    edits.append(AddDevicePool("d0/batch", ("batch",), 30))
    change(database, ME, edits)
    return database


def alternate(floor: Callable[[], None], works: Sequence[Callable[[], object]]) -> list[float]:
    """The median rates of `floor` and of each of `works`, and the median ratio of each of these to the floor."""
    rates: list[list[float]] = [[] for _ in range(len(works) + 1)]
    for _ in range(ROUNDS):
        for found, work in zip(rates, [floor, *works], strict=True):
            found.append(rate(SINGLES, work))
    ratios = [statistics.median(w / f for w, f in zip(found, rates[0], strict=True)) for found in rates[1:]]
    return [*(statistics.median(found) for found in rates), *ratios]


def measure_growth(
    report: Report,
    store: str,
    floor: Callable[[], None],
    empty: Database,
    contiguous: Database,
    holes: Database,
) -> None:
    """The rate in full stores against that in an empty one, in rounds that alternate."""
    works = [lambda: allocate(empty, asker(), "d0/one"), lambda: allocate(contiguous, asker(), "d0/fill")]
    _growth(report, f"{store}: 1,000,000 blocks, contiguous, 99 % used", floor, works)
    widen(contiguous)
    _growth(report, f"{store}: 1,000,000 blocks, contiguous, 50 % used", floor, works)
    works[1] = lambda: allocate(holes, asker(), "d0/fill")
    _growth(report, f"{store}: 1,000,000 blocks, 1,000,000 single holes", floor, works)


def _growth(
    report: Report, name: str, floor: Callable[[], None], works: Sequence[Callable[[], object]]
) -> None:
    for work in works:
        rate(50, work)
    _, before, after, *_ = alternate(floor, works)
    report.add(f"{name}: allocations", after, "1/s")
    report.add(f"{name}: against an empty store", after / before, "ratio", 0.7)


def measure_sqlite(report: Report, folder: Path) -> None:
    floor = bare_sqlite(folder / "bare.db")
    with closing(prepare(str(folder / "casm.db"))) as database:
        rate(WARM, floor)
        rate(WARM // 10, lambda: allocate(database, asker(), "d0/one"))
        bare, single, share = alternate(floor, [lambda: allocate(database, asker(), "d0/one")])
        report.add("SQLite: bare durable commits", bare, "1/s")
        report.add("SQLite: single allocations", single, "1/s")
        report.add("SQLite: single allocations per bare commit", share, "ratio", 0.5)
        for count, times in ((1000, 20), (BATCH, 1)):
            values = [
                count * rate(times, lambda count=count: allocate(database, asker(), "d0/batch", count=count))  # type: ignore[misc]
                for _ in range(3)
            ]
            report.add(f"SQLite: blocks in requests of {count}", statistics.median(values), "1/s", 50_000)
    with ExitStack() as stack:
        empty, contiguous, holes = (
            stack.enter_context(closing(prepare(str(folder / f"{name}.db"))))
            for name in ("empty", "contiguous", "holes")
        )
        for database, kind in ((contiguous, CONTIGUOUS), (holes, HOLES)):
            fill(database, kind)
            report.say(f"SQLite: filled {kind}")
        measure_growth(report, "SQLite", floor, empty, contiguous, holes)


def clients(url: str, works: Sequence[str], count: int) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CLIENT, str(ROOT), url]
    pipe = subprocess.PIPE
    return [
        subprocess.Popen([*command, work, str(count)], stdin=pipe, stdout=pipe, text=True) for work in works
    ]


def together(workers: Sequence[subprocess.Popen[str]]) -> float:
    """One round of all of them at once: the sum of their rates."""
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return sum(float(worker.stdout.readline()) for worker in workers if worker.stdout is not None)


def measure_postgresql(report: Report, server: Postgresql) -> None:
    ready = server.make()
    prepare(server.url(ready)).close()
    server.execute("CREATE TABLE bare (at bigint)", name=ready)
    url = server.url(server.make(ready))
    measure_clients(report, url)
    with ExitStack() as stack:
        empty, contiguous, holes = (
            stack.enter_context(closing(open_database(server.url(server.make(ready))))) for _ in range(3)
        )
        # Each fill keeps one processor of the server busy: two at once take the time of one.
        with ThreadPoolExecutor() as threads:
            list(threads.map(fill, (contiguous, holes), (CONTIGUOUS, HOLES)))
        report.say("PostgreSQL: filled both")
        measure_growth(report, "PostgreSQL", bare_postgresql(url), empty, contiguous, holes)


def measure_clients(report: Report, url: str) -> None:
    """One, four and eight clients: bare commits, all on one pool, and each on its own."""
    kinds: dict[str, Callable[[int], str]] = {
        "bare": lambda n: "bare",
        "one pool": lambda n: f"d{n}/one",
        "eight pools": lambda n: f"d{n}/own",
    }
    rates: dict[tuple[str, int], list[float]] = {}
    for many in (1, 4, CLIENTS):
        teams = {
            kind: clients(url, [name(n) for n in range(many)], SINGLES // many + 50)
            for kind, name in kinds.items()
        }
        for turn in range(ROUNDS + 1):
            for kind, workers in teams.items():
                value = together(workers)
                if turn:
                    rates.setdefault((kind, many), []).append(value)
        for workers in teams.values():
            for worker in workers:
                worker.communicate()
        for kind in kinds:
            value = statistics.median(rates[kind, many])
            report.add(f"PostgreSQL: {kind}, {many} clients", value, "1/s")
    for kind in ("one pool", "eight pools"):
        for many, goal in ((1, 0.3), (4, None), (CLIENTS, 0.5)):
            pairs = zip(rates[kind, many], rates["bare", many], strict=True)
            share = statistics.median(one / bare for one, bare in pairs)
            report.add(f"PostgreSQL: {kind}, {many} clients, per bare commit", share, "ratio", goal)
        gain = statistics.median(rates[kind, CLIENTS]) / statistics.median(rates[kind, 1])
        report.add(f"PostgreSQL: {kind}, {CLIENTS} clients against 1", gain, "ratio", 2.0)


def measure_netaddr(report: Report) -> None:
    """The same job in netaddr, in memory: find a free /30 in an IPSet, and take it out."""
    for held in (0, 10_000):
        free = IPSet(["10.0.0.0/8"])
        if held:
            free -= IPSet(IPNetwork((0x0A000000 + 8 * index, 30)) for index in range(held))

        def take(free: IPSet = free) -> None:
            best = min(free.iter_cidrs(), key=lambda cidr: (cidr.prefixlen > 30, -cidr.prefixlen))
            free.remove(next(best.subnet(30)))

        value = rate(5 if held else 100, take)
        report.add(f"netaddr IPSet, not durable, {held} blocks taken", value, "1/s")


def machine() -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "psycopg": psycopg.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    arguments = parser.parse_args()
    report = Report(machine())
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".bench-"))
        measure_netaddr(report)
        measure_sqlite(report, Path(folder))
        if missing_server() is None:
            server = stack.enter_context(Postgresql())
            with psycopg.connect(server.dsn("postgres")) as connection:
                report.about["postgresql"] = connection.info.server_version
            measure_postgresql(report, server)
    report.finish()
    print(json.dumps(report.results, indent=2))


if __name__ == "__main__":
    main()
