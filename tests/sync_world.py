"""A store, simulated devices and `casm` processes: what the tests of sync stand on.

Devices live on an event loop in a thread of the test process. `casm` runs as real processes; most are
forked from one that has imported everything, which saves each run its second of imports.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import ncclient.transport.session
from lxml import etree
from ncclient import manager

from casm_ctrl.addressing.prefix import (
    Family,
    Range,
    first_overlap,
    format_address,
    parse_prefix,
    parse_range,
)
from casm_ctrl.base.clock import Clock
from casm_ctrl.service import rest
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.release import drain, release
from casm_ctrl.simulator import Fault, FaultKind, Moment, Point, SimulatedDevice, SimulatedDeviceOptions
from casm_ctrl.store import blocks, free_space, observations, pools
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.states import State, Wanted

T = TypeVar("T")

NS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"
PLAIN = ("ietf-address-pool",)
"""The modules of a device that can neither drain nor count."""
DIRECT = (sys.executable, "-m", "casm_ctrl")

ME = Author("tester", reason="test")

_SERVER = """
import gc, json, os, signal, sys
import casm_ctrl.cli.main, casm_ctrl.sync.reconciler, casm_ctrl.netconf.client.asyncssh_session
import casm_ctrl.drivers.ietf_address_pool, casm_ctrl.cli.synchronise, casm_ctrl.cli.progress, rich.table
from casm_ctrl.yang.engine import engine_for
engine_for("ietf-address-pool"), engine_for("ietf-address-pool", "casm-address-pool-ext")
out, sys.stdout = sys.stdout, open(os.devnull, "w")
err, sys.stderr = sys.stderr, sys.stdout
sys.argv = ["casm", "--json", "--database", "/nonexistent", "apply", "--wait", "1s"]
try:
    casm_ctrl.cli.main.main()  # what is imported on the way to a command is imported once
except SystemExit:
    sys.stdout, sys.stderr = out, err
list(casm_ctrl.cli.main.Casm.table.values())  # and each command is made once
gc.freeze()  # no child goes through what is here already
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    run = json.loads(line)
    if os.fork():
        continue
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        open(run["base"] + ".pid.new", "w").write(str(child))
        os.rename(run["base"] + ".pid.new", run["base"] + ".pid")
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        open(run["base"] + ".rc.new", "w").write(str(status))
        os.rename(run["base"] + ".rc.new", run["base"] + ".rc")
        os._exit(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(run["base"] + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.environ.update(run["env"])
    sys.argv = ["casm", *run["argv"]]
    try:
        casm_ctrl.cli.main.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""


class Forks:
    """The process that `casm` processes are forked from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._guard = threading.Lock()  # several threads of a test may start processes
        self._server = subprocess.Popen([sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, text=True)

    def start(self, arguments: tuple[str, ...], env: Mapping[str, str]) -> Casm:
        with self._guard:
            self._count += 1
            base = self._folder / f"run{self._count}"
            assert self._server.stdin is not None
            request = {"base": str(base), "argv": arguments, "env": dict(env)}
            self._server.stdin.write(json.dumps(request) + "\n")
            self._server.stdin.flush()
        return Casm(base, int(_appears(base.with_suffix(".pid"), 30)))

    def stop(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


@cache
def shared_forks() -> Forks:
    """One for all that is tested in this process, and stopped with it."""
    made = Forks(Path(tempfile.mkdtemp(prefix="casm-forks-")))
    atexit.register(made.stop)
    return made


def _appears(path: Path, seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists():
            return path.read_text()
        time.sleep(0.004)
    raise TimeoutError(f"{path.name} did not come in {seconds} s")


@dataclass
class Done:
    """How a `casm` process ended. A signal is a negative code."""

    code: int
    out: str
    err: str
    seconds: float = 0.0

    @property
    def answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    def device(self, name: str = "bng1") -> dict[str, Any]:
        """The device's part of the answer of apply, plan or check."""
        return next(device for device in self.answer["device"] if device["name"] == name)

    @property
    def error(self) -> dict[str, str]:
        """The first error, of a device or of all."""
        answer = self.answer
        if "error" in answer:
            return dict(answer["error"])
        return next(dict(device["error"]) for device in answer["device"] if "error" in device)

    def warnings(self, name: str = "bng1") -> str:
        return "\n".join(self.device(name)["warning"])


@dataclass
class Casm:
    """A `casm` process that was forked."""

    base: Path
    pid: int
    began: float = field(default_factory=time.monotonic)

    @property
    def ended(self) -> bool:
        return self.base.with_suffix(".rc").exists()

    def send(self, number: int) -> None:
        if not self.ended:
            os.kill(self.pid, number)

    def stopped(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        except OSError:
            return False

    def wait(self, seconds: float = 60) -> Done:
        try:
            code = int(_appears(self.base.with_suffix(".rc"), seconds))
        except TimeoutError:
            self.send(signal.SIGKILL)
            raise
        out, err = (self.base.with_suffix(end).read_text() for end in (".out", ".err"))
        return Done(code, out, err, time.monotonic() - self.began)


class Lab:
    """Simulated devices on an event loop of their own thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lab")
        self._thread.start()
        self._devices: list[SimulatedDevice] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def do(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return self.run(act())

    def start(self, name: str, *, clock: Clock | None = None, **options: Any) -> SimulatedDevice:
        async def begin() -> SimulatedDevice:
            device = SimulatedDevice(SimulatedDeviceOptions(name=name, **options), clock=clock)
            await device.start()
            return device

        device = self.run(begin())
        self._devices.append(device)
        return device

    def stop(self, *devices: SimulatedDevice) -> None:
        for device in devices:
            self.run(device.stop())
            self._devices.remove(device)

    def close(self) -> None:
        self.stop(*self._devices)

        async def finish() -> None:
            mine = asyncio.current_task()
            left = [task for task in asyncio.all_tasks() if task is not mine]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

        self.run(finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Entry:
    """A range as plain ncclient reads it: first and last address, and the other leaves by local name."""

    first: str
    last: str
    leaves: dict[str, str]

    @property
    def range(self) -> Range:
        return parse_range(self.first, self.last)

    @property
    def drained(self) -> bool:
        return self.leaves.get("drain") == "true"


@contextmanager
def plain_session(device: SimulatedDevice, *, username: str = "casm") -> Iterator[Any]:
    """ncclient as anybody would use it, but with its tick made short."""
    ncclient.transport.session.TICK = 0.005
    session = manager.connect(
        host=device.host,
        port=device.port,
        username=username,
        password="casm",
        hostkey_verify=False,
        look_for_keys=False,
        allow_agent=False,
        timeout=20,
    )
    try:
        yield session
    finally:
        session.close_session()


def read_plain(device: SimulatedDevice, source: str = "running") -> dict[tuple[str, str], Entry]:
    """All ranges of a datastore, by (pool, entry)."""
    with plain_session(device) as session:
        return parse_entries(session.get_config(source).data_xml.encode())


def parse_entries(document: bytes) -> dict[tuple[str, str], Entry]:
    found = {}
    root = etree.fromstring(b"<x>%s</x>" % document.partition(b"?>")[2] if b"?>" in document else document)
    for pool in root.iter(f"{{{NS}}}address-pool"):
        name = pool.findtext(f"{{{NS}}}address-pool-name") or ""
        for entry in pool.iter(f"{{{NS}}}ipv4-address-range"):
            leaves = {etree.QName(leaf).localname: (leaf.text or "") for leaf in entry}
            key = leaves.pop("ipv4-address-range-name")
            first, last = leaves.pop("ip-lower-address"), leaves.pop("ip-upper-address")
            found[name, key] = Entry(first, last, leaves)
    return found


def pool_xml(pool: str, entry: str, first: str, last: str, more: str = "") -> str:
    """One range, as an edit of somebody else."""
    return (
        f'<address-pools xmlns="{NS}"><address-pool><address-pool-name>{pool}</address-pool-name>'
        f"<address-pool-entries><ipv4-address-range><ipv4-address-range-name>{entry}</ipv4-address-range-name>"
        f"<ip-lower-address>{first}</ip-lower-address><ip-upper-address>{last}</ip-upper-address>{more}"
        "</ipv4-address-range></address-pool-entries></address-pool></address-pools>"
    )


@dataclass
class World:
    """One store and its devices."""

    folder: Path
    lab: Lab
    forks: Forks
    database: Database
    store: str
    devices: dict[str, SimulatedDevice] = field(default_factory=dict)

    # --- Making -----------------------------------------------------------------------------------

    def add(
        self,
        name: str = "bng1",
        *,
        length: int = 26,
        deadlines: tuple[tuple[str, float], ...] = (),
        gateway: str = "none",
        withdraw: str = "operator",
        known: bool = True,
        **options: Any,
    ) -> SimulatedDevice:
        """A simulated device, the store's device of its name and its device pool NAME/internet."""
        device = self.devices[name] = self.lab.start(name, **options)
        edits: list[Edit] = [
            AddDevice(
                name=name,
                role="bng",
                driver="ietf-address-pool",
                host="127.0.0.1",
                port=device.port,
                user="casm",
                credential="env:CASM_TEST_PASSWORD",
                space="s",
                host_key=device.host_key if known else None,
                deadlines=deadlines,
            ),
            AddDevicePool(
                f"{name}/internet", ("p",), length, gateway=gateway, withdraw_when_unknown=withdraw
            ),
        ]
        change(self.database, ME, edits)
        return device

    def give(self, count: int = 1, name: str = "bng1") -> None:
        allocate(self.database, ME, f"{name}/internet", count=count)

    def take_back(self, *names: str) -> None:
        release(self.database, ME, names)

    def drain(self, *names: str) -> None:
        drain(self.database, ME, names)

    def installed(self, count: int = 1, name: str = "bng1", **options: Any) -> SimulatedDevice:
        """A device that holds `count` blocks, proven."""
        device = self.add(name, **options)
        self.give(count, name)
        self.apply(name, code=0)
        return device

    def copy_store(self, name: str) -> Path:
        """A copy of the store as it is now."""
        with self.database.write() as tx:
            tx.first("SELECT 1")
        self.database.close()
        target = self.folder / name
        shutil.copyfile(self.folder / "casm.db", target)
        wal = self.folder / "casm.db-wal"
        if wal.exists():
            shutil.copyfile(wal, self.folder / f"{name}-wal")
        return target

    # --- Running ----------------------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "CASM_DATABASE": str(self.folder / "casm.db"),
            "CASM_TEST_PASSWORD": "casm",
            "HOME": str(self.folder),
            **more,
        }

    def start(self, *arguments: str, **env: str) -> Casm:
        return self.forks.start(("--json", *arguments), self.environment(**env))

    def casm(self, *arguments: str, code: int | None = None, **env: str) -> Done:
        """Run it to its end; `code` is how it must end."""
        done = self.start(*arguments, **env).wait()
        if code is not None:
            assert done.code == code, f"{done.code}: {done.out}\n{done.err}"
        return done

    def apply(self, *arguments: str, code: int | None = None, **env: str) -> Done:
        """Once, so that what goes wrong on the way to a device shows; tests of retries say `--retries`."""
        wait = () if "--wait" in arguments else ("--wait", "5s")
        once = () if "--retries" in arguments else ("--retries", "0")
        return self.casm("apply", *arguments, *wait, *once, code=code, **env)

    def fault(
        self, name: str, kind: FaultKind, operation: str = "*", occurrence: int = 1, **more: Any
    ) -> None:
        device = self.devices[name]
        self.lab.do(lambda: device.faults.set(Fault(kind, operation, occurrence, **more)))

    def clear_faults(self, name: str = "bng1") -> None:
        self.lab.do(self.devices[name].faults.clear)

    def clear_all_faults(self) -> None:
        for name in self.devices:
            self.clear_faults(name)

    def until(self, casm: Casm, name: str, operation: str) -> None:
        """Return when the device was asked for `operation`."""
        end = time.monotonic() + 20
        while operation not in self.operations(name):
            assert not casm.ended, casm.wait().out
            assert time.monotonic() < end
            time.sleep(0.005)

    def edit_range(self, name: str, pool: str, entry: str, first: int, last: int) -> None:
        """As somebody else does."""
        lower, upper = (format_address(Family.IPV4, value) for value in (first, last))
        self.edit(name, pool_xml(pool, entry, lower, upper))

    def free_quarantined(self) -> None:
        """As if the rest of all blocks were over."""
        with self.database.write() as tx:
            tx.run("UPDATE block SET rest_until = 1 WHERE rest_until IS NOT NULL")
        rest.sweep_store(self.database)

    def edit(self, name: str, xml: str, datastore: str = "running") -> None:
        """As somebody else does."""
        device = self.devices[name]
        self.lab.do(lambda: device.edit(datastore, xml.encode()))

    def kill_at(self, name: str, casm: Casm, operation: str, moment: Moment, occurrence: int = 1) -> None:
        point = Point(operation, moment, occurrence)
        device = self.devices[name]
        self.lab.do(lambda: device.journal.on(point, signal=signal.SIGKILL, pid=casm.pid))

    def operations(self, name: str = "bng1") -> list[str]:
        """What the device was asked since the journal was cleared; commits by the part that they play."""
        device = self.devices[name]
        return [entry.names[-1] for entry in self.lab.do(lambda: device.journal.entries)]

    def forget_operations(self, name: str = "bng1") -> None:
        self.lab.do(self.devices[name].journal.clear)

    def expire_leases(self) -> None:
        """As if nobody had renewed them for their whole time."""
        with self.database.write() as tx:
            tx.run("UPDATE device_lease SET expires = 0 WHERE expires != 0")

    # --- Looking ----------------------------------------------------------------------------------

    def blocks(self) -> list[BlockRow]:
        with self.database.read() as tx:
            return blocks.list_blocks(tx)

    def states(self) -> dict[str, State]:
        return {row.name: row.state for row in self.blocks()}

    def findings(self) -> list[FindingRow]:
        with self.database.read() as tx:
            return observations.list_findings(tx)

    def mark(self, number: int) -> str:
        return f"casm-{self.store}-b{number}"

    def ours(self, name: str = "bng1", source: str = "running") -> dict[int, Entry]:
        """Our entries on a device, by block number."""
        return self._ours(read_plain(self.devices[name], source))

    def _ours(self, entries: Mapping[tuple[str, str], Entry]) -> dict[int, Entry]:
        prefix = f"casm-{self.store}-b"
        return {
            int(key[1].removeprefix(prefix)): entry
            for key, entry in entries.items()
            if key[1].startswith(prefix)
        }

    def shown(self, name: str = "bng1", source: str = "running") -> set[int]:
        return set(self.ours(name, source))

    def check(self, *, settled: bool = True) -> None:
        """Store and devices agree; nothing is lost, twice, pending or locked."""
        live = self.blocks()
        assert first_overlap([row.prefix for row in live]) is None
        seen: list[tuple[str, Range]] = []
        for name, device in self.devices.items():
            with plain_session(device) as session:
                datastores = ("running", "candidate") if device.options.candidate else ("running",)
                for target in datastores:
                    session.lock(target)
                running = session.get_config("running").data_xml
                for target in datastores[1:]:
                    assert session.get_config(target).data_xml == running
            there = self._ours(parse_entries(running.encode()))
            wanted = {
                row.id: row.prefix.range
                for row in live
                if row.device_pool == f"{name}/internet" and row.state in (State.INSTALLED, State.DRAINING)
            }
            assert {number: entry.range for number, entry in there.items()} == wanted, name
            seen += ((name, entry.range) for entry in there.values())
            assert not device.commit_pending
        for index, (name, first) in enumerate(seen):
            assert not any(first.overlaps(other) for _, other in seen[index + 1 :]), name
        if settled:
            for row in live:
                assert row.state is not State.WITHDRAWING, row
                assert row.wanted is not Wanted.PRESENT or row.state is State.INSTALLED, row
        self.check_store()

    def check_store(self) -> None:
        with self.database.read() as tx:
            assert tx.all("SELECT * FROM pending_commit") == []
            assert tx.all("SELECT * FROM device_lease WHERE expires != 0") == []
            pool = pools.find_pool(tx, "p")
            assert pool is not None
            parts = [
                *free_space.free_prefixes(tx, pool.id, pool.family),
                *(carve.prefix for carve in pools.list_carves(tx, pool_id=pool.id)),
                *(row.prefix for row in blocks.list_blocks(tx, pool_id=pool.id)),
            ]
            assert first_overlap(parts) is None
            assert sum(part.size for part in parts) == parse_prefix("198.51.100.0/22").size


class Worlds:
    """Makes worlds, and ends what they started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab()
        self.forks = shared_forks()
        self._count = 0
        self._guard = threading.Lock()
        self._template = folder / "template.db"
        database, _ = create_store(str(self._template))
        change(
            database,
            ME,
            [AddSpace("s"), AddPool("p", "s", ("198.51.100.0/22",), quarantine=3600, lease_time=3600)],
        )
        database.close()

    @contextmanager
    def world(self) -> Iterator[World]:
        with self._guard:
            self._count += 1
            folder = self.folder / f"world{self._count}"
        folder.mkdir()
        shutil.copyfile(self._template, folder / "casm.db")
        database = open_database(str(folder / "casm.db"))
        with database.read() as tx:
            store = str(tx.one("SELECT store_id FROM store")[0])
        made = World(folder, self.lab, self.forks, database, store)
        try:
            yield made
        finally:
            self.lab.stop(*made.devices.values())
            database.close()

    def close(self) -> None:
        self.lab.close()
