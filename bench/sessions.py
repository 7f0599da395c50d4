"""What sessions cost the controller: opened, used and idle, for each of its clients and for ncclient as it ships.

Run with `make bench-sessions`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the
machine and the versions, to bench/results/sessions.json. The devices are simulated ones in processes of
their own. Each client is measured in processes of its own, one after the other in turns; the best round counts,
for the others tell how busy the machine was. CPU is that of the client's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lxml import etree  # noqa: E402

from bench.report import Report, versions  # noqa: E402
from casm_ctrl.base.clients import CLIENTS  # noqa: E402
from casm_ctrl.netconf.client import operations  # noqa: E402
from casm_ctrl.netconf.client.calls import Client  # noqa: E402
from casm_ctrl.netconf.client.opening import open_session  # noqa: E402
from casm_ctrl.netconf.client.session import Session, Target  # noqa: E402
from casm_ctrl.netconf.client.session_pool import SessionPool  # noqa: E402

ROUNDS = 4
PLAIN = "ncclient as it ships"
OPENED = 100
"""Sessions that are opened one after the other."""
TOGETHER = 200
"""Sessions that are opened at once, ten at a time, and then idle."""
IDLE = 4.0
REQUESTS = 500
PLAIN_REQUESTS = 20
PIPELINED = 20
"""Requests that are on their way at the same time."""
RANGES = 5000
"""Address ranges in the configuration that is read: about 1.3 MB."""
VISITS = 200
"""Uses of a session that a pool keeps."""

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"


# --- One client, in a process of its own ----------------------------------------------------------


async def timed(count: int, work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """(seconds of CPU, seconds) for `work`, each of `count`."""
    cpu, wall = time.process_time(), time.perf_counter()
    await work()
    return (time.process_time() - cpu) / count, (time.perf_counter() - wall) / count


async def measure(target: Target, full: Target) -> dict[str, float]:
    """Our interface over the targets' client; `full` has a large configuration."""
    found: dict[str, float] = {}
    async with await open_session(target) as session:  # what is loaded and made once is not counted
        await session.rpc(operations.get_nothing())

    sessions: list[Session] = []

    memory, threads = resident(), threading.active_count()
    places = asyncio.Semaphore(10)

    async def open_one() -> None:
        async with places:
            sessions.append(await open_session(target))

    async def open_together() -> None:
        await asyncio.gather(*(open_one() for _ in range(TOGETHER)))

    _, wall = await timed(TOGETHER, open_together)
    found["opened a second"] = 1 / wall
    found["memory"] = (resident() - memory) / TOGETHER
    found["threads"] = (threading.active_count() - threads) / TOGETHER
    cpu, _ = await timed(1, lambda: asyncio.sleep(IDLE))
    found["idle CPU"] = cpu / IDLE * 100
    await close_all(sessions)
    sessions.clear()

    async def open_in_turn() -> None:
        for _ in range(OPENED):
            sessions.append(await open_session(target))

    cpu, wall = await timed(OPENED, open_in_turn)
    found |= {"open CPU": cpu * 1e3, "open": wall * 1e3}
    found["close CPU"] = (await timed(OPENED, lambda: close_all(sessions)))[0] * 1e3
    sessions.clear()

    async with await open_session(target) as session:

        async def ask() -> None:
            for _ in range(REQUESTS):
                await session.rpc(operations.get_nothing())

        async def ask_ahead() -> None:
            for _ in range(REQUESTS // PIPELINED):
                await asyncio.gather(*(session.rpc(operations.get_nothing()) for _ in range(PIPELINED)))

        cpu, wall = await timed(REQUESTS, ask)
        found |= {"request CPU": cpu * 1e3, "requests a second": 1 / wall}
        found["requests a second, pipelined"] = 1 / (await timed(REQUESTS, ask_ahead))[1]

    async with await open_session(full) as session:
        cpu, wall = await timed(5, lambda: read_all(session, 5))
        found |= {"read CPU": cpu * 1e3, "read": wall * 1e3}

    async with SessionPool() as pool:

        async def visit() -> None:
            for _ in range(VISITS):
                async with pool.use(target) as lent:
                    await lent.session.rpc(operations.get_nothing())

        _, wall = await timed(VISITS, visit)
        found["visit of a kept session"] = wall * 1e3
    return found


async def read_all(session: Session, times: int) -> None:
    for _ in range(times):
        assert (
            len(list((await Client(session).get_config()).iter(f"{{{POOLS}}}ipv4-address-range"))) == RANGES
        )


async def close_all(sessions: list[Session]) -> None:
    await asyncio.gather(*(session.close() for session in sessions))


def measure_plain(target: Target) -> dict[str, float]:
    """ncclient's own manager, as its documentation uses it."""
    from ncclient import manager

    logging.getLogger("ncclient").setLevel(logging.CRITICAL)

    def connect() -> Any:
        return manager.connect(
            host=target.host,
            port=target.port,
            username=target.user,
            password="casm",
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
        )

    with connect():
        pass
    cpu, wall = time.process_time(), time.perf_counter()
    opened = [connect() for _ in range(10)]
    found = {
        "open CPU": (time.process_time() - cpu) * 100,
        "open": (time.perf_counter() - wall) * 100,
    }
    wall = time.perf_counter()
    for _ in range(PLAIN_REQUESTS):
        opened[0].get_config("running", filter=("subtree", f'<none xmlns="{POOLS}"/>'))
    found["requests a second"] = PLAIN_REQUESTS / (time.perf_counter() - wall)
    cpu = time.process_time()
    time.sleep(IDLE)
    found["idle CPU"] = (time.process_time() - cpu) / IDLE * 100 * TOGETHER / len(opened)
    for one in opened:
        one.close_session()
    return found


def resident() -> float:
    """KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


# --- The run --------------------------------------------------------------------------------------


@contextmanager
def simulator(*configuration: bytes) -> Iterator[dict[str, Any]]:
    """One simulated device in its own process, with nothing configured or with what is given."""
    with tempfile.TemporaryDirectory() as folder:
        running = Path(folder, "running.xml")
        running.write_bytes(b"".join(configuration))
        process = subprocess.Popen(
            [sys.executable, "-m", "casm_ctrl.simulator", "--running", str(running)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(10)


def configuration() -> bytes:
    root = etree.Element(f"{{{POOLS}}}address-pools", nsmap={None: POOLS})  # type: ignore[dict-item]
    pool = etree.SubElement(root, f"{{{POOLS}}}address-pool")
    etree.SubElement(pool, f"{{{POOLS}}}address-pool-name").text = "internet"
    entries = etree.SubElement(pool, f"{{{POOLS}}}address-pool-entries")
    for number in range(RANGES):
        entry = etree.SubElement(entries, f"{{{POOLS}}}ipv4-address-range")
        etree.SubElement(entry, f"{{{POOLS}}}ipv4-address-range-name").text = f"casm-k3f9qa-b{number + 1}"
        network = f"10.{number // 256}.{number % 256}"
        etree.SubElement(entry, f"{{{POOLS}}}ip-lower-address").text = f"{network}.0"
        etree.SubElement(entry, f"{{{POOLS}}}ip-upper-address").text = f"{network}.255"
    return etree.tostring(root)


def measured(client: str, *devices: dict[str, Any]) -> dict[str, float]:
    """One round of one client."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", client, "--devices", json.dumps(devices)],
        cwd=ROOT,
        env={**os.environ, "CASM_BENCH_PASSWORD": "casm"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


UNITS = {
    "open CPU": "ms",
    "open": "ms",
    "close CPU": "ms",
    "opened a second": "1/s",
    "memory": "KiB",
    "threads": "",
    "idle CPU": "% of a core",
    "request CPU": "ms",
    "requests a second": "1/s",
    "requests a second, pipelined": "1/s",
    "read CPU": "ms",
    "read": "ms",
    "visit of a kept session": "ms",
}
WORDS = {
    "open CPU": "CPU per session opened",
    "open": "opening a session",
    "close CPU": "CPU per session closed",
    "opened a second": "sessions opened a second, ten at a time",
    "memory": "memory per session",
    "threads": "threads per session",
    "idle CPU": f"{TOGETHER} idle sessions",
    "request CPU": "CPU per small request",
    "requests a second": "small requests a second on one session",
    "requests a second, pipelined": f"small requests a second on one session, {PIPELINED} at a time",
    "read CPU": f"CPU to read {RANGES} ranges",
    "read": f"reading {RANGES} ranges",
    "visit of a kept session": "a visit on a kept session, with one request",
}
GOALS = {"threads": 0.0, "idle CPU": 0.5, "memory": 1024.0}
"""For asyncssh, at most."""


def run(report: Report) -> None:
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in (*CLIENTS, PLAIN)}
    with simulator() as empty, simulator(configuration()) as full:
        for number in range(ROUNDS):
            for client, found in rounds.items():
                report.say(f"round {number + 1} of {ROUNDS}: {client}")
                found.append(measured(client, empty, full))
    best = {
        client: {
            name: (max if UNITS[name] == "1/s" else min)(one[name] for one in found) for name in found[0]
        }
        for client, found in rounds.items()
    }
    for client, values in best.items():
        for name, value in values.items():
            goal = GOALS.get(name) if client == "asyncssh" else None
            report.add(f"{client}: {WORDS[name]}", value, UNITS[name], goal, at_most=True)
    ours, theirs, plain = (best[client] for client in (*CLIENTS, PLAIN))
    for name in ("opened a second", "requests a second", "requests a second, pipelined"):
        report.add(f"asyncssh against ncclient: {WORDS[name]}", ours[name] / theirs[name], "ratio", 1.0)
    for name in ("open CPU", "request CPU", "read CPU", "memory"):
        report.add(f"asyncssh against ncclient: {WORDS[name]}, less", theirs[name] / ours[name], "ratio", 1.0)
    report.add(
        f"asyncssh against {PLAIN}: {WORDS['requests a second']}",
        ours["requests a second"] / plain["requests a second"],
        "ratio",
        10.0,
    )
    report.add(
        "asyncssh: a visit on a kept session against one that opens",
        (ours["open"] + 1e3 / ours["requests a second"]) / ours["visit of a kept session"],
        "ratio",
        3.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", metavar="CLIENT", help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        empty, full = (
            Target(
                "bench",
                device["host"],
                device["port"],
                device["username"],
                "env:CASM_BENCH_PASSWORD",
                device["host-key"],
                client=arguments.measure,
            )
            for device in arguments.devices
        )
        plain = arguments.measure == PLAIN
        print(json.dumps(measure_plain(empty) if plain else asyncio.run(measure(empty, full))))
        return
    report = Report("sessions", **versions("asyncssh", "ncclient", "paramiko", "cryptography"))
    run(report)
    report.finish()


if __name__ == "__main__":
    main()
