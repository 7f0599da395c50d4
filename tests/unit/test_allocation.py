"""Allocate, release, drain and quarantine, on the store only."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from casm_ctrl.addressing.prefix import first_overlap, parse_prefix
from casm_ctrl.base.clock import ManualClock, from_rfc3339
from casm_ctrl.base.errors import Ambiguous, Exhausted, IllegalTransition, InvalidValue, NotFound
from casm_ctrl.base.identifiers import parse_block_id
from casm_ctrl.service import rest, views
from casm_ctrl.service.allocation import MOST_AT_ONCE, allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.release import cancel_drain, drain, force_release, release
from casm_ctrl.store import blocks, devices, observations
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.observations import FindingRow
from casm_ctrl.store.states import State, Wanted

ME = Author("tester", reason="test")
SILENT = Author("tester")
HOUR, DAY = 3600, 86400


def prefixes(database: Database, device_pool: str, count: int = 1, length: int | None = None) -> list[str]:
    answer = allocate(database, ME, device_pool, count=count, length=length)
    return [block["prefix"] for block in answer["block"]]


def usage(database: Database, pool: str = "p") -> dict[str, Any]:
    shown: dict[str, Any] = views.show_pool(database, pool)["usage"]
    return shown


def send(database: Database, name: str) -> None:
    with database.write() as tx:
        blocks.mark_sent(tx, blocks.get_block(tx, parse_block_id(name) or 0))


def go(database: Database, name: str, *states: State, empty: bool = False) -> None:
    """What observations would do: take a block along the edges."""
    with database.write() as tx:
        block = blocks.get_block(tx, parse_block_id(name) or 0)
        if empty:
            block = blocks.mark_proven_empty(tx, block)
        for state in states:
            after = blocks.transition(tx, ME, block, state, "test", "test")
            assert after is not None
            block = after


def sweep(database: Database) -> int:
    with database.write() as tx:
        return rest.free_rested(tx)


def find(database: Database, device: str, *names: str, holds: bool = True) -> None:
    """Make the findings of a device these: something foreign shares addresses with the blocks."""
    with database.write() as tx:
        row = devices.find_device(tx, device)
        assert row is not None
        found = [
            FindingRow(device, "foreign", "/x", (name,), parse_block_id(name), holds, tx.now, "there")
            for name in names
        ]
        observations.replace_findings(tx, row.id, found)


# --- Allocate -------------------------------------------------------------------------------------


def test_the_answer(network: Database) -> None:
    answer = allocate(network, ME, "bng1/internet", count=2)
    assert answer["block"][1] == {
        "id": "b2",
        "prefix": "10.0.1.0/24",
        "address-space": "s",
        "pool": "p",
        "device-pool": "bng1/internet",
        "wanted": "present",
        "state": "reserved",
        "since": "2023-11-14T22:13:20.000000Z",
    }
    assert answer["block"] == views.list_blocks(network), "it says what a list says"


def test_a_new_block_has_its_members(network: Database) -> None:
    allocate(network, ME, "bng2/internet")
    assert views.show_block(network, "b1")["member"] == [
        {"device": "bng2", "role": "serves", "seen": "unknown", "since": "2023-11-14T22:13:20.000000Z"}
    ]


@pytest.mark.parametrize("length", [16, 17, 24, 25, 31, 32])
def test_any_length_that_the_pool_holds(network: Database, length: int) -> None:
    assert prefixes(network, "bng1/internet", length=length) == [f"10.0.0.0/{length}"]


@pytest.mark.parametrize("length", [-1, 33])
def test_a_length_that_is_none_is_refused(network: Database, length: int) -> None:
    with pytest.raises(InvalidValue, match=f"/{length} is not a block length of ipv4"):
        allocate(network, ME, "bng1/internet", length=length)


@pytest.mark.parametrize("count", [0, -1, MOST_AT_ONCE + 1])
def test_a_count_that_makes_no_sense_is_refused(network: Database, count: int) -> None:
    with pytest.raises(InvalidValue, match=f"{count} blocks were asked for"):
        allocate(network, ME, "bng1/internet", count=count)


def test_an_unknown_device_pool_is_refused(network: Database) -> None:
    with pytest.raises(NotFound, match="there is no device 'bng9' \\(known are bng1, bng2\\)"):
        allocate(network, ME, "bng9/internet")


def test_a_pool_is_used_to_its_last_block_and_then_refuses(network: Database) -> None:
    got = prefixes(network, "bng1/internet", 255) + prefixes(network, "bng2/internet")
    assert len(set(got)) == 256
    assert first_overlap(map(parse_prefix, got)) is None
    before = (views.list_blocks(network), usage(network))
    with pytest.raises(Exhausted) as caught:
        allocate(network, ME, "bng1/internet")
    assert caught.value.message == (
        "1 block(s) of /24 were asked for 'bng1/internet', 0 could be had; then pool 'p' has nothing else free"
    )
    assert (views.list_blocks(network), usage(network)) == before
    [alarm] = views.status(network)["alarm-summary"]
    assert (alarm["severity"], alarm["not-cleared"]) == ("critical", 1)


def test_exhaustion_is_all_or_none(network: Database) -> None:
    prefixes(network, "bng1/internet", 250)
    before = (views.list_blocks(network), usage(network))
    with pytest.raises(
        Exhausted, match="7 block\\(s\\) of /24 were asked for 'bng1/internet', 6 could be had"
    ):
        allocate(network, ME, "bng1/internet", count=7)
    assert (views.list_blocks(network), usage(network)) == before
    assert {event["verb"] for event in views.audit(network, limit=2)} <= {"allocate", "alarm"}
    assert len(prefixes(network, "bng1/internet", 6)) == 6


def test_a_refusal_names_the_largest_that_is_left(network: Database) -> None:
    prefixes(network, "bng1/internet", length=17)
    with pytest.raises(Exhausted, match="pool 'p' has a /17 as its largest free block"):
        allocate(network, ME, "bng1/internet", length=16)


def test_a_refusal_names_another_pool_that_has_one(network: Database) -> None:
    edits: list[Edit] = [
        AddPool("small", "s", ("192.0.2.0/26",)),
        AddPool("other", "s", ("198.51.100.0/24",)),
        AddPool("third", "s", ("203.0.113.0/24",)),
        AddPool("six", "s", ("2001:db8::/32",)),
        AddDevicePool("bng1/x", ("small", "p"), 26),
    ]
    change(network, ME, edits)
    with pytest.raises(Exhausted) as caught:
        allocate(network, ME, "bng1/x", length=24, pools=["small"])
    assert caught.value.message == (
        "1 block(s) of /24 were asked for 'bng1/x', 0 could be had; then pool 'small' has a /26 as its largest free"
        " block; pool 'p' has a /16, and was not to be used"
    )
    assert caught.value.remedy.startswith("allow it with --pool p, or ask for fewer")
    allocate(network, ME, "bng1/x", length=16, pools=["p"])
    with pytest.raises(Exhausted) as caught:
        allocate(network, ME, "bng1/x", length=24)
    assert caught.value.message.endswith(
        "; pool 'other' has a /24, pool 'third' has a /24, and 'bng1/x' does not draw from them"
    )
    assert caught.value.remedy.startswith(
        "let it do so with 'casm device-pool change bng1/x --pool small --pool p --pool other', or"
    )


def test_an_id_of_a_refused_allocation_is_not_lost_or_doubled(network: Database) -> None:
    with pytest.raises(Exhausted):
        allocate(network, ME, "bng1/internet", count=257)
    ids = [
        block["id"] for _ in range(3) for block in allocate(network, ME, "bng1/internet", count=2)["block"]
    ]
    numbers = [int(name[1:]) for name in ids]
    first = 1 if network.dialect == "sqlite" else numbers[0]  # a sequence is not taken back
    assert numbers == list(range(first, first + 6))


def test_several_pools_are_used_in_their_order(network: Database) -> None:
    edits: list[Edit] = [
        AddPool("first", "s", ("192.0.2.0/26",), exclude=("192.0.2.16/28",)),
        AddPool("second", "s", ("198.51.100.0/27",), scope="public"),
        AddDevicePool("bng1/both", ("second", "first"), 28),
    ]
    change(network, ME, edits)
    assert prefixes(network, "bng1/both", 3) == ["198.51.100.0/28", "198.51.100.16/28", "192.0.2.0/28"]
    with pytest.raises(
        Exhausted, match="pool 'second' has nothing else free, pool 'first' has nothing else free"
    ):
        allocate(network, ME, "bng1/both", count=3)
    assert prefixes(network, "bng1/both", 2) == ["192.0.2.32/28", "192.0.2.48/28"]
    assert usage(network, "second")["free-addresses"] == "0"


def test_excluded_space_is_never_given(network: Database) -> None:
    pool = AddPool("q", "s", ("192.0.2.0/24",), exclude=("192.0.2.0/32", "192.0.2.255/32"))
    change(network, ME, [pool, AddDevicePool("bng1/q", ("q",), 32)])
    got = prefixes(network, "bng1/q", 254)
    assert len(set(got)) == 254
    assert not {"192.0.2.0/32", "192.0.2.255/32"} & set(got)
    with pytest.raises(Exhausted):
        allocate(network, ME, "bng1/q")


def test_delegated_prefixes(network: Database) -> None:
    pool = AddPool("six", "s", ("2001:db8::/32",), exclude=("2001:db8::/48",))
    change(network, ME, [pool, AddDevicePool("bng1/pd", ("six",), 56)])
    got = prefixes(network, "bng1/pd", 300)
    assert got[0] == "2001:db8:1::/56"
    assert got[299] == "2001:db8:2:2b00::/56"
    assert all(parse_prefix(b).first - parse_prefix(a).last == 1 for a, b in pairwise(got))
    shown = usage(network, "six")
    assert shown["total-addresses"] == str((1 << 96) - (1 << 80))
    assert shown["allocated-addresses"] == str(300 << 72)


@pytest.mark.parametrize(
    ("prefix", "length", "last"),
    [("0.0.0.0/0", 8, "31.0.0.0/8"), ("::/0", 64, "0:0:0:1f::/64"), ("fc00::/7", 128, "fc00::1f/128")],
)
def test_the_largest_pools_cost_no_more(database: Database, prefix: str, length: int, last: str) -> None:
    edits: list[Edit] = [
        AddSpace("s"),
        AddPool("big", "s", (prefix,)),
        AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
        AddDevicePool("bng1/i", ("big",), length),
    ]
    change(database, ME, edits)
    assert prefixes(database, "bng1/i", 32)[-1] == last
    release(database, ME, [f"b{number}" for number in range(1, 33)])
    assert usage(database, "big")["free-addresses"] == usage(database, "big")["total-addresses"]


# --- Release --------------------------------------------------------------------------------------


def test_what_was_never_sent_is_free_at_once_and_merged(network: Database) -> None:
    prefixes(network, "bng1/internet", 3)
    assert usage(network)["largest-free-length"] == 17
    answer = release(network, ME, ["b2", "10.0.0.0/24", "b3"])
    assert [(b["id"], b["state"]) for b in answer["block"]] == [
        ("b2", "free"),
        ("b1", "free"),
        ("b3", "free"),
    ]
    assert usage(network)["largest-free-length"] == 16
    assert usage(network)["block-count"] == []


def test_what_was_sent_waits_for_proof(network: Database) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    go(network, "b1", State.INSTALLED)
    (block,) = release(network, ME, ["b1"])["block"]
    assert (block["state"], block["wanted"]) == ("installed", "absent")
    assert usage(network)["allocated-addresses"] == "256"


def test_releasing_again_changes_nothing(network: Database) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    first = release(network, ME, ["b1"])
    with network.read() as tx:
        before = blocks.get_block(tx, 1)
    assert release(network, ME, ["b1"]) == first
    with network.read() as tx:
        assert blocks.get_block(tx, 1) == before


def test_a_freed_block_is_said_to_be_free(network: Database) -> None:
    prefixes(network, "bng1/internet")
    release(network, ME, ["b1"])
    with pytest.raises(
        NotFound, match=r"block b1 \(10\.0\.0\.0/24, bng1/internet\) became free at 2023-11-14"
    ):
        release(network, ME, ["b1"])
    with pytest.raises(NotFound, match="no block has the prefix"):
        release(network, ME, ["10.0.0.0/24"])


def test_a_release_is_all_or_none(network: Database) -> None:
    prefixes(network, "bng1/internet", 2)
    with pytest.raises(NotFound, match="there is no block b3"):
        release(network, ME, ["b1", "b2", "b3"])
    assert [block["wanted"] for block in views.list_blocks(network)] == ["present", "present"]
    with pytest.raises(InvalidValue, match="no block was named"):
        release(network, ME, [])


def test_a_prefix_in_two_spaces_is_ambiguous(network: Database) -> None:
    edits: list[Edit] = [
        AddSpace("t"),
        AddPool("q", "t", ("10.0.0.0/16",)),
        AddDevice("bng3", "bng", "ietf-address-pool", "192.0.2.3", 830, "casm", "env:SECRET", "t"),
        AddDevicePool("bng3/internet", ("q",), 24),
    ]
    change(network, ME, edits)
    prefixes(network, "bng1/internet")
    prefixes(network, "bng3/internet")
    with pytest.raises(Ambiguous, match=r"10\.0\.0\.0/24 is more than one block: b1 in s, b2 in t"):
        release(network, ME, ["10.0.0.0/24"])
    assert release(network, ME, ["10.0.0.0/24"], space="t")["block"][0]["id"] == "b2"
    with pytest.raises(NotFound, match="there is no address space 'u'"):
        release(network, ME, ["10.0.0.0/24"], space="u")


@pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)
def test_a_prefix_is_looked_up_not_searched_for(network: Database) -> None:
    """Releasing a thousand blocks by prefix must not read all blocks a thousand times."""
    with network.read() as tx:
        ran: list[str] = []
        tx._cursor.connection.set_trace_callback(ran.append)  # type: ignore[attr-defined]
        blocks.find_blocks_at(tx, parse_prefix("10.0.0.0/24"))
        tx._cursor.connection.set_trace_callback(None)  # type: ignore[attr-defined]
        plan = [str(row[3]) for row in tx.all(f"EXPLAIN QUERY PLAN {ran[0]}")]
    assert any("block USING INDEX block_space (space_id=? AND family=? AND first=?)" in step for step in plan)
    assert "SCAN block" not in plan


def test_a_number_is_never_used_again(network: Database) -> None:
    for number in range(1, 5):
        assert allocate(network, ME, "bng1/internet")["block"][0]["id"] == f"b{number}"
        release(network, ME, [f"b{number}"])


# --- Drain ----------------------------------------------------------------------------------------


def test_a_drain_is_asked_for_and_taken_back(network: Database) -> None:
    prefixes(network, "bng1/internet")
    for _ in range(2):
        assert drain(network, ME, ["b1"])["block"][0]["wanted"] == "drained"
    for _ in range(2):
        assert cancel_drain(network, ME, ["b1"])["block"][0]["wanted"] == "present"


def test_a_release_is_taken_back_while_nothing_was_sent(network: Database) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    release(network, ME, ["b1"])
    with pytest.raises(IllegalTransition, match="is reserved, wanted absent, and cannot be drained"):
        drain(network, ME, ["b1"])
    assert cancel_drain(network, ME, ["b1"])["block"][0]["wanted"] == "present"


def test_a_drained_block_can_be_released(network: Database) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    go(network, "b1", State.INSTALLED, State.DRAINING)
    drain(network, ME, ["b1"])
    assert release(network, ME, ["b1"])["block"][0]["wanted"] == "absent"


@pytest.mark.parametrize("states", [(State.WITHDRAWING,), (State.WITHDRAWING, State.QUARANTINED)])
def test_a_block_on_its_way_out_is_not_kept(network: Database, states: tuple[State, ...]) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    release(network, ME, ["b1"])
    go(network, "b1", *states)
    with pytest.raises(IllegalTransition, match="cannot be kept: a removal may have been sent"):
        cancel_drain(network, ME, ["b1"])
    with pytest.raises(IllegalTransition, match="cannot be drained"):
        drain(network, ME, ["b1"])
    assert release(network, ME, ["b1"])["block"][0]["state"] == states[-1].value


# --- Quarantine -----------------------------------------------------------------------------------


def rests(database: Database, clock: ManualClock, name: str = "b1") -> int:
    """Seconds from now until the block's quarantine ends."""
    until = views.show_block(database, name)["quarantined-until"]
    return (from_rfc3339(until) - clock.now()) // 1_000_000


@pytest.mark.parametrize(
    ("quarantine", "lease_time", "empty", "expected"),
    [
        (HOUR, DAY, False, DAY),
        (HOUR, DAY, True, HOUR),
        (DAY, HOUR, False, DAY),
        (DAY, HOUR, True, DAY),
        (0, DAY, False, DAY),
        (0, DAY, True, 0),
        (0, 0, False, 0),
    ],
)
def test_how_long_a_block_rests(
    network: Database, clock: ManualClock, quarantine: int, lease_time: int, empty: bool, expected: int
) -> None:
    pool = AddPool("q", "s", ("192.0.2.0/24",), quarantine=quarantine, lease_time=lease_time)
    change(network, ME, [pool, AddDevicePool("bng1/q", ("q",), 26)])
    prefixes(network, "bng1/q")
    send(network, "b1")
    go(network, "b1", State.INSTALLED, State.DRAINING)
    go(network, "b1", State.WITHDRAWING, State.QUARANTINED, empty=empty)
    assert rests(network, clock) == expected
    assert usage(network, "q")["quarantined-addresses"] == "64"
    if expected:
        clock.advance(expected - 0.000001)
        assert sweep(network) == 0
        clock.advance(0.000001)
    assert sweep(network) == 1
    assert usage(network, "q")["free-addresses"] == "256"
    assert views.show_block(network, "b1")["state"] == "free"


def test_emptiness_is_forgotten_when_a_block_serves_again(network: Database, clock: ManualClock) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    go(network, "b1", State.INSTALLED, State.DRAINING)
    go(network, "b1", State.INSTALLED, empty=True)
    go(network, "b1", State.WITHDRAWING, State.QUARANTINED)
    assert rests(network, clock) == DAY


def test_an_allocation_frees_what_has_rested(network: Database, clock: ManualClock) -> None:
    prefixes(network, "bng1/internet", 256)
    force_release(network, ME, ["b7"])
    clock.advance(DAY - 1)
    with pytest.raises(Exhausted):
        allocate(network, ME, "bng2/internet")
    clock.advance(1)
    assert prefixes(network, "bng2/internet") == ["10.0.6.0/24"]


def test_a_block_that_is_still_seen_rests_on(network: Database, clock: ManualClock) -> None:
    prefixes(network, "bng1/internet", 2)
    force_release(network, ME, ["b1", "b2"])
    find(network, "bng2", "b1")
    clock.advance(DAY)
    assert sweep(network) == 1
    assert [block["id"] for block in views.list_blocks(network)] == ["b1"]
    assert views.show_block(network, "b1")["finding"][0]["device"] == "bng2"
    find(network, "bng2", "b1", holds=False)
    assert sweep(network) == 1


def test_blocks_that_are_held_do_not_keep_others_from_their_end(
    network: Database, clock: ManualClock
) -> None:
    """A sweep frees a limited number: those that cannot be freed must not use it up."""
    prefixes(network, "bng1/internet", rest.AT_ONCE + 5)
    held = [f"b{number}" for number in range(1, rest.AT_ONCE + 1)]
    force_release(network, ME, held)
    find(network, "bng2", *held)
    clock.advance(1)
    force_release(network, ME, [f"b{rest.AT_ONCE + number}" for number in range(1, 6)])
    clock.advance(DAY)
    assert sweep(network) == 5
    assert len(views.list_blocks(network)) == rest.AT_ONCE


def test_a_sweep_is_limited(network: Database, clock: ManualClock) -> None:
    prefixes(network, "bng1/internet", rest.AT_ONCE + 1)
    force_release(network, ME, [f"b{number}" for number in range(1, rest.AT_ONCE + 2)])
    clock.advance(DAY)
    assert [sweep(network) for _ in range(3)] == [rest.AT_ONCE, 1, 0]


# --- Force ----------------------------------------------------------------------------------------


def test_force_needs_a_reason(network: Database) -> None:
    prefixes(network, "bng1/internet")
    with pytest.raises(InvalidValue, match="without a reason"):
        force_release(network, SILENT, ["b1"])
    assert views.show_block(network, "b1")["state"] == "reserved"


@pytest.mark.parametrize(
    "states", [(), (State.INSTALLED,), (State.INSTALLED, State.DRAINING), (State.WITHDRAWING,)]
)
def test_force_quarantines_without_proof_and_says_so(
    network: Database, clock: ManualClock, states: tuple[State, ...]
) -> None:
    prefixes(network, "bng1/internet")
    send(network, "b1")
    go(network, "b1", *states)
    answer = force_release(network, Author("tester", "r1", "burnt down"), ["b1"])
    assert (answer["block"][0]["state"], answer["block"][0]["wanted"]) == ("quarantined", Wanted.ABSENT.value)
    assert rests(network, clock) == DAY
    last = views.audit(network, limit=10, block="b1")[-1]
    assert (last["verb"], last["to"]) == ("force-release", "quarantined")
    assert last["reason"].startswith("forced without proof: burnt down; rests until ")
    clock.advance(60)
    assert force_release(network, ME, ["b1"])["block"][0]["quarantined-until"] == to_text(answer)


def to_text(answer: dict[str, list[dict[str, str]]]) -> str:
    return answer["block"][0]["quarantined-until"]
