"""One block in one statement on PostgreSQL does just what the general way does, or leaves it to that."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import Exhausted, LimitReached, RequestReused
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.quotas import SetQuota
from casm_ctrl.service.verb import Document
from casm_ctrl.store import single
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.allocation_world import dump
from tests.peers.postgresql import Postgresql
from tests.stores import MakeStore, PostgresqlStore

pytestmark = pytest.mark.peer

USUAL = ("internet", "six", "odd", "public", "both", "host")
SPECIAL = ("low", "ports", "first", "few", "sparse")
EDITS: list[Edit] = [
    AddSpace("s"),
    AddPool("p", "s", ("10.0.0.0/16",), quarantine=3600, lease_time=86400),
    AddPool("six", "s", ("2001:db8::/40",)),
    AddPool("public", "s", ("198.51.100.0/24",), scope="public"),
    AddPool("low", "s", ("::c000:0/112",)),
    AddPool("ports", "s", ("203.0.113.0/24",), psid_offset=6),
    AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
    AddDevicePool("bng1/internet", ("p",), 24),
    AddDevicePool("bng1/six", ("six",), 56),
    AddDevicePool("bng1/odd", ("six",), 61),
    AddDevicePool("bng1/public", ("public",), 26),
    AddDevicePool("bng1/both", ("public", "p"), 25),
    AddDevicePool("bng1/host", ("p",), 32),
    AddDevicePool("bng1/low", ("low",), 128),
    AddDevicePool("bng1/ports", ("ports",), 36),
    AddDevicePool("bng1/first", ("p",), 24, first_length=23),
    AddDevicePool("bng1/few", ("p",), 24, max_blocks=4),
    AddDevicePool("bng1/sparse", ("p",), 24, strategy="sparse"),
]


@pytest.fixture
def make_store(postgresql_store: tuple[Postgresql, str]) -> Iterator[MakeStore]:
    maker = PostgresqlStore(*postgresql_store)
    yield maker
    maker.close()


@pytest.fixture
def store(make_store: MakeStore, clock: ManualClock) -> Database:
    return new(make_store, clock)


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request, whether it was done in one statement."""
    found: list[bool] = []
    real = single.allocate_one

    def watch(*given: Any) -> Document | None:
        answer = real(*given)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(single, "allocate_one", watch)
    return found


def new(make_store: MakeStore, clock: ManualClock) -> Database:
    database = make_store(clock)
    change(database, Author("fixture"), EDITS)
    return database


def ask(database: Database, request_id: str, device_pool: str = "bng1/internet", **asked: Any) -> Document:
    return allocate(database, Author('"alice"', request_id, "because"), device_pool, **asked)


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row, but that block numbers have gaps and counts their stripes."""
    found = dump(database)
    found["block_count"] = [(*row[:3], row[4]) for row in found["block_count"]]
    return found


@pytest.mark.parametrize("name", [*USUAL, *SPECIAL])
def test_it_leaves_the_same_store_as_the_general_way(
    make_store: MakeStore, ways: list[bool], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    database = new(make_store, ManualClock())
    answers = [ask(database, f"r{number}", f"bng1/{name}") for number in range(4)]
    left = rows(database)
    assert ways == [False, *[name in USUAL] * 3]
    monkeypatch.setattr(single, "allocate_one", lambda *given: None)
    database = new(make_store, ManualClock())
    assert [ask(database, f"r{number}", f"bng1/{name}") for number in range(4)] == answers
    assert rows(database) == left


@pytest.mark.parametrize(
    "asked",
    [{"count": 2}, {"prefix": "10.0.9.0/24"}, {"addresses": 256}, {"lifetime": 60}, {"strategy": "adjacent"}],
)
def test_what_is_more_than_one_block_goes_the_general_way(
    store: Database, ways: list[bool], asked: dict[str, Any]
) -> None:
    for number in range(2):
        if "prefix" not in asked or number == 0:
            ask(store, f"r{number}", **asked)
    assert not any(ways)


def test_a_repetition_gets_the_answer_and_nothing_new(store: Database, ways: list[bool]) -> None:
    ask(store, "r0")
    first = ask(store, "r1")
    before = dump(store)
    assert ask(store, "r1") == first
    with pytest.raises(RequestReused):
        ask(store, "r1", length=25)
    assert dump(store) == before
    assert ways == [False, True, False, False]


def test_what_time_brought_is_done_first(store: Database, clock: ManualClock, ways: list[bool]) -> None:
    block = ask(store, "r0", lifetime=60)["block"][0]
    ask(store, "r1")
    ask(store, "r2")
    clock.advance(61)
    ask(store, "r3")
    assert ways == [False, False, True, False]
    with store.read() as tx:
        assert tx.first("SELECT 1 FROM block WHERE id = :id", id=int(block["id"][1:])) is None


def test_a_change_of_the_configuration_is_seen(store: Database, ways: list[bool]) -> None:
    for number in range(2):
        ask(store, f"r{number}")
    change(store, Author("other"), [SetQuota("q", "device", "bng1", 512, "ipv4")])
    with pytest.raises(LimitReached):
        ask(store, "r2")
    assert ways == [False, True, False]


def test_exhausted_is_said_by_the_general_way(store: Database, ways: list[bool]) -> None:
    for number in range(4):
        ask(store, f"r{number}", "bng1/public")
    with pytest.raises(Exhausted, match="has nothing else free"):
        ask(store, "r4", "bng1/public")
    assert ways == [False, True, True, True, False]


def test_it_waits_for_the_only_row_there_is(store: Database, ways: list[bool]) -> None:
    """Another transaction holds the pool's only free row, and gives it back."""
    ask(store, "r0", "bng1/public")
    got: list[Document] = []
    with store.rehearse() as tx:
        tx.run("DELETE FROM free_block WHERE pool_id = (SELECT id FROM pool WHERE name = 'public')")
        thread = threading.Thread(target=lambda: got.append(ask(store, "r1", "bng1/public")))
        thread.start()
        _wait_until(lambda: _waiting(store) == 1)
    thread.join()
    assert got[0]["block"][0]["prefix"] == "198.51.100.64/26"
    assert ways == [False, True]


def test_two_with_one_request_id_get_one_block(store: Database) -> None:
    ask(store, "r0")
    got: list[Document] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        got.append(ask(store, "same"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(answer == got[0] for answer in got)
    with store.read() as tx:
        assert tx.one("SELECT COUNT(*) FROM block") == (2,)


def test_a_lost_connection_is_settled_by_the_request_id(store: Database, ways: list[bool]) -> None:
    """The server ends the statement's connection while it waits: nothing was done, and the general way does it."""
    ask(store, "r0", "bng1/public")
    got: list[Document] = []
    with store.rehearse() as tx:
        tx.run("DELETE FROM free_block WHERE pool_id = (SELECT id FROM pool WHERE name = 'public')")
        thread = threading.Thread(target=lambda: got.append(ask(store, "r1", "bng1/public")))
        thread.start()
        _wait_until(lambda: _waiting(store) == 1)
        tx.all(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        _wait_until(lambda: ways == [False, False])
    thread.join()
    assert got[0]["block"][0]["prefix"] == "198.51.100.64/26"
    with store.read() as tx:
        assert tx.one("SELECT COUNT(*) FROM block") == (2,)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.integers(1, 128).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, (1 << n) - 1))),
        max_size=50,
    )
)
def test_the_database_writes_prefixes_as_we_do(store: Database, drawn: list[tuple[int, int]]) -> None:
    prefixes = [Prefix(Family.IPV6, bits << (128 - length), length) for length, bits in drawn]
    prefixes = [prefix for prefix in prefixes if prefix.first >= single.LOWEST]
    prefixes += [Prefix(Family.IPV4, bits << (32 - length), length) for length, bits in drawn if length <= 32]
    with store.read() as tx:
        for prefix in prefixes:
            family, first, length = prefix.family.number, prefix.first_key, prefix.length
            sql = "SELECT prefix_text(:family, :first::bytea, :length)"
            assert tx.one(sql, family=family, first=first, length=length) == (str(prefix),)


def _waiting(database: Database) -> int:
    with database.read() as tx:
        return int(
            tx.one(
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )[0]
        )


def _wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until, "it never came"
        os.sched_yield()
