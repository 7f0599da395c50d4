"""Our sessions subscribe to our own server: RFC 5277, RFC 8639 and RFC 8641, with both clients."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from lxml import etree

from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.session import Missed, Session, SubscribingSession, Target
from casm_ctrl.netconf.client.subscriptions import (
    sn,
    subscribe_changes,
    subscribe_events,
    subscribe_periods,
    yp,
)
from casm_ctrl.netconf.names import Element
from tests.northbound_ssh import HOST_KEY, PASSWORD, USER, SshServed, public_line
from tests.session_contract import NotificationContract, Peer, client_name, other, session

__all__ = ["client_name", "other", "session"]  # fixtures of the contract

POOLS = "urn:casm:yang:casm-pools"
NUMBERS = itertools.count(1)
SPACES = etree.Element(f"{{{POOLS}}}address-spaces", nsmap={None: POOLS})  # type: ignore[dict-item]


@pytest.fixture
def peer(ssh_northbound: SshServed, monkeypatch: pytest.MonkeyPatch) -> Peer:
    monkeypatch.setenv("CASM_TEST_PASSWORD", PASSWORD)
    target = Target(
        "serve",
        ssh_northbound.host,
        ssh_northbound.port,
        USER,
        "env:CASM_TEST_PASSWORD",
        public_line(HOST_KEY),
    )
    return Peer(target, "env:CASM_TEST_WRONG")


async def add_space(other: Session) -> str:
    """Configure an address space more, and give its name."""
    name = f"space-{next(NUMBERS)}"
    space = etree.fromstring(
        f'<address-spaces xmlns="{POOLS}"><address-space><name>{name}</name></address-space></address-spaces>'
    )
    client = Client(other)
    await client.edit_config("candidate", [space])
    await client.commit()
    return name


class TestNotificationContract(NotificationContract):
    """All of it."""

    async def provoke(self, other: Session) -> None:
        await add_space(other)


async def told(session: SubscribingSession, tag: str) -> Element:
    """The next notification of that name."""
    async with asyncio.timeout(30):
        async for one in session.notifications():
            assert not isinstance(one, Missed)
            if one.element.tag == tag:
                return one.element
    raise AssertionError("it does not end by itself")


async def test_a_stream_by_rfc_8639_beside_requests(session: SubscribingSession, other: Session) -> None:
    reply = await session.subscribe(subscribe_events())
    assert reply.findtext(sn("id")) is not None
    await add_space(session)
    await told(session, "{urn:ietf:params:xml:ns:yang:ietf-netconf-notifications}netconf-config-change")


async def test_changes_are_pushed(session: SubscribingSession, other: Session) -> None:
    await add_space(other)
    await session.subscribe(subscribe_changes([SPACES]))
    await told(session, yp("push-update"))
    name = await add_space(other)
    change = await told(session, yp("push-change-update"))
    assert name in etree.tostring(change).decode()


async def test_a_datastore_is_pushed_in_periods(session: SubscribingSession, other: Session) -> None:
    name = await add_space(other)
    await session.subscribe(subscribe_periods([SPACES], 1))
    for _ in range(2):
        update = await told(session, yp("push-update"))
        assert name in etree.tostring(update).decode()
