"""The contract of a session against our own simulated device."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from casm_ctrl.netconf.client.session import Target
from casm_ctrl.simulator.device import SimulatedDevice
from tests.session_contract import Peer, SessionContract, client_name, other, session

__all__ = ["client_name", "other", "session"]  # fixtures of the contract


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Peer]:
    async with SimulatedDevice() as device:
        monkeypatch.setenv("CASM_TEST_PASSWORD", device.options.password)
        monkeypatch.setenv("CASM_TEST_WRONG", "wrong")
        yield Peer(
            Target(
                "bng1",
                device.host,
                device.port,
                device.options.username,
                "env:CASM_TEST_PASSWORD",
                device.host_key,
            ),
            "env:CASM_TEST_WRONG",
        )


class TestContract(SessionContract):
    """All of it."""
