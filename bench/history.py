"""How long it takes to tell who had an address, with few and with ten million transitions behind.

Run with `make bench-history`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the
machine and the versions, to bench/results/history.json. The history is made by SQL: half of the blocks had
one and the same prefix, one after the other; the others had the 65,536 prefixes of a /8 in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from casm_ctrl.addressing.prefix import Family, Prefix, format_address
from casm_ctrl.base.clock import SECOND, to_rfc3339
from casm_ctrl.service import sealing
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.trace import trace
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

ME = Author("bench")
RESULTS = Path(__file__).parent / "results" / "history.json"
FEW, MANY = 100_000, 10_000_000
"""Transitions."""
TRACES = 400
BEGIN = 1_600_000_000 * SECOND
LIFE = 10 * SECOND
"""A block is allocated every so often, and freed after half of that."""
STEPS = (
    ("allocate", "free", "reserved"),
    ("observe", "reserved", "installed"),
    ("apply", "installed", "withdrawing"),
    ("observe", "withdrawing", "quarantined"),
    ("rest", "quarantined", "free"),
)
TEN = 10 << 24


def address_of(block: int) -> int:
    """The first address of the block with a number: every other one has 10.0.0.0/24."""
    return TEN if block % 2 else TEN + ((block // 2 % 65536) << 8)


def key(block: int, last: int) -> bytes:
    prefix = Prefix(Family.IPV4, address_of(block), 24)
    return prefix.last_key if last else prefix.first_key


def fill(path: Path, transitions: int) -> int:
    """Write the history of so many transitions; returns how many blocks there were."""
    count = transitions // len(STEPS)
    blocks = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    steps = " UNION ALL ".join(
        f"SELECT {index} AS step, '{verb}' AS verb, '{source}' AS source, '{target}' AS target"
        for index, (verb, source, target) in enumerate(STEPS)
    )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("key", 2, key, deterministic=True)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO past_block (id, pool_id, space_id, space, public, family, first, last, length,"
            " device_pool_id, device_pool, pool, members, sent, allocated_at, freed_at)"
            f" {blocks} SELECT i, 1, 1, 's', 0, 4, key(i, 0), key(i, 1), 24, 1, 'bng1/internet', 'p',"
            f' \'[[1, "bng1", "serves"]]\', 1, {BEGIN} + i * {LIFE}, {BEGIN} + i * {LIFE} + {LIFE // 2} FROM n'
        )
        connection.execute(
            "INSERT INTO stay (block_id, device_id, device, role, maybe_from, sure_from, sure_until, maybe_until,"
            f" ended) {blocks} SELECT i, 1, 'bng1', 'serves', {BEGIN} + i * {LIFE}, {BEGIN + SECOND} + i * {LIFE},"
            f" {BEGIN + 2 * SECOND} + i * {LIFE}, {BEGIN + 3 * SECOND} + i * {LIFE}, 'removal' FROM n"
        )
        connection.execute(
            "INSERT INTO event (at, actor, request_id, verb, subject_kind, subject_id, subject, source, target,"
            f" reason) {blocks} SELECT {BEGIN} + i * {LIFE} + step * {SECOND}, 'bench', NULL, verb, 'block', i,"
            f" 'b' || i, source, target, '' FROM n CROSS JOIN ({steps})"
        )
        connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'block'", (count,))
        connection.execute("COMMIT")
    return count


def prepare(path: Path, transitions: int) -> tuple[Database, int]:
    database, _ = create_store(str(path))
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("p", "s", ("10.0.0.0/8",)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
        AddDevicePool("bng1/internet", ("p",), 24),
    ]
    change(database, ME, edits)
    with database.write() as tx:
        tx.run("DELETE FROM event")
    return database, fill(path, transitions)


def ask(database: Database, blocks: list[int]) -> float:
    """The median of the milliseconds that a trace of one of `blocks` takes, while it was installed."""
    times = []
    for block in blocks:
        address = format_address(Family.IPV4, address_of(block) + 7)
        moment = to_rfc3339(BEGIN + block * LIFE + SECOND + SECOND // 2)
        start = time.perf_counter()
        answer = trace(database, address, at=moment)
        times.append(time.perf_counter() - start)
        (found,) = answer["block"]
        assert found["id"] == f"b{block}", (found, block)
        assert found["state"] == "installed"
        assert found["member"][0]["presence"] == "present"
    return statistics.median(times) * 1000


def measure(folder: Path, few: int, many: int) -> list[dict[str, Any]]:
    choice = random.Random(1)
    medians: dict[tuple[str, int], float] = {}
    rates: dict[str, float] = {}
    for transitions in (few, many):
        start = time.perf_counter()
        database, count = prepare(folder / f"{transitions}.db", transitions)
        print(f"{transitions} transitions written in {time.perf_counter() - start:.0f} s", flush=True)
        with closing(database):
            numbers = [choice.randrange(1, count - 1) for _ in range(TRACES)]
            for name, parity in (("one prefix of many times", 1), ("one of many prefixes", 0)):
                chosen = [number - number % 2 + parity for number in numbers if number > 1]
                ask(database, chosen[:50])
                medians[name, transitions] = ask(database, chosen)
            if transitions == few:
                start = time.perf_counter()
                sealed, _ = sealing.seal_some(database, None)
                rates["events sealed"] = sealed / (time.perf_counter() - start)
                start = time.perf_counter()
                assert sealing.verify(database)["findings"] == "0"
                rates["events verified"] = sealed / (time.perf_counter() - start)
    results = []
    for name in ("one prefix of many times", "one of many prefixes"):
        results += [
            result(f"trace, {name}, {few} transitions", medians[name, few], "ms", None),
            result(f"trace, {name}, {many} transitions", medians[name, many], "ms", None),
            result(
                f"trace, {name}, {many} against {few}", medians[name, many] / medians[name, few], "ratio", 2
            ),
        ]
    return results + [result(name, value, "1/s", None) for name, value in rates.items()]


def result(name: str, value: float, unit: str, goal: float | None) -> dict[str, Any]:
    """`goal`: not to be exceeded."""
    rounded = round(value, 0 if unit == "1/s" else 2)
    return {"name": name, "value": rounded, "unit": unit, "goal": goal, "met": goal is None or value <= goal}


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
    parser.add_argument("--transitions", type=int, default=MANY, help=f"how many at most (default {MANY})")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix=".bench-") as folder:
        results = measure(Path(folder), FEW, arguments.transitions)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**machine(), "results": results}, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
