"""What drivers say besides readings: values that cannot be true, what devices tell by themselves, and since when."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.addressing.capacity import subscribers_of
from casm_ctrl.addressing.prefix import Family, Prefix, parse_prefix
from casm_ctrl.base.clock import SECOND, from_rfc3339
from casm_ctrl.base.errors import PeerFault
from casm_ctrl.drivers.huawei_vrp_model import SECTION
from casm_ctrl.drivers.interface import (
    Driver,
    Element,
    ObjectKey,
    UsageKind,
    UsageReading,
    Wanted,
    WantedBlock,
    WantedPool,
)
from casm_ctrl.drivers.notices import (
    Level,
    PoolUsage,
    TellsUsage,
    UsageNotice,
    Watched,
    boot_filter_of,
    booted_at_of,
    check_usage,
    faults_of,
    pool_usage_of,
)
from casm_ctrl.drivers.registry import load_driver

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXT = "urn:casm:yang:casm-address-pool-ext"
NAT = "urn:ietf:params:xml:ns:yang:ietf-nat"
WITH_EXT = {"ietf-address-pool": "2015-10-14", "casm-address-pool-ext": None}
NOON = "2026-11-23T12:00:00Z"
MORNING = "2026-11-23T08:00:00Z"
NOW = from_rfc3339(NOON)

ADDRESS_POOL = load_driver("ietf-address-pool")
IETF_NAT = load_driver("ietf-nat")


def xml(text: str) -> Element:
    return etree.fromstring(f"<data>{text}</data>")


# --- What cannot be true --------------------------------------------------------------------------


def range_status(leaves: str, beside: str = "", top: str = "") -> str:
    return (
        f'<address-pool-status xmlns="{POOLS}" xmlns:e="{EXT}"><address-pool><address-pool-name>p</address-pool-name>'
        f"<address-pool-entries><ipv4-address-range><ipv4-address-range-name>r</ipv4-address-range-name>{leaves}"
        f"</ipv4-address-range></address-pool-entries>{beside}</address-pool>{top}</address-pool-status>"
    )


def both_counts(used: str, total: str) -> str:
    return range_status(
        f"<e:addresses-used>{used}</e:addresses-used><e:addresses-total>{total}</e:addresses-total>"
    )


def percent(used: str, total: str) -> str:
    return range_status(f"<peak-address-usage-ratio>{used}</peak-address-usage-ratio>")


def nat_status(used: str, total: str) -> str:
    return (
        f'<nat xmlns="{NAT}"><instances><instance><id>1</id><policy><id>1</id><external-ip-address-pool>'
        "<pool-id>7</pool-id></external-ip-address-pool></policy><statistics><pools-stats><per-pool-stats>"
        f"<pool-id>7</pool-id><pool-stats><addresses-allocated>{used}</addresses-allocated></pool-stats>"
        "</per-pool-stats></pools-stats></statistics></instance></instances></nat>"
    )


def leases(used: str, total: str) -> str:
    return (
        '<dhcpv6-server xmlns="urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"><allocation-ranges><allocation-range>'
        "<id>home</id><prefix-pools><prefix-pool><pool-id>1</pool-id><active-leases>"
        f"<total-count>{total}</total-count><allocated-count>{used}</allocated-count>"
        "</active-leases></prefix-pool></prefix-pools></allocation-range></allocation-ranges></dhcpv6-server>"
    )


def section(used: str, total: str) -> str:
    entry = SECTION.entry(ObjectKey(SECTION.path, tuple("x" for _ in range(SECTION.count))))
    namespace = entry.tag[1:].partition("}")[0]
    entry.append(
        etree.fromstring(
            f'<statistic xmlns="{namespace}"><total-number>{total}</total-number><used-number>{used}</used-number>'
            "</statistic>"
        )
    )
    return etree.tostring(entry.getroottree()).decode()


def node(used: str, total: str) -> str:
    return (
        '<address-pool-service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-oper"><nodes><node>'
        "<node-name>0</node-name><pools><pool><pool-name>p</pool-name><address-ranges><address-range>"
        "<start-address>192.0.2.0</start-address><end-address><address><ipv4-address>192.0.2.255</ipv4-address>"
        f"</address></end-address><allocated-addresses>{used}</allocated-addresses>"
        "<free-addresses>0</free-addresses></address-range></address-ranges></pool></pools></node></nodes>"
        "</address-pool-service>"
    )


def chain(used: str, total: str) -> str:
    return (
        "<aaa-module-address-assignment-pool-statistics><pool-name>p</pool-name>"
        f"<used-addresses>{used}</used-addresses><total-addresses>{total}</total-addresses>"
        "</aaa-module-address-assignment-pool-statistics>"
    )


ANSWERS = {
    "ietf-address-pool": (both_counts, "addresses-used"),
    "ietf-nat": (nat_status, "addresses-allocated"),
    "ietf-dhcpv6-server": (leases, "allocated-count"),
    "huawei-vrp": (section, "used-number"),
    "cisco-iosxr": (node, "allocated-addresses"),
    "juniper-junos": (chain, "used-addresses"),
}
NONSENSE = ["NaN", "-1", "1.5", "0x1f", "∞", "1e3", "9" * 40]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("value", NONSENSE)
def test_a_value_that_is_no_count_is_named_and_is_no_number(name: str, value: str) -> None:
    driver = load_driver(name)
    answer, leaf = ANSWERS[name]
    data = xml(answer(value, "256"))
    (fault,) = faults_of(driver, data)
    assert (fault.leaf, fault.value) == (leaf, value)
    assert driver.parse_usage(data) == ()
    with pytest.raises(PeerFault, match=leaf) as raised:
        check_usage(driver, data)
    assert value[:20] in raised.value.message


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "ietf-nat"])
def test_more_in_use_than_there_is_cannot_be(name: str) -> None:
    driver = load_driver(name)
    data = xml(ANSWERS[name][0]("257", "256"))
    (fault,) = faults_of(driver, data)
    assert fault.value == "257"
    assert "256" in fault.why


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_can_be_true_has_no_faults(name: str) -> None:
    driver = load_driver(name)
    check_usage(driver, xml(ANSWERS[name][0]("256", "256")))
    check_usage(driver, xml(""))


@pytest.mark.parametrize(("value", "good"), [("100", True), ("101", False), ("-1", False), ("NaN", False)])
def test_percents_end_at_a_hundred(value: str, good: bool) -> None:
    data = xml(percent(value, ""))
    assert (faults_of(ADDRESS_POOL, data) == ()) is good
    assert len(ADDRESS_POOL.parse_usage(data)) == good


def test_addresses_that_have_ports_in_use_are_in_use() -> None:
    data = xml(
        nat_status("0", "").replace(
            "</pool-stats>", "</pool-stats><port-stats><ports-allocated>9</ports-allocated></port-stats>"
        )
    )
    (fault,) = faults_of(IETF_NAT, data)
    assert "9 ports" in str(fault)


@given(st.text(max_size=30).filter(lambda text: all(c.isprintable() for c in text)))
def test_whatever_stands_for_a_count_is_a_count_or_a_fault(value: str) -> None:
    data = xml(both_counts("0", "256"))
    leaf = next(data.iter(f"{{{EXT}}}addresses-used"))
    leaf.text = value
    readings, faults = ADDRESS_POOL.parse_usage(data), faults_of(ADDRESS_POOL, data)
    assert len(readings) + len(faults) == 1
    if readings:
        assert 0 <= readings[0].used <= 256


# --- Pools as a whole -----------------------------------------------------------------------------


def test_refusals_are_of_a_family_and_since_a_moment() -> None:
    beside = (
        "<e:addresses-used>5</e:addresses-used><e:addresses-total>253</e:addresses-total>"
        "<e:requests-refused-v4>12</e:requests-refused-v4><e:requests-refused-v6>0</e:requests-refused-v6>"
        f"<e:counters-since>{MORNING}</e:counters-since><e:sampled-at>{NOON}</e:sampled-at>"
    )
    (found,) = pool_usage_of(ADDRESS_POOL, xml(range_status("", beside)))
    assert found == PoolUsage("p", Family.IPV4, 5, 253, 12, from_rfc3339(MORNING), NOW)
    four, six = pool_usage_of(ADDRESS_POOL, xml(range_status("", beside.replace(">0<", ">3<"))))
    assert (four.refused, six.refused, six.family) == (12, 3, Family.IPV6)
    assert (four.used, six.used) == (None, None)  # the count is of both


def test_a_count_of_refusals_that_is_none_is_a_fault() -> None:
    data = xml(range_status("", "<e:requests-refused-v4>-3</e:requests-refused-v4>"))
    (fault,) = faults_of(ADDRESS_POOL, data)
    assert fault.leaf == "requests-refused-v4"
    assert all(pool.refused is None for pool in pool_usage_of(ADDRESS_POOL, data))


def test_drivers_without_words_for_it_tell_nothing() -> None:
    junos = load_driver("juniper-junos")
    assert pool_usage_of(junos, xml(chain("1", "2"))) == ()
    assert booted_at_of(junos, xml(""), NOW) is None
    assert not isinstance(junos, TellsUsage)


# --- When it started ------------------------------------------------------------------------------


def test_the_augment_says_when_the_device_started() -> None:
    data = xml(range_status("", top=f"<e:started-at>{MORNING}</e:started-at>"))
    assert booted_at_of(ADDRESS_POOL, data, NOW) == from_rfc3339(MORNING)
    assert (
        booted_at_of(ADDRESS_POOL, xml(range_status("", top="<e:started-at>x</e:started-at>")), NOW) is None
    )


def test_a_service_that_started_after_its_system_counts_from_then() -> None:
    announced = {**WITH_EXT, "ietf-system": "2014-08-06"}
    (wanted,) = boot_filter_of(ADDRESS_POOL, announced)
    leaf = next(wanted.iter("{*}boot-datetime"))
    leaf.text = MORNING
    data = xml(range_status("", top=f"<e:started-at>{NOON}</e:started-at>"))
    data.append(wanted)
    assert booted_at_of(ADDRESS_POOL, data, NOW) == NOW
    leaf.text = "2026-11-23T13:00:00Z"
    assert booted_at_of(ADDRESS_POOL, data, NOW) == NOW + 3600 * SECOND
    assert boot_filter_of(ADDRESS_POOL, WITH_EXT) == ()


@pytest.mark.parametrize(
    ("seconds", "ago"), [("60", 60), ("0", 0), ("-1", None), ("x", None), ("9" * 30, None)]
)
def test_a_chassis_says_for_how_long_it_has_run(seconds: str, ago: int | None) -> None:
    vrp = load_driver("huawei-vrp")
    (wanted,) = boot_filter_of(vrp, {"huawei-devm": None})
    next(wanted.iter("{*}up-time")).text = seconds
    data = etree.Element("data")
    data.append(wanted)
    assert booted_at_of(vrp, data, NOW) == (None if ago is None else NOW - ago * SECOND)


def test_a_nat_counts_since_its_oldest_instance_did() -> None:
    instance = (
        "<instance><id>{}</id><statistics><discontinuity-time>{}</discontinuity-time></statistics></instance>"
    )
    inside = instance.format(1, NOON) + instance.format(2, MORNING) + instance.format(3, "x")
    data = xml(f'<nat xmlns="{NAT}"><instances>{inside}</instances></nat>')
    assert booted_at_of(IETF_NAT, data, NOW) == from_rfc3339(MORNING)
    (asked,) = IETF_NAT.usage_filter()
    assert next(asked.iter(f"{{{NAT}}}discontinuity-time")) is not None


# --- Told -----------------------------------------------------------------------------------------


def told(driver: Driver, event: str, *watched: Watched) -> tuple[UsageNotice, ...]:
    assert isinstance(driver, TellsUsage)
    return driver.parse_notice(etree.fromstring(event), watched)


def pool_usage(**changes: str) -> str:
    leaves = {
        "address-pool-name": "internet",
        "address-family": "ipv4",
        "level": "exhausted",
        "addresses-used": "253",
        "addresses-total": "253",
        "requests-refused": "12",
        "counters-since": MORNING,
        "sampled-at": NOON,
        "started-at": MORNING,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in leaves.items() if value != "-")
    return f'<pool-usage xmlns="{EXT}">{inside}</pool-usage>'


def test_a_pool_tells_how_full_it_is() -> None:
    morning = from_rfc3339(MORNING)
    assert told(ADDRESS_POOL, pool_usage()) == (
        UsageNotice("internet", Level.EXHAUSTED, Family.IPV4, (), 253, 253, 12, morning, NOW, morning),
    )
    (six,) = told(ADDRESS_POOL, pool_usage(address_family="ipv6", level="normal", requests_refused="-"))
    assert (six.family, six.level, six.refused) == (Family.IPV6, Level.NORMAL, None)


def test_events_of_others_are_none_of_ours() -> None:
    assert told(ADDRESS_POOL, '<pool-usage xmlns="urn:x"/>') == ()
    assert told(IETF_NAT, pool_usage()) == ()


@pytest.mark.parametrize(
    ("changes", "leaf"),
    [
        ({"address_pool_name": "-"}, "address-pool-name"),
        ({"address_pool_name": ""}, "address-pool-name"),
        ({"level": "full"}, "level"),
        ({"level": "-"}, "level"),
        ({"address_family": "ipx"}, "address-family"),
        ({"addresses_used": "NaN"}, "addresses-used"),
        ({"addresses_used": "-1"}, "addresses-used"),
        ({"addresses_used": "254"}, "addresses-used"),
        ({"requests_refused": "many"}, "requests-refused"),
    ],
)
def test_an_event_of_ours_that_makes_no_sense_is_the_devices_fault(
    changes: Mapping[str, str], leaf: str
) -> None:
    with pytest.raises(PeerFault, match=leaf):
        told(ADDRESS_POOL, pool_usage(**changes))


def test_only_devices_with_the_augment_are_subscribed_to() -> None:
    assert isinstance(ADDRESS_POOL, TellsUsage)
    assert ADDRESS_POOL.subscriptions({"ietf-address-pool": None}) == ()
    (one,) = ADDRESS_POOL.subscriptions(WITH_EXT)
    assert [event.tag for event in one.events] == [f"{{{EXT}}}pool-usage"]
    assert isinstance(IETF_NAT, TellsUsage)
    (nat,) = IETF_NAT.subscriptions({"ietf-nat": None})
    assert len(nat.events) == 2


CGN = Watched(
    "cgn",
    frozenset({ObjectKey("external-ip-address-pool", ("1", "2", "7"))}),
    usage_high=80,
    usage_low=60,
)
OTHER = Watched("other", frozenset({ObjectKey("external-ip-address-pool", ("2", "2", "7"))}))


def nat_event(inside: str, name: str = "nat-pool-event") -> str:
    return f'<{name} xmlns="{NAT}">{inside}</{name}>'


@pytest.mark.parametrize(
    ("fired", "level"),
    [
        ("80", Level.HIGH),
        ("60", Level.NORMAL),
        ("100", Level.EXHAUSTED),
        ("75", Level.HIGH),
        ("0", Level.NORMAL),
    ],
)
@pytest.mark.parametrize("policy", ["", "<policy-id>2</policy-id>"])
def test_a_nat_tells_which_threshold_fired(fired: str, level: Level, policy: str) -> None:
    event = nat_event(
        f"<id>1</id>{policy}<pool-id>7</pool-id><notify-pool-threshold>{fired}</notify-pool-threshold>"
    )
    assert told(IETF_NAT, event, CGN, OTHER) == (UsageNotice("cgn", level, Family.IPV4),)


@pytest.mark.parametrize(
    "inside",
    [
        "<id>1</id><policy-id>9</policy-id><pool-id>7</pool-id>",
        "<id>1</id><pool-id>8</pool-id>",
        "<id>3</id><pool-id>7</pool-id>",
    ],
)
def test_a_nat_event_of_another_pool_is_none_of_ours(inside: str) -> None:
    event = nat_event(f"{inside}<notify-pool-threshold>80</notify-pool-threshold>")
    assert told(IETF_NAT, event, CGN, OTHER) == ()


def test_a_nat_tells_of_an_instance() -> None:
    event = "<id>1</id><notify-{}-threshold>90</notify-{}-threshold>"
    for what in ("addresses", "ports"):
        found = told(IETF_NAT, nat_event(event.format(what, what), "nat-instance-event"), CGN, OTHER)
        assert found == (UsageNotice("cgn", Level.HIGH, Family.IPV4),)
    subscribers = nat_event(event.format("subscribers", "subscribers"), "nat-instance-event")
    assert told(IETF_NAT, subscribers, CGN) == ()


@pytest.mark.parametrize(
    ("event", "leaf"),
    [
        (nat_event("<pool-id>7</pool-id>"), "id"),
        (nat_event("<id>1</id><pool-id>7</pool-id>"), "notify-pool-threshold"),
        (nat_event("<id>1</id><notify-pool-threshold>101</notify-pool-threshold>"), "notify-pool-threshold"),
        (
            nat_event("<id>1</id><notify-ports-threshold>-1</notify-ports-threshold>", "nat-instance-event"),
            "notify-ports-threshold",
        ),
    ],
)
def test_a_nat_event_that_makes_no_sense_is_the_devices_fault(event: str, leaf: str) -> None:
    with pytest.raises(PeerFault, match=leaf):
        told(IETF_NAT, event, CGN)


DHCP = load_driver("ietf-dhcpv6-server")
DELEGATED = Watched("home", frozenset({ObjectKey("prefix-pool", ("home", "casm-k3f9qa-b1"))}))


def dhcp_event(used: str, name: str = "casm-k3f9qa-b1", kind: str = "prefix") -> str:
    counted, total = {
        "prefix": ("allocated-prefixes-count", "total-pool-prefixes"),
        "address": ("allocated-address-count", "total-pool-addresses"),
    }[kind]
    return (
        f'<{kind}-pool-utilization-threshold-exceeded xmlns="urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server">'
        f"<pool-id>{name}</pool-id><{total}>256</{total}><{counted}>{used}</{counted}>"
        f"</{kind}-pool-utilization-threshold-exceeded>"
    )


@pytest.mark.parametrize(("used", "level"), [("200", Level.HIGH), ("256", Level.EXHAUSTED)])
def test_a_dhcp_server_tells_of_a_pool_with_its_counts(used: str, level: Level) -> None:
    (key,) = DELEGATED.objects
    reading = UsageReading(key, UsageKind.COUNT, int(used), 256)
    expected = UsageNotice("home", level, Family.IPV6, (reading,))
    assert told(DHCP, dhcp_event(used), DELEGATED, CGN) == (expected,)


def test_a_dhcp_event_of_another_pool_is_none_of_ours() -> None:
    assert told(DHCP, dhcp_event("200", "another"), DELEGATED) == ()
    assert told(DHCP, dhcp_event("200", kind="address"), DELEGATED) == ()
    assert told(DHCP, nat_event("<id>1</id>"), DELEGATED) == ()


@pytest.mark.parametrize(
    ("used", "name", "leaf"), [("257", "p", "count"), ("x", "p", "count"), ("1", "", "pool-id")]
)
def test_a_dhcp_event_that_makes_no_sense_is_the_devices_fault(used: str, name: str, leaf: str) -> None:
    with pytest.raises(PeerFault, match=leaf):
        told(DHCP, dhcp_event(used, name), DELEGATED)


EVENTS = (
    f"{{{EXT}}}pool-usage",
    f"{{{NAT}}}nat-pool-event",
    f"{{{NAT}}}nat-instance-event",
    "{urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server}prefix-pool-utilization-threshold-exceeded",
)
LEAVES = (
    "address-pool-name",
    "address-family",
    "level",
    "addresses-used",
    "addresses-total",
    "requests-refused",
    "sampled-at",
    "id",
    "policy-id",
    "pool-id",
    "notify-pool-threshold",
    "notify-addresses-threshold",
    "allocated-prefixes-count",
    "total-pool-prefixes",
)
TEXTS = st.one_of(
    st.sampled_from(["", "p", "7", "1", "-1", "NaN", "80", "high", "ipv4", NOON, " 5 ", "casm-k3f9qa-b1"]),
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8),
)


@given(
    st.sampled_from(EVENTS), st.lists(st.tuples(st.sampled_from(LEAVES), TEXTS, st.booleans()), max_size=8)
)
def test_whatever_an_event_holds_it_is_notices_or_the_devices_fault(
    tag: str, leaves: list[tuple[str, str, bool]]
) -> None:
    event = etree.Element(tag)
    namespace = tag.partition("}")[0]
    for name, text, nested in leaves:
        leaf = etree.SubElement(event, f"{namespace}}}{name}")
        leaf.text = text
        if nested:
            etree.SubElement(leaf, f"{namespace}}}x")
    for driver in (ADDRESS_POOL, IETF_NAT, DHCP):
        assert isinstance(driver, TellsUsage)
        try:
            found = driver.parse_notice(event, (CGN, OTHER, DELEGATED))
        except PeerFault:
            continue
        for notice in found:
            assert notice.pool
            assert notice.level is not None
            assert notice.used is None or notice.capacity is None or 0 <= notice.used <= notice.capacity


# --- Thresholds -----------------------------------------------------------------------------------


def wanted(high: int | None, low: int | None, *ours: ObjectKey, prefix: str = "192.0.2.0/24") -> Wanted:
    pool = WantedPool("p", (WantedBlock(1, parse_prefix(prefix)),), usage_high=high, usage_low=low)
    return Wanted("k3f9qa", 7, (pool,), frozenset(ours))


def rendered(want: Wanted, running: Element) -> dict[str, tuple[str | None, str | None]]:
    """Text and operation of each threshold in the edit."""
    edit = ADDRESS_POOL.render(want, running, WITH_EXT)
    found = {}
    for top in edit.config:
        for leaf in top.iter("{*}*"):
            name = etree.QName(leaf).localname
            if "threshold" in name:
                operation = leaf.get("{urn:ietf:params:xml:ns:netconf:base:1.0}operation")
                found[name] = (leaf.text, operation)
    return found


def applied(want: Wanted) -> Element:
    data = etree.Element("data")
    data.extend(ADDRESS_POOL.render(want, xml(""), WITH_EXT).config)
    etree.strip_attributes(data, "{*}operation")
    return data


OURS = ObjectKey("address-pool", ("p",))


@pytest.mark.parametrize(("prefix", "version"), [("192.0.2.0/24", "v4"), ("2001:db8::/48", "v6")])
def test_both_marks_are_written_and_kept(prefix: str, version: str) -> None:
    want = wanted(80, 60, OURS, prefix=prefix)
    assert rendered(want, xml("")) == {
        f"warning-threshold-{version}": ("80", None),
        f"normal-threshold-{version}": ("60", None),
    }
    assert ADDRESS_POOL.render(want, applied(want), WITH_EXT).changes == ()


def test_marks_that_change_are_changed() -> None:
    running = applied(wanted(80, 60, OURS))
    assert rendered(wanted(80, 50, OURS), running) == {"normal-threshold-v4": ("50", "merge")}
    assert rendered(wanted(90, 60, OURS), running) == {"warning-threshold-v4": ("90", "merge")}


def test_a_low_mark_that_is_left_goes_where_it_would_be_above_the_high_one() -> None:
    running = applied(wanted(80, 60, OURS))
    assert rendered(wanted(70, None, OURS), running) == {"warning-threshold-v4": ("70", "merge")}
    assert rendered(wanted(50, None, OURS), running) == {
        "warning-threshold-v4": ("50", "merge"),
        "normal-threshold-v4": ("60", "remove"),
    }


def test_a_pool_with_our_marks_only_goes_with_its_last_block() -> None:
    want = wanted(80, 60, OURS, ObjectKey("ipv4-address-range", ("p", "casm-k3f9qa-b1")))
    empty = Wanted("k3f9qa", 8, (WantedPool("p", (), usage_high=80, usage_low=60),), want.ours)
    (top,) = ADDRESS_POOL.render(empty, applied(want), WITH_EXT).config
    (pool,) = top
    assert pool.get("{urn:ietf:params:xml:ns:netconf:base:1.0}operation") == "delete"


# --- Scale ----------------------------------------------------------------------------------------


DELEGATING = Prefix(Family.IPV6, 0x20010DB8 << 96, 40)


@pytest.mark.parametrize(
    ("prefix", "delegated", "used", "capacity", "expected"),
    [
        (parse_prefix("192.0.2.0/24"), None, 7, 253, (7, 253)),
        (parse_prefix("192.0.2.0/24"), None, 7, None, (7, 256)),
        (DELEGATING, 56, 5, 65536, (5, 65536)),
        (DELEGATING, 56, 5, None, (5, 65536)),
        (DELEGATING, 56, 5 << 72, 65536 << 72, (5, 65536)),
        (DELEGATING, 56, 1, 65536 << 72, (1, 65536)),
        (DELEGATING, 56, 0, 65536 << 72, (0, 65536)),
        (DELEGATING, 56, 5 << 72, None, (5, 65536)),
        (Prefix(Family.PORTS, 0xC0000201 << 16, 36), None, 1, 1, (1, 1)),
        (Prefix(Family.PORTS, 0xC0000201 << 16, 36), None, 4096, 4096, (1, 1)),
        (Prefix(Family.PORTS, 0xC0000201 << 16, 36), None, 0, 4096, (0, 1)),
    ],
)
def test_counts_in_any_unit_are_subscribers(
    prefix: Prefix, delegated: int | None, used: int, capacity: int | None, expected: tuple[int, int]
) -> None:
    assert subscribers_of(prefix, delegated, used, capacity) == expected
