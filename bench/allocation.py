"""How many allocations a second the store makes durable, against bare durable commits on the same disk.

Run with `make bench-allocation`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with
the machine and the versions, to bench/results/allocation.json. Rounds alternate and the median counts,
because a disk's commit rate drifts by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

ME = Author("bench")
RESULTS = Path(__file__).parent / "results" / "allocation.json"
ROUNDS = 5
SINGLES = 500
BATCH = 50_000


def rate(count: int, work: Callable[[], object]) -> float:
    """`count` things that `work` does, per second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def bare_commits(path: Path) -> None:
    """SINGLES transactions of one small row each, with the store's own settings and nothing of ours."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE IF NOT EXISTS bare (at INTEGER)")
        for number in range(SINGLES):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bare VALUES (?)", (number,))
            connection.execute("COMMIT")


def prepare(path: Path) -> Database:
    """A store with two /8 pools, one of them filled with `BATCH` blocks in each round."""
    database, _ = create_store(str(path))
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("single", "s", ("10.0.0.0/8",)),
        AddPool("batch", "s", ("11.0.0.0/8",)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
        AddDevicePool("bng1/single", ("single",), 30),
        AddDevicePool("bng1/batch", ("batch",), 30),
    ]
    change(database, ME, edits)
    return database


def measure(folder: Path) -> list[dict[str, Any]]:
    bare: list[float] = []
    single: list[float] = []
    batch: list[float] = []
    with closing(prepare(folder / "casm.db")) as database:

        def singles() -> None:
            for _ in range(SINGLES):
                allocate(database, ME, "bng1/single")

        singles()
        for _ in range(ROUNDS):
            bare.append(rate(SINGLES, lambda: bare_commits(folder / "bare.db")))
            single.append(rate(SINGLES, singles))
            batch.append(rate(BATCH, lambda: allocate(database, ME, "bng1/batch", count=BATCH)))
    share = statistics.median(one / other for one, other in zip(single, bare, strict=True))
    return [
        result("bare durable commits", statistics.median(bare), "1/s", None),
        result("single allocations", statistics.median(single), "1/s", None),
        result("single allocations per bare commit", share, "ratio", 0.5),
        result(f"blocks in requests of {BATCH}", statistics.median(batch), "1/s", 50_000),
    ]


def result(name: str, value: float, unit: str, goal: float | None) -> dict[str, Any]:
    rounded = round(value, 2 if unit == "ratio" else 0)
    return {"name": name, "value": rounded, "unit": unit, "goal": goal, "met": goal is None or value >= goal}


def machine() -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the file system to measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".bench-") as folder:
        results = measure(Path(folder))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**machine(), "results": results}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
