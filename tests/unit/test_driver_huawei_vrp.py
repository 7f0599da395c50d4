"""The driver huawei-vrp: what it says of itself, and what it reads."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.addressing.prefix import parse_prefix, parse_range
from casm_ctrl.base.errors import ProtocolViolation
from casm_ctrl.drivers.huawei_vrp import DRIVER
from casm_ctrl.drivers.interface import (
    Abilities,
    BlockMark,
    Element,
    ObjectKey,
    SeenRange,
    UsageKind,
    UsageReading,
    WantedPool,
)
from casm_ctrl.drivers.registry import load_driver
from tests.driver_cases import block, filtered, wanted
from tests.vrp_xml import IPV4, IPV6, OTHERS, OURS, all6, data, pool4, pool6, pools4, prefix6

# --- What it says of itself -----------------------------------------------------------------------


def test_it_is_installed_and_drains_and_counts() -> None:
    assert load_driver("huawei-vrp") is DRIVER
    assert DRIVER.abilities({}) == Abilities(drain=True, usage=UsageKind.COUNT)
    assert DRIVER.roles == {"bng"}


def test_the_lock_of_a_prefix_refuses_renewals_and_is_never_written() -> None:
    """The quirk prefix-lock-evicts: what drains a block is the lock of the pool that binds its prefix."""
    asked = WantedPool("internet6", (block(1, "2001:db8::/64", drained=True),))
    edit = DRIVER.render(wanted(asked), data(), {})
    (lock,) = [lock for top in edit.config for lock in top.iter(f"{{{IPV6}}}lock")]
    around = [etree.QName(node).localname for node in lock.iterancestors()]
    assert around[:2] == ["local", "ipv6-pool"]
    assert not len(lock), "drain true would evict"


# --- What it reads --------------------------------------------------------------------------------


def test_ipv4_sections_of_anybody_are_read() -> None:
    vpn = "<vpn-instance><name>red</name></vpn-instance>"
    seen = DRIVER.parse(
        data(
            pools4(
                pool4(OURS, "0 192.0.2.0 192.0.2.255", "7 10.0.0.1 10.0.0.9", more=f"{vpn}<lock/>"),
                pool4("legacy", "0 203.0.113.1 203.0.113.9", "3 203.0.113.20 203.0.113.29"),
                pool4(OTHERS, "0 198.51.100.0 198.51.100.255"),
                groups=f"<pool-group><name>g</name><bind-pools><pool-name>{OURS}</pool-name></bind-pools>"
                "</pool-group>",
            )
        )
    )
    assert seen.ranges == (
        SeenRange(
            ObjectKey("ipv4-pool", (OURS,)),
            parse_range("192.0.2.0", "192.0.2.255"),
            BlockMark("k3f9qa", 1),
            drained=True,
            network_instance="red",
        ),
        SeenRange(
            ObjectKey("ipv4-section", (OURS, "7")),
            parse_range("10.0.0.1", "10.0.0.9"),
            None,
            drained=True,
            network_instance="red",
        ),
        SeenRange(ObjectKey("ipv4-section", ("legacy", "0")), parse_range("203.0.113.1", "203.0.113.9")),
        SeenRange(ObjectKey("ipv4-section", ("legacy", "3")), parse_range("203.0.113.20", "203.0.113.29")),
        SeenRange(
            ObjectKey("ipv4-pool", (OTHERS,)),
            parse_range("198.51.100.0", "198.51.100.255"),
            BlockMark("zzzzzz", 9),
        ),
    )
    assert [pool.key for pool in seen.pools] == [
        ObjectKey("ipv4-pool-group", ("g",)),
        ObjectKey("ipv4-pool", ("legacy",)),
    ]
    assert seen.parts == (
        ObjectKey("ipv4-pool-lock", (OURS,)),
        ObjectKey("ipv4-pool-group-member", ("g", OURS)),
    )


def test_ipv6_prefixes_are_drained_by_the_pool_that_binds_them() -> None:
    vpn = "<vpn-instance><name>red</name></vpn-instance>"
    seen = DRIVER.parse(
        data(
            ipv6=all6(
                prefix6(OURS, "2001:db8::/64", more=vpn)
                + prefix6("pd", "2001:db8:100::1/40", "delegation")
                + "<ipv6-prefix><name>far</name><type>remote</type><remote><link-address><ipv6-address>"
                "2001:db8:9::/64</ipv6-address></link-address></remote></ipv6-prefix>",
                pool6("internet6", OURS, more="<lock><drain>false</drain></lock>")
                + pool6("home", "pd", "delegation"),
            )
        )
    )
    assert seen.ranges == (
        SeenRange(
            ObjectKey("ipv6-prefix", (OURS,)),
            parse_prefix("2001:db8::/64").range,
            BlockMark("k3f9qa", 1),
            drained=True,
            network_instance="red",
        ),
        SeenRange(ObjectKey("ipv6-prefix", ("pd",)), parse_prefix("2001:db8:100::/40").range),
        SeenRange(ObjectKey("ipv6-prefix", ("far",)), None),
    )
    assert seen.parts == (ObjectKey("ipv6-local-pool-lock", ("internet6",)),)


@pytest.mark.parametrize(
    "section",
    ["0 192.0.2.9 192.0.2.1", "0 x 192.0.2.1", "0 2001:db8::1 192.0.2.1", "0 192.0.2.1 192.0.2.999"],
)
def test_addresses_that_make_no_sense_are_reported_without_a_range(section: str) -> None:
    (seen,) = DRIVER.parse(data(pools4(pool4(OURS, section)))).ranges
    assert (seen.range, seen.mark) == (None, BlockMark("k3f9qa", 1))


def test_a_pool_of_ours_without_its_section_is_there_without_a_range() -> None:
    (seen,) = DRIVER.parse(data(pools4(pool4(OURS)))).ranges
    assert (seen.key, seen.range) == (ObjectKey("ipv4-pool", (OURS,)), None)


@pytest.mark.parametrize("prefix", ["", "2001:db8::", "2001:db8::/129", "/", "here/64"])
def test_a_prefix_that_makes_no_sense_is_reported_without_a_range(prefix: str) -> None:
    (seen,) = DRIVER.parse(data(ipv6=all6(prefix6("p", prefix), ""))).ranges
    assert seen.range is None


@pytest.mark.parametrize(
    ("running", "key"),
    [
        (data("<ipv4-pools><ipv4-pool><type>local</type></ipv4-pool></ipv4-pools>"), "name"),
        (
            data(
                "<ipv4-pools><ipv4-pool><name>a</name><local><sections><section/></sections></local>"
                "</ipv4-pool></ipv4-pools>"
            ),
            "number",
        ),
        (data(ipv6="<ipv6-pools><ipv6-pool/></ipv6-pools>"), "name"),
    ],
)
def test_an_entry_without_its_key_is_the_devices_fault(running: Element, key: str) -> None:
    with pytest.raises(ProtocolViolation, match=f"without its key {key}"):
        DRIVER.parse(running)


# --- Usage ----------------------------------------------------------------------------------------


def statistic(**counts: object) -> str:
    leaves = "".join(f"<{k.replace('_', '-')}>{v}</{k.replace('_', '-')}>" for k, v in counts.items())
    return f"<statistic>{leaves}</statistic>"


def counted(section: str) -> tuple[UsageReading, ...]:
    return DRIVER.parse_usage(data(pools4(pool4(OURS, f"0 192.0.2.0 192.0.2.255 {section}"))))


def test_a_lease_that_is_held_for_somebody_counts_as_used() -> None:
    """Reserved and delayed addresses go back to who had them: a block is not empty with them in it."""
    counts = statistic(total_number=256, used_number=0, idle_number=251, reserved_number=3, delayed_number=2)
    assert counted(counts) == (UsageReading(ObjectKey("ipv4-pool", (OURS,)), UsageKind.COUNT, 5, 256),)


@pytest.mark.parametrize(
    "section",
    [
        "",
        "<statistic/>",
        statistic(total_number=5),
        statistic(total_number=5, used_number=6),
        statistic(total_number=5, used_number=3, reserved_number=3),
        statistic(total_number=5, used_number=-1),
        statistic(total_number=5, used_number=1, delayed_number="many"),
    ],
)
def test_a_count_that_cannot_be_true_is_no_reading(section: str) -> None:
    assert counted(section) == ()


def test_delegated_prefixes_are_counted_however_they_were_given_out() -> None:
    counts = statistic(pd_total_number=65536, pd_used_number=7, ndra_used_number=2, address_used_number=1)
    running = data(
        ipv6=all6(prefix6("p", "2001:db8::/40", "delegation"), pool6("x", "p", "delegation", beside=counts))
    )
    assert DRIVER.parse_usage(running) == (
        UsageReading(ObjectKey("ipv6-prefix", ("p",)), UsageKind.COUNT, 10, 65536),
    )


@pytest.mark.parametrize("shared", ["", "<enable>false</enable>", "<enable>true</enable>"])
def test_shared_prefixes_prove_something_only_where_their_users_are_counted(shared: str) -> None:
    """By default the users of a prefix that they share are left out: 0 is then no proof of emptiness."""
    counts = statistic(address_total_number=-1, address_used_number=0, ndra_used_number=0)
    more = f"<statistic-include-shared-user>{shared}</statistic-include-shared-user>"
    running = data(ipv6=all6(prefix6("p", "2001:db8::/64"), pool6("x", "p", beside=counts), more))
    key = ObjectKey("ipv6-prefix", ("p",))
    expected = (UsageReading(key, UsageKind.COUNT, 0),) if "true" in shared else ()
    assert DRIVER.parse_usage(running) == expected


def test_the_filters_ask_for_what_is_read_and_no_subscribers() -> None:
    infos = "<address-infos><address-info><ip>192.0.2.1</ip></address-info></address-infos>"
    section = f"0 192.0.2.0 192.0.2.255 {statistic(total_number=256, used_number=1)}{infos}"
    counts = statistic(pd_total_number=4, pd_used_number=1)
    running = data(
        pools4(pool4(OURS, section, more="<lock/>")) + "<auto-refresh><enable>true</enable></auto-refresh>",
        all6(prefix6("p", "2001:db8::/40", "delegation"), pool6("x", "p", "delegation", beside=counts)),
    )
    usage = filtered(running, DRIVER.usage_filter())
    assert DRIVER.parse_usage(usage) == DRIVER.parse_usage(running)
    assert len(DRIVER.parse_usage(usage)) == 2
    assert not list(usage.iter(f"{{{IPV4}}}address-info", f"{{{IPV4}}}lock"))
    config = filtered(running, DRIVER.config_filter())
    assert DRIVER.parse(config) == DRIVER.parse(running)
    assert not list(config.iter(f"{{{IPV4}}}auto-refresh"))
