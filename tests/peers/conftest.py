"""Real peers for the tests of this folder; skipped by name where they are not installed, never in CI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.absent import absent
from tests.peers.netconfd import Netconfd, missing_programs
from tests.peers.served import Served, serve

SHARED_YANG = Path(__file__).parents[2].parent / "shared/yang"


@pytest.fixture(scope="session")
def published_modules() -> Path:
    """The folder of ietf-address-pool as it was published."""
    folder = SHARED_YANG / "ietf"
    if not folder.is_dir():
        absent("the folder ../shared/yang/ietf with published YANG modules")
    return folder


@pytest.fixture(scope="session")
def netconfd_programs() -> None:
    missing = missing_programs()
    if missing:
        absent(f"netconfd's harness needs {', '.join(missing)}, which")


@pytest.fixture
def netconfd(netconfd_programs: None, published_modules: Path) -> Iterator[Netconfd]:
    """A server of its own for one test, with the published ietf-address-pool."""
    with Netconfd(published_modules) as server:
        yield server


@pytest.fixture(scope="module")
def shared_netconfd(netconfd_programs: None, published_modules: Path) -> Iterator[Netconfd]:
    """One server for all tests of a module, which leave it as they found it."""
    with Netconfd(published_modules) as server:
        yield server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our server, for the clients that nobody here wrote; each test has a number of its own."""
    with serve(tmp_path_factory.mktemp("served")) as server:
        yield server
