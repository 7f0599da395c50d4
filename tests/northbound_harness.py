"""The northbound server for tests: sessions over memory, with nothing of SSH, and what a client does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType

from lxml import etree

from casm_ctrl.netconf import framing
from casm_ctrl.netconf.framing import Decoder, Framing
from casm_ctrl.netconf.messages import Hello, build_hello, parse_document, parse_hello
from casm_ctrl.netconf.names import BASE, BASE_1_0, BASE_1_1, Element, nc
from casm_ctrl.northbound.models import Models
from casm_ctrl.northbound.server import Northbound
from casm_ctrl.service.config_documents import SetDocument
from casm_ctrl.service.configuration import change
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author

PATIENCE = 30.0
"""Seconds until a test gives up."""


class MemoryChannel:
    """A channel whose other end is in the same process."""

    def __init__(self, username: str, source_host: str) -> None:
        self.username = username
        self.source_host = source_host
        self.to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self.to_client: asyncio.Queue[bytes] = asyncio.Queue()
        self.writable = asyncio.Event()
        self.writable.set()
        self.ended = False

    async def read(self) -> bytes:
        return b"" if self.ended else await self.to_server.get()

    def write(self, data: bytes) -> None:
        if data and not self.ended:
            self.to_client.put_nowait(data)

    @property
    def taken(self) -> bool:
        return self.writable.is_set()

    async def drain(self) -> None:
        await self.writable.wait()

    def close(self) -> None:
        self.ended = True
        self.to_client.put_nowait(b"")

    def abort(self) -> None:
        self.close()
        self.to_server.put_nowait(b"")
        self.writable.set()

    def vanish(self) -> None:
        raise NotImplementedError


class Refused(Exception):
    """The reply has rpc-errors; `tags` are theirs, in order."""

    def __init__(self, reply: Element) -> None:
        super().__init__(etree.tostring(reply, pretty_print=True).decode())
        self.reply = reply
        self.errors = reply.findall(nc("rpc-error"))
        self.tags = [error.findtext(nc("error-tag")) for error in self.errors]
        self.app_tags = [error.findtext(nc("error-app-tag")) for error in self.errors]
        self.paths = [error.findtext(nc("error-path")) for error in self.errors]


class Client:
    """One session, after both hellos. `rpc` sends an operation and gives the rpc-reply."""

    def __init__(self, channel: MemoryChannel, serving: asyncio.Task[None], version: str) -> None:
        self.channel = channel
        self.serving = serving
        self.hello: Hello
        self._version = version
        self._decoder = Decoder()
        self._framing = Framing.END_OF_MESSAGE
        self._number = 0
        self._replies: deque[Element] = deque()
        self._notifications: deque[Element] = deque()

    @property
    def session_id(self) -> int:
        assert self.hello.session_id is not None
        return self.hello.session_id

    async def open(self) -> None:
        self.hello = parse_hello(await self._message(), from_server=True)
        self.send(build_hello([self._version]))
        self._framing = Framing.CHUNKED if self._version == BASE_1_1 else Framing.END_OF_MESSAGE
        self._decoder.use(self._framing)

    def send(self, message: bytes) -> None:
        """Send one message, framed."""
        self.channel.to_server.put_nowait(framing.encode(message, self._framing))

    async def reply(self, operation: str) -> Element:
        """The rpc-reply to an operation, whose default namespace is NETCONF's; with errors too."""
        self._number += 1
        self.send(f'<rpc message-id="{self._number}" xmlns="{BASE}">{operation}</rpc>'.encode())
        reply = await self.next_reply()
        assert reply.get("message-id") == str(self._number)
        return reply

    async def next_reply(self) -> Element:
        """The next rpc-reply, to what was sent with `send`; waits for it."""
        while not self._replies:
            await self._take()
        return self._replies.popleft()

    async def rpc(self, operation: str) -> Element:
        """As `reply`; raises Refused where it has rpc-errors."""
        reply = await self.reply(operation)
        if reply.find(nc("rpc-error")) is not None:
            raise Refused(reply)
        return reply

    async def data(self, operation: str) -> Element:
        """The <data> of a reply."""
        found = (await self.rpc(operation)).find(nc("data"))
        assert found is not None
        return found

    async def notification(self) -> Element:
        """The next notification; waits for it."""
        while not self._notifications:
            await self._take()
        return self._notifications.popleft()

    async def ended(self) -> None:
        """Wait until the server is done with this session."""
        await asyncio.wait_for(asyncio.shield(self.serving), PATIENCE)

    async def close(self) -> None:
        """Hang up."""
        self.channel.to_server.put_nowait(b"")
        await self.ended()

    async def _take(self) -> None:
        message = parse_document(await self._message())
        (self._replies if message.tag == nc("rpc-reply") else self._notifications).append(message)

    async def _message(self) -> bytes:
        data = b""
        while True:
            for message in self._decoder.feed(data):
                return message
            data = await asyncio.wait_for(self.channel.to_client.get(), PATIENCE)
            if not data:
                raise ConnectionResetError("the server closed the session")


class Endpoint:
    """A server; `await endpoint.open("alice")` is a session of hers."""

    def __init__(self, server: Northbound) -> None:
        self.server = server
        self.database = server.database
        self._clients: list[Client] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Endpoint:
        await self._stack.enter_async_context(self.server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.channel.abort()
        await asyncio.gather(*(client.serving for client in self._clients), return_exceptions=True)
        await self._stack.aclose()

    async def open(
        self,
        username: str = "admin",
        *,
        groups: frozenset[str] = frozenset({"admin"}),
        version: str = BASE_1_1,
        source_host: str = "127.0.0.1",
    ) -> Client:
        channel = MemoryChannel(username, source_host)
        serving = asyncio.ensure_future(self.server.endpoint.converse(channel, groups))
        client = Client(channel, serving, version)
        self._clients.append(client)
        await client.open()
        return client


@asynccontextmanager
async def ruled_endpoint(database: Database, models: Models) -> AsyncIterator[Endpoint]:
    """The server on a store that had no documents, with the rules that a new one gets by `casm init`."""
    rules = [SetDocument(module, xml) for module, xml in first_documents().items()]
    change(database, Author("fixture"), rules)
    async with Endpoint(Northbound(database, models)) as endpoint:
        yield endpoint


__all__ = ["BASE_1_0", "BASE_1_1", "Client", "Endpoint", "MemoryChannel", "Refused", "ruled_endpoint"]
