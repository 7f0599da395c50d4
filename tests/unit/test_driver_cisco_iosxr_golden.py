"""Edits of the driver cisco-iosxr against golden files and the published modules of IOS XR.

To write the files anew: `CASM_WRITE_GOLDEN=1 pytest tests/unit/test_driver_cisco_iosxr_golden.py`.
"""

from __future__ import annotations

from functools import cache

import pytest

from casm_ctrl.addressing.prefix import parse_address
from casm_ctrl.drivers.cisco_iosxr import DRIVER
from casm_ctrl.drivers.interface import Gateway, GatewayKind, ObjectKey, WantedPool
from tests.driver_cases import Bench, Case, assert_golden, assert_none_left_over, block, wanted
from tests.published import MODELS, folder_of

MODULES = MODELS["cisco-iosxr"]
FIRST = Gateway(GatewayKind.FIRST)
VRF = ObjectKey("vrf", ("default",))
POOL = ObjectKey("ipv4-pool", ("default", "internet"))
POOL6 = ObjectKey("ipv6-pool", ("default", "internet"))


def network(first: str, pool: str = "internet", vrf: str = "default") -> ObjectKey:
    family = "ipv6" if ":" in first else "ipv4"
    return ObjectKey(f"{family}-network", (vrf, pool, first))


def exclude(address: str, pool: str = "internet") -> ObjectKey:
    family = "ipv6" if ":" in address else "ipv4"
    return ObjectKey(f"{family}-exclude", ("default", pool, address))


def vrf(inside: str, name: str = "default") -> str:
    return f"<vrf><vrf-name>{name}</vrf-name>{inside}</vrf>"


def top(*vrfs: str) -> str:
    return (
        '<address-pool-service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"><vrfs>'
        f"{''.join(vrfs)}</vrfs></address-pool-service>"
    )


def ipv4(networks: str, more: str = "", name: str = "internet") -> str:
    inside = f"<networks>{networks}</networks>" if networks else ""
    return f"<ipv4><pools><pool><pool-name>{name}</pool-name>{inside}{more}</pool></pools></ipv4>"


def ipv6(inside: str, name: str = "internet") -> str:
    return f"<ipv6><pools><pool><ipv6-pool-name>{name}</ipv6-pool-name>{inside}</pool></pools></ipv6>"


def net4(first: str, length: int, more: str = "") -> str:
    return (
        f"<network><ipv4-prefix>{first}</ipv4-prefix><prefix-length>{length}</prefix-length>{more}</network>"
    )


def excluded(first: str, last: str) -> str:
    return (
        f"<excludes><exclude><start-address>{first}</start-address><end-address>{last}</end-address></exclude>"
        "</excludes>"
    )


N1, N2 = net4("192.0.2.0", 25), net4("192.0.2.128", 25)
HELD = top(vrf(ipv4(N1 + N2)))
OURS = (VRF, POOL, network("192.0.2.0"), network("192.0.2.128"))
B1 = block(1, "192.0.2.0/25", key=network("192.0.2.0"))
B2 = block(2, "192.0.2.128/25", key=network("192.0.2.128"))

CASES = {
    "first-block": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, "192.0.2.0/25"),),
                FIRST,
                access="pppoe",
                usage_high=80,
                usage_low=60,
            ),
            generation=1,
        )
    ),
    "many-blocks": Case(
        wanted(
            WantedPool("voip", (block(5, "10.0.1.0/24"), block(4, "10.0.0.0/24"))),
            WantedPool("internet", (block(3, "198.51.100.0/24"), B2, B1)),
            ours=OURS,
        ),
        HELD,
    ),
    "ipv6-addresses": Case(
        wanted(
            WantedPool(
                "internet",
                (block(8, "2001:db8:8::/64"), block(2, "192.0.2.128/25")),
                FIRST,
                usage_high=90,
                usage_low=70,
            )
        ),
    ),
    "delegated-prefixes": Case(
        wanted(
            WantedPool(
                "internet",
                (block(7, "2001:db8:7::/48"), block(8, "2001:db8:8::/48", drained=True)),
                delegated_length=56,
            )
        )
    ),
    "drain": Case(
        wanted(WantedPool("internet", (block(1, "192.0.2.0/25", drained=True, key=B1.key), B2)), ours=OURS),
        HELD,
    ),
    "undrain": Case(
        wanted(WantedPool("internet", (B1, B2)), ours=OURS),
        top(vrf(ipv4(net4("192.0.2.0", 25, "<blocked>7</blocked>") + N2))),
    ),
    "blocked-0-is-not-drained": Case(
        wanted(WantedPool("internet", (B1, B2)), ours=OURS),
        top(vrf(ipv4(net4("192.0.2.0", 25, "<blocked>0</blocked>") + N2))),
    ),
    "removal-in-the-middle": Case(
        wanted(
            WantedPool(
                "internet",
                (B1, block(3, "198.51.100.0/24", key=network("198.51.100.0"))),
                FIRST,
            ),
            ours=(*OURS, network("198.51.100.0"), exclude("192.0.2.129")),
        ),
        top(
            vrf(
                ipv4(
                    N1
                    + net4("192.0.2.128", 25, "<default-router>192.0.2.129</default-router>")
                    + net4("198.51.100.0", 24),
                    excluded("192.0.2.129", "192.0.2.129"),
                )
            )
        ),
    ),
    "last-removal": Case(wanted(ours=OURS), HELD),
    "last-removal-beside-others": Case(
        wanted(ours=OURS),
        top(vrf(ipv4(N1 + N2 + net4("203.0.113.0", 24)) + ipv6("", "theirs")), vrf("", "red")),
    ),
    "odd-names": Case(
        wanted(WantedPool("Café | a;b #1", (block(1, "192.0.2.0/25"),), network_instance="x.y"))
    ),
    "vrf": Case(
        wanted(
            WantedPool("internet", (block(1, "10.0.0.0/24"),), FIRST, network_instance="red"),
            WantedPool("internet", (B2,)),
            ours=OURS,
        ),
        HELD,
    ),
    "gateway-last-and-foreign-exclude": Case(
        wanted(WantedPool("internet", (B1, B2), Gateway(GatewayKind.LAST, mask=25)), ours=OURS),
        top(vrf(ipv4(N1 + N2, excluded("192.0.2.126", "192.0.2.127")))),
    ),
    "gateway-address": Case(
        wanted(
            WantedPool(
                "internet",
                (B1, block(9, "203.0.113.0/24")),
                Gateway(GatewayKind.ADDRESS, parse_address("192.0.2.99")[1]),
            ),
            ours=OURS,
        ),
        HELD,
    ),
    "gateway-taken-away": Case(
        wanted(WantedPool("internet", (B1, B2)), ours=(*OURS, exclude("192.0.2.1"))),
        top(
            vrf(
                ipv4(
                    net4("192.0.2.0", 25, "<default-router>192.0.2.1</default-router>") + N2,
                    excluded("192.0.2.1", "192.0.2.1"),
                )
            )
        ),
    ),
    "adopted": Case(
        wanted(
            WantedPool(
                "internet",
                (
                    block(
                        1,
                        "192.0.2.0/25",
                        drained=True,
                        key=ObjectKey("ipv4-address-range", ("red", "old", "192.0.2.0")),
                    ),
                    block(3, "192.0.2.128/25"),
                ),
                network_instance="red",
            ),
            ours=(ObjectKey("ipv4-address-range", ("red", "old", "192.0.2.0")),),
        ),
        top(
            vrf(
                ipv4(
                    "",
                    "<address-ranges><address-range><start-address>192.0.2.0</start-address>"
                    "<end-address>192.0.2.127</end-address></address-range></address-ranges>",
                    "old",
                ),
                "red",
            )
        ),
    ),
    "adopted-prefix-range": Case(
        wanted(
            WantedPool(
                "pd",
                (
                    block(
                        2,
                        "2001:db8::/48",
                        key=ObjectKey("ipv6-prefix-range", ("default", "pd", "2001:db8::")),
                    ),
                ),
                delegated_length=56,
            ),
            ours=(ObjectKey("ipv6-prefix-range", ("default", "pd", "2001:db8::")),),
        ),
        top(
            vrf(
                ipv6(
                    "<prefix-length>56</prefix-length><prefix-ranges><prefix-range><start-prefix>2001:db8::"
                    "</start-prefix><end-prefix>2001:db8:0:fe00::</end-prefix></prefix-range></prefix-ranges>",
                    "pd",
                )
            )
        ),
    ),
    "changed-by-hand": Case(
        wanted(
            WantedPool("internet", (B1, B2), FIRST, usage_high=80, usage_low=60),
            ours=(*OURS, exclude("192.0.2.1")),
        ),
        top(
            vrf(
                ipv4(
                    net4("192.0.2.0", 26, "<blocked>1</blocked><default-router>192.0.2.9</default-router>")
                    + N2,
                    excluded("192.0.2.1", "192.0.2.20")
                    + "<utilization-mark><high>99</high><low>60</low></utilization-mark>",
                )
            )
        ),
    ),
    "prefix-length-taken-away": Case(
        wanted(
            WantedPool(
                "internet", (block(7, "2001:db8:7::/48", key=network("2001:db8:7::")),), delegated_length=56
            ),
            ours=(VRF, POOL6, network("2001:db8:7::")),
        ),
        top(
            vrf(
                ipv6(
                    "<networks><network><prefix>2001:db8:7::</prefix><prefix-length>48</prefix-length></network>"
                    "</networks>"
                )
            )
        ),
    ),
    "pool-of-others": Case(
        wanted(WantedPool("internet", (block(1, "192.0.2.0/25"),), usage_high=80, usage_low=60)),
        top(vrf(ipv4(net4("203.0.113.0", 24)))),
    ),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, folder_of("cisco-iosxr"))


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    assert_golden(DRIVER, MODULES, name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_edit_fits_the_published_modules_and_does_what_is_wanted(name: str) -> None:
    bench().check(CASES[name])


def test_no_golden_file_is_left_over() -> None:
    assert_none_left_over(DRIVER, CASES)
