"""The driver huawei-vrp: what it reads, what it refuses, and blocks that come and go in any order."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.capacity import GatewayKind
from casm_ctrl.addressing.prefix import Family, Prefix, parse_address, parse_prefix, parse_range
from casm_ctrl.base.errors import InvalidValue, NotSupported, ProtocolViolation
from casm_ctrl.drivers.huawei_vrp import DRIVER
from casm_ctrl.drivers.interface import (
    Abilities,
    Announcement,
    BlockMark,
    Element,
    Gateway,
    ObjectKey,
    SeenRange,
    UsageKind,
    UsageReading,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.registry import load_driver
from tests.driver_cases import STORE, Bench, block, filtered, wanted
from tests.published import folder_of

IPV4 = "urn:huawei:yang:huawei-bras-ipv4-address-manage"
IPV6 = "urn:huawei:yang:huawei-bras-ipv6-address-manage"
FIRST = Gateway(GatewayKind.FIRST)
OURS, OTHERS = "casm-k3f9qa-b1", "casm-zzzzzz-b9"


def data(ipv4: str = "", ipv6: str = "") -> Element:
    return etree.fromstring(
        f'<data><bras-ipv4-address-manage xmlns="{IPV4}">{ipv4}</bras-ipv4-address-manage>'
        f'<bras-ipv6-address-manage xmlns="{IPV6}">{ipv6}</bras-ipv6-address-manage></data>'
    )


def pool4(name: str, *sections: str, more: str = "", gateway: str = "") -> str:
    """`sections`: `NUMBER FIRST LAST` and, after that, XML."""
    inside = ""
    for section in sections:
        number, first, last, *rest = section.split(" ", 3)
        inside += (
            f"<section><number>{number}</number><start-ip-address>{first}</start-ip-address>"
            f"<end-ip-address>{last}</end-ip-address>{''.join(rest)}</section>"
        )
    gate = ""
    if gateway:
        address, mask = gateway.split("/")
        gate = f"<gateway><gate-ip>{address}</gate-ip><gate-mask>{mask}</gate-mask></gateway>"
    return (
        f"<ipv4-pool><name>{name}</name><type>local</type><local>{gate}<sections>{inside}</sections>{more}"
        "</local></ipv4-pool>"
    )


def pools4(*pools: str, groups: str = "") -> str:
    return f"<ipv4-pools>{''.join(pools)}</ipv4-pools><pool-groups>{groups}</pool-groups>"


def prefix6(name: str, prefix: str, kind: str = "local", more: str = "") -> str:
    return (
        f"<ipv6-prefix><name>{name}</name><type>{kind}</type><{kind}><prefix-address><prefix>{prefix}</prefix>"
        f"</prefix-address>{more}</{kind}></ipv6-prefix>"
    )


def pool6(name: str, prefix: str, kind: str = "local", more: str = "", beside: str = "") -> str:
    return (
        f"<ipv6-pool><name>{name}</name><type>{kind}</type><{kind}><bind-prefix><prefix-name>{prefix}"
        f"</prefix-name></bind-prefix>{more}</{kind}>{beside}</ipv6-pool>"
    )


def all6(prefixes: str, pools: str, more: str = "") -> str:
    return f"<ipv6-prefixs>{prefixes}</ipv6-prefixs><ipv6-pools>{pools}</ipv6-pools>{more}"


def render(*pools: WantedPool, ours: tuple[ObjectKey, ...] = (), running: Element | None = None) -> None:
    DRIVER.render(wanted(*pools, ours=ours), data() if running is None else running, {})


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


# --- Blocks that come and go ----------------------------------------------------------------------

NOTHING = etree.tostring(data()).decode().removeprefix("<data>").removesuffix("</data>")
FOREIGN = "".join(
    etree.tostring(child).decode()
    for child in data(
        pools4(
            pool4("legacy", "4 172.16.0.9 172.16.0.99", gateway="172.16.0.1/255.255.0.0", more="<lock/>"),
            pool4(OTHERS, "0 172.17.0.0 172.17.0.255", gateway="172.17.0.1/255.255.255.0"),
            groups="<pool-group><name>net</name><bind-pools><pool-name>legacy</pool-name></bind-pools>"
            "</pool-group>",
        ),
        all6(
            prefix6("theirs", "2a00::/64") + prefix6(OTHERS, "2a01::/64"),
            pool6("pd", "theirs") + pool6(OTHERS, OTHERS, more="<lock/>"),
        ),
    )
)


@cache
def bench() -> Bench:
    modules = ("huawei-bras-ipv4-address-manage", "huawei-bras-ipv6-address-manage")
    return Bench(DRIVER, modules, folder_of("huawei-vrp"))


def _prefix(name: str, number: int) -> Prefix:
    if name in ("net", "voip"):
        return Prefix(Family.IPV4, (10 << 24) + (number << 8), 24)
    return Prefix(Family.IPV6, (0x20010DB8 << 96) + (number << 80), 48)


def _pool(name: str, drained: dict[int, bool]) -> WantedPool:
    blocks = tuple(WantedBlock(n, _prefix(name, n), drained[n]) for n in drained)
    if name in ("net", "voip"):
        return WantedPool(name, blocks, FIRST)
    return WantedPool(name, blocks, delegated_length=56 if name == "pd" else None)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[WantedPool, ...]]:
    homes = {n: draw(st.sampled_from(["net", "voip", "net6", "pd"])) for n in range(1, 9)}
    wish = st.dictionaries(st.sampled_from(sorted(homes)), st.booleans())
    return [
        tuple(
            _pool(name, {n: drained for n, drained in state.items() if homes[n] == name})
            for name in sorted(set(homes.values()))
        )
        for state in draw(st.lists(wish, min_size=1, max_size=5))
    ]


@settings(max_examples=40, deadline=None)
@given(histories(), st.sampled_from([NOTHING, FOREIGN]))
def test_blocks_come_and_go_in_any_order(states: list[tuple[WantedPool, ...]], start: str) -> None:
    bench().run(states, start)


def test_a_pool_keeps_its_name_as_long_as_its_block() -> None:
    """The block that has the name of the device pool keeps it when blocks with lower numbers come."""
    running, ours = data(), frozenset[ObjectKey]()
    for generation, numbers in enumerate([(5,), (5, 2), (5, 2, 1), (2, 1)], start=1):
        asked = _pool("net6", dict.fromkeys(numbers, False))
        edit = DRIVER.render(Wanted(STORE, generation, (asked,), ours), running, {})
        ours |= {change.key for change in edit.changes}
        running = bench().apply(running, edit)
        named = {
            pool.findtext(f"{{{IPV6}}}name"): pool.findtext(f".//{{{IPV6}}}prefix-name")
            for pool in running.iter(f"{{{IPV6}}}ipv6-pool")
        }
        marks = {f"casm-{STORE}-b{n}" for n in numbers}
        assert set(named.values()) == marks
        assert named.get("net6") == (f"casm-{STORE}-b5" if 5 in numbers else None)


def test_hundreds_of_blocks_are_rendered_read_and_found_again() -> None:
    pools = (
        _pool("net", dict.fromkeys(range(1, 301), False)),
        _pool("pd", dict.fromkeys(range(301, 601), True)),
    )
    edit = DRIVER.render(wanted(*pools), data(), {})
    running = bench().apply(data(), edit)
    ours = tuple(change.key for change in edit.changes)
    assert DRIVER.render(wanted(*pools, ours=ours, generation=8), running, {}).changes == ()
    marks = {seen.mark for seen in DRIVER.parse(running).ranges}
    assert marks == {BlockMark(STORE, n) for n in range(1, 601)}
