"""The northbound server over SSH: who gets in, who does not, and what ends with a session."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from casm_ctrl.netconf.framing import END_OF_MESSAGE
from casm_ctrl.netconf.messages import build_hello, parse_hello
from casm_ctrl.netconf.names import BASE_1_0
from casm_ctrl.netconf.server.ssh_guard import MOST_DEFERRED
from casm_ctrl.northbound.limits import Limits
from casm_ctrl.northbound.models import Models
from casm_ctrl.service.users import add_user, remove_user
from casm_ctrl.store.database import open_database
from casm_ctrl.store.events import Author, list_events
from tests.northbound_ssh import USER, USER_CA, USER_KEY, SshServed, public_line, served_over_ssh

PATIENCE = 30.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other threads and processes make it true
            await asyncio.sleep(0.01)


async def hello(connection: asyncssh.SSHClientConnection) -> int | None:
    """The session id of a new session on `connection`."""
    writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
    writer.write(build_hello([BASE_1_0]) + END_OF_MESSAGE)
    message = await asyncio.wait_for(reader.readuntil(END_OF_MESSAGE), PATIENCE)
    return parse_hello(message.removesuffix(END_OF_MESSAGE), from_server=True).session_id


def audit(served: SshServed) -> list[tuple[str, str]]:
    with served.server.database.read() as tx:
        return [(event.verb, event.reason) for event in list_events(tx)]


async def test_ncclient_reads_over_ssh(ssh_northbound: SshServed) -> None:
    def session() -> str:
        with ssh_northbound.ncclient() as client:
            return str(client.get_config("running").data_xml)

    assert "nacm" in await asyncio.to_thread(session)
    await until(lambda: len(ssh_northbound.server.endpoint.sessions) == 0)


async def test_a_key_a_password_and_a_certificate_open_sessions(ssh_northbound: SshServed) -> None:
    certificate = USER_CA.generate_user_certificate(USER_KEY, "badge", principals=[USER])
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    badge = USER_CA.generate_user_certificate(stranger, "badge", principals=[USER])
    assert certificate is not None
    for arguments in ({}, {"password": ssh_northbound.password}, {"key": (stranger, badge)}):
        async with await ssh_northbound.connect(**arguments) as connection:
            assert await hello(connection)
    await until(lambda: [verb for verb, _ in audit(ssh_northbound)].count("login") == 3)
    means = [reason for verb, reason in audit(ssh_northbound) if verb == "login"]
    assert "password" in means[1] and "certificate" in means[2]


@pytest.mark.parametrize("principals", [[], ["somebody"]])
async def test_a_certificate_must_name_its_user(ssh_northbound: SshServed, principals: list[str]) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    badge = USER_CA.generate_user_certificate(stranger, "badge", principals=principals)
    with pytest.raises(asyncssh.PermissionDenied):
        await ssh_northbound.connect(key=(stranger, badge))


async def test_strangers_are_refused_and_told_of_once(ssh_northbound: SshServed) -> None:
    for _ in range(2):
        with pytest.raises(asyncssh.PermissionDenied):
            await ssh_northbound.connect(username="nobody", password="wrong horse")
    with pytest.raises(asyncssh.PermissionDenied):
        await ssh_northbound.connect(key=asyncssh.generate_private_key("ssh-ed25519"))
    await until(lambda: "login-failed" in [verb for verb, _ in audit(ssh_northbound)])
    failed = [reason for verb, reason in audit(ssh_northbound) if verb == "login-failed"]
    assert failed == ["as 'nobody'"]
    assert "wrong horse" not in str(audit(ssh_northbound))


async def test_a_user_who_was_removed_gets_no_session(ssh_northbound: SshServed) -> None:
    async with await ssh_northbound.connect() as connection:
        remove_user(ssh_northbound.server.database, Author("tester"), USER)
        with pytest.raises((asyncio.IncompleteReadError, asyncssh.Error, OSError)):
            await hello(connection)


async def test_sessions_of_a_user_who_was_removed_end(ssh_northbound: SshServed) -> None:
    async with await ssh_northbound.connect() as connection:
        assert await hello(connection)
        assert len(ssh_northbound.server.endpoint.sessions) == 1
        remove_user(ssh_northbound.server.database, Author("tester"), USER)
        await asyncio.wait_for(connection.wait_closed(), 30)
    await until(lambda: len(ssh_northbound.server.endpoint.callers) == 0)


async def test_a_client_that_hangs_up_leaves_nothing(ssh_northbound: SshServed) -> None:
    connection = await ssh_northbound.connect()
    assert await hello(connection)
    assert len(ssh_northbound.server.endpoint.sessions) == 1
    connection.abort()
    await until(lambda: len(ssh_northbound.server.endpoint.callers) == 0)


@pytest.fixture
def store(northbound_template: Path, tmp_path: Path) -> str:
    return str(shutil.copyfile(northbound_template, tmp_path / "limited.db"))


async def test_half_open_connections_make_room(store: str, northbound_models: Models) -> None:
    """A thousand that say nothing: as many as may stay, stay, and who knows a key gets in."""
    database = open_database(store)
    limits = Limits(max_half_open=20, max_half_open_of_source=10)
    async with served_over_ssh(database, northbound_models, limits) as served:
        silent = [socket.create_connection((served.host, served.port)) for _ in range(10)]
        try:
            await until(lambda: len(served.listening.logins.half_open) == 10)
            for _ in range(20):
                silent += [socket.create_connection((served.host, served.port)) for _ in range(10)]
                dropped = len(silent) - 10
                await until(lambda dropped=dropped: served.listening.logins.half_open.dropped >= dropped)  # type: ignore[misc]
                assert len(served.listening.logins.half_open) <= 10
            async with await served.connect() as connection:
                assert await hello(connection)
        finally:
            for one in silent:
                one.close()
    database.close()


async def test_there_are_so_many_sessions_and_no_more(store: str, northbound_models: Models) -> None:
    database = open_database(store)
    async with (
        served_over_ssh(database, northbound_models, Limits(max_sessions=2)) as served,
        await served.connect() as connection,
    ):
        assert await hello(connection) and await hello(connection)
        with pytest.raises(asyncssh.ChannelOpenError, match="as many sessions as it takes"):
            await hello(connection)
    database.close()


async def test_who_says_no_hello_and_who_opens_no_session_is_dropped(
    store: str, northbound_models: Models
) -> None:
    database = open_database(store)
    async with served_over_ssh(database, northbound_models, Limits(hello_timeout=0.2)) as served:
        async with await served.connect() as idle:
            await asyncio.wait_for(idle.wait_closed(), PATIENCE)
        async with await served.connect() as silent:
            await silent.open_session(subsystem="netconf", encoding=None)
            await asyncio.wait_for(silent.wait_closed(), PATIENCE)
    database.close()


async def test_one_user_has_so_many_sessions_and_connections(store: str, northbound_models: Models) -> None:
    """Others come in while one has all that one may have."""
    database = open_database(store)
    add_user(database, Author("tester"), "other", keys=[public_line(USER_KEY)])
    async with served_over_ssh(database, northbound_models, Limits(max_sessions_of_user=2)) as served:
        one, two = await served.connect(), await served.connect()
        assert await hello(one) and await hello(two)
        with pytest.raises(asyncssh.ChannelOpenError, match="as many sessions as one user may"):
            await hello(one)
        third = await served.connect()
        await asyncio.wait_for(third.wait_closed(), PATIENCE)
        async with await served.connect(username="other") as connection:
            assert await hello(connection)
        one.abort()
        await one.wait_closed()
        await until(lambda: len(served.listening.logins._sessions) <= 1)
        async with await served.connect() as connection:
            assert await hello(connection)
        two.abort()
        await two.wait_closed()
    database.close()


async def test_a_connection_without_a_session_does_not_stay(store: str, northbound_models: Models) -> None:
    """Also where it had one: what is left of it is a descriptor."""
    database = open_database(store)
    async with (
        served_over_ssh(database, northbound_models, Limits(hello_timeout=0.5)) as served,
        await served.connect() as connection,
    ):
        writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        writer.write(build_hello([BASE_1_0]) + END_OF_MESSAGE)
        close = b'<rpc message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><close-session/></rpc>'
        writer.write(close + END_OF_MESSAGE)
        assert b"<ok" in await asyncio.wait_for(reader.read(), PATIENCE)
        await asyncio.wait_for(connection.wait_closed(), PATIENCE)
    database.close()


async def test_there_are_so_many_attempts_to_log_in(store: str, northbound_models: Models) -> None:
    database = open_database(store)
    strangers = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(6)]
    async with served_over_ssh(database, northbound_models, Limits(max_logins=5)) as served:
        with pytest.raises(asyncssh.DisconnectError, match="5 attempts to log in failed"):
            await asyncssh.connect(
                served.host,
                served.port,
                username=USER,
                client_keys=strangers,
                known_hosts=None,
                agent_path=None,
                config=None,
            )
    database.close()


async def test_who_begins_to_change_keys_and_does_not_go_on_gets_nothing_more(
    ssh_northbound: SshServed,
) -> None:
    """asyncssh keeps all that it sends meanwhile, and the client has opened its window for all of it."""
    schema = b"<get-schema xmlns='urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring'><identifier>casm-pools"
    request = (
        b'<rpc message-id="1" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
        + schema
        + b"</identifier></get-schema></rpc>"
    )
    async with await ssh_northbound.connect() as greedy, await ssh_northbound.connect() as good:
        writer, reader, _ = await greedy.open_session(subsystem="netconf", encoding=None, window=0xFFFFFFFF)
        await asyncio.wait_for(reader.readuntil(END_OF_MESSAGE), PATIENCE)
        transport = greedy._transport
        assert transport is not None
        transport.pause_reading()
        writer.write(build_hello([BASE_1_0]) + END_OF_MESSAGE + (request + END_OF_MESSAGE) * 200)
        greedy._send_kexinit()
        writer, reader, _ = await good.open_session(subsystem="netconf", encoding=None)
        writer.write(build_hello([BASE_1_0]) + END_OF_MESSAGE)
        await asyncio.wait_for(reader.readuntil(END_OF_MESSAGE), PATIENCE)
        for _ in range(250):
            writer.write(request + END_OF_MESSAGE)
            await asyncio.wait_for(reader.readuntil(END_OF_MESSAGE), PATIENCE)
        held = [
            len(connection._deferred_packets)
            for connection in ssh_northbound.listening._listener._connections
        ]
        assert 0 < max(held) <= MOST_DEFERRED + 4
        greedy.abort()
