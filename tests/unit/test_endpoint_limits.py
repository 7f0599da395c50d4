"""What the northbound does about clients that say too much, too little, or take nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casm_ctrl.netconf import framing
from casm_ctrl.netconf.framing import Framing
from casm_ctrl.netconf.messages import Answer, Output
from casm_ctrl.netconf.names import BASE_1_0, BASE_1_1, Element
from casm_ctrl.netconf.server import MAX_HELLO, ServerSession, State
from casm_ctrl.northbound.endpoint import Ending
from casm_ctrl.northbound.interface import Caller, Operations
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.store.database import open_database
from tests.northbound_harness import Endpoint, Refused


@pytest.fixture
def store(northbound_template: Path, tmp_path: Path) -> str:
    return str(shutil.copyfile(northbound_template, tmp_path / "limited.db"))


@asynccontextmanager
async def limited(store: str, models: Models, limits: Limits) -> AsyncIterator[tuple[Endpoint, list[Ending]]]:
    database = open_database(store)
    endings: list[Ending] = []
    try:
        async with Endpoint(Northbound(database, models, limits)) as endpoint:
            endpoint.server.endpoint.on_end.append(lambda caller, ending: endings.append(ending))
            yield endpoint, endings
    finally:
        database.close()


@pytest.mark.parametrize("version", [BASE_1_0, BASE_1_1])
async def test_a_message_that_is_too_big_is_answered_and_ends_the_session(
    store: str, northbound_models: Models, version: str
) -> None:
    async with limited(store, northbound_models, Limits(max_message=10_000)) as (endpoint, endings):
        client = await endpoint.open(version=version)
        huge = b"<rpc>" + b"x" * 20_000
        how = Framing.CHUNKED if version == BASE_1_1 else Framing.END_OF_MESSAGE
        client.channel.to_server.put_nowait(framing.encode(huge, how))
        await client._take()
        refused = Refused(client._replies.popleft())
        assert refused.tags == ["too-big"]
        await client.ended()
        assert endings == [Ending("other")]
        other = await endpoint.open()
        await other.rpc("<close-session/>")


def test_what_a_client_announces_and_does_not_send_costs_nothing() -> None:
    """A chunk of four gigabytes is refused by its header."""
    session = ServerSession(1, [BASE_1_1])
    session.receive(
        b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>'
        + BASE_1_1.encode()
        + b"</capability></capabilities></hello>]]>]]>\n#4294967295\nx"
    )
    assert session.next_rpc() is None
    assert session.state is State.FAILED
    assert b"too-big" in session.take_output()


def test_a_hello_has_a_smaller_bound() -> None:
    session = ServerSession(1, [BASE_1_0])
    session.receive(b"<hello>" + b" " * (MAX_HELLO + 10))
    assert session.next_rpc() is None
    assert session.state is State.FAILED


async def test_a_session_that_is_silent_too_long_ends(store: str, northbound_models: Models) -> None:
    async with limited(store, northbound_models, Limits(idle_timeout=0.05)) as (endpoint, endings):
        client = await endpoint.open()
        await client.ended()
        assert endings == [Ending("timeout")]


async def test_a_subscriber_may_be_silent(store: str, northbound_models: Models) -> None:
    async with limited(store, northbound_models, Limits(idle_timeout=0.05)) as (endpoint, endings):
        endpoint.server.endpoint.subscribed = lambda session_id: True
        client = await endpoint.open()
        await asyncio.sleep(0.2)
        assert endings == []
        await client.close()
        assert endings == [Ending("dropped")]


async def test_a_client_that_takes_nothing_ends(store: str, northbound_models: Models) -> None:
    async with limited(store, northbound_models, Limits(stall_timeout=0.05)) as (endpoint, endings):
        client = await endpoint.open()
        client.channel.writable.clear()
        client.send(
            b'<rpc message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><get-config><source>'
            b"<running/></source></get-config></rpc>"
        )
        await client.ended()
        assert endings == [Ending("timeout")]


async def test_one_slow_operation_does_not_hold_up_others(endpoint: Endpoint) -> None:
    go = asyncio.Event()

    async def slow(caller: Caller, operation: Element) -> Answer:
        await go.wait()
        return Output([])

    endpoint.server.endpoint.install(Operations(awaited={"{urn:test}slow": slow}))
    endpoint.server.endpoint.check = None
    one, other = await endpoint.open(), await endpoint.open()
    waiting = asyncio.ensure_future(one.rpc('<slow xmlns="urn:test"/>'))
    assert await other.data("<get-config><source><running/></source></get-config>") is not None
    assert not waiting.done()
    go.set()
    await waiting
