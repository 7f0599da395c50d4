"""Simulated devices whose subscribers log in and out, on the models that the controller drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from lxml import etree

from casm_ctrl.base.clock import SECOND, ManualClock, Micros
from casm_ctrl.base.errors import InvalidValue
from casm_ctrl.simulator import (
    Burst,
    Demand,
    Fault,
    FaultKind,
    MassRelogin,
    Moment,
    Restart,
    SimulatedDevice,
    SimulatedDeviceOptions,
)
from tests.published import MODELS, folder_of

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXTENSION = "urn:casm:yang:casm-address-pool-ext"
DEADLINE = 30.0


def home(*ranges: str) -> bytes:
    """A pool with these ranges, as `LAST`, `-LAST` (to be removed) or `+LAST` (drained): 198.51.100.0 to LAST's."""
    entries = []
    for text in ranges:
        net = text.lstrip("+-")
        gone = ' xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete"'
        drain = f'<drain xmlns="{EXTENSION}">true</drain>' if text[0] == "+" else ""
        entries.append(
            f"<ipv4-address-range{gone if text[0] == '-' else ''}><ipv4-address-range-name>{net}"
            f"</ipv4-address-range-name><ip-lower-address>198.51.{net}.0</ip-lower-address>"
            f"<ip-upper-address>198.51.{net}.63</ip-upper-address>{drain}</ipv4-address-range>"
        )
    return (
        f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>home</address-pool-name>'
        f"<address-pool-entries>{''.join(entries)}</address-pool-entries></address-pool></address-pools>"
    ).encode()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def device(clock: ManualClock) -> AsyncIterator[SimulatedDevice]:
    options = SimulatedDeviceOptions(name="bng1", writable_running=True)
    async with SimulatedDevice(options, clock=clock) as made:
        yield made


def advance(device: SimulatedDevice, clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    device.expire_due()


def present(device: SimulatedDevice) -> tuple[int, int]:
    counts = device.logins("home")
    return counts.present, counts.waiting


async def test_who_was_refused_is_served_when_the_block_is_in(
    device: SimulatedDevice, clock: ManualClock
) -> None:
    assert device.log_in("home", 100, protocol="ppp") == 100
    clock.advance(1)
    device.edit("running", home("100", "101"))
    assert present(device) == (0, 100)
    advance(device, clock, 4)
    assert present(device) == (100, 0)


async def test_configuration_moves_subscribers(device: SimulatedDevice, clock: ManualClock) -> None:
    device.edit("running", home("100"))
    device.log_in("home", 40)
    device.edit("running", home("+100", "101"))
    device.log_in("home", 40)
    assert present(device) == (80, 0)
    device.edit("running", home("-100"))
    assert present(device) == (40, 40)
    assert device.logins("home").cut_off == 40
    advance(device, clock, 10)
    assert present(device) == (64, 16)


async def test_all_come_back_after_a_restart(device: SimulatedDevice, clock: ManualClock) -> None:
    device.edit("running", home("100"))
    device.log_in("home", 64, protocol="ppp")
    await device.reboot()
    assert present(device) == (0, 64)
    advance(device, clock, 5)
    assert present(device) == (64, 0)


async def test_a_power_cut_brings_all_back_at_once(device: SimulatedDevice, clock: ManualClock) -> None:
    device.edit("running", home("100"))
    device.log_in("home", 64)
    assert device.cut_off("home") == 64
    assert present(device) == (0, 64)
    advance(device, clock, 10)
    assert present(device) == (64, 0)
    assert device.logins("home").cut_off == 64


async def test_many_are_no_burden(device: SimulatedDevice, clock: ManualClock) -> None:
    device.edit("running", home("100"))
    device.log_in("home", 20_000)
    for _ in range(3):
        advance(device, clock, 20)
    assert present(device) == (64, 19_936)
    assert device.log_out("home", 20_000) == 20_000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - the device looks at its demand by itself
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("event", "before", "after"),
    [
        (lambda at: Burst(at, 30, stay=0), 30, 60),
        (lambda at: MassRelogin(at, back=1), 30, 30),
    ],
)
async def test_subscribers_follow_a_demand(
    device: SimulatedDevice, clock: ManualClock, event: object, before: int, after: int
) -> None:
    began = Micros(1_790_000_000 * SECOND)
    at = Micros(began + 3600 * SECOND)
    assert callable(event)
    demand = Demand(30, began, "flat", noise=0, session=0, events=(event(at),))
    device.edit("running", home("100"))
    device.follow("home", demand, time_scale=60)
    await until(lambda: sum(present(device)) == before)
    served = device.logins("home").served
    clock.advance(70)
    await until(lambda: sum(present(device)) == after)
    await until(lambda: device.logins("home").served > served)
    device.leave_alone("home")
    with pytest.raises(InvalidValue, match="0 times as fast"):
        device.follow("home", demand, time_scale=0)


async def test_a_restart_in_a_demand_is_one_of_the_device(
    device: SimulatedDevice, clock: ManualClock
) -> None:
    began = Micros(1_790_000_000 * SECOND)
    restart = Restart(Micros(began + 60 * SECOND), downtime=0, back=60)
    device.edit("running", home("100"))
    device.follow("home", Demand(30, began, "flat", noise=0, session=0, events=(restart,)))
    await until(lambda: sum(present(device)) == 30)
    clock.advance(61)
    await until(lambda: device.journal.count("reboot", Moment.EXECUTED) == 1)
    clock.advance(60)
    await until(lambda: sum(present(device)) == 30)
    assert device.logins("home").served > 30


# --- Other models ---------------------------------------------------------------------------------

JUNOS = (
    '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
    '<access xmlns="http://yang.juniper.net/junos/conf/access"><address-assignment>'
    "<pool><name>home</name><link>more</link><family><inet><network>192.0.2.0/28</network></inet></family></pool>"
    "<pool><name>more</name><family><inet><network>198.51.100.0/28</network></inet></family></pool>"
    "</address-assignment></access></configuration>"
)
HUAWEI = (
    '<bras-ipv4-address-manage xmlns="urn:huawei:yang:huawei-bras-ipv4-address-manage"><ipv4-pools>'
    + "".join(
        f"<ipv4-pool><name>{name}</name><type>local</type><local><gateway><gate-ip>{net}.1</gate-ip>"
        f"<gate-mask>255.255.255.0</gate-mask></gateway><sections><section><number>0</number>"
        f"<start-ip-address>{net}.2</start-ip-address><end-ip-address>{net}.17</end-ip-address>"
        "</section></sections></local></ipv4-pool>"
        for name, net in (("a", "192.0.2"), ("b", "198.51.100"))
    )
    + "</ipv4-pools><pool-groups><pool-group><name>home</name><bind-pools><pool-name>a</pool-name>"
    "<pool-name>b</pool-name></bind-pools></pool-group></pool-groups></bras-ipv4-address-manage>"
)
NAT = (
    '<nat xmlns="urn:ietf:params:xml:ns:yang:ietf-nat"><instances><instance><id>1</id><name>home</name>'
    + "".join(
        f"<policy><id>{number}</id><external-ip-address-pool><pool-id>{number}</pool-id>"
        f"<external-ip-pool>198.51.100.{16 * number}/28</external-ip-pool></external-ip-address-pool></policy>"
        for number in (1, 2)
    )
    + "</instance></instances></nat>"
)


@pytest.mark.parametrize(
    ("model", "running"), [("juniper-junos", JUNOS), ("huawei-vrp", HUAWEI), ("ietf-nat", NAT)]
)
async def test_a_name_of_aaa_may_stand_for_several_pools(model: str, running: str) -> None:
    options = SimulatedDeviceOptions(
        modules=MODELS[model], search=(folder_of(model),), writable_running=True, running=running.encode()
    )
    async with SimulatedDevice(options) as device:
        assert device.log_in("home", 40) == 8
        assert present(device) == (32, 8)


async def test_the_model_tells_what_was_refused(device: SimulatedDevice, clock: ManualClock) -> None:
    device.edit("running", home("100"))
    device.log_in("home", 70)
    (status,) = (node for node in device._machine._state() if node.tag == f"{{{POOLS}}}address-pool-status")
    told = {etree.QName(leaf).localname: leaf.text for leaf in status.iter(f"{{{EXTENSION}}}*")}
    assert (told["requests-refused-v4"], told["requests-refused-v6"]) == ("6", "0")
    assert told["started-at"] == told["counters-since"] == "2023-11-14T22:13:20.000000Z"


async def test_the_chassis_tells_when_it_started(clock: ManualClock) -> None:
    options = SimulatedDeviceOptions(modules=("ietf-address-pool", "ietf-system"))
    async with SimulatedDevice(options, clock=clock) as device:

        def told() -> list[str | None]:
            (state,) = (node for node in device._machine._state() if node.tag.endswith("}system-state"))
            return [leaf.text for leaf in state[0]]

        start = "2023-11-14T22:13:20.000000Z"
        assert told() == [start, start]
        clock.advance(60)
        assert told() == ["2023-11-14T22:14:20.000000Z", start]
        await device.reboot()
        clock.advance(1)
        device.faults.set(Fault(FaultKind.CLOCK_JUMP, seconds=3600))
        assert told() == ["2023-11-14T23:14:21.000000Z", "2023-11-14T22:14:20.000000Z"]
