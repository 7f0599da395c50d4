"""What a simulated device serves by its configuration, and how each model tells its counts."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.simulator.options import SimulatedDeviceOptions
from casm_ctrl.simulator.subscribers import Circumstances, Served, Subscribers, find_range
from casm_ctrl.simulator.usage import answers_of, served_by, usage_state

Element = etree._Element

DAPS = "http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"
JUNOS_RPC = "{http://yang.juniper.net/junos/rpc/network-access}get-address-assignment-pool-statistics"
OPER = frozenset({"Cisco-IOS-XR-ip-daps-oper"})


def config(inside: str) -> Element:
    return etree.fromstring(f"<config>{inside}</config>")


def daps(inside: str, version: int = 4, vrf: str = "default") -> Element:
    key = "pool-name" if version == 4 else "ipv6-pool-name"
    return config(
        f'<address-pool-service xmlns="{DAPS}"><vrfs><vrf><vrf-name>{vrf}</vrf-name><ipv{version}><pools><pool>'
        f"<{key}>p</{key}>{inside}</pool></pools></ipv{version}></vrf></vrfs></address-pool-service>"
    )


def junos(inside: str) -> Element:
    return config(
        '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
        '<access xmlns="http://yang.juniper.net/junos/conf/access"><address-assignment>'
        f"{inside}</address-assignment></access></configuration>"
    )


def junos_pool(name: str, network: str, more: str = "") -> str:
    family, leaf = ("inet6", "prefix") if ":" in network else ("inet", "network")
    inside = f"<{family}><{leaf}>{network}</{leaf}></{family}>" if network else ""
    return f"<pool><name>{name}</name>{more}<family>{inside}</family></pool>"


def bras6(kind: str, prefix: str, more: str = "", lock: str = "") -> Element:
    return config(
        '<bras-ipv6-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv6-address-manage">'
        f"<ipv6-prefixs><ipv6-prefix><name>x</name><{kind}><prefix-address><prefix>{prefix}</prefix>{more}"
        f"</prefix-address></{kind}></ipv6-prefix></ipv6-prefixs><ipv6-pools><ipv6-pool><name>p</name>"
        f"<type>{kind}</type><{kind}>{lock}<bind-prefix><prefix-name>x</prefix-name></bind-prefix></{kind}>"
        "</ipv6-pool></ipv6-pools></bras-ipv6-address-manage>"
    )


def nat(*policies: str) -> Element:
    inside = "".join(
        f"<policy><id>{index}</id>{pools}</policy>" for index, pools in enumerate(policies, start=1)
    )
    return config(
        '<nat xmlns="urn:ietf:params:xml:ns:yang:ietf-nat"><instances><instance><id>1</id>'
        f"{inside}</instance></instances></nat>"
    )


def nat_pool(number: int, prefix: str) -> str:
    return (
        f"<external-ip-address-pool><pool-id>{number}</pool-id><external-ip-pool>{prefix}</external-ip-pool>"
        "</external-ip-address-pool>"
    )


def network(first: str, length: int, more: str = "") -> str:
    return (
        f"<networks><network><ipv4-prefix>{first}</ipv4-prefix><prefix-length>{length}</prefix-length>{more}"
        "</network></networks>"
    )


def exclude(first: str, last: str) -> str:
    return (
        f"<excludes><exclude><start-address>{first}</start-address><end-address>{last}</end-address>"
        "</exclude></excludes>"
    )


def the(running: Element) -> Served:
    (served,) = served_by(running)
    return served


def told(running: Element, subscribers: Subscribers, modules: frozenset[str] = OPER) -> dict[str, list[str]]:
    """The texts of all leaves of the state, by local name."""
    found: dict[str, list[str]] = {}
    for top in usage_state(
        running, subscribers, Circumstances(Micros(20 * SECOND), Micros(10 * SECOND), modules)
    ):
        for leaf in top.iter(etree.Element):
            found.setdefault(etree.QName(leaf).localname, []).append(leaf.text or "")
    return found


# --- What is served -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("running", "total"),
    [
        (daps(network("192.0.2.0", 26)), 64),
        (daps(network("192.0.2.0", 26) + exclude("192.0.2.1", "192.0.2.4")), 60),
        (daps(network("192.0.2.0", 26) + exclude("192.0.2.60", "192.0.2.99")), 60),
        (daps(network("192.0.2.0", 26) + exclude("198.51.100.1", "198.51.100.4")), 64),
        (junos(junos_pool("a", "192.0.2.0/24")), 256),
        (junos(junos_pool("a", "2001:db8::/120")), 256),
        (bras6("local", "2001:db8::/64"), 1 << 64),
        (bras6("delegation", "2001:db8::/40", "<prefix-length>56</prefix-length>"), 1 << 16),
        (nat(nat_pool(1, "192.0.2.7/32")), 1),
    ],
)
def test_what_subscribers_can_have(running: Element, total: int) -> None:
    assert the(running).total == total


@pytest.mark.parametrize(
    ("running", "drained"),
    [
        (daps(network("192.0.2.0", 26, "<blocked>1</blocked>")), True),
        (daps(network("192.0.2.0", 26, "<blocked>0</blocked>")), False),
        (junos(junos_pool("a", "192.0.2.0/24", "<hold-down/>")), True),
        (junos(junos_pool("a", "192.0.2.0/24", "<active-drain/>")), True),
        (junos(junos_pool("a", "192.0.2.0/24", "<link>b</link>")), False),
        (bras6("local", "2001:db8::/64", lock="<lock/>"), True),
        (bras6("local", "2001:db8::/64"), False),
    ],
)
def test_what_gives_out_nothing_new(running: Element, drained: bool) -> None:
    assert the(running).drained is drained


def test_the_last_of_a_range_of_prefixes_is_a_prefix() -> None:
    served = the(
        daps(
            "<prefix-length>56</prefix-length><prefix-ranges><prefix-range><start-prefix>2001:db8::</start-prefix>"
            "<end-prefix>2001:db8:0:ff00::</end-prefix></prefix-range></prefix-ranges>",
            6,
            "red",
        )
    )
    assert (served.pool, served.entry, served.vrf, served.total) == ("p", "2001:db8::", "red", 256)
    assert find_range([served], "2001:db8::/48") is served


@pytest.mark.parametrize(
    "running",
    [
        config(""),
        daps("<networks><network><ipv4-prefix>192.0.2.0</ipv4-prefix></network></networks>"),
        daps(network("here", 26)),
        junos(junos_pool("a", "")),
        bras6("remote", "2001:db8::/64"),
    ],
)
def test_what_has_no_addresses_serves_nobody(running: Element) -> None:
    assert list(served_by(running)) == []


def test_a_range_is_found_by_its_addresses() -> None:
    first, second, twin = (
        Served(pool, "e", 4, low, low + 255, config(""))
        for pool, low in (("a", 0xC0000200), ("b", 0xC6336400), ("c", 0xC6336400))
    )
    assert find_range([first, second], "192.0.2.0/24") is first
    assert find_range([first, second], "198.51.100.0 - 198.51.100.255") is second
    with pytest.raises(NotFound, match="0 of the device"):
        find_range([first, second], "192.0.2.0/25")
    with pytest.raises(NotFound, match="2 of the device"):
        find_range([second, twin], "198.51.100.0/24")
    for wrong in ("", "x", "192.0.2.0-", "1-2-3"):
        with pytest.raises(InvalidValue, match="no range"):
            find_range([first], wrong)


# --- Counts ---------------------------------------------------------------------------------------


def test_subscribers_are_cut_off_and_go_with_their_range() -> None:
    served = the(daps(network("192.0.2.0", 30)))
    subscribers = Subscribers()
    subscribers.set("p", "192.0.2.0", 9)
    subscribers.set("p", "192.0.2.0", 3)
    assert (subscribers.count(served).used, subscribers.count(served).peak) == (3, 4)
    subscribers.follow([served])
    subscribers.follow([served])
    assert subscribers.used("p", "192.0.2.0") == 3
    subscribers.follow([])
    assert subscribers.used("p", "192.0.2.0") == 0
    with pytest.raises(InvalidValue, match="-1 addresses"):
        subscribers.set("p", "192.0.2.0", -1)


def test_ios_xr_tells_ranges_where_it_has_the_module() -> None:
    subscribers = Subscribers()
    subscribers.set("p", "192.0.2.0", 5)
    running = daps(network("192.0.2.0", 26, "<blocked>1</blocked>") + exclude("192.0.2.1", "192.0.2.1"))
    found = told(running, subscribers)
    assert found["start-address"] == ["192.0.2.0"]
    assert found["ipv4-address"] == ["192.0.2.63"]
    assert found["allocated-addresses"] == ["5"]
    assert found["free-addresses"] == ["58"]
    assert found["excluded-addresses"] == ["1"]
    assert found["network-blocked-status"] == ["1"]
    assert told(running, subscribers, frozenset()) == {}


def test_counters_stop_where_they_are_full() -> None:
    found = told(bras6("local", "2001:db8::/64"), Subscribers())
    assert found["address-total-number"] == [str((1 << 31) - 1)]
    assert found["address-used-number"] == ["0"]


def test_a_nat_counts_pools_of_one_id_as_one_and_tells_since_when() -> None:
    running = nat(nat_pool(1, "192.0.2.0/30") + nat_pool(2, "192.0.2.8/30"), nat_pool(1, "192.0.2.4/30"))
    subscribers = Subscribers()
    subscribers.set("1/1", "1", 2)
    subscribers.set("1/2", "1", 1)
    found = told(running, subscribers)
    assert found["addresses-allocated"] == ["3", "0"]
    assert found["addresses-free"] == ["5", "4"]
    assert set(found["discontinuity-time"]) == {"1970-01-01T00:00:10.000000Z"}


def test_junos_answers_for_a_chain() -> None:
    running = junos(
        junos_pool("a", "192.0.2.0/24", "<link>b</link>")
        + junos_pool("b", "198.51.100.0/25", "<link>a</link>")
        + junos_pool("c", "203.0.113.0/24")
    )
    subscribers = Subscribers()
    subscribers.set("b", "b", 7)
    answer = answers_of(("junos-rpc-network-access",))[JUNOS_RPC]
    operation = etree.Element(JUNOS_RPC)
    name = etree.SubElement(operation, JUNOS_RPC.replace("statistics", "table-specific"))
    name.text = "a"
    (statistics,) = answer(running, subscribers, operation)
    assert [[leaf.text for leaf in pool] for pool in statistics] == [
        ["(all pools in chain)", "7", "384"],
        ["a", "0", "256"],
        ["b", "7", "128"],
    ]
    name.text = "z"
    with pytest.raises(RpcError, match="no pool 'z'"):
        answer(running, subscribers, operation)


def test_operations_that_nobody_does_are_refused() -> None:
    with pytest.raises(InvalidValue, match="no operations of 'junos-rpc-bgp'"):
        SimulatedDeviceOptions(operations=("junos-rpc-bgp",))
