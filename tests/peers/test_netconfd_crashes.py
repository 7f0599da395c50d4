"""Crashes on netconfd: of the controller at each boundary, of the server in the middle of a commit.

After each, one more apply makes device and store agree: no block lost, none twice, nothing pending.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from casm_ctrl.sync.boundary import Boundary
from tests.peers.controller import Controller, connect, device, device_pool, pool, pools_of, read_pools
from tests.peers.netconfd import Netconfd
from tests.sync_world import Casm

pytestmark = pytest.mark.peer

STOP = int(signal.SIGSTOP)


@dataclass
class Site:
    """One server that the controller knows as bng1, with two device pools."""

    casm: Controller
    server: Netconfd
    _started: list[Casm] = field(default_factory=list)

    def converge(self, confirm_removal: int | None = None) -> None:
        """One apply, and then everything agrees."""
        result = self.casm.apply_here(confirm_removal)["bng1"]
        assert result["result"] in ("changed", "in-sync"), result
        self.check()

    def check(self) -> None:
        """Nothing else is there, nothing pends, nothing is locked, and startup holds the same."""
        states = self.casm.states()
        assert set(states.values()) <= {"installed", "quarantined"}, states
        assert self.casm.pending() == 0
        with connect(self.server) as session:
            session.lock("running")
            session.lock("candidate")
            session.commit()
            running = session.get_config("running").data_xml
            assert session.get_config("candidate").data_xml == running
            if self.server.with_startup:
                assert session.get_config("startup").data_xml == running
        there = [name.rpartition("-")[2] for entries in pools_of(running).values() for name in entries]
        assert sorted(there) == sorted(name for name, state in states.items() if state == "installed")

    def applying(self, boundary: Boundary, number: int = signal.SIGKILL) -> Casm:
        """`casm apply` that gets signal `number` at `boundary`."""
        stop_at = f"{boundary.value}:1:{int(number)}"
        self._started.append(self.casm.start("apply", "--wait", "20s", CASM_STOP_AT=stop_at))
        return self._started[-1]

    def close(self) -> None:
        """End what a test that failed left stopped."""
        for process in self._started:
            if not process.ended:
                process.send(signal.SIGKILL)
                process.wait()

    def kill_controller(self, boundary: Boundary) -> None:
        ended = self.casm.end(self.applying(boundary))
        assert ended.status == -signal.SIGKILL, f"{boundary} was not reached: {ended}"
        self.casm.let_leases_end()


@contextmanager
def site_with(folder: Path, server: Netconfd, commit: float | None = None) -> Iterator[Site]:
    casm = Controller(folder)
    casm.prepare(
        pool(prefix="10.0.0.0/16"),
        device("bng1", server, commit=commit),
        device_pool("bng1/internet"),
        device_pool("bng1/voice"),
    )
    with closing(Site(casm, server)) as site:
        yield site


@pytest.fixture(scope="module")
def lasting(
    netconfd_programs: None, published_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One server with a startup datastore and one store for all boundaries."""
    with (
        Netconfd(published_modules, with_startup=True) as server,
        site_with(tmp_path_factory.mktemp("casm"), server) as site,
    ):
        yield site


@pytest.fixture
def site(netconfd: Netconfd, tmp_path: Path) -> Iterator[Site]:
    with site_with(tmp_path, netconfd) as site:
        yield site


@pytest.fixture
def hasty(netconfd: Netconfd, tmp_path: Path) -> Iterator[Site]:
    """Its commits are undone unless they are confirmed within 2 s."""
    with site_with(tmp_path, netconfd, commit=2) as site:
        yield site


@pytest.fixture
def saving(netconfd_programs: None, published_modules: Path, tmp_path: Path) -> Iterator[Site]:
    """Its startup is a datastore."""
    with (
        Netconfd(published_modules, with_startup=True) as server,
        site_with(tmp_path, server) as site,
    ):
        yield site


# --- The controller dies --------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", Boundary, ids=lambda boundary: boundary.value)
def test_the_controller_is_killed_at(lasting: Site, boundary: Boundary) -> None:
    """While one edit installs a block in a new pool, and takes another back with the pool that it was in."""
    casm = lasting.casm
    before = [block for block, state in casm.states().items() if state == "installed"]
    if before:
        casm.release(*before)
    (block,) = casm.allocate(("bng1/internet", "bng1/voice")[[*Boundary].index(boundary) % 2])
    lasting.kill_controller(boundary)
    lasting.converge()
    assert casm.states()[block] == "installed"
    assert all(casm.states()[name] == "quarantined" for name in before)


@pytest.mark.parametrize("boundary", [Boundary.EDIT, Boundary.COMMIT_REPLY], ids=lambda b: b.value)
def test_a_stopped_controller_loses_the_device_and_changes_nothing_more(
    site: Site, boundary: Boundary
) -> None:
    casm = site.casm
    (leaving,) = casm.allocate("bng1/internet")
    casm.apply_here()
    casm.release(leaving)
    stopped = site.applying(boundary, STOP)
    wait_until_stopped(stopped)
    casm.let_leases_end()
    site.converge()
    assert casm.states() == {leaving: "quarantined"}
    stopped.send(signal.SIGCONT)
    ended = casm.end(stopped)
    assert ended.status == 1, ended
    assert ended.answer["device"][0]["error"]["app-tag"] in ("lease-lost", "session-lost")
    site.check()


def test_the_server_undoes_what_nobody_confirmed(hasty: Site) -> None:
    (block,) = hasty.casm.allocate("bng1/internet")
    hasty.kill_controller(Boundary.COMMIT_REPLY)
    assert read_pools(hasty.server), "it is on trial"
    wait_for_rollback(hasty.server, {})
    hasty.converge()
    hasty.casm.release(block)
    before = read_pools(hasty.server)
    hasty.kill_controller(Boundary.COMMIT_REPLY)
    assert read_pools(hasty.server) == {}
    wait_for_rollback(hasty.server, before)
    assert hasty.casm.states() == {block: "withdrawing"}
    hasty.converge()
    assert hasty.casm.states() == {block: "quarantined"}


def wait_for_rollback(server: Netconfd, before: object) -> None:
    end = time.monotonic() + 20
    while read_pools(server) != before:
        assert time.monotonic() < end, "netconfd did not roll back"
        time.sleep(2.5)  # its timer fires only when it has been idle for about a second


# --- The server dies ------------------------------------------------------------------------------


def come_back(server: Netconfd) -> None:
    """Start again. netconfd does not start on a file that it was writing when it was killed: somebody who
    runs it takes away what is cut off."""
    txid = server.startup_file.with_name("startup-cfg-txid.txt")
    if not txid.read_text().strip():
        txid.write_text("0\n")
    if server.startup_file.exists() and not server.startup_file.read_text().rstrip().endswith("</config>"):
        server.startup_file.unlink()
    server.start()


IN_FLIGHT = (Boundary.COMMIT_SENT, Boundary.COMMIT_REPLY, Boundary.CONFIRM_SENT, Boundary.CONFIRM_REPLY)


def wait_until_stopped(process: Casm) -> None:
    """Until the process has stopped itself."""
    end = time.monotonic() + 20
    while not process.stopped():
        assert not process.ended, process.wait()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("forgets", [False, True], ids=["startup-kept", "startup-lost"])
@pytest.mark.parametrize("boundary", IN_FLIGHT, ids=lambda boundary: boundary.value)
def test_the_server_is_killed_at(site: Site, boundary: Boundary, forgets: bool) -> None:
    """It comes back with its startup file or empty, before or after the controller noticed."""
    casm, server = site.casm, site.server
    kept, leaving = casm.allocate("bng1/internet", 2)
    assert casm.apply_here()["bng1"]["result"] == "changed"
    casm.release(leaving)
    added = casm.allocate("bng1/internet")
    applying = site.applying(boundary, STOP)
    wait_until_stopped(applying)
    server.kill()
    if forgets:
        server.startup_file.unlink()
        applying.send(signal.SIGCONT)
        ended = casm.end(applying)
        assert ended.status == 1, ended
        assert "unknown until the device is read" in ended.stderr or "ended during" in ended.stderr, ended
        come_back(server)
    else:
        come_back(server)
        applying.send(signal.SIGCONT)
        casm.end(applying)
    site.converge()
    assert casm.states() == {kept: "installed", leaving: "quarantined", added[0]: "installed"}


@pytest.mark.parametrize("boundary", [Boundary.READ_BACK, Boundary.CONFIRM_REPLY], ids=lambda b: b.value)
def test_the_server_is_killed_around_the_copy_to_startup(saving: Site, boundary: Boundary) -> None:
    """A server whose startup is a datastore comes back with what was not confirmed; netconfd writes
    startup with the confirming commit already, which no server has to."""
    (leaving,) = saving.casm.allocate("bng1/internet")
    assert saving.casm.apply_here()["bng1"]["result"] == "changed"
    saving.casm.release(leaving)
    applying = saving.applying(boundary, STOP)
    wait_until_stopped(applying)
    saving.server.kill()
    come_back(saving.server)
    assert bool(read_pools(saving.server)) == (boundary is Boundary.READ_BACK)
    assert saving.casm.states() == {leaving: "withdrawing"}
    applying.send(signal.SIGCONT)
    saving.casm.end(applying)
    saving.converge()
    assert saving.casm.states() == {leaving: "quarantined"}


def test_the_server_is_killed_with_the_commit_unread(site: Site) -> None:
    """The commit was sent, and the server died before it took it."""
    (block,) = site.casm.allocate("bng1/internet")
    applying = site.applying(Boundary.RECORD_AFTER, STOP)
    wait_until_stopped(applying)
    os.kill(site.server.pid, signal.SIGSTOP)
    applying.send(signal.SIGCONT)
    time.sleep(0.3)
    site.server.kill()
    ended = site.casm.end(applying)
    assert ended.status == 1
    assert site.casm.states() == {block: "reserved"}
    come_back(site.server)
    site.converge()


def test_the_server_is_killed_at_random_instants(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Between the first RPC and the last write; prints after which boundary each hit."""
    casm, chance = site.casm, random.Random()
    casm.allocate("bng1/internet", 2)
    assert casm.apply_here()["bng1"]["result"] == "changed"
    hits = []
    for number in range(6):
        casm.release(next(block for block, state in casm.states().items() if state == "installed"))
        casm.allocate("bng1/internet")
        trace = tmp_path / f"trace-{number}"
        applying = casm.start("apply", "--retries", "0", CASM_TRACE=str(trace))
        passed = chance.randrange(2, len(Boundary) - 2)
        while not applying.ended and (not trace.exists() or len(trace.read_text().split()) < passed):
            time.sleep(0.001)
        site.server.kill()
        casm.end(applying)
        hits.append(trace.read_text().split()[-1])
        come_back(site.server)
        site.converge()
    with capsys.disabled():
        print(f"\nnetconfd was killed after: {', '.join(hits)}")
