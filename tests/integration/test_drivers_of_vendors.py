"""The main job with the drivers of vendors, through `casm` processes, on devices with the vendors' modules."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from lxml import etree

from casm_ctrl.service.configuration import AddDevice, AddDevicePool, change
from casm_ctrl.simulator import Moment
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


def add(world: World, driver: str) -> None:
    device = world.devices["bng1"] = world.lab.start(
        "bng1", modules=MODELS[driver], search=(folder_of(driver),)
    )
    change(
        world.database,
        ME,
        [
            AddDevice(
                name="bng1",
                role="bng",
                driver=driver,
                host="127.0.0.1",
                port=device.port,
                user="casm",
                credential="env:CASM_TEST_PASSWORD",
                space="s",
                host_key=device.host_key,
            ),
            AddDevicePool("bng1/internet", ("p",), 26, gateway="first"),
        ],
    )


def values(world: World, *path: str) -> list[str]:
    """The texts of the leaves at the end of `path` (local names), in the order of the document."""
    root = etree.fromstring(b"<data>" + world.devices["bng1"].configuration() + b"</data>")
    return [str(leaf.text) for leaf in root.iterfind(".//" + "/".join(f"{{*}}{name}" for name in path))]


def test_networks_of_ios_xr_come_drain_and_go(world: World) -> None:
    add(world, "cisco-iosxr")
    world.give(3)
    world.apply(code=0)
    assert values(world, "network", "ipv4-prefix") == ["198.51.100.0", "198.51.100.64", "198.51.100.128"]
    assert values(world, "exclude", "end-address") == ["198.51.100.1", "198.51.100.65", "198.51.100.129"]
    world.drain("b2")
    world.apply(code=0)
    assert values(world, "network", "blocked") == ["1"]
    assert world.states()["b2"] is State.DRAINING
    world.take_back("b2")
    world.apply(code=0)
    assert values(world, "network", "ipv4-prefix") == ["198.51.100.0", "198.51.100.128"]
    assert values(world, "exclude", "end-address") == ["198.51.100.1", "198.51.100.129"]
    world.take_back("b1", "b3")
    world.apply("--confirm-removal", "2", code=0)
    assert world.devices["bng1"].configuration() == b""
    assert set(world.states().values()) == {State.QUARANTINED}


def test_a_chain_of_junos_keeps_its_head(world: World) -> None:
    add(world, "juniper-junos")
    world.give(2)
    world.apply(code=0)
    assert values(world, "pool", "name") == ["internet", world.mark(2)]
    assert values(world, "link") == [world.mark(2)]
    world.take_back("b1")
    assert "needs a network" in world.apply(code=1).error["message"]
    assert values(world, "network") == ["198.51.100.0/26", "198.51.100.64/26"]
    world.give(1)
    world.apply(code=0)
    assert values(world, "network") == ["198.51.100.128/26", "198.51.100.64/26"]
    assert values(world, "router", "name") == ["198.51.100.129", "198.51.100.65"]
    assert world.states() == {
        "b1": State.QUARANTINED,
        "b2": State.INSTALLED,
        "b3": State.INSTALLED,
    }
    world.drain("b3")
    world.apply(code=0)
    assert world.states()["b3"] is State.DRAINING
    assert world.casm("plan", code=0).device()["result"] == "in-sync"
    world.take_back("b2", "b3")
    world.apply("--confirm-removal", "2", code=0)
    assert world.devices["bng1"].configuration() == b""
    assert set(world.states().values()) == {State.QUARANTINED}


KILLS = [
    (operation, moment)
    for operation in ("edit-config", "confirmed-commit", "confirming-commit")
    for moment in (Moment.RECEIVED, Moment.EXECUTED)
]


def killed_at(world: World, operation: str, moment: Moment) -> None:
    casm = world.start("apply", "--wait", "5s", "--retries", "0")
    world.kill_at("bng1", casm, operation, moment)
    assert casm.wait().code == -signal.SIGKILL


def settle(world: World) -> None:
    """Whoever comes next finds what the killed one left, and goes on until nothing is left to do."""
    for _ in range(4):
        world.expire_leases()
        world.apply("--wait", "10s", code=0)
        if world.casm("plan", code=0).device()["result"] == "in-sync":
            return
    raise AssertionError(f"not settled: {world.states()}")


@pytest.mark.parametrize(("operation", "moment"), KILLS)
def test_objects_without_marks_are_known_after_a_kill(world: World, operation: str, moment: Moment) -> None:
    add(world, "cisco-iosxr")
    world.give(2)
    killed_at(world, operation, moment)
    settle(world)
    assert values(world, "network", "ipv4-prefix") == ["198.51.100.0", "198.51.100.64"]
    assert set(world.states().values()) == {State.INSTALLED}
    assert world.findings() == []
    world.take_back("b1", "b2")
    world.apply("--confirm-removal", "2", code=0)
    assert world.devices["bng1"].configuration() == b""


@pytest.mark.parametrize(("operation", "moment"), KILLS)
def test_a_head_changes_its_block_across_a_kill(world: World, operation: str, moment: Moment) -> None:
    add(world, "juniper-junos")
    world.give(2)
    world.apply(code=0)
    world.take_back("b1")
    world.give(1)
    killed_at(world, operation, moment)
    settle(world)
    assert values(world, "network") == ["198.51.100.128/26", "198.51.100.64/26"]
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED, "b3": State.INSTALLED}
    assert world.findings() == []
