"""Many blocks at once are written in few statements, and are the same rows as one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Family, Prefix
from casm_ctrl.base.errors import Overlap
from casm_ctrl.service.allocation import allocate
from casm_ctrl.store import block_members, blocks, devices, pools
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, list_events
from casm_ctrl.store.states import State, Wanted

ME = Author("me", "r1", "because")
FAMILIES = (Family.IPV4, Family.PORTS, Family.IPV6)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 49, 50, 51, 56, 106])
def test_each_block_of_a_batch_has_its_rows(network: Database, count: int) -> None:
    answer = allocate(network, ME, "bng1/internet", count=count)["block"]
    prefixes = [block["prefix"] for block in answer]
    assert prefixes == [f"10.0.{number}.0/24" for number in range(count)]
    with network.read() as tx:
        rows = blocks.list_blocks(tx)
        members = block_members.list_members(tx, [row.id for row in rows])
        events = [event for event in list_events(tx, limit=1000) if event.subject_kind == "block"]
        counts = blocks.block_counts(tx, rows[0].pool_id)
    assert [(row.name, str(row.prefix)) for row in rows] == [(b["id"], b["prefix"]) for b in answer]
    assert {(row.device_pool, row.state, row.wanted, row.generation) for row in rows} == {
        ("bng1/internet", State.RESERVED, Wanted.PRESENT, 1)
    }
    assert [[(m.device, m.role) for m in members[row.id]] for row in rows] == [[("bng1", "serves")]] * count
    assert [(event.subject_id, event.subject) for event in events] == [(row.id, row.label) for row in rows]
    assert {(e.actor, e.request_id, e.verb, e.source, e.target, e.reason) for e in events} == {
        ("me", "r1", "allocate", "free", "reserved", "because")
    }
    assert counts == {(State.RESERVED, 24): count}


@pytest.mark.parametrize("count", [2, 60])
def test_the_database_refuses_an_overlap_within_a_batch(network: Database, count: int) -> None:
    with pytest.raises(Overlap), network.write() as tx:
        row = devices.find_device_pool(tx, "bng1", "internet")
        pool = pools.find_pool(tx, "p")
        assert row is not None
        assert pool is not None
        prefixes = [Prefix(Family.IPV4, 0x0A000000 + (number << 8), 24) for number in range(count)]
        prefixes[-1] = Prefix(Family.IPV4, prefixes[-2].first, 25)
        blocks.insert_blocks(tx, ME, row, devices.owner_members(tx, row.owner_id), pool, prefixes)
    with network.read() as tx:
        assert blocks.list_blocks(tx) == []


@given(st.data())
def test_the_beginning_of_a_prefix_is_its_first_parts(data: st.DataObject) -> None:
    family = data.draw(st.sampled_from(FAMILIES))
    length = data.draw(st.integers(0, family.width))
    bits = data.draw(st.integers(0, min(4, family.width - length)))
    first = data.draw(st.integers(0, (1 << length) - 1)) << (family.width - length)
    whole = Prefix(family, first, length)
    parts = [whole]
    for _ in range(bits):
        parts = [half for part in parts for half in part.halves()]
    count = data.draw(st.integers(0, len(parts)))
    assert whole.beginning(length + bits, count) == [part.plain for part in parts[:count]]
