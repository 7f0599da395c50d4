"""Counts of each driver's model on a simulated device: read by the driver, and heeded when a block is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from lxml import etree

from casm_ctrl.base.clock import SECOND
from casm_ctrl.base.errors import InvalidValue, NotFound
from casm_ctrl.drivers.interface import AsksUsage, ObjectKey, UsageKind, UsageReading
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import Target
from casm_ctrl.simulator import FaultKind, SimulatedDevice
from casm_ctrl.store import observations
from casm_ctrl.store.states import State
from casm_ctrl.yang.engine import Engine, forest
from tests.models_world import BY_MODEL, Model, install, occupy
from tests.sync_world import World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("usage"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with worlds.world() as made:
        yield made


def target_of(device: SimulatedDevice) -> Target:
    return Target(
        "bng1",
        device.host,
        device.port,
        "casm",
        "env:CASM_TEST_PASSWORD",
        host_key=device.host_key,
    )


def readings(world: World, model: Model) -> Mapping[int, UsageReading]:
    """What the driver makes of the device's answers, over a session of its own, by block."""
    device = world.devices["bng1"]
    with world.database.read() as tx:
        rows = observations.list_objects(tx, 1)
    keys = {ObjectKey(row.path, row.keys): row.block for row in rows if row.block is not None}
    driver = model.code

    async def read() -> tuple[UsageReading, ...]:
        async with await open_session(target_of(device)) as session:
            if not isinstance(driver, AsksUsage):
                return driver.parse_usage(await Client(session).get(driver.usage_filter()))
            answers = etree.Element("data")
            for request in driver.usage_requests(keys):
                answers.extend(await session.rpc(request))
            return driver.parse_usage_replies(answers, keys)

    found = {keys.get(reading.key): reading for reading in asyncio.run(read())}
    return {block: reading for block, reading in found.items() if block is not None}


CAPACITY: Mapping[str, int | None] = {
    "ietf-address-pool": 63,
    "ietf-address-pool-ipv6": 1 << 64,
    "cisco-iosxr": 63,
    "cisco-iosxr-ipv6": None,
    "cisco-iosxr-prefixes": 1 << 16,
    "juniper-junos": 63,
    "juniper-junos-ipv6": 1 << 64,
    "huawei-vrp": 63,
    "huawei-vrp-ipv6": (1 << 31) - 1,
    "huawei-vrp-prefixes": 1 << 16,
    "ietf-nat": 64,
    "dhcpv6": (1 << 64) - 1,
    "dhcpv6-prefixes": 1 << 16,
}
"""What subscribers can have of a block of the model: a /26 with or without its gateway, a /40 of /56, a /64
as far as the model's counters go (None where the driver knows that they do not)."""


@pytest.mark.parametrize("name", BY_MODEL)
def test_what_is_in_use_is_what_the_driver_reads(world: World, name: str) -> None:
    model = BY_MODEL[name]
    first, second = install(world, model, 2)
    assert model.code.abilities({"junos-rpc-network-access": None, "casm-address-pool-ext": None}).drain is (
        model.drains
    )
    assert {block: reading.used for block, reading in readings(world, model).items()} == {1: 0, 2: 0}
    assert occupy(world, first, 7) == 7
    assert occupy(world, second, 50) == 50
    assert occupy(world, second, 9) == 9
    found = readings(world, model)
    assert {block: reading.used for block, reading in found.items()} == {first.id: 7, second.id: 9}
    assert {reading.kind for reading in found.values()} == {UsageKind.COUNT}
    assert {reading.capacity for reading in found.values()} == {CAPACITY[name]}
    world.lab.run(world.devices["bng1"].reboot())
    assert {block: reading.used for block, reading in readings(world, model).items()} == {1: 0, 2: 0}


@pytest.mark.parametrize("name", BY_MODEL)
def test_all_that_a_device_says_is_what_its_modules_say(world: World, name: str) -> None:
    """Configuration and state in one: libyang takes it as a whole datastore."""
    model = BY_MODEL[name]
    first, _ = install(world, model, 2)
    occupy(world, first, 7)

    async def read() -> bytes:
        async with await open_session(target_of(world.devices["bng1"])) as session:
            return forest(await Client(session).get())

    engine = Engine((*model.modules, "ietf-netconf-monitoring"), model.search)
    engine.validate(asyncio.run(read()), what="data")


def test_more_than_there_is_is_cut_off_and_what_is_not_there_is_refused(world: World) -> None:
    model = BY_MODEL["cisco-iosxr"]
    (block,) = install(world, model, 1)
    occupy(world, block, 1000)
    assert readings(world, model)[1].used == 63
    device = world.devices["bng1"]
    assert world.lab.do(lambda: device.set_subscribers_in("203.0.113.0-203.0.113.63", 3)) == 3
    with pytest.raises(NotFound, match=r"0 of the device's objects serve 203\.0\.113\.0/27"):
        world.lab.do(lambda: device.set_subscribers_in("203.0.113.0/27", 3))
    with pytest.raises(InvalidValue, match="no range"):
        world.lab.do(lambda: device.set_subscribers_in("here", 3))


@pytest.mark.parametrize("name", [name for name, model in BY_MODEL.items() if model.drains])
def test_a_block_in_use_drains_and_leaves_when_it_is_empty(world: World, name: str) -> None:
    """Its rest is the pool's, and not that of the longest lease: counts proved it empty."""
    model = BY_MODEL[name]
    stays, gone = install(world, model, 2)
    occupy(world, gone, 7)
    occupy(world, stays, 5)
    world.take_back("b2")
    waits = world.apply(code=0).device()
    assert waits["result"] == "waiting"
    assert "7 of its addresses are still in use" in str(waits["waiting"])
    assert world.states() == {"b1": State.INSTALLED, "b2": State.DRAINING}
    assert occupy(world, gone, 9) == 7, "what is drained gives out nothing new"
    assert occupy(world, stays, 6) == 6
    assert occupy(world, gone, 2) == 2
    again = world.apply(code=0).device()
    assert "2 of its addresses are still in use" in str(again["waiting"])
    assert world.states()["b2"] is State.DRAINING
    occupy(world, gone, 0)
    assert world.apply(code=0).device()["result"] == "changed"
    assert world.states() == {"b1": State.INSTALLED, "b2": State.QUARANTINED}
    assert readings(world, model).keys() == {1}
    row = world.blocks()[1]
    assert row.rest_until is not None
    assert row.rest_until - row.changed_at == 3600 * SECOND
    with pytest.raises(NotFound):
        occupy(world, gone, 1)


@pytest.mark.parametrize("name", [name for name, model in BY_MODEL.items() if not model.drains])
def test_a_block_that_cannot_drain_goes_with_a_word_on_who_is_there(world: World, name: str) -> None:
    model = BY_MODEL[name]
    gone, _ = install(world, model, 2)
    occupy(world, gone, 7)
    world.take_back("b1")
    done = world.apply(code=0)
    assert "withdrawn while 7 of its addresses are in use: the device cannot drain" in done.warnings()
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    row = world.blocks()[0]
    assert row.rest_until is not None
    assert row.rest_until - row.changed_at == 7200 * SECOND, "nobody proved it empty"


def test_subscribers_do_not_outlive_what_they_were_given_from(world: World) -> None:
    """Two ranges of one name, one after the other, are two ranges."""
    model = BY_MODEL["cisco-iosxr"]
    gone, _ = install(world, model, 2)
    device = world.devices["bng1"]
    there = device.configuration().decode()
    assert occupy(world, gone, 7) == 7
    rest = there.replace("203.0.113.0<", "203.0.113.128<").replace("203.0.113.1<", "203.0.113.129<")
    world.lab.do(lambda: device.edit("running", rest.encode(), "replace"))
    assert readings(world, model).keys() == {2}
    world.lab.do(lambda: device.edit("running", there.encode(), "replace"))
    assert {block: reading.used for block, reading in readings(world, model).items()} == {1: 0, 2: 0}


@pytest.mark.parametrize("name", ["cisco-iosxr", "juniper-junos", "huawei-vrp"])
def test_a_block_that_fills_again_stays(world: World, name: str) -> None:
    """A device that gives out what is drained: the count just before the commit is not 0 any more."""
    model = BY_MODEL[name]
    _, gone = install(world, model, 2)
    world.drain("b2")
    world.apply(code=0)
    world.take_back("b2")
    world.forget_operations()
    world.fault("bng1", FaultKind.DRAIN_IGNORED)
    world.fault("bng1", FaultKind.DELAY_AFTER, "edit-config:candidate", seconds=1.0)
    casm = world.start("apply", "--retries", "0")
    world.until(casm, "bng1", "edit-config:candidate")
    occupy(world, gone, 3)
    done = casm.wait()
    assert "is in use again" in done.warnings()
    assert world.states() == {"b1": State.INSTALLED, "b2": State.DRAINING}


@pytest.mark.parametrize("name", ["cisco-iosxr", "juniper-junos", "huawei-vrp"])
def test_a_restart_that_reports_nobody_is_only_noted_of_what_serves(world: World, name: str) -> None:
    """What somebody released and was drained goes then: there is nobody in it any more."""
    model = BY_MODEL[name]
    stays, gone = install(world, model, 2)
    occupy(world, stays, 7)
    occupy(world, gone, 5)
    world.take_back("b2")
    world.apply(code=0)
    assert [row.used for row in world.blocks()] == [7, 5]
    world.lab.run(world.devices["bng1"].reboot())
    world.apply(code=0)
    assert world.states() == {"b1": State.INSTALLED, "b2": State.QUARANTINED}
    assert world.blocks()[0].used == 0
    assert readings(world, model).keys() == {1}


def test_vrp_counts_addresses_only_with_those_who_share_a_prefix(world: World) -> None:
    model = replace(BY_MODEL["huawei-vrp-ipv6"], options={})
    _, gone = install(world, model, 2)
    occupy(world, gone, 7)
    assert readings(world, model) == {}
    world.take_back("b2")
    assert "gives no counts" in str(world.apply().device())


def test_a_junos_device_that_knows_no_statistics_is_told_to_give_no_counts(world: World) -> None:
    """It refuses the operation, or does not announce it."""
    model = BY_MODEL["juniper-junos"]
    first, _ = install(world, model, 2)
    occupy(world, first, 7)
    world.fault("bng1", FaultKind.REFUSE, "get-address-assignment-pool-statistics", occurrence=0)
    world.take_back("b2")
    assert "gives no counts" in str(world.apply().device())
