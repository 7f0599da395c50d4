"""Edits of the driver ietf-dhcpv6-server: golden files, and validity in the module of RFC 9243.

How golden files are written anew is said in tests/driver_cases.py.
"""

from __future__ import annotations

from functools import cache

import pytest

from casm_ctrl.drivers.ietf_dhcpv6_server import DRIVER
from casm_ctrl.drivers.interface import Announcement, BlockMark, ObjectKey, WantedPool
from tests.driver_cases import (
    STORE,
    Bench,
    Case,
    assert_golden,
    assert_none_left_over,
    block,
    wanted,
)
from tests.published import folder_of

MODULES = ("ietf-dhcpv6-server",)
RANGE = ObjectKey("allocation-range", ("residential",))
MARK = "<description>casm-k3f9qa-g6</description>"


def na(number: int, name: str = "residential") -> ObjectKey:
    return ObjectKey("address-pool", (name, str(BlockMark(STORE, number))))


def pd(number: int, name: str = "residential") -> ObjectKey:
    return ObjectKey("prefix-pool", (name, str(BlockMark(STORE, number))))


def server(inside: str, *, more: str = "") -> str:
    return (
        '<dhcpv6-server xmlns="urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server">'
        f"{more}<allocation-ranges>{inside}</allocation-ranges></dhcpv6-server>"
    )


def allocation_range(
    addresses: str = "",
    prefixes: str = "",
    *,
    name: str = "residential",
    leaves: str = MARK,
    network: str = "2001:db8::/47",
    more: str = "",
) -> str:
    return (
        f"<allocation-range><id>{name}</id>{leaves}<network-prefix>{network}</network-prefix>{more}"
        + (f"<address-pools>{addresses}</address-pools>" if addresses else "")
        + (f"<prefix-pools>{prefixes}</prefix-pools>" if prefixes else "")
        + "</allocation-range>"
    )


def address_pool(name: str, prefix: str, start: str, end: str, more: str = "") -> str:
    return (
        f"<address-pool><pool-id>{name}</pool-id><pool-prefix>{prefix}</pool-prefix>"
        f"<start-address>{start}</start-address><end-address>{end}</end-address>{more}</address-pool>"
    )


def prefix_pool(name: str, prefix: str, length: int = 56, more: str = "") -> str:
    return (
        f"<prefix-pool><pool-id>{name}</pool-id><pool-prefix>{prefix}</pool-prefix>"
        f"<client-prefix-length>{length}</client-prefix-length>{more}</prefix-pool>"
    )


ALL = "ffff:ffff:ffff:ffff"
B1 = address_pool("casm-k3f9qa-b1", "2001:db8::/64", "2001:db8::", f"2001:db8::{ALL}")
B2 = address_pool("casm-k3f9qa-b2", "2001:db8:1::/64", "2001:db8:1::", f"2001:db8:1:0:{ALL}")
P3 = prefix_pool("casm-k3f9qa-b3", "2001:db8:1000::/40")
FOREIGN = address_pool("42", "2001:db8:9::/64", "2001:db8:9::1000", "2001:db8:9::1fff")
OPTION_SETS = "<option-sets><option-set><option-set-id>dns</option-set-id></option-set></option-sets>"
HAS_DNS = "<option-set-id>dns</option-set-id>"
TWO = (block(1, "2001:db8::/64"), block(2, "2001:db8:1::/64"))

CASES = {
    "first-block": Case(wanted(WantedPool("residential", TWO[:1], access="dhcp"), generation=1)),
    "many-blocks": Case(
        wanted(
            WantedPool("residential", (block(5, "2001:db8:ff::/64"), *TWO)),
            WantedPool("business", (block(4, "2001:db8:8000::/64"),)),
            ours=(RANGE, na(1), na(2)),
        ),
        server(allocation_range(B1 + B2)),
    ),
    "delegated-prefixes": Case(
        wanted(
            WantedPool("residential", TWO[:1], announcement=Announcement.EXTERNAL),
            WantedPool(
                "residential-pd",
                (block(3, "2001:db8:1000::/40"), block(4, "2a00:db8::/48")),
                delegated_length=56,
            ),
        ),
    ),
    "one-name-for-both": Case(
        wanted(
            WantedPool("residential", TWO[:1]),
            WantedPool("residential", (block(3, "2001:db8:1000::/40"),), delegated_length=56),
        ),
    ),
    "option-sets": Case(
        wanted(WantedPool("residential", TWO, services=("dns",)), ours=(RANGE, na(1), na(2))),
        server(allocation_range(B1 + B2), more=OPTION_SETS),
    ),
    "usage-high": Case(
        wanted(
            WantedPool("residential", TWO, usage_high=80),
            WantedPool("residential", (block(3, "2001:db8:1000::/40"),), delegated_length=56, usage_high=90),
            ours=(RANGE, na(1), pd(3)),
        ),
        server(allocation_range(B1, P3, network="2001:db8::/35")),
    ),
    "remove-one": Case(
        wanted(WantedPool("residential", TWO[1:]), ours=(RANGE, na(1), na(2))),
        server(allocation_range(B1 + FOREIGN + B2)),
    ),
    "remove-last": Case(
        wanted(WantedPool("residential", ()), ours=(RANGE, na(1), pd(3))),
        server(allocation_range(B1, P3) + allocation_range(FOREIGN, name="theirs", leaves="")),
    ),
    "remove-last-kept": Case(
        wanted(ours=(RANGE, na(1), na(1, "office"), ObjectKey("allocation-range", ("office",)))),
        server(
            allocation_range(B1, leaves=f"{MARK}<valid-lifetime>3600</valid-lifetime>")
            + allocation_range(B2, name="office", leaves="<description>the office</description>").replace(
                "b2", "b1"
            )
        ),
    ),
    "foreign-range": Case(
        wanted(WantedPool("residential", (*TWO, block(3, "2a00:db8::/64")), services=("dns",))),
        server(
            allocation_range(leaves="<description>by hand</description>", more=HAS_DNS)
            + allocation_range(FOREIGN, name="theirs", leaves=""),
            more=OPTION_SETS,
        ),
    ),
    "drift": Case(
        wanted(
            WantedPool("residential", TWO),
            WantedPool("residential", (block(3, "2001:db8:1000::/40"),), delegated_length=56),
            ours=(RANGE, na(1), na(2), pd(3)),
        ),
        server(
            allocation_range(
                B1.replace("<end-address>2001:db8::ffff:ffff:ffff:ffff", "<end-address>2001:db8::ff"),
                P3.replace(">56<", ">60<"),
                network="2001:db8::/32",
            )
        ),
    ),
    "network-prefix-too-narrow": Case(
        wanted(WantedPool("residential", TWO), ours=(RANGE, na(1), na(2))),
        server(allocation_range(B1 + B2, network="2001:db8::/64")),
    ),
    "same-written-otherwise": Case(
        wanted(WantedPool("residential", TWO[:1]), ours=(RANGE, na(1))),
        server(
            allocation_range(
                address_pool(
                    "casm-k3f9qa-b1",
                    "2001:0DB8:0:0::/64",
                    "2001:db8:0:0:0:0:0:0",
                    f"2001:DB8:0:0:{ALL.upper()}",
                ),
                network="2001:DB8::/64",
            )
        ),
    ),
    "by-hand-kept": Case(
        wanted(WantedPool("residential", TWO[:1]), ours=(RANGE, na(1))),
        server(
            allocation_range(
                B1.replace("</address-pool>", "<valid-lifetime>60</valid-lifetime></address-pool>").replace(
                    "2001:db8::/64", "2001:db8::/63"
                ),
                leaves=f"{MARK}<preferred-lifetime>30</preferred-lifetime>",
                network="2001:db8::/64",
            )
        ),
    ),
    "adopted": Case(
        wanted(
            WantedPool(
                "residential",
                (*TWO[:1], block(9, "2001:db8:9::1000/116", key=ObjectKey("address-pool", ("theirs", "42")))),
            ),
            WantedPool(
                "residential-pd",
                (block(10, "2001:db8:1000::/40", key=ObjectKey("prefix-pool", ("theirs", "pd"))),),
                delegated_length=60,
            ),
            ours=(ObjectKey("address-pool", ("theirs", "42")), ObjectKey("prefix-pool", ("theirs", "pd"))),
        ),
        server(
            allocation_range(
                FOREIGN,
                prefix_pool("pd", "2001:db8:1000::/40"),
                name="theirs",
                leaves="",
                network="2001:db8::/32",
            )
        ),
    ),
    "odd-names": Case(
        wanted(
            WantedPool("a<b>&\"'ä", TWO[:1]),
            WantedPool("x]]> y", TWO[1:]),
            ours=(na(2, "x]]> y"), na(3, "]"), ObjectKey("allocation-range", ("]",))),
        ),
        server(
            allocation_range(
                B2.replace("2001:db8:1::</start", "2001:db8:1::1</start"),
                name="x]]&gt; y",
                leaves="",
                network="2001:db8:1::/64",
            )
            + allocation_range(
                address_pool("casm-k3f9qa-b3", "2001:db8:3::/64", "2001:db8:3::1", "2001:db8:3::2"),
                name="]",
                network="2001:db8:3::/64",
            )
        ),
    ),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, folder_of("ietf"))


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    assert_golden(DRIVER, MODULES, name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_edit_and_result_are_valid_and_complete(name: str) -> None:
    bench().check(CASES[name])


def test_no_golden_file_is_left_over() -> None:
    assert_none_left_over(DRIVER, CASES)
