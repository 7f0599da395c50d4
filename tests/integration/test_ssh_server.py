"""The SSH transport itself: what it does to sockets, and how it holds back a peer that is too fast."""

from __future__ import annotations

import asyncio
import socket

import asyncssh
import pytest

from casm_ctrl.netconf.server.serving import Channel
from casm_ctrl.netconf.server.ssh_server import SshListener


class Anybody:
    def password(self, username: str, password: str) -> bool:
        return True

    def public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return False


HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


async def connect(listener: SshListener) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1",
        listener.port,
        username="u",
        password="p",
        client_keys=None,
        known_hosts=None,
        config=None,
    )


async def test_a_client_that_sends_faster_than_it_is_read_must_wait() -> None:
    go = asyncio.Event()
    got = 0

    async def handle(channel: Channel) -> None:
        nonlocal got
        await go.wait()
        while data := await channel.read():
            got += len(data)
        channel.close()

    listener = SshListener(HOST_KEY, Anybody(), handle)
    await listener.listen("127.0.0.1", 0)
    async with await connect(listener) as connection:
        writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        total = 0
        with pytest.raises(TimeoutError):
            while total < 64 << 20:
                writer.write(b"x" * 65536)
                total += 65536
                await asyncio.wait_for(writer.drain(), 0.3)
        assert total < 8 << 20
        go.set()
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 10)
        assert got == total
    await listener.close()


async def test_a_client_that_does_not_read_makes_the_server_wait() -> None:
    sent = 0

    async def handle(channel: Channel) -> None:
        nonlocal sent
        while sent < 64 << 20:
            channel.write(b"x" * 65536)
            sent += 65536
            await channel.drain()

    listener = SshListener(HOST_KEY, Anybody(), handle)
    await listener.listen("127.0.0.1", 0)
    async with await connect(listener) as connection:
        await connection.open_session(subsystem="netconf", encoding=None)
        await asyncio.sleep(0.5)
        assert 0 < sent < 8 << 20
    await listener.close()


async def test_small_messages_are_sent_at_once() -> None:
    delays: list[int] = []

    async def admit(accepted: socket.socket) -> bool:
        watched.append(accepted)
        return True

    async def handle(channel: Channel) -> None:
        delays.extend(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in watched)
        channel.close()

    watched: list[socket.socket] = []
    listener = SshListener(HOST_KEY, Anybody(), handle, admit=admit)
    await listener.listen("127.0.0.1", 0)
    async with await connect(listener) as connection:
        _, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert delays == [1]
    await listener.close()


async def test_close_ends_everything_also_a_login_that_hangs() -> None:
    cancelled = asyncio.Event()

    async def handle(channel: Channel) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    listener = SshListener(HOST_KEY, Anybody(), handle)
    await listener.listen("127.0.0.1", 0)
    port = listener.port
    connection = await connect(listener)
    await connection.open_session(subsystem="netconf", encoding=None)
    stream, idle = await asyncio.open_connection("127.0.0.1", port)
    assert (await stream.readline()).startswith(b"SSH-2.0")
    before = asyncio.all_tasks()
    await listener.close()
    assert cancelled.is_set()
    assert len(asyncio.all_tasks()) < len(before)
    await asyncio.wait_for(connection.wait_closed(), 10)
    await asyncio.wait_for(stream.read(), 10)
    idle.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_two_listeners_cannot_have_one_address() -> None:
    first, second = (SshListener(HOST_KEY, Anybody(), lambda channel: asyncio.sleep(0)) for _ in range(2))
    await first.listen("127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        await second.listen("127.0.0.1", first.port)
    await second.close()
    await first.close()


async def test_a_fault_of_the_handler_ends_its_session_only(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(channel: Channel) -> None:
        if (await channel.read()) == b"fail":
            raise RuntimeError("a fault of ours")
        channel.write(b"fine")
        channel.close()

    listener = SshListener(HOST_KEY, Anybody(), handle)
    await listener.listen("127.0.0.1", 0)
    for word, answer in ((b"fail", b""), (b"work", b"fine")):
        async with await connect(listener) as connection:
            writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
            writer.write(word)
            try:
                assert await asyncio.wait_for(reader.read(), 10) == answer
            except (OSError, asyncssh.Error):
                assert word == b"fail"
    assert "a fault of ours" in caplog.text
    await listener.close()
