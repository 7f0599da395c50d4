"""What a read proves, from sightings made by hand: the rules one by one, then all at once on a naive network."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

from casm_ctrl.addressing.prefix import Prefix, Range, first_overlap, parse_prefix, parse_range
from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.errors import Exhausted, Refusal
from casm_ctrl.service import intent
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.desired import Desired, desired, previous_holders
from casm_ctrl.service.observation import Observed, Sight, Sighting, observe, preview
from casm_ctrl.service.release import cancel_drain, drain, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.store import (
    block_members,
    blocks,
    devices,
    free_space,
    leases,
    observations,
    past_blocks,
    pools,
    spaces,
)
from casm_ctrl.store.blocks import BlockRow
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.leases import Lease, PendingCommit
from casm_ctrl.store.observations import FindingRow, ObjectRow
from casm_ctrl.store.states import Seen, State, Wanted
from casm_ctrl.store.transaction import Mode

ME = Author("tester", reason="test")
PATH = "ipv4-address-range"
REST = 86400


# --- Hands ----------------------------------------------------------------------------------------


def store_id(database: Database) -> str:
    with database.read() as tx:
        return spaces.get_store(tx).store_id


@contextmanager
def leased(database: Database, device: str) -> Iterator[Lease]:
    lease = intent.claim_lease(database, device, "tester", "the test")
    yield lease
    intent.release_lease(database, lease)


def look(database: Database, device: str, *sightings: Sighting, proof: bool = True) -> Observed:
    containers = tuple({("address-pool", s.keys[:1]) for s in sightings})
    with leased(database, device) as lease:
        return observe(database, ME, lease, Sight(sightings, containers, proof))


def span(text: str) -> Range:
    first, _, last = text.partition("-")
    return parse_range(first, last) if last else parse_prefix(text).range


def somebodys(text: str, name: str = "theirs", instance: str | None = None) -> Sighting:
    return Sighting(PATH, ("internet", name), span(text), instance)


def block_of(database: Database, number: int) -> BlockRow:
    with database.read() as tx:
        return blocks.get_block(tx, number)


def state(database: Database, number: int = 1) -> State:
    with database.read() as tx:
        row = blocks.find_block(tx, number)
        return State.FREE if row is None else row.state


def entry(database: Database, number: int = 1, *, drained: bool = False, at: str = "") -> Sighting:
    """Our object for a block, as the driver would name it."""
    store = store_id(database)
    with database.read() as tx:
        row = blocks.find_block(tx, number)
        past = past_blocks.past_block(tx, number)
    found = row or past
    assert found is not None
    where = span(at) if at else found.prefix.range
    return Sighting(PATH, ("internet", f"casm-{store}-b{number}"), where, None, store, number, drained)


def write(database: Database, device: str, *numbers: int) -> None:
    """What apply records before it sends an edit that installs."""
    with leased(database, device) as lease:
        rows = tuple(block_of(database, number) for number in numbers)
        objects = tuple(ObjectRow(PATH, entry(database, n).keys, n, "wrote") for n in numbers)
        edit = 1 + desired(database, device).device.edit_generation
        intent.record_intent(
            database, ME, lease, intent.Intent(edit, rows, (), frozenset(), objects, 0, ["add"])
        )


def remove(database: Database, device: str, *numbers: int, emptied: bool = False) -> None:
    """What apply records before it commits a removal, and after the commit was confirmed."""
    with leased(database, device) as lease:
        rows = tuple(block_of(database, number) for number in numbers)
        proven = frozenset(numbers) if emptied else frozenset[int]()
        edit = 1 + desired(database, device).device.edit_generation
        words = intent.Intent(edit, (), rows, proven, (), 0, ["remove"])
        intent.record_intent(database, ME, lease, words)
        intent.record_pending(
            database, ME, lease, words, persist_id="x", session_id=1, timeout=60, digest="d"
        )
        intent.clear_pending(database, lease)


def install(database: Database, device: str, *numbers: int) -> None:
    write(database, device, *numbers)
    look(database, device, *(entry(database, number) for number in numbers))


def findings(database: Database) -> list[FindingRow]:
    with database.read() as tx:
        return observations.list_findings(tx)


def kinds(database: Database) -> list[tuple[str, str, int | None, bool]]:
    """(device, kind, block, holds) of each finding."""
    return [(f.device, f.kind, f.block, f.holds) for f in findings(database)]


def held(database: Database) -> list[str]:
    with database.read() as tx:
        row = pools.find_pool(tx, "p")
        assert row is not None
        return [str(c.prefix) for c in pools.list_carves(tx, pool_id=row.id) if c.kind == "held"]


def give(database: Database, count: int = 1, pool: str = "bng1/internet") -> None:
    allocate(database, ME, pool, count=count)


# --- A block's way --------------------------------------------------------------------------------


def test_the_whole_way(network: Database, clock: ManualClock) -> None:
    give(network)
    assert state(network) is State.RESERVED
    install(network, "bng1", 1)
    assert state(network) is State.INSTALLED
    drain(network, ME, ["b1"])
    look(network, "bng1", entry(network))
    assert state(network) is State.INSTALLED
    look(network, "bng1", entry(network, drained=True))
    assert state(network) is State.DRAINING
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    assert state(network) is State.WITHDRAWING
    look(network, "bng1")
    assert state(network) is State.QUARANTINED
    assert block_of(network, 1).rest_until == clock.now() + REST * SECOND
    clock.advance(REST)
    give(network)
    assert state(network) is State.FREE


def test_counts_shorten_the_rest(network: Database, clock: ManualClock) -> None:
    give(network)
    install(network, "bng1", 1)
    drain(network, ME, ["b1"])
    look(network, "bng1", entry(network, drained=True))
    release(network, ME, ["b1"])
    remove(network, "bng1", 1, emptied=True)
    look(network, "bng1")
    assert block_of(network, 1).rest_until == clock.now() + 3600 * SECOND


def test_a_drain_that_is_cancelled_is_seen(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    drain(network, ME, ["b1"])
    look(network, "bng1", entry(network, drained=True))
    cancel_drain(network, ME, ["b1"])
    look(network, "bng1", entry(network, drained=True))
    assert state(network) is State.DRAINING
    look(network, "bng1", entry(network))
    assert state(network) is State.INSTALLED


def test_a_drain_that_nobody_asked_for_is_no_drain(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    look(network, "bng1", entry(network, drained=True))
    assert state(network) is State.INSTALLED


def test_what_vanished_without_us_is_still_owned(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    look(network, "bng1")
    assert (state(network), block_of(network, 1).wanted) == (State.RESERVED, Wanted.PRESENT)
    look(network, "bng1", entry(network))
    assert state(network) is State.INSTALLED


def test_what_was_released_and_is_gone_needs_no_edit(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    look(network, "bng1")
    assert state(network) is State.QUARANTINED


def test_a_block_that_was_only_announced_is_gone_when_a_read_proves_it(network: Database) -> None:
    """A crash between the intent and the edit: it may be there, and is not."""
    give(network)
    write(network, "bng1", 1)
    release(network, ME, ["b1"])
    assert state(network) is State.RESERVED
    look(network, "bng1")
    assert state(network) is State.QUARANTINED


# --- What proves nothing --------------------------------------------------------------------------


def test_without_proof_nothing_is_absent(network: Database) -> None:
    give(network, 2)
    install(network, "bng1", 1, 2)
    release(network, ME, ["b2"])
    remove(network, "bng1", 2)
    look(network, "bng1", proof=False)
    assert [state(network, number) for number in (1, 2)] == [State.INSTALLED, State.WITHDRAWING]
    with network.read() as tx:
        assert {m.seen for m in block_members.list_members(tx, [1])[1]} == {Seen.UNKNOWN}
        assert observations.list_objects(tx, 1)


def test_without_proof_what_is_there_is_there(network: Database) -> None:
    give(network)
    write(network, "bng1", 1)
    look(network, "bng1", entry(network), proof=False)
    assert state(network) is State.INSTALLED


def test_while_a_commit_may_be_pending_a_look_changes_no_state(network: Database) -> None:
    give(network)
    write(network, "bng1", 1)
    with network.write() as tx:
        leases.put_pending(tx, PendingCommit(1, 1, 1, "x", 1, Micros(0), Micros(0), "d"))
    look(network, "bng1", entry(network), somebodys("10.0.200.0/24"), proof=False)
    assert state(network) is State.RESERVED
    assert held(network) == ["10.0.200.0/24"]


def test_somebody_elses_range_in_the_block_proves_that_it_is_not_gone(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    look(network, "bng1", somebodys("10.0.0.128-10.0.0.130"))
    assert state(network) is State.WITHDRAWING
    look(network, "bng1")
    assert state(network) is State.QUARANTINED


def test_a_range_in_another_space_does_not_stand_in_the_way(network: Database) -> None:
    change(network, ME, [AddSpace("t")])
    with network.write() as tx:
        target = spaces.find_space(tx, "t")
        assert target is not None
        devices.insert_instances(tx, 1, {"blue": target.id})
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    look(network, "bng1", somebodys("10.0.0.0/24", instance="blue"))
    assert state(network) is State.QUARANTINED
    assert not findings(network)


def test_a_plan_looks_ahead_and_writes_nothing(network: Database) -> None:
    give(network)
    write(network, "bng1", 1)
    sight = Sight((entry(network), somebodys("10.0.9.0/24")), (), proof=False)
    ahead = preview(network, ME, "bng1", sight)
    assert [row.state for row in ahead.blocks] == [State.INSTALLED]
    assert len(ahead.findings) == 1
    assert state(network) is State.RESERVED
    assert not findings(network)
    assert not held(network)


def test_what_startup_may_still_hold_is_not_proven_gone(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    with leased(network, "bng1") as lease:
        observe(network, ME, lease, Sight((), (), proof=True, kept=False))
        assert state(network) is State.WITHDRAWING
        observe(network, ME, lease, Sight((), (), proof=True))
    assert state(network) is State.QUARANTINED


def test_without_proof_nothing_is_given_back(network: Database) -> None:
    look(network, "bng1", somebodys("10.0.0.0/24"))
    look(network, "bng1", proof=False)
    assert held(network) == ["10.0.0.0/24"]
    assert len(findings(network)) == 1
    look(network, "bng1")
    assert not held(network)
    assert not findings(network)


# --- Drift ----------------------------------------------------------------------------------------


def test_an_object_that_shrank_is_neither_there_nor_gone(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    look(network, "bng1", entry(network, at="10.0.0.5-10.0.0.9"))
    assert state(network) is State.WITHDRAWING
    with network.read() as tx:
        assert [m.seen for m in block_members.list_members(tx, [1])[1]] == [Seen.UNKNOWN]


def test_our_object_that_grew_into_anothers_block_holds_its_install(network: Database) -> None:
    give(network)
    give(network, pool="bng2/internet")
    install(network, "bng1", 1)
    look(network, "bng1", entry(network, at="10.0.0.0-10.0.1.9"))
    assert kinds(network) == [("bng1", "drift", 2, True)]
    assert set(desired(network, "bng2").holds) == {2}
    assert state(network) is State.INSTALLED
    look(network, "bng1", entry(network))
    assert not findings(network)


def test_our_object_that_grew_over_free_space_holds_it(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    look(network, "bng1", entry(network, at="10.0.0.0-10.0.1.255"))
    assert held(network) == ["10.0.1.0/24"]
    give(network)
    assert str(block_of(network, 2).prefix) == "10.0.2.0/24"


def test_what_is_released_under_our_own_drift_is_held(network: Database) -> None:
    give(network)
    give(network, pool="bng2/internet")
    install(network, "bng1", 1)
    look(network, "bng1", entry(network, at="10.0.0.0-10.0.1.255"))
    release(network, ME, ["b2"])
    assert state(network, 2) is State.FREE
    assert held(network) == ["10.0.1.0/24"]


def test_an_object_moved_away_is_a_stranger_where_it_is(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    look(network, "bng1", entry(network, at="10.0.7.0/24"))
    assert held(network) == ["10.0.7.0/24"]
    assert state(network) is State.RESERVED
    look(network, "bng1", entry(network))
    assert state(network) is State.INSTALLED
    assert not held(network)


# --- Strangers ------------------------------------------------------------------------------------


def test_a_foreign_range_over_free_space_is_held_until_it_is_gone(network: Database) -> None:
    look(network, "bng1", somebodys("10.0.0.0-10.0.1.127"))
    assert kinds(network) == [("bng1", "foreign", None, False)]
    give(network, pool="bng2/internet")
    assert str(block_of(network, 1).prefix) == "10.0.2.0/24"
    look(network, "bng1")
    assert not held(network)
    assert not findings(network)


def test_a_foreign_range_that_shrank_holds_only_what_it_covers(network: Database) -> None:
    look(network, "bng1", somebodys("10.0.0.0/23"))
    look(network, "bng1", somebodys("10.0.0.0/24"))
    assert held(network) == ["10.0.0.0/24"]


def test_a_foreign_range_over_anothers_block_holds_its_install(network: Database) -> None:
    give(network, pool="bng2/internet")
    look(network, "bng1", somebodys("10.0.0.200-10.0.0.201"))
    assert kinds(network) == [("bng1", "foreign", 1, True)]
    assert set(desired(network, "bng2").holds) == {1}
    look(network, "bng1")
    assert not desired(network, "bng2").holds


def test_a_foreign_range_far_from_our_pools_is_nobodys_business(network: Database) -> None:
    look(network, "bng1", somebodys("192.0.2.0/24"))
    assert not findings(network)
    with network.read() as tx:
        assert len(observations.list_ranges(tx, 1)) == 1


def test_an_entry_without_addresses_is_no_range(network: Database) -> None:
    look(network, "bng1", Sighting(PATH, ("internet", "empty"), None))
    assert not findings(network)


def test_an_unmapped_instance_is_told_and_not_compared(network: Database) -> None:
    give(network)
    install(network, "bng1", 1)
    look(network, "bng1", entry(network), somebodys("10.0.0.0/16", instance="red"))
    assert kinds(network) == [("bng1", "unmapped", None, False)]
    assert not held(network)
    assert state(network) is State.INSTALLED


def test_one_prefix_in_two_spaces(network: Database) -> None:
    edits: list[Edit] = [
        AddSpace("t"),
        AddPool("q", "t", ("10.0.0.0/16",)),
        AddDevice("bng3", "bng", "ietf-address-pool", "192.0.2.3", 830, "casm", "env:X", "t"),
        AddDevicePool("bng3/internet", ("q",), 24),
    ]
    change(network, ME, edits)
    give(network)
    give(network, pool="bng3/internet")
    install(network, "bng1", 1)
    install(network, "bng3", 2)
    assert block_of(network, 1).prefix == block_of(network, 2).prefix
    assert [state(network, number) for number in (1, 2)] == [State.INSTALLED] * 2
    assert not findings(network)


def test_ipv6(network: Database) -> None:
    edits: list[Edit] = [AddPool("six", "s", ("2001:db8::/40",)), AddDevicePool("bng1/pd", ("six",), 48)]
    change(network, ME, edits)
    give(network, pool="bng1/pd")
    install(network, "bng1", 1)
    assert state(network) is State.INSTALLED
    look(network, "bng1", entry(network), somebodys("2001:db8:80::/41"))
    assert [f.kind for f in findings(network)] == ["foreign"]
    look(network, "bng1", somebodys("2001:db8::/32"))
    assert ("bng1", "foreign", 1, True) in kinds(network)
    release(network, ME, ["b1"])
    look(network, "bng1")
    assert state(network) is State.QUARANTINED


# --- Marks ----------------------------------------------------------------------------------------


def test_an_object_with_our_mark_is_recognised_without_a_row(network: Database) -> None:
    """An apply that died before anything was recorded cannot have sent it; a restored store may have."""
    give(network)
    look(network, "bng1", entry(network))
    assert state(network) is State.INSTALLED
    assert block_of(network, 1).sent


def test_a_mark_on_other_addresses_is_not_believed(network: Database) -> None:
    give(network)
    look(network, "bng1", entry(network, at="10.0.4.0/24"))
    assert state(network) is State.RESERVED
    assert held(network) == ["10.0.4.0/24"]
    assert [kind for _, kind, _, _ in kinds(network)] == ["drift"], "a block that is owned is no zombie"


def test_another_stores_mark_is_foreign(network: Database) -> None:
    give(network, pool="bng2/internet")
    theirs = Sighting(PATH, ("internet", "casm-zzzzzz-b1"), span("10.0.0.0/24"), None, "zzzzzz", 1)
    look(network, "bng1", theirs)
    assert kinds(network) == [("bng1", "other-store", 1, True)]


def test_a_mark_that_the_store_never_made_is_an_orphan(network: Database) -> None:
    ours = Sighting(PATH, ("internet", "x"), span("192.0.2.0/24"), None, store_id(network), 77)
    look(network, "bng1", ours)
    assert kinds(network) == [("bng1", "orphan", None, False)]


def freed(network: Database, clock: ManualClock, number: int = 1) -> None:
    give(network)
    install(network, "bng1", number)
    release(network, ME, [f"b{number}"])
    remove(network, "bng1", number)
    look(network, "bng1")
    clock.advance(REST)


def test_a_zombie_of_a_free_block_keeps_its_space_from_all(network: Database, clock: ManualClock) -> None:
    freed(network, clock)
    give(network, pool="bng2/internet")
    release(network, ME, ["b2"])
    assert state(network, 2) is State.FREE
    look(network, "bng1", entry(network, 1))
    assert [(f.kind, f.block) for f in findings(network)] == [("zombie", None)]
    assert held(network) == ["10.0.0.0/24"]
    give(network, pool="bng2/internet")
    assert str(block_of(network, 3).prefix) == "10.0.1.0/24"


def test_a_zombie_under_anothers_block_holds_its_install(network: Database, clock: ManualClock) -> None:
    freed(network, clock)
    give(network, pool="bng2/internet")
    assert previous_holders(network, "bng2") == ["bng1"]
    look(network, "bng1", entry(network, 1), proof=False)
    assert kinds(network) == [("bng1", "zombie", 2, True)]
    assert set(desired(network, "bng2").holds) == {2}
    look(network, "bng1", proof=False)
    assert desired(network, "bng2").holds, "what was read may be a commit that is taken back"
    look(network, "bng1")
    assert not desired(network, "bng2").holds


def test_a_zombie_of_a_quarantined_block_keeps_it_from_becoming_free(
    network: Database, clock: ManualClock
) -> None:
    give(network)
    install(network, "bng1", 1)
    release(network, ME, ["b1"])
    remove(network, "bng1", 1)
    look(network, "bng1")
    look(network, "bng1", entry(network, 1))
    assert kinds(network) == [("bng1", "zombie", 1, True)]
    clock.advance(10 * REST)
    give(network)
    assert state(network, 1) is State.QUARANTINED
    look(network, "bng1")
    give(network)
    assert state(network, 1) is State.FREE


def test_a_finding_is_told_once(network: Database) -> None:
    for _ in range(3):
        look(network, "bng1", somebodys("10.0.0.0/24"))
    with network.read() as tx:
        rows = tx.all("SELECT 1 FROM event WHERE verb = 'foreign'")
    assert len(rows) == 1


def test_what_is_freed_while_a_read_is_stored_is_held_all_the_same(
    network: Database, clock: ManualClock
) -> None:
    """A sweep has freed the block and not committed yet, when a read shows somebody's range on its addresses."""
    give(network)
    with network.write() as tx:
        for target in (State.WITHDRAWING, State.QUARANTINED):
            blocks.transition(tx, ME, blocks.get_block(tx, 1), target, "test", "test")
    clock.advance(REST + 1)
    reader = threading.Thread(target=look, args=(network, "bng2", somebodys("10.0.0.0/24")))
    with network.backend.transaction(Mode.SHARE) as tx:
        assert free_rested(tx) == 1
        reader.start()
        reader.join(timeout=0.5)
    reader.join()
    assert state(network) is State.FREE
    give(network)
    assert str(block_of(network, 2).prefix) == "10.0.1.0/24"


# --- Groups ---------------------------------------------------------------------------------------


@pytest.fixture
def pair(network: Database) -> Database:
    """bng1 and bng2 as one owner: bng1/internet is served by both."""
    with network.write() as tx:
        owner = tx.insert("INSERT INTO owner (kind, name) VALUES ('group', 'pair') RETURNING id")
        for number in (1, 2):
            tx.run(
                "INSERT INTO owner_member (owner_id, device_id, role) VALUES (:owner, :device, 'serves')",
                owner=owner,
                device=number,
            )
        tx.run("UPDATE device_pool SET owner_id = :owner WHERE id = 1", owner=owner)
    return network


def test_a_group_has_a_block_when_all_serve_it(pair: Database) -> None:
    give(pair)
    install(pair, "bng1", 1)
    assert state(pair) is State.RESERVED
    install(pair, "bng2", 1)
    assert state(pair) is State.INSTALLED
    assert not findings(pair)


def test_a_group_is_rid_of_a_block_when_all_are(pair: Database) -> None:
    give(pair)
    install(pair, "bng1", 1)
    install(pair, "bng2", 1)
    release(pair, ME, ["b1"])
    remove(pair, "bng1", 1)
    look(pair, "bng1")
    assert state(pair) is State.WITHDRAWING
    look(pair, "bng2", entry(pair))
    assert state(pair) is State.WITHDRAWING
    remove(pair, "bng2", 1)
    look(pair, "bng2", proof=False)
    assert state(pair) is State.WITHDRAWING
    look(pair, "bng2")
    assert state(pair) is State.QUARANTINED


def test_a_member_that_shows_it_again_was_not_rid_of_it(pair: Database) -> None:
    give(pair)
    install(pair, "bng1", 1)
    install(pair, "bng2", 1)
    release(pair, ME, ["b1"])
    remove(pair, "bng1", 1)
    look(pair, "bng1")
    look(pair, "bng1", entry(pair), proof=False)
    remove(pair, "bng2", 1)
    look(pair, "bng2")
    assert state(pair) is State.WITHDRAWING


def test_an_absence_from_before_the_release_is_no_proof_after_it(pair: Database) -> None:
    """bng1 lost it by drift; its startup may hold it still, and nobody has looked since the release."""
    give(pair)
    install(pair, "bng1", 1)
    install(pair, "bng2", 1)
    look(pair, "bng1")
    release(pair, ME, ["b1"])
    remove(pair, "bng2", 1)
    look(pair, "bng2")
    assert state(pair) is State.WITHDRAWING
    look(pair, "bng1")
    assert state(pair) is State.QUARANTINED


# --- All at once ----------------------------------------------------------------------------------


@dataclass
class Box:
    """A device of the naive network: entries by name, and what it was saved as at some time."""

    entries: dict[str, Sighting] = field(default_factory=dict)
    saved: dict[str, Sighting] = field(default_factory=dict)
    proven: list[Sighting] = field(default_factory=list)
    """What the last proving read showed."""


class NetworkMachine(RuleBasedStateMachine):
    """A controller that reads, edits and crashes; devices that restart from old files; people who type.

    The controller here does what `sync.converge` does with the store, without its sessions: a visit is
    observe, decide, record, change, observe. Between any two steps it may be gone.
    """

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.clock = ManualClock()

    @initialize()
    def begin(self) -> None:
        folder = self.template.parent / "machine"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        path = Path(shutil.copyfile(self.template, folder / "casm.db"))
        self.database = open_database(str(path), self.clock)
        self.stack.callback(self.database.close)
        edits: list[Edit] = [
            AddSpace("s"),
            AddSpace("t"),
            AddPool("p", "s", ("10.0.0.0/28",), quarantine=60, lease_time=300),
            AddPool("q", "t", ("10.0.0.0/29",), quarantine=60, lease_time=300),
        ]
        self.boxes: dict[str, Box] = {}
        for number, (name, space, pool) in enumerate(
            (("a", "s", "p"), ("b", "s", "p"), ("c", "s", "p"), ("d", "t", "q")), start=1
        ):
            host = f"192.0.2.{number}"
            edits += [
                AddDevice(name, "bng", "ietf-address-pool", host, 830, "casm", "env:X", space),
                AddDevicePool(f"{name}/x", (pool,), 31),
            ]
            self.boxes[name] = Box()
        change(self.database, ME, edits)
        self.store = store_id(self.database)

    def teardown(self) -> None:
        self.stack.close()

    # --- People -----------------------------------------------------------------------------------

    @rule(name=st.sampled_from("abcd"), count=st.integers(1, 2), length=st.sampled_from([30, 31, 32]))
    def allocate(self, name: str, count: int, length: int) -> None:
        try:
            allocate(self.database, ME, f"{name}/x", count=count, length=length)
        except Exhausted:
            return

    @rule(verb=st.sampled_from([release, release, drain, cancel_drain]), data=st.data())
    def ask(self, verb: Any, data: st.DataObject) -> None:
        with self.database.read() as tx:
            live = blocks.list_blocks(tx)
        if live:
            row = data.draw(st.sampled_from(live))
            try:
                verb(self.database, ME, [row.name])
            except Refusal:
                return

    @rule(
        name=st.sampled_from("abcd"),
        first=st.integers(0, 14),
        size=st.integers(0, 4),
        key=st.sampled_from(["x", "y"]),
    )
    def type_something(self, name: str, first: int, size: int, key: str) -> None:
        base = 10 << 24
        last = min(15, first + size)
        where = Range(parse_prefix("10.0.0.0/8").family, base + first, base + last)
        self.boxes[name].entries[key] = Sighting(PATH, ("x", key), where)

    @rule(name=st.sampled_from("abcd"), data=st.data())
    def delete_something(self, name: str, data: st.DataObject) -> None:
        entries = self.boxes[name].entries
        if entries:
            del entries[data.draw(st.sampled_from(sorted(entries)))]

    @rule(name=st.sampled_from("abcd"), data=st.data(), first=st.integers(0, 14), size=st.integers(0, 4))
    def twist_something(self, name: str, data: st.DataObject, first: int, size: int) -> None:
        """Somebody changes the addresses of an entry, perhaps of ours."""
        entries = self.boxes[name].entries
        if entries:
            key = data.draw(st.sampled_from(sorted(entries)))
            old, base = entries[key], 10 << 24
            where = Range(parse_prefix("10.0.0.0/8").family, base + first, base + min(15, first + size))
            entries[key] = Sighting(PATH, old.keys, where, None, old.mark_store, old.mark_block, old.drained)

    @rule(seconds=st.sampled_from([1, 61, 301]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # --- Devices ----------------------------------------------------------------------------------

    @rule(name=st.sampled_from("abcd"))
    def save(self, name: str) -> None:
        box = self.boxes[name]
        box.saved = dict(box.entries)

    @rule(name=st.sampled_from("abcd"))
    def restart(self, name: str) -> None:
        """From a file as old as it may be."""
        box = self.boxes[name]
        box.entries = dict(box.saved)

    # --- The controller ---------------------------------------------------------------------------

    def _sight(self, name: str, proof: bool) -> Sight:
        return Sight(tuple(self.boxes[name].entries.values()), (), proof)

    def _look(self, name: str, lease: Lease, proof: bool = True) -> None:
        observe(self.database, ME, lease, self._sight(name, proof))
        if proof:
            self.boxes[name].proven = list(self.boxes[name].entries.values())

    @rule(name=st.sampled_from("abcd"), proof=st.booleans())
    def read(self, name: str, proof: bool) -> None:
        with leased(self.database, name) as lease:
            self._look(name, lease, proof)

    @rule(name=st.sampled_from("abcd"))
    def plan(self, name: str) -> None:
        preview(self.database, ME, name, self._sight(name, False))

    @rule(
        name=st.sampled_from("abcd"),
        dies=st.sampled_from(["", "", "", "after the intent", "after the record", "after the change"]),
    )
    def apply(self, name: str, dies: str) -> None:
        for other in previous_holders(self.database, name):
            with leased(self.database, other) as lease:
                self._look(other, lease, proof=False)
        with leased(self.database, name) as lease:
            with self.database.read() as tx:
                pending = leases.get_pending(tx, lease.device_id)
            if pending is not None:
                intent.clear_pending(self.database, lease)
            self._look(name, lease)
            wanted = desired(self.database, name)
            before, edit = self._edit(name, wanted)
            if edit is None:
                return
            intent.record_intent(self.database, ME, lease, edit)
            if dies == "after the intent":
                return
            intent.record_pending(
                self.database, ME, lease, edit, persist_id=None, session_id=1, timeout=60, digest="d"
            )
            if dies == "after the record":
                return
            self.boxes[name].entries = before
            if dies == "after the change":
                return
            intent.clear_pending(self.database, lease)
            self._look(name, lease)

    def _edit(self, name: str, wanted: Desired) -> tuple[dict[str, Sighting], intent.Intent | None]:
        """What the device's entries should be, and what to record before they are."""
        entries = self.boxes[name].entries
        after = {key: seen for key, seen in entries.items() if not self._is_stale(wanted, seen)}
        sent, written = [], []
        for row in wanted.blocks:
            if row.state in (State.WITHDRAWING, State.QUARANTINED) or row.wanted is Wanted.ABSENT:
                continue
            keys = ("x", f"casm-b{row.id}")
            if row.id in wanted.holds and keys[1] not in entries:
                continue
            drained = row.wanted is Wanted.DRAINED
            put = Sighting(PATH, keys, row.prefix.range, None, self.store, row.id, drained)
            if entries.get(keys[1]) != put:
                after[keys[1]] = put
                sent.append(row)
                written.append(ObjectRow(PATH, keys, row.id, "wrote"))
        gone = [
            row
            for row in wanted.blocks
            if f"casm-b{row.id}" in entries
            and f"casm-b{row.id}" not in after
            and row.state is not State.QUARANTINED
        ]
        if after == entries:
            return after, None
        generation = wanted.device.edit_generation + 1
        return after, intent.Intent(
            generation, tuple(sent), tuple(gone), frozenset(), tuple(written), 0, ["edit"]
        )

    def _is_stale(self, wanted: Desired, seen: Sighting) -> bool:
        """An object of ours whose block is on its way out."""
        for row in wanted.blocks:
            if seen.keys == ("x", f"casm-b{row.id}") and row.state is not State.QUARANTINED:
                return row.wanted is Wanted.ABSENT or row.state is State.WITHDRAWING
        return False

    # --- What must hold ---------------------------------------------------------------------------

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def one_owner(self) -> None:
        with self.database.read() as tx:
            live = blocks.list_blocks(tx)
            for space in {row.space_id for row in live}:
                here = [row.prefix for row in live if row.space_id == space]
                assert first_overlap(here) is None

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def nothing_is_lost(self) -> None:
        """Free rows, carves and blocks are each pool's prefixes, each address once."""
        with self.database.read() as tx:
            for pool in pools.list_pools(tx):
                parts: list[Prefix] = free_space.free_prefixes(tx, pool.id, pool.family)
                parts += [carve.prefix for carve in pools.list_carves(tx, pool_id=pool.id)]
                parts += [row.prefix for row in blocks.list_blocks(tx, pool_id=pool.id)]
                assert first_overlap(parts) is None
                whole = sum(prefix.size for prefix in pools.pool_prefixes(tx, pool.id))
                assert sum(part.size for part in parts) == whole

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def nothing_that_was_seen_is_free(self) -> None:
        with self.database.read() as tx:
            for name, box in self.boxes.items():
                pool = pools.find_pool(tx, "q" if name == "d" else "p")
                assert pool is not None
                free = free_space.free_prefixes(tx, pool.id, pool.family)
                for seen in box.proven:
                    assert seen.range is not None
                    clash = [str(prefix) for prefix in free if prefix.overlaps(seen.range)]
                    assert not clash, f"{name} showed {seen.range}, and {clash} is free"

    @invariant()
    @precondition(lambda self: hasattr(self, "store"))
    def nothing_is_installed_where_another_shows_it(self) -> None:
        """Of two devices whose last proving reads clash, at least one object has no block that is theirs."""
        with self.database.read() as tx:
            owners = {row.id: row for row in blocks.list_blocks(tx)}
        shown = [
            (name, seen)
            for name, box in self.boxes.items()
            if name != "d"
            for seen in box.proven
            if seen.mark_block in owners
            and owners[seen.mark_block].state in (State.INSTALLED, State.DRAINING)
            and owners[seen.mark_block].prefix.range == seen.range
        ]
        for index, (name, seen) in enumerate(shown):
            for other, too in shown[index + 1 :]:
                assert seen.range is not None
                assert too.range is not None
                assert name == other or not seen.range.overlaps(too.range)


def test_any_story_of_reads_edits_and_faults(store_template: Path, tmp_path: Path) -> None:
    NetworkMachine.template = Path(shutil.copyfile(store_template, tmp_path / "template.db"))
    run_state_machine_as_test(
        NetworkMachine,
        settings=settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True),
    )
