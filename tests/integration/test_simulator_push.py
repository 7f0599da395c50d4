"""A simulated device with YANG-Push: what it says of its usage periodically and on change (RFC 8639, RFC 8641)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import ncclient.transport.session
import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice, SimulatedDeviceOptions
from casm_ctrl.yang.engine import Engine
from casm_ctrl.yang.modules import yang_folder

SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
EXTENSION = "urn:casm:yang:casm-address-pool-ext"
MODULES = ("ietf-address-pool", "casm-address-pool-ext", "ietf-yang-push")
HOME = (
    f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>home</address-pool-name><address-pool-entries>'
    "<ipv4-address-range><ipv4-address-range-name>r1</ipv4-address-range-name><ip-lower-address>192.0.2.0"
    "</ip-lower-address><ip-upper-address>192.0.2.99</ip-upper-address></ipv4-address-range></address-pool-entries>"
    "</address-pool></address-pools>"
).encode()
STATUS = f'<address-pool-status xmlns="{POOLS}"/>'


@pytest.fixture(autouse=True)
def short_tick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As shipped ncclient waits up to 0.1 s before it sends a request."""
    monkeypatch.setattr(ncclient.transport.session, "TICK", 0.001)
    yield


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def device(clock: ManualClock) -> AsyncIterator[SimulatedDevice]:
    options = SimulatedDeviceOptions(modules=MODULES, running=HOME, writable_running=True)
    async with SimulatedDevice(options, clock=clock) as made:
        yield made


@asynccontextmanager
async def connected(device: SimulatedDevice) -> AsyncIterator[Any]:
    connection = await asyncio.to_thread(
        manager.connect,
        host=device.host,
        port=device.port,
        username="casm",
        password="casm",
        hostkey_verify=False,
        look_for_keys=False,
        allow_agent=False,
        timeout=30,
    )
    try:
        yield connection
    finally:
        await asyncio.to_thread(connection.close_session)


def establish(trigger: str, *, datastore: str = "operational", chosen: str = STATUS) -> Any:
    return etree.fromstring(
        f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}"><yp:datastore '
        f'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">ds:{datastore}</yp:datastore>'
        f"<yp:datastore-subtree-filter>{chosen}</yp:datastore-subtree-filter>{trigger}</establish-subscription>"
    )


async def call(client: Any, operation: Any) -> str:
    """The number of the subscription."""
    reply = await asyncio.to_thread(client.dispatch, operation)
    return str(etree.fromstring(reply.xml.encode()).findtext(f"{{{SN}}}id"))


async def hear(client: Any) -> Any:
    notification = await asyncio.to_thread(lambda: client.take_notification(timeout=30))
    assert notification is not None
    return notification.notification_ele[-1]


async def silent(client: Any) -> bool:
    """True where nothing came before the answer to another request."""
    await asyncio.to_thread(client.get_config, "running")
    return await asyncio.to_thread(lambda: client.take_notification(block=False)) is None


def used(content: Any) -> list[str]:
    return [leaf.text for leaf in content.iter(f"{{{EXTENSION}}}addresses-used")]


async def test_on_change_the_state_comes_first_and_then_each_change(
    device: SimulatedDevice, clock: ManualClock
) -> None:
    async with connected(device) as client:
        number = await call(client, establish("<yp:on-change/>"))
        first = await hear(client)
        assert (first.tag, first.findtext(f"{{{YP}}}id")) == (f"{{{YP}}}push-update", number)
        assert used(first) == ["0", "0"]
        device.log_in("home", 7)
        change = await hear(client)
        assert change.tag == f"{{{YP}}}push-change-update"
        Engine(MODULES, (yang_folder(),)).validate(etree.tostring(change), what="notification")
        assert [leaf.text for leaf in change.iter(f"{{{YP}}}operation", f"{{{YP}}}target")] == [
            "replace",
            "/ietf-address-pool:address-pool-status",
        ]
        assert used(change) == ["7", "7"]
        clock.advance(60)
        device.set_subscribers("home", "r1", 0)
        assert await silent(client), "only times are others"
        device.log_in("elsewhere", 3)
        asked = await hear(client)
        refused = [leaf.text for leaf in asked.iter(f"{{{EXTENSION}}}requests-refused-v4")]
        assert (used(asked), refused) == (["7", "7"], ["0", "3"])
        device.edit("running", HOME.replace(b"r1", b"r2"))
        assert used(await hear(client)) == ["7", "0", "7"]


async def test_changes_are_dampened(device: SimulatedDevice, clock: ManualClock) -> None:
    async with connected(device) as client:
        await call(
            client, establish("<yp:on-change><yp:dampening-period>100</yp:dampening-period></yp:on-change>")
        )
        assert used(await hear(client)) == ["0", "0"]
        for _ in range(5):
            device.log_in("home")
        assert await silent(client)
        clock.advance(1)
        device.expire_due()
        assert used(await hear(client)) == ["5", "5"]
        assert await silent(client)


async def test_periodic_updates_keep_their_period(device: SimulatedDevice, clock: ManualClock) -> None:
    async with connected(device) as client:
        await call(client, establish("<yp:periodic><yp:period>500</yp:period></yp:periodic>"))
        assert used(await hear(client)) == ["0", "0"]
        device.log_in("home", 3)
        assert await silent(client)
        for seconds, comes in (
            (4.9, False),
            (0.2, True),
            (4.7, False),
            (0.3, True),
            (17, True),
            (0.1, False),
        ):
            clock.advance(seconds)
            device.expire_due()
            if comes:
                assert used(await hear(client)) == ["3", "3"]
            assert await silent(client)


async def test_what_is_sent_is_what_the_modules_say(device: SimulatedDevice) -> None:
    async with connected(device) as client:
        await call(client, establish("<yp:on-change/>"))
        update = await hear(client)
        contents = update.find(f"{{{YP}}}datastore-contents")
        data = b"".join(etree.tostring(node) for node in contents)
        Engine(MODULES, (yang_folder(),)).validate(data, what="data")


async def test_a_subscription_is_deleted_and_readings_are_spoilt(device: SimulatedDevice) -> None:
    async with connected(device) as client:
        number = await call(client, establish("<yp:on-change/>"))
        await hear(client)
        device.faults.set(Fault(FaultKind.USAGE_NAN))
        device.log_in("home")
        assert used(await hear(client)) == ["NaN", "NaN"]
        device.faults.set(Fault(FaultKind.SILENT))
        device.log_in("home")
        device.faults.clear()
        delete = f'<delete-subscription xmlns="{SN}"><id>{number}</id></delete-subscription>'
        await asyncio.to_thread(client.dispatch, etree.fromstring(delete))
        device.log_in("home")
        assert await silent(client)
        with pytest.raises(RPCError, match="no subscription 1"):
            await asyncio.to_thread(client.dispatch, etree.fromstring(delete))


@pytest.mark.parametrize(
    ("operation", "tag"),
    [
        (establish("<yp:on-change/>", datastore="running"), "invalid-value"),
        (establish(""), "missing-element"),
        (establish("<yp:periodic/>"), "missing-element"),
        (establish("<yp:periodic><yp:period>0</yp:period></yp:periodic>"), "bad-element"),
        (
            establish("<yp:on-change><yp:excluded-change>create</yp:excluded-change></yp:on-change>"),
            "unknown-element",
        ),
        (establish("<yp:on-change/><encoding>encode-xml</encoding>"), "unknown-element"),
        (etree.fromstring(f'<establish-subscription xmlns="{SN}"/>'), "missing-element"),
    ],
)
async def test_what_cannot_be_pushed(device: SimulatedDevice, operation: Any, tag: str) -> None:
    async with connected(device) as client:
        with pytest.raises(RPCError) as caught:
            await asyncio.to_thread(client.dispatch, operation)
        assert caught.value.tag == tag


async def test_a_device_without_the_module_pushes_nothing() -> None:
    async with SimulatedDevice() as device, connected(device) as client:
        with pytest.raises(RPCError) as caught:
            await asyncio.to_thread(client.dispatch, establish("<yp:on-change/>"))
        assert caught.value.tag == "unknown-namespace"
