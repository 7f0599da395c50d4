"""One more block on each of a thousand devices: how long `casm apply` takes, and where the time goes.

Run with `make bench-sync`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the
machine and the versions, to bench/results/sync.json. The devices are simulated, in two processes of their
own. Beside it, in the same run, the same edit and commit by a loop over plain ncclient and by nornir with
nornir_netconf: these neither confirm, nor read back, nor record anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench.fleet_of_devices import ME, PASSWORD, Device, Fleet, fleet, give_each, make_store  # noqa: E402
from bench.report import Report, versions  # noqa: E402
from casm_ctrl.netconf.client.session_pool import SessionPool, Upkeep  # noqa: E402
from casm_ctrl.store.database import open_database  # noqa: E402
from casm_ctrl.sync import reconciler  # noqa: E402

JOBS = 16
PLAIN = 20
"""Devices that the loop over plain ncclient visits: it takes the same time for each."""
NORNIR = 200
WORKERS = 50
"""Threads of nornir."""


# --- The controller -------------------------------------------------------------------------------


def cold(url: str, fleet: Fleet, report: Report) -> None:
    """`casm apply` in a process of its own: start, handshakes, everything."""
    environment = {**os.environ, PASSWORD: "casm"}
    began, devices_cpu = time.perf_counter(), fleet.cpu()
    process = subprocess.Popen(
        [sys.executable, "-m", "casm_ctrl", "--json", "--database", url, "apply", "--jobs", str(JOBS)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    answer = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    count = len(fleet.devices)
    results = [device["result"] for device in answer["device"]]
    assert results == ["changed"] * count, {name: results.count(name) for name in set(results)}
    assert status == 0
    report.add(f"{count} devices, cold: all of it", wall, "s", 60.0 * count / 1000, at_most=True)
    cpu = usage.ru_utime + usage.ru_stime
    report.add("cold: CPU of the controller per device", cpu / count * 1e3, "ms")
    report.add("cold: CPU of the simulated device", (fleet.cpu() - devices_cpu) / count * 1e3, "ms")
    report.add("cold: largest memory of the controller", usage.ru_maxrss / 1024, "MiB")


async def warm(url: str, fleet: Fleet, report: Report) -> None:
    """A controller that keeps its sessions, as a service does: its second round."""
    os.environ[PASSWORD] = "casm"
    count = len(fleet.devices)
    database = open_database(url)
    base = resident()
    try:
        async with SessionPool(Upkeep(idle_limit=3600, most=2 * count)) as sessions:
            options = reconciler.Options(jobs=JOBS, sessions=sessions)
            for last in (False, True):
                give_each(database, fleet.devices)
                stamps = Stamps()
                began, cpu, devices_cpu = time.perf_counter(), time.process_time(), fleet.cpu()
                done = await reconciler.apply(database, ME, (), options, stamps)
                wall = time.perf_counter() - began
                assert all(device["result"] == "changed" for device in done["device"])
                if not last:
                    continue
                goal = 20.0 * count / 1000
                report.add(f"{count} devices, sessions warm: all of it", wall, "s", goal, at_most=True)
                cpu = time.process_time() - cpu
                report.add("warm: CPU of the controller per device", cpu / count * 1e3, "ms")
                report.add(
                    "warm: CPU of the simulated device", (fleet.cpu() - devices_cpu) / count * 1e3, "ms"
                )
                longest = max(stamps.lasted.values()) / statistics.median(stamps.lasted.values())
                report.add(
                    "warm: the slowest device against the median", longest, "ratio", 20.0, at_most=True
                )
            report.add(
                f"memory of the controller per device, {count} sessions kept",
                (resident() - base) / 1024 / count,
                "MiB",
                1.0,
                at_most=True,
            )
    finally:
        database.close()


class Stamps:
    """How long each device was worked on, from the progress that is told."""

    def __init__(self) -> None:
        self.lasted: dict[str, float] = {}
        self._began: dict[str, float] = {}

    def __call__(self, device: str, phase: str) -> None:
        if device and phase:
            self._began.setdefault(device, time.perf_counter())
        elif device in self._began:
            self.lasted[device] = time.perf_counter() - self._began[device]


def resident() -> float:
    """KiB of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


# --- The others -----------------------------------------------------------------------------------

EDIT = """<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
<address-pools xmlns="urn:ietf:params:xml:ns:yang:ietf-address-pool"><address-pool>
<address-pool-name>{name}</address-pool-name><address-pool-entries><ipv4-address-range>
<ipv4-address-range-name>block</ipv4-address-range-name><ip-lower-address>11.{high}.{low}.0</ip-lower-address>
<ip-upper-address>11.{high}.{low}.255</ip-upper-address></ipv4-address-range></address-pool-entries>
</address-pool></address-pools></config>"""


def edit(number: int, name: str) -> str:
    return EDIT.format(name=name, high=number >> 8, low=number & 255)


def plain_loop(devices: Sequence[Device]) -> float:
    """Seconds per device of a loop over ncclient as it ships: lock, edit, commit, unlock."""
    from ncclient import manager
    from ncclient.transport import session

    session.TICK = 0.1  # as it ships: our own client behind the session interface makes it shorter
    logging.getLogger("ncclient").setLevel(logging.CRITICAL)
    began = time.perf_counter()
    for number, device in enumerate(devices):
        with (
            manager.connect(
                host=device["host"],
                port=device["port"],
                username=device["username"],
                password="casm",
                hostkey_verify=False,
                allow_agent=False,
                look_for_keys=False,
            ) as connected,
            connected.locked("candidate"),
        ):
            connected.edit_config(target="candidate", config=edit(number, "plain"))
            connected.commit()
    return (time.perf_counter() - began) / len(devices)


def nornir(python: Path, devices: Sequence[Device]) -> dict[str, Any]:
    """{"seconds", "cpu", versions} of nornir, which lives in an environment of its own."""
    done = subprocess.run(
        [str(python), str(Path(__file__).parent / "sync_nornir.py"), str(WORKERS)],
        input=json.dumps([{**device, "config": edit(n, "nornir")} for n, device in enumerate(devices)]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=1000, metavar="N", help="how many (default 1000)")
    parser.add_argument("--nornir", type=Path, metavar="PYTHON", help="a Python that has nornir_netconf")
    arguments = parser.parse_args()
    report = Report("sync", **versions("asyncssh", "ncclient", "lxml"), jobs=JOBS)
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        report.say(f"starting {arguments.devices} devices")
        with fleet(arguments.devices) as devices:
            url = str(Path(folder) / "casm.db")
            database = make_store(url, devices.devices)
            give_each(database, devices.devices)
            database.close()
            cold(url, devices, report)
            asyncio.run(warm(url, devices, report))
            ours = {entry["name"]: entry["value"] for entry in report.results}
            cold_each = ours[f"{arguments.devices} devices, cold: all of it"] / arguments.devices
            loop = plain_loop(devices.devices[:PLAIN])
            report.add(f"a loop over plain ncclient, per device ({PLAIN} of them)", loop * 1e3, "ms")
            report.add("casm apply, cold, against the loop over ncclient", loop / cold_each, "ratio", 5.0)
            if arguments.nornir is not None:
                found = nornir(arguments.nornir, devices.devices[:NORNIR])
                each = found["seconds"] / min(NORNIR, arguments.devices)
                report.about |= {name: text for name, text in found.items() if isinstance(text, str)}
                report.add(f"nornir with {WORKERS} threads, per device", each * 1e3, "ms")
                report.add("casm apply, cold, against nornir", each / cold_each, "ratio")
    report.finish()


if __name__ == "__main__":
    main()
