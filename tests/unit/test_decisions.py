"""What was decided is kept: one row for each change of mind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.service import decisions
from casm_ctrl.service.decisions import KEPT, KEPT_IDLE, NOTHING, Made
from casm_ctrl.store import decisions as store
from casm_ctrl.store.database import Database

IDLE = Made(1, "bng1/internet", 1, NOTHING, "enough", "60 % in use, below 80 %", inputs={"used": 60})
GROW = Made(1, "bng1/internet", 1, "grow", "grow-at", "85 % in use, from 80 % on", blocks=((7, 1),))


def record(database: Database, made: Made, *, acted: bool = False) -> int:
    return database.run(lambda tx: decisions.record(tx, made, acted=acted))


def test_the_same_again_is_counted_with_its_newest_numbers(network: Database, clock: ManualClock) -> None:
    first, began = record(network, IDLE), clock.now()
    clock.advance(300)
    assert record(network, replace(IDLE, because="61 % in use, below 80 %", inputs={"used": 61})) == first
    with network.read() as tx:
        [row] = store.decisions_of_pool(tx, 1, 10)
    assert (row.times, row.first_at, row.last_at) == (2, began, clock.now())
    assert (row.because, row.inputs) == ("61 % in use, below 80 %", {"used": 61})


@pytest.mark.parametrize(
    "other",
    [
        replace(IDLE, rule="hold-down"),
        replace(IDLE, action="grow"),
        replace(IDLE, blocked_by="hold"),
        replace(IDLE, would=True),
        replace(IDLE, blocks=((7, 1),)),
        replace(IDLE, device_pool_id=2, device_pool="bng2/internet"),
    ],
)
def test_a_change_of_mind_is_another_row(network: Database, other: Made) -> None:
    assert record(network, other) != record(network, IDLE) != record(network, other)


def test_what_was_done_is_always_another_row(network: Database) -> None:
    assert record(network, GROW, acted=True) != record(network, GROW, acted=True)


def settle(database: Database, number: int, outcome: str, words: str, *, unfinished: bool = False) -> None:
    database.run(lambda tx: decisions.settle(tx, number, outcome, words, unfinished=unfinished))


def test_it_is_unfinished_until_devices_show_it(network: Database) -> None:
    number = record(network, GROW, acted=True)
    settle(network, number, decisions.FAILED, "bng1 did not answer", unfinished=True)
    with network.read() as tx:
        assert [row.words for row in store.unfinished_decisions(tx, 1)] == ["bng1 did not answer"]
        assert store.unfinished_decisions(tx, 2) == []
        assert store.outcomes_since(tx, 0, 10) == [("failed", "bng1/internet", "bng1 did not answer")]
    settle(network, number, decisions.DONE, "seen in running")
    with network.read() as tx:
        row = store.find_decision(tx, number)
        assert row is not None
        assert (row.outcome, row.words) == ("done", "seen in running")
        assert store.unfinished_decisions(tx, 1) == []
        assert [found.id for found in store.decisions_of_block(tx, 7, 10)] == [number]
        assert store.changes_since(tx, 0) == [("grow", 1, 1, 1, 1)]
        assert store.outcomes_since(tx, 0, 10) == [("done", "bng1/internet", "seen in running")]


def test_what_was_not_done_has_no_outcome(network: Database) -> None:
    number = record(network, IDLE)
    settle(network, number, decisions.DONE, "")
    with network.read() as tx:
        row = store.find_decision(tx, number)
        assert row is not None
        assert row.outcome is None


def test_they_are_forgotten_after_their_time(network: Database, clock: ManualClock) -> None:
    record(network, IDLE)
    done = record(network, GROW, acted=True)
    settle(network, done, decisions.DONE, "")
    record(network, replace(GROW, device_pool_id=2), acted=True)  # pending: kept for as long as it is
    clock.advance(KEPT_IDLE + 1)
    assert decisions.forget_old(network) == 1
    clock.advance(KEPT)
    assert decisions.forget_old(network) == 1
    with network.read() as tx:
        assert len(store.unfinished_decisions(tx, 1)) == 1
        assert tx.all("SELECT COUNT(*) FROM decision_block") == [(1,)]
