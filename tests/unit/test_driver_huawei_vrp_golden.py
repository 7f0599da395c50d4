"""Edits of the driver huawei-vrp: golden files, and validity in the modules of the NE8000-X 8.22.0.

How golden files are written anew is said in tests/driver_cases.py.
"""

from __future__ import annotations

from functools import cache

import pytest

from casm_ctrl.addressing.prefix import parse_address
from casm_ctrl.drivers.huawei_vrp import DRIVER
from casm_ctrl.drivers.interface import (
    Announcement,
    BlockMark,
    Gateway,
    GatewayKind,
    ObjectKey,
    WantedPool,
)
from tests.driver_cases import (
    STORE,
    Bench,
    Case,
    assert_golden,
    assert_none_left_over,
    block,
    wanted,
)
from tests.published import MODELS, folder_of
from tests.vrp_xml import FIRST, LOOPBACK, group, ipv4, ipv4_pool, ipv6, ipv6_pool, ipv6_prefix, vpn

MODULES = MODELS["huawei-vrp"]


def mark(number: int) -> str:
    return str(BlockMark(STORE, number))


def v4(number: int) -> ObjectKey:
    return ObjectKey("ipv4-pool", (mark(number),))


def member(number: int, group: str = "internet") -> ObjectKey:
    return ObjectKey("ipv4-pool-group-member", (group, mark(number)))


def v6(number: int) -> ObjectKey:
    return ObjectKey("ipv6-prefix", (mark(number),))


def pool6(name: str) -> ObjectKey:
    return ObjectKey("ipv6-pool", (name,))


GROUP = ObjectKey("ipv4-pool-group", ("internet",))


B1 = ipv4_pool(mark(1), "192.0.2.1", ("192.0.2.0", "192.0.2.255"))
B2 = ipv4_pool(mark(2), "198.51.100.1", ("198.51.100.0", "198.51.100.255"))
FOREIGN = ipv4_pool(
    "legacy",
    "203.0.113.1",
    ("203.0.113.10", "203.0.113.99"),
    ("203.0.113.128", "203.0.113.255"),
    number=3,
    more="<lock><drain>false</drain></lock>",
)
TWO = (block(1, "192.0.2.0/24"), block(2, "198.51.100.0/24"))
OURS_2 = (GROUP, v4(1), v4(2), member(1), member(2))
LOCK = "<lock/>"
EVICT = "<lock><drain>true</drain></lock>"

CASES = {
    "first-block": Case(wanted(WantedPool("internet", TWO[:1], FIRST, access="pppoe"), generation=1)),
    "many-blocks": Case(
        wanted(
            WantedPool("internet", (block(12, "10.0.12.0/22"), *TWO), FIRST, usage_high=85),
            WantedPool("voip", (block(5, "10.0.5.0/24"),), Gateway(GatewayKind.LAST)),
            ours=(GROUP, v4(1), member(1)),
        ),
        ipv4(B1, group(mark(1))),
    ),
    "gateway-with-a-wider-mask": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "10.1.2.0/24"),),
                Gateway(GatewayKind.ADDRESS, parse_address("10.1.2.77")[1], mask=16),
                announcement=Announcement.DEVICE_AUTOMATIC,
            )
        ),
    ),
    "gateway-unnumbered": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "192.0.2.0/25"), block(2, "192.0.2.128/32")),
                Gateway(GatewayKind.UNNUMBERED, interface="LoopBack7"),
            )
        ),
        LOOPBACK,
    ),
    "gateway-no-longer-unnumbered": Case(
        wanted(WantedPool("internet", TWO[:1], FIRST), ours=(GROUP, v4(1), member(1))),
        LOOPBACK
        + ipv4(
            B1.replace(
                "</gateway>",
                "</gateway><gateway-unnumbered><interface-name>LoopBack7</interface-name></gateway-unnumbered>",
            ),
            group(mark(1)),
        ),
    ),
    "vpn-instance": Case(
        wanted(
            WantedPool("internet", TWO[:1], FIRST, network_instance="red"),
            WantedPool("internet6", (block(7, "2001:db8:7::/48"),), network_instance="red"),
        ),
        vpn("red", "ipv4-unicast", "ipv6-unicast"),
    ),
    "vpn-instance-taken-away": Case(
        wanted(WantedPool("internet", TWO[:1], FIRST), ours=(GROUP, v4(1), member(1))),
        vpn("red", "ipv4-unicast")
        + ipv4(
            ipv4_pool(mark(1), "192.0.2.1", ("192.0.2.0", "192.0.2.255"), vpn="red"),
            group(mark(1), more="<vpn-instance><name>red</name></vpn-instance>"),
        ),
    ),
    "drain": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "192.0.2.0/24", drained=True), TWO[1], block(3, "10.3.0.0/24", drained=True)),
                FIRST,
            ),
            ours=OURS_2,
        ),
        ipv4(B1 + B2.replace("</sections>", f"</sections>{LOCK}"), group(mark(1), mark(2))),
    ),
    "evicted-by-hand": Case(
        wanted(
            WantedPool("internet", (block(1, "192.0.2.0/24", drained=True),), FIRST),
            ours=(GROUP, v4(1), member(1)),
        ),
        ipv4(B1.replace("</sections>", f"</sections>{EVICT}"), group(mark(1))),
    ),
    "remove-one": Case(
        wanted(WantedPool("internet", TWO[1:], FIRST), ours=OURS_2),
        ipv4(B1 + FOREIGN + B2, group(mark(1), "legacy", mark(2))),
    ),
    "remove-last": Case(
        wanted(WantedPool("internet", (), FIRST), ours=OURS_2),
        ipv4(B1 + FOREIGN + B2, group(mark(2), mark(1))),
    ),
    "remove-last-group-kept": Case(
        wanted(ours=(GROUP, v4(1), member(1))), ipv4(B1 + FOREIGN, group(mark(1), "legacy"))
    ),
    "foreign-group": Case(
        wanted(WantedPool("internet", TWO[:1], FIRST)), ipv4(FOREIGN, group("legacy") + group(name="others"))
    ),
    "changed-by-hand": Case(
        wanted(WantedPool("internet", TWO, FIRST), ours=OURS_2),
        ipv4(
            B1.replace("192.0.2.255", "192.0.2.99").replace(
                "</sections>",
                "</sections><dns-server><ip-address>192.0.2.53</ip-address></dns-server><lease><day>1</day></lease>",
            )
            + ipv4_pool(mark(2), "198.51.100.254", ("198.51.100.0", "198.51.100.255"), mask="255.255.0.0"),
            group(mark(1)),
        ),
    ),
    "section-gone": Case(
        wanted(WantedPool("internet", TWO[:1], FIRST), ours=(GROUP, v4(1), member(1))),
        ipv4(ipv4_pool(mark(1), "192.0.2.1"), group(mark(1))),
    ),
    "adopted-section": Case(
        wanted(
            WantedPool(
                "internet",
                (
                    block(8, "203.0.113.128/25", key=ObjectKey("ipv4-section", ("legacy", "4"))),
                    *TWO[:1],
                ),
                FIRST,
            ),
            ours=(ObjectKey("ipv4-section", ("legacy", "4")),),
        ),
        ipv4(FOREIGN.replace("<lock><drain>false</drain></lock>", "").replace("113.255", "113.254")),
    ),
    "adopted-drained": Case(
        wanted(
            WantedPool(
                "internet",
                (block(8, "203.0.113.128/25", drained=True, key=ObjectKey("ipv4-section", ("legacy", "0"))),),
                FIRST,
            ),
            ours=(ObjectKey("ipv4-section", ("legacy", "0")),),
        ),
        ipv4(ipv4_pool("legacy", "203.0.113.1", ("203.0.113.128", "203.0.113.255"))),
    ),
    "adopted-no-longer-drained": Case(
        wanted(
            WantedPool(
                "internet",
                (block(8, "203.0.113.128/25", key=ObjectKey("ipv4-section", ("legacy", "0"))),),
                FIRST,
            ),
            ours=(ObjectKey("ipv4-section", ("legacy", "0")), ObjectKey("ipv4-pool-lock", ("legacy",))),
        ),
        ipv4(ipv4_pool("legacy", "203.0.113.1", ("203.0.113.128", "203.0.113.255"), more=LOCK)),
    ),
    "ipv6-first-block": Case(
        wanted(WantedPool("internet6", (block(1, "2001:db8:1::/64"),), usage_high=90), generation=1)
    ),
    "ipv6-many-blocks": Case(
        wanted(
            WantedPool("internet6", (block(2, "2001:db8:2::/64"), block(1, "2001:db8:1::/64"))),
            WantedPool("voip6", (block(3, "2001:db8:3::/64"),)),
            ours=(v6(1), pool6("internet6")),
        ),
        ipv6(ipv6_prefix(mark(1), "2001:db8:1::/64"), ipv6_pool("internet6", mark(1))),
    ),
    "delegated-prefixes": Case(
        wanted(
            WantedPool(
                "home-pd",
                (block(1, "2001:db8:1000::/40"), block(2, "2001:db8:2000::/40")),
                delegated_length=56,
            )
        )
    ),
    "ipv6-drain": Case(
        wanted(
            WantedPool(
                "home-pd",
                (
                    block(1, "2001:db8:1000::/40", drained=True),
                    block(2, "2001:db8:2000::/40"),
                    block(3, "2001:db8:3000::/40", drained=True),
                ),
                delegated_length=56,
            ),
            ours=(v6(1), v6(2), pool6("home-pd"), pool6(mark(2))),
        ),
        ipv6(
            ipv6_prefix(mark(1), "2001:db8:1000::/40", 56) + ipv6_prefix(mark(2), "2001:db8:2000::/40", 56),
            ipv6_pool("home-pd", mark(1), "delegation")
            + ipv6_pool(mark(2), mark(2), "delegation", "<lock/>"),
        ),
    ),
    "ipv6-remove-the-named-one": Case(
        wanted(
            WantedPool("internet6", (block(2, "2001:db8:2::/64"), block(3, "2001:db8:3::/64"))),
            ours=(v6(1), v6(2), pool6("internet6"), pool6(mark(2))),
        ),
        ipv6(
            ipv6_prefix(mark(1), "2001:db8:1::/64") + ipv6_prefix(mark(2), "2001:db8:2::/64"),
            ipv6_pool("internet6", mark(1)) + ipv6_pool(mark(2), mark(2)),
        ),
    ),
    "ipv6-the-name-is-free-again": Case(
        wanted(
            WantedPool("internet6", (block(2, "2001:db8:2::/64"), block(4, "2001:db8:4::/64"))),
            ours=(v6(2), pool6(mark(2))),
        ),
        ipv6(ipv6_prefix(mark(2), "2001:db8:2::/64"), ipv6_pool(mark(2), mark(2))),
    ),
    "ipv6-remove-last": Case(
        wanted(ours=(v6(1), pool6("internet6"))),
        ipv6(
            ipv6_prefix(mark(1), "2001:db8:1::/64") + ipv6_prefix("theirs", "2a00::/64"),
            ipv6_pool("internet6", mark(1)) + ipv6_pool("theirs", "theirs"),
        ),
    ),
    "ipv6-pool-gone": Case(
        wanted(
            WantedPool("internet6", (block(1, "2001:db8:1::/64"), block(2, "2001:db8:2::/64"))),
            ours=(v6(1), v6(2), pool6("internet6"), pool6(mark(2))),
        ),
        ipv6(ipv6_prefix(mark(1), "2001:db8:1::/64") + ipv6_prefix(mark(2), "2001:db8:2::/64")),
    ),
    "ipv6-name-held-by-others": Case(
        wanted(WantedPool("internet6", (block(1, "2001:db8:1::/64"),))),
        ipv6(ipv6_prefix("theirs", "2a00::/64"), ipv6_pool("internet6", "theirs")),
    ),
    "ipv6-bound-by-others": Case(
        wanted(WantedPool("internet6", (block(1, "2001:db8:1::/64", drained=True),)), ours=(v6(1),)),
        ipv6(ipv6_prefix(mark(1), "2001:db8:1::/64"), ipv6_pool("theirs", mark(1))),
    ),
    "ipv6-adopted-drained": Case(
        wanted(
            WantedPool(
                "home-pd",
                (block(9, "2001:db8:1000::/40", drained=True, key=ObjectKey("ipv6-prefix", ("theirs",))),),
                delegated_length=56,
            ),
            ours=(ObjectKey("ipv6-prefix", ("theirs",)),),
        ),
        ipv6(ipv6_prefix("theirs", "2001:db8:1000::/40", 56), ipv6_pool("home-pd", "theirs", "delegation")),
    ),
    "odd-names": Case(
        wanted(
            WantedPool("a.b_c-", TWO[:1], FIRST),
            WantedPool("...", (block(2, "2001:db8:2::/64"),)),
            WantedPool("9" * 32, (block(3, "2001:db8:3::/64"),), delegated_length=64),
            WantedPool("x" * 128, (block(4, "10.4.0.0/24"),), FIRST),
        )
    ),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, folder_of("huawei-vrp"))


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    assert_golden(DRIVER, MODULES, name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_edit_and_result_are_valid_and_complete(name: str) -> None:
    bench().check(CASES[name])


def test_no_golden_file_is_left_over() -> None:
    assert_none_left_over(DRIVER, CASES)
