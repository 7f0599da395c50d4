"""What polling a device makes of its answers, for every driver; and bad answers, each by its name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from casm_ctrl.base.errors import IdentityChanged
from casm_ctrl.base.readings import COUNT, NONE, PERCENT, Accepted, DeviceReading, Refused
from casm_ctrl.control.usage.judging import Expected, judge
from casm_ctrl.drivers.notices import Level, UsageNotice
from casm_ctrl.service import samples
from casm_ctrl.service.configuration import AddDevicePool, AddGroup, change
from casm_ctrl.simulator import FaultKind
from casm_ctrl.sync.run import Options, running
from casm_ctrl.sync.usage import noticed, poll
from tests.models_world import BY_MODEL, install, occupy
from tests.sync_world import ME, PLAIN, World, Worlds


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("polling"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
    with worlds.world() as made:
        yield made


def look(world: World, name: str = "bng1", notice: UsageNotice | None = None) -> DeviceReading | None:
    """Poll a device in a run of its own, or take what it told."""

    async def act() -> DeviceReading | None:
        async with running(world.database, ME, Options(), lambda device, words: None) as run:
            return await poll(run, name) if notice is None else await noticed(run, name, notice)

    return asyncio.run(act())


def read(world: World, name: str = "bng1") -> DeviceReading:
    found = look(world, name)
    assert found is not None
    return found


def verdict(world: World, name: str = "bng1") -> Accepted | Refused:
    """As the loop does: read, judge by the last that was believed, and keep."""
    found = read(world, name)
    with world.database.read() as tx:
        previous = samples.last_reading(tx, name)
    judged = judge(previous, found, Expected())
    if isinstance(judged, Accepted):
        samples.record(world.database, name, judged)
    else:
        world.database.run(lambda tx: samples.refuse_in(tx, name, judged))
    return judged


def used(reading: DeviceReading) -> dict[int, tuple[int, int]]:
    return {block.block: (block.used, block.capacity) for pool in reading.pools for block in pool.blocks}


CAPACITY = {
    "ietf-address-pool": 63,
    "cisco-iosxr": 63,
    "juniper-junos": 63,
    "huawei-vrp": 63,
    "ietf-nat": 64,
    "cisco-iosxr-prefixes": 1 << 16,
    "huawei-vrp-prefixes": 1 << 16,
    "dhcpv6-prefixes": 1 << 16,
}
"""Subscribers of a block of the model: a /26 with or without its gateway, a /40 of /56."""


@pytest.mark.parametrize("name", BY_MODEL)
def test_each_model_is_read_in_subscribers(world: World, name: str) -> None:
    first, second = install(world, BY_MODEL[name], 2)
    occupy(world, first, 7)
    reading = read(world)
    assert (reading.kind, reading.missing, reading.absent, reading.strangers) == (COUNT, (), (), ())
    told = used(reading)
    assert {block: count for block, (count, _) in told.items()} == {first.id: 7, second.id: 0}
    if name in CAPACITY:
        assert {capacity for _, capacity in told.values()} == {CAPACITY[name]}
    [pool] = reading.pools
    assert (pool.label, pool.used) == ("bng1/internet", 7)
    assert judge(None, reading, Expected()) == Accepted(reading)
    world.lab.run(world.devices["bng1"].reboot())
    assert used(read(world))[first.id][0] == 0


def test_polling_takes_no_lock_and_works_beside_one(world: World) -> None:
    world.installed(1)
    world.forget_operations()
    read(world)
    assert not {"lock", "edit-config", "commit"} & set(world.operations())


def test_a_restart_is_told_by_the_time_of_the_start(world: World) -> None:
    world.installed(1)
    before = read(world)
    assert before.booted_at is not None
    assert before.sampled_at is not None
    world.lab.run(world.devices["bng1"].reboot())
    after = read(world)
    assert after.booted_at is not None
    assert after.booted_at > before.booted_at


def test_shares_are_shares(world: World) -> None:
    device = world.installed(1, modules=PLAIN)
    [block] = world.blocks()
    world.lab.do(lambda: device.set_subscribers_in(str(block.prefix), 32))
    reading = read(world)
    assert reading.kind == PERCENT
    assert used(reading) == {1: (50, 100)}
    assert (reading.pools[0].used, reading.pools[0].capacity) == (50, 100)


def test_a_device_that_tells_nothing_has_no_samples(world: World) -> None:
    model = BY_MODEL["juniper-junos"]
    install(world, model, 1, operations=())
    reading = read(world)
    assert (reading.kind, reading.pools, reading.missing) == (NONE, (), ())


def test_members_of_a_group_are_read_each_for_itself(world: World) -> None:
    world.add("bng1")
    world.add("bng2")
    change(
        world.database,
        ME,
        [
            AddGroup("pair", (("bng1", "serves"), ("bng2", "serves"))),
            AddDevicePool("bng1/both", ("p",), 26, group="pair"),
        ],
    )
    world.casm("allocate", "bng1/both", code=0)
    world.apply(code=0)
    [block] = world.blocks()
    for name, count in (("bng1", 5), ("bng2", 7)):
        device = world.devices[name]
        world.lab.do(lambda device=device, count=count: device.set_subscribers_in(str(block.prefix), count))  # type: ignore[misc]
        assert isinstance(verdict(world, name), Accepted)
    with world.database.read() as tx:
        both = [row[0] for row in tx.all("SELECT id FROM device_pool WHERE name = 'both'")]
        assert [sample.used for sample in samples.recent(tx, both[0], 0)] == [5, 12]


BAD: dict[FaultKind, tuple[str, dict[str, Any]]] = {
    FaultKind.USAGE_NAN: ("impossible-value", {}),
    FaultKind.USAGE_NEGATIVE: ("impossible-value", {}),
    FaultKind.USAGE_ABOVE: ("impossible-value", {}),
    FaultKind.COUNTER_BACKWARDS: ("counter-backwards", {}),
    FaultKind.CLOCK_JUMP: ("clock-jump", {"seconds": 7200.0}),
    FaultKind.ANOTHER_DEVICE: ("another-device", {}),
    FaultKind.MISSING_BLOCKS: ("missing-blocks", {}),
    FaultKind.STALE: ("stale", {}),
}


@pytest.mark.parametrize("fault", BAD, ids=lambda fault: fault.value)
def test_a_bad_answer_is_refused_by_its_name_and_the_next_good_one_believed(
    world: World, fault: FaultKind
) -> None:
    device = world.installed(2)
    for block in world.blocks():
        world.lab.do(lambda block=block: device.set_subscribers_in(str(block.prefix), 40))  # type: ignore[misc]
    kind, more = BAD[fault]
    if fault is FaultKind.STALE:
        world.fault("bng1", fault)
        assert isinstance(verdict(world), Accepted)
    else:
        assert isinstance(verdict(world), Accepted)
        world.fault("bng1", fault, **more)
    bad = verdict(world)
    assert isinstance(bad, Refused), bad
    assert bad.kind == kind, bad.reason
    with world.database.read() as tx:
        assert len(samples.recent(tx, 1, 0)) == 1, "what was refused is no sample"
    world.clear_faults()
    for _ in range(2):  # a clock that was set back is a jump once more
        good = verdict(world)
    assert isinstance(good, Accepted), good
    assert not good.suspicious


def test_another_device_at_the_same_address_is_refused(world: World) -> None:
    world.installed(1)
    port = world.devices["bng1"].port
    world.lab.stop(world.devices["bng1"])
    world.devices["bng1"] = world.lab.start("other", port=port)
    with pytest.raises(IdentityChanged):
        read(world)


def test_what_a_device_tells_by_itself_is_a_reading_too(world: World) -> None:
    world.installed(2)
    notice = UsageNotice("internet", Level.HIGH, used=100, capacity=126, refused=3)
    told = look(world, notice=notice)
    assert told is not None
    [pool] = told.pools
    assert (pool.label, pool.used, pool.capacity, pool.refused, told.source) == (
        "bng1/internet",
        100,
        126,
        3,
        "notice",
    )
    assert look(world, notice=UsageNotice("nobody", Level.HIGH, used=1, capacity=2)) is None
    assert look(world, notice=UsageNotice("internet", Level.EXHAUSTED)) is None


def test_what_is_missing_from_the_first_report_on_is_refused_and_its_pool_left_out_then(world: World) -> None:
    world.installed(2)
    with world.database.write() as tx:
        tx.run("UPDATE block SET changed_at = changed_at - 5000000")
    world.fault("bng1", FaultKind.MISSING_BLOCKS)
    first = verdict(world)
    assert isinstance(first, Refused)
    assert first.kind == "missing-blocks"
    second = verdict(world)
    assert isinstance(second, Accepted)
    assert (second.reading.unseen, second.reading.pools) == ((2,), ())
    world.clear_faults()
    third = verdict(world)
    assert isinstance(third, Accepted)
    assert [pool.label for pool in third.reading.pools] == ["bng1/internet"]


def test_a_block_that_was_just_installed_may_be_missing(world: World) -> None:
    world.installed(1)
    with world.database.write() as tx:
        tx.run("UPDATE block SET changed_at = changed_at + 60000000")
    world.fault("bng1", FaultKind.MISSING_BLOCKS)
    assert isinstance(verdict(world), Accepted)
