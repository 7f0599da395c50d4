"""What the NETCONF server costs with ten thousand blocks in the store: reads, edits, allocations, sessions.

Run with `make bench-northbound`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the
machine and the versions, to bench/results/northbound.json, and tables to docs/northbound-speed.md and stderr. The
server is `casm serve` in a process of its own, the clients are in this one, over SSH; both share the machine, so rates
and times are of the pair. CPU is the server's alone, in the best of three rounds, for the others tell how busy the
machine was. A server that does nothing but SSH answers as many octets beside it, so that it shows what of each figure
is SSH. The goals are those of a server in C on two cores like ours.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import asyncssh  # noqa: E402
from lxml import etree  # noqa: E402

from bench import northbound_page  # noqa: E402
from bench.report import Report, versions  # noqa: E402
from casm_ctrl.base.deadlines import Deadlines  # noqa: E402
from casm_ctrl.netconf.client.opening import open_session  # noqa: E402
from casm_ctrl.netconf.client.session import Session, Target  # noqa: E402
from casm_ctrl.netconf.names import Element  # noqa: E402
from casm_ctrl.service.allocation import allocate  # noqa: E402
from casm_ctrl.service.configuration import (  # noqa: E402
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    Edit,
    change,
)
from casm_ctrl.store.database import open_database  # noqa: E402
from casm_ctrl.store.events import Author  # noqa: E402

ME = Author("bench")
PLAIN = Path(__file__).with_name("plain_netconf.py")
CASM = Path(sys.executable).with_name("casm")
PASSWORD = "bench-northbound-1"
DEVICES, POOLS = 100, 20
BLOCKS = 10_000
"""In the device pool bng-0/internet; all other device pools are empty."""
SESSIONS = (1, 8, 100)
SECONDS = 3.0
"""Each figure is taken over so long, in three rounds, after one more to warm up."""
OPENED = 60
OPENED_BY_PASSWORD = 10
IDLE = 200
GROWN = (100, 100_000)
"""Blocks in the stores whose filtered gets are compared."""
TURNS = 3

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
CASM_POOLS = "urn:casm:yang:casm-pools"
CASM_DEVICES = "urn:casm:yang:casm-devices"
CASM_OPERATIONS = "urn:casm:yang:casm-operations"


# --- Servers --------------------------------------------------------------------------------------


@dataclass
class Server:
    target: Target
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU until now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """KiB."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def fill(url: str, blocks: int) -> None:
    """A store with devices, pools, and `blocks` in one device pool."""
    with closing(open_database(url)) as database:
        edits: list[Edit] = [AddSpace("internet")]
        for number in range(POOLS):
            edits.append(AddPool(f"pool-{number}", "internet", (f"10.{number * 8}.0.0/13",)))
        for number in range(DEVICES):
            edits.append(AddDevice(f"bng-{number}", "bng", "ietf-address-pool", f"127.0.0.{number + 1}", 830,
                                   "casm", "env:NONE", "internet"))  # fmt: skip
            edits.append(AddDevicePool(f"bng-{number}/internet", (f"pool-{number % POOLS}",), 30))
        edits.append(AddPool("for-rpc", "internet", ("11.0.0.0/8",)))
        edits.append(AddDevicePool("bng-1/rpc", ("for-rpc",), 30))
        change(database, ME, edits)
        for start in range(0, blocks, 10_000):
            allocate(database, ME, "bng-0/internet", count=min(10_000, blocks - start))


def target_on(line: str, credential: str) -> Target:
    """The server that has printed where it listens."""
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found, line
    return Target("server", "127.0.0.1", int(found[1]), "bench", credential,
                  accept_new=True, deadlines=Deadlines(rpc=120, ssh=60, hello=60))  # fmt: skip


def make_key(path: Path) -> str:
    """Write a private key and its public half, and name the first as a credential."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(path)
    path.chmod(0o600)
    key.write_public_key(path.with_suffix(".pub"))
    return f"file:{path}"


@contextmanager
def listening(
    command: Sequence[object], key: str, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server in a process of its own, which prints where it listens."""
    process = subprocess.Popen(
        [str(word) for word in command], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Server(target_on(process.stdout.readline(), key), process.pid)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def server(blocks: int) -> Iterator[Server]:
    """`casm serve` on a store with so many blocks."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/casm.db"
        environment = {**os.environ, "CASM_DATABASE": url, "XDG_DATA_HOME": folder, "XDG_STATE_HOME": folder,
                       "XDG_CONFIG_HOME": folder}  # fmt: skip

        def casm(*arguments: object) -> None:
            command = [str(word) for word in (CASM, "--database", url, *arguments)]
            subprocess.run(command, env=environment, check=True, capture_output=True)

        key = Path(folder, "key")
        credential = make_key(key)
        casm("init")
        casm("user", "add", "bench", "--key", key.with_suffix(".pub"), "--password-from",
             "env:CASM_BENCH_PASSWORD", "--group", "admin")  # fmt: skip
        fill(url, blocks)
        command = (CASM, "--database", url, "serve", "--port", 0, "--max-sessions", 1000)
        with listening(command, credential, environment) as running:
            yield running


@contextmanager
def plain_server(size: int) -> Iterator[Server]:
    """asyncssh alone, which answers each request with `size` octets."""
    with tempfile.TemporaryDirectory() as folder:
        credential = make_key(Path(folder, "key"))
        with listening((sys.executable, PLAIN, size), credential) as running:
            yield running


# --- What is asked --------------------------------------------------------------------------------


def rpc(text: str) -> Element:
    return etree.fromstring(text)


def filtered(inside: str, operation: str = "get") -> Element:
    source = "<source><running/></source>" if operation == "get-config" else ""
    return rpc(f'<{operation} xmlns="{NC}">{source}<filter type="subtree">{inside}</filter></{operation}>')


def device_pool(device: str, pool: str, inside: str = "") -> str:
    return (
        f'<devices xmlns="{CASM_DEVICES}"><device><name>{device}</name><device-pool><name>{pool}</name>'
        f"{inside}</device-pool></device></devices>"
    )


ONE_LEAF = filtered(
    f'<pools xmlns="{CASM_POOLS}"><pool><name>pool-3</name><policy/></pool></pools>', "get-config"
)
WHOLE_POOL = filtered(device_pool("bng-0", "internet", "<block/>"))
ALLOCATE = rpc(f'<allocate xmlns="{CASM_OPERATIONS}"><device-pool>bng-1/rpc</device-pool></allocate>')


def one_block(number: int) -> Element:
    return filtered(device_pool("bng-0", "internet", f"<block><id>b{number}</id></block>"))


def edit(number: int) -> Element:
    return rpc(
        f'<edit-config xmlns="{NC}"><target><candidate/></target><config><pools xmlns="{CASM_POOLS}"><pool>'
        f"<name>pool-{number % POOLS}</name><description>edit {number}</description></pool></pools></config>"
        "</edit-config>"
    )


COMMIT = rpc(f'<commit xmlns="{NC}"/>')


async def edit_and_commit(session: Session, number: int) -> None:
    await session.rpc(edit(number))
    await session.rpc(COMMIT)


# --- Measuring ------------------------------------------------------------------------------------

Work = Callable[[Session, int], Awaitable[object]]


async def drive(sessions: Sequence[Session], work: Work, seconds: float) -> tuple[list[float], float]:
    """(the times that each took, how long all of it took): every session asks again as soon as it is answered."""
    took: list[float] = []
    begin = time.perf_counter()

    async def one(place: int, session: Session) -> None:
        number = place
        while (now := time.perf_counter()) - begin < seconds:
            await work(session, number)
            took.append(time.perf_counter() - now)
            number += len(sessions)

    await asyncio.gather(*(one(place, session) for place, session in enumerate(sessions)))
    return took, time.perf_counter() - begin


@dataclass(frozen=True)
class Figures:
    """Of one kind of request, on some sessions at once."""

    sessions: int
    rate: float
    p50: float
    p99: float
    """Milliseconds."""
    cpu: float
    """Of the server, in milliseconds a request, in the best round."""


async def measure(running: Server, sessions: Sequence[Session], work: Work) -> Figures:
    """Three rounds after one to warm up; a round that takes long by itself is all there is."""
    took: list[float] = []
    wall, cpu, warm = 0.0, float("inf"), False
    while wall < SECONDS:
        before = running.cpu()
        found, seconds = await drive(sessions, work, SECONDS / 3)
        if not warm and seconds < SECONDS:
            warm = True
            continue
        took += found
        wall += seconds
        cpu = min(cpu, (running.cpu() - before) / len(found) * 1e3)
    cuts = quantiles(took, n=100) if len(took) > 1 else took * 99
    return Figures(len(sessions), len(took) / wall, cuts[49] * 1e3, cuts[98] * 1e3, cpu)


class Table:
    """Figures by what was asked, told to the report and shown in the end."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._rows: list[tuple[str, Figures]] = []

    def add(self, name: str, figures: Figures, cpu_goal: float | None = None) -> None:
        self._rows.append((name, figures))
        words = f"{name}, {figures.sessions} session{'s' if figures.sessions > 1 else ''}"
        self._report.add(f"{words}: rate", figures.rate, "1/s")
        self._report.add(f"{words}: p50", figures.p50, "ms")
        self._report.add(f"{words}: p99", figures.p99, "ms")
        self._report.add(f"{words}: CPU of the server", figures.cpu, "ms", cpu_goal, at_most=True)

    def show(self) -> None:
        print(
            f"\n{'':34}{'sessions':>9}{'1/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'CPU ms':>10}", file=sys.stderr
        )
        for name, one in self._rows:
            numbers = "".join(f"{number:>10.2f}" for number in (one.rate, one.p50, one.p99, one.cpu))
            print(f"{name:34}{one.sessions:>9}{numbers}", file=sys.stderr)


async def measure_sessions(report: Report, running: Server) -> None:
    await (await open_session(running.target)).close()
    by_password = replace(running.target, credential="env:CASM_BENCH_PASSWORD")
    for how, target, count, goal in (
        ("by key", running.target, OPENED, 15.0),
        ("by password", by_password, OPENED_BY_PASSWORD, None),
    ):
        cpu, wall = running.cpu(), time.perf_counter()
        opened = [await open_session(target) for _ in range(count)]
        took = time.perf_counter() - wall
        report.add(f"sessions opened {how}, one after the other", count / took, "1/s", goal)
        report.add(f"CPU of the server per session opened {how}", (running.cpu() - cpu) / count * 1e3, "ms")
        await asyncio.gather(*(session.close() for session in opened))
    before = running.resident()
    wall = time.perf_counter()
    opened = await open_many(running.target, IDLE)
    report.add("sessions opened by key, ten at a time", IDLE / (time.perf_counter() - wall), "1/s")
    report.add("memory per idle session", (running.resident() - before) / IDLE, "KiB")
    cpu = running.cpu()
    await asyncio.sleep(SECONDS)
    report.add(f"{IDLE} idle sessions", (running.cpu() - cpu) / SECONDS * 100, "% of a core")
    await asyncio.gather(*(session.close() for session in opened))


async def open_many(target: Target, count: int) -> list[Session]:
    places = asyncio.Semaphore(10)

    async def one() -> Session:
        async with places:
            return await open_session(target)

    return await asyncio.gather(*(one() for _ in range(count)))


async def measure_operations(table: Table, running: Server) -> int:
    """Returns the octets of the answer with all blocks."""
    sessions = await open_many(running.target, max(SESSIONS))
    size = len(etree.tostring(await sessions[0].rpc(WHOLE_POOL)))
    kinds: list[tuple[str, Work, float | None]] = [
        ("get-config of one pool's policy", lambda session, n: session.rpc(ONE_LEAF), 0.5),
        ("get of one block", lambda session, n: session.rpc(one_block(n % BLOCKS + 1)), None),
        ("edit of one leaf and commit", edit_and_commit, None),
        ("allocate", lambda session, n: session.rpc(ALLOCATE), None),
        (f"get of {BLOCKS} blocks", lambda session, n: session.rpc(WHOLE_POOL), 75.0),
    ]
    for name, work, goal in kinds:
        for count in SESSIONS:
            table.add(name, await measure(running, sessions[:count], work), goal if count == 1 else None)
    await asyncio.gather(*(session.close() for session in sessions))
    return size


async def measure_plain(table: Table, name: str, size: int) -> None:
    with plain_server(size) as running:
        session = await open_session(running.target)
        table.add(name, await measure(running, [session], lambda session, n: session.rpc(ONE_LEAF)))
        await session.close()


async def measure_growth(report: Report) -> None:
    """A filtered get costs what it gives, whatever else is in the store: both stores in turns, the best rounds."""

    def asking(size: int) -> Work:
        return lambda session, number: session.rpc(one_block(number % size + 1))

    with ExitStack() as stack:
        servers = [(size, stack.enter_context(server(size))) for size in GROWN]
        sessions = [await open_session(running.target) for _, running in servers]
        found: dict[int, list[Figures]] = {size: [] for size in GROWN}
        for _ in range(TURNS):
            for (size, running), session in zip(servers, sessions, strict=True):
                found[size].append(await measure(running, [session], asking(size)))
        await asyncio.gather(*(session.close() for session in sessions))
    costs = [min(figures.cpu for figures in found[size]) for size in GROWN]
    for size, cost in zip(GROWN, costs, strict=True):
        p50 = min(figures.p50 for figures in found[size])
        report.add(f"get of one block, store of {size} blocks: p50", p50, "ms")
        report.add(f"get of one block, store of {size} blocks: CPU of the server", cost, "ms")
    name = f"get of one block: CPU with {GROWN[1]} blocks against {GROWN[0]}"
    report.add(name, costs[1] / costs[0], "ratio", 1.3, at_most=True)


async def run(report: Report) -> None:
    table = Table(report)
    await measure_plain(table, "asyncssh alone, a small answer", 300)
    with server(BLOCKS) as running:
        report.say(f"the server runs, with {BLOCKS} blocks, {DEVICES} devices and {POOLS + 1} pools")
        await measure_sessions(report, running)
        size = await measure_operations(table, running)
    await measure_plain(table, f"asyncssh alone, {size / 1e6:.1f} MB", size)
    await measure_growth(report)
    table.show()


def main() -> None:
    os.environ["CASM_BENCH_PASSWORD"] = PASSWORD
    report = Report("northbound", **versions("asyncssh", "cryptography", "lxml"))
    asyncio.run(run(report))
    report.finish()
    northbound_page.main()


if __name__ == "__main__":
    main()
