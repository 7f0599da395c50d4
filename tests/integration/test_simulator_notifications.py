"""A standard client that subscribes to a simulated device (RFC 5277) and hears of its pools."""

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

from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice, SimulatedDeviceOptions

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
EXTENSION = "urn:casm:yang:casm-address-pool-ext"
HOME = (
    f'<address-pools xmlns="{POOLS}"><address-pool><address-pool-name>home</address-pool-name><address-pool-entries>'
    "<ipv4-address-range><ipv4-address-range-name>r1</ipv4-address-range-name><ip-lower-address>192.0.2.0"
    "</ip-lower-address><ip-upper-address>192.0.2.99</ip-upper-address></ipv4-address-range>"
    "<warning-threshold-v4>80</warning-threshold-v4></address-pool-entries></address-pool></address-pools>"
).encode()


@pytest.fixture(autouse=True)
def short_tick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As shipped ncclient waits up to 0.1 s before it sends a request."""
    monkeypatch.setattr(ncclient.transport.session, "TICK", 0.001)
    yield


@asynccontextmanager
async def started(**options: Any) -> AsyncIterator[SimulatedDevice]:
    async with SimulatedDevice(SimulatedDeviceOptions(running=HOME, **options)) as device:
        yield device


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
        if connection.connected:
            await asyncio.to_thread(connection.close_session)


async def subscribe(connection: Any, **arguments: Any) -> None:
    await asyncio.to_thread(lambda: connection.create_subscription(**arguments))


async def hear(connection: Any) -> dict[str, str]:
    """The leaves of the next notification, and `name`, its own."""
    notification = await asyncio.to_thread(lambda: connection.take_notification(timeout=30))
    assert notification is not None
    content = notification.notification_ele[-1]
    leaves = {etree.QName(leaf).localname: leaf.text or "" for leaf in content}
    return {"name": etree.QName(content).localname, **leaves}


async def silent(connection: Any) -> bool:
    return await asyncio.to_thread(lambda: connection.take_notification(block=False)) is None


async def refusal(connection: Any, **arguments: Any) -> str:
    with pytest.raises(RPCError) as caught:
        await subscribe(connection, **arguments)
    return str(caught.value.tag)


async def test_a_subscriber_hears_at_once() -> None:
    async with started() as device, connected(device) as client:
        await subscribe(client)
        device.log_in("home", 80)
        told = await hear(client)
        assert (told["name"], told["level"], told["addresses-used"]) == ("pool-usage", "high", "80")
        device.log_in("home", 25)
        told = await hear(client)
        assert (told["level"], told["requests-refused"]) == ("exhausted", "5")
        device.log_out("home", 105)
        assert (await hear(client))["level"] == "normal"
        device.log_in("nowhere", 1, family=6)
        told = await hear(client)
        assert (told["address-pool-name"], told["address-family"], told["addresses-total"]) == (
            "nowhere",
            "ipv6",
            "0",
        )


async def test_what_is_said_of_usage_is_noticed_as_well() -> None:
    async with started() as device, connected(device) as client:
        await subscribe(client)
        device.set_subscribers("home", "r1", 90)
        assert (await hear(client))["addresses-used"] == "90"


async def test_only_who_subscribed_hears_and_only_what_it_wants() -> None:
    other = f'<pool-usage xmlns="{EXTENSION}"><address-pool-name>other</address-pool-name></pool-usage>'
    async with (
        started() as device,
        connected(device) as all_of_it,
        connected(device) as subtree,
        connected(device) as xpath,
        connected(device) as nothing,
    ):
        await subscribe(all_of_it)
        await subscribe(subtree, filter=("subtree", other))
        await subscribe(xpath, filter=("xpath", ({"e": EXTENSION}, "/e:pool-usage[e:level='exhausted']")))
        device.log_in("other", 1)
        device.log_in("home", 80)
        device.log_in("home", 20)
        assert [(await hear(all_of_it))["level"] for _ in range(3)] == ["exhausted", "high", "exhausted"]
        assert (await hear(subtree))["address-pool-name"] == "other"
        assert [(await hear(xpath))["address-pool-name"] for _ in range(2)] == ["other", "home"]
        assert await silent(subtree)
        assert await silent(nothing)


async def test_without_interleave_a_subscribed_session_does_nothing_else() -> None:
    async with started() as device, connected(device) as client:
        assert not any("interleave" in capability for capability in client.server_capabilities)
        await subscribe(client)
        with pytest.raises(RPCError) as caught:
            await asyncio.to_thread(client.get_config, "running")
        assert caught.value.tag == "resource-denied"
        device.log_in("home", 80)
        assert (await hear(client))["level"] == "high"


async def test_with_interleave_it_goes_on() -> None:
    async with started(interleave=True) as device, connected(device) as client:
        assert ":interleave" in client.server_capabilities
        await subscribe(client)
        device.log_in("home", 80)
        await asyncio.to_thread(client.get_config, "running")
        assert (await hear(client))["level"] == "high"
        assert await refusal(client) == "in-use"


async def test_what_cannot_be_subscribed_to() -> None:
    async with started() as device, connected(device) as client:
        assert await refusal(client, stream_name="SYSLOG") == "invalid-value"
        assert await refusal(client, start_time="2026-11-23T00:00:00Z") == "operation-failed"
        assert await refusal(client, filter=("xpath", "/[")) == "invalid-value"
        await subscribe(client, stream_name="NETCONF")


async def test_a_device_without_notifications_has_none() -> None:
    async with started(notifications=False) as device, connected(device) as client:
        assert ":notification" not in client.server_capabilities
        create = etree.Element(f"{{{NOTIFICATION}}}create-subscription")
        with pytest.raises(RPCError) as caught:
            await asyncio.to_thread(client.dispatch, create)
        assert caught.value.tag == "unknown-namespace"


async def test_a_restart_ends_the_subscription() -> None:
    async with started() as device:
        async with connected(device) as client:
            await subscribe(client)
            await device.reboot()
            await asyncio.to_thread(client._session.join, 30)
            assert not client.connected
        async with connected(device) as client:
            await subscribe(client)
            device.log_in("home", 80)
            assert (await hear(client))["level"] == "high"


async def test_notifications_are_spoilt_or_left_out() -> None:
    async with started() as device, connected(device) as client:
        await subscribe(client)
        device.faults.set(Fault(FaultKind.SILENT))
        device.log_in("home", 80)
        device.faults.clear()
        device.faults.set(Fault(FaultKind.USAGE_NAN), Fault(FaultKind.CLOCK_JUMP, seconds=-86400))
        device.log_in("home", 20)
        told = await hear(client)
        assert (told["level"], told["addresses-used"]) == ("exhausted", "NaN")
        assert told["sampled-at"][:10] < told["started-at"][:10]


async def test_a_get_is_spoilt() -> None:
    async with started() as device, connected(device) as client:
        device.log_in("home", 80)
        device.faults.set(Fault(FaultKind.USAGE_NEGATIVE))
        reply = await asyncio.to_thread(client.get)
        assert {leaf.text for leaf in reply.data_ele.iter(f"{{{EXTENSION}}}addresses-used")} == {"-7"}
