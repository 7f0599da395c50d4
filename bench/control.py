"""How fast the control loop answers devices, and what watching them costs.

Run with `make bench-control`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the machine and
the versions, to bench/results/control.json. The devices are simulated, in one process of their own; the controller is
`casm control run` in another, and all share this machine's processors. A reaction is counted from the moment before
the subscribers log in that take a pool over its mark, on the device, to the moment at which its new block was read in
the device's running configuration, as the audit has it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.report import Report, versions  # noqa: E402
from casm_ctrl.base.automation import Automation  # noqa: E402
from casm_ctrl.base.polling import EVERYWHERE, Polling  # noqa: E402
from casm_ctrl.service.configuration import (  # noqa: E402
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    Edit,
    SetLimits,
    change,
)
from casm_ctrl.simulator.control import ControlClient  # noqa: E402
from casm_ctrl.store.database import Database  # noqa: E402
from casm_ctrl.store.events import Author  # noqa: E402
from casm_ctrl.store.migrate import create_store  # noqa: E402

ME = Author("bench")
PASSWORD = "CASM_BENCH_PASSWORD"
POOL = "internet"
FIRST, MORE = 150, 60
"""Subscribers of a /24 before and in the moment that takes it over 80 %."""
PATIENCE = 300.0
IDLE = 60.0
"""Seconds for which the cost of watching is measured."""
EACH_MINUTE = Polling(interval=60, hot_interval=60)
"""So that each device is polled once while that is measured, or nearly."""
UNLIMITED = SetLimits((("grow_per_pool", 100_000), ("grow_per_hour", 100_000)))


@dataclass
class Devices:
    """Simulated devices in a process of their own."""

    process: subprocess.Popen[str]
    described: list[dict[str, Any]]
    control: ControlClient

    @contextlib.contextmanager
    @staticmethod
    def running(count: int, folder: Path) -> Iterator[Devices]:
        socket = folder / "simulator.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "casm_ctrl.simulator", "--devices", str(count), "--control", str(socket)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=_many_files,
        )
        try:
            assert process.stdout is not None
            described = [json.loads(process.stdout.readline()) for _ in range(count)]
            with ControlClient(socket) as control:
                yield Devices(process, described, control)
        finally:
            process.terminate()
            process.wait()

    def log_in(self, name: str, count: int, protocol: str = "dhcp") -> None:
        self.control.call(name, "log-in", pool=POOL, count=count, protocol=protocol)


@dataclass
class Loop:
    """`casm control run`, as a process."""

    process: subprocess.Popen[str]

    @contextlib.contextmanager
    @staticmethod
    def running(url: str) -> Iterator[Loop]:
        process = subprocess.Popen(
            [sys.executable, "-m", "casm_ctrl", "--database", url, "control", "run"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, PASSWORD: "casm"},
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield Loop(process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)

    def cpu(self) -> float:
        return cpu_of(self.process.pid)

    def memory(self) -> float:
        """MiB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- The store ------------------------------------------------------------------------------------


@dataclass
class World:
    """A store with a device pool on each device."""

    url: str
    database: Database
    devices: Devices
    asked: dict[str, float] = field(default_factory=dict)
    """When subscribers logged in, by device."""

    @property
    def names(self) -> list[str]:
        return [device["name"] for device in self.devices.described]

    def installed(self) -> dict[str, list[float]]:
        """When blocks were seen in running, by device, oldest first; seconds since 1970."""
        with self.database.read() as tx:
            rows = tx.all(
                "SELECT device.name, event.at FROM event JOIN block ON block.id = event.subject_id"
                " JOIN device_pool ON device_pool.id = block.device_pool_id"
                " JOIN device ON device.id = device_pool.device_id"
                " WHERE event.subject_kind = 'block' AND event.target = 'installed' ORDER BY event.seq"
            )
        found: dict[str, list[float]] = {}
        for name, at in rows:
            found.setdefault(name, []).append(at / 1e6)
        return found

    def until(self, blocks: int, names: Sequence[str], seconds: float = PATIENCE) -> None:
        """Until each of `names` has so many blocks in running."""
        end = time.monotonic() + seconds
        while True:
            found = self.installed()
            left = [name for name in names if len(found.get(name, ())) < blocks]
            if not left:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"{len(left)} devices have fewer than {blocks} blocks: {left[:5]}")
            time.sleep(0.2)

    def cross(self, name: str) -> None:
        """Take the device's pool over its mark."""
        self.asked[name] = time.time()
        self.devices.log_in(name, MORE)

    def reactions(self, names: Sequence[str], block: int) -> list[float]:
        """Milliseconds from there to the `block`-th block in running."""
        found = self.installed()
        return sorted((found[name][block - 1] - self.asked[name]) * 1e3 for name in names)


def make_world(folder: Path, devices: Devices, polling: Polling, automation: Automation) -> World:
    url = str(folder / "casm.db")
    database, _ = create_store(url)
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("p", "s", ("10.0.0.0/8",), quarantine=0, lease_time=0),
        UNLIMITED,
    ]
    for device in devices.described:
        edits += [
            AddDevice(
                name=device["name"],
                role="bng",
                driver="ietf-address-pool",
                host=device["host"],
                port=device["port"],
                user=device["username"],
                credential=f"env:{PASSWORD}",
                space="s",
                host_key=device["host-key"],
                polling=polling,
            ),
            AddDevicePool(
                f"{device['name']}/{POOL}", ("p",), 24, gateway="none", usage_high=80, automation=automation
            ),
        ]
    change(database, ME, edits)
    return World(url, database, devices)


@contextlib.contextmanager
def world_of(
    count: int, polling: Polling = EVERYWHERE, automation: Automation | None = None
) -> Iterator[tuple[World, Path]]:
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as name:
        folder = Path(name)
        with Devices.running(count, folder) as devices:
            world = make_world(
                folder,
                devices,
                polling,
                automation or Automation(grow="automatic", shrink="observe", hold_down=5),
            )
            try:
                yield world, folder
            finally:
                world.database.close()


# --- What is measured -----------------------------------------------------------------------------


def tell(report: Report, what: str, found: list[float], p50: float | None, p99: float | None) -> None:
    report.add(f"{what}: median", statistics.median(found), "ms", p50, at_most=True)
    ninety_nine = found[min(len(found) - 1, round(0.99 * len(found)))]
    report.add(f"{what}: 99th percentile", ninety_nine, "ms", p99, at_most=True)
    report.add(f"{what}: longest", found[-1], "ms")


def reaction(report: Report, count: int, rate: float) -> None:
    """Devices that tell by themselves, one after the other as they come, and all at once."""
    with world_of(count, EACH_MINUTE) as (world, _):
        began = time.perf_counter()
        with Loop.running(world.url) as loop:
            world.until(1, world.names)
            report.add(
                f"{count} device pools have their first block, from cold", time.perf_counter() - began, "s"
            )
            for name in world.names:
                world.devices.log_in(name, FIRST)
            settle(world, loop)
            idle(report, world, loop, count)
            chance, cpu, devices = random.Random(1), loop.cpu(), cpu_of(world.devices.process.pid)
            due = time.monotonic()
            for name in world.names:
                due += chance.expovariate(rate)
                time.sleep(max(0.0, due - time.monotonic()))
                world.cross(name)
            world.until(2, world.names)
            found = world.reactions(world.names, 2)
            tell(
                report,
                f"notification to block in running, {rate:g} a second on {count} devices",
                found,
                200,
                1000,
            )
            report.add("of it CPU of the controller", (loop.cpu() - cpu) / count * 1e3, "ms")
            report.add(
                "of it CPU of the simulated device",
                (cpu_of(world.devices.process.pid) - devices) / count * 1e3,
                "ms",
            )
            settle(world, loop)
            for name in world.names:
                world.devices.log_in(name, 380 - FIRST - MORE)
            for name in world.names:
                world.asked[name] = time.time()
                world.devices.log_in(name, MORE)
            world.until(3, world.names)
            found = world.reactions(world.names, 3)
            tell(report, f"the same, all {count} devices at once", found, None, None)
            report.add("memory of the controller", loop.memory(), "MiB")


def settle(world: World, loop: Loop) -> None:
    """Until the controller does nothing that lasts."""
    before = loop.cpu()
    while True:
        time.sleep(2)
        now = loop.cpu()
        if now - before < 0.2:
            return
        before = now


def idle(report: Report, world: World, loop: Loop, count: int) -> None:
    cpu, devices = loop.cpu(), cpu_of(world.devices.process.pid)
    time.sleep(IDLE)
    report.add(
        f"CPU of watching {count} devices, each polled every minute",
        (loop.cpu() - cpu) / IDLE * 100,
        "% of a processor",
    )
    devices = (cpu_of(world.devices.process.pid) - devices) / IDLE * 100
    report.add(f"and of {count} simulated devices", devices, "% of a processor")


def polled(report: Report, count: int, interval: int) -> None:
    """Devices that are only polled."""
    with (
        world_of(count, Polling(interval, interval, notifications=False)) as (world, _),
        Loop.running(world.url) as loop,
    ):
        world.until(1, world.names)
        for name in world.names:
            world.devices.log_in(name, FIRST)
        time.sleep(2 * interval)
        chance = random.Random(2)
        for name in world.names:
            time.sleep(chance.uniform(0, 0.2))
            world.cross(name)
        world.until(2, world.names)
        found = world.reactions(world.names, 2)
        what = f"by polling every {interval} s, {count} devices"
        report.add(f"{what}: median", statistics.median(found) / 1e3, "s")
        report.add(f"{what}: longest", found[-1] / 1e3, "s", interval + 1.0, at_most=True)
        report.add("CPU of that controller so far", loop.cpu(), "s")


def burst(report: Report, hold_down: int) -> None:
    """544 subscribers at once into a device pool that has nobody yet; and what was added for nobody goes back."""
    automation = Automation(grow="automatic", shrink="automatic", hold_down=hold_down)
    with world_of(2, EVERYWHERE, automation) as (world, _), Loop.running(world.url):
        name, other = world.names
        world.until(1, world.names)
        time.sleep(3)  # until it listens
        began = time.time()
        world.devices.log_in(name, 544)
        needed = -(-544 // 256)
        world.until(needed, [name])
        second = world.installed()[name][1]
        refused_until = second
        while time.time() < second + 10:
            if world.devices.control.call(name, "logins", pool=POOL)["waiting"]:
                refused_until = time.time()
            time.sleep(0.05)
        report.add("544 logins at once: until the first new block is in", second - began, "s")
        report.add(
            "from there until nobody is refused any more", refused_until - second, "s", 5.0, at_most=True
        )
        blocks = len(world.installed()[name])
        report.add("blocks installed for them", blocks, "blocks", needed + 1, at_most=True)
        world.devices.log_in(other, 210)
        world.until(2, [other])
        second = world.installed()[other][1]
        world.devices.control.call(other, "log-out", pool=POOL, count=40)
        with world.database.read() as tx:
            live = tx.one("SELECT COUNT(*) FROM block")[0]
        end = time.monotonic() + 3 * hold_down
        while time.monotonic() < end:
            with world.database.read() as tx:
                if tx.one("SELECT COUNT(*) FROM block")[0] < live:
                    break
            time.sleep(0.05)
        report.add(
            f"never-used block from running to the stock again, hold-down {hold_down} s",
            time.time() - second,
            "s",
            hold_down + 6.0,
            at_most=True,
        )


def many(report: Report, count: int) -> None:
    with world_of(count, EACH_MINUTE) as (world, _), Loop.running(world.url) as loop:
        began = time.perf_counter()
        world.until(1, world.names, 2 * PATIENCE)
        report.add(
            f"{count} device pools have their first block, from cold", time.perf_counter() - began, "s"
        )
        settle(world, loop)
        idle(report, world, loop, count)
        report.add(f"memory of the controller with {count} devices", loop.memory(), "MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=200, metavar="N", help="how many (default 200)")
    parser.add_argument("--many", type=int, default=1000, metavar="N", help="and to watch (default 1000)")
    parser.add_argument("--rate", type=float, default=4.0, metavar="R", help="pools that fill a second (4)")
    parser.add_argument("--only", choices=("reaction", "polled", "burst", "many"), help="one part")
    arguments = parser.parse_args()
    _many_files()
    report = Report("control", **versions("asyncssh", "lxml"))
    parts = {
        "reaction": lambda: reaction(report, arguments.devices, arguments.rate),
        "polled": lambda: polled(report, min(40, arguments.devices), 10),
        "burst": lambda: burst(report, 60),
        "many": lambda: many(report, arguments.many),
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            part()
    report.finish()


if __name__ == "__main__":
    main()
