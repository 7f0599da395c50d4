"""The main job with huawei-vrp and ietf-dhcpv6-server, through `casm` processes, on devices with their modules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lxml import etree

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, Edit, change
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.published import MODELS, folder_of
from tests.sync_world import ME, World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("vendors"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds) -> Iterator[World]:
    with worlds.world() as made:
        yield made


def add(
    world: World,
    driver: str,
    role: str,
    folder: str,
    *edits: Edit,
    instances: tuple[tuple[str, str], ...] = (),
) -> None:
    device = world.devices["dev1"] = world.lab.start(
        "dev1", modules=MODELS[folder], search=(folder_of(folder),)
    )
    made = AddDevice(
        name="dev1",
        role=role,
        driver=driver,
        host="127.0.0.1",
        port=device.port,
        user="casm",
        credential="env:CASM_TEST_PASSWORD",
        space="s",
        host_key=device.host_key,
        instances=instances,
    )
    pools = (
        AddPool("p6", "s", ("2001:db8::/40",)),
        AddPool("pd", "s", ("2001:db8:1000::/36",), delegated_length=56),
    )
    change(world.database, ME, [made, *pools, *edits])


def give(world: World, pool: str, count: int = 1) -> None:
    allocate(world.database, ME, f"dev1/{pool}", count=count)


def values(world: World, *path: str) -> list[str]:
    """The texts of the leaves at the end of `path` (local names), in the order of the document."""
    root = etree.fromstring(b"<data>" + world.devices["dev1"].configuration() + b"</data>")
    return [str(leaf.text) for leaf in root.iterfind(".//" + "/".join(f"{{*}}{name}" for name in path))]


def test_pools_of_vrp_come_drain_and_go(world: World) -> None:
    add(
        world,
        "huawei-vrp",
        "bng",
        "huawei-vrp",
        AddDevicePool("dev1/internet", ("p",), 26, gateway="first", announcement="device-automatic"),
        AddDevicePool("dev1/home-pd", ("pd",), 40),
    )
    give(world, "internet", 3)
    give(world, "home-pd", 2)
    world.apply(code=0)
    assert values(world, "gateway", "gate-ip") == ["198.51.100.1", "198.51.100.65", "198.51.100.129"]
    assert values(world, "bind-pools", "pool-name") == [world.mark(1), world.mark(2), world.mark(3)]
    assert values(world, "ipv6-pool", "name") == ["home-pd", world.mark(5)]
    assert values(world, "prefix-address", "prefix-length") == ["56", "56"]
    world.drain("b2", "b4")
    world.apply(code=0)
    assert {world.states()[name] for name in ("b2", "b4")} == {State.DRAINING}
    root = etree.fromstring(b"<data>" + world.devices["dev1"].configuration() + b"</data>")
    locked = [lock.getparent() for lock in root.iter("{*}lock")]
    names = [one.getparent() for one in locked if one is not None]
    assert [one[0].text for one in names if one is not None] == [world.mark(2), "home-pd"]
    assert world.casm("plan", code=0).device("dev1")["result"] == "in-sync"
    world.take_back("b2", "b4")
    world.apply("--confirm-removal", "2", code=0)
    assert values(world, "section", "start-ip-address") == ["198.51.100.0", "198.51.100.128"]
    assert values(world, "ipv6-pool", "name") == [world.mark(5)]
    give(world, "home-pd")
    world.apply(code=0)
    assert values(world, "ipv6-pool", "name") == [world.mark(5), "home-pd"]
    world.take_back("b1", "b3", "b5", "b6")
    world.apply("--confirm-removal", "4", code=0)
    assert world.devices["dev1"].configuration() == b""
    assert set(world.states().values()) == {State.QUARANTINED}


def test_vrp_that_will_not_let_go_of_a_pool_in_use_is_asked_again(world: World) -> None:
    """The quirk pools-in-use-stay: the refusal is told, the block stays on its way out, and goes later."""
    add(world, "huawei-vrp", "bng", "huawei-vrp", AddDevicePool("dev1/internet", ("p",), 26, gateway="first"))
    give(world, "internet", 2)
    world.apply(code=0)
    world.drain("b2")
    world.apply(code=0)
    world.take_back("b2")
    world.fault("dev1", FaultKind.REFUSE, "commit", tag="in-use")
    assert "in-use" in world.apply(code=1).error["message"]
    assert values(world, "ipv4-pool", "name") == [world.mark(1), world.mark(2)]
    assert world.states() == {"b1": State.INSTALLED, "b2": State.WITHDRAWING}
    world.clear_faults("dev1")
    world.apply(code=0)
    assert values(world, "ipv4-pool", "name") == [world.mark(1)]
    assert values(world, "bind-pools", "pool-name") == [world.mark(1)]
    assert world.states() == {"b1": State.INSTALLED, "b2": State.QUARANTINED}


VPN = """<network-instance xmlns="urn:huawei:yang:huawei-network-instance"><instances><instance>
<name>red</name><afs xmlns="urn:huawei:yang:huawei-l3vpn"><af><type>ipv4-unicast</type></af></afs></instance>
</instances></network-instance>"""


def test_a_pool_serves_in_a_vpn_instance_once_the_device_has_it(world: World) -> None:
    """Where it is not on the device the driver says so, and nothing was sent."""
    add(
        world,
        "huawei-vrp",
        "bng",
        "huawei-vrp",
        AddDevicePool("dev1/internet", ("p",), 26, gateway="first", network_instance="red"),
        instances=(("red", "s"),),
    )
    give(world, "internet")
    error = world.apply(code=1).error
    assert "no VPN instance" in error["message"]
    assert error["remedy"]
    assert world.devices["dev1"].configuration() == b""
    world.edit("dev1", VPN)
    world.apply(code=0)
    assert values(world, "vpn-instance", "name") == ["red", "red"], "of the pool, and of its group"
    assert world.states() == {"b1": State.INSTALLED}


def test_pools_of_a_dhcpv6_server_come_and_go_and_do_not_drain(world: World) -> None:
    add(
        world,
        "ietf-dhcpv6-server",
        "dhcp",
        "ietf",
        AddDevicePool("dev1/home", ("p6",), 64, usage_high=90),
        AddDevicePool("dev1/home-pd", ("pd",), 40),
    )
    give(world, "home", 2)
    give(world, "home-pd")
    world.apply(code=0)
    assert values(world, "allocation-range", "id") == ["home", "home-pd"]
    assert values(world, "allocation-range", "network-prefix") == ["2001:db8::/63", "2001:db8:1000::/40"]
    assert values(world, "address-pool", "pool-id") == [world.mark(1), world.mark(2)]
    assert values(world, "prefix-pool", "client-prefix-length") == ["56"]
    assert world.casm("plan", code=0).device("dev1")["result"] == "in-sync"
    world.drain("b1")
    assert "should drain" in world.apply(code=1).error["message"]
    world.take_back("b1")
    world.apply(code=0)
    assert values(world, "address-pool", "pool-id") == [world.mark(2)]
    assert values(world, "allocation-range", "network-prefix")[0] == "2001:db8::/63", "never narrowed"
    world.take_back("b2", "b3")
    world.apply("--confirm-removal", "2", code=0)
    assert world.devices["dev1"].configuration() == b""
    assert set(world.states().values()) == {State.QUARANTINED}
