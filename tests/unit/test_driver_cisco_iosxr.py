"""The driver cisco-iosxr: what it reads, what it refuses, and what no sequence of wishes breaks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.ports import parse_block
from casm_ctrl.addressing.prefix import Family, Prefix, Range
from casm_ctrl.base.errors import AlreadyExists, CasmError, InvalidValue, NotSupported, PeerFault
from casm_ctrl.drivers.cisco_iosxr import DRIVER
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    Element,
    Gateway,
    GatewayKind,
    ObjectKey,
    Seen,
    UsageKind,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.yang.engine import forest
from tests.driver_cases import Bench, block, wanted
from tests.driver_sequences import Wish, play, wishes
from tests.published import MODELS, folder_of

CFG, OPER = MODELS["cisco-iosxr"]
NS = f"http://cisco.com/ns/yang/{CFG}"
NOTHING = etree.fromstring("<data/>")


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODELS["cisco-iosxr"], folder_of("cisco-iosxr"))


def device(inside: str, vrf: str = "default") -> Element:
    return etree.fromstring(
        f'<data><x:address-pool-service xmlns:x="{NS}"><x:vrfs><x:vrf><x:vrf-name>{vrf}</x:vrf-name>{inside}'
        "</x:vrf></x:vrfs></x:address-pool-service></data>"
    )


def pool4(inside: str) -> str:
    return f"<x:ipv4><x:pools><x:pool><x:pool-name>p</x:pool-name>{inside}</x:pool></x:pools></x:ipv4>"


def pool6(inside: str) -> str:
    return (
        f"<x:ipv6><x:pools><x:pool><x:ipv6-pool-name>p</x:ipv6-pool-name>{inside}</x:pool></x:pools></x:ipv6>"
    )


def entry(local: str, **leaves: str) -> str:
    inside = "".join(
        f"<x:{tag.replace('_', '-')}>{text}</x:{tag.replace('_', '-')}>" for tag, text in leaves.items()
    )
    return f"<x:{local}s><x:{local}>{inside}</x:{local}></x:{local}s>"


def extent(data: Element) -> Range | None:
    (found,) = DRIVER.parse(data).ranges
    return found.range


# --- What it reads --------------------------------------------------------------------------------


def test_reads_anybodys_objects_with_their_vrf_and_whether_they_are_blocked() -> None:
    seen = DRIVER.parse(
        device(
            pool4(entry("network", ipv4_prefix="10.0.0.9", prefix_length="24", blocked="3"))
            + pool6(entry("exclude", start_address="2001:db8::1", end_address="2001:db8::1")),
            "red",
        )
    )
    assert [pool.key for pool in seen.pools] == [
        ObjectKey("ipv4-pool", ("red", "p")),
        ObjectKey("ipv6-pool", ("red", "p")),
    ]
    (found,) = seen.ranges
    assert found.key == ObjectKey("ipv4-network", ("red", "p", "10.0.0.9"))
    assert (str(found.range), found.drained, found.network_instance) == ("10.0.0.0-10.0.0.255", True, "red")
    assert seen.parts == (ObjectKey("vrf", ("red",)), ObjectKey("ipv6-exclude", ("red", "p", "2001:db8::1")))


def test_a_range_of_prefixes_reaches_to_the_end_of_its_last() -> None:
    span = entry("prefix-range", start_prefix="2001:db8::", end_prefix="2001:db8:0:ff00::")
    assert str(extent(device(pool6("<x:prefix-length>56</x:prefix-length>" + span)))) == (
        "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff"
    )
    assert str(extent(device(pool6(span)))) == "2001:db8::-2001:db8:0:ff00:ffff:ffff:ffff:ffff"


@pytest.mark.parametrize(
    "inside",
    [
        pool4(entry("network", ipv4_prefix="10.0.0.0")),
        pool4(entry("network", ipv4_prefix="10.0.0.0", prefix_length="33")),
        pool4(entry("network", ipv4_prefix="10.0.0.0", prefix_length="9" * 5000)),
        pool4(entry("network", ipv4_prefix="2001:db8::", prefix_length="32")),
        pool4(entry("network", ipv4_prefix="ten", prefix_length="8")),
        pool4(entry("address-range", start_address="10.0.0.9", end_address="10.0.0.1")),
        pool4(entry("address-range", start_address="10.0.0.9")),
        pool6(entry("network", prefix="10.0.0.0", prefix_length="8")),
        pool6(entry("prefix-range", start_prefix="2001:db8::", end_prefix="")),
    ],
)
def test_what_makes_no_addresses_is_kept_without_them(inside: str) -> None:
    assert extent(device(inside)) is None


def test_nothing_is_nothing_and_an_entry_without_its_key_is_the_peers_fault() -> None:
    assert DRIVER.parse(NOTHING) == Seen((), ())
    assert DRIVER.parse_usage(NOTHING) == ()
    with pytest.raises(PeerFault, match="network without its key ipv4-prefix"):
        DRIVER.parse(device(pool4(entry("network", prefix_length="24"))))


# --- Usage ----------------------------------------------------------------------------------------


def shown(first: str, last: str, used: str, free: str, *, node: str = "0/RSP0/CPU0", length: str = "") -> str:
    family = "ipv6" if ":" in first else "ipv4"
    configuration = (
        length and f"<configuration><pool-prefix-length>{length}</pool-prefix-length></configuration>"
    )
    return (
        f"<node><node-name>{node}</node-name><pools><pool><pool-name>p</pool-name><address-ranges><address-range>"
        f"<start-address>{first}</start-address><end-address><address><address-family>{family}</address-family>"
        f"<{family}-address>{last}</{family}-address></address></end-address><vrf-name>red</vrf-name>"
        f"<allocated-addresses>{used}</allocated-addresses><free-addresses>{free}</free-addresses>"
        f"</address-range></address-ranges>{configuration}</pool></pools></node>"
    )


def usage(*nodes: str) -> dict[str, tuple[int, int | None]]:
    data = etree.fromstring(
        f'<data><address-pool-service xmlns="http://cisco.com/ns/yang/{OPER}"><nodes>{"".join(nodes)}</nodes>'
        "</address-pool-service></data>"
    )
    readings = DRIVER.parse_usage(data)
    assert all(r.kind is UsageKind.COUNT and r.key.keys[:2] == ("red", "p") for r in readings)
    return {f"{r.key.path} {r.key.keys[2]}": (r.used, r.capacity) for r in readings}


@pytest.mark.parametrize(("first", "last"), [("10.0.0.1", "10.0.0.254"), ("10.0.0.0", "10.0.0.255")])
def test_a_network_is_found_from_its_addresses_with_or_without_edges(first: str, last: str) -> None:
    assert usage(shown(first, last, "7", "246")) == {
        f"ipv4-address-range {first}": (7, 253),
        "ipv4-network 10.0.0.0": (7, 253),
    }


def test_a_range_that_is_no_network_is_only_a_range() -> None:
    assert usage(shown("10.0.0.9", "10.0.0.99", "7", "84")) == {"ipv4-address-range 10.0.0.9": (7, 91)}


def test_delegated_prefixes_are_counted_as_such() -> None:
    found = usage(shown("2001:db8::", "2001:db8:0:ff00::", "250", "6", length="56"))
    assert found["ipv6-network 2001:db8::"] == (250, 256)
    assert found["ipv6-prefix-range 2001:db8::"] == (250, 256)


def test_what_the_counters_cannot_hold_has_no_capacity() -> None:
    found = usage(shown("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "9", "4294967295"))
    assert found["ipv6-address-range 2001:db8::"] == (9, None)


def test_the_fullest_node_counts() -> None:
    nodes = [shown("10.0.0.0", "10.0.0.255", used, "0", node=node) for node, used in (("a", "3"), ("b", "9"))]
    assert usage(*nodes)["ipv4-network 10.0.0.0"] == (9, 9)


@pytest.mark.parametrize(
    ("used", "free"), [("257", "0"), ("200", "57"), ("-1", "5"), ("", "1"), ("1", "x"), ("٣", "1")]
)
def test_counts_that_cannot_be_true_are_left_out_on_whatever_node(used: str, free: str) -> None:
    bad = shown("10.0.0.0", "10.0.0.255", used, free, node="a")
    good = shown("10.0.0.0", "10.0.0.255", "1", "1", node="b")
    assert usage(bad, good) == usage(good, bad) == {}


def test_the_filters_are_valid_and_ask_for_no_single_address() -> None:
    bench().engine.validate(forest(DRIVER.config_filter()), what="part")
    (asked,) = DRIVER.usage_filter()
    assert {etree.QName(leaf).localname for leaf in asked.iter() if not len(leaf)} == {
        "node-name",
        "pool-name",
        "address-ranges",
        "pool-prefix-length",
    }


def test_abilities_follow_what_the_device_announced() -> None:
    assert DRIVER.abilities({CFG: "2020-10-15"}) == Abilities(drain=True, usage=UsageKind.NONE)
    assert DRIVER.abilities({CFG: "2020-10-15", OPER: None}) == Abilities(drain=True, usage=UsageKind.COUNT)
    assert DRIVER.modules({}) == (CFG,)


def test_the_quirk_no_room_for_marks_is_listed_and_true() -> None:
    assert [quirk.name for quirk in DRIVER.quirks] == ["no-room-for-marks"]
    edit = DRIVER.render(wanted(WantedPool("p", (block(1, "192.0.2.0/24"),))), NOTHING, {})
    assert b"casm-" not in etree.tostring(edit.config[0])


# --- What it refuses ------------------------------------------------------------------------------

ONE = block(1, "192.0.2.0/24")
SIX = block(6, "2001:db8::/48")


@pytest.mark.parametrize(
    ("pool", "error", "words"),
    [
        (WantedPool("a/b", (ONE,)), InvalidValue, "no pool called 'a/b'"),
        (WantedPool("a" * 65, (ONE,)), InvalidValue, "no pool called"),
        (WantedPool("p", (ONE,), network_instance="<red>"), InvalidValue, "no VRF called '<red>'"),
        (
            WantedPool("p", (ONE,), Gateway(GatewayKind.UNNUMBERED, interface="Loopback1")),
            NotSupported,
            "an unnumbered gateway",
        ),
        (WantedPool("p", (ONE,), Gateway(GatewayKind.FIRST, mask=23)), NotSupported, "the mask /23"),
        (WantedPool("p", (ONE,), services=("iptv",)), NotSupported, "the services iptv"),
        (WantedPool("p", (ONE,), access="cgn"), NotSupported, "access 'cgn'"),
        (WantedPool("p", (ONE,), usage_high=80), NotSupported, "without a low one"),
        (
            WantedPool("p", (ONE,), announcement=Announcement.STATIC_DISCARD),
            NotSupported,
            "announcement 'driver-static-discard'",
        ),
        (
            WantedPool("p", (ONE,), delegated_length=56),
            NotSupported,
            "cannot be delegated in prefixes of /56",
        ),
        (
            WantedPool("p", (SIX,), delegated_length=47),
            NotSupported,
            "cannot be delegated in prefixes of /47",
        ),
        (
            WantedPool("p", (SIX,), Gateway(GatewayKind.FIRST), delegated_length=56),
            NotSupported,
            "a gateway in delegated prefixes",
        ),
        (
            WantedPool("p", (WantedBlock(2, parse_block("192.0.2.1/32 psid 5/4")),)),
            NotSupported,
            "is a port set",
        ),
        (
            WantedPool(
                "p", (block(6, "2001:db8::/48", key=ObjectKey("ipv4-network", ("default", "p", "x"))),)
            ),
            InvalidValue,
            "cannot stand as",
        ),
        (
            WantedPool(
                "p", (block(1, "192.0.2.0/24", key=ObjectKey("ipv4-network", ("default", "p", "192.0.2.1"))),)
            ),
            InvalidValue,
            "cannot stand as",
        ),
    ],
)
def test_what_ios_xr_cannot_do_is_refused_in_words(
    pool: WantedPool, error: type[CasmError], words: str
) -> None:
    with pytest.raises(error) as caught:
        DRIVER.render(wanted(pool), NOTHING, {})
    assert words in caught.value.message
    assert caught.value.remedy


def test_what_somebody_else_configured_in_the_place_of_a_block_is_not_taken() -> None:
    there = device(pool4(entry("network", ipv4_prefix="192.0.2.0", prefix_length="24")))
    with pytest.raises(AlreadyExists, match=r"b1 .* somebody else configured"):
        DRIVER.render(wanted(WantedPool("p", (ONE,))), there, {})


@pytest.mark.parametrize(("there", "asked"), [("64", 56), ("56", None), ("", 56)])
def test_a_pool_that_gives_out_something_else_is_not_mixed(there: str, asked: int | None) -> None:
    leaf = there and f"<x:prefix-length>{there}</x:prefix-length>"
    with pytest.raises(NotSupported, match="to change that would move its subscribers"):
        DRIVER.render(wanted(WantedPool("p", (SIX,), delegated_length=asked)), device(pool6(leaf)), {})


# --- What no sequence of wishes breaks ------------------------------------------------------------

FOREIGN = device(
    pool4(
        entry("network", ipv4_prefix="203.0.113.0", prefix_length="24")
        + entry("exclude", start_address="203.0.113.1", end_address="203.0.113.9")
    )
)


def prefix(number: int) -> Prefix:
    if number % 3:
        return Prefix(Family.IPV4, (10 << 24) + (number << 8), 24)
    return Prefix(Family.IPV6, (0x20010DB8 << 96) + (number << 72), 56)


def pools(blocks: Sequence[WantedBlock]) -> tuple[WantedPool, ...]:
    """Odd numbers in the default VRF, where somebody has a pool of the same name; even ones in another."""
    return tuple(
        WantedPool(
            "p",
            tuple(one for one in blocks if one.number % 2 == half),
            Gateway(GatewayKind.LAST),
            network_instance=vrf,
            usage_high=80,
            usage_low=50,
        )
        for half, vrf in ((0, "red"), (1, None))
    )


@settings(max_examples=50, deadline=None)
@given(wishes(range(1, 10)), st.booleans())
def test_blocks_keep_their_objects_and_others_theirs(sequence: list[Wish], others: bool) -> None:
    play(bench(), FOREIGN if others else NOTHING, sequence, pools, prefix)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(range(1, 10)), unique=True))
def test_nothing_is_left_when_everything_went(numbers: list[int]) -> None:
    (*_, last) = play(bench(), NOTHING, [dict.fromkeys(numbers, False), {}], pools, prefix)
    assert DRIVER.parse(last.after) == Seen((), ())


def test_thousands_of_blocks_are_read_and_compared() -> None:
    blocks = tuple(WantedBlock(n + 1, Prefix(Family.IPV4, (10 << 24) + (n << 8), 24)) for n in range(2_000))
    first = DRIVER.render(wanted(WantedPool("p", blocks)), NOTHING, {})
    running = etree.Element("data")
    running.extend(first.config)
    seen = DRIVER.parse(running)
    assert len(seen.ranges) == 2_000
    ours = frozenset(change.key for change in first.changes)
    assert DRIVER.render(Wanted("k3f9qa", 2, (WantedPool("p", blocks),), ours), running, {}).changes == ()
