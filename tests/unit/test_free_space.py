"""Free space against a naive model: sets of addresses, in pools that are small enough to list."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import ClassVar

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from casm_ctrl.addressing.prefix import Family, Prefix, Range, first_overlap, parse_prefix, subtract_all
from casm_ctrl.base.errors import StoreBroken
from casm_ctrl.store import free_space, pools, spaces
from casm_ctrl.store.database import Database
from casm_ctrl.store.transaction import Transaction


def make_pool(tx: Transaction, prefixes: list[Prefix], holes: list[Prefix], name: str = "p") -> int:
    space = spaces.find_space(tx, "s")
    space_id = spaces.insert_space(tx, "s", "") if space is None else space.id
    number = pools.insert_pool(
        tx,
        name=name,
        space_id=space_id,
        family=prefixes[0].family,
        scope="private",
        description="",
        strategy="best-fit",
        quarantine=0,
        lease_time=0,
    )
    pools.insert_pool_prefixes(tx, pools.get_pool(tx, number), prefixes)
    pools.insert_carves(tx, number, "exclusion", holes)
    free_space.insert_free(tx, number, subtract_all(prefixes, holes))
    return number


def addresses(*pieces: Prefix) -> set[int]:
    return {address for piece in pieces for address in range(piece.first, piece.last + 1)}


def aligned(free: set[int], family: Family, length: int) -> list[int]:
    """Where a block of `length` could be cut out of `free`."""
    size = 1 << (family.width - length)
    return [first for first in free if first % size == 0 and all(first + i in free for i in range(size))]


SPAN = 6
"""The machine's pools lie in 2^SPAN addresses, so that a set of them is cheap."""


class FreeSpaceMachine(RuleBasedStateMachine):
    """take, take_prefix, take_within and give in any order; the rows must be the model's at every step."""

    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.family = Family.IPV4
        self.own: list[Prefix] = []
        self.fresh: list[Prefix] = []
        self.taken: list[Prefix] = []

    @initialize(family=st.sampled_from((Family.IPV4, Family.IPV6)), data=st.data())
    def begin(self, family: Family, data: st.DataObject) -> None:
        self.family = family
        self.base = (0x0A000000 if family is Family.IPV4 else 0x20010DB8 << 96) & -(1 << SPAN)
        self.own = self._disjoint(data, 1, 4)
        holes = [hole for hole in self._disjoint(data, 0, 3) if any(p.contains(hole) for p in self.own)]
        self.fresh = subtract_all(self.own, holes)
        self.tx = self.stack.enter_context(rolled_back(self.database))
        self.pool = make_pool(self.tx, self.own, holes)
        self.free = addresses(*self.fresh)

    def _disjoint(self, data: st.DataObject, least: int, most: int) -> list[Prefix]:
        found: list[Prefix] = []
        for _ in range(data.draw(st.integers(least, most))):
            piece = self._inside(data)
            if first_overlap([*found, piece]) is None:
                found.append(piece)
        return found or ([self._inside(data)] if least else [])

    def _inside(self, data: st.DataObject) -> Prefix:
        length = data.draw(st.integers(self.family.width - SPAN, self.family.width))
        bits = SPAN - (self.family.width - length)
        first = self.base + (data.draw(st.integers(0, (1 << bits) - 1)) << (self.family.width - length))
        return Prefix(self.family, first, length)

    @rule(bits=st.integers(0, SPAN), count=st.integers(1, 5))
    def take(self, bits: int, count: int) -> None:
        length = self.family.width - bits
        for _ in range(count):
            before = free_space.free_prefixes(self.tx, self.pool, self.family)
            found = free_space.take(self.tx, self.pool, self.family, length, 1)
            holders = [row for row in before if row.length <= length]
            if not aligned(self.free, self.family, length) or not holders:
                assert found == []
                assert not holders
                return
            assert len(found) == 1
            best = max(row.length for row in holders)
            assert any(row.contains(found[0]) for row in holders if row.length == best)
            self._took(found)

    @rule(bits=st.integers(0, 3), count=st.integers(1, 40))
    def take_many(self, bits: int, count: int) -> None:
        """At once it takes what one at a time would have taken, in number."""
        length = self.family.width - bits
        rows = free_space.free_prefixes(self.tx, self.pool, self.family)
        had = sum(1 << (length - row.length) for row in rows if row.length <= length)
        found = free_space.take(self.tx, self.pool, self.family, length, count)
        assert len(found) == min(count, had)
        assert all(piece.length == length for piece in found)
        self._took(found)

    @rule(data=st.data())
    def take_prefix(self, data: st.DataObject) -> None:
        wanted = self._inside(data)
        rows = free_space.free_prefixes(self.tx, self.pool, self.family)
        had = any(row.contains(wanted) for row in rows)
        assert free_space.take_prefix(self.tx, self.pool, wanted) is had
        if had:
            self._took([wanted])
        else:
            assert free_space.free_prefixes(self.tx, self.pool, self.family) == rows

    @rule(data=st.data())
    def take_within(self, data: st.DataObject) -> None:
        first, last = sorted(data.draw(st.integers(0, (1 << SPAN) - 1)) for _ in range(2))
        span = Range(self.family, self.base + first, self.base + last)
        found = free_space.take_within(self.tx, self.pool, span)
        assert addresses(*found) == {a for a in self.free if span.first <= a <= span.last}
        self._took(found)

    def _took(self, found: list[Prefix]) -> None:
        assert first_overlap(found) is None
        assert addresses(*found) <= self.free
        self.free -= addresses(*found)
        self.taken += found

    @precondition(lambda self: bool(self.taken))
    @rule(data=st.data())
    def give(self, data: st.DataObject) -> None:
        piece = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        free_space.give(self.tx, self.pool, piece)
        self.free |= addresses(piece)

    @precondition(lambda self: bool(self.own))
    @invariant()
    def rows_are_the_model(self) -> None:
        rows = free_space.free_prefixes(self.tx, self.pool, self.family)
        assert addresses(*rows) == self.free
        assert sum(row.size for row in rows) == len(self.free)
        for row in rows:
            merged = row.length > 0 and row.buddy in rows
            assert not (merged and any(p.contains(row.parent) for p in self.own)), f"{row} was not merged"
        assert free_space.free_addresses(self.tx, self.pool, self.family) == len(self.free)
        largest = min((row.length for row in rows), default=None)
        assert free_space.largest_free_length(self.tx, self.pool) == largest

    def teardown(self) -> None:
        try:
            if self.own:
                for piece in self.taken:
                    free_space.give(self.tx, self.pool, piece)
                assert free_space.free_prefixes(self.tx, self.pool, self.family) == self.fresh
        finally:
            self.stack.close()


class _RollBack(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def rolled_back(database: Database) -> Iterator[Transaction]:
    """A write transaction that leaves nothing behind."""
    with suppress(_RollBack), database.write() as tx:
        yield tx
        raise _RollBack


def test_free_space_is_the_model(database: Database) -> None:
    machine = type("Machine", (FreeSpaceMachine,), {"database": database})
    examples = 50 if database.dialect == "sqlite" else 15
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None)
    )


# --- Single facts ---------------------------------------------------------------------------------


@pytest.fixture
def tx(database: Database) -> Iterator[Transaction]:
    with rolled_back(database) as transaction:
        yield transaction


def rows(tx: Transaction, pool: int, family: Family = Family.IPV4) -> list[str]:
    return [str(row) for row in free_space.free_prefixes(tx, pool, family)]


def plan(tx: Transaction, sql: str, **parameters: object) -> str:
    if tx.dialect == "postgresql":
        return " ".join(row[0].strip() for row in tx.all(f"EXPLAIN (COSTS OFF) {sql}", **parameters))
    return " ".join(str(row[3]) for row in tx.all(f"EXPLAIN QUERY PLAN {sql}", **parameters))


def test_best_fit_takes_the_smallest_hole_that_is_large_enough(tx: Transaction) -> None:
    pool = make_pool(
        tx, [parse_prefix("10.0.0.0/22")], [parse_prefix("10.0.1.0/25"), parse_prefix("10.0.2.0/26")]
    )
    assert rows(tx, pool) == ["10.0.0.0/24", "10.0.1.128/25", "10.0.2.64/26", "10.0.2.128/25", "10.0.3.0/24"]

    def take(length: int) -> list[str]:
        return [str(piece) for piece in free_space.take(tx, pool, Family.IPV4, length, 1)]

    assert take(26) == ["10.0.2.64/26"]
    assert take(26) == ["10.0.1.128/26"]
    assert take(25) == ["10.0.2.128/25"]
    assert take(25) == ["10.0.0.0/25"]
    assert take(24) == ["10.0.3.0/24"]
    assert take(24) == []


def test_many_blocks_leave_the_rest_in_few_rows(tx: Transaction) -> None:
    pool = make_pool(tx, [parse_prefix("2001:db8::/32")], [])
    taken = free_space.take(tx, pool, Family.IPV6, 56, 5000)
    assert [str(taken[0]), str(taken[-1])] == ["2001:db8::/56", "2001:db8:13:8700::/56"]
    assert len(rows(tx, pool, Family.IPV6)) <= 24
    assert free_space.free_addresses(tx, pool, Family.IPV6) == (1 << 96) - (5000 << 72)
    for piece in reversed(taken):
        free_space.give(tx, pool, piece)
    assert rows(tx, pool, Family.IPV6) == ["2001:db8::/32"]


def test_a_merge_stops_at_the_pools_own_prefix(tx: Transaction) -> None:
    """Adjacent prefixes of one pool are two: no block lies across both, in whatever order they come back."""
    pool = make_pool(tx, [parse_prefix("10.0.0.0/25"), parse_prefix("10.0.0.128/25")], [])
    assert free_space.take(tx, pool, Family.IPV4, 24, 1) == []
    both = free_space.take(tx, pool, Family.IPV4, 25, 2)
    for piece in both:
        free_space.give(tx, pool, piece)
    assert rows(tx, pool) == ["10.0.0.0/25", "10.0.0.128/25"]


def test_a_merge_stops_at_the_pool(tx: Transaction) -> None:
    low = make_pool(tx, [parse_prefix("10.0.0.0/25")], [], "low")
    high = make_pool(tx, [parse_prefix("10.0.0.128/25")], [], "high")
    for pool in (low, high):
        (block,) = free_space.take(tx, pool, Family.IPV4, 25, 1)
        free_space.give(tx, pool, block)
    assert [rows(tx, low), rows(tx, high)] == [["10.0.0.0/25"], ["10.0.0.128/25"]]


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "255.255.255.255/32", "::/128"])
def test_pools_at_the_ends_of_the_space(tx: Transaction, text: str) -> None:
    prefix = parse_prefix(text)
    pool = make_pool(tx, [prefix], [])
    for length in {prefix.length, prefix.family.width, (prefix.length + prefix.family.width) // 2}:
        (block,) = free_space.take(tx, pool, prefix.family, length, 1)
        assert block.length == length
        free_space.give(tx, pool, block)
        last = Prefix(prefix.family, prefix.last & -(1 << (prefix.family.width - length)), length)
        assert free_space.take_prefix(tx, pool, last)
        free_space.give(tx, pool, last)
        assert rows(tx, pool, prefix.family) == [text]
    assert free_space.take_within(tx, pool, prefix.range) == [prefix]
    assert free_space.largest_free_length(tx, pool) is None


@pytest.mark.parametrize("text", ["9.255.255.0/24", "10.0.1.0/24", "10.0.0.0/23"])
def test_what_is_not_the_pools_is_not_taken_back(tx: Transaction, text: str) -> None:
    pool = make_pool(tx, [parse_prefix("10.0.0.0/24"), parse_prefix("10.0.2.0/24")], [])
    free_space.take_within(tx, pool, parse_prefix("10.0.0.0/22").range)
    with pytest.raises(StoreBroken, match="outside its pool"):
        free_space.give(tx, pool, parse_prefix(text))


def test_the_same_space_is_not_given_twice(tx: Transaction) -> None:
    pool = make_pool(tx, [parse_prefix("10.0.0.0/24")], [])
    (block,) = free_space.take(tx, pool, Family.IPV4, 25, 1)
    free_space.give(tx, pool, block)
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        free_space.give(tx, pool, parse_prefix("10.0.0.0/24"))
        tx.first("SELECT 1")


def test_the_search_reads_one_row_however_many_holes_there_are(tx: Transaction) -> None:
    searched = plan(
        tx,
        "SELECT length, first FROM free_block WHERE pool_id = :pool AND tenant = :tenant AND length <= :length"
        " ORDER BY length DESC, first LIMIT 1",
        pool=1,
        tenant=0,
        length=24,
    )
    if tx.dialect == "postgresql":
        assert "Scan using free_block_key on free_block" in searched
        assert "Sort" not in searched
        return
    assert "SEARCH free_block USING PRIMARY KEY (pool_id=? AND tenant=? AND length<?)" in searched
    assert "TEMP B-TREE" not in searched
