"""Edits of the driver juniper-junos against golden files and the published modules of Junos.

To write the files anew: `CASM_WRITE_GOLDEN=1 pytest tests/unit/test_driver_juniper_junos_golden.py`.
"""

from __future__ import annotations

from functools import cache

import pytest

from casm_ctrl.addressing.prefix import parse_address
from casm_ctrl.drivers.interface import BlockMark, Gateway, GatewayKind, ObjectKey, WantedBlock, WantedPool
from casm_ctrl.drivers.juniper_junos import DRIVER
from tests.driver_cases import STORE, Bench, Case, assert_golden, assert_none_left_over, block, wanted
from tests.published import MODELS, folder_of

MODULES = MODELS["juniper-junos"]
FIRST = Gateway(GatewayKind.FIRST)
NETWORKS = {
    1: "192.0.2.0/25",
    2: "192.0.2.128/25",
    3: "198.51.100.0/24",
    4: "203.0.113.0/24",
}


def name_of(number: int) -> str:
    return "internet" if number == 1 else str(BlockMark(STORE, number))


def key(number: int, pool: str | None = None) -> ObjectKey:
    return ObjectKey("network", (pool or name_of(number), NETWORKS[number]))


def ours(*numbers: int) -> tuple[ObjectKey, ...]:
    return tuple(one for n in numbers for one in (ObjectKey("pool", (name_of(n),)), key(n)))


def held(number: int, *, drained: bool = False) -> WantedBlock:
    return block(number, NETWORKS[number], drained=drained, key=key(number))


def device(*pools: str) -> str:
    return (
        '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
        '<access xmlns="http://yang.juniper.net/junos/conf/access"><address-assignment>'
        f"{''.join(pools)}</address-assignment></access></configuration>"
    )


def note(number: int, generation: int) -> str:
    return (
        f"<apply-macro><name>casm</name><data><name>block</name><value>casm-k3f9qa-b{number}</value></data>"
        f"<data><name>generation</name><value>casm-k3f9qa-g{generation}</value></data></apply-macro>"
    )


def inet(name: str, network: str, link: str = "", leaves: str = "", more: str = "") -> str:
    linked = f"<link>{link}</link>" if link else ""
    return (
        f"<pool><name>{name}</name>{leaves}{linked}<family><inet><network>{network}</network>{more}</inet></family>"
        "</pool>"
    )


def inet6(name: str, prefix: str, more: str = "", link: str = "") -> str:
    linked = f"<link>{link}</link>" if link else ""
    return f"<pool><name>{name}</name>{linked}<family><inet6><prefix>{prefix}</prefix>{more}</inet6></family></pool>"


def chain(*numbers: int, to: str = "") -> str:
    names = [*map(name_of, numbers), to]
    return "".join(
        inet(name, NETWORKS[n], after, note(n, 6) if n == 1 else "")
        for n, name, after in zip(numbers, names, names[1:], strict=False)
    )


FOREIGN = inet(
    "voip", "10.9.0.0/24", more="<range><name>r</name><low>10.9.0.10</low><high>10.9.0.99</high></range>"
)

CASES = {
    "first-block": Case(
        wanted(WantedPool("internet", (block(1, NETWORKS[1]),), FIRST, access="dhcp"), generation=1)
    ),
    "many-blocks": Case(
        wanted(
            WantedPool("internet", (held(1), held(2), block(4, NETWORKS[4]), block(3, NETWORKS[3]))),
            ours=ours(1, 2),
        ),
        device(chain(1, 2), FOREIGN),
    ),
    "ipv6-addresses": Case(
        wanted(WantedPool("six", (block(8, "2001:db8:8::/64"), block(9, "2001:db8:9::/64")), FIRST))
    ),
    "delegated-prefixes": Case(
        wanted(
            WantedPool(
                "pd",
                (block(7, "2001:db8:7::/48"), block(8, "2001:db8:8::/48", drained=True)),
                delegated_length=56,
            )
        )
    ),
    "drain": Case(
        wanted(WantedPool("internet", (held(1), held(2, drained=True))), ours=ours(1, 2)), device(chain(1, 2))
    ),
    "drain-of-the-head": Case(
        wanted(WantedPool("internet", (held(1, drained=True), held(2))), ours=ours(1, 2)), device(chain(1, 2))
    ),
    "drained-actively-already": Case(
        wanted(WantedPool("internet", (held(1, drained=True),)), ours=ours(1)),
        device(inet("internet", NETWORKS[1], leaves="<active-drain/>")),
    ),
    "undrain": Case(
        wanted(WantedPool("internet", (held(1),)), ours=ours(1)),
        device(inet("internet", NETWORKS[1], leaves="<active-drain/><hold-down/>")),
    ),
    "removal-in-the-middle": Case(
        wanted(WantedPool("internet", (held(1), held(3))), ours=ours(1, 2, 3)),
        device(chain(1, 2, 3), FOREIGN),
    ),
    "removal-at-the-end": Case(
        wanted(WantedPool("internet", (held(1),)), ours=ours(1, 2)), device(chain(1, 2))
    ),
    "last-removal": Case(wanted(ours=ours(1, 2)), device(chain(1, 2), FOREIGN)),
    "a-new-block-takes-the-head": Case(
        wanted(
            WantedPool("internet", (held(2), block(4, NETWORKS[4]), block(3, NETWORKS[3])), FIRST),
            ours=(
                *ours(1, 2),
                ObjectKey("router", ("internet", "192.0.2.1")),
                ObjectKey("inet-excluded-address", ("internet", "192.0.2.1")),
            ),
        ),
        device(
            inet(
                "internet",
                NETWORKS[1],
                name_of(2),
                note(1, 6) + "<hold-down/>",
                "<dhcp-attributes><name-server><name>192.0.2.53</name></name-server><router><name>192.0.2.1</name>"
                "</router></dhcp-attributes><excluded-address><name>192.0.2.1</name></excluded-address>",
            ),
            inet(name_of(2), NETWORKS[2]),
        ),
    ),
    "a-new-delegated-block-takes-the-head": Case(
        wanted(
            WantedPool("pd", (block(8, "2001:db8:8::/48"),), delegated_length=56),
            ours=(ObjectKey("network", ("pd", "2001:db8:7::/48")),),
        ),
        device(
            inet6("pd", "2001:db8:7::/48", "<range><name>old</name><prefix-length>56</prefix-length></range>")
        ),
    ),
    "attributes-are-copied": Case(
        wanted(WantedPool("internet", (held(1), block(2, NETWORKS[2])), FIRST), ours=ours(1)),
        device(
            inet(
                "internet",
                NETWORKS[1],
                more="<dhcp-attributes><maximum-lease-time>3600</maximum-lease-time><name-server><name>192.0.2.53</name>"
                "</name-server><router><name>192.0.2.1</name></router></dhcp-attributes>"
                "<excluded-address><name>192.0.2.1</name></excluded-address>",
            )
        ),
    ),
    "gateway-moved": Case(
        wanted(
            WantedPool("internet", (held(1),), Gateway(GatewayKind.LAST)),
            ours=(
                *ours(1),
                ObjectKey("router", ("internet", "192.0.2.1")),
                ObjectKey("inet-excluded-address", ("internet", "192.0.2.1")),
            ),
        ),
        device(
            inet(
                "internet",
                NETWORKS[1],
                more="<dhcp-attributes><router><name>192.0.2.1</name></router></dhcp-attributes>"
                "<excluded-address><name>192.0.2.1</name></excluded-address>",
            )
        ),
    ),
    "gateway-address": Case(
        wanted(
            WantedPool(
                "internet",
                (block(1, NETWORKS[1]), block(2, NETWORKS[2])),
                Gateway(GatewayKind.ADDRESS, parse_address("192.0.2.99")[1]),
            )
        )
    ),
    "odd-names": Case(wanted(WantedPool("Café a<b>&\"'", (block(1, NETWORKS[1]), block(2, NETWORKS[2]))))),
    "somebody-elses-pool-at-the-end": Case(
        wanted(WantedPool("internet", (held(1), held(2), block(3, NETWORKS[3]))), ours=ours(1, 2)),
        device(chain(1, 2, to="voip"), FOREIGN),
    ),
    "somebody-elses-pool-in-between": Case(
        wanted(WantedPool("internet", (held(1), held(2), block(3, NETWORKS[3]))), ours=ours(1, 2)),
        device(
            inet("internet", NETWORKS[1], "voip"),
            inet("voip", "10.9.0.0/24", name_of(2)),
            inet(name_of(2), NETWORKS[2]),
        ),
    ),
    "adopted": Case(
        wanted(
            WantedPool(
                "internet",
                (
                    block(1, NETWORKS[1], key=key(1)),
                    block(2, NETWORKS[2], drained=True, key=key(2, "second")),
                    block(3, NETWORKS[3]),
                ),
            ),
            ours=(key(1), key(2, "second")),
        ),
        device(inet("internet", NETWORKS[1], "second"), inet("second", NETWORKS[2])),
    ),
    "adopted-without-change": Case(
        wanted(
            WantedPool(
                "pd",
                (
                    block(7, "2001:db8:7::/48", key=ObjectKey("network", ("one", "2001:db8:7::/48"))),
                    block(6, "2001:db8:6::/48", key=ObjectKey("network", ("two", "2001:db8:6::/48"))),
                ),
                delegated_length=56,
            ),
            ours=(
                ObjectKey("network", ("one", "2001:db8:7::/48")),
                ObjectKey("network", ("two", "2001:db8:6::/48")),
            ),
        ),
        device(
            inet6(
                "one",
                "2001:DB8:7::/48",
                "<range><name>r</name><prefix-length>56</prefix-length></range>",
                "two",
            ),
            inet6("two", "2001:db8:6::/48", "<range><name>r</name><prefix-length>56</prefix-length></range>"),
        ),
    ),
    "changed-by-hand": Case(
        wanted(WantedPool("internet", (held(1), held(2), held(3))), ours=ours(1, 2, 3)),
        device(
            inet("internet", NETWORKS[1], name_of(3)),
            inet(name_of(2), "192.0.2.192/26", "internet"),
            inet(name_of(3), NETWORKS[3], "nowhere"),
        ),
    ),
    "a-pool-of-ours-is-gone": Case(
        wanted(WantedPool("internet", (held(1), held(2))), ours=ours(1, 2)), device(chain(1))
    ),
    "a-block-wanted-again-and-the-one-that-took-its-place": Case(
        wanted(
            WantedPool("internet", (held(1), block(4, NETWORKS[4], key=key(4, "internet")))),
            ours=(*ours(1), key(4, "internet")),
        ),
        device(chain(1)),
    ),
}


@cache
def bench() -> Bench:
    return Bench(DRIVER, MODULES, folder_of("juniper-junos"))


@pytest.mark.parametrize("name", CASES)
def test_the_edit_is_the_golden_one(name: str) -> None:
    assert_golden(DRIVER, MODULES, name, CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_edit_fits_the_published_modules_and_does_what_is_wanted(name: str) -> None:
    bench().check(CASES[name])


def test_no_golden_file_is_left_over() -> None:
    assert_none_left_over(DRIVER, CASES)
