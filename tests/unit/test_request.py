"""What may be asked for, what is got, and what each refusal says; a refusal leaves every row as it was."""

from __future__ import annotations

from typing import Any

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import Exhausted, Held, InvalidValue, NotFound, Overlap, Refusal, RequestReused
from casm_ctrl.service import views
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevicePool, AddPool, AddSpace, Exclude, Reserve
from casm_ctrl.service.release import force_release
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.allocation_world import ME, configure, dump, give, refused


@pytest.fixture
def pools(network: Database) -> Database:
    """bng1/any draws from north (public), south and small, in this order."""
    configure(
        network,
        AddPool("north", "s", ("192.0.2.0/25",), scope="public", labels=(("region", "north"), ("tier", "1"))),
        AddPool("south", "s", ("192.0.2.128/25",), labels=(("region", "south"), ("tier", "1"))),
        AddPool("small", "s", ("198.51.100.0/28",), labels=(("region", "south"),)),
        AddDevicePool("bng1/any", ("north", "south", "small"), 28),
    )
    return network


def of(database: Database, **asked: Any) -> list[str]:
    """The pools of the blocks that an allocation for bng1/any gets."""
    return [block["pool"] for block in allocate(database, ME, "bng1/any", **asked)["block"]]


# --- Which pools ----------------------------------------------------------------------------------


def test_pools_are_tried_in_order(pools: Database) -> None:
    assert of(pools, count=17) == ["north"] * 8 + ["south"] * 8 + ["small"]


def test_pools_by_name_are_tried_in_the_order_of_the_request(pools: Database) -> None:
    assert of(pools, pools=("small", "north"), count=2) == ["small", "north"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ((("region", "south"),), ["south", "south"]),
        ((("region", "south"), ("scope", "private"), ("tier", "1")), ["south", "south"]),
        ((("scope", "public"),), ["north", "north"]),
    ],
)
def test_pools_by_label(pools: Database, labels: tuple[tuple[str, str], ...], expected: list[str]) -> None:
    assert of(pools, labels=labels, count=2) == expected


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        (
            {"pools": ("p",)},
            InvalidValue,
            "'bng1/any' does not draw from pool 'p' (it does from north, south, small)",
        ),
        ({"pools": ("nix",)}, NotFound, "there is no pool 'nix'"),
        ({"pools": ("north", "north")}, InvalidValue, "pool 'north' is given twice"),
        ({"labels": (("region", "west"),)}, InvalidValue, "no pool of 'bng1/any' has region=west"),
        ({"pools": ("north",), "labels": (("tier", "1"),)}, InvalidValue, "by name and by label"),
        (
            {"pools": ("small",), "count": 2},
            Exhausted,
            "2 block(s) of /28 were asked for 'bng1/any', 1 could be had",
        ),
        ({"strategy": "worst"}, InvalidValue, "'worst' is not a strategy"),
        ({"length": 33}, InvalidValue, "/33 is not a block length of ipv4"),
        ({"count": 0}, InvalidValue, "0 blocks were asked for"),
        ({"addresses": 0}, InvalidValue, "0 addresses were asked for"),
        (
            {"addresses": 16, "count": 2},
            InvalidValue,
            "a number of addresses was asked for, and a number of blocks",
        ),
        ({"addresses": 300}, Exhausted, "300 addresses were asked for 'bng1/any', 272 could be had"),
        (
            {"prefix": "192.0.2.0/28", "length": 28},
            InvalidValue,
            "the prefix 192.0.2.0/28 was asked for, and",
        ),
        ({"prefix": "192.0.2.1/28"}, InvalidValue, "'192.0.2.1/28' has host bits set"),
        (
            {"prefix": "2001:db8::/40"},
            InvalidValue,
            "2001:db8::/40 is ipv6, and the pools of 'bng1/any' are ipv4",
        ),
        (
            {"prefix": "10.0.0.0/24"},
            InvalidValue,
            "10.0.0.0/24 is not inside any pool that 'bng1/any' draws from",
        ),
        ({"prefix": "192.0.2.0/24"}, InvalidValue, "192.0.2.0/24 is not inside any pool"),
        ({"lifetime": 0}, InvalidValue, "a lifetime of 0s is not in the future"),
        ({"lifetime": 60, "expires": "2030-01-01T00:00:00Z"}, InvalidValue, "both a lifetime and an end"),
        (
            {"expires": "2020-01-01T00:00:00Z"},
            InvalidValue,
            "the lifetime ends at 2020-01-01T00:00:00.000000Z, and",
        ),
        ({"expires": "tomorrow"}, InvalidValue, "'tomorrow' is not a date and time of RFC 3339"),
    ],
)
def test_what_is_refused(pools: Database, asked: dict[str, Any], kind: type[Refusal], words: str) -> None:
    refused(pools, kind, words, lambda: allocate(pools, Author("tester", "r1"), "bng1/any", **asked))


# --- By addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (1, ["10.0.0.0/24"]),
        (256, ["10.0.0.0/24"]),
        (1000, ["10.0.0.0/22"]),
        (1025, ["10.0.0.0/22", "10.0.4.0/24"]),
        (65536, ["10.0.0.0/16"]),
    ],
)
def test_a_number_of_addresses(network: Database, addresses: int, expected: list[str]) -> None:
    assert give(network, addresses=addresses) == expected


def test_the_length_is_the_smallest_block_of_a_cover(network: Database) -> None:
    assert give(network, addresses=1000, length=30) == [
        "10.0.0.0/23",
        "10.0.2.0/24",
        "10.0.3.0/25",
        "10.0.3.128/26",
        "10.0.3.192/27",
        "10.0.3.224/29",
    ]


def test_where_no_block_is_large_enough_its_halves_are_taken(network: Database) -> None:
    for number in range(0, 256, 4):
        give(network, "bng2/internet", prefix=f"10.0.{number}.0/24")
    assert give(network, addresses=1024) == ["10.0.2.0/23", "10.0.6.0/23"]
    before = dump(network)
    with pytest.raises(Exhausted) as caught:
        give(network, count=10, length=22)
    assert "but in pieces too small" in caught.value.message
    assert "/23 or longer" in caught.value.remedy
    assert dump(network) == before


# --- A particular prefix --------------------------------------------------------------------------


def test_a_particular_prefix_from_the_pool_that_holds_it(pools: Database) -> None:
    assert of(pools, prefix="192.0.2.160/27") == ["south"]


def test_why_a_particular_prefix_is_not_to_be_had(pools: Database, clock: ManualClock) -> None:
    configure(
        pools,
        Exclude("north", "192.0.2.0/29", "links"),
        Reserve("north", "192.0.2.16/28", "the new site"),
        AddPool("child", "s", ("192.0.2.32/28",), scope="public", parent="north"),
        AddDevicePool("bng2/north", ("north",), 28),
    )
    give(pools, "bng2/north", prefix="192.0.2.48/28")
    give(pools, "bng2/north", prefix="192.0.2.64/28")
    force_release(pools, ME, ["b2"])

    def asks(prefix: str, kind: type[Refusal], words: str) -> None:
        refused(pools, kind, words, lambda: allocate(pools, ME, "bng1/any", prefix=prefix))

    asks("192.0.2.48/28", Overlap, "bng2/north has b1 192.0.2.48/28 (reserved)")
    asks("192.0.2.48/29", Overlap, "bng2/north has b1 192.0.2.48/28 (reserved)")
    asks(
        "192.0.2.64/28",
        Held,
        "b2 192.0.2.64/28 of bng2/north is quarantined until 2023-11-15T22:13:20.000000Z",
    )
    asks("192.0.2.0/28", Held, "192.0.2.0/29 of pool 'north' is excluded (links)")
    asks("192.0.2.16/28", Held, "192.0.2.16/28 of pool 'north' is reserved (the new site)")
    asks("192.0.2.32/28", Overlap, "192.0.2.32/28 of pool 'north' was cut for pool 'child'")
    assert of(pools, prefix="192.0.2.80/28") == ["north"]


def test_another_owners_shared_address_is_not_to_be_had(network: Database) -> None:
    configure(
        network,
        AddPool("shared", "s", ("203.0.113.0/30",), psid_offset=6),
        AddDevicePool("bng1/ports", ("shared",), 36),
        AddDevicePool("bng2/ports", ("shared",), 36),
    )
    give(network, "bng1/ports")
    refused(
        network,
        Overlap,
        "bng1/ports has b1 203.0.113.0/32 psid 0/4",
        lambda: allocate(network, ME, "bng2/ports", prefix="203.0.113.0/32"),
    )


# --- First and next -------------------------------------------------------------------------------


def test_the_first_block_may_be_of_another_length(network: Database) -> None:
    configure(network, AddDevicePool("bng1/grow", ("p",), 24, first_length=22, next_length=25))
    assert [text.partition("/")[2] for text in give(network, "bng1/grow", count=3)] == ["22", "25", "25"]
    assert give(network, "bng1/grow")[0].endswith("/25")
    assert give(network, "bng1/grow", length=24)[0].endswith("/24")


# --- Dry run, request id --------------------------------------------------------------------------


def test_a_dry_run_answers_the_same_and_changes_nothing(network: Database) -> None:
    before = dump(network)
    rehearsed = allocate(network, Author("tester", "r1"), "bng1/internet", count=3, dry_run=True)
    assert dump(network) == before
    done = allocate(network, Author("tester", "r1"), "bng1/internet", count=3)
    assert [b["prefix"] for b in rehearsed["block"]] == [b["prefix"] for b in done["block"]]
    with pytest.raises(Exhausted):
        allocate(network, ME, "bng1/internet", count=1000, dry_run=True)


@pytest.mark.parametrize(
    "other", [{"length": 25}, {"strategy": "sparse"}, {"lifetime": 60}, {"pools": ("p",)}]
)
def test_a_request_id_stands_for_all_that_was_asked(network: Database, other: dict[str, Any]) -> None:
    author = Author("tester", "r1")
    answer = allocate(network, author, "bng1/internet")
    assert allocate(network, author, "bng1/internet") == answer
    refused(
        network,
        RequestReused,
        "request id 'r1' was used by tester for another request (allocate, 2023-11-14T22:13:20.000000Z)",
        lambda: allocate(network, author, "bng1/internet", **other),
    )


def test_spaces_of_one_request_are_kept_apart(network: Database) -> None:
    configure(network, AddSpace("t"), AddPool("t4", "t", ("10.0.0.0/16",)))
    assert views.show_pool(network, "t4")["usage"]["allocated-addresses"] == "0"
