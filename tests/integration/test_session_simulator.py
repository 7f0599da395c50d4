"""The contract of a session against our own simulated device."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from casm_ctrl.netconf.client.session import Session, Target
from casm_ctrl.simulator.device import SimulatedDevice
from tests.session_contract import (
    NotificationContract,
    Peer,
    SessionContract,
    client_name,
    other,
    session,
)

__all__ = ["client_name", "other", "session"]  # fixtures of the contract

RUNNING: dict[int, SimulatedDevice] = {}
"""By port."""


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Peer]:
    async with SimulatedDevice() as device:
        monkeypatch.setenv("CASM_TEST_PASSWORD", device.options.password)
        monkeypatch.setenv("CASM_TEST_WRONG", "wrong")
        RUNNING[device.port] = device
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


class TestNotificationContract(NotificationContract):
    """All of it."""

    pools = 0

    async def provoke(self, other: Session) -> None:
        """Somebody asks for an address of a pool that is not there."""
        self.pools += 1
        RUNNING[other.target.port].log_in(f"pool-{self.pools}")
