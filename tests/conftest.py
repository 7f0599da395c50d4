"""What tests of more than one folder use. In continuous integration nothing may be skipped: a skip is a failure."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from casm_ctrl.base.clock import ManualClock, SystemClock
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.store.database import open_database
from casm_ctrl.store.migrate import create_store
from tests.filled_world import fill
from tests.northbound_harness import Endpoint
from tests.northbound_ssh import SshServed, served_over_ssh
from tests.peers.absent import absent
from tests.peers.postgresql import Postgresql, missing_server

settings.register_profile("untimed", settings(), deadline=None)
if not os.environ.get("CI"):  # there Hypothesis has a profile of its own, without a deadline too
    settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would each process that a test starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: two to a processor, for a test that waits (for a device, a process, a disk) is half of them."""
    return 2 * len(os.sched_getaffinity(0))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = exitstatus or pytest.ExitCode.TESTS_FAILED
        reporter.write_line("CI: tests were skipped, and none may be", red=True)


@pytest.fixture(scope="session", autouse=True)
def yang_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The cache of YANG modules, which is a user's, is the run's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASM_YANG_CACHE", str(tmp_path_factory.mktemp("yang-cache")))
        patch.delenv("CASM_YANG_PATH", raising=False)
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A throw-away server for all tests of a run; each that needs quiet makes a database of its own."""
    missing = missing_server()
    if missing is not None:
        absent(missing)
    with Postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def store_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, closed: one file."""
    path = tmp_path_factory.mktemp("template") / "casm.db"
    database, _ = create_store(str(path), ManualClock())
    database.close()
    return path


@pytest.fixture
def store_path(store_template: Path, tmp_path: Path) -> Path:
    """An empty store of this test's own."""
    return Path(shutil.copyfile(store_template, tmp_path / "casm.db"))


@pytest.fixture(scope="session")
def northbound_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store as `casm init` makes it, closed: one file."""
    path = tmp_path_factory.mktemp("northbound") / "casm.db"
    database, _ = create_store(str(path), SystemClock(), documents=first_documents())
    database.close()
    return path


@pytest.fixture(scope="session")
def northbound_models() -> Models:
    """The modules of the server, read once for all tests."""
    return Models()


@pytest_asyncio.fixture
async def endpoint(
    northbound_template: Path, northbound_models: Models, tmp_path: Path
) -> AsyncIterator[Endpoint]:
    """The northbound server on a store of this test's own, with sessions over memory."""
    path = shutil.copyfile(northbound_template, tmp_path / "northbound.db")
    database = open_database(str(path))
    try:
        async with Endpoint(Northbound(database, northbound_models)) as served:
            yield served
    finally:
        database.close()


@pytest_asyncio.fixture
async def filled(
    northbound_template: Path, northbound_models: Models, tmp_path: Path
) -> AsyncIterator[Endpoint]:
    """As `endpoint`, on a store in which there is one of everything, with a clock that stands."""
    path = shutil.copyfile(northbound_template, tmp_path / "northbound.db")
    clock = ManualClock()
    database = open_database(str(path), clock)
    try:
        fill(database, clock)
        async with Endpoint(Northbound(database, northbound_models)) as served:
            yield served
    finally:
        database.close()


@pytest_asyncio.fixture
async def ssh_northbound(
    northbound_template: Path, northbound_models: Models, tmp_path: Path
) -> AsyncIterator[SshServed]:
    """The northbound server over SSH on a free port, with the user admin."""
    path = shutil.copyfile(northbound_template, tmp_path / "northbound.db")
    database = open_database(str(path))
    try:
        async with served_over_ssh(database, northbound_models) as served:
            yield served
    finally:
        database.close()
