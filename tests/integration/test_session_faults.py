"""Servers that hang, lie or break off, made by hand: each is a clear error within its deadline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from casm_ctrl.base.deadlines import Deadlines
from casm_ctrl.base.errors import (
    AuthenticationFailed,
    CasmError,
    DeadlineExceeded,
    DeviceRefused,
    InvalidValue,
    ProtocolViolation,
    SessionLost,
    Unreachable,
)
from casm_ctrl.netconf.client import phases, rpc_session
from casm_ctrl.netconf.client.opening import open_session
from casm_ctrl.netconf.client.operations import close_session, get_nothing
from casm_ctrl.netconf.client.session import Session, Target
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Decoder, Framing, encode
from casm_ctrl.netconf.messages import build_hello, parse_rpc
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1
from tests.session_contract import client_name, resources, settle

__all__ = ["client_name"]  # a fixture of the contract

Process = asyncssh.SSHServerProcess[bytes]
Converse = Callable[[Process], Awaitable[None]]

PATIENT = Deadlines(tcp=30, ssh=30, hello=30, rpc=30)
"""For what is going to come; a phase that is going to miss its deadline gets a short one."""
IN_TIME = 25.0
"""Seconds in which all must be over that has a short deadline, on a busy machine too."""
HELLO = build_hello([BASE_1_0], 7) + END_OF_MESSAGE
OK = f'<rpc-reply xmlns="{BASE}" message-id="%s"><ok/></rpc-reply>'
PASSWORD = "pa55-w0rd-of-the-test"


class _Authentication(asyncssh.SSHServer):
    """Takes the password, and counts how often it was shown one."""

    shown = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        conn.send_auth_banner("Welcome to bng1.\nAuthorised use only.\n")

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        _Authentication.shown += 1
        return password == PASSWORD


_Challenge = tuple[str, str, str, Sequence[tuple[str, bool]]]


class _Interactive(_Authentication):
    """Has only keyboard-interactive, as devices with RADIUS or TACACS+ do, after a message without a prompt."""

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> _Challenge:
        return "Welcome", "", "", []

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool | _Challenge:
        if not responses:
            return "", "", "", [("Password: ", False)]
        return self.validate_password(username, responses[0])


@contextlib.asynccontextmanager
async def ssh_server(
    converse: Converse,
    *,
    subsystem: str = "netconf",
    host_key: asyncssh.SSHKey | None = None,
    server: type[asyncssh.SSHServer] = _Authentication,
    **options: object,
) -> AsyncIterator[Target]:
    """An SSH server whose subsystem is `converse`."""
    key = host_key or asyncssh.generate_private_key("ssh-ed25519")

    async def handle(process: Process) -> None:
        if process.subsystem != subsystem:
            process.exit(1)
            return
        with contextlib.suppress(asyncssh.Error, OSError):
            await converse(process)
        process.exit(0)

    listening = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=server,
        server_host_keys=[key],
        process_factory=handle,
        encoding=None,
        **options,
    )
    try:
        yield target(listening.get_port(), " ".join(key.export_public_key().decode().split()[:2]))
    finally:
        listening.close()
        await listening.wait_closed()


@contextlib.asynccontextmanager
async def tcp_server(greeting: bytes, *, close: bool = False) -> AsyncIterator[Target]:
    """A server that says `greeting`, and then nothing, or goodbye."""

    handling: set[asyncio.Task[None] | None] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            writer.write(greeting)
            await writer.drain()
            while not close and await reader.read(1 << 16):
                pass
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield target(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*(task for task in handling if task is not None))


def target(port: int, host_key: str | None = None) -> Target:
    return Target(
        "bng1",
        "127.0.0.1",
        port,
        "casm",
        "env:CASM_TEST_PASSWORD",
        host_key,
        accept_new=host_key is None,
        deadlines=PATIENT,
    )


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASM_TEST_PASSWORD", PASSWORD)
    monkeypatch.setenv("HOME", str(tmp_path))


async def silence(process: Process) -> None:
    while await process.stdin.read(1 << 16):
        pass


def says(data: bytes) -> Converse:
    """Says `data` and then nothing more."""

    async def converse(process: Process) -> None:
        process.stdout.write(data)
        await silence(process)

    return converse


def answers(*replies: bytes | None, framing: Framing = Framing.END_OF_MESSAGE) -> Converse:
    """Says hello, and answers each request with the next reply, where %s is its message-id; None hangs up."""

    async def converse(process: Process) -> None:
        base = BASE_1_0 if framing is Framing.END_OF_MESSAGE else BASE_1_1
        process.stdout.write(build_hello([base], 7) + END_OF_MESSAGE)
        decoder, left, greeted = Decoder(), list(replies), False
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if not greeted:
                    greeted = True
                    decoder.use(framing)
                    continue
                if not left or (reply := left.pop(0)) is None:
                    return
                message_id = parse_rpc(message).heading.attributes["message-id"]
                process.stdout.write(reply.replace(b"%s", message_id.encode()))

    return converse


async def failure(target: Target, client: str, kind: type[CasmError]) -> CasmError:
    """The error that opening a session ends in, which must come in time and leave nothing behind."""
    before = resources()
    begin = time.monotonic()
    with pytest.raises(kind) as raised:
        await open_session(target, client)
    assert time.monotonic() - begin < IN_TIME
    assert "bng1 (127.0.0.1:" in raised.value.message
    assert raised.value.remedy
    assert PASSWORD not in str(raised.value)
    await settle((before[0], before[1] + 2))  # the server's end of the connection may linger
    return raised.value


# --- Opening --------------------------------------------------------------------------------------


async def test_nothing_after_tcp(client_name: str) -> None:
    async with tcp_server(b"") as target:
        error = await failure(
            replace(target, deadlines=replace(PATIENT, ssh=0.5)), client_name, DeadlineExceeded
        )
    assert "SSH was not done within 0.5 s" in error.message


async def test_nothing_after_the_ssh_banner(client_name: str) -> None:
    async with tcp_server(b"SSH-2.0-tarpit\r\n") as target:
        error = await failure(
            replace(target, deadlines=replace(PATIENT, ssh=0.5)), client_name, DeadlineExceeded
        )
    assert "SSH was not done within 0.5 s" in error.message


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xfb\x01\xff\xfb\x03login: ", b"\x00" * 4096, b""]
)
async def test_a_server_that_is_not_ssh(greeting: bytes, client_name: str) -> None:
    async with tcp_server(greeting, close=True) as target:
        error = await failure(target, client_name, ProtocolViolation)
    assert "SSH" in error.message


async def test_a_name_that_does_not_exist(client_name: str) -> None:
    nowhere = replace(target(830), host="bng1.invalid", deadlines=PATIENT)
    with pytest.raises((Unreachable, DeadlineExceeded), match="bng1"):
        await open_session(nowhere, client_name)


async def test_a_backlog_that_is_full_meets_the_tcp_deadline(client_name: str) -> None:
    async with full_listener() as port:
        error = await failure(
            replace(target(port), deadlines=replace(PATIENT, tcp=0.5)), client_name, DeadlineExceeded
        )
    assert "TCP was not done within 0.5 s" in error.message


@contextlib.asynccontextmanager
async def full_listener() -> AsyncIterator[int]:
    """A listener that takes nothing, whose queue holds all that it can."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        await asyncio.sleep(0)
        yield listener.getsockname()[1]


async def test_no_subsystem_netconf(client_name: str) -> None:
    async def refuse(process: Process) -> None:
        process.exit(1)

    async with ssh_server(refuse, subsystem="another") as target:
        error = await failure(replace(target, deadlines=PATIENT), client_name, CasmError)
    assert isinstance(error, SessionLost | ProtocolViolation)


async def test_no_hello(client_name: str) -> None:
    async with ssh_server(silence) as target:
        error = await failure(
            replace(target, deadlines=replace(PATIENT, hello=0.5)), client_name, DeadlineExceeded
        )
    assert "hello was not done within 0.5 s" in error.message


@pytest.mark.parametrize(
    "greeting",
    [
        b"Welcome to bng1!\r\n> ",
        b"\x00\xff<<< this is not NETCONF >>>",
        b"<hello>]]>]]>",
        b"<html></html>]]>]]>",
        build_hello([BASE_1_0]) + END_OF_MESSAGE,
        build_hello(["urn:x"], 7) + END_OF_MESSAGE,
        b'<!DOCTYPE hello [<!ENTITY a "b">]>' + HELLO[38:],
    ],
)
async def test_a_hello_that_is_none(greeting: bytes, client_name: str) -> None:
    async with ssh_server(says(greeting)) as target:
        await failure(target, client_name, ProtocolViolation)


async def test_a_server_that_breaks_off_before_its_hello(client_name: str) -> None:
    async def leave(process: Process) -> None:
        process.stdout.write(HELLO[:30])

    async with ssh_server(leave) as target:
        error = await failure(target, client_name, SessionLost)
    assert "during hello" in error.message


async def test_a_wrong_password(client_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASM_TEST_WRONG", "not-" + PASSWORD)
    async with ssh_server(silence) as target:
        wrong = replace(target, credential="env:CASM_TEST_WRONG")
        error = await failure(wrong, client_name, AuthenticationFailed)
    assert "password" in error.message


async def test_a_password_is_shown_once(client_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time counts: three lock an account."""
    monkeypatch.setenv("CASM_TEST_WRONG", "not-" + PASSWORD)
    monkeypatch.setattr(_Authentication, "shown", 0)
    async with ssh_server(silence) as target:
        await failure(replace(target, credential="env:CASM_TEST_WRONG"), client_name, AuthenticationFailed)
    assert _Authentication.shown == 1


async def test_a_password_for_a_device_that_asks_for_it_interactively() -> None:
    """Not ncclient: paramiko asks for the service a second time then, which sshd passes and asyncssh's server
    does not."""
    async with (
        ssh_server(answers(OK.encode() + END_OF_MESSAGE), server=_Interactive) as target,
        await open_session(target, "asyncssh") as session,
    ):
        await session.rpc(get_nothing())


async def test_a_wrong_password_that_is_asked_for_interactively(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASM_TEST_WRONG", "not-" + PASSWORD)
    monkeypatch.setattr(_Authentication, "shown", 0)
    async with ssh_server(silence, server=_Interactive) as target:
        wrong = replace(target, credential="env:CASM_TEST_WRONG")
        error = await failure(wrong, "asyncssh", AuthenticationFailed)
    assert "the password was refused" in error.message
    assert _Authentication.shown == 1


async def test_what_a_server_says_before_its_version_is_passed_over(client_name: str) -> None:
    """RFC 4253, 4.2: other lines may come before."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    relays: list[asyncio.Task[None]] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        relays.append(task)
        writer.write(b"Welcome to bng1\r\nAuthorised use only\r\n")
        to_server, from_server = await asyncio.open_connection("127.0.0.1", behind.port)
        await asyncio.gather(relay(reader, from_server), relay(to_server, writer))

    async with ssh_server(answers(OK.encode() + END_OF_MESSAGE)) as behind:
        front = await asyncio.start_server(greet, "127.0.0.1", 0)
        port = front.sockets[0].getsockname()[1]
        async with await open_session(replace(behind, port=port), client_name) as session:
            await session.rpc(get_nothing())
        front.close()
        await front.wait_closed()
        await asyncio.wait_for(asyncio.gather(*relays), 30)


async def test_neither_agent_nor_configuration_nor_other_keys_are_used(
    client_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration file that would lead elsewhere, a default key that the device takes, and an agent."""
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(ssh / "id_ed25519")
    (ssh / "id_ed25519").chmod(0o600)
    (ssh / "config").write_text("Host *\n  HostName 192.0.2.1\n  Port 1\n  User somebody\n")
    (ssh / "authorized").write_bytes(key.export_public_key())
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent.sock"))
    monkeypatch.setenv("CASM_TEST_WRONG", "not-" + PASSWORD)
    async with ssh_server(
        answers(OK.encode() + END_OF_MESSAGE), authorized_client_keys=str(ssh / "authorized")
    ) as target:
        async with await open_session(target, client_name) as session:
            await session.rpc(get_nothing())
        wrong = replace(target, credential="env:CASM_TEST_WRONG")
        await failure(wrong, client_name, AuthenticationFailed)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kex_algs": ["diffie-hellman-group14-sha1"]}, "no SSH algorithm in common"),
        ({"kex_algs": ["diffie-hellman-group1-sha1"]}, "no SSH algorithm in common"),
        ({"encryption_algs": ["arcfour128"]}, "no SSH algorithm in common"),
    ],
)
async def test_a_device_with_outdated_algorithms(
    options: dict[str, object], words: str, client_name: str
) -> None:
    async with ssh_server(silence, **options) as target:  # type: ignore[arg-type]
        error = await failure(target, client_name, ProtocolViolation)
    assert words in error.message
    assert "\n" not in str(error)


async def test_a_key_where_only_passwords_are_taken(client_name: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    key.chmod(0o600)
    async with ssh_server(silence) as target:
        await failure(replace(target, credential=f"file:{key}"), client_name, AuthenticationFailed)


@pytest.mark.parametrize("why", ["encrypted", "cannot be used"])
async def test_a_key_that_cannot_be_used(why: str, client_name: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    if why == "encrypted":
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(path, passphrase="x", rounds=50)
    else:
        path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    path.chmod(0o600)
    async with ssh_server(silence) as target:
        with pytest.raises(InvalidValue, match=why) as refused:
            await open_session(replace(target, credential=f"file:{path}"), client_name)
    assert str(path) in refused.value.message


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp521", "ssh-rsa"])
async def test_host_keys_of_every_kind(kind: str, client_name: str) -> None:
    key = asyncssh.generate_private_key(kind)
    async with (
        ssh_server(answers(OK.encode() + END_OF_MESSAGE), host_key=key) as target,
        await open_session(target, client_name) as session,
    ):
        assert session.host_key == target.host_key


# --- Afterwards -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def session_with(converse: Converse, client: str, **changes: object) -> AsyncIterator[Session]:
    async with (
        ssh_server(converse) as target,
        await open_session(replace(target, **changes), client) as session,  # type: ignore[arg-type]
    ):
        yield session


async def expect(session: Session, kind: type[CasmError], words: str) -> None:
    """The next request fails like this, and every later one says that the session is over."""
    with pytest.raises(kind, match=words):
        await session.rpc(get_nothing())
    with pytest.raises((SessionLost, ProtocolViolation)):
        await session.rpc(get_nothing())


async def test_the_client_on_asyncssh_needs_no_thread_and_sleeps_while_it_is_idle() -> None:
    # asyncssh reads its options on the loop's executor, whose threads every session shares: one is enough.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with ssh_server(says(HELLO)) as target:
        before = set(threading.enumerate())
        async with await open_session(target, "asyncssh"):
            assert set(threading.enumerate()) <= before  # those of other tests may end meanwhile
            await _nothing_scheduled(seconds=30)


async def _nothing_scheduled(seconds: float) -> None:
    """What opening left behind may run out first; something that ticks would be there for ever."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while waiting := [h for h in loop._scheduled if not h.cancelled()]:  # type: ignore[attr-defined]
        assert loop.time() < end, waiting
        await asyncio.sleep(0.05)


async def test_idle_connections_are_watched_by_tcp(client_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[socket.socket] = []

    async def connect(target: Target) -> socket.socket:
        connected.append(await phases.connect_tcp(target))
        return connected[-1].dup()

    monkeypatch.setattr(rpc_session, "connect_tcp", connect)
    async with session_with(says(HELLO), client_name):
        connection = connected[0]
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()


async def test_no_answer(client_name: str) -> None:
    begin = time.monotonic()
    deadlines = replace(PATIENT, rpc=0.5)
    async with session_with(says(HELLO), client_name, deadlines=deadlines) as session:
        await expect(session, DeadlineExceeded, r"RPC get was not done within 0\.5 s")
    assert time.monotonic() - begin < IN_TIME


async def test_closing_is_bounded_where_nothing_answers(client_name: str) -> None:
    begin = time.monotonic()
    async with session_with(says(HELLO), client_name):
        pass
    assert time.monotonic() - begin < IN_TIME


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00\xff<<< this is not NETCONF >>>" + END_OF_MESSAGE,
        b"<rpc-reply" + END_OF_MESSAGE,
        b"<notifications/>" + END_OF_MESSAGE,
        OK.encode().replace(b"%s", b"another") + END_OF_MESSAGE,
        OK.encode().replace(b' message-id="%s"', b"") + END_OF_MESSAGE,
    ],
)
async def test_an_answer_that_is_none(reply: bytes, client_name: str) -> None:
    async with session_with(answers(reply), client_name) as session:
        await expect(session, ProtocolViolation, "during RPC get")


async def test_a_notification_is_not_taken_for_a_reply(client_name: str) -> None:
    """RFC 5277, 4.1; devices send them unasked."""
    notification = b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>' + END_OF_MESSAGE
    reply = OK.encode() + END_OF_MESSAGE
    converse = answers(notification + reply + notification, notification + notification + reply)
    async with session_with(converse, client_name) as session:
        for _ in range(2):
            assert (await session.rpc(get_nothing())).find(f"{{{BASE}}}ok") is not None


async def test_replies_that_overtake_each_other_are_told_apart_by_their_ids(client_name: str) -> None:
    async def converse(process: Process) -> None:
        process.stdout.write(HELLO)
        decoder = Decoder()
        ids: list[str] = []
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if b"capabilities" not in message:
                    ids.append(parse_rpc(message).heading.attributes["message-id"])
            if len(ids) == 5:
                for message_id in reversed(ids):
                    reply = OK.replace("%s", message_id).replace(
                        "<ok/>", f'<a xmlns="urn:a">{message_id}</a>'
                    )
                    process.stdout.write(reply.encode() + END_OF_MESSAGE)
                ids.clear()

    async with session_with(converse, client_name) as session:
        replies = await asyncio.gather(*(session.rpc(get_nothing()) for _ in range(5)))
    assert [reply.get("message-id") for reply in replies] == ["1", "2", "3", "4", "5"]
    assert ["".join(map(str, reply.itertext())) for reply in replies] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("framing", Framing)
async def test_a_reply_of_ten_megabytes(framing: Framing, client_name: str) -> None:
    entry = '<entry xmlns="urn:a"><name>casm-k3f9qa-b12</name><lower>198.51.100.0</lower></entry>'
    many = 10_000_000 // len(entry)
    reply = OK.replace("<ok/>", f"<data>{entry * many}</data>").encode()

    async def converse(process: Process) -> None:
        base = BASE_1_0 if framing is Framing.END_OF_MESSAGE else BASE_1_1
        process.stdout.write(build_hello([base], 7) + END_OF_MESSAGE)
        decoder = Decoder()
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if b"capabilities" in message:
                    decoder.use(framing)
                    continue
                message_id = parse_rpc(message).heading.attributes["message-id"]
                process.stdout.write(encode(reply.replace(b"%s", message_id.encode()), framing, chunk=16_000))
                await process.stdout.drain()

    async with session_with(converse, client_name) as session:
        data = (await session.rpc(get_nothing(), deadline=30))[0]
        assert len(data) == many


async def test_wrong_chunks(client_name: str) -> None:
    converse = answers(b"\n#notasize\n", framing=Framing.CHUNKED)
    async with session_with(converse, client_name) as session:
        await expect(session, ProtocolViolation, "chunk")


async def test_tiny_chunks_that_cut_characters(client_name: str) -> None:
    reply = OK.replace("<ok/>", '<data><a xmlns="urn:a">zürich €</a></data>').encode()

    async def converse(process: Process) -> None:
        process.stdout.write(build_hello([BASE_1_1], 7) + END_OF_MESSAGE)
        decoder = Decoder()
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if b"capabilities" in message:
                    decoder.use(Framing.CHUNKED)
                    continue
                message_id = parse_rpc(message).heading.attributes["message-id"]
                for byte in encode(reply.replace(b"%s", message_id.encode()), Framing.CHUNKED, chunk=1):
                    process.stdout.write(bytes([byte]))

    async with session_with(converse, client_name) as session:
        element = await session.rpc(get_nothing())
        assert "".join(map(str, element.itertext())) == "zürich €"


async def test_a_server_that_hangs_up_instead_of_answering(client_name: str) -> None:
    async with session_with(answers(None), client_name) as session:
        await expect(session, SessionLost, "during RPC get")


async def test_a_server_that_breaks_off_while_nothing_is_asked(client_name: str) -> None:
    opened = asyncio.Event()

    async def leave(process: Process) -> None:
        process.stdout.write(HELLO)
        await opened.wait()

    async with session_with(leave, client_name) as session:
        opened.set()
        await asyncio.sleep(0.2)
        await expect(session, SessionLost, "during RPC get")


async def test_what_a_subsystem_writes_to_its_error_stream_is_passed_over(client_name: str) -> None:
    answer = answers(OK.encode() + END_OF_MESSAGE)

    async def converse(process: Process) -> None:
        process.stderr.write(b"debug: " * 1000)
        await answer(process)

    async with session_with(converse, client_name) as session:
        await session.rpc(get_nothing())


async def test_a_late_answer_is_not_taken_for_another(client_name: str) -> None:
    """The reply to a request that was cancelled comes before the reply to the next."""
    asked = asyncio.Event()

    async def converse(process: Process) -> None:
        process.stdout.write(HELLO)
        decoder = Decoder()
        ids: list[str] = []
        while data := await process.stdin.read(1 << 16):
            for message in decoder.feed(data):
                if b"capabilities" not in message:
                    ids.append(parse_rpc(message).heading.attributes["message-id"])
                    asked.set()
            if len(ids) >= 2:
                for message_id in ids:
                    reply = OK.replace("%s", message_id).replace(
                        "<ok/>", f'<a xmlns="urn:a">{message_id}</a>'
                    )
                    process.stdout.write(reply.encode() + END_OF_MESSAGE)
                ids.clear()

    async with session_with(converse, client_name) as session:
        first = asyncio.create_task(session.rpc(get_nothing()))
        await asyncio.wait_for(asked.wait(), 30)
        first.cancel()
        reply = await session.rpc(get_nothing())
        assert reply.get("message-id") == "".join(map(str, reply.itertext()))
        assert reply.get("message-id") != "1"


@pytest.mark.parametrize("overlooked", [True, False])
async def test_the_probe_wakes_a_server_that_overlooked_the_first_rpc(
    overlooked: bool, client_name: str
) -> None:
    async def converse(process: Process) -> None:
        process.stdout.write(HELLO)
        decoder = Decoder()
        kept: list[bytes] = []
        seen = 0
        while data := await process.stdin.read(1 << 16):
            kept += [m for m in decoder.feed(data) if b"capabilities" not in m]
            seen += bool(kept)
            if overlooked and seen < 2:
                continue
            for message in kept:
                message_id = parse_rpc(message).heading.attributes["message-id"]
                process.stdout.write(OK.replace("%s", message_id).encode() + END_OF_MESSAGE)
            kept.clear()

    begin, pause = time.monotonic(), 0.2 if overlooked else IN_TIME
    async with session_with(converse, client_name, pause_after_hello=pause) as session:
        assert (time.monotonic() - begin > pause) is overlooked
        await session.rpc(get_nothing())
        await session.rpc(close_session())


async def test_a_probe_without_any_answer_meets_the_deadline(client_name: str) -> None:
    async with ssh_server(says(HELLO)) as target:
        deaf = replace(target, pause_after_hello=0.1, deadlines=replace(PATIENT, hello=0.5))
        await failure(deaf, client_name, DeadlineExceeded)


async def test_a_refused_probe_is_an_answer(client_name: str) -> None:
    refusal = OK.replace(
        "<ok/>",
        "<rpc-error><error-type>protocol</error-type><error-tag>access-denied</error-tag>"
        "<error-severity>error</error-severity></rpc-error>",
    )
    reply = refusal.encode() + END_OF_MESSAGE
    async with session_with(answers(reply, reply), client_name, pause_after_hello=IN_TIME) as session:
        with pytest.raises(DeviceRefused, match="access-denied"):
            await session.rpc(get_nothing())


async def test_nothing_is_logged_where_nobody_asked(
    client_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with session_with(answers(OK.encode() + END_OF_MESSAGE), client_name) as session:
        await session.rpc(get_nothing())
    async with tcp_server(b"HTTP/1.1 400\r\n\r\n", close=True) as target:
        await failure(target, client_name, ProtocolViolation)
    assert not [r for r in caplog.records if r.name.startswith(("ncclient", "paramiko", "casm"))]
    assert PASSWORD not in caplog.text
