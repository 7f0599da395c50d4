"""A `casm serve` process for tests that attack it, and clients that are good or bad."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from casm_ctrl.netconf import framing
from casm_ctrl.netconf.framing import END_OF_MESSAGE, Decoder, Framing
from casm_ctrl.netconf.messages import build_hello, parse_document
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1, Element, nc
from casm_ctrl.service.configuration import change
from casm_ctrl.service.space_edits import AddSpace
from casm_ctrl.store.database import open_database
from casm_ctrl.store.events import Author
from tests.northbound_ssh import HOST_KEY, PASSWORD, USER, USER_KEY, add_administrator

PATIENCE = 30.0
"""Seconds in which a good client is served, whatever others do."""
MALLORY = "mallory"
MEBIBYTE = 1 << 20


def fill(store: Path | str, spaces: int = 0) -> None:
    """Users who may do everything, and so many address spaces of 8 KiB each."""
    database = open_database(str(store))
    try:
        for name in (USER, MALLORY):
            add_administrator(database, name)
        if spaces:
            change(
                database, Author("fixture"), [AddSpace(f"s{number}", "x" * 8000) for number in range(spaces)]
            )
    finally:
        database.close()


@dataclass
class Served:
    """A running process."""

    process: subprocess.Popen[bytes]
    port: int
    store: Path
    log: Path
    connections: list[asyncssh.SSHClientConnection] = field(default_factory=list)

    # --- Its resources ----------------------------------------------------------------------------

    def _status(self, name: str) -> int:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def memory(self) -> int:
        """Octets that are resident now."""
        return self._status("VmRSS")

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @contextmanager
    def bounded(self, most: int) -> Iterator[None]:
        """Its memory grows by `most` mebibytes at most at any time in the block, and it does not end."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        before = self.memory
        yield
        grown = self._status("VmHWM") - before
        assert self.process.poll() is None, self.log.read_text()
        print(f"memory before {before >> 20} MiB, grew by {grown >> 20} MiB")
        assert grown <= most * MEBIBYTE, f"{grown >> 20} MiB more"

    # --- Clients ----------------------------------------------------------------------------------

    async def connect(self, user: str = MALLORY, **more: object) -> asyncssh.SSHClientConnection:
        arguments: dict[str, object] = {"client_keys": [USER_KEY], "known_hosts": None, "agent_path": None}
        connection = await asyncssh.connect(
            "127.0.0.1",
            self.port,
            username=user,
            config=None,
            login_timeout=PATIENCE,
            **{**arguments, **more},
        )
        self.connections.append(connection)
        return connection

    async def hang_up(self) -> None:
        """End all connections of clients, and wait until their sockets are closed."""
        for connection in self.connections:
            connection.abort()
        for connection in self.connections:
            await connection.wait_closed()
        self.connections.clear()
        for _ in range(3):  # asyncio closes a socket some rounds after its transport
            await asyncio.sleep(0)

    @asynccontextmanager
    async def session(
        self, user: str = MALLORY, version: str = BASE_1_1, **more: object
    ) -> AsyncIterator[Session]:
        connection = await self.connect(user, **more)
        try:
            opened = await Session.open(connection)
            await opened.greet(version)
            yield opened
        finally:
            connection.abort()

    async def serves(self) -> None:
        """A good client logs in, reads, changes and leaves, within its patience."""
        async with asyncio.timeout(PATIENCE), self.session(USER) as good:
            reply = await good.rpc("<get-config><source><running/></source><filter/></get-config>")
            assert reply.find(nc("data")) is not None
            assert (await good.rpc("<discard-changes/>")).find(nc("ok")) is not None
            assert (await good.rpc("<close-session/>")).find(nc("ok")) is not None


class Session:
    """One session of a client that may do whatever it wants."""

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        writer: asyncssh.SSHWriter[bytes],
        reader: asyncssh.SSHReader[bytes],
    ) -> None:
        self.connection = connection
        self.writer = writer
        self.reader = reader
        self.session_id = 0
        self._decoder = Decoder()
        self.framing = Framing.END_OF_MESSAGE

    @classmethod
    async def open(cls, connection: asyncssh.SSHClientConnection) -> Session:
        writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        return cls(connection, writer, reader)

    async def greet(self, version: str = BASE_1_1) -> None:
        hello = parse_document(await self.message())
        self.session_id = int(hello.findtext(nc("session-id")) or 0)
        self.writer.write(build_hello([version]) + END_OF_MESSAGE)
        self.framing = Framing.CHUNKED if version == BASE_1_1 else Framing.END_OF_MESSAGE
        self._decoder.use(self.framing)

    def send(self, message: bytes) -> None:
        """One message, framed."""
        with contextlib.suppress(OSError):  # the server may have had enough
            self.writer.write(framing.encode(message, self.framing))

    async def pour(self, pieces: Iterator[bytes]) -> None:
        """Send raw octets for as long as the server takes them."""
        with contextlib.suppress(OSError):
            for piece in pieces:
                self.writer.write(piece)
                await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def message(self) -> bytes:
        """The next whole message; ConnectionResetError at the end."""
        data = b""
        while True:
            for message in self._decoder.feed(data):
                return message
            try:
                data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
            except asyncssh.Error as error:
                raise ConnectionResetError(str(error)) from error
            if not data:
                raise ConnectionResetError("the server closed the session")

    async def rpc(self, operation: str) -> Element:
        self.send(rpc(operation))
        while True:
            reply = parse_document(await self.message())
            if reply.tag == nc("rpc-reply"):
                return reply

    async def ends(self) -> list[Element]:
        """Whatever is still answered until the server ends the session."""
        answers: list[Element] = []
        with contextlib.suppress(ConnectionResetError):
            while True:
                answers.append(parse_document(await self.message()))
        return answers


def rpc(operation: str, message_id: str = "1") -> bytes:
    return f'<rpc message-id="{message_id}" xmlns="{BASE}">{operation}</rpc>'.encode()


def tags(answers: list[Element]) -> list[str | None]:
    return [error.text for answer in answers for error in answer.iter(nc("error-tag"))]


@contextmanager
def served(
    store: Path, *arguments: str, descriptors: int | None = None, url: str | None = None, ends: bool = True
) -> Iterator[Served]:
    """`casm serve` on `store`, or on a database at `url`; `descriptors` is what it may have at most. It is ended by
    SIGTERM; with `ends` False the block ends it."""
    log, key = store.with_suffix(".log"), store.with_name("host_key")
    if not key.exists():
        key.touch(0o600)
        key.write_bytes(HOST_KEY.export_private_key())

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with log.open("wb") as errors:
        process = subprocess.Popen(
            [
                str(Path(sys.executable).with_name("casm")),
                *("serve", "--port", "0", "--verbose", "--database", url or str(store)),
                *("--host-key", str(key), *arguments),
            ],
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=limit if descriptors is not None else None,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert line.startswith("Listening on 127.0.0.1:"), log.read_text()
        yield Served(process, int(line.split(":")[1].split()[0]), store, log)
        if ends:
            process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


async def until(condition: object, *, what: str) -> None:
    """Wait until a condition holds, for the patience of a test."""
    assert callable(condition)
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


__all__ = ["BASE_1_0", "BASE_1_1", "MALLORY", "MEBIBYTE", "PASSWORD", "PATIENCE", "Served", "Session", "fill"]
