"""Two real servers: one change over both, and a server whose only writable datastore is running."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from casm_ctrl.sync.boundary import Boundary, RunBoundary
from tests.peers.controller import Controller, connect, device, device_pool, pool, pools_of, read_pools
from tests.peers.netconfd import Netconfd
from tests.sync_world import Casm

pytestmark = pytest.mark.peer


@dataclass
class Pair:
    """Two servers that the controller knows as bng1 and bng2; each holds a block, and is to have another."""

    casm: Controller
    servers: dict[str, Netconfd]
    before: dict[str, object]

    def now(self) -> dict[str, object]:
        return {name: read_pools(server) for name, server in self.servers.items()}

    def holds(self) -> dict[str, str]:
        """Old, or new: it has an entry more."""
        now = self.now()
        return {name: "old" if now[name] == self.before[name] else "new" for name in now}

    def check(self) -> None:
        """Nothing pends, nothing is locked, and all that is wanted is there and nothing else."""
        assert set(self.casm.states().values()) == {"installed"}
        assert self.casm.pending() == 0
        assert self.casm.query("SELECT 1 FROM atomic_run") == []
        for server in self.servers.values():
            with connect(server) as session:
                datastores = ["running", *(["candidate"] if server.target == "candidate" else [])]
                for datastore in datastores:
                    session.lock(datastore)
                running = session.get_config("running").data_xml
                for datastore in datastores[1:]:
                    session.commit()
                    assert session.get_config(datastore).data_xml == running
            (entries,) = pools_of(running).values()
            assert len(entries) == 2


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, netconfd_programs: None, published_modules: Path, tmp_path: Path
) -> Iterator[Pair]:
    """The second server's target is the parameter, where there is one."""
    second: Literal["candidate", "running"] = getattr(request, "param", "candidate")
    targets: tuple[Literal["candidate", "running"], ...] = ("candidate", second)
    with ExitStack() as stack:
        servers = {
            f"bng{number}": stack.enter_context(Netconfd(published_modules, target=target))
            for number, target in enumerate(targets, 1)
        }
        casm = Controller(tmp_path)
        casm.prepare(
            pool(),
            *(device(name, server) for name, server in servers.items()),
            *(device_pool(f"{name}/internet") for name in servers),
        )
        for name in servers:
            casm.allocate(f"{name}/internet")
        casm.apply_here()
        for name in servers:
            casm.allocate(f"{name}/internet")
        yield Pair(casm, servers, {name: read_pools(server) for name, server in servers.items()})


def test_both_are_changed(pair: Pair) -> None:
    answer = pair.casm("apply", "--atomic")
    assert answer["atomic-run"]["decision"] == "commit"
    assert pair.holds() == {"bng1": "new", "bng2": "new"}
    pair.check()


def test_a_server_that_is_killed_before_the_decision(pair: Pair) -> None:
    """The other is taken back, and this one is read when it came up again."""
    casm, dying = pair.casm, pair.servers["bng2"]
    stop = f"read-back:2:{int(signal.SIGSTOP)}"
    applying = casm.start("apply", "--atomic", "--wait", "5s", CASM_STOP_AT=stop)
    wait_until_stopped(applying)
    dying.kill()
    applying.send(signal.SIGCONT)
    time.sleep(1)
    dying.start()
    ended = casm.end(applying)
    assert ended.status == 1, ended
    assert {d["name"]: d["holds"] for d in ended.answer["device"]} == {"bng1": "old", "bng2": "old"}
    assert pair.holds() == {"bng1": "old", "bng2": "old"}
    casm("apply", "--atomic")
    assert pair.holds() == {"bng1": "new", "bng2": "new"}
    pair.check()


@pytest.mark.parametrize(
    "boundary", [b for b in RunBoundary if b is not RunBoundary.GIVEN_UP], ids=lambda b: b.value
)
def test_the_controller_is_killed_at(pair: Pair, boundary: RunBoundary) -> None:
    casm = pair.casm
    ended = casm.end(casm.start("apply", "--atomic", CASM_STOP_AT=boundary.value))
    assert ended.status == -signal.SIGKILL, ended
    casm.let_leases_end()
    casm.apply("bng1")
    decided = boundary in (RunBoundary.DECIDED, RunBoundary.CONFIRMED)
    assert pair.holds() == {"bng1": "new", "bng2": "new" if decided else "old"}
    casm("apply", "--atomic")
    pair.check()


@pytest.mark.parametrize("pair", ["running"], indirect=True)
def test_a_server_that_only_has_running(pair: Pair) -> None:
    """It is checked as such, refused for an atomic run, and edited last with --best-effort."""
    checked = pair.casm("device", "check", "bng2")["device"][0]
    assert checked["result"] == "fit"
    assert checked["way"]["name"] == "writable-running"
    refused = pair.casm("apply", "--atomic", status=1)
    assert refused["error"]["app-tag"] == "not-supported"
    assert pair.holds() == {"bng1": "old", "bng2": "old"}
    pair.casm("apply", "--atomic", "--best-effort")
    assert pair.holds() == {"bng1": "new", "bng2": "new"}
    pair.check()


CRITICAL = (
    Boundary.RECORD_BEFORE,
    Boundary.RECORD_AFTER,
    Boundary.COMMIT_SENT,
    Boundary.COMMIT_REPLY,
    Boundary.READ_BACK,
    Boundary.RECORD_CLEARED,
    Boundary.PROOF_READ,
)
"""Around the edit that is final; the others are the same for all ways."""


@pytest.mark.parametrize("pair", ["running"], indirect=True)
def test_the_controller_is_killed_while_running_is_edited(pair: Pair) -> None:
    """Around the edit, one boundary after the other: a block is released and another allocated at each."""
    casm = pair.casm
    casm.apply_here()
    pair.check()
    for boundary in CRITICAL:
        leaving = next(
            block
            for block, state in casm.states().items()
            if state == "installed" and _of(casm, block) == "bng2"
        )
        casm.release(leaving)
        casm.allocate("bng2/internet")
        ended = casm.end(casm.start("apply", "bng2", CASM_STOP_AT=boundary.value))
        assert ended.status == -signal.SIGKILL, f"{boundary}: {ended}"
        casm.let_leases_end()
        assert casm.apply_here()["bng2"]["result"] in ("changed", "in-sync"), boundary
        states = casm.states()
        assert states[leaving] == "quarantined", boundary
        (entries,) = read_pools(pair.servers["bng2"]).values()
        wanted = [b for b, state in states.items() if state == "installed" and _of(casm, b) == "bng2"]
        assert sorted(name.rpartition("-")[2] for name in entries) == sorted(wanted), boundary
        assert casm.pending() == 0


def _of(casm: Controller, block: str) -> str:
    rows = casm.query(
        "SELECT device.name FROM block JOIN device_pool ON device_pool.id = device_pool_id"
        f" JOIN device ON device.id = device_pool.device_id WHERE block.id = {int(block[1:])}"
    )
    return str(rows[0][0])


def wait_until_stopped(process: Casm) -> None:
    """Until the process has stopped itself."""
    end = time.monotonic() + 20
    while not process.stopped():
        assert not process.ended, process.wait()
        assert time.monotonic() < end
        time.sleep(0.02)
