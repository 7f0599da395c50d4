"""Adoption, written: random ranges on random devices, then the rules one by one, on both stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Range, parse_prefix
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import LeaseLost, PlanOutdated
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.drivers.interface import Seen
from casm_ctrl.service import adoption, intent
from casm_ctrl.service.adoption import Find, Outcome, fit_name
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevicePool,
    AddGroup,
    change,
)
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.trace import trace
from casm_ctrl.store import blocks, devices, observations
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.states import State
from casm_ctrl.sync.report import Report
from casm_ctrl.sync.run import running
from casm_ctrl.sync.visit import sight_of
from tests.adoption_world import ME, Network, make, on, seen, states


@pytest.fixture
def network(database: Database) -> Network:
    make(database)
    return Network(database)


# --- All at once ----------------------------------------------------------------------------------

_spans = st.builds(
    lambda base, first, size: Range(base.family, base.first + first, base.first + first + size),
    st.sampled_from([parse_prefix("10.0.0.0/16"), parse_prefix("2001:db8::/64")]),
    st.integers(0, 600),
    st.integers(0, 70),
)


@pytest.fixture(scope="module")
def prepared(store_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adoption") / "casm.db"
    shutil.copyfile(store_template, path)
    database = open_database(str(path), ManualClock())
    make(database, AddGroup("pair", (("d1", "serves"), ("d2", "stands-by"))))
    database.close()
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), _spans), max_size=10), st.lists(_spans, max_size=2))
def test_random_ranges_on_random_devices(
    prepared: Path,
    tmp_path_factory: pytest.TempPathFactory,
    placed: list[tuple[int, Range]],
    shared: list[Range],
) -> None:
    path = tmp_path_factory.mktemp("run") / "casm.db"
    shutil.copyfile(prepared, path)
    database = open_database(str(path), ManualClock())
    try:
        _hold_to_the_rules(Network(database), [*placed, *((n, s) for s in shared for n in (1, 2))])
    finally:
        database.close()


def _hold_to_the_rules(network: Network, placed: list[tuple[int, Range]]) -> None:
    ranges: dict[str, list[Range]] = {f"d{n}": [] for n in range(3)}
    for number, where in placed:
        ranges[f"d{number}"].append(where)
    shown = {
        name: Seen((), tuple(on(f"v{s.family.number}", f"r{n}", s) for n, s in enumerate(own)))
        for name, own in ranges.items()
    }
    judgement, outcomes = network.adopt(shown)
    everything = [(name, n, s) for name, own in ranges.items() for n, s in enumerate(own)]
    bad = {(c.device, c.key.keys[1]) for c in judgement.conflicts}
    adopted = {
        (name, keys[1]) for o in outcomes for one in o.adopted for name, (_, keys) in one.find.objects.items()
    }
    bad |= refused(outcomes)
    # Each range is adopted or in conflict, and never both.
    assert bad | adopted == {(name, f"r{n}") for name, n, _ in everything}
    assert not bad & adopted
    # Who shares addresses with another is in conflict, and so is the other, unless they are a group's.
    for (a, n, first), (b, m, second) in combinations(everything, 2):
        if not first.overlaps(second):
            continue
        alike = first == second and {a, b} == {"d1", "d2"}
        if alike:
            assert ((a, f"r{n}") in bad) == ((b, f"r{m}") in bad)
        else:
            assert {(a, f"r{n}"), (b, f"r{m}")} <= bad
    live = network.check()
    wanted = {s for name, n, s in everything if (name, f"r{n}") in adopted}
    assert sum(p.size for p in live) == sum(s.size for s in wanted)
    # Once more changes nothing.
    again, outcomes = network.adopt(shown)
    assert not any(outcome.adopted for outcome in outcomes)
    assert network.check() == live
    assert {(c.device, c.key.keys[1]) for c in again.conflicts} | refused(outcomes) == bad


def refused(outcomes: Iterable[Outcome]) -> set[tuple[str, str]]:
    """A pool of one name cannot be a group's and one device's."""
    found = [one for outcome in outcomes for one in outcome.refused]
    assert {one.kind for one in found} <= {"owner"}
    return {(name, keys[1]) for one in found for name, (_, keys) in one.find.objects.items()}


# --- Written --------------------------------------------------------------------------------------


def test_names_are_kept_and_made_fit(network: Network) -> None:
    ranges = (
        on("Vienna West / DSL", "a", "10.0.0.0/28"),
        on("Vienna West . DSL", "b", "10.0.0.16/28"),
        on("b7", "c", "10.0.0.32/28"),
    )
    _, (outcome,) = network.adopt({"d0": Seen((), ranges)})
    assert [(edit.name, edit.aaa_name) for edit in outcome.made] == [
        ("d0/Vienna-West---DSL", "Vienna West / DSL"),
        ("d0/Vienna-West-.-DSL", "Vienna West . DSL"),
        ("d0/pool-b7", "b7"),
    ]


@given(st.text(max_size=80))
def test_any_text_is_made_a_name(text: str) -> None:
    assert check_name("device pool", fit_name(text))


def test_a_device_pool_that_is_there_is_used(network: Network) -> None:
    change(network.database, ME, [AddDevicePool("d0/internet", ("p",), 28, aaa_name="home")])
    _, (outcome,) = network.adopt({"d0": seen("10.0.0.0/28", "10.0.1.0/28", "2001:db8::/120")})
    assert outcome.made == []
    assert [a.device_pool for a in outcome.adopted] == ["d0/internet"] * 2
    assert [(r.kind, str(r.find.range)) for r in outcome.refused] == [("mixed", "2001:db8::-2001:db8::ff")]


def test_families_of_one_pool_are_told_apart(network: Network) -> None:
    _, (outcome,) = network.adopt({"d0": seen("10.0.0.0/28", "10.0.0.16/28", "2001:db8::/120")})
    assert [edit.name for edit in outcome.made] == ["d0/home"]
    assert [r.kind for r in outcome.refused] == ["mixed"]
    assert len(outcome.adopted) == 2
    network.check()


def test_trace_knows_what_was_adopted(network: Network) -> None:
    network.adopt({"d0": seen("10.0.0.3-10.0.0.9")})
    found = trace(network.database, "10.0.0.5")
    assert "d0" in str(found)
    with network.database.read() as tx:
        rows = tx.all("SELECT verb, source, target, reason FROM event WHERE subject_kind = 'block'")
    assert {row[:3] for row in rows} == {("adopt", "free", "installed")}
    assert all("ipv4-address-range[home, r0] on d0" in row[3] for row in rows)


def test_a_group_has_what_all_its_members_show(network: Network) -> None:
    change(network.database, ME, [AddGroup("pair", (("d0", "serves"), ("d1", "stands-by")))])
    first = {"d0": seen("10.0.0.0/28"), "d1": seen("10.0.0.0/28", "10.0.0.16/28")}
    judgement, outcomes = network.adopt(first)
    assert judgement.conflicts == []
    assert [(a.device_pool, sorted(a.find.objects)) for o in outcomes for a in o.adopted] == [
        ("d0/home", ["d0", "d1"])
    ]
    # d1's own range is in the pool of the group's name: the words say whose it is.
    (refused,) = [r for o in outcomes for r in o.refused]
    assert (refused.kind, "group 'pair'" in refused.words) == ("owner", True)
    with network.database.read() as tx:
        assert [str(b.prefix) for b in blocks.list_blocks(tx, device_id=the_device(tx, "d1").id)] == [
            "10.0.0.0/28"
        ]


def test_nothing_is_written_where_the_lease_was_lost(network: Network) -> None:
    run, _ = network.judge({"d0": seen("10.0.0.0/28")})
    lease = intent.claim_lease(network.database, "d0", "one", "one")
    intent.release_lease(network.database, lease)
    intent.claim_lease(network.database, "d0", "two", "two")
    (one,) = run.judgement.adoptable
    sights = {"d0": sight_of(run.reads["d0"].seen, proof=False)}
    with pytest.raises(LeaseLost):
        adoption.adopt(network.database, ME, {"d0": lease}, sights, [run.find_of(one)])
    assert states(network.database) == {}


def test_what_was_allocated_meanwhile_is_told_and_the_rest_is_adopted(network: Network) -> None:
    change(network.database, ME, [AddDevicePool("d2/internet", ("p",), 28)])
    shown = {"d0": seen("10.0.0.0/28", "10.0.0.16/28")}
    run, _ = network.judge(shown)
    allocate(network.database, ME, "d2/internet", prefix="10.0.0.0/28")
    finds: Iterable[Find] = [run.find_of(one) for one in run.judgement.adoptable]
    lease = intent.claim_lease(network.database, "d0", "one", "one")
    sights = {"d0": sight_of(shown["d0"], proof=False)}
    outcome = adoption.adopt(network.database, ME, {"d0": lease}, sights, list(finds))
    assert [(r.kind, "d2/internet has b1" in r.words) for r in outcome.refused] == [("taken", True)]
    assert [str(a.find.range) for a in outcome.adopted] == ["10.0.0.16-10.0.0.31"]
    network.check()


def test_a_rehearsal_writes_nothing(network: Network) -> None:
    run, _ = network.judge({"d0": seen("10.0.0.0/28")})
    sights = {"d0": sight_of(run.reads["d0"].seen, proof=False)}
    finds = [run.find_of(one) for one in run.judgement.adoptable]
    outcome = adoption.rehearse(network.database, ME, sights, finds)
    assert len(outcome.adopted) == 1
    assert states(network.database) == {}
    with network.database.read() as tx:
        assert devices.list_device_pools(tx) == []
        assert observations.list_ranges(tx, the_device(tx, "d0").id) == []


async def test_a_device_that_somebody_worked_on_since_it_was_read_is_refused(network: Network) -> None:
    run, _ = network.judge({"d0": seen("10.0.0.0/28")})
    mine = intent.claim_lease(network.database, "d0", "reader", "test")
    intent.release_lease(network.database, mine)
    run.generations["d0"] = mine.generation
    intent.release_lease(network.database, intent.claim_lease(network.database, "d0", "other", "test"))
    async with running(network.database, ME, run.options, run.progress) as going:
        with pytest.raises(PlanOutdated, match="worked on by somebody else"):
            await run.write_one(going, Report("d0"))
        assert states(network.database) == {}
        run.generations["d0"] += 2
        await run.write_one(going, Report("d0"))
    assert states(network.database) == {"10.0.0.0/28": State.INSTALLED}
