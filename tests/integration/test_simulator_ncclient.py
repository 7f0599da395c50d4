"""A standard client that nobody here wrote, unchanged, against the simulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import ncclient.transport.session
import pytest
from ncclient import manager
from ncclient.operations import RPCError
from ncclient.transport.errors import SessionCloseError

from casm_ctrl.simulator import Fault, FaultKind, SimulatedDevice, SimulatedDeviceOptions

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"


@pytest.fixture(autouse=True)
def short_tick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As shipped ncclient waits up to 0.1 s before it sends a request."""
    monkeypatch.setattr(ncclient.transport.session, "TICK", 0.001)
    yield


def config(name: str) -> str:
    return (
        f'<config xmlns="{BASE}"><address-pools xmlns="{POOLS}"><address-pool>'
        f"<address-pool-name>p</address-pool-name><address-pool-entries><ipv4-address-range>"
        f"<ipv4-address-range-name>{name}</ipv4-address-range-name>"
        f"<ip-lower-address>192.0.2.0</ip-lower-address><ip-upper-address>192.0.2.255</ip-upper-address>"
        f"</ipv4-address-range></address-pool-entries></address-pool></address-pools></config>"
    )


async def drive(device: SimulatedDevice, work: Callable[[Any], None], *, lost: bool = False) -> None:
    """Do `work` with a session of ncclient on a thread, as its calls block; `lost`: it ends by itself."""

    def session() -> None:
        connection = manager.connect(
            host=device.host,
            port=device.port,
            username="casm",
            password="casm",
            hostkey_verify=False,
            look_for_keys=False,
            allow_agent=False,
            timeout=10,
        )
        work(connection)
        if not lost:
            connection.close_session()

    await asyncio.to_thread(session)


@pytest.mark.parametrize("base_1_1", [True, False])
async def test_the_main_job(base_1_1: bool) -> None:
    def work(m: Any) -> None:
        assert "ietf-address-pool" in str(list(m.server_capabilities))
        with m.locked("running"), m.locked("candidate"):
            m.edit_config(target="candidate", config=config("r1"), default_operation="merge")
            m.validate("candidate")
            m.commit(confirmed=True, timeout="60")
            assert "r1" in m.get_config("running").data_xml
            m.commit()
        assert (
            "r1" in m.get_config("running", filter=("subtree", f'<address-pools xmlns="{POOLS}"/>')).data_xml
        )
        assert "average-address-usage-ratio" in m.get().data_xml
        assert "module ietf-address-pool" in m.get_schema("ietf-address-pool").data

    async with SimulatedDevice(SimulatedDeviceOptions(base_1_1=base_1_1)) as device:
        await drive(device, work)
        assert b"r1" in device.configuration()
        assert not device.commit_pending


async def test_confirmed_commit_with_persist_and_cancel() -> None:
    def work(m: Any) -> None:
        m.edit_config(target="candidate", config=config("r1"))
        m.commit(confirmed=True, timeout="60", persist="token")
        with pytest.raises(RPCError):
            m.commit()
        m.commit(persist_id="token")
        m.edit_config(target="candidate", config=config("r2"))
        m.commit(confirmed=True, timeout="60")
        m.cancel_commit()

    async with SimulatedDevice() as device:
        await drive(device, work)
        assert b"r1" in device.configuration()
        assert b"r2" not in device.configuration()


async def test_errors_arrive_with_tag_and_path() -> None:
    def work(m: Any) -> None:
        with pytest.raises(RPCError) as refusal:
            m.edit_config(target="candidate", config=config("r1").replace("192.0.2.0", "not-an-address"))
        assert refusal.value.tag == "invalid-value"
        assert "ip-lower-address" in refusal.value.path

    async with SimulatedDevice() as device:
        await drive(device, work)


async def test_a_lost_reply_is_a_lost_session() -> None:
    def work(m: Any) -> None:
        m.edit_config(target="candidate", config=config("r1"))
        with pytest.raises(SessionCloseError):
            m.commit()

    async with SimulatedDevice() as device:
        device.faults.set(Fault(FaultKind.DROP_AFTER, "commit"))
        await drive(device, work, lost=True)
        assert b"r1" in device.configuration()


async def test_tiny_chunks_make_no_difference() -> None:
    def work(m: Any) -> None:
        m.edit_config(target="candidate", config=config("r1"))
        assert "r1" in m.get_config("candidate").data_xml

    async with SimulatedDevice() as device:
        device.faults.set(Fault(FaultKind.TINY_CHUNKS, octets=1))
        await drive(device, work)


async def test_rpcs_are_answered_at_once() -> None:
    def work(m: Any) -> None:
        start = time.perf_counter()
        for _ in range(100):
            m.get_config("running")
        # 5 ms each are promised: the suite shares its two cores with others.
        assert time.perf_counter() - start < 15

    async with SimulatedDevice() as device:
        await drive(device, work)
