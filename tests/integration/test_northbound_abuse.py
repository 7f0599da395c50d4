"""`casm serve` stays up, within bounds, and serves others, whatever clients send. Every attacker gets an answer of
the protocol or is closed; a good client is served while the attack lasts."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio

from casm_ctrl.netconf.names import nc
from tests.northbound_process import (
    BASE_1_0,
    BASE_1_1,
    MALLORY,
    MEBIBYTE,
    PATIENCE,
    Served,
    Session,
    fill,
    rpc,
    served,
    tags,
    until,
)
from tests.northbound_ssh import USER

BIG_GET = "<get-config><source><running/></source></get-config>"
SPACES = 400


@pytest.fixture(scope="module")
def server(northbound_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process for all that does not end it, with three mebibytes of configuration."""
    store = Path(shutil.copyfile(northbound_template, tmp_path_factory.mktemp("abuse") / "abuse.db"))
    fill(store, SPACES)
    with served(store) as process:
        yield process


@pytest.fixture(scope="module")
def impatient(northbound_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that waits for two seconds only."""
    store = Path(shutil.copyfile(northbound_template, tmp_path_factory.mktemp("impatient") / "impatient.db"))
    fill(store)
    with served(store, "--login-timeout", "2s", "--hello-timeout", "2s") as process:
        yield process


@pytest_asyncio.fixture(autouse=True)
async def hang_up(server: Served, impatient: Served) -> AsyncIterator[None]:
    yield
    await server.hang_up()
    await impatient.hang_up()


@contextlib.contextmanager
def many_files(number: int) -> Iterator[None]:
    """The test itself may have so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < number:
        pytest.fail(f"the test needs {number} file descriptors, and may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def knocking(server: Served, number: int, *, says: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many TCP connections."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(number):
            sockets.append(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE))
            if says:
                with contextlib.suppress(OSError):
                    sockets[-1].sendall(says)
        yield sockets
    finally:
        for one in sockets:
            one.close()


def closed(one: socket.socket) -> None:
    """Wait until the other end closes."""
    with contextlib.suppress(OSError):
        while one.recv(65536):
            pass


# --- Before anybody has logged in -----------------------------------------------------------------


async def test_two_thousand_connections_that_say_nothing(server: Served) -> None:
    with many_files(4096), server.bounded(200), knocking(server, 2000):
        await server.serves()
        assert server.descriptors < 800
        await asyncio.gather(*(server.serves() for _ in range(5)))


@pytest.mark.parametrize(
    "says",
    [
        b"SSH-2.0-nobody\r\n",
        b"SSH-2.0-nobody\r\n\x00\x00\x01\x00\x04\x14" + b"k" * 100,
    ],
    ids=["version", "half a kexinit"],
)
async def test_clients_that_stop_in_the_handshake(server: Served, says: bytes) -> None:
    with server.bounded(150), knocking(server, 300, says=says):
        await server.serves()


@pytest.mark.parametrize(
    "says",
    [
        b"x" * 20_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-\xff\xfe\r\n",
        b"SSH-2.0-nobody\r\n\xff\xff\xff\xff" + b"x" * 1000,
        b"SSH-2.0-nobody\r\n" + b"\x00" * 70_000,
    ],
    ids=["no line", "http", "old", "not ascii", "huge packet", "zeros"],
)
async def test_what_is_no_ssh_is_closed(server: Served, says: bytes) -> None:
    with server.bounded(100), knocking(server, 20, says=says) as sockets:
        await server.serves()
        for one in sockets:
            await asyncio.to_thread(closed, one)


async def test_octets_that_come_while_a_password_is_judged_are_not_kept(server: Served) -> None:
    """asyncssh keeps what follows a packet that takes long: a hundred mebibytes while a password is refused."""

    async def flood(connection: asyncssh.SSHClientConnection) -> None:
        transport = connection._transport
        assert transport is not None
        for _ in range(100):
            if transport.is_closing():
                return
            transport.write(b"\x00" * MEBIBYTE)
            await asyncio.sleep(0)

    with server.bounded(100):

        class Flooding(asyncssh.SSHClient):
            def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
                self.connection = conn

            def password_auth_requested(self) -> str:
                asyncio.get_running_loop().call_later(0.05, lambda: tasks.append(start()))
                return "wrong horse"

        def start() -> asyncio.Task[None]:
            return asyncio.ensure_future(flood(client.connection))

        tasks: list[asyncio.Task[None]] = []
        client = Flooding()
        with pytest.raises((asyncssh.Error, OSError)):
            await server.connect("nobody", client_keys=None, client_factory=lambda: client)
        await server.serves()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_guesses_at_passwords_keep_out_nobody_who_has_a_key(server: Served) -> None:
    async def guess(number: int) -> None:
        with pytest.raises((asyncssh.Error, OSError)):
            await server.connect(f"guess{number % 3}", client_keys=None, password=f"horse{number}")

    guesses = [asyncio.ensure_future(guess(number)) for number in range(40)]
    await server.serves()
    for one in guesses:
        one.cancel()
    await asyncio.gather(*guesses, return_exceptions=True)


# --- Who logged in and then does nothing, or little -----------------------------------------------


async def test_whoever_does_not_go_on_is_closed(impatient: Served) -> None:
    """No login; no session; no hello; and a hello of which an octet comes now and then."""
    with impatient.bounded(100), knocking(impatient, 20) as sockets:
        idle = [await impatient.connect() for _ in range(5)]
        silent = [await Session.open(await impatient.connect()) for _ in range(5)]
        slow = await Session.open(await impatient.connect())

        async def trickle() -> None:
            with contextlib.suppress(OSError):
                while True:
                    slow.writer.write(b" ")
                    await asyncio.sleep(0.1)

        trickling = asyncio.ensure_future(trickle())
        for one in sockets:
            await asyncio.to_thread(closed, one)
        for connection in idle:
            await asyncio.wait_for(connection.wait_closed(), PATIENCE)
        for session in (*silent, slow):
            await session.ends()
        trickling.cancel()
    await impatient.serves()


async def test_a_request_that_comes_octet_by_octet(server: Served) -> None:
    """Slow is not wrong: it is answered in the end, and nobody else waits for it."""
    for version in (BASE_1_0, BASE_1_1):
        async with server.session(version=version) as slow:
            whole = rpc("<get-config><source><running/></source><filter/></get-config>")
            whole = b"\n#%d\n%s\n##\n" % (len(whole), whole) if version == BASE_1_1 else whole + b"]]>]]>"
            for number, octet in enumerate(whole):
                slow.writer.write(bytes([octet]))
                if number == len(whole) // 2:
                    await server.serves()
            assert b"<data" in await slow.message()


async def test_channels_without_end_are_refused(server: Served) -> None:
    with server.bounded(200):
        connection = await server.connect()
        refused = 0
        opened = []
        for _ in range(300):
            try:
                opened.append(await connection.open_session(subsystem="netconf", encoding=None))
            except asyncssh.ChannelOpenError as error:
                assert "sessions" in error.reason
                refused += 1
        assert refused == 300 - 256
        await server.serves()


async def test_a_channel_that_takes_single_octets_is_refused(server: Served) -> None:
    connection = await server.connect()
    with pytest.raises((asyncssh.ChannelOpenError, ConnectionResetError)):
        session = await connection.open_session(subsystem="netconf", encoding=None, max_pktsize=1)
        await session[1].read(1)
        raise ConnectionResetError
    await server.serves()


# --- Messages that are too large ------------------------------------------------------------------

HUNDRED = 100


def as_mark() -> Iterator[bytes]:
    yield b"<rpc>"
    yield from repeat(b"x" * MEBIBYTE, HUNDRED)
    yield b"</rpc>]]>]]>"


def as_chunks() -> Iterator[bytes]:
    yield from repeat(b"\n#1048576\n" + b"x" * MEBIBYTE, HUNDRED)
    yield b"\n##\n"


def without_frame() -> Iterator[bytes]:
    yield from repeat(b"x" * MEBIBYTE, HUNDRED)


def as_one_chunk() -> Iterator[bytes]:
    yield b"\n#4294967295\n"
    yield from repeat(b"x" * MEBIBYTE, HUNDRED)


@pytest.mark.parametrize(
    ("version", "pieces"),
    [(BASE_1_0, as_mark), (BASE_1_1, as_chunks), (BASE_1_1, as_one_chunk), (BASE_1_1, without_frame)],
    ids=["mark", "chunks", "one chunk", "no frame"],
)
async def test_a_hundred_mebibytes(server: Served, version: str, pieces: object) -> None:
    assert callable(pieces)
    with server.bounded(120):
        async with server.session(version=version) as attacker:
            pouring = asyncio.ensure_future(attacker.pour(pieces()))
            await server.serves()
            answers = await attacker.ends()
            await pouring
        assert tags(answers) == ([] if pieces is without_frame else ["too-big"])


async def test_a_hundred_mebibytes_instead_of_a_hello(server: Served) -> None:
    with server.bounded(50):
        attacker = await Session.open(await server.connect())
        pouring = asyncio.ensure_future(attacker.pour(without_frame()))
        await server.serves()
        await attacker.ends()
        await pouring


@pytest.mark.parametrize(
    "header", [b"\n#4294967296\n", b"\n#0\n", b"\n#01\n", b"\n#" + b"9" * 1_000_000, b"\n##\n", b"\n#-1\n"]
)
async def test_lies_about_the_size_of_a_chunk(server: Served, header: bytes) -> None:
    async with server.session() as attacker:
        await attacker.pour(iter([header]))
        assert tags(await attacker.ends()) == []
    await server.serves()


async def test_many_requests_that_are_not_whole(server: Served) -> None:
    """Twenty times fifteen mebibytes: those where nothing moves have to go, and a small request is answered."""
    with server.bounded(600):
        attackers = []
        for _ in range(20):
            attacker = await Session.open(await server.connect())
            await attacker.greet()
            attackers.append(attacker)
        await asyncio.gather(*(one.pour(repeat(b"\n#1048576\n" + b"x" * MEBIBYTE, 15)) for one in attackers))
        await server.serves()


# --- XML that hurts -------------------------------------------------------------------------------

LAUGHS = "<!DOCTYPE rpc [<!ENTITY a0 'ha'>{}]>".format(
    "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9))
).encode()
HURTING = {
    "laughs": LAUGHS + rpc("<get>&a9;</get>"),
    "quadratic": b"<!DOCTYPE rpc [<!ENTITY a '" + b"a" * 100_000 + b"'>]>" + rpc("&a;" * 10_000),
    "external": b"<!DOCTYPE rpc [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + rpc("<get>&e;</get>"),
    "parameter": b"<!DOCTYPE rpc [<!ENTITY % e SYSTEM 'http://127.0.0.1:9/'> %e;]>" + rpc("<get/>"),
    "deep": rpc("<a>" * 100_000 + "</a>" * 100_000),
    "deep and open": b"<a>" * 1_000_000,
    "attributes": rpc("<get " + " ".join(f"a{n}=''" for n in range(1_000_000)) + "/>"),
    "namespaces": rpc("<get " + " ".join(f"xmlns:a{n}='u'" for n in range(300_000)) + "/>"),
    "elements": rpc("<get-config>" + "<a/>" * 1_300_000 + "</get-config>"),
    "more elements": rpc("<a/>" * 4_000_000),
    "invalid UTF-8": b"<rpc>\xff\xc0\x80</rpc>",
    "NUL": rpc("<get>\0</get>"),
    "mark in data": rpc("<get>]]>]]></get>"),
    "UTF-16": rpc("<get/>").decode().encode("utf-16"),
    "long text": rpc("<get>" + "x" * 11_000_000 + "</get>"),
    "long name": rpc(f"<{'x' * 1_000_000}/>"),
    "empty": b" ",
}


@pytest.mark.parametrize("message", HURTING.values(), ids=HURTING.keys())
async def test_xml_that_hurts(server: Served, message: bytes) -> None:
    with server.bounded(700):
        async with server.session() as attacker:
            attacker.send(message)
            await server.serves()
            with contextlib.suppress(ConnectionResetError):
                reply = await attacker.message()
                assert b"rpc-error" in reply
                assert b"internal-error" not in reply
                assert b"root:" not in reply
    await server.serves()


# --- Clients that do not take what they asked for -------------------------------------------------


async def test_a_big_reply_that_nobody_reads(server: Served) -> None:
    """Neither the window of the channel is opened, nor is anything read from the connection."""
    with server.bounded(400):
        attackers = []
        for number in range(24):
            attacker = await Session.open(await server.connect())
            await attacker.greet()
            if number % 2:
                transport = attacker.connection._transport
                assert transport is not None
                transport.pause_reading()
            attacker.send(rpc(BIG_GET))
            attackers.append(attacker)
        await server.serves()


async def test_ten_thousand_requests_whose_replies_nobody_reads(server: Served) -> None:
    """With a window that takes all of them: what bounds it is the connection."""
    with server.bounded(200):
        connection = await server.connect()
        writer, reader, _ = await connection.open_session(
            subsystem="netconf", encoding=None, window=0xFFFFFFFF
        )
        attacker = Session(connection, writer, reader)
        await attacker.greet()
        transport = connection._transport
        assert transport is not None
        transport.pause_reading()
        for number in range(10_000):
            attacker.send(rpc(BIG_GET, str(number)))
        await server.serves()
        await server.serves()


async def test_requests_in_a_row_are_all_answered_in_order(server: Served) -> None:
    async with server.session() as client:
        for number in range(300):
            client.send(rpc("<get-config><source><running/></source><filter/></get-config>", str(number)))
        for number in range(300):
            assert b'message-id="%d"' % number in await client.message()


async def test_a_subscriber_that_reads_nothing(server: Served) -> None:
    subscription = "urn:ietf:params:xml:ns:netconf:notification:1.0"
    with server.bounded(200):
        attackers = []
        for number in range(10):
            attacker = await Session.open(await server.connect())
            await attacker.greet()
            reply = await attacker.rpc(
                f"<create-subscription xmlns='{subscription}'><startTime>2020-01-01T00:00:00Z</startTime>"
                "</create-subscription>"
            )
            assert reply.find(nc("ok")) is not None
            if number % 2:
                transport = attacker.connection._transport
                assert transport is not None
                transport.pause_reading()
            attackers.append(attacker)
        for _ in range(2):
            await server.serves()


# --- Ends -----------------------------------------------------------------------------------------


async def test_what_sessions_hold_is_released_when_they_drop_in_a_request(server: Served) -> None:
    lock = "<lock><target><candidate/></target></lock>"
    for number in range(10):
        attacker = await Session.open(await server.connect())
        await attacker.greet()
        assert (await attacker.rpc(lock)).find(nc("ok")) is not None
        attacker.send(rpc(BIG_GET))
        attacker.send(rpc("<commit/>"))
        if number % 2:
            attacker.connection.abort()
        else:
            attacker.connection.close()
        async with asyncio.timeout(PATIENCE), server.session(USER) as good:
            while (reply := await good.rpc(lock)).find(nc("ok")) is None:
                assert tags([reply]) == ["lock-denied"]
            assert (await good.rpc("<unlock><target><candidate/></target></unlock>")).find(
                nc("ok")
            ) is not None


async def test_a_session_is_killed_in_a_request(server: Served) -> None:
    async with server.session() as victim, server.session(USER) as killer:
        assert (await victim.rpc("<lock><target><running/></target></lock>")).find(nc("ok")) is not None
        for _ in range(50):
            victim.send(rpc(BIG_GET))
        kill = f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>"
        assert (await killer.rpc(kill)).find(nc("ok")) is not None
        assert (await killer.rpc("<lock><target><running/></target></lock>")).find(nc("ok")) is not None
        await victim.ends()
    await server.serves()


async def test_keys_are_changed_in_the_middle_of_things(server: Served) -> None:
    async with server.session(rekey_bytes=100_000) as client:
        for _ in range(5):
            reply = await client.rpc(BIG_GET)
            assert len(list(reply.iter("{*}address-space"))) == SPACES
            client.send(rpc("<get>" + "<!-- -->" * 50_000 + "</get>"))
            assert b"<data" in await client.message()


async def test_a_hundred_sessions_at_once_of_one_user(server: Served) -> None:
    with many_files(4096), server.bounded(200):

        async def visit() -> None:
            async with server.session() as session:
                opened.append(session)
                await until(lambda: len(opened) == 100, what="a hundred sessions")
                reply = await session.rpc("<get-config><source><running/></source><filter/></get-config>")
                assert reply.find(nc("data")) is not None

        opened: list[Session] = []
        await asyncio.gather(*(visit() for _ in range(100)))


# --- The process ----------------------------------------------------------------------------------


async def test_few_descriptors_are_enough(northbound_template: Path, tmp_path: Path) -> None:
    """Of sixty-four, clients get half; the rest is for the store."""
    store = Path(shutil.copyfile(northbound_template, tmp_path / "few.db"))
    fill(store)
    with served(store, descriptors=64) as few:
        with knocking(few, 200):
            assert few.descriptors <= 64
            await few.serves()
        await until(lambda: few.descriptors < 40, what="who knocked is gone")
        connections = []
        with contextlib.suppress(asyncssh.Error, OSError):
            for _ in range(64):
                connections.append(await few.connect())
        assert 0 < len(connections) <= 32
        await few.hang_up()
        await until(lambda: few.descriptors < 40, what="the connections are gone")
        await few.serves()
        assert "Traceback" not in few.log.read_text()


def test_nothing_failed_inside(server: Served, impatient: Served) -> None:
    """The last of this file: in the logs of both there is no error of ours, and no secret."""
    for process in (server, impatient):
        log = process.log.read_text()
        assert "Traceback" not in log, log
        assert "horse" not in log
    assert MALLORY in server.log.read_text()
