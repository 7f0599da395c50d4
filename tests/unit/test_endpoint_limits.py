"""What the northbound does about clients that say too much, too little, or take nothing."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from casm_ctrl.netconf import framing
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Framing
from casm_ctrl.netconf.messages import Answer, Output, build_hello
from casm_ctrl.netconf.names import BASE_1_0, BASE_1_1, Element
from casm_ctrl.netconf.server.conversation import MAX_HELLO, ServerSession, State
from casm_ctrl.netconf.server.serving import Outgoing
from casm_ctrl.northbound.endpoint import Ending
from casm_ctrl.northbound.interface import Caller, Operations
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.store.database import open_database
from tests.northbound_harness import Endpoint, MemoryChannel, Refused


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


async def test_a_request_that_never_ends_does_not_stay(store: str, northbound_models: Models) -> None:
    async with limited(store, northbound_models, Limits(message_timeout=0.05)) as (endpoint, endings):
        client = await endpoint.open()
        trickling = True
        while trickling:
            client.channel.to_server.put_nowait(b"\n#1\nx")
            await asyncio.sleep(0.01)
            trickling = not client.serving.done()
        assert endings == [Ending("timeout")]


async def test_a_hello_that_never_ends_does_not_stay(store: str, northbound_models: Models) -> None:
    async with limited(store, northbound_models, Limits(hello_timeout=0.05)) as (endpoint, endings):
        channel = MemoryChannel("slow", "192.0.2.1")
        serving = asyncio.ensure_future(endpoint.server.endpoint.converse(channel))
        while not serving.done():
            channel.to_server.put_nowait(b" ")
            await asyncio.sleep(0.01)
        assert endings == [Ending("timeout")]


async def test_edits_without_a_commit_are_bounded(store: str, northbound_models: Models) -> None:
    spaces = "".join(f"<address-space><name>s{n}</name></address-space>" for n in range(20))
    edit = (
        '<edit-config><target><candidate/></target><config><address-spaces xmlns="urn:casm:yang:casm-pools">'
        f"{spaces}</address-spaces></config></edit-config>"
    )
    async with limited(store, northbound_models, Limits(max_edits=100)) as (endpoint, _):
        client = await endpoint.open()
        await client.rpc(edit)
        await client.rpc(edit)
        with pytest.raises(Refused) as refused:
            await client.rpc(edit)
        assert refused.value.tags == ["resource-denied"]
        await client.rpc("<discard-changes/>")
        await client.rpc(edit)


async def test_all_sessions_together_are_bounded(store: str, northbound_models: Models) -> None:
    """Where nothing moves goes first; who sends little is not touched."""
    async with limited(store, northbound_models, Limits(max_waiting=1 << 20)) as (endpoint, endings):
        good = await endpoint.open()
        greedy = [await endpoint.open("mallory") for _ in range(4)]
        for number, client in enumerate(greedy):
            client.channel.to_server.put_nowait(b"\n#1000000\n" + b"x" * 500_000)
            while client.channel.to_server.qsize():  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert len(endings) <= number
        await greedy[0].ended()
        assert not good.serving.done()
        await good.rpc("<discard-changes/>")
        assert endpoint.server.endpoint.memory.held <= 1 << 20


async def test_one_user_leaves_threads_to_others(endpoint: Endpoint) -> None:
    """However many requests of one user take long, another's are answered, and sessions can be killed."""
    go = threading.Event()

    def slow(caller: Caller, operation: Element) -> Answer:
        assert go.wait(30)
        return Output([])

    endpoint.server.endpoint.install(Operations(plain={"{urn:test}slow": slow}))
    endpoint.server.endpoint.check = None
    greedy = [await endpoint.open("mallory") for _ in range(12)]
    waiting = [asyncio.ensure_future(client.rpc('<slow xmlns="urn:test"/>')) for client in greedy]
    good = await endpoint.open("alice")
    await good.rpc("<get-config><source><running/></source><filter/></get-config>")
    await good.rpc(f"<kill-session><session-id>{greedy[-1].session_id}</session-id></kill-session>")
    go.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[-1], ConnectionResetError)
    assert [one for one in done[:-1] if isinstance(one, BaseException)] == []


async def test_a_notification_does_not_come_into_the_middle_of_a_reply() -> None:
    """A reply goes out in pieces; what is sent meanwhile follows it."""
    channel = MemoryChannel("alice", "192.0.2.1")
    session = ServerSession(1, [BASE_1_0])
    session.receive(build_hello([BASE_1_0]) + END_OF_MESSAGE)
    assert session.next_rpc() is None
    outgoing = Outgoing(channel, session)
    await outgoing.flush()
    session.receive(b'<rpc message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><get/></rpc>]]>]]>')
    rpc = session.next_rpc()
    assert rpc is not None
    session.answer(rpc, Output([b"<x>" + b"y" * 1_000_000 + b"</x>"]))
    channel.writable.clear()
    flushing = asyncio.ensure_future(outgoing.flush())
    await asyncio.sleep(0)
    outgoing.send(b"<notification/>")
    channel.writable.set()
    await flushing
    sent = b"".join(channel.to_client.get_nowait() for _ in range(channel.to_client.qsize()))
    assert sent.count(b"y" * 1_000_000) == 1
    assert sent.endswith(b"</rpc-reply>]]>]]><notification/>]]>]]>")
