"""What the driver huawei-vrp refuses, and with which words."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, parse_address
from casm_ctrl.base.errors import InvalidValue, NotSupported
from casm_ctrl.drivers.huawei_vrp import DRIVER
from casm_ctrl.drivers.interface import (
    Announcement,
    Element,
    Gateway,
    ObjectKey,
    WantedBlock,
    WantedPool,
)
from tests.driver_cases import block, wanted
from tests.vrp_xml import FIRST, OURS, all6, data, pool4, pool6, pools4, prefix6


def render(*pools: WantedPool, ours: tuple[ObjectKey, ...] = (), running: Element | None = None) -> None:
    DRIVER.render(wanted(*pools, ours=ours), data() if running is None else running, {})


# --- What it refuses ------------------------------------------------------------------------------

V4, V6 = block(1, "192.0.2.0/24"), block(1, "2001:db8::/64")


def at(address: str, mask: int | None = None) -> Gateway:
    return Gateway(GatewayKind.ADDRESS, parse_address(address)[1], mask=mask)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (WantedPool("a", (V4,)), "has no gateway"),
        (
            WantedPool("a", (V4, block(2, "198.51.100.0/24")), at("192.0.2.7")),
            "b2 .* does not hold the gateway",
        ),
        (WantedPool("a", (V4,), Gateway(GatewayKind.FIRST, mask=25)), "larger than the subnet"),
        (WantedPool("a", (block(1, "192.0.2.1/32"),), FIRST), "its gateway and nothing else"),
        (WantedPool("a", (V4,), FIRST, delegated_length=28), "delegate"),
        (WantedPool("a", (V6,), FIRST), "the gateway 'first'"),
        (WantedPool("a", (V6,), delegated_length=56), "smaller than one delegated prefix of /56"),
        (WantedPool("a", (V4,), FIRST, network_instance="red"), "no VPN instance"),
        (WantedPool("a", (V4,), FIRST, network_instance="_public_"), "'_public_'"),
        (WantedPool("a", (V4,), FIRST, services=("iptv",)), "service 'iptv'"),
        (WantedPool("a", (V4,), FIRST, access="cgn"), "access 'cgn'"),
        (WantedPool("a", (V4,), FIRST, usage_high=80, usage_low=20), "told below"),
        (WantedPool("a", (V4,), FIRST, announcement=Announcement.STATIC_DISCARD), "'driver-static-discard'"),
        (WantedPool("Internet", (V4,), FIRST), "cannot call a pool 'Internet'"),
        (WantedPool("--", (V4,), FIRST), "cannot call a pool '--'"),
        (WantedPool("x" * 33, (V6,)), "cannot call a pool 'x"),
        (
            WantedPool("a", tuple(block(n, f"10.{n // 256}.{n % 256}.0/24") for n in range(1, 1026)), FIRST),
            "1024",
        ),
        (
            WantedPool(
                "a", (block(1, "10.0.0.0/24"), block(2, "10.0.1.0/24")), Gateway(GatewayKind.FIRST, mask=16)
            ),
            "gateway subnet .* overlaps",
        ),
        (
            WantedPool("a", (WantedBlock(1, Prefix(Family.PORTS, 192 << 40, 36)),), FIRST),
            "port set",
        ),
    ],
)
def test_what_vrp_has_no_words_for_is_refused_with_what_to_do(asked: WantedPool, words: str) -> None:
    with pytest.raises(NotSupported, match=words) as caught:
        render(asked)
    assert caught.value.remedy


def test_a_vpn_instance_needs_the_address_family() -> None:
    instance = etree.fromstring(
        '<network-instance xmlns="urn:huawei:yang:huawei-network-instance"><instances><instance><name>red</name>'
        '<afs xmlns="urn:huawei:yang:huawei-l3vpn"><af><type>ipv6-unicast</type></af></afs></instance>'
        "</instances></network-instance>"
    )
    running = data()
    running.append(instance)
    render(WantedPool("a", (V6,), network_instance="red"), running=running)
    with pytest.raises(NotSupported, match="address family ipv4-unicast"):
        render(WantedPool("a", (V4,), FIRST, network_instance="red"), running=running)


def test_a_gateway_of_others_that_covers_a_block_is_named() -> None:
    running = data(pools4(pool4("legacy", "0 10.0.0.2 10.0.0.9", gateway="10.0.0.1/255.0.0.0")))
    with pytest.raises(NotSupported, match=r"overlaps 10\.0\.0\.0-10\.255\.255\.255 of the pool 'legacy'"):
        render(WantedPool("a", (block(1, "10.7.0.0/24"),), FIRST), running=running)
    render(WantedPool("a", (V4,), FIRST), running=running)


@pytest.mark.parametrize("gateway", ["10.0.0.1/255.0.255.0", "x/255.0.0.0", "10.0.0.1/y"])
def test_a_gateway_that_makes_no_sense_is_no_obstacle(gateway: str) -> None:
    running = data(pools4(pool4("legacy", gateway=gateway)))
    render(WantedPool("a", (block(1, "10.7.0.0/24"),), FIRST), running=running)


def test_one_section_is_not_drained_where_the_lock_would_stop_another() -> None:
    running = data(pools4(pool4("legacy", "0 192.0.2.0 192.0.2.127", "1 192.0.2.128 192.0.2.255")))
    first, second = ObjectKey("ipv4-section", ("legacy", "0")), ObjectKey("ipv4-section", ("legacy", "1"))
    one = block(1, "192.0.2.0/25", drained=True, key=first)
    two = block(2, "192.0.2.128/25", key=second)
    with pytest.raises(NotSupported, match="would stop its section 1 too"):
        render(WantedPool("a", (one, two), FIRST), ours=(first, second), running=running)
    both = block(2, "192.0.2.128/25", drained=True, key=second)
    render(WantedPool("a", (one, both), FIRST), ours=(first, second), running=running)


def test_a_pool_that_somebody_bound_elsewhere_is_not_pulled_from_under_him() -> None:
    group = f"<pool-group><name>g</name><bind-pools><pool-name>{OURS}</pool-name></bind-pools></pool-group>"
    running = data(pools4(pool4(OURS, "0 192.0.2.0 192.0.2.255"), groups=group))
    with pytest.raises(NotSupported, match="somebody bound it to the group 'g'"):
        render(ours=(ObjectKey("ipv4-pool", (OURS,)),), running=running)


def test_a_prefix_that_a_pool_of_others_binds_is_not_pulled_from_under_it() -> None:
    running = data(ipv6=all6(prefix6("p", "2001:db8::/64"), pool6("theirs", "p")))
    with pytest.raises(NotSupported, match="the pool 'theirs', which others made, binds it"):
        render(ours=(ObjectKey("ipv6-prefix", ("p",)),), running=running)


def test_a_prefix_keeps_its_use() -> None:
    key = ObjectKey("ipv6-prefix", (OURS,))
    running = data(ipv6=all6(prefix6(OURS, "2001:db8::/40"), pool6("a", OURS)))
    asked = WantedPool("a", (block(1, "2001:db8::/40", key=key),), delegated_length=56)
    with pytest.raises(NotSupported, match="of type local, and VRP does not change that"):
        render(asked, ours=(key,), running=running)


def test_an_adopted_prefix_that_no_pool_binds_has_nothing_to_lock() -> None:
    key = ObjectKey("ipv6-prefix", ("p",))
    asked = WantedPool("a", (block(1, "2001:db8::/64", drained=True, key=key),))
    with pytest.raises(NotSupported, match="no pool binds the prefix 'p'"):
        render(asked, ours=(key,), running=data(ipv6=all6(prefix6("p", "2001:db8::/64"), "")))


@pytest.mark.parametrize(
    ("more", "pool", "words"),
    [
        ("<vpn-instance><name>red</name></vpn-instance>", WantedPool("g", (V4,), FIRST), "VPN instance"),
        ("", WantedPool("g", (V4,), FIRST, usage_high=90), "warning threshold"),
    ],
)
def test_a_group_of_others_is_not_changed(more: str, pool: WantedPool, words: str) -> None:
    running = data(pools4(groups=f"<pool-group><name>g</name>{more}</pool-group>"))
    with pytest.raises(NotSupported, match=words):
        render(pool, running=running)


@pytest.mark.parametrize("path", ["ipv6-prefix", "pool", "ipv4-pool-group"])
def test_a_block_is_no_object_of_another_kind(path: str) -> None:
    with pytest.raises(NotSupported, match="cannot be"):
        render(WantedPool("a", (block(1, "192.0.2.0/24", key=ObjectKey(path, ("x",))),), FIRST))


def test_two_blocks_never_share_a_section() -> None:
    key = ObjectKey("ipv4-section", ("legacy", "0"))
    blocks = (block(1, "192.0.2.0/25", key=key), block(2, "192.0.2.128/25", key=key))
    with pytest.raises(InvalidValue, match="claimed twice"):
        render(WantedPool("a", blocks, FIRST))
