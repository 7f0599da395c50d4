"""What of all devices together can be adopted, what is in the way, what is proposed, and how it is told."""

from __future__ import annotations

import pytest

from casm_ctrl.cli.adopt import show_adopted
from casm_ctrl.cli.output import print_parts
from casm_ctrl.drivers.interface import BlockMark, Seen
from casm_ctrl.service.adoption_facts import find_place, read_facts
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevice,
    AddDevicePool,
    AddPool,
    Exclude,
    Reserve,
    change,
)
from casm_ctrl.service.release import force_release
from casm_ctrl.store.database import Database
from casm_ctrl.sync.adoption_judging import judge
from casm_ctrl.sync.adoption_proposals import propose
from tests.adoption_world import ME, Network, kinds, make, on, seen


@pytest.fixture
def network(database: Database) -> Network:
    make(database)
    return Network(database)


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


def test_public_addresses_of_another_space_are_in_the_way(network: Network) -> None:
    change(
        network.database,
        ME,
        [AddPool("out", "vpn", ("192.0.2.0/24",), scope="public"), AddPool("in", "s", ("192.0.2.0/24",))],
    )
    _, judgement = network.judge({"d0": seen("192.0.2.0/28")})
    assert kinds(judgement) == ["public"]
    assert "pool 'out' in space 'vpn'" in judgement.conflicts[0].words


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


# --- Shown ----------------------------------------------------------------------------------------


def test_a_person_sees_what_was_adopted_and_what_was_not(capsys: pytest.CaptureFixture[str]) -> None:
    conflict = {
        "kind": "outside",
        "object": "r[a]",
        "range": "192.0.2.0-192.0.2.9",
        "words": "no pool has it",
        "remedy": "add one",
    }
    adopted = {
        "object": "r[b]",
        "range": "10.0.0.3-10.0.0.9",
        "pool": "p",
        "device-pool": "d0/home",
        "block": [{"id": "b1", "prefix": "10.0.0.3/32"}, {"id": "b2", "prefix": "10.0.0.4/30"}],
        "static": [],
    }
    listed = [
        {"name": f"d{n}", "result": "conflicts", "adopted": [adopted], "conflict": [conflict], "ours": "2"}
        for n in range(25)
    ]
    proposal = {"kind": "pool", "command": "casm pool add x", "words": "25 ranges are in no pool"}
    found = {"device": listed, "proposal": [proposal], "dry-run": True}
    print_parts(show_adopted({**found, "ranges": "25", "blocks": "50", "conflicts": "25"}))
    out = capsys.readouterr().out
    assert "b1, b2" in out
    assert "… and 5 conflicts more: --json or --report FILE shows all." in out
    assert "25 ranges are in no pool:\n  casm pool add x" in out
    assert "25 ranges would be adopted as 50 blocks on 25 devices, 25 conflicts" in out
    one = {
        "device": listed[:1],
        "proposal": [],
        "dry-run": True,
        "ranges": "1",
        "blocks": "1",
        "conflicts": "1",
    }
    print_parts(show_adopted(one))
    assert "1 range would be adopted as 1 block on 1 device, 1 conflict;" in capsys.readouterr().out
