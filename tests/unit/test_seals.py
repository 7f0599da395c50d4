"""The hash chain over the audit: nothing committed is skipped, and nothing sealed changes unseen."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import InvalidValue, StoreBroken
from casm_ctrl.service import sealing
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.sealing import Anchor
from casm_ctrl.store import seals
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.seals import Horizon
from casm_ctrl.store.transaction import Transaction

ME = Author("alice")


def note(database: Database, *subjects: str) -> None:
    """One transaction with an event for each of `subjects`."""
    with database.write() as tx:
        record(tx, ME, [Event("test", "request", 0, subject) for subject in subjects])


def late(tx: Transaction, seq: int) -> None:
    """An event whose number was given out long before it is committed."""
    tx.run(
        "INSERT INTO event (seq, at, actor, verb, subject_kind, subject_id, subject)"
        " VALUES (:seq, :now, 'late', 'test', 'request', 0, 's')",
        seq=seq,
        now=tx.now,
    )


def append(tx: Transaction, ended: Horizon, limit: int = 100) -> None:
    """Seal while other transactions run, as on PostgreSQL."""
    head = seals.claim(tx, "sealer")
    assert head is not None
    seals.append(tx, head, limit, seals.last_event(tx), ended)


def sealed(tx: Transaction) -> list[int]:
    """The events of the seals, in the order of the seals' numbers, which are dense."""
    found = list(seals.walk(tx, at_once=3))
    assert [seal.number for seal in found] == list(range(1, len(found) + 1))
    return [seal.event_seq for seal in found]


def complete(tx: Transaction) -> int:
    head = seals.get_head(tx)
    return 0 if head is None else head.complete


def findings(tx: Transaction) -> int:
    return int(sealing.examine(tx)["findings"])


# --- Sealing --------------------------------------------------------------------------------------


def test_nothing_is_sealed_of_nothing(database: Database) -> None:
    assert sealing.seal(database) == {"newly-sealed": "0", "busy": False, "sealed": "0", "unsealed": "0"}
    assert sealing.verify(database) == {"finding": [], "findings": "0", "sealed": "0", "unsealed": "0"}


def test_what_was_committed_is_sealed_in_batches(database: Database, clock: ManualClock) -> None:
    note(database, *(f"s{number}" for number in range(2500)))
    clock.advance(7)
    before = sealing.verify(database)
    assert (before["unsealed"], before["oldest-unsealed-age"]) == ("2500", 7)
    assert sealing.seal_some(database, 1) == (1000, False)
    assert sealing.seal_some(database, 1) == (1000, False)
    assert sealing.seal(database)["newly-sealed"] == "500"
    with database.read() as tx:
        assert sealed(tx) == list(range(1, 2501))
    after = sealing.verify(database)
    assert (after["findings"], after["sealed"], after["unsealed"]) == ("0", "2500", "0")
    assert "oldest-unsealed" not in after


def test_events_are_not_chained_by_the_verb(network: Database) -> None:
    allocate(network, ME, "bng1/internet")
    found = sealing.verify(network)
    assert int(found["unsealed"]) > 0
    assert found["sealed"] == "0"


def test_one_sealer_at_a_time(database: Database, clock: ManualClock) -> None:
    note(database, "a")
    assert sealing.seal_once(database, "first") == 1
    note(database, "b")
    assert sealing.seal_once(database, "second") is None
    assert sealing.seal(database)["busy"]
    clock.advance(LEASE + 1)
    assert sealing.seal_once(database, "second") == 1
    assert sealing.seal_once(database, "first") is None


def test_the_lease_is_given_back(database: Database) -> None:
    note(database, "a")
    sealing.seal(database)
    assert sealing.seal_once(database, "another") == 0


# --- Committed out of order -----------------------------------------------------------------------


@pytest.fixture
def tx(database: Database) -> Iterator[Transaction]:
    """One transaction that stands for all that are committed here, in the order in which they are."""
    with database.rehearse() as opened:
        yield opened


def test_a_late_commit_is_not_skipped(tx: Transaction) -> None:
    """Transaction 7 took the numbers 3 and 4 and is still running while 8 commits 5."""
    for seq in (1, 2, 5):
        late(tx, seq)
    append(tx, Horizon(7, 9))
    assert sealed(tx) == [1, 2, 5]
    append(tx, Horizon(7, 12))
    assert complete(tx) == 0
    late(tx, 4)
    late(tx, 3)
    append(tx, Horizon(12, 13))
    assert sealed(tx) == [1, 2, 5, 3, 4]
    assert complete(tx) == 5
    assert findings(tx) == 0


def test_the_mark_moves_when_all_transactions_of_its_time_have_ended(tx: Transaction) -> None:
    for seq in (1, 2, 3):
        late(tx, seq)
    append(tx, Horizon(7, 9))
    late(tx, 4)
    append(tx, Horizon(8, 11))
    assert complete(tx) == 0
    append(tx, Horizon(9, 12))
    assert complete(tx) == 3
    append(tx, Horizon(12, 13))
    assert complete(tx) == 4


def test_the_mark_does_not_pass_what_is_not_sealed(tx: Transaction) -> None:
    for seq in (1, 2, 3):
        late(tx, seq)
    append(tx, Horizon(7, 7), limit=2)
    assert complete(tx) == 2


def test_a_store_moved_to_another_server_goes_on(tx: Transaction) -> None:
    """Transactions are counted anew there."""
    late(tx, 1)
    append(tx, Horizon(900, 1000))
    late(tx, 2)
    append(tx, Horizon(5, 6))
    append(tx, Horizon(6, 8))
    append(tx, Horizon(8, 9))
    assert sealed(tx) == [1, 2]
    assert complete(tx) == 2


@pytest.mark.peer
@pytest.mark.parametrize("make_store", ["postgresql"], indirect=True)
def test_transactions_that_commit_out_of_order_are_sealed_whole(database: Database) -> None:
    """The first to take a number commits last, after others were sealed twice."""
    with database.write() as slow:
        record(slow, ME, [Event("test", "request", 0, "slow")])
        first = seals.last_event(slow)
        note(database, "fast")
        assert sealing.seal(database)["newly-sealed"] == "1"
        note(database, "faster")
        assert sealing.seal(database)["newly-sealed"] == "1"
        with database.read() as tx:
            assert first not in sealed(tx)
            assert complete(tx) < first
    assert sealing.seal(database)["newly-sealed"] == "1"
    note(database, "last")
    sealing.seal(database)
    with database.read() as tx:
        assert sealed(tx) == [first + 1, first + 2, first, first + 3]
        assert findings(tx) == 0
    for _ in range(2):
        sealing.seal_once(database, "sealer")
    with database.read() as tx:
        assert complete(tx) == first + 3


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_order_of_commits_is_sealed_whole(database: Database, data: st.DataObject) -> None:
    """Each transaction takes sequence numbers from its begin to its end; the sealer runs at any time."""
    running: dict[int, list[int]] = {}
    next_number, next_seq = 5, 1
    committed: list[int] = []
    with database.rehearse() as tx:
        for step in data.draw(st.lists(st.sampled_from("bntces"), min_size=5, max_size=40)):
            if step == "b":
                running[next_number] = []
                next_number += 1
            elif step == "s":
                append(tx, Horizon(min(running, default=next_number), next_number), limit=3)
            elif running:
                number = data.draw(st.sampled_from(sorted(running)))
                if step in "nt":
                    running[number].append(next_seq)
                    next_seq += 1
                else:
                    numbers = running.pop(number)
                    for seq in numbers if step == "c" else ():
                        late(tx, seq)
                        committed.append(seq)
        for _ in range(len(committed) + 1):
            append(tx, Horizon(next_number, next_number + 1), limit=3)
        assert sorted(sealed(tx)) == sorted(committed)
        assert findings(tx) == 0


# --- Verification ---------------------------------------------------------------------------------

TABLES = {
    "event": (
        "seq",
        "at",
        "actor",
        "request_id",
        "verb",
        "subject_kind",
        "subject_id",
        "subject",
        "source",
        "target",
        "reason",
    ),
    "seal": ("number", "event_seq", "hash"),
}
EVENTS = 8


@pytest.fixture(scope="module")
def chained(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store whose audit of EVENTS events is sealed to the last. To be tampered with in rehearsals only."""
    path = tmp_path_factory.mktemp("chained") / "casm.db"
    path.write_bytes(store_template.read_bytes())
    database = open_database(str(path), ManualClock())
    with database.write() as tx:
        for number in range(EVENTS):
            author = Author("alice", f"r{number}" if number % 2 else None, "why")
            record(tx, author, [Event("test", "block", number, f"b{number}", "free", "reserved")])
    sealing.seal(database)
    assert sealing.verify(database)["findings"] == "0"
    yield database
    database.close()


@given(table=st.sampled_from(sorted(TABLES)), row=st.integers(1, EVENTS), data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_column_of_any_row_that_is_changed_is_found(
    chained: Database, table: str, row: int, data: st.DataObject
) -> None:
    column = data.draw(st.sampled_from(TABLES[table]))
    values = st.one_of(
        st.integers(-(1 << 62), 1 << 62), st.text("ab0", max_size=3), st.binary(max_size=32), st.none()
    )
    value = data.draw(values)
    select = f"SELECT * FROM {table} ORDER BY 1"
    try:
        with chained.rehearse() as tx:
            before = tx.all(select)
            key = TABLES[table][0]
            tx.run(f"UPDATE {table} SET {column} = :value WHERE {key} = :row", value=value, row=row)
            changed = tx.all(select) != before
            assert bool(findings(tx)) == changed
    except StoreBroken as error:  # the schema refused the value
        assert "constraint" in str(error) or "mismatch" in str(error)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("row", range(1, EVENTS + 1))
def test_any_row_that_is_taken_out_is_found(chained: Database, table: str, row: int) -> None:
    with chained.rehearse() as tx:
        tx.run(f"DELETE FROM {table} WHERE {TABLES[table][0]} = :row", row=row)
        assert findings(tx)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(range(1, EVENTS + 1), 2)))
def test_any_two_rows_that_change_places_are_found(
    chained: Database, table: str, one: int, other: int
) -> None:
    key = TABLES[table][0]
    with chained.rehearse() as tx:
        for old, new in ((one, -1), (other, one), (-1, other)):
            tx.run(f"UPDATE {table} SET {key} = :new WHERE {key} = :old", new=new, old=old)
        assert findings(tx)


@pytest.mark.parametrize("seq", [-5, 0])
def test_an_event_that_is_put_in_among_sealed_ones_is_found(chained: Database, seq: int) -> None:
    with chained.rehearse() as tx:
        late(tx, seq)
        assert findings(tx) == 1


def test_an_event_that_takes_the_place_of_another_is_found(chained: Database) -> None:
    with chained.rehearse() as tx:
        tx.run("DELETE FROM event WHERE seq = 4")
        late(tx, 4)
        assert findings(tx) == 1


@pytest.mark.parametrize("number", [-1, 0, EVENTS + 1, EVENTS + 7])
def test_a_seal_that_is_put_in_is_found(chained: Database, number: int) -> None:
    with chained.rehearse() as tx:
        tx.run("INSERT INTO seal VALUES (:number, 99, :hash)", number=number, hash=bytes(32))
        assert findings(tx)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sealer SET sealed = sealed - 1",
        "UPDATE sealer SET sealed = sealed + 1",
        "UPDATE sealer SET hash = zeroblob(32)",
        "DELETE FROM sealer",
    ],
)
def test_a_changed_head_is_found(chained: Database, statement: str) -> None:
    with chained.rehearse() as tx:
        tx.run(statement)
        assert findings(tx)


def test_the_chain_cannot_be_cut_short(chained: Database) -> None:
    with chained.rehearse() as tx:
        tx.run("DELETE FROM event WHERE seq > 5")
        tx.run("DELETE FROM seal WHERE number > 5")
        assert findings(tx)


def test_no_chain_is_begun_anew_over_old_seals(chained: Database) -> None:
    with chained.rehearse() as tx:
        tx.run("DELETE FROM sealer")
        with pytest.raises(StoreBroken, match="head"):
            seals.claim(tx, "sealer")


def test_a_chain_made_anew_is_found_by_a_seal_that_was_kept_elsewhere(database: Database) -> None:
    note(database, "a", "b", "c")
    sealing.seal(database)
    note(database, "d")
    kept = sealing.verify(database)
    sealing.seal(database)
    anchor = Anchor.parse(f"{kept['sealed']}:{kept['hash']}")
    assert anchor.number == 3
    assert sealing.verify(database, anchor)["findings"] == "0"
    with database.write() as tx:
        tx.run("UPDATE event SET actor = 'mallory' WHERE seq = 2")
        tx.run("DELETE FROM seal")
        tx.run("DELETE FROM sealer")
    sealing.seal(database)
    assert sealing.verify(database)["findings"] == "0"
    assert sealing.verify(database, anchor)["findings"] == "1"
    assert sealing.verify(database, Anchor(9, bytes(32)))["findings"] == "1"


@pytest.mark.parametrize("text", ["", "3", "3:zz", "0:" + "0" * 64, "b3:" + "0" * 64])
def test_what_is_no_seal_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="NUMBER:HASH"):
        Anchor.parse(text)


def test_a_verification_tells_how_far_it_is(database: Database) -> None:
    note(database, *(str(number) for number in range(2 * sealing.STEP + 5)))
    sealing.seal(database)
    steps: list[int] = []
    assert sealing.verify(database, step=steps.append)["findings"] == "0"
    assert sealing.count_seals(database) == 2 * sealing.STEP + 5
    assert steps == [sealing.STEP, sealing.STEP]


def test_no_two_rows_have_one_encoding() -> None:
    rows = [
        ("ab", "c"),
        ("a", "bc"),
        ("a", None, "bc"),
        ("a", "", "bc"),
        (1,),
        ("1",),
        (b"1",),
        (None,),
        ("",),
    ]
    assert len({seals.encode(row) for row in rows}) == len(rows)


def test_many_findings_are_counted_and_not_all_listed(database: Database) -> None:
    note(database, *("x" * 150))
    sealing.seal(database)
    with database.write() as tx:
        tx.run("UPDATE event SET actor = 'mallory'")
    found = sealing.verify(database)
    assert (found["findings"], len(found["finding"])) == ("150", sealing.LISTED)


@pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)
def test_a_look_for_what_to_seal_reads_no_sealed_event(database: Database) -> None:
    with database.read() as tx:
        plan = " ".join(
            str(row)
            for row in tx.all(
                "EXPLAIN QUERY PLAN SELECT seq FROM event WHERE seq > 5 AND NOT EXISTS"
                " (SELECT 1 FROM seal WHERE seal.event_seq = event.seq) ORDER BY seq LIMIT 10"
            )
        )
    assert "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)" in plan
    assert "SEARCH seal USING COVERING INDEX seal_event" in plan
