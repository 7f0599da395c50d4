"""Many simulated devices in processes of their own, and a store that knows them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store

ME = Author("bench")
PASSWORD = "CASM_BENCH_PASSWORD"
PROCESSES = 2

Device = dict[str, Any]
"""What the simulator tells of one: name, host, port, username, host-key."""


@dataclass
class Fleet:
    """Simulated devices that run."""

    processes: list[subprocess.Popen[str]]
    devices: list[Device]

    def cpu(self) -> float:
        """Seconds of CPU that the devices took so far."""
        ticks = 0
        for process in self.processes:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def fleet(count: int) -> Iterator[Fleet]:
    """`count` devices, in two processes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "casm_ctrl.simulator", "--name", f"sim{part}-", "--devices", str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(PROCESSES)
        if (number := len(range(part, count, PROCESSES)))
    ]
    try:
        yield Fleet(processes, list(_described(processes, count)))
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def _described(processes: Sequence[subprocess.Popen[str]], count: int) -> Iterator[Device]:
    for part, process in enumerate(processes):
        assert process.stdout is not None
        for _ in range(part, count, PROCESSES):
            yield json.loads(process.stdout.readline())


def make_store(url: str, devices: Sequence[Device]) -> Database:
    """A store with each device, and a device pool on it that has no block yet."""
    database, _ = create_store(url)
    edits: list[Edit] = [AddSpace("s"), AddPool("p", "s", ("10.0.0.0/8",))]
    for device in devices:
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
            ),
            AddDevicePool(f"{device['name']}/internet", ("p",), 24),
        ]
    change(database, ME, edits)
    return database


def give_each(database: Database, devices: Sequence[Device]) -> None:
    """One more block for every device, not yet applied."""
    for device in devices:
        allocate(database, ME, f"{device['name']}/internet")
