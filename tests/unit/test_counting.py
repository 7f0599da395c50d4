"""What devices count in use: kept with its time, summed over the members of a group, and what it proves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import LeaseLost
from casm_ctrl.service import intent, views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddGroup
from casm_ctrl.service.counting import record_counts
from casm_ctrl.service.desired import desired
from casm_ctrl.service.release import drain, release
from casm_ctrl.store import blocks
from casm_ctrl.store.database import Database
from casm_ctrl.store.leases import Lease
from casm_ctrl.store.states import State
from tests.allocation_world import ME, configure, give

MINUTE = 60


@contextmanager
def leased(database: Database, device: str) -> Iterator[Lease]:
    lease = intent.claim_lease(database, device, "tester", "the test")
    yield lease
    intent.release_lease(database, lease)


def count(database: Database, device: str, **counts: int) -> None:
    """Blocks by their names."""
    with leased(database, device) as lease:
        record_counts(database, lease, {int(name[1:]): used for name, used in counts.items()})


def used(document: dict[str, Any]) -> tuple[str | None, str | None]:
    return document.get("used-addresses"), document.get("used-time")


@pytest.fixture
def pair(network: Database) -> Database:
    """b1 of bng1/both, which bng1 and bng2 serve; drained, and seen so, then released."""
    configure(
        network,
        AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"))),
        AddDevicePool("bng1/both", ("p",), 24, group="pair"),
    )
    allocate(network, ME, "bng1/both")
    with network.write() as tx:
        blocks.mark_sent(tx, blocks.get_block(tx, 1))
        for target in (State.INSTALLED, State.DRAINING):
            blocks.transition(tx, ME, blocks.get_block(tx, 1), target, "observe", "seen")
    drain(network, ME, ["b1"])
    release(network, ME, ["b1"])
    return network


def test_a_count_is_kept_with_its_time(network: Database, clock: ManualClock) -> None:
    give(network, count=2)
    assert used(views.show_block(network, "b1")) == (None, None)
    clock.advance(MINUTE)
    count(network, "bng1", b1=17, b2=0)
    clock.advance(MINUTE)
    at = "2023-11-14T22:14:20.000000Z"
    assert [used(block) for block in views.list_blocks(network)] == [("17", at), ("0", at)]
    assert used(views.show_block(network, "b1")["member"][0]) == ("17", at)
    count(network, "bng1", b1=3)
    assert used(views.show_block(network, "b1")) == ("3", "2023-11-14T22:15:20.000000Z")
    assert used(views.show_block(network, "b2")) == ("0", at)


def test_more_than_64_bits_are_counted(network: Database) -> None:
    give(network)
    count(network, "bng1", b1=1 << 90)
    assert used(views.show_block(network, "b1"))[0] == str(1 << 90)


def test_members_are_summed_with_the_time_of_the_oldest(pair: Database, clock: ManualClock) -> None:
    count(pair, "bng1", b1=5)
    clock.advance(MINUTE)
    count(pair, "bng2", b1=7)
    shown = views.show_block(pair, "b1")
    assert used(shown) == ("12", "2023-11-14T22:13:20.000000Z")
    assert [used(member)[0] for member in shown["member"]] == ["5", "7"]


def test_what_others_count_is_known_where_the_block_is_released(pair: Database) -> None:
    give(pair)
    count(pair, "bng1", b1=5, b2=9)
    count(pair, "bng2", b1=7)
    assert desired(pair, "bng1").counted_elsewhere == {1: 7}
    assert desired(pair, "bng2").counted_elsewhere == {1: 5}
    count(pair, "bng2", b1=0)
    assert desired(pair, "bng1").counted_elsewhere == {}


def test_who_lost_the_lease_stores_no_count(network: Database) -> None:
    give(network)
    with leased(network, "bng1") as old:
        pass
    with leased(network, "bng1"), pytest.raises(LeaseLost):
        record_counts(network, old, {1: 0})
    assert used(views.show_block(network, "b1")) == (None, None)


def test_a_block_of_others_is_not_counted(network: Database) -> None:
    """It may have been freed, or moved, since the device was asked."""
    give(network)
    count(network, "bng2", b1=3, b9=4)
    assert used(views.show_block(network, "b1")) == (None, None)


@pytest.mark.parametrize(
    ("before", "after", "proven"),
    [
        ({}, {}, False),
        ({}, {"bng2": 0}, True),
        ({"bng2": 0}, {}, False),
        ({}, {"bng2": 1}, False),
    ],
    ids=["never counted", "none", "none, before the drain", "one"],
)
def test_a_group_proves_a_block_empty_by_all_its_counts(
    pair: Database, clock: ManualClock, before: dict[str, int], after: dict[str, int], proven: bool
) -> None:
    """A count from before the block drained says nothing: others may have come since."""
    clock.advance(-MINUTE)
    for device, number in before.items():
        count(pair, device, b1=number)
    clock.advance(2 * MINUTE)
    for device, number in after.items():
        count(pair, device, b1=number)
    with pair.read() as tx:
        row = blocks.get_block(tx, 1)
    with leased(pair, "bng1") as lease:
        edit = intent.Intent(1, (), (row,), frozenset({1}), (), 0, ["remove"])
        intent.record_intent(pair, ME, lease, edit)
        intent.record_pending(pair, ME, lease, edit, persist_id="x", session_id=1, timeout=60, digest="d")
    with pair.read() as tx:
        assert blocks.get_block(tx, 1).proven_empty is proven
