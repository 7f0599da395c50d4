"""Adjacent and sparse: where blocks come to lie, and that a million holes cost nothing."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix, first_overlap, parse_prefix, subtract_all
from casm_ctrl.addressing.strategy import common_length
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import LimitReached
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool, SetQuota
from casm_ctrl.service.release import release
from casm_ctrl.store import free_search, free_space, holdings, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.sqlite import SqliteCursor
from casm_ctrl.store.transaction import DUE, Transaction
from tests.allocation_world import ME, configure, give

QUERIES = (
    free_search.LARGEST,
    free_search.FIRST_OF,
    free_search.AFTER,
    free_search.BEFORE,
    free_search.DELETE,
    holdings.COUNT_KEPT,
    holdings.COUNT_ON_DEVICE,
    holdings.RECENT,
    holdings.BLOCK_OVER,
    holdings.CARVE_OVER,
    holdings.EXPIRED,
    f"SELECT {DUE.format(now=':now')}",
)


@pytest.mark.parametrize("sql", QUERIES)
def test_every_look_is_a_step_in_an_index(database: Database, sql: str) -> None:
    if database.dialect != "sqlite":
        return  # its planner goes by how full the tables are: the benchmark shows it there
    values = dict.fromkeys(re.findall(r":([a-z_]+)", sql), 1)
    with database.read() as tx:
        plan = [row[3] for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", **values)]
    assert any("SEARCH" in step for step in plan)
    assert not [
        step for step in plan if "TEMP B-TREE" in step or re.match(r"SCAN (?!kept|there|\(|CONSTANT)", step)
    ]


def test_sparse_leaves_each_block_room_to_grow(network: Database) -> None:
    got = give(network, count=4, strategy="sparse")
    assert got == ["10.0.0.0/24", "10.0.128.0/24", "10.0.64.0/24", "10.0.192.0/24"]
    assert give(network, strategy="sparse") == ["10.0.32.0/24"]


def test_adjacent_grows_next_to_what_is_there(network: Database) -> None:
    first = give(network, prefix="10.0.20.0/24")
    give(network, "bng2/internet", prefix="10.0.22.0/24")
    answer = allocate(network, ME, "bng1/internet", strategy="adjacent")
    assert [*first, answer["block"][0]["prefix"]] == ["10.0.20.0/24", "10.0.21.0/24"]
    assert answer["routes"] == "1"
    answer = allocate(network, ME, "bng1/internet", strategy="adjacent")
    assert (answer["block"][0]["prefix"], answer["routes"]) == ("10.0.23.0/24", "2")
    assert views.show_device_pool(network, "bng1/internet")["routes"] == "2"


def test_several_adjacent_blocks_are_one_piece(network: Database) -> None:
    give(network, prefix="10.0.20.0/24")
    answer = allocate(network, ME, "bng1/internet", count=7, strategy="adjacent")
    assert answer["routes"] == "1"
    assert sorted(block["prefix"] for block in answer["block"])[0] == "10.0.16.0/24"


def test_the_first_block_is_taken_by_best_fit(network: Database) -> None:
    give(network, "bng2/internet", count=3)
    assert give(network, strategy="adjacent") == ["10.0.3.0/24"]


def test_the_strategy_is_the_requests_else_the_device_pools_else_the_pools(network: Database) -> None:
    configure(
        network,
        AddPool("q", "s", ("192.0.2.0/24",), strategy="sparse"),
        AddDevicePool("bng1/q", ("q",), 28),
        AddDevicePool("bng1/fit", ("q",), 28, strategy="best-fit"),
    )
    give(network, "bng1/q")
    assert give(network, "bng1/q") == ["192.0.2.128/28"]
    assert give(network, "bng1/fit") == ["192.0.2.16/28"]
    assert give(network, "bng1/fit", strategy="sparse") == ["192.0.2.64/28"]


@pytest.mark.parametrize("strategy", ["adjacent", "sparse"])
def test_a_pool_is_used_to_its_end_and_whole_again(network: Database, strategy: str) -> None:
    with network.read() as tx:
        pool = pools.find_pool(tx, "p")
        assert pool is not None
        fresh = free_space.free_prefixes(tx, pool.id, pool.family)
    give(network, "bng2/internet", length=26, count=3)
    got = give(network, count=255, strategy=strategy)
    assert len(got) == 255
    assert first_overlap(map(parse_prefix, got)) is None
    names = [block["id"] for block in views.list_blocks(network)]
    release(network, ME, names)
    with network.read() as tx:
        assert free_space.free_prefixes(tx, pool.id, pool.family) == fresh


@contextmanager
def rows_of(*free: Prefix) -> Iterator[Transaction]:
    """Free rows of pool 1, in memory: the only table that a search reads."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            "CREATE TABLE free_block (pool_id INTEGER, tenant INTEGER, length INTEGER, first BLOB,"
            " PRIMARY KEY (pool_id, tenant, length DESC, first)) WITHOUT ROWID"
        )
        clock = ManualClock()
        tx = Transaction(connection.cursor(SqliteCursor), "sqlite", clock, clock.now())
        free_space.insert_free(tx, 1, free)
        yield tx


@given(
    st.lists(
        st.tuples(st.sampled_from(["adjacent", "sparse"]), st.integers(24, 30), st.integers(1, 5)),
        max_size=10,
    )
)
def test_what_is_taken_and_what_is_left_are_the_pool(steps: list[tuple[str, int, int]]) -> None:
    whole = parse_prefix("192.0.2.0/24")
    with rows_of(whole) as tx:
        taken: list[Prefix] = []
        for strategy, length, count in steps:
            room = sum(1 << max(0, length - p.length) for p in left(tx) if p.length <= length)
            if strategy == "sparse":
                got = free_search.take_sparse(tx, 1, Family.IPV4, length, count)
            else:
                got = free_search.take_adjacent(tx, 1, Family.IPV4, length, count, taken)
            assert len(got) == min(count, room), "no free block of the length was overlooked"
            taken += got
        assert first_overlap(taken) is None
        assert left(tx) == subtract_all([whole], taken)


def left(tx: Transaction) -> list[Prefix]:
    return free_space.free_prefixes(tx, 1, Family.IPV4)


@given(st.sets(st.integers(0, 63), min_size=1, max_size=40), st.integers(0, 63))
def test_an_adjacent_block_is_the_nearest_there_is(holes: set[int], mine: int) -> None:
    """Single /30 holes in a /24, and one block somewhere: no other hole shares a longer prefix with it."""
    base = parse_prefix("192.0.2.0/24").first
    holes -= {mine}
    free = [Prefix(Family.IPV4, base + 4 * hole, 30) for hole in sorted(holes)]
    anchor = Prefix(Family.IPV4, base + 4 * mine, 30)
    with rows_of(*free) as tx:
        got = free_search.take_adjacent(tx, 1, Family.IPV4, 30, 1, [anchor])
    nearest = max((common_length(one, anchor) for one in free), default=None)
    assert [common_length(one, anchor) for one in got] == ([] if nearest is None else [nearest])


@pytest.mark.parametrize("strategy", ["adjacent", "sparse"])
def test_side_by_side_nothing_is_given_twice_and_all_is_given(network: Database, strategy: str) -> None:
    """Four at once take the whole pool, four blocks at a time."""

    def work(number: int) -> list[str]:
        name = f"bng{1 + number % 2}/internet"
        return [prefix for _ in range(16) for prefix in give(network, name, count=4, strategy=strategy)]

    with ThreadPoolExecutor(4) as threads:
        got = [prefix for taken in threads.map(work, range(4)) for prefix in taken]
    assert len(got) == 256
    assert first_overlap(map(parse_prefix, got)) is None
    assert views.show_pool(network, "p")["usage"]["free-addresses"] == "0"


def test_a_limit_holds_side_by_side(network: Database) -> None:
    """Four at once ask for more than a quota and a device pool's most allow: what is refused is not given."""
    configure(
        network,
        AddDevicePool("bng1/few", ("p",), 24, max_blocks=10),
        SetQuota("q", "device", "bng2", 10 * 256, "ipv4"),
    )

    def work(number: int) -> None:
        for _ in range(5):
            with suppress(LimitReached):
                give(network, "bng1/few" if number % 2 else "bng2/internet")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(8)))
    for name in ("bng1/few", "bng2/internet"):
        assert views.show_device_pool(network, name)["blocks"] == "10"
