"""Marks of device pools: crossed once, told once, and what the counts of a device make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.northbound.notifications.telling import tell
from casm_ctrl.service import intent
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool, ChangeDevicePool
from casm_ctrl.service.counting import record_counts
from casm_ctrl.service.thresholds import HIGH, NORMAL, next_level
from casm_ctrl.store import blocks
from casm_ctrl.store.database import Database
from casm_ctrl.store.event_feed import read_after
from casm_ctrl.store.states import State
from tests.allocation_world import ME, configure

PERCENT = st.integers(1, 100)


@given(PERCENT, st.integers(0, 99), st.integers(1, 1 << 70), st.lists(st.integers(0, 100), max_size=20))
def test_a_mark_is_crossed_once_until_the_other_is(
    high: int, low: int, capacity: int, fill: list[int]
) -> None:
    low = min(low, high - 1)
    level, crossings = NORMAL, []
    for percent in fill:
        used = percent * capacity // 100
        after = next_level(level, used, capacity, high, low)
        if used * 100 >= high * capacity:
            assert after == HIGH
        elif used * 100 < low * capacity:
            assert after == NORMAL
        else:
            assert after == level
        if after != level:
            crossings.append(after)
        level = after
    assert crossings == [HIGH if number % 2 == 0 else NORMAL for number in range(len(crossings))]


@given(PERCENT, st.integers(0, 1000))
def test_without_a_low_mark_the_high_one_counts_both_ways(high: int, used: int) -> None:
    assert next_level(HIGH, used, 1000, high, None) == next_level(NORMAL, used, 1000, high, None)


def test_where_nothing_was_counted_nothing_is_told() -> None:
    assert next_level(HIGH, 0, 0, 90, 80) == HIGH


def _count(database: Database, **counts: int) -> list[tuple[str, str, str]]:
    """What is told of when bng1 counts: (device pool, level, reason)."""
    with database.read() as tx:
        before = max((row.event.seq for row in read_after(tx, 0, 1 << 40, 10_000)), default=0)
    lease = intent.claim_lease(database, "bng1", "tester", "the test")
    record_counts(database, lease, {int(name[1:]): used for name, used in counts.items()})
    intent.release_lease(database, lease)
    with database.read() as tx:
        rows = read_after(tx, before, 1 << 40, 100)
    told = [node for row in rows for node in tell(row) if node.tag.endswith("}usage-threshold-crossed")]
    return [
        (
            f"{node.findtext('{*}device')}/{node.findtext('{*}device-pool')}",
            node.findtext("{*}level") or "",
            node.findtext("{*}reason") or "",
        )
        for node in told
    ]


@pytest.fixture
def marked(network: Database) -> Database:
    """b1 and b2, installed /28s of bng1/marked, which is full at 75 % and no longer so below 50 %."""
    pool = AddDevicePool("bng1/marked", ("p",), 28, usage_high=75, usage_low=50)
    configure(network, pool)
    allocate(network, ME, "bng1/marked", count=2)
    with network.write() as tx:
        for number in (1, 2):
            blocks.mark_sent(tx, blocks.get_block(tx, number))
            blocks.transition(tx, ME, blocks.get_block(tx, number), State.INSTALLED, "observe", "seen")
    return network


def test_a_device_pool_is_told_of_when_it_crosses_a_mark(marked: Database) -> None:
    assert _count(marked, b1=16, b2=7) == []
    words = "75 % of the addresses counted are in use, usage-high is 75 %"
    assert _count(marked, b2=8) == [("bng1/marked", "high", words)]
    assert _count(marked, b2=16) == []
    assert _count(marked, b1=8, b2=8) == []
    words = "46 % of the addresses counted are in use, usage-low is 50 %"
    assert _count(marked, b1=7) == [("bng1/marked", "normal", words)]
    assert _count(marked, b1=6) == []


def test_blocks_that_were_not_counted_are_not_guessed(marked: Database) -> None:
    assert _count(marked, b1=16) == [
        ("bng1/marked", "high", "100 % of the addresses counted are in use, usage-high is 75 %")
    ]


def test_without_marks_nothing_is_told(network: Database) -> None:
    configure(network, AddDevicePool("bng1/plain", ("p",), 28))
    allocate(network, ME, "bng1/plain")
    assert _count(network, b1=16) == []


def test_another_mark_holds_from_the_next_count_on(marked: Database) -> None:
    assert _count(marked, b1=8, b2=8) == []
    configure(marked, ChangeDevicePool("bng1/marked", (("usage_high", 50), ("usage_low", 40))))
    assert [level for _, level, _ in _count(marked, b1=8)] == ["high"]


@pytest.mark.parametrize("unit", [1, 1 << 72])
def test_delegated_prefixes_fill_a_pool_whether_devices_count_them_or_their_addresses(
    network: Database, unit: int
) -> None:
    """A /48 has 256 prefixes of /56."""
    configure(
        network,
        AddPool("six", "s", ("2001:db8::/32",), delegated_length=56),
        AddDevicePool("bng1/six", ("six",), 48, usage_high=75),
    )
    allocate(network, ME, "bng1/six")
    with network.write() as tx:
        blocks.mark_sent(tx, blocks.get_block(tx, 1))
        blocks.transition(tx, ME, blocks.get_block(tx, 1), State.INSTALLED, "observe", "seen")
    assert _count(network, b1=191 * unit) == []
    words = "75 % of the addresses counted are in use, usage-high is 75 %"
    assert _count(network, b1=192 * unit) == [("bng1/six", "high", words)]
