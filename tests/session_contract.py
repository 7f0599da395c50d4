"""What every NETCONF client must do against every server: the contract of `casm_ctrl.netconf.client.session`.

A test module inherits `SessionContract` and gives the fixture `peer`: a server that holds
ietf-address-pool and a candidate, and knows confirmed commits with persist. Each test runs once for each
client. Only what any server must do stands here; what one server does otherwise stands beside its harness.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.errors import (
    AuthenticationFailed,
    DeviceRefused,
    HostKeyRefused,
    InvalidValue,
    LockDenied,
    SessionLost,
    Unreachable,
)
from casm_ctrl.netconf.client import operations
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.host_keys import HostKey
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.session import CLIENTS, Missed, Session, SubscribingSession, Target
from casm_ctrl.netconf.client.subscriptions import create_subscription
from casm_ctrl.netconf.names import BASE, Element

POOLS = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH5D/rXEq2ePlozU5/Vtik+V7I0o34wjUQQkViwtcIeZ"
MANY = 50


@dataclass(frozen=True)
class Peer:
    """A server that runs, and how it is entered."""

    target: Target
    """With its right host key and a credential that it takes."""
    wrong_credential: str
    """One that can be read, and that the server refuses."""


def pools(names: Iterable[str], operation: str = "create") -> list[Element]:
    """An edit of address pools; the container is merged, because it may not be there yet."""
    root = etree.Element(f"{{{POOLS}}}address-pools", nsmap={None: POOLS, "nc": BASE})  # type: ignore[dict-item]
    root.set(f"{{{BASE}}}operation", "merge")
    for name in names:
        pool = etree.SubElement(root, f"{{{POOLS}}}address-pool")
        pool.set(f"{{{BASE}}}operation", operation)
        etree.SubElement(pool, f"{{{POOLS}}}address-pool-name").text = name
    return [root]


FILTER = [etree.Element(f"{{{POOLS}}}address-pools", nsmap={None: POOLS})]  # type: ignore[dict-item]


async def pool_names(client: Client, source: str = "running") -> set[str]:
    data = await client.get_config(source, FILTER)
    return {name.text or "" for name in data.iter(f"{{{POOLS}}}address-pool-name")}


async def edit(client: Client, names: Iterable[str], operation: str = "create") -> None:
    await client.edit_config("candidate", pools(names, operation), default_operation="none")


@pytest.fixture(params=CLIENTS)
def client_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def session(peer: Peer, client_name: str) -> AsyncIterator[SubscribingSession]:
    async with await open_session(peer.target, client_name) as opened:
        yield opened


@pytest.fixture
async def other(peer: Peer, client_name: str) -> AsyncIterator[Session]:
    async with await open_session(peer.target, client_name) as opened:
        yield opened


class SessionContract:
    """Inherit it, and give the fixture `peer`."""

    async def test_the_hello_is_read(self, session: Session, other: Session, peer: Peer) -> None:
        assert session.session_id > 0
        assert session.session_id != other.session_id
        assert session.capabilities.has(":base:1.1")
        assert session.capabilities.has(":candidate")
        assert session.capabilities.modules["ietf-address-pool"]
        assert session.host_key == peer.target.host_key

    async def test_an_edit_is_committed_and_read_back_by_another(
        self, session: Session, other: Session
    ) -> None:
        client = Client(session)
        await client.lock("running")
        await client.lock("candidate")
        await edit(client, ["edited"])
        assert "edited" in await pool_names(client, "candidate")
        assert "edited" not in await pool_names(Client(other))
        await client.commit()
        assert "edited" in await pool_names(Client(other))
        await edit(client, ["edited"], "delete")
        await client.commit()
        assert "edited" not in await pool_names(Client(other))
        await client.unlock("candidate")
        await client.unlock("running")

    async def test_a_lock_that_is_held_names_its_holder(self, session: Session, other: Session) -> None:
        for datastore in ("running", "candidate"):
            await Client(session).lock(datastore)
            with pytest.raises(LockDenied) as denied:
                await Client(other).lock(datastore)
            assert denied.value.session_id == session.session_id
            await Client(session).unlock(datastore)
            await Client(other).lock(datastore)

    async def test_closing_frees_the_locks(self, peer: Peer, client_name: str, other: Session) -> None:
        async with await open_session(peer.target, client_name) as holder:
            await Client(holder).lock("running")
        await Client(other).lock("running")

    async def test_killing_a_session_ends_it_and_frees_its_locks(
        self, session: Session, other: Session
    ) -> None:
        await Client(session).lock("running")
        await Client(other).kill_session(session.session_id)
        with pytest.raises(SessionLost):
            await Client(session).get_config()
        await Client(other).lock("running")

    async def test_another_session_confirms_a_persistent_commit(
        self, session: Session, other: Session
    ) -> None:
        client = Client(session)
        await edit(client, ["confirmed"])
        await client.commit(confirmed=True, confirm_timeout=60, persist="token-1")
        await session.close()
        assert "confirmed" in await pool_names(Client(other))
        await Client(other).commit(persist_id="token-1")
        assert "confirmed" in await pool_names(Client(other))
        await edit(Client(other), ["confirmed"], "delete")
        await Client(other).commit()

    async def test_another_session_cancels_a_persistent_commit(
        self, session: Session, other: Session
    ) -> None:
        client = Client(session)
        await edit(client, ["cancelled"])
        await client.commit(confirmed=True, confirm_timeout=60, persist="token-2")
        await session.close()
        with pytest.raises(DeviceRefused):
            await Client(other).cancel_commit("another")
        assert "cancelled" in await pool_names(Client(other))
        await Client(other).cancel_commit("token-2")
        assert "cancelled" not in await pool_names(Client(other))
        await Client(other).discard_changes()

    async def test_a_refusal_leaves_the_session_open(self, session: Session) -> None:
        client = Client(session)
        with pytest.raises(DeviceRefused) as refused:
            await edit(client, ["absent"], "delete")
        assert refused.value.has_tag("data-missing")
        assert session.target.device in refused.value.message
        assert "absent" not in await pool_names(client, "candidate")
        await client.discard_changes()

    async def test_a_large_edit_and_its_reply(self, session: Session) -> None:
        names = {f"large-{number:04}-{'x' * 200}" for number in range(500)}
        client = Client(session)
        await edit(client, sorted(names))
        assert names <= await pool_names(client, "candidate")
        await client.discard_changes()

    async def test_requests_may_overlap(self, session: Session) -> None:
        client = Client(session)
        results = await asyncio.gather(*(pool_names(client) for _ in range(20)))
        assert len(results) == 20

    async def test_a_cancelled_request_leaves_the_session_usable(self, session: Session) -> None:
        client = Client(session)
        for _ in range(10):
            task = asyncio.create_task(client.get_config())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await pool_names(client) == await pool_names(client)

    async def test_closing_may_be_repeated_and_is_final(self, session: Session) -> None:
        await asyncio.gather(session.close(), session.close())
        await session.close()
        with pytest.raises(SessionLost):
            await session.rpc(operations.get_nothing())

    async def test_a_wrong_credential(self, peer: Peer, client_name: str) -> None:
        with pytest.raises(AuthenticationFailed, match=peer.target.user):
            await open_session(replace(peer.target, credential=peer.wrong_credential), client_name)

    async def test_a_wrong_user(self, peer: Peer, client_name: str) -> None:
        with pytest.raises(AuthenticationFailed, match="nobody-of-that-name"):
            await open_session(replace(peer.target, user="nobody-of-that-name"), client_name)

    async def test_a_credential_that_cannot_be_read_is_named_before_anything_is_sent(
        self, peer: Peer, client_name: str
    ) -> None:
        with pytest.raises(InvalidValue, match="CASM_TEST_NOT_SET"):
            await open_session(replace(peer.target, credential="env:CASM_TEST_NOT_SET"), client_name)

    async def test_a_host_key_that_changed_is_refused(self, peer: Peer, client_name: str) -> None:
        changed = replace(peer.target, host_key=OTHER_KEY, accept_new=True)
        with pytest.raises(HostKeyRefused, match="SHA256:"):
            await open_session(changed, client_name)

    async def test_an_unknown_host_key_is_refused_unless_new_ones_are_accepted(
        self, peer: Peer, client_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert peer.target.host_key is not None
        unknown = replace(peer.target, host_key=None)
        with pytest.raises(HostKeyRefused) as refused:
            await open_session(unknown, client_name)
        assert HostKey.parse(peer.target.host_key).fingerprint in refused.value.message
        async with await open_session(replace(unknown, accept_new=True), client_name) as session:
            assert session.host_key == peer.target.host_key

    async def test_known_hosts_is_asked_where_no_key_is_recorded(
        self, peer: Peer, client_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        known_hosts = tmp_path / ".ssh/known_hosts"
        known_hosts.parent.mkdir()
        name = f"[{peer.target.host}]:{peer.target.port}"
        known_hosts.write_text(f"{name} {peer.target.host_key}\n")
        async with await open_session(replace(peer.target, host_key=None), client_name):
            pass
        known_hosts.write_text(f"{name} {OTHER_KEY}\n")
        with pytest.raises(HostKeyRefused, match="has changed"):
            await open_session(replace(peer.target, host_key=None, accept_new=True), client_name)

    async def test_a_closed_port(self, peer: Peer, client_name: str) -> None:
        with pytest.raises(Unreachable, match=r"[Cc]onnection refused|Connect call failed"):
            await open_session(replace(peer.target, port=1), client_name)

    async def test_an_rpc_waits_for_no_tick(self, session: Session) -> None:
        """ncclient's own is 100 ms."""
        taken = []
        for _ in range(50):
            begin = time.perf_counter()
            await session.rpc(operations.get_nothing())
            taken.append(time.perf_counter() - begin)
        # The quickest tenth: the rest tells how busy the machine is.
        assert statistics.mean(sorted(taken)[:5]) < 0.03

    async def test_many_sessions_leave_no_threads_and_no_descriptors(
        self, peer: Peer, client_name: str
    ) -> None:
        async with await open_session(peer.target, client_name) as session:
            await session.rpc(operations.get_nothing())
        before = resources()
        opened: list[Session] = []
        try:
            for _ in range(MANY // 10):
                opened += await asyncio.gather(*(open_session(peer.target, client_name) for _ in range(10)))
            assert len({session.session_id for session in opened}) == MANY
            await asyncio.gather(*(session.rpc(operations.get_nothing()) for session in opened))
        finally:
            await asyncio.gather(*(session.close() for session in opened))
        await settle(before)

    async def test_a_session_ends_with_a_task_that_is_cancelled(self, peer: Peer, client_name: str) -> None:
        before = resources()
        inside = asyncio.Event()

        async def work() -> None:
            async with await open_session(peer.target, client_name):
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settle(before)

    async def test_opening_may_be_cancelled_at_any_moment(self, peer: Peer, client_name: str) -> None:
        before = resources()
        for number in range(20):
            task = asyncio.create_task(open_session(peer.target, client_name))
            await asyncio.sleep(number * 0.004)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).close()
        await settle(before)


class NotificationContract:
    """Of servers with notifications (RFC 5277). Inherit it, give the fixture `peer`, and say how to make the server
    tell something in the stream NETCONF."""

    async def provoke(self, other: Session) -> None:
        """Make the server tell something."""
        raise NotImplementedError

    async def test_what_happens_is_told_in_its_order(
        self, session: SubscribingSession, other: Session
    ) -> None:
        await session.subscribe(create_subscription())
        listening = session.notifications()
        times = []
        for _ in range(2):
            await self.provoke(other)
            async with asyncio.timeout(30):
                told = await anext(listening)
            assert not isinstance(told, Missed)
            assert told.event_time is not None
            times.append(told.event_time)
        assert times == sorted(times)

    async def test_a_stream_that_is_not_there_is_refused(self, session: SubscribingSession) -> None:
        with pytest.raises(DeviceRefused):
            await session.subscribe(create_subscription(stream="no-such-stream"))
        with pytest.raises(InvalidValue, match="subscribe first"):
            await anext(session.notifications())
        await session.subscribe(create_subscription())

    async def test_whoever_listens_is_told_of_the_end(
        self, session: SubscribingSession, other: Session
    ) -> None:
        await session.subscribe(create_subscription())
        listening = asyncio.create_task(drained(session))
        await Client(other).kill_session(session.session_id)
        with pytest.raises(SessionLost):
            await asyncio.wait_for(listening, 30)

    async def test_closing_ends_the_listening(self, session: SubscribingSession) -> None:
        await session.subscribe(create_subscription())
        listening = asyncio.create_task(drained(session))
        await session.close()
        with pytest.raises(SessionLost):
            await asyncio.wait_for(listening, 30)

    async def test_listening_may_be_cancelled_and_taken_up_again(
        self, session: SubscribingSession, other: Session
    ) -> None:
        await session.subscribe(create_subscription())
        for _ in range(3):
            listening = asyncio.create_task(drained(session))
            await asyncio.sleep(0)
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening
        await self.provoke(other)
        async with asyncio.timeout(30):
            assert not isinstance(await anext(session.notifications()), Missed)


async def drained(session: SubscribingSession) -> None:
    """Take what is told, for ever."""
    async for _ in session.notifications():
        pass


def resources() -> tuple[set[str], int]:
    """The names of the threads, those of the event loop's own pool left out, and the open descriptors."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if not name.startswith("asyncio_")}, len(
        list(Path("/proc/self/fd").iterdir())
    )


async def settle(before: tuple[set[str], int]) -> None:
    """Fail unless no more threads and descriptors are in use than `before`, soon."""
    end = time.monotonic() + 30
    while True:
        threads, descriptors = resources()
        if threads <= before[0] and descriptors <= before[1]:
            return
        assert time.monotonic() < end, f"left: {threads - before[0]}, {descriptors - before[1]} descriptors"
        await asyncio.sleep(0.01)
