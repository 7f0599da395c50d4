"""Stores to test on: each test has its own file, copied from one that was made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.service import control_state
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store import automation
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from tests.peers.postgresql import Postgresql
from tests.stores import MakeStore, PostgresqlStore, SqliteStores


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgresql_store(postgresql: Postgresql) -> tuple[Postgresql, str]:
    """The server, and the name of a database on it that holds a store."""
    name = postgresql.make()
    made, _ = create_store(postgresql.url(name), ManualClock())
    made.close()
    return postgresql, name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer)])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """The same tests run over both kinds of store."""
    maker: MakeStore
    if request.param == "sqlite":
        maker = SqliteStores(request.getfixturevalue("store_template"), tmp_path)
    else:
        maker = PostgresqlStore(*request.getfixturevalue("postgresql_store"))
    yield maker
    maker.close()


@pytest.fixture
def database(make_store: MakeStore, clock: ManualClock) -> Database:
    """An empty store, open, on the test's clock."""
    return make_store(clock)


@pytest.fixture
def network(database: Database) -> Database:
    """The store with space `s`, pool `p` (10.0.0.0/16) and the devices bng1 and bng2, each with a device
    pool `internet` of /24 blocks. A block of `p` rests an hour, or a day where it was not proven empty."""
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("p", "s", ("10.0.0.0/16",), quarantine=3600, lease_time=86400),
    ]
    for number, name in enumerate(("bng1", "bng2"), start=1):
        host = f"192.0.2.{number}"
        device = AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:SECRET", "s")
        edits += [device, AddDevicePool(f"{name}/internet", ("p",), 24)]
    change(database, Author("fixture"), edits)
    return database


@pytest.fixture
def controller(network: Database) -> int:
    """One that watches all devices of `network`, and bng1/internet is automatic."""
    number = control_state.begin(network)
    control_state.keep(network, number)
    with network.write() as tx:
        automation.put_automation(tx, 1, Automation(grow="automatic", shrink="automatic"))
    return number
