"""What tests of more than one folder use. In continuous integration nothing may be skipped: a skip is a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.peers.absent import absent
from tests.peers.postgresql import Postgresql, missing_server


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
