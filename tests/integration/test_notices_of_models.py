"""What simulated devices of other models tell by themselves, and nonsense of any: heard through the listener."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from casm_ctrl.addressing.prefix import Family
from casm_ctrl.drivers.interface import UsageKind
from casm_ctrl.drivers.notices import Level
from casm_ctrl.service.configuration import ChangeDevicePool, change
from casm_ctrl.simulator import Fault, FaultKind
from casm_ctrl.store.events import Author
from casm_ctrl.sync.run import Options, running
from tests.listening_world import Heard, listening
from tests.models_world import BY_MODEL, Model, install, occupy
from tests.sync_world import ME, World, Worlds

CONTROLLER = Author("controller")
PUSHES = replace(
    BY_MODEL["ietf-address-pool"],
    options={"modules": ("ietf-address-pool", "ietf-subscribed-notifications", "ietf-yang-push")},
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("notices"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with worlds.world() as made:
        yield made


@contextlib.asynccontextmanager
async def heard_from(world: World) -> AsyncIterator[Heard]:
    """What bng1 tells, from its first LOOK on."""
    async with (
        running(world.database, CONTROLLER, Options(), pass_over) as run,
        listening(run, "bng1") as heard,
    ):
        await heard.until_looks(1)
        yield heard


def pass_over(device: str, words: str) -> None:
    """For progress that nobody reads."""


async def test_a_nat_tells_by_its_thresholds(world: World) -> None:
    model = replace(BY_MODEL["ietf-nat"], device_pool={"usage_high": 80, "usage_low": 50})
    (block,) = install(world, model, 1)
    size = block.prefix.size
    async with heard_from(world) as heard:
        occupy(world, block, size)
        told = await heard.notice()
        assert (told.pool, told.level, told.family) == ("internet", Level.HIGH, Family.IPV4)


async def test_thresholds_of_a_device_pool_are_those_of_its_device(world: World) -> None:
    model = replace(
        BY_MODEL["ietf-address-pool"], device_pool={"gateway": "none", "usage_high": 80, "usage_low": 50}
    )
    (block,) = install(world, model, 1)
    async with heard_from(world) as heard:
        occupy(world, block, block.prefix.size * 90 // 100)
        told = await heard.notice()
        assert (told.pool, told.level, told.family) == ("internet", Level.HIGH, Family.IPV4)
        occupy(world, block, block.prefix.size * 40 // 100)
        assert (await heard.notice()).level is Level.NORMAL
    change(world.database, ME, [ChangeDevicePool("bng1/internet", (("usage_high", 40), ("usage_low", 30)))])
    world.apply(code=0)
    async with heard_from(world) as heard:
        occupy(world, block, block.prefix.size * 20 // 100)
        occupy(world, block, block.prefix.size * 45 // 100)
        assert (await heard.notice()).level is Level.HIGH


async def test_a_device_without_events_pushes_its_usage(world: World) -> None:
    (block,) = install(world, PUSHES, 1)
    async with heard_from(world) as heard:
        first = await heard.notice()
        (reading,) = first.readings
        assert (reading.kind, reading.used) == (UsageKind.PERCENT, 0)
        occupy(world, block, block.prefix.size // 2)
        await heard.until_looks(1)


NONSENSE = (FaultKind.USAGE_NAN, FaultKind.USAGE_NEGATIVE, FaultKind.USAGE_ABOVE)


@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_is_named_and_the_listener_stays(world: World, kind: FaultKind) -> None:
    model = replace(BY_MODEL["ietf-address-pool"], device_pool={"gateway": "none", "usage_high": 80})
    (block,) = install(world, model, 1)
    device = world.devices["bng1"]
    async with heard_from(world) as heard:
        world.lab.do(lambda: device.faults.set(Fault(kind)))
        occupy(world, block, block.prefix.size * 90 // 100)
        assert "addresses-used" in (await heard.notice()).fault
        assert any("addresses-used" in hearing.why for _, hearing in heard.states)
        assert all(hearing.listening for _, hearing in heard.states)
        world.lab.do(lambda: device.faults.clear())
        occupy(world, block, 0)
        assert (await heard.notice()).level is Level.NORMAL


@pytest.mark.parametrize(
    ("model", "notices"),
    [(BY_MODEL["ietf-address-pool"], "events"), (PUSHES, "push"), (BY_MODEL["cisco-iosxr"], "none")],
)
def test_a_check_says_what_a_device_tells(world: World, model: Model, notices: str) -> None:
    install(world, model, 1)
    assert world.casm("device", "check", "bng1").device()["ability"]["notices"] == notices


async def test_a_model_without_events_is_polled(world: World) -> None:
    install(world, BY_MODEL["cisco-iosxr"], 1)
    async with (
        running(world.database, CONTROLLER, Options(), pass_over) as run,
        listening(run, "bng1") as heard,
    ):
        assert "tells nothing" in await heard.deaf()
    assert heard.notices == []
