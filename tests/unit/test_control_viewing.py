"""From the rows of the store to what is decided about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from casm_ctrl.base.automation import Automation
from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.readings import (
    COUNT,
    PERCENT,
    POLL,
    Accepted,
    BlockReading,
    DeviceReading,
    PoolReading,
    Sample,
)
from casm_ctrl.control.deciding.view import Decision, GiveBack, PoolView
from casm_ctrl.control.loop.viewing import Way, made_of, view_of
from casm_ctrl.service import automatic, samples
from casm_ctrl.service.automatic import Acted, Warrant
from casm_ctrl.service.configuration import AddDevicePool, AddPool
from casm_ctrl.service.decisions import Made
from casm_ctrl.service.pool_facts import DeviceFacts, PoolFacts, history
from casm_ctrl.store import blocks
from casm_ctrl.store import control_state as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State
from tests.allocation_world import configure
from tests.deciding_world import NOW, facts_on

COUNTS = Way(COUNT, True, 30.0)
SHARES = Way(PERCENT, False, 30.0)


@pytest.fixture
def grown(network: Database, controller: int) -> Database:
    """bng1/internet has b1 and b2, which the loop added and which are installed."""
    made = Made(1, "bng1/internet", 1, "grow", "rule", "because")
    assert isinstance(automatic.grow(network, made, Warrant(1, 0, controller), 2, 24), Acted)
    for number in (1, 2):
        with network.write() as tx:
            row = blocks.get_block(tx, number)
            blocks.transition(tx, Author("loop"), row, State.INSTALLED, "observe", "seen")
    return network


def facts_of(database: Database) -> tuple[DeviceFacts, PoolFacts]:
    facts = facts_on(database, "bng1")
    return facts, facts.pools[0]


def view(database: Database, way: Way = COUNTS, samples: Sequence[Sample] = ()) -> PoolView:
    facts, pool = facts_of(database)
    return view_of(facts, replace(pool, samples=tuple(samples)), way)


def sample(kind: str, used: int, capacity: int, *told: tuple[int, int, int]) -> Sample:
    return Sample(Micros(NOW), POLL, kind, used, capacity, tuple(BlockReading(*one) for one in told))


def test_blocks_are_what_the_store_holds(grown: Database, clock: ManualClock) -> None:
    found = view(grown)
    assert [(one.number, one.state, one.wanted, one.capacity) for one in found.blocks] == [
        (1, "installed", "present", 254),
        (2, "installed", "present", 254),
    ]
    assert all(one.automatic and not one.ever_used and one.managed for one in found.blocks)
    assert found.last_grow == clock.now()
    assert found.capacities == {24: 254}
    assert [cap.used for cap in found.grow_caps] == [2, 2, 2, 2]
    assert [stock.count(24) for stock in found.stock] == [254]


def test_what_a_device_tells_of_a_block_counts(grown: Database) -> None:
    found = view(grown, samples=[sample(COUNT, 30, 506, (1, 30, 253), (2, 0, 253))])
    assert [(one.used, one.capacity) for one in found.blocks] == [(30, 253), (0, 253)]
    assert found.readings[0].blocks == {1: 30, 2: 0}


def test_shares_are_of_what_the_blocks_have_room_for(grown: Database) -> None:
    found = view(grown, SHARES, [sample(PERCENT, 80, 100, (1, 90, 100), (2, 70, 100))])
    [reading] = found.readings
    assert (reading.used, reading.capacity) == (407, 508)
    assert reading.blocks == {1: 229, 2: 178}
    assert [one.capacity for one in found.blocks] == [254, 254]


def test_a_drain_of_the_loop_is_told_from_a_persons(
    grown: Database, controller: int, clock: ManualClock
) -> None:
    automatic.drain(grown, Made(1, "bng1/internet", 1, "drain", "r", "b"), Warrant(1, 1, controller), 2)
    assert [(one.wanted, one.automatic_drain, one.drained_at) for one in view(grown).blocks] == [
        ("present", False, None),
        ("drained", True, None),
    ]
    clock.advance(5)
    with grown.write() as tx:
        blocks.transition(
            tx, Author("loop"), blocks.get_block(tx, 2), State.DRAINING, "observe", "drain seen"
        )
    found = view(grown)
    assert found.blocks[1].drained_at == clock.now()
    assert found.last_shrink == clock.now() - 5 * SECOND


def test_a_block_that_had_a_subscriber_once_was_used(grown: Database) -> None:
    with grown.write() as tx:
        store.note_blocks(tx, 1, [2])
    assert [one.ever_used for one in view(grown).blocks] == [False, True]


def test_what_is_free_in_small_pieces_counts_for_no_block(network: Database, controller: int) -> None:
    made = Made(1, "bng1/internet", 1, "grow", "rule", "because")
    automatic.grow(network, made, Warrant(1, 0, controller), 1, 26)
    [stock] = view(network).stock
    assert stock.left == 65536 - 64
    assert stock.count(24) == 255


def test_what_a_first_block_will_serve_is_known(network: Database) -> None:
    """Of delegated prefixes and port sets nothing tells it but the pool: no block is there to compare with."""
    configure(
        network,
        AddPool("pd", "s", ("2001:db8::/40",), delegated_length=56),
        AddPool("sets", "s", ("10.1.0.0/24",), psid_offset=6),
        AddDevicePool("bng1/pd", ("pd",), 48, first_length=44),
        AddDevicePool("bng1/sets", ("sets",), 36),
        AddDevicePool("bng1/home", ("p",), 24, gateway="first", first_length=28),
    )
    facts = facts_on(network, "bng1")
    found = {pool.row.label: view_of(facts, pool, COUNTS).capacities for pool in facts.pools}
    assert found["bng1/pd"] == {44: 4096, 48: 256}
    assert found["bng1/sets"] == {36: 1}
    assert found["bng1/home"] == {24: 253, 28: 13}


def test_what_is_expected_is_known_where_scarcity_asks(grown: Database) -> None:
    facts, pool = facts_of(grown)
    pool = replace(pool, samples=(sample(COUNT, 30, 508, (1, 30, 254)),))
    pool = replace(pool, history=replace(pool.history, hours=(*range(30), 30)))
    assert view_of(facts, pool, COUNTS).expected_peak is None
    asked = replace(pool, automation=Automation(scarcity="apply"))
    found = view_of(facts, asked, COUNTS).expected_peak
    assert found is not None
    assert found >= 30


def test_hours_without_samples_are_none_used(network: Database, clock: ManualClock) -> None:
    reading = DeviceReading(
        "bng1",
        COUNT,
        POLL,
        Micros(0),
        (PoolReading.of_blocks(1, "bng1/internet", [BlockReading(9, 7, 254)]),),
    )
    samples.record(network, "bng1", Accepted(reading))
    clock.advance(3 * 3600)
    samples.record(network, "bng1", Accepted(reading))
    with network.read() as tx:
        found = history(tx, 1, 7)
    assert found.hours[0] == found.hours[-1] == 7
    assert len(found.hours) == 4
    assert found.first_sample is not None
    assert found.peaks[-1] == 7


def test_a_breaker_whose_time_is_over_is_none(network: Database, clock: ManualClock) -> None:
    network.run(lambda tx: store.open_breaker(tx, "enough"))
    assert view(network).breaker == "enough"
    clock.advance(facts_on(network, "bng1").limits.breaker_reset)
    assert view(network).breaker is None


def test_the_record_names_the_block(grown: Database) -> None:
    facts, pool = facts_of(grown)
    decision = Decision(action=GiveBack(2), rule="empty", because="nobody is in it", inputs={"used": 0})
    made = made_of(facts, pool, decision)
    assert (made.action, made.blocks, made.device_pool) == ("give-back", [(2, 1)], "bng1/internet")
