"""Usage comes from counts: they are right after any change of pools, and reading them does not grow."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import Refusal
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    AddPrefix,
    AddSpace,
    Edit,
    Exclude,
    Include,
    RemovePool,
    RemovePrefix,
    Reserve,
    Unreserve,
    change,
)
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.usage import Usage, usage_document
from casm_ctrl.store import devices, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State
from casm_ctrl.store.transaction import Transaction
from tests.stores import MakeStore

ME = Author("tester", reason="test")
PREFIXES = ("10.0.0.0/28", "10.0.0.16/29", "10.0.0.24/30", "10.0.0.28/32")
PARTS = ("10.0.0.0/29", "10.0.0.8/31", "10.0.0.12/30", "10.0.0.16/30", "10.0.0.24/31", "10.0.0.1/32")
NAMES = ("root", "child", "grandchild")


def recounted(tx: Transaction, pool_id: int) -> dict[tuple[str, int], int]:
    rows = tx.all("SELECT kind, length FROM carve WHERE pool_id = :pool", pool=pool_id)
    own = [("prefix", prefix.length) for prefix in pools.pool_prefixes(tx, pool_id)]
    return dict(Counter([*((kind, length) for kind, length in rows), *own]))


class CountsMachine(RuleBasedStateMachine):
    """Everything that makes and takes pieces of pools, refused or not."""

    make_store: ClassVar[MakeStore]

    def __init__(self) -> None:
        super().__init__()
        self.database = type(self).make_store(ManualClock())

    @initialize()
    def begin(self) -> None:
        device = AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s")
        change(self.database, ME, [AddSpace("s"), device, AddPool("root", "s", ("10.0.0.0/28",))])

    def attempt(self, *edits: Edit) -> None:
        with suppress(Refusal):
            change(self.database, ME, list(edits))

    @rule(level=st.integers(1, 2), prefix=st.sampled_from(PARTS), hole=st.sampled_from((None, *PARTS)))
    def add_child(self, level: int, prefix: str, hole: str | None) -> None:
        holes = () if hole is None else (hole,)
        self.attempt(AddPool(NAMES[level], "s", (prefix,), holes, parent=NAMES[level - 1]))

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.attempt(RemovePool(name))

    @rule(name=st.sampled_from(NAMES), prefix=st.sampled_from((*PREFIXES, *PARTS)), back=st.booleans())
    def prefix(self, name: str, prefix: str, back: bool) -> None:
        self.attempt(RemovePrefix(name, prefix) if back else AddPrefix(name, prefix))

    @rule(
        name=st.sampled_from(NAMES),
        prefix=st.sampled_from(PARTS),
        kind=st.sampled_from((Reserve, Unreserve, Exclude, Include)),
    )
    def carve(self, name: str, prefix: str, kind: Any) -> None:
        self.attempt(kind(name, prefix, "test") if kind is Reserve else kind(name, prefix))

    @rule(prefix=st.sampled_from(PARTS), back=st.booleans())
    def hold(self, prefix: str, back: bool) -> None:
        with self.database.write() as tx:
            device = devices.find_device(tx, "bng1")
            assert device is not None
            if back:
                release_held(tx, device.id, [])
            else:
                hold(tx, device.space_id, parse_prefix(prefix).range, device.id, "seen")

    @invariant()
    def counts_are_the_rows(self) -> None:
        with self.database.read() as tx:
            for row in pools.list_pools(tx):
                kept = {key: pieces for key, pieces in pools.piece_counts(tx, row.id).items() if pieces}
                assert kept == recounted(tx, row.id)

    @invariant()
    def everything_is_somewhere(self) -> None:
        """All kinds of addresses together are the prefixes; and the free rows are what usage calls free."""
        with self.database.read() as tx:
            rows = tx.all("SELECT name, length FROM free_block JOIN pool ON pool.id = pool_id")
            free: Counter[str] = Counter()
            for name, length in rows:
                free[name] += 1 << (32 - length)
            for pool in views.list_pools(self.database):
                usage = {
                    key.removesuffix("-addresses"): int(value)
                    for key, value in pool["usage"].items()
                    if key.endswith("-addresses")
                }
                assert usage["free"] == free[pool["name"]]
                total = usage.pop("total")
                assert total == sum(usage[kind] for kind in ("allocated", "quarantined", "child", "free"))
                assert sum(usage.values()) == sum(parse_prefix(text).size for text in pool["prefix"])

    def teardown(self) -> None:
        self.database.close()


def test_pieces_are_counted_through_every_change(make_store: MakeStore) -> None:
    machine = type("Machine", (CountsMachine,), {"make_store": staticmethod(make_store)})
    examples = 25 if make_store.dialect == "sqlite" else 5
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )


# --- What it costs --------------------------------------------------------------------------------


def test_usage_reads_no_more_for_more_blocks_and_pieces(database: Database) -> None:
    """The rows that are read are counted: a hundred times the blocks and reservations are as many rows."""
    many = [
        AddPool(name, "s", (prefix,)) for name, prefix in (("few", "10.0.0.0/16"), ("many", "10.1.0.0/16"))
    ]
    device = AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s")
    served = [AddDevicePool(f"bng1/{pool.name}", (pool.name,), 32) for pool in many]
    change(database, ME, [AddSpace("s"), device, *many, *served])
    read: dict[str, int] = {}
    for name, count in (("few", 10), ("many", 1000)):
        allocate(database, ME, f"bng1/{name}", count=count)
        base = parse_prefix("10.0.0.0/16" if name == "few" else "10.1.0.0/16").first + (1 << 15)
        reserve = [
            Reserve(name, str(Prefix(Family.IPV4, base + 2 * number, 32)), "every other")
            for number in range(count)
        ]
        change(database, ME, reserve)
        with database.read() as tx:
            row = pools.find_pool(tx, name)
            assert row is not None
            read[name] = rows_read(tx, row)
    assert read["many"] == read["few"] < 10


def rows_read(tx: Transaction, pool: pools.PoolRow) -> int:
    """How many rows the statements behind a pool's usage give."""
    counter = itertools.count()
    given = 0

    class Counting(Transaction):
        def all(self, sql: str, **parameters: Any) -> Any:
            nonlocal given
            next(counter)
            rows = super().all(sql, **parameters)
            given += len(rows)
            return rows

    from casm_ctrl.service.usage import pool_usage

    counting = Counting(tx._cursor, tx.dialect, tx.clock, tx.now)
    pool_usage(counting, pool)
    assert next(counter) == 2
    return given


def test_the_largest_free_block_is_looked_up_in_an_index(network: Database) -> None:
    """Not sorted out of all holes: on SQLite, where the plan can be read."""
    with network.read() as tx:
        if tx.dialect != "sqlite":
            return
        plan = tx.all(
            "EXPLAIN QUERY PLAN SELECT length FROM free_block"
            " WHERE pool_id = :pool AND tenant = 0 ORDER BY length LIMIT 1",
            pool=1,
        )
    words = " ".join(str(row[3]) for row in plan)
    assert "PRIMARY KEY" in words
    assert "TEMP B-TREE" not in words


# --- Fragmentation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "free", "largest", "expected"),
    [
        (256, 256, 24, 0),
        (256, 255, 25, 49),
        (256, 128, 32, 99),
        (256, 1, 32, 0),
        (256, 3, 31, 33),
        (256, 256, None, 100),
        (256, 0, None, None),
    ],
)
def test_fragmentation(prefix: int, free: int, largest: int | None, expected: int | None) -> None:
    counts = {(State.INSTALLED, 32): prefix - free}
    usage = Usage(Family.PORTS, {"prefix": prefix << 16}, counts, largest)
    document = usage_document(usage)
    assert document.get("fragmentation") == expected
    assert document.get("largest-free-length") == largest
    assert document["free-addresses"] == str(free)
