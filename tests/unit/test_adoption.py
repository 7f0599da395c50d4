"""Adoption, judged and written: random ranges on random devices, then the rules one by one, on both stores."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casm_ctrl.addressing.prefix import Prefix, Range, first_overlap, parse_prefix, parse_range
from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import IllegalTransition, InUse, LeaseLost
from casm_ctrl.base.identifiers import check_name
from casm_ctrl.drivers.interface import BlockMark, ObjectKey, Seen, SeenRange, SeenStatic
from casm_ctrl.service import adoption, intent
from casm_ctrl.service.adoption import Find, Outcome, fit_name
from casm_ctrl.service.adoption_facts import find_place, read_facts
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddGroup,
    AddPool,
    AddSpace,
    Edit,
    Exclude,
    Reserve,
    change,
)
from casm_ctrl.service.desired import read_desired
from casm_ctrl.service.lookup import the_device
from casm_ctrl.service.management import manage
from casm_ctrl.service.release import cancel_drain, drain, force_release, release
from casm_ctrl.service.rest import free_rested
from casm_ctrl.service.trace import trace
from casm_ctrl.store import adoptions, blocks, devices, free_space, observations, pools, static_assignments
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.states import State, Wanted
from casm_ctrl.sync.adopt import Adoption
from casm_ctrl.sync.adoption_judging import DeviceRead, Judgement, judge
from casm_ctrl.sync.adoption_proposals import propose
from casm_ctrl.sync.run import Options
from casm_ctrl.sync.visit import sight_of

ME = Author("tester", reason="test")
PATH = "ipv4-address-range"


def span(text: str) -> Range:
    first, _, last = text.partition("-")
    return parse_range(first, last) if last else parse_prefix(text).range


def on(pool: str, name: str, text: str | Range, **more: object) -> SeenRange:
    where = text if isinstance(text, Range) else span(text)
    return SeenRange(ObjectKey(PATH, (pool, name)), where, **more)  # type: ignore[arg-type]


def seen(*texts: str) -> Seen:
    return Seen((), tuple(on("home", f"r{number}", text) for number, text in enumerate(texts)))


def make(database: Database, *edits: Edit, count: int = 3) -> None:
    """Space s with pools p and q, and devices d0, d1, … which have nothing of ours."""
    made: list[Edit] = [
        AddSpace("s"),
        AddSpace("vpn"),
        AddPool("p", "s", ("10.0.0.0/24",), quarantine=3600, lease_time=3600),
        AddPool("q", "s", ("10.0.1.0/24",)),
        AddPool("six", "s", ("2001:db8::/112",)),
    ]
    made += (
        AddDevice(
            f"d{n}",
            "bng",
            "ietf-address-pool",
            f"192.0.2.{n}",
            830,
            "u",
            "env:X",
            "s",
            instances=(("red", "vpn"),),
        )
        for n in range(count)
    )
    change(database, ME, [*made, *edits])


class Network:
    """What `casm adopt` does with what devices show, without the devices."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def judge(self, shown: Mapping[str, Seen]) -> tuple[Adoption, Judgement]:
        run = Adoption(self.database, ME, Options(), lambda *_: None, False, True)
        with self.database.read() as tx:
            for name, what in shown.items():
                device = the_device(tx, name)
                instances = devices.device_instances(tx, device.id)
                run.reads[name] = DeviceRead(read_desired(tx, device), instances, what)
        run.judge()
        return run, run.judgement

    def adopt(self, shown: Mapping[str, Seen]) -> tuple[Judgement, list[Outcome]]:
        run, judgement = self.judge(shown)
        outcomes = []
        for unit in run.units.values():
            leased = {name: intent.claim_lease(self.database, name, f"test-{name}", "test") for name in unit}
            finds = [run.find_of(one) for name in unit for one in run.by_device.get(name, ())]
            sights = {name: sight_of(shown[name], proof=False) for name in unit}
            outcomes.append(adoption.adopt(self.database, ME, leased, sights, finds))
            for lease in leased.values():
                intent.release_lease(self.database, lease)
        return judgement, outcomes

    def check(self) -> list[Prefix]:
        """No two blocks overlap, and what is free, held or had makes up each pool. Returns the blocks."""
        live = []
        with self.database.read() as tx:
            for pool in pools.list_pools(tx):
                held = blocks.list_blocks(tx, pool_id=pool.id)
                parts = [
                    *free_space.free_prefixes(tx, pool.id, pool.family),
                    *(carve.prefix for carve in pools.list_carves(tx, pool_id=pool.id)),
                    *(block.prefix for block in held),
                ]
                assert first_overlap(parts) is None
                assert sum(p.size for p in parts) == sum(p.size for p in pools.pool_prefixes(tx, pool.id))
                counted = sum(blocks.block_counts(tx, pool.id).values())
                assert counted == len(held)
                live += [block.prefix for block in held]
        return live


@pytest.fixture
def network(database: Database) -> Network:
    make(database)
    return Network(database)


def kinds(judgement: Judgement, device: str = "d0") -> list[str]:
    return [conflict.kind for conflict in judgement.conflicts if conflict.device == device]


def states(database: Database) -> dict[str, State]:
    with database.read() as tx:
        return {str(block.prefix): block.state for block in blocks.list_blocks(tx)}


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


# --- What conflicts, and what it says -------------------------------------------------------------


def test_an_address_on_two_devices_is_a_conflict_on_both_in_either_order(network: Network) -> None:
    shown = {"d0": seen("10.0.0.0/26"), "d1": seen("10.0.0.32/27")}
    for order in (shown, dict(reversed(shown.items()))):
        _, judgement = network.judge(order)
        assert kinds(judgement, "d0") == kinds(judgement, "d1") == ["two-devices"]
        words = {c.device: c.words for c in judgement.conflicts}
        assert "d1" in words["d0"] and "d0" in words["d1"]


def test_what_an_earlier_read_showed_elsewhere_is_in_the_way(network: Network) -> None:
    network.adopt({"d0": seen("10.0.0.0/26"), "d1": seen("10.0.0.32/27")})
    _, judgement = network.judge({"d1": seen("10.0.0.32/27")})
    assert "two-devices" in kinds(judgement, "d1")


def test_one_range_in_many_others_is_told_with_a_few_of_them(network: Network) -> None:
    many = seen(*(f"10.0.0.{n}/32" for n in range(0, 200, 2)), "10.0.0.0/24")
    _, judgement = network.judge({"d0": many})
    assert set(kinds(judgement)) == {"overlap"}
    assert len(judgement.conflicts) == 101
    whole = next(c for c in judgement.conflicts if c.key.keys[1] == "r100")
    assert "and 97 more" in whole.words


def test_blocks_exclusions_and_reservations_are_in_the_way_by_name(network: Network) -> None:
    change(
        network.database,
        ME,
        [
            Exclude("p", "10.0.0.16/28"),
            Reserve("p", "10.0.0.32/28", "a link"),
            AddDevicePool("d2/internet", ("p",), 28),
        ],
    )
    allocate(network.database, ME, "d2/internet", prefix="10.0.0.64/28")
    shown = {"d0": seen("10.0.0.16/29", "10.0.0.40/29", "10.0.0.64/26", "10.0.0.128/28")}
    _, judgement = network.judge(shown)
    assert kinds(judgement) == ["excluded", "reserved", "block"]
    words = {c.kind: (c.words, c.remedy) for c in judgement.conflicts}
    assert "'casm pool include p 10.0.0.16/28'" in words["excluded"][1]
    assert "a link" in words["reserved"][0]
    assert "b1 10.0.0.64/28 of d2/internet (reserved)" in words["block"][0]
    assert [str(a.candidate.range) for a in judgement.adoptable] == ["10.0.0.128-10.0.0.143"]


def test_a_quarantined_block_is_named_with_the_end_of_its_rest(network: Network) -> None:
    change(network.database, ME, [AddDevicePool("d2/internet", ("p",), 28)])
    allocate(network.database, ME, "d2/internet", prefix="10.0.0.0/28")
    force_release(network.database, ME, ["b1"])
    _, judgement = network.judge({"d0": seen("10.0.0.8/29")})
    assert kinds(judgement) == ["quarantined"]
    assert "until 20" in judgement.conflicts[0].words


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("10.0.0.192-10.0.1.15", "border", "pools p and q"),
        ("10.0.1.240-10.0.2.15", "outside", "only 10.0.1.0/24 of pool 'q'"),
        ("192.0.2.0/28", "outside", "no pool has it"),
    ],
)
def test_what_no_pool_has_whole(network: Network, text: str, kind: str, words: str) -> None:
    run, judgement = network.judge({"d0": seen(text)})
    assert kinds(judgement) == [kind]
    assert words in judgement.conflicts[0].words
    if kind == "outside":
        assert "casm pool add adopted-s-v4 --space s --prefix" in judgement.conflicts[0].remedy
        assert len(run.proposals) == 1


def test_a_child_pool_has_what_was_cut_for_it(network: Network) -> None:
    child = AddPool("child", "s", ("10.0.0.0/26",), parent="p")
    change(network.database, ME, [child])
    _, judgement = network.judge({"d0": seen("10.0.0.0/27", "10.0.0.48-10.0.0.79")})
    assert [a.pool.name for a in judgement.adoptable] == ["child"]
    assert kinds(judgement) == ["border"]


def test_marks_and_instances_of_others(network: Network) -> None:
    with network.database.read() as tx:
        store = str(tx.one("SELECT store_id FROM store")[0])
    ranges = (
        on("home", "a", "10.0.0.0/28", mark=BlockMark("zzzzzz", 3)),
        on("home", "b", "10.0.0.16/28", mark=BlockMark(store, 77)),
        on("home", "c", "10.0.0.32/28", network_instance="blue"),
    )
    _, judgement = network.judge({"d0": Seen((), ranges)})
    assert kinds(judgement) == ["other-store", "orphan", "unmapped"]
    assert "--instance blue=SPACE" in judgement.conflicts[2].remedy


def test_the_same_addresses_in_two_spaces_are_two(network: Network) -> None:
    change(network.database, ME, [AddPool("vpn-p", "vpn", ("10.0.0.0/24",))])
    ranges = (
        on("home", "a", "10.0.0.0/28"),
        on("away", "b", "10.0.0.0/28", network_instance="red"),
    )
    judgement, (outcome,) = network.adopt({"d0": Seen((), ranges)})
    assert judgement.conflicts == []
    assert sorted(a.find.pool.name for a in outcome.adopted) == ["p", "vpn-p"]
    network.check()


# --- Proposals ------------------------------------------------------------------------------------


def test_missing_pools_are_proposed_with_few_prefixes(network: Network) -> None:
    shown = {
        "d0": seen("192.0.2.1-192.0.2.126", "192.0.2.128/25", "203.0.113.1-203.0.113.10"),
        "d1": seen("10.0.1.250-10.0.2.3"),
    }
    run, _ = network.judge(shown)
    assert [p.command for p in run.proposals] == [
        "casm pool add adopted-s-v4 --space s --prefix 10.0.2.0/30 --prefix 192.0.2.0/24 --prefix 203.0.113.0/28"
    ]


def test_devices_that_show_the_same_are_proposed_as_a_group(network: Network) -> None:
    change(
        network.database,
        ME,
        [AddDevice("dhcp", "dhcp", "ietf-address-pool", "192.0.2.9", 830, "u", "env:X", "s")],
    )
    shown = {
        "d0": seen("10.0.0.0/28", "10.0.0.16/28"),
        "d1": seen("10.0.0.0/28", "10.0.0.16/28"),
        "d2": seen("10.0.0.64/28"),
        "dhcp": seen("10.0.0.64/28"),
    }
    run, _ = network.judge(shown)
    assert [p.command for p in run.proposals] == [
        "casm group add d0-d1 --member d0:serves --member d1:serves",
        "casm group add d2-dhcp --member d2:relays --member dhcp:serves",
    ]
    with network.database.read() as tx:
        facts = read_facts(tx, run.reads)
        known = judge(run.reads.values(), facts, lambda *a: find_place(tx, *a))
    assert propose(known, facts, {}) != []


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
