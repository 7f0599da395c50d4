"""What becomes of adopted blocks: kept whole, left alone, taken over, freed one day."""

from __future__ import annotations

import pytest

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import IllegalTransition, InUse
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenStatic
from casm_ctrl.service.lifetime import renew
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.management import manage
from casm_ctrl.service.release import cancel_drain, drain, force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.store import adoptions, blocks, observations, pools, static_assignments
from casm_ctrl.store.database import Database
from casm_ctrl.store.states import State, Wanted
from tests.adoption_world import ME, Network, make, on, seen, span, states


@pytest.fixture
def network(database: Database) -> Network:
    make(database)
    return Network(database)


def test_a_range_stays_whole_and_is_seen_as_its_blocks(network: Network) -> None:
    shown = {"d0": seen("10.0.0.3-10.0.0.9")}
    network.adopt(shown)
    assert set(states(network.database).values()) == {State.INSTALLED}
    with network.database.read() as tx:
        assert len(adoptions.pieces_on(tx, the_device(tx, "d0").id)) == 3
        assert observations.list_objects(tx, the_device(tx, "d0").id) == []
        assert observations.list_findings(tx) == []
    grown = {"d0": seen("10.0.0.3-10.0.0.12")}
    network.adopt(grown)
    with network.database.read() as tx:
        assert [f.kind for f in observations.list_findings(tx)] == ["drift"]
    assert set(states(network.database).values()) == {State.INSTALLED}


def test_unmanaged_blocks_are_not_taken_back(network: Network) -> None:
    network.adopt({"d0": seen("10.0.0.0/28", "10.0.0.19-10.0.0.25")})
    for verb in (release, drain):
        with pytest.raises(IllegalTransition) as refused:
            verb(network.database, ME, ["10.0.0.0/28"])
        assert refused.value.remedy.endswith("'casm block manage b1'")
        with pytest.raises(IllegalTransition) as refused:
            verb(network.database, ME, ["b2"])
        assert refused.value.remedy.endswith("'casm block manage b2 --split'")


def test_unmanaged_blocks_have_no_end(network: Network) -> None:
    network.adopt({"d0": seen("10.0.0.0/28")})
    with pytest.raises(IllegalTransition, match="cannot be given an end"):
        renew(network.database, ME, ["b1"], lifetime=60)


def test_what_somebody_drained_stays_drained(network: Network) -> None:
    shown = {"d0": Seen((), (on("home", "a", "10.0.0.0/28", drained=True), on("home", "b", "10.0.0.16/28")))}
    network.adopt(shown)
    assert states(network.database) == {"10.0.0.0/28": State.DRAINING, "10.0.0.16/28": State.INSTALLED}
    with pytest.raises(IllegalTransition, match="not managed"):
        cancel_drain(network.database, ME, ["b1"])
    manage(network.database, ME, ["b1"])
    with network.database.read() as tx:
        assert blocks.get_block(tx, 1).wanted is Wanted.DRAINED


def test_managing_is_done_once_and_a_part_only_with_all(network: Network) -> None:
    network.adopt({"d0": seen("10.0.0.0/28", "10.0.0.19-10.0.0.25")})
    manage(network.database, ME, ["b1"])
    manage(network.database, ME, ["b1"])
    with pytest.raises(IllegalTransition, match="no prefix"):
        manage(network.database, ME, ["b2"])
    manage(network.database, ME, ["b2"], split=True)
    with network.database.read() as tx:
        assert adoptions.unmanaged_blocks(tx) == frozenset()
        objects = observations.list_objects(tx, the_device(tx, "d0").id)
    assert sorted((row.keys[1], row.block) for row in objects if row.block) == [("r0", 1)]
    assert [(row.keys[1], row.block) for row in objects if not row.block] == [("r1", None)]
    network.adopt({"d0": seen("10.0.0.0/28", "10.0.0.19-10.0.0.25")})  # the old range is nobody else's
    with network.database.read() as tx:
        assert observations.list_findings(tx) == []
    assert set(states(network.database).values()) == {State.INSTALLED}


def test_static_assignments_become_reservations_when_their_block_is_free(
    network: Network, clock: ManualClock
) -> None:
    static = SeenStatic(ObjectKey("host", ("home", "printer")), parse_prefix("10.0.0.5/32"))
    shown = Seen((), seen("10.0.0.0/28", "10.0.0.19-10.0.0.25").ranges, (), (static,))
    network.adopt({"d0": shown})
    with network.database.read() as tx:
        device = the_device(tx, "d0")
        (row,) = static_assignments.statics_in(tx, device.space_id, span("10.0.0.0/24"))
    assert row.prefix == parse_prefix("10.0.0.5/32")
    force_release(network.database, ME, ["b1"])
    clock.advance(7200)
    with network.database.write() as tx:
        tx.run("DELETE FROM finding")
        tx.run("UPDATE block SET rest_until = 1 WHERE rest_until IS NOT NULL")
        assert free_rested(tx) == 1
    with network.database.read() as tx:
        pool = pools.find_pool(tx, "p")
        assert pool is not None
        kept = pools.list_carves(tx, pool_id=pool.id, kind="reservation")
    assert [(str(carve.prefix), carve.reason) for carve in kept] == [
        ("10.0.0.5/32", "static: d0 host[home, printer]")
    ]
    network.check()


def test_a_split_is_refused_where_a_static_assignment_would_go_with_the_object(network: Network) -> None:
    static = SeenStatic(ObjectKey("host", ("home", "printer")), parse_prefix("10.0.0.20/32"))
    network.adopt({"d0": Seen((), seen("10.0.0.19-10.0.0.25").ranges, (), (static,))})
    with pytest.raises(InUse, match="host\\[home, printer\\]"):
        manage(network.database, ME, ["b1"], split=True)


def test_what_was_forced_out_and_is_there_still_is_a_zombie(network: Network) -> None:
    shown = {"d0": seen("10.0.0.0/28")}
    network.adopt(shown)
    force_release(network.database, ME, ["b1"])
    network.adopt(shown)
    with network.database.read() as tx:
        assert [(f.kind, f.block) for f in observations.list_findings(tx)] == [("zombie", 1)]
