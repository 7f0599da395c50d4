"""Adoption with the drivers of vendors: names are kept, and what is managed afterwards stays as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddPool, change
from casm_ctrl.store.states import State
from tests.published import MODELS, folder_of
from tests.sync_world import ME, World, Worlds

XR = "http://cisco.com/ns/yang/Cisco-IOS-XR-ip-daps-cfg"
JUNOS_ROOT = "http://yang.juniper.net/junos/conf/root"
JUNOS = "http://yang.juniper.net/junos/conf/access"
DHCP = "urn:ietf:params:xml:ns:yang:ietf-dhcpv6-server"
VRP = "urn:huawei:yang:huawei-bras-ipv4-address-manage"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("adopt-vendors"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def add(world: World, driver: str, xml: str, folder: str = "", role: str = "bng") -> None:
    """A device that somebody configured so."""
    folder = folder or driver
    device = world.devices["bng1"] = world.lab.start(
        "bng1", modules=MODELS[folder], search=(folder_of(folder),)
    )
    world.edit("bng1", xml)
    made = AddDevice(
        name="bng1",
        role=role,
        driver=driver,
        host="127.0.0.1",
        port=device.port,
        user="casm",
        credential="env:CASM_TEST_PASSWORD",
        space="s",
        host_key=device.host_key,
    )
    change(world.database, ME, [made, AddPool("p6", "s", ("2001:db8::/40",), lease_time=0, quarantine=0)])


def adopt(world: World, *arguments: str) -> dict[str, Any]:
    done = world.casm("adopt", "bng1", "--retries", "0", *arguments, code=0)
    found: dict[str, Any] = done.answer["adopt"]["device"][0]
    return found


def configuration(world: World) -> str:
    return world.devices["bng1"].configuration().decode()


def managed_and_applied(world: World, *blocks: str) -> None:
    """Managing and applying changes nothing on the device."""
    before = configuration(world)
    assert world.apply(code=0).device()["result"] == "in-sync"
    world.casm("block", "manage", *blocks, code=0)
    assert world.apply(code=0).device()["result"] == "in-sync"
    assert configuration(world) == before
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"


def test_networks_of_ios_xr(world: World) -> None:
    networks = "".join(
        f"<network><ipv4-prefix>198.51.10{n}.0</ipv4-prefix><prefix-length>24</prefix-length></network>"
        for n in (0, 1)
    )
    add(
        world,
        "cisco-iosxr",
        f'<address-pool-service xmlns="{XR}"><vrfs><vrf><vrf-name>default</vrf-name><ipv4><pools><pool>'
        f"<pool-name>home</pool-name><networks>{networks}</networks></pool></pools></ipv4></vrf></vrfs>"
        "</address-pool-service>",
    )
    found = adopt(world)
    assert [one["device-pool"] for one in found["adopted"]] == ["bng1/home"] * 2
    managed_and_applied(world, "b1", "b2")
    world.take_back("b2")
    world.apply("--confirm-removal", "1", code=0)
    assert "198.51.101.0" not in configuration(world)
    assert "198.51.100.0" in configuration(world)


def junos_pool(name: str, network: str, link: str = "", more: str = "") -> str:
    return (
        f"<pool><name>{name}</name>{f'<link>{link}</link>' if link else ''}<family><inet>"
        f"<network>{network}</network>{more}</inet></family></pool>"
    )


def test_a_chain_of_junos_with_a_host(world: World) -> None:
    host = "<host><name>printer</name><ip-address>198.51.101.9</ip-address></host>"
    chain = junos_pool("home", "198.51.100.0/24", "more") + junos_pool("more", "198.51.101.0/24", "", host)
    add(
        world,
        "juniper-junos",
        f'<configuration xmlns="{JUNOS_ROOT}"><access xmlns="{JUNOS}"><address-assignment>{chain}'
        "</address-assignment></access></configuration>",
    )
    found = adopt(world)
    assert [one["device-pool"] for one in found["adopted"]] == ["bng1/home"] * 2
    assert [one["static"] for one in found["adopted"]] == [
        [],
        [{"object": "host[more, printer]", "prefix": "198.51.101.9/32"}],
    ]
    managed_and_applied(world, "b1", "b2")
    assert world.casm("block", "show", "b2").answer["block"]["static"] == [
        {"device": "bng1", "object": "host[more, printer]", "prefix": "198.51.101.9/32"}
    ]


def test_what_was_static_stays_out_of_the_pool_when_its_block_is_free(world: World) -> None:
    reserved = (
        "<host-reservations><host-reservation><reserved-addr>2001:db8::42</reserved-addr></host-reservation>"
        "</host-reservations>"
    )
    add(
        world,
        "ietf-dhcpv6-server",
        f'<dhcpv6-server xmlns="{DHCP}"><allocation-ranges><allocation-range><id>home</id>'
        "<description>by hand</description><network-prefix>2001:db8::/48</network-prefix><address-pools>"
        "<address-pool><pool-id>a</pool-id><pool-prefix>2001:db8::/64</pool-prefix>"
        "<start-address>2001:db8::</start-address>"
        f"<end-address>2001:db8::ffff:ffff:ffff:ffff</end-address>{reserved}"
        "</address-pool></address-pools></allocation-range></allocation-ranges></dhcpv6-server>",
        folder="ietf",
        role="dhcp",
    )
    found = adopt(world)
    assert [static["prefix"] for static in found["adopted"][0]["static"]] == ["2001:db8::42/128"]
    world.casm("block", "manage", "b1", code=0)
    world.take_back("b1")
    world.apply("--confirm-removal", "1", code=0)
    assert world.states() == {"b1": State.QUARANTINED}
    world.free_quarantined()
    assert world.states() == {}
    (reservation,) = world.casm("pool", "show", "p6").answer["pool"]["reservation"]
    assert reservation["prefix"] == "2001:db8::42/128"
    assert "on bng1" in reservation["reason"] or "bng1 host-reservation" in reservation["reason"]
    usage = world.casm("pool", "show", "p6").answer["pool"]["usage"]
    assert int(usage["free-addresses"]) == 2**88 - 1


def test_a_group_of_vrp_pools(world: World) -> None:
    bind = (
        "<static-binds><static-bind><ip-address>198.51.100.7</ip-address><mac-address>0001-0002-0003</mac-address>"
        "</static-bind></static-binds>"
    )
    section = (
        "<sections><section><number>0</number><start-ip-address>198.51.100.2</start-ip-address>"
        f"<end-ip-address>198.51.100.9</end-ip-address>{bind}</section></sections>"
    )
    add(
        world,
        "huawei-vrp",
        f'<bras-ipv4-address-manage xmlns="{VRP}"><ipv4-pools><ipv4-pool><name>p1</name><type>local</type><local>'
        "<gateway><gate-ip>198.51.100.1</gate-ip><gate-mask>255.255.255.0</gate-mask></gateway>"
        f"{section}</local></ipv4-pool></ipv4-pools><pool-groups><pool-group><name>home</name><bind-pools>"
        "<pool-name>p1</pool-name></bind-pools></pool-group></pool-groups></bras-ipv4-address-manage>",
    )
    (one,) = adopt(world)["adopted"]
    assert (one["device-pool"], one["whole"]) == ("bng1/home", True)
    assert one["static"] == [{"object": "ipv4-static-bind[p1, 0, 198.51.100.7]", "prefix": "198.51.100.7/32"}]
    before = configuration(world)
    assert world.apply(code=0).device()["result"] == "in-sync"
    assert configuration(world) == before
    refused = world.casm("block", "manage", "b1", "--split", code=1).error
    assert "198.51.100.7/32 is assigned" in refused["message"]


def test_a_chain_of_junos_goes_on_once_its_head_is_managed(world: World) -> None:
    add(
        world,
        "juniper-junos",
        f'<configuration xmlns="{JUNOS_ROOT}"><access xmlns="{JUNOS}"><address-assignment>'
        f"{junos_pool('home', '198.51.100.0/24')}</address-assignment></access></configuration>",
    )
    adopt(world)
    allocate(world.database, ME, "bng1/home")
    before = configuration(world)
    refused = world.casm("plan", "bng1", code=1).error
    assert "casm block manage" in refused["remedy"]
    assert configuration(world) == before
    world.casm("block", "manage", "b1", code=0)
    world.apply(code=0)
    assert "198.51.101.0/24" in configuration(world)
    assert f"<link>{world.mark(2)}</link>" in configuration(world)
    assert world.casm("verify", code=0).answer["verify"]["result"] == "proven"
