"""What the NETCONF server costs with ten thousand blocks in the store: reads, edits, allocations, sessions.

Run with `make bench-northbound`. Prints a JSON list of {name, value, unit, goal, met} and writes it, with the
machine and the versions, to bench/results/northbound.json. The server is `casm serve` in a process of its own, the
clients are in this one; both share the machine, so rates are of the pair, and CPU is the server's alone. The goals
are those of a server in C on two cores like ours.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lxml import etree  # noqa: E402

from bench.report import Report, versions  # noqa: E402
from casm_ctrl.base.deadlines import Deadlines  # noqa: E402
from casm_ctrl.netconf.names import Element  # noqa: E402
from casm_ctrl.netconf.opening import open_session  # noqa: E402
from casm_ctrl.netconf.session import Session, Target  # noqa: E402
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
CASM = Path(sys.executable).with_name("casm")
PASSWORD = "bench-northbound-1"
DEVICES, POOLS = 100, 20
BLOCKS = 10_000
"""In the device pool bng-0/internet; all other device pools are empty."""
SESSIONS = (1, 8, 100)
SECONDS = 4.0
"""Each figure is taken over so long, after a warm-up of a quarter."""
OPENED = 60
IDLE = 200

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
CASM_POOLS = "urn:casm:yang:casm-pools"
CASM_DEVICES = "urn:casm:yang:casm-devices"
CASM_OPERATIONS = "urn:casm:yang:casm-operations"


# --- The server -----------------------------------------------------------------------------------


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


@contextmanager
def server(blocks: int) -> Iterator[Server]:
    """`casm serve` on a store with so many blocks."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/casm.db"
        environment = {**os.environ, "CASM_DATABASE": url, "XDG_DATA_HOME": folder, "XDG_STATE_HOME": folder,
                       "XDG_CONFIG_HOME": folder, "CASM_BENCH_PASSWORD": PASSWORD}  # fmt: skip

        def casm(*arguments: str) -> None:
            subprocess.run(
                [CASM, "--database", url, *arguments], env=environment, check=True, capture_output=True
            )

        casm("init")
        casm("user", "add", "bench", "--password-from", "env:CASM_BENCH_PASSWORD", "--group", "admin")
        fill(url, blocks)
        process = subprocess.Popen(
            [CASM, "--database", url, "serve", "--port", "0", "--max-sessions", "1000"],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            target = Target("server", "127.0.0.1", int(found[1]), "bench", "env:CASM_BENCH_PASSWORD",
                            accept_new=True, deadlines=Deadlines(rpc=120, ssh=60, hello=60))  # fmt: skip
            yield Server(target, process.pid)
        finally:
            process.terminate()
            process.wait(20)


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
        f"<name>pool-3</name><description>edit {number}</description></pool></pools></config></edit-config>"
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


async def measure(
    report: Report, running: Server, name: str, work: Work, *, counts: Sequence[int] = SESSIONS,
    cpu_goal: float | None = None,
) -> None:  # fmt: skip
    for count in counts:
        async with AsyncExitStack() as stack:
            sessions = [
                await stack.enter_async_context(await open_session(running.target)) for _ in range(count)
            ]
            await drive(sessions, work, SECONDS / 4)
            before = running.cpu()
            took, wall = await drive(sessions, work, SECONDS)
            cpu = (running.cpu() - before) / len(took) * 1e3
            words = f"{name}, {count} session{'s' if count > 1 else ''}"
            cuts = quantiles(took, n=100) if len(took) > 1 else took * 99
            report.add(f"{words}: rate", len(took) / wall, "1/s")
            report.add(f"{words}: p50", cuts[49] * 1e3, "ms")
            report.add(f"{words}: p99", cuts[98] * 1e3, "ms")
            report.add(
                f"{words}: CPU of the server", cpu, "ms", cpu_goal if count == 1 else None, at_most=True
            )


async def measure_sessions(report: Report, running: Server) -> None:
    cpu, wall = running.cpu(), time.perf_counter()
    opened = [await open_session(running.target) for _ in range(OPENED)]
    report.add("sessions opened one after the other", OPENED / (time.perf_counter() - wall), "1/s", 15.0)
    report.add("CPU of the server per session opened", (running.cpu() - cpu) / OPENED * 1e3, "ms")
    await asyncio.gather(*(session.close() for session in opened))
    before, places = running.resident(), asyncio.Semaphore(10)

    async def one() -> Session:
        async with places:
            return await open_session(running.target)

    wall = time.perf_counter()
    opened = await asyncio.gather(*(one() for _ in range(IDLE)))
    report.add("sessions opened ten at a time", IDLE / (time.perf_counter() - wall), "1/s")
    report.add("memory per idle session", (running.resident() - before) / IDLE, "KiB")
    cpu = running.cpu()
    await asyncio.sleep(SECONDS)
    report.add(f"{IDLE} idle sessions", (running.cpu() - cpu) / SECONDS * 100, "% of a core")
    await asyncio.gather(*(session.close() for session in opened))


async def run(report: Report) -> None:
    with server(BLOCKS) as running:
        report.say(f"the server runs, with {BLOCKS} blocks, {DEVICES} devices and {POOLS + 1} pools")
        await measure_sessions(report, running)
        await measure(
            report, running, "get-config of one pool's policy", lambda s, n: s.rpc(ONE_LEAF), cpu_goal=0.5
        )
        await measure(report, running, "get of one block", lambda s, n: s.rpc(one_block(n % BLOCKS + 1)))
        await measure(report, running, f"get of {BLOCKS} blocks", lambda s, n: s.rpc(WHOLE_POOL), counts=(1, 8),
                      cpu_goal=75.0)  # fmt: skip
        await measure(report, running, "edit of one leaf and commit", edit_and_commit, counts=(1,))
        await measure(report, running, "allocate", lambda s, n: s.rpc(ALLOCATE))
    sizes = (100, 100_000)
    costs = []
    for size in sizes:

        async def any_block(session: Session, number: int, size: int = size) -> None:
            await session.rpc(one_block(number % size + 1))

        with server(size) as running:
            async with await open_session(running.target) as session:
                await drive([session], any_block, SECONDS / 4)
                took, _ = await drive([session], any_block, SECONDS)
            costs.append(quantiles(took, n=2)[0])
            report.add(f"get of one block, store of {size} blocks: p50", costs[-1] * 1e3, "ms")
    report.add(
        "get of one block: 100,000 blocks against 100", costs[1] / costs[0], "ratio", 1.3, at_most=True
    )


def main() -> None:
    os.environ["CASM_BENCH_PASSWORD"] = PASSWORD
    report = Report("northbound", **versions("asyncssh", "lxml"))
    asyncio.run(run(report))
    report.finish()


if __name__ == "__main__":
    main()
