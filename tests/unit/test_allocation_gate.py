"""On PostgreSQL nobody allocates by a configuration that is being changed: each waits for the other, and then sees
what it did. (On SQLite all that write are alone.)"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import InUse
from casm_ctrl.service import allocation
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddSpace,
    ChangeDevicePool,
    change,
    make,
)
from casm_ctrl.service.request import Request
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.transaction import Mode, Transaction
from tests.peers.postgresql import Postgresql
from tests.stores import PostgresqlStore

pytestmark = pytest.mark.peer

ME = Author("tester", reason="test")
PATIENCE = 30.0
"""Seconds until somebody who should wait must do so."""
OTHER_POOL = ChangeDevicePool("bng1/internet", (("pools", ("new",)),))
SMALLER = ChangeDevicePool("bng1/internet", (("length", 26),))


@pytest.fixture
def store(postgresql_store: tuple[Postgresql, str], clock: ManualClock) -> Iterator[Database]:
    maker = PostgresqlStore(*postgresql_store)
    database = maker(clock)
    edits = (
        AddSpace("s"),
        AddPool("old", "s", ("10.0.0.0/16",)),
        AddPool("new", "s", ("10.1.0.0/16",)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
        AddDevicePool("bng1/internet", ("old",), 24),
    )
    change(database, ME, edits)
    yield database
    maker.close()


def somebody_waits(tx: Transaction) -> None:
    """Return when another transaction waits for this one."""
    until = time.monotonic() + PATIENCE
    while not tx.one(
        "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'allocation_gate'::regclass"
    )[0]:
        assert time.monotonic() < until, "nobody waited"


def one_of(request_id: str) -> Callable[[Database], Any]:
    return lambda store: allocate(store, Author("alice", request_id), "bng1/internet")


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(one_of("second"), id="in one statement"),
        pytest.param(lambda store: allocate(store, ME, "bng1/internet"), id="in a transaction"),
    ],
)
def test_who_allocates_waits_for_a_change_and_goes_by_it(
    store: Database, asking: Callable[[Database], Any]
) -> None:
    one_of("first")(store)  # what the configuration decides is remembered from here on
    with ThreadPoolExecutor(1) as threads:
        with store._transaction(Mode.CONFIGURE) as tx:
            asked = threads.submit(asking, store)
            somebody_waits(tx)
            make(tx, ME, [SMALLER])
        (block,) = asked.result(PATIENCE)["block"]
    assert block["prefix"].endswith("/26")


def test_a_change_waits_for_who_allocates_and_sees_the_block(store: Database) -> None:
    """It may not take the pool away from under a block that was being cut when it began."""
    with ThreadPoolExecutor(1) as threads:
        with store._transaction(Mode.SHARE) as tx:
            changed = threads.submit(change, store, ME, [OTHER_POOL])
            somebody_waits(tx)
            allocation.allocate_in(tx, ME, Request("bng1/internet"))
        with pytest.raises(InUse, match="it has b1"):
            changed.result(PATIENCE)


def test_those_who_allocate_do_not_wait_for_each_other(store: Database) -> None:
    with ThreadPoolExecutor(1) as threads, store._transaction(Mode.SHARE):
        assert threads.submit(one_of("beside"), store).result(PATIENCE)["block"]
