"""Free space under somebody else's configuration is held, for as long as any device shows it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from casm_ctrl.addressing.prefix import Family, Range, parse_range
from casm_ctrl.base.errors import Exhausted
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddPool, AddSpace, RemovePool, change
from casm_ctrl.service.holding import hold, release_held
from casm_ctrl.service.release import release
from casm_ctrl.store import devices, free_space, observations, pools, spaces
from casm_ctrl.store.blocks import blocks_in_range
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.observations import FindingRow, RangeRow

ME = Author("tester", reason="test")


def show(database: Database, device: str, *spans: tuple[str, str], space: str = "s") -> None:
    """What recording a read does: the device shows exactly these foreign ranges."""
    with database.write() as tx:
        row = devices.find_device(tx, device)
        where = spaces.find_space(tx, space)
        assert row is not None
        assert where is not None
        ranges = [parse_range(*span) for span in spans]
        seen = [
            RangeRow("/range", (str(span),), None, where.id, span, None, drained=False) for span in ranges
        ]
        findings = [
            FindingRow(device, "foreign", "/range", (str(span),), block.id, True, tx.now, "there")
            for span in ranges
            for block in blocks_in_range(tx, where.id, span)
        ]
        observations.replace_findings(tx, row.id, findings)
        observations.replace_ranges(tx, row.id, seen)
        release_held(tx, row.id, [(where.id, span) for span in ranges])
        for span in ranges:
            hold(tx, where.id, span, row.id, "seen")


def held(database: Database, pool: str = "p") -> list[tuple[str, str | None]]:
    """(prefix, because of which device), in order."""
    with database.read() as tx:
        row = pools.find_pool(tx, pool)
        assert row is not None
        carves = pools.list_carves(tx, pool_id=row.id)
        return [(str(carve.prefix), carve.device) for carve in carves if carve.kind == "held"]


def free(database: Database, pool: str = "p", family: Family = Family.IPV4) -> list[str]:
    with database.read() as tx:
        row = pools.find_pool(tx, pool)
        assert row is not None
        return [str(prefix) for prefix in free_space.free_prefixes(tx, row.id, family)]


def all_free(database: Database, spans: Sequence[Range] = ()) -> None:
    assert held(database) == []
    assert free(database) == ["10.0.0.0/16"]


def test_what_is_seen_is_held_and_what_is_gone_is_free(network: Database) -> None:
    show(network, "bng1", ("10.0.0.10", "10.0.0.19"))
    assert held(network) == [
        ("10.0.0.10/31", "bng1"),
        ("10.0.0.12/30", "bng1"),
        ("10.0.0.16/30", "bng1"),
    ]
    usage = views.show_pool(network, "p")["usage"]
    assert (usage["held-addresses"], usage["total-addresses"]) == ("10", str(65536 - 10))
    assert usage["free-addresses"] == usage["total-addresses"]
    show(network, "bng1")
    all_free(network)


def test_reading_the_same_again_changes_nothing(network: Database) -> None:
    show(network, "bng1", ("10.0.0.10", "10.0.0.19"))
    before = (held(network), free(network))
    for _ in range(2):
        show(network, "bng1", ("10.0.0.10", "10.0.0.19"))
    assert (held(network), free(network)) == before


def test_nothing_is_allocated_from_held_space(network: Database) -> None:
    show(network, "bng1", ("10.0.0.0", "10.0.254.255"))
    assert allocate(network, ME, "bng2/internet")["block"][0]["prefix"] == "10.0.255.0/24"
    with pytest.raises(Exhausted):
        allocate(network, ME, "bng1/internet")


def test_a_range_may_grow_and_move(network: Database) -> None:
    show(network, "bng1", ("10.0.0.0", "10.0.0.255"))
    show(network, "bng1", ("10.0.0.0", "10.0.1.255"))
    assert held(network) == [("10.0.0.0/24", "bng1"), ("10.0.1.0/24", "bng1")]
    show(network, "bng1", ("10.0.1.0", "10.0.2.255"))
    assert held(network) == [("10.0.1.0/24", "bng1"), ("10.0.2.0/24", "bng1")]
    show(network, "bng1")
    all_free(network)


def test_space_outside_every_pool_is_nobodys(network: Database) -> None:
    show(network, "bng1", ("192.0.2.0", "192.0.2.255"), ("2001:db8::", "2001:db8::ffff"))
    all_free(network)


def test_a_range_over_the_edge_holds_what_is_inside(network: Database) -> None:
    show(network, "bng1", ("9.255.0.0", "10.0.0.255"), ("10.0.255.0", "255.255.255.255"))
    assert held(network) == [("10.0.0.0/24", "bng1"), ("10.0.255.0/24", "bng1")]


def test_a_range_over_several_pools_holds_in_each(network: Database) -> None:
    change(
        network, ME, [AddPool("q", "s", ("10.1.0.0/24", "10.1.2.0/24")), AddPool("r", "s", ("10.1.1.0/24",))]
    )
    show(network, "bng1", ("10.0.255.128", "10.1.2.127"))
    assert held(network, "p") == [("10.0.255.128/25", "bng1")]
    assert held(network, "q") == [("10.1.0.0/24", "bng1"), ("10.1.2.0/25", "bng1")]
    assert held(network, "r") == [("10.1.1.0/24", "bng1")]


def test_another_space_is_not_touched(network: Database) -> None:
    change(network, ME, [AddSpace("t"), AddPool("q", "t", ("10.0.0.0/16",))])
    show(network, "bng1", ("10.0.0.0", "10.0.0.255"))
    assert held(network, "q") == []


def test_two_devices_with_one_range(network: Database) -> None:
    """The space stays held until neither shows it, whichever goes first."""
    for first, second in (("bng1", "bng2"), ("bng2", "bng1")):
        show(network, first, ("10.0.0.0", "10.0.0.255"))
        show(network, second, ("10.0.0.128", "10.0.1.127"))
        assert held(network) == [("10.0.0.0/24", first), ("10.0.1.0/25", second)]
        show(network, first)
        assert held(network) == [("10.0.0.128/25", second), ("10.0.1.0/25", second)]
        show(network, second)
        all_free(network)


def test_blocks_are_not_held_but_what_is_free_around_them(network: Database) -> None:
    allocate(network, ME, "bng1/internet", count=2)
    show(network, "bng2", ("10.0.1.0", "10.0.2.255"))
    assert held(network) == [("10.0.2.0/24", "bng2")]


def test_a_block_that_is_freed_under_a_foreign_range_is_held(network: Database) -> None:
    """It was never sent, so it is free at once; somebody else's range over it is still there."""
    allocate(network, ME, "bng1/internet", count=2)
    show(network, "bng2", ("10.0.1.64", "10.0.1.127"))
    assert held(network) == []
    release(network, ME, ["b1", "b2"])
    assert held(network) == [("10.0.1.64/26", "bng2")]
    show(network, "bng2")
    all_free(network)


def test_a_pool_that_is_added_later(network: Database) -> None:
    show(network, "bng1", ("192.0.2.0", "192.0.2.9"))
    show(network, "bng2", ("192.0.2.8", "192.0.2.15"), ("2001:db8::", "2001:db8::f"))
    change(network, ME, [AddPool("q", "s", ("192.0.2.0/24",)), AddPool("six", "s", ("2001:db8::/64",))])
    assert [prefix for prefix, _ in held(network, "q")] == [
        "192.0.2.0/29",
        "192.0.2.8/31",
        "192.0.2.10/31",
        "192.0.2.12/30",
    ]
    assert held(network, "six") == [("2001:db8::/124", "bng2")]
    show(network, "bng1")
    show(network, "bng2")
    assert (held(network, "q"), free(network, "q")) == ([], ["192.0.2.0/24"])
    assert free(network, "six", Family.IPV6) == ["2001:db8::/64"]


def test_excluded_space_is_not_held_twice(network: Database) -> None:
    change(network, ME, [AddPool("q", "s", ("192.0.2.0/24",), exclude=("192.0.2.0/28",))])
    show(network, "bng1", ("192.0.2.0", "192.0.2.31"))
    assert held(network, "q") == [("192.0.2.16/28", "bng1")]
    show(network, "bng1")
    assert "192.0.2.0/28" not in free(network, "q")
    change(network, ME, [RemovePool("q")])
