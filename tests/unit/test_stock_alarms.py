"""Alarms about what is left in pools."""

from __future__ import annotations

import pytest

from casm_ctrl.base.errors import Exhausted
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevicePool,
    AddPool,
    RemoveDevicePool,
    RemovePool,
    Reserve,
    Unreserve,
    change,
)
from casm_ctrl.service.release import release
from casm_ctrl.service.stock_alarms import note_stock
from casm_ctrl.store import alarms as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

ME = Author("tester")


def _open(database: Database) -> list[tuple[str, str, str]]:
    with database.read() as tx:
        return [
            (alarm.type_id, alarm.severity, alarm.text)
            for alarm in store.list_alarms(tx)
            if not alarm.is_cleared
        ]


@pytest.fixture
def small(network: Database) -> Database:
    """A pool of sixteen blocks, and who draws from it alone."""
    change(
        network, ME, [AddPool("small", "s", ("10.8.0.0/20",)), AddDevicePool("bng1/small", ("small",), 24)]
    )
    return network


def test_a_pool_with_much_left_has_no_alarm(small: Database) -> None:
    note_stock(small)
    assert _open(small) == []


def test_little_is_minor_and_nothing_critical(small: Database) -> None:
    blocks = allocate(small, ME, "bng1/small", count=15)["block"]
    note_stock(small)
    words = "6 % of its addresses are free, less than 10 %"
    assert _open(small) == [("pool-low", "minor", words)]
    allocate(small, ME, "bng1/small")
    note_stock(small)
    assert _open(small) == [("pool-exhausted", "critical", "it has no /24 for bng1/small: nothing is free")]
    release(small, ME, [block["id"] for block in blocks[:4]])
    note_stock(small)
    assert _open(small) == []


def test_a_refused_allocation_looks_at_once(small: Database) -> None:
    allocate(small, ME, "bng1/small", count=16)
    assert _open(small) == []
    with pytest.raises(Exhausted):
        allocate(small, ME, "bng1/small")
    assert [type_id for type_id, _, _ in _open(small)] == ["pool-exhausted"]


def test_who_has_another_pool_is_not_without(small: Database) -> None:
    change(
        small,
        ME,
        [RemoveDevicePool("bng1/small"), AddDevicePool("bng1/both", ("small", "p"), 24)],
    )
    allocate(small, ME, "bng1/both", count=16)
    note_stock(small)
    assert [(type_id, severity) for type_id, severity, _ in _open(small)] == [("pool-exhausted", "major")]


def test_what_is_free_only_in_pieces_is_nothing_to_who_needs_more(small: Database) -> None:
    change(small, ME, [AddDevicePool("bng2/large", ("small",), 20)])
    allocate(small, ME, "bng1/small")
    note_stock(small)
    words = "it has no /20 for bng2/large: its largest free block is a /21"
    assert _open(small) == [("pool-exhausted", "critical", words)]


def test_a_pool_that_nobody_draws_from_and_one_that_is_gone_have_none(small: Database) -> None:
    change(small, ME, [Reserve("small", "10.8.0.0/20", "not yet")])
    note_stock(small)
    assert len(_open(small)) == 1
    change(small, ME, [Unreserve("small", "10.8.0.0/20"), RemoveDevicePool("bng1/small")])
    change(small, ME, [RemovePool("small")])
    assert _open(small) == []
