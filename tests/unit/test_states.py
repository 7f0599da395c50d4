"""The edges of a block's life: the table of the design, nothing more, and nothing by surprise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.base.errors import IllegalTransition
from casm_ctrl.service.allocation import allocate
from casm_ctrl.store import blocks, free_space, past_blocks
from casm_ctrl.store.blocks import BlockRow, get_block, set_wanted, transition
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, list_events
from casm_ctrl.store.states import EDGES, State, Wanted, diagram, is_edge
from casm_ctrl.store.transaction import Transaction

ME = Author("tester")

# As the design has it, written out.
EXPECTED = {
    ("free", "reserved"),
    ("reserved", "installed"),
    ("installed", "draining"),
    ("draining", "installed"),
    ("reserved", "withdrawing"),
    ("installed", "withdrawing"),
    ("draining", "withdrawing"),
    ("installed", "reserved"),
    ("draining", "reserved"),
    ("withdrawing", "quarantined"),
    ("withdrawing", "free"),
    ("free", "installed"),
    ("reserved", "quarantined"),
    ("installed", "quarantined"),
    ("draining", "quarantined"),
    ("quarantined", "free"),
}

WAYS = {
    State.RESERVED: (),
    State.INSTALLED: (State.INSTALLED,),
    State.DRAINING: (State.INSTALLED, State.DRAINING),
    State.WITHDRAWING: (State.WITHDRAWING,),
    State.QUARANTINED: (State.QUARANTINED,),
}
"""How a test brings a new block into each state."""


def new_block(database: Database, state: State) -> BlockRow:
    answer = allocate(database, ME, "bng1/internet")
    with database.write() as tx:
        block = get_block(tx, int(answer["block"][0]["id"][1:]))
        for step in WAYS[state]:
            after = transition(tx, ME, block, step, "test", "set up")
            assert after is not None
            block = after
    assert block.state is state
    return block


def test_the_edges_are_those_of_the_design() -> None:
    assert {(edge.source.value, edge.target.value) for edge in EDGES} == EXPECTED
    assert len(EDGES) == len(EXPECTED), "an edge is written twice"
    for source, target in product(State, State):
        assert is_edge(source, target) == ((source.value, target.value) in EXPECTED)


@pytest.mark.parametrize("source", [state for state in State if state is not State.FREE])
def test_the_store_takes_these_edges_and_refuses_all_others(network: Database, source: State) -> None:
    for target in State:
        block = new_block(network, source)
        if is_edge(source, target):
            with network.write() as tx:
                after = transition(tx, ME, block, target, "test", "why")
                assert (after is None) == (target is State.FREE)
                if after is not None:
                    assert after == get_block(tx, block.id)
        else:
            with (
                pytest.raises(IllegalTransition, match=f"is {source.value} and cannot become {target.value}"),
                network.write() as tx,
            ):
                transition(tx, ME, block, target, "test", "why")
            with network.read() as tx:
                assert get_block(tx, block.id) == block


@pytest.mark.parametrize("source", [state for state in State if state is not State.FREE])
def test_a_block_that_moved_on_is_refused(network: Database, source: State) -> None:
    """Compare and set: whoever read an older generation changes nothing, along whatever edge."""
    for target in (target for target in State if is_edge(source, target)):
        old = new_block(network, source)
        with network.write() as tx:
            set_wanted(tx, ME, old, Wanted.ABSENT, "test")
        with network.read() as tx:
            before = get_block(tx, old.id)
        assert before.generation == old.generation + 1
        with pytest.raises(IllegalTransition, match="changed by somebody else"), network.write() as tx:
            transition(tx, ME, old, target, "test", "why")
        with network.read() as tx:
            assert get_block(tx, old.id) == before
            assert past_blocks.past_block(tx, old.id) is None


def test_every_change_of_a_block_compares_the_generation(network: Database) -> None:
    old = new_block(network, State.RESERVED)
    with network.write() as tx:
        set_wanted(tx, ME, old, Wanted.DRAINED, "test")
    changes: list[Callable[[Transaction], object]] = [
        lambda tx: set_wanted(tx, ME, old, Wanted.ABSENT, "test"),
        lambda tx: blocks.mark_sent(tx, old),
        lambda tx: blocks.mark_proven_empty(tx, old),
    ]
    for stale in changes:
        with pytest.raises(IllegalTransition, match="changed by somebody else"), network.write() as tx:
            stale(tx)


def test_a_freed_block_leaves_its_past_and_its_space(network: Database) -> None:
    block = new_block(network, State.WITHDRAWING)
    with network.write() as tx:
        assert transition(tx, ME, block, State.FREE, "test", "never sent") is None
    with network.read() as tx:
        assert blocks.find_block(tx, block.id) is None
        past = past_blocks.past_block(tx, block.id)
        assert past is not None
        assert (past.prefix, past.device_pool, past.pool) == (block.prefix, "bng1/internet", "p")
        assert past.members == (block.device_id,)
        assert [str(p) for p in free_space.free_prefixes(tx, block.pool_id, Family.IPV4)] == ["10.0.0.0/16"]
        assert blocks.block_counts(tx, block.pool_id) == {}
    again = new_block(network, State.RESERVED)
    assert again.prefix == block.prefix
    assert again.id == block.id + 1, "a number is never used again"


def test_each_step_is_one_row_of_the_audit(network: Database) -> None:
    block = new_block(network, State.DRAINING)
    with network.read() as tx:
        steps = list_events(tx, subject_kind="block", subject_id=block.id)
    assert [(step.source, step.target) for step in steps] == [
        ("free", "reserved"),
        ("reserved", "installed"),
        ("installed", "draining"),
    ]
    assert {step.actor for step in steps} == {"tester"}
    assert [step.seq for step in steps] == sorted(step.seq for step in steps)


def test_the_picture_in_the_documentation_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text().endswith(f"\n{diagram()}\n"), (
        "write it again from casm_ctrl.store.states.diagram()"
    )
    assert diagram().count(" --> ") == len(EXPECTED) + 1
