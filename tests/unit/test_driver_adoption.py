"""What drivers tell of configuration that is to be adopted: the names that AAA uses, and static assignments."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.addressing.prefix import parse_prefix
from casm_ctrl.drivers.interface import ObjectKey, Seen, SeenStatic
from casm_ctrl.drivers.registry import load_driver

JUNOS_ROOT = "http://yang.juniper.net/junos/conf/root"
JUNOS = "http://yang.juniper.net/junos/conf/access"
VRP = "urn:huawei:yang:huawei-bras-ipv4-address-manage"
VRP6 = "urn:huawei:yang:huawei-bras-ipv6-address-manage"
DHCP = "urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"
NAT = "urn:ietf:params:xml:ns:yang:ietf-nat"
XR = "http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"


def parse(driver: str, xml: str) -> Seen:
    return load_driver(driver).parse(etree.fromstring(f"<data>{xml}</data>"))


def names(seen: Seen) -> dict[str, str]:
    return {str(one.range): one.pool_name for one in seen.ranges}


def junos_pool(name: str, network: str, link: str = "", host: str = "") -> str:
    return (
        f"<pool><name>{name}</name>{f'<link>{link}</link>' if link else ''}<family><inet>"
        f"<network>{network}</network>{host}</inet></family></pool>"
    )


def junos(*pools: str) -> Seen:
    return parse(
        "juniper-junos",
        f'<configuration xmlns="{JUNOS_ROOT}"><access xmlns="{JUNOS}"><address-assignment>{"".join(pools)}'
        "</address-assignment></access></configuration>",
    )


def test_pools_of_a_junos_chain_have_the_name_of_its_head() -> None:
    seen = junos(
        junos_pool("third", "10.0.2.0/24"),
        junos_pool("second", "10.0.1.0/24", "third"),
        junos_pool("home", "10.0.0.0/24", "second"),
        junos_pool("alone", "10.0.9.0/24"),
    )
    assert names(seen) == {
        "10.0.2.0-10.0.2.255": "home",
        "10.0.1.0-10.0.1.255": "home",
        "10.0.0.0-10.0.0.255": "home",
        "10.0.9.0-10.0.9.255": "alone",
    }


def test_pools_of_a_junos_ring_have_their_own_names() -> None:
    seen = junos(
        junos_pool("a", "10.0.0.0/24", "b"),
        junos_pool("b", "10.0.1.0/24", "a"),
    )
    assert sorted(names(seen).values()) == ["a", "b"]


def test_hosts_of_junos_pools_are_static() -> None:
    host = "<host><name>printer</name><ip-address>10.0.0.9</ip-address></host>"
    seen = junos(junos_pool("home", "10.0.0.0/24", host=host))
    assert seen.statics == (SeenStatic(ObjectKey("host", ("home", "printer")), parse_prefix("10.0.0.9/32")),)


def test_a_vrp_pool_has_the_name_of_its_group_and_its_binds_are_static() -> None:
    bind = "<static-binds><static-bind><ip-address>10.0.0.7</ip-address></static-bind></static-binds>"
    section = (
        "<local><sections><section><number>0</number><start-ip-address>10.0.0.2</start-ip-address>"
        f"<end-ip-address>10.0.0.9</end-ip-address>{bind}</section></sections></local>"
    )
    seen = parse(
        "huawei-vrp",
        f'<bras-ipv4-address-manage xmlns="{VRP}"><ipv4-pools><ipv4-pool><name>p1</name>{section}</ipv4-pool>'
        "</ipv4-pools><pool-groups><pool-group><name>home</name><bind-pools><pool-name>p1</pool-name></bind-pools>"
        "</pool-group></pool-groups></bras-ipv4-address-manage>",
    )
    assert names(seen) == {"10.0.0.2-10.0.0.9": "home"}
    assert [static.prefix for static in seen.statics] == [parse_prefix("10.0.0.7/32")]


def test_a_vrp_prefix_has_the_name_of_the_pool_that_binds_it() -> None:
    seen = parse(
        "huawei-vrp",
        f'<bras-ipv6-address-manage xmlns="{VRP6}"><ipv6-prefixs><ipv6-prefix><name>x</name><delegation>'
        "<prefix-address><prefix>2001:db8::/40</prefix></prefix-address></delegation></ipv6-prefix></ipv6-prefixs>"
        "<ipv6-pools><ipv6-pool><name>home-v6</name><delegation><bind-prefix><prefix-name>x</prefix-name>"
        "</bind-prefix></delegation></ipv6-pool></ipv6-pools></bras-ipv6-address-manage>",
    )
    assert list(names(seen).values()) == ["home-v6"]


def test_reservations_of_a_dhcpv6_server_are_static() -> None:
    seen = parse(
        "ietf-dhcpv6-server",
        f'<dhcpv6-server xmlns="{DHCP}"><allocation-ranges><allocation-range><id>home</id>'
        "<address-pools><address-pool><pool-id>a</pool-id><start-address>2001:db8::</start-address>"
        "<end-address>2001:db8::ff</end-address><host-reservations><host-reservation>"
        "<reserved-addr>2001:db8::42</reserved-addr></host-reservation></host-reservations></address-pool>"
        "</address-pools><prefix-pools><prefix-pool><pool-id>p</pool-id><pool-prefix>2001:db8:8000::/40</pool-prefix>"
        "<host-reservations><prefix-reservation><reserved-prefix>2001:db8:8000:100::/56</reserved-prefix>"
        "</prefix-reservation></host-reservations></prefix-pool></prefix-pools></allocation-range>"
        "</allocation-ranges></dhcpv6-server>",
    )
    assert [str(static.prefix) for static in seen.statics] == ["2001:db8::42/128", "2001:db8:8000:100::/56"]
    assert set(names(seen).values()) == {"home"}


@pytest.mark.parametrize(("policies", "name"), [(1, "outside"), (2, "outside/1")])
def test_a_nat_pool_has_the_name_of_its_instance(policies: int, name: str) -> None:
    pool = (
        "<external-ip-address-pool><pool-id>7</pool-id><external-ip-pool>192.0.2.0/28</external-ip-pool>"
        "</external-ip-address-pool>"
    )
    listed = "".join(f"<policy><id>{n}</id>{pool if n == 1 else ''}</policy>" for n in range(1, policies + 1))
    xml = f"<instance><id>3</id><name>outside</name>{listed}</instance>"
    seen = parse("ietf-nat", f'<nat xmlns="{NAT}"><instances>{xml}</instances></nat>')
    assert names(seen) == {"192.0.2.0-192.0.2.15": name}


def test_a_nat_instance_without_a_name_has_its_number() -> None:
    pool = (
        "<external-ip-address-pool><pool-id>7</pool-id><external-ip-pool>192.0.2.0/28</external-ip-pool>"
        "</external-ip-address-pool>"
    )
    xml = f"<instance><id>3</id><policy><id>1</id>{pool}</policy></instance>"
    seen = parse("ietf-nat", f'<nat xmlns="{NAT}"><instances>{xml}</instances></nat>')
    assert names(seen) == {"192.0.2.0-192.0.2.15": "3"}


def test_a_network_of_ios_xr_has_the_name_of_its_pool_and_not_of_its_vrf() -> None:
    seen = parse(
        "cisco-iosxr",
        f'<address-pool-service xmlns="{XR}"><vrfs><vrf><vrf-name>red</vrf-name><ipv4><pools><pool>'
        "<pool-name>home</pool-name><networks><network><ipv4-prefix>10.0.0.0</ipv4-prefix>"
        "<prefix-length>24</prefix-length></network></networks></pool></pools></ipv4></vrf></vrfs>"
        "</address-pool-service>",
    )
    assert [(one.pool_name, one.network_instance) for one in seen.ranges] == [("home", "red")]
