"""The audit as a feed: batches, times, names, and how far it is complete."""

from __future__ import annotations

import sqlite3

from casm_ctrl.base.clock import ManualClock, Micros
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.release import release
from casm_ctrl.store.database import Database
from casm_ctrl.store.event_feed import Horizon, first_event, read_after, sequence_before
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.seals import last_event

ME = Author("tester")


def happen(database: Database, *names: str) -> None:
    database.run(lambda tx: record(tx, ME, [Event("space-add", "space", 1, name) for name in names]))


def test_batches_follow_each_other(database: Database) -> None:
    happen(database, *(f"s{n}" for n in range(25)))
    got: list[str] = []
    sequence = 0
    with database.read() as tx:
        newest = last_event(tx)
        while batch := read_after(tx, sequence, newest, 10):
            assert len(batch) <= 10
            got += [row.event.subject for row in batch]
            sequence = batch[-1].event.seq
    assert got == [f"s{n}" for n in range(25)]


def test_nothing_above_the_bound_is_read(database: Database) -> None:
    happen(database, "a", "b", "c")
    with database.read() as tx:
        newest = last_event(tx)
        assert [row.event.subject for row in read_after(tx, 0, newest - 1, 10)] == ["a", "b"]


def test_a_block_has_its_pool_and_device_pool(network: Database) -> None:
    allocate(network, ME, "bng1/internet")
    with network.read() as tx:
        rows = read_after(tx, 0, last_event(tx), 1000)
    (row,) = [row for row in rows if row.event.subject_kind == "block"]
    assert (row.pool, row.device, row.device_pool) == ("p", "bng1", "internet")
    assert all(row.device is None for row in rows if row.event.subject_kind != "block")


def test_a_block_that_is_gone_has_them_too(network: Database) -> None:
    name = allocate(network, ME, "bng1/internet")["block"][0]["id"]
    release(network, ME, [name])
    with network.read() as tx:
        assert tx.first("SELECT 1 FROM block") is None
        rows = read_after(tx, 0, last_event(tx), 1000)
    blocks = [row for row in rows if row.event.subject_kind == "block"]
    assert {(row.pool, row.device, row.device_pool) for row in blocks} == {("p", "bng1", "internet")}


def test_the_sequence_before_a_moment(database: Database, clock: ManualClock) -> None:
    moments: list[Micros] = []
    for number in range(40):
        clock.advance(10)
        moments.append(clock.now())
        happen(database, f"s{number}")
    with database.read() as tx:
        newest = last_event(tx)
        for number, moment in enumerate(moments):
            after = sequence_before(tx, moment)
            rows = [row.event for row in read_after(tx, after, newest, 100)]
            assert [e.subject for e in rows if e.at >= moment] == [f"s{n}" for n in range(number, 40)]
            if tx.dialect == "sqlite":
                assert len(rows) == 40 - number
        assert sequence_before(tx, Micros(0)) == 0


def test_an_empty_audit(database: Database) -> None:
    with database.read() as tx:
        assert first_event(tx) is None
        assert sequence_before(tx, tx.now) == 0
        assert read_after(tx, 0, 10, 10) == []
    assert Horizon().advance(database) == 0


def test_the_horizon_follows(database: Database) -> None:
    horizon = Horizon()
    happen(database, "a")
    first = horizon.advance(database)
    happen(database, "b")
    second = horizon.advance(database)
    with database.read() as tx:
        assert second == last_event(tx) > first


def test_the_horizon_waits_for_who_is_late(database: Database) -> None:
    """An event that gets its number first and is committed last is not passed over."""
    if database.dialect == "sqlite":
        return  # writers are alone there
    horizon = Horizon()
    with database.engine.connect() as late:
        late.exec_driver_sql("BEGIN")
        late.exec_driver_sql(
            "INSERT INTO event (at, actor, verb, subject_kind, subject_id, subject)"
            " VALUES (1, 'late', 'space-add', 'space', 1, 'late')"
        )
        happen(database, "early")
        assert horizon.advance(database) == 0
        assert horizon.advance(database) == 0
        late.exec_driver_sql("COMMIT")
    horizon.advance(database)
    complete = horizon.advance(database)
    with database.read() as tx:
        assert complete == last_event(tx)
        assert [row.event.subject for row in read_after(tx, 0, complete, 10)] == ["late", "early"]


def test_no_question_walks_the_audit(database: Database) -> None:
    """Every table is looked up by a key: the cost does not grow with the audit."""
    if database.dialect != "sqlite":
        return
    happen(database, "a")
    plans: list[str] = []
    with sqlite3.connect(database.url.database or "") as connection:
        for sql in (
            "SELECT * FROM event WHERE seq > 5 AND seq <= 9 ORDER BY seq LIMIT 10",
            "SELECT seq, at FROM event WHERE seq >= 5 ORDER BY seq LIMIT 1",
            "SELECT seq, at FROM event ORDER BY seq LIMIT 1",
            "SELECT seq FROM event ORDER BY seq DESC LIMIT 1",
        ):
            plans += [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert not [plan for plan in plans if "TEMP B-TREE" in plan]
