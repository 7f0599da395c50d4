"""Changes that the loop makes: one transaction each, refused where anything forbids it by now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import Exhausted
from casm_ctrl.base.limits import DEFAULT_LIMITS
from casm_ctrl.service import automatic, control_state, decisions, rest
from casm_ctrl.service.automatic import Acted, Kept, Superseded, Warrant
from casm_ctrl.service.configuration import SetLimits, change
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.pool_facts import PoolFacts
from casm_ctrl.service.release import cancel_drain
from casm_ctrl.store import automation, blocks
from casm_ctrl.store import control_state as store
from casm_ctrl.store import decisions as rows
from casm_ctrl.store.database import Database
from casm_ctrl.store.decisions import DecisionRow
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State, Wanted
from tests.deciding_world import facts_on

ME = Author("tester", reason="by hand")
LOOP = Author("controller")


def made(action: str) -> Made:
    return Made(1, "bng1/internet", 1, action, "rule", "because of it")


def facts(database: Database) -> PoolFacts:
    return facts_on(database, "bng1").pools[0]


def warrant(database: Database, controller: int) -> Warrant:
    return Warrant(1, facts(database).control.generation, controller)


def grow(database: Database, controller: int, count: int = 1, length: int = 24) -> Acted:
    done = automatic.grow(database, made("grow"), warrant(database, controller), count, length)
    assert isinstance(done, Acted)
    return done


def decision(database: Database, number: int) -> DecisionRow:
    with database.read() as tx:
        found = rows.find_decision(tx, number)
    assert found is not None
    return found


def move(database: Database, number: int, *states: State) -> None:
    """As if a device had shown it."""
    for state in states:
        with database.write() as tx:
            blocks.transition(tx, LOOP, blocks.get_block(tx, number), state, "observe", "seen")


def test_a_growth_is_recorded_with_its_blocks(network: Database, controller: int, clock: ManualClock) -> None:
    done = grow(network, controller, 2)
    found = facts(network)
    assert [block.row.id for block in found.blocks] == list(done.blocks) == [1, 2]
    assert all(block.controlled is not None and block.controlled.added_by for block in found.blocks)
    assert (found.control.generation, found.control.grown_at) == (1, clock.now())
    row = decision(network, done.decision)
    assert (row.outcome, row.unfinished, row.acted_at) == ("pending", True, clock.now())
    with network.read() as tx:
        assert tx.all("SELECT DISTINCT actor, reason FROM event WHERE verb = 'allocate'") == [
            ("controller", f"why {done.decision}: because of it")
        ]


def test_nothing_is_recorded_where_nothing_is_to_be_had(network: Database, controller: int) -> None:
    caps = ("device_pool", "device", "pool", "hour")
    change(network, ME, [SetLimits(tuple((f"grow_per_{cap}", 1000) for cap in caps))])
    with pytest.raises(Exhausted):
        grow(network, controller, 300)
    assert facts(network).control.generation == 0
    with network.read() as tx:
        assert rows.decisions_of_pool(tx, 1, 10) == []


def test_two_who_saw_the_same_do_not_both_grow(network: Database, controller: int) -> None:
    seen = warrant(network, controller)
    automatic.grow(network, made("grow"), seen, 1, 24)
    with pytest.raises(Superseded):
        automatic.grow(network, made("grow"), seen, 1, 24)
    assert len(facts(network).blocks) == 1


def test_who_watches_no_more_changes_nothing(network: Database, controller: int) -> None:
    seen = warrant(network, controller)
    control_state.end(network, controller)
    with pytest.raises(Superseded):
        automatic.grow(network, made("grow"), seen, 1, 24)


def hold(kind: str, number: int) -> Callable[[Database], object]:
    def put(database: Database) -> object:
        return database.run(
            lambda tx: tx.run(
                "INSERT INTO control_hold (kind, subject_id, since, actor, reason)"
                " VALUES (:kind, :id, :now, 'ops', 'maintenance')",
                kind=kind,
                id=number,
                now=tx.now,
            )
        )

    return put


def stop(database: Database) -> None:
    database.run(lambda tx: store.open_breaker(tx, "enough"))


def observe(database: Database) -> None:
    with database.write() as tx:
        automation.put_automation(tx, 1, Automation(grow="observe"))


@pytest.mark.parametrize(
    ("guard", "words", "forbid"),
    [
        ("hold", "everything by ops: maintenance", hold("all", 0)),
        ("hold", "device bng1 by ops: maintenance", hold("device", 1)),
        ("hold", "device pool bng1/internet by ops: maintenance", hold("device-pool", 1)),
        ("hold", "pool p by ops: maintenance", hold("pool", 1)),
        ("breaker", "all automatic changes are stopped: enough", stop),
        ("observe", "grow is set to observe now", observe),
    ],
)
def test_what_forbids_it_by_now_keeps_it_back(
    network: Database, controller: int, guard: str, words: str, forbid: Callable[[Database], object]
) -> None:
    seen = warrant(network, controller)
    forbid(network)
    kept = automatic.grow(network, made("grow"), seen, 1, 24)
    assert isinstance(kept, Kept)
    assert (kept.guard, kept.words) == (guard, words)
    assert facts(network).blocks == ()
    assert decision(network, kept.decision).blocked_by == guard


def test_a_drain_lives_until_its_block_is_gone(
    network: Database, controller: int, clock: ManualClock
) -> None:
    grown = grow(network, controller)
    move(network, 1, State.INSTALLED)
    assert automatic.finish(network, 1) == ()
    assert decision(network, grown.decision).words == "seen in running"
    drained = automatic.drain(network, made("drain"), warrant(network, controller), 1)
    assert isinstance(drained, Acted)
    [block] = facts(network).blocks
    assert block.row.wanted is Wanted.DRAINED
    assert block.controlled is not None
    assert (block.controlled.drained_by, block.controlled.drained_at) == (drained.decision, clock.now())
    assert facts_on(network, "bng1").drains == 1
    assert automatic.finish(network, 1) == (drained.decision,)
    with network.write() as tx:
        blocks.mark_sent(tx, blocks.get_block(tx, 1))
    move(network, 1, State.DRAINING)
    assert automatic.finish(network, 1) == ()
    back = automatic.give_back(network, made("give-back"), warrant(network, controller), 1)
    assert isinstance(back, Acted)
    assert automatic.finish(network, 1, "bng1 did not answer") == (back.decision,)
    assert decision(network, back.decision).outcome == "failed"
    move(network, 1, State.WITHDRAWING, State.QUARANTINED, State.FREE)
    assert automatic.finish(network, 1) == ()
    assert decision(network, back.decision).outcome == "done"
    assert facts_on(network, "bng1").drains == 0


def test_a_drain_that_is_taken_back_is_reversed(network: Database, controller: int) -> None:
    grow(network, controller)
    move(network, 1, State.INSTALLED)
    drained = automatic.drain(network, made("drain"), warrant(network, controller), 1)
    with pytest.raises(Superseded):
        automatic.drain(network, made("drain"), warrant(network, controller), 1)
    kept = automatic.cancel_drain(network, made("cancel-drain"), warrant(network, controller), 1)
    assert isinstance(kept, Acted)
    assert decision(network, drained.decision).outcome == "reversed"
    assert facts_on(network, "bng1").drains == 0


def test_a_persons_word_ends_the_loops_drain(network: Database, controller: int) -> None:
    grow(network, controller)
    move(network, 1, State.INSTALLED)
    drained = automatic.drain(network, made("drain"), warrant(network, controller), 1)
    cancel_drain(network, ME, ["b1"])
    assert automatic.finish(network, 1) == ()
    assert decision(network, drained.decision).outcome == "reversed"
    with network.write() as tx:
        store.note_blocks(tx, 1, ())
    assert facts_on(network, "bng1").drains == 0


def fail(database: Database, controller: int, times: int) -> None:
    for _ in range(times):
        number = grow(database, controller).decision
        with database.write() as tx:
            decisions.settle(tx, number, decisions.FAILED, "no answer")


def test_failures_in_a_row_open_the_breaker(network: Database, controller: int) -> None:
    most = DEFAULT_LIMITS.breaker_failures
    fail(network, controller, most - 1)
    assert automatic.judge_breaker(network) is None
    fail(network, controller, 1)
    reason = automatic.judge_breaker(network)
    assert (
        reason
        == f"{most} automatic changes in a row failed or were taken back, the last of bng1/internet: no answer"
    )
    assert automatic.judge_breaker(network) is None  # it is open
    assert isinstance(automatic.grow(network, made("grow"), warrant(network, controller), 1, 24), Kept)


def test_after_its_time_the_breaker_lets_one_try(
    network: Database, controller: int, clock: ManualClock
) -> None:
    fail(network, controller, DEFAULT_LIMITS.breaker_failures)
    assert automatic.judge_breaker(network)
    clock.advance(DEFAULT_LIMITS.breaker_reset)
    control_state.keep(network, controller)
    fail(network, controller, 1)
    assert automatic.judge_breaker(network)
    clock.advance(DEFAULT_LIMITS.breaker_reset)
    control_state.keep(network, controller)
    done = grow(network, controller)
    with network.write() as tx:
        decisions.settle(tx, done.decision, decisions.DONE, "")
    clock.advance(1)
    fail(network, controller, 1)
    assert automatic.judge_breaker(network) is None


def stopped(database: Database) -> list[tuple[str, bool]]:
    """What the alarm of the breaker says, and whether it is cleared."""
    with database.read() as tx:
        rows = tx.all("SELECT text, is_cleared FROM alarm WHERE type_id = 'automation-stopped'")
        return [(row[0], bool(row[1])) for row in rows]


def test_the_alarm_of_the_breaker_is_as_durable_as_the_breaker(
    network: Database, controller: int, clock: ManualClock
) -> None:
    fail(network, controller, DEFAULT_LIMITS.breaker_failures)
    reason = automatic.judge_breaker(network)
    assert stopped(network) == [(reason, False)]
    control_state.resume(network, ME)
    assert stopped(network) == [("automatic changes go on", True)]
    stop(network)
    clock.advance(DEFAULT_LIMITS.breaker_reset)
    assert automatic.may_go_on(network)
    assert stopped(network) == [("automatic changes go on", True)]


def test_what_is_unfinished_waits_for_the_breaker(
    network: Database, controller: int, clock: ManualClock
) -> None:
    assert automatic.may_go_on(network)
    stop(network)
    assert not automatic.may_go_on(network)
    clock.advance(DEFAULT_LIMITS.breaker_reset)
    assert automatic.may_go_on(network)
    with network.read() as tx:
        assert (store.get_breaker(tx).open, store.get_breaker(tx).tried) == (False, True)


def test_one_change_is_tried_at_first_when_the_time_of_the_breaker_is_over(
    network: Database, controller: int, clock: ManualClock
) -> None:
    stop(network)
    clock.advance(DEFAULT_LIMITS.breaker_reset)
    control_state.keep(network, controller)
    tried = grow(network, controller)
    kept = automatic.grow(network, made("grow"), warrant(network, controller), 1, 24)
    assert isinstance(kept, Kept)
    assert kept.words == "one change is tried after they were stopped: enough"
    with network.write() as tx:
        decisions.settle(tx, tried.decision, decisions.DONE, "seen in running")
    assert grow(network, controller).blocks == (2,)


def test_a_change_that_is_tried_and_never_ends_is_not_waited_for_for_ever(
    network: Database, controller: int, clock: ManualClock
) -> None:
    stop(network)
    for blocks_then in ((1,), (2,)):
        clock.advance(DEFAULT_LIMITS.breaker_reset)
        control_state.keep(network, controller)
        assert grow(network, controller).blocks == blocks_then


def test_what_is_refused_is_told_with_all_that_it_says(network: Database, controller: int) -> None:
    said: list[str] = []
    for _ in range(2):
        automatic.note_refused(network, made("grow"), "a quota is full", lambda tx, words: said.append(words))
    assert said == ["because of it; but a quota is full"] * 2
    with network.read() as tx:
        [row] = rows.decisions_of_pool(tx, 1, 10)
    assert (row.blocked_by, row.because, row.times) == ("refused", said[0], 2)


@pytest.mark.parametrize("gentle", [False, True])
def test_no_growth_goes_beyond_a_cap_with_its_last_blocks(
    network: Database, controller: int, clock: ManualClock, gentle: bool
) -> None:
    """Also not by what was decided of another device at the same time, and by less in a gentle start."""
    change(network, ME, [SetLimits((("grow_per_hour", 8),))])
    if gentle:
        until = clock.now() + 3600 * SECOND
        with network.write() as tx:
            tx.run("UPDATE device_watch SET gentle_until = :until", until=until)
    grow(network, controller, 1)
    kept = automatic.grow(network, made("grow"), warrant(network, controller), 8, 24)
    assert isinstance(kept, Kept)
    assert kept.words.startswith("1 blocks were changed in the last hour, and grow-per-")
    grow(network, controller, 1)
    most = automatic.grow(network, made("grow"), warrant(network, controller), 6, 24)
    assert isinstance(most, Kept if gentle else Acted)


def test_nothing_is_taken_back_after_the_clock_jumped(
    network: Database, controller: int, clock: ManualClock
) -> None:
    grow(network, controller, 2)
    move(network, 1, State.INSTALLED)
    clock.jump(1200)
    control_state.keep(network, controller)
    kept = automatic.drain(network, made("drain"), warrant(network, controller), 1)
    assert isinstance(kept, Kept)
    assert kept.guard == "clock"
    assert "accept-clock" in kept.words
    assert facts_on(network, "bng1").clock_held
    assert isinstance(automatic.grow(network, made("grow"), warrant(network, controller), 1, 24), Acted)
    rest.accept_clock(network, ME)
    assert isinstance(automatic.drain(network, made("drain"), warrant(network, controller), 1), Acted)


@pytest.mark.parametrize(
    ("scope", "device_pool", "device", "pool"),
    [("device_pool", 1, 1, 1), ("device", 2, 1, 9), ("pool", 2, 2, 1), ("hour", 2, 2, 9)],
)
def test_no_more_than_the_caps_is_changed_in_an_hour(
    network: Database,
    controller: int,
    clock: ManualClock,
    scope: str,
    device_pool: int,
    device: int,
    pool: int,
) -> None:
    most = getattr(DEFAULT_LIMITS, f"drain_per_{scope}")
    before = replace(made("drain"), device_pool_id=device_pool, device_id=device)
    with network.write() as tx:
        number = decisions.record(tx, before, acted=True)
        rows.add_blocks(tx, number, ((1000 + block, pool) for block in range(most)))
    grow(network, controller)
    kept = automatic.drain(network, made("drain"), warrant(network, controller), 1)
    assert isinstance(kept, Kept)
    assert kept.guard == "cap"
    assert f"drain-per-{scope.replace('_', '-')} is {most}" in kept.words
    clock.advance(3601)
    control_state.keep(network, controller)
    assert isinstance(automatic.drain(network, made("drain"), warrant(network, controller), 1), Acted)


def test_facts_say_what_is_free(network: Database, controller: int) -> None:
    grow(network, controller)
    [stock] = facts(network).stock
    assert (stock.size, stock.total_free) == (65536, 65536 - 256)
    assert stock.free == dict.fromkeys(range(17, 25), 1)
    assert facts(network).blocks[0].capacity == 254
