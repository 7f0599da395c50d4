"""The contract of a session against Yuma123's netconfd, and what this server does otherwise.

What it does otherwise is written down as tests, because sync must get along with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import DeadlineExceeded, DeviceRefused, ProtocolViolation, SessionLost
from casm_ctrl.netconf.client.calls import Client
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.operations import get_config, get_nothing
from casm_ctrl.netconf.client.session import Session, Target
from casm_ctrl.netconf.framing import END_OF_MESSAGE
from casm_ctrl.netconf.messages import build_hello, build_rpc
from casm_ctrl.netconf.names import BASE_1_0, nc
from tests.peers.netconfd import Netconfd
from tests.session_contract import (
    FILTER,
    NotificationContract,
    Peer,
    SessionContract,
    client_name,
    edit,
    other,
    pool_names,
    pools,
    resources,
    session,
    settle,
)

__all__ = ["client_name", "other", "session"]  # fixtures of the contract

pytestmark = pytest.mark.peer


def target_of(server: Netconfd) -> Target:
    """netconfd needs the probe: without it a session in some hundreds hangs at its first RPC."""
    return Target(
        "bng1",
        server.host,
        server.port,
        server.user,
        server.credential,
        server.host_key,
        pause_after_hello=0.1,
    )


@pytest.fixture
def peer(shared_netconfd: Netconfd, tmp_path: Path) -> Peer:
    wrong = tmp_path / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(wrong)], check=True)
    return Peer(target_of(shared_netconfd), f"file:{wrong}")


class TestContract(SessionContract):
    """All of it."""


class TestNotificationContract(NotificationContract):
    """All of it."""

    async def provoke(self, other: Session) -> None:
        """netconfd tells of sessions that begin."""
        async with await open_session(other.target):
            pass


# --- When the server stops answering --------------------------------------------------------------


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_server_that_stops_answering_meets_the_deadline(netconfd: Netconfd, client_name: str) -> None:
    before = resources()
    opened = await open_session(target_of(netconfd), client_name)
    with stopped(netconfd.pid):
        begin = time.monotonic()
        with pytest.raises(DeadlineExceeded, match=r"RPC get-config was not done within 0\.3 s"):
            await opened.rpc(get_config("running", FILTER), deadline=0.3)
        assert time.monotonic() - begin < 1
        with pytest.raises(SessionLost):
            await Client(opened).get_config()
        await settle(before)


async def test_a_server_that_is_stopped_never_says_hello(netconfd: Netconfd, client_name: str) -> None:
    before = resources()
    short = replace(target_of(netconfd), deadlines=Deadlines(hello=0.5))
    with stopped(netconfd.pid), pytest.raises(DeadlineExceeded, match=r"hello was not done within 0\.5 s"):
        await open_session(short, client_name)
    await settle(before)


async def test_a_server_that_is_killed_ends_its_sessions(netconfd: Netconfd, client_name: str) -> None:
    opened = await open_session(target_of(netconfd), client_name)
    reading = asyncio.create_task(Client(opened).get_config())
    netconfd.kill()
    await asyncio.gather(reading, return_exceptions=True)
    with pytest.raises(SessionLost, match="bng1"):
        await Client(opened).get_config()
    with pytest.raises((SessionLost, ProtocolViolation)):
        await open_session(target_of(netconfd), client_name)
    netconfd.start()
    async with await open_session(target_of(netconfd), client_name) as again:
        assert again.session_id


# --- What netconfd does otherwise -----------------------------------------------------------------


@pytest.fixture
async def one(netconfd: Netconfd, client_name: str) -> AsyncIterator[Client]:
    async with await open_session(target_of(netconfd), client_name) as opened:
        yield Client(opened)


@pytest.fixture
async def two(netconfd: Netconfd, client_name: str) -> AsyncIterator[Client]:
    async with await open_session(target_of(netconfd), client_name) as opened:
        yield Client(opened)


async def begin_commit(client: Client, name: str, persist: str) -> None:
    """As sync does it: both locks, the edit, a confirmed commit."""
    await client.lock("running")
    await client.lock("candidate")
    await edit(client, [name])
    await client.commit(confirmed=True, confirm_timeout=60, persist=persist)


def test_an_rpc_that_arrives_with_the_hello_is_answered_only_when_more_arrives(netconfd: Netconfd) -> None:
    rpc = build_rpc("1", get_nothing()) + END_OF_MESSAGE
    with netconfd.subsystem() as pipe:
        pipe.read_until(END_OF_MESSAGE, 5)
        pipe.write(build_hello([BASE_1_0]) + END_OF_MESSAGE + rpc)
        assert pipe.read_until(END_OF_MESSAGE, 1) == b""
        pipe.write(rpc)
        answers = pipe.read_until(END_OF_MESSAGE, 5, times=2)
    assert answers.count(b"</rpc-reply>") == 2


async def test_a_container_that_is_not_there_must_be_merged(one: Client) -> None:
    bare = pools(["a"])
    del bare[0].attrib[nc("operation")]
    with pytest.raises(DeviceRefused) as refused:
        await one.edit_config("candidate", bare, default_operation="none")
    assert refused.value.has_tag("data-missing")
    await one.edit_config("candidate", pools(["a"]), default_operation="none")
    assert await pool_names(one, "candidate") == {"a"}
    await one.discard_changes()


async def test_a_pending_commit_is_not_undone_while_running_is_locked(one: Client) -> None:
    """cancel-commit answers ok, and running keeps the change for good."""
    await begin_commit(one, "kept", "token-3")
    await one.cancel_commit("token-3")
    assert await pool_names(one) == {"kept"}


async def test_a_pending_commit_is_undone_where_running_was_unlocked_first(one: Client) -> None:
    await begin_commit(one, "undone", "token-4")
    await one.unlock("running")
    await one.cancel_commit("token-4")
    assert await pool_names(one) == set()
    assert await pool_names(one, "candidate") == set()


async def test_a_modified_candidate_cannot_be_locked_and_outlives_its_author(
    one: Client, two: Client
) -> None:
    await edit(one, ["dirty"])
    for client in (one, two):
        with pytest.raises(DeviceRefused) as refused:
            await client.lock("candidate")
        assert refused.value.has_tag("resource-denied")
    await one.session.close()
    with pytest.raises(DeviceRefused):
        await two.lock("candidate")
    assert await pool_names(two, "candidate") == {"dirty"}


async def test_a_broken_connection_frees_the_locks_and_drops_the_edit(
    netconfd: Netconfd, one: Client, client_name: str
) -> None:
    await one.lock("running")
    await one.lock("candidate")
    await edit(one, ["unfinished"])
    netconfd.drop_connections()
    async with await open_session(target_of(netconfd), client_name) as opened:
        await Client(opened).lock("running")
        await Client(opened).lock("candidate")
        assert await pool_names(Client(opened), "candidate") == set()


async def test_a_commit_that_pends_after_its_session_must_be_settled_before_any_lock(
    netconfd: Netconfd, one: Client, client_name: str
) -> None:
    await begin_commit(one, "pending", "token-5")
    netconfd.drop_connections()
    async with await open_session(target_of(netconfd), client_name) as opened:
        client = Client(opened)
        assert await pool_names(client) == {"pending"}
        for refuse in (client.lock("running"), client.lock("candidate"), client.commit()):
            with pytest.raises(DeviceRefused) as refused:
                await refuse
            assert refused.value.has_tag("in-use")
            assert refused.value.errors[0].app_tag == "outstanding-confirmed-commit"
        with pytest.raises(DeviceRefused) as refused:
            await client.cancel_commit("another")
        assert refused.value.has_tag("invalid-value")
        await client.cancel_commit("token-5")
        assert await pool_names(client) == set()
        with pytest.raises(DeviceRefused) as refused:
            await client.commit(persist_id="token-5")
        assert refused.value.has_tag("operation-failed")
        await client.lock("running")


async def test_a_pending_commit_is_not_in_the_startup_file(
    netconfd: Netconfd, one: Client, client_name: str
) -> None:
    await begin_commit(one, "first", "token-6")
    await one.commit(persist_id="token-6")
    await one.unlock("candidate")
    await one.unlock("running")
    await begin_commit(one, "second", "token-7")
    netconfd.kill()
    netconfd.start()
    async with await open_session(target_of(netconfd), client_name) as opened:
        assert await pool_names(Client(opened)) == {"first"}


async def test_startup_is_its_own_datastore_where_it_is_offered(
    netconfd_programs: None, published_modules: Path, client_name: str
) -> None:
    with Netconfd(published_modules, with_startup=True) as server:
        async with await open_session(target_of(server), client_name) as opened:
            assert opened.capabilities.has(":startup")
            client = Client(opened)
            await edit(client, ["saved"])
            await client.commit()
            assert await pool_names(client, "startup") == set()
            await client.copy_config("running", "startup")
            await edit(client, ["lost"])
            await client.commit()
        server.kill()
        server.start()
        async with await open_session(target_of(server), client_name) as opened:
            assert await pool_names(Client(opened)) == {"saved"}


async def test_an_edit_of_running_is_undone_as_a_whole(
    netconfd_programs: None, published_modules: Path, client_name: str
) -> None:
    with Netconfd(published_modules, target="running") as server:
        async with await open_session(target_of(server), client_name) as opened:
            assert not opened.capabilities.has(":candidate")
            client = Client(opened)
            await client.edit_config("running", pools(["a"]), default_operation="none")
            with pytest.raises(DeviceRefused) as refused:
                await client.edit_config("running", pools(["b", "a"]), default_operation="none")
            assert refused.value.has_tag("data-exists")
            assert await pool_names(client) == {"a"}


async def test_without_a_filter_candidate_and_running_read_alike(one: Client) -> None:
    await edit(one, ["a"])
    await one.commit()
    running, candidate = await one.get_config("running"), await one.get_config("candidate")
    assert etree.tostring(running) == etree.tostring(candidate)
