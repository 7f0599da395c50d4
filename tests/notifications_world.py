"""What the tests of notifications share: sessions without a server, on a clock that only they move."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from lxml import etree

from casm_ctrl.base.clock import ManualClock, to_rfc3339
from casm_ctrl.netconf.messages import Answer, Data, Ok, Output
from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.notifications.names import PUSH, SUBSCRIBED
from casm_ctrl.northbound.notifications.part import GET_DATA, Notifications
from casm_ctrl.service.configuration import AddSpace, change
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.yang.engine import Engine, Violation, engine_for
from casm_ctrl.yang.modules import Module, find_module
from casm_ctrl.yang.schema import load_schema

MODULES = (
    "casm-pools",
    "casm-devices",
    "casm-events",
    "notifications",
    "nc-notifications",
    "ietf-netconf-notifications",
    "ietf-subscribed-notifications",
    "ietf-yang-push",
    "ietf-yang-patch",
    "ietf-datastores",
    "ietf-netconf-nmda",
)
EVENTS = "urn:casm:yang:casm-events"
POOLS = "urn:casm:yang:casm-pools"

_T = TypeVar("_T")


async def inline(work: Callable[[], _T]) -> _T:
    """In place of a thread."""
    return work()


class Outlet:
    """A client: what it was sent, and whether it reads."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.acts: list[Callable[[], None]] = []
        self.reading = asyncio.Event()
        self.reading.set()

    def send(self, message: bytes) -> None:
        self.messages.append(message)

    async def drain(self) -> None:
        await self.reading.wait()

    def after_reply(self, act: Callable[[], None]) -> None:
        self.acts.append(act)


class Session:
    """One session, and what it received."""

    def __init__(self, world: World, number: int, username: str) -> None:
        self.world = world
        self.outlet = Outlet()
        self.caller = Caller(number, username, "192.0.2.9", self.outlet)
        self._read = 0

    async def call(self, operation: str) -> Answer:
        """Do an operation, and what follows its reply."""
        element = etree.fromstring(operation)
        answer = await self.world.part.operations.awaited[str(element.tag)](self.caller, element)
        acts, self.outlet.acts = self.outlet.acts, []
        for act in acts:
            act()
        await self.world.settle()
        return answer

    async def create(self, inner: str = "") -> None:
        """create-subscription of RFC 5277."""
        answer = await self.call(f'<create-subscription xmlns="{NOTIFICATION}">{inner}</create-subscription>')
        assert isinstance(answer, Ok)

    async def establish(self, inner: str) -> int:
        """establish-subscription; the id."""
        answer = await self.call(establish(inner))
        assert isinstance(answer, Output)
        node = answer.nodes[0]
        assert not isinstance(node, bytes)
        return int(node.text or "")

    async def refused(self, operation: str) -> RpcError:
        """The error of an operation that must not be done."""
        try:
            await self.call(operation)
        except RpcError as error:
            return error
        raise AssertionError(f"was done: {operation}")

    def received(self) -> list[Element]:
        """The notifications since the last call; each is valid by its modules."""
        news = self.outlet.messages[self._read :]
        self._read = len(self.outlet.messages)
        for message in news:
            self.world.check(message)
        return [etree.fromstring(message) for message in news]

    def names(self) -> list[str]:
        """The names of what came since the last call."""
        return [local_name(message[1]) for message in self.received()]


class World:
    """Notifications on a store. `read` is what get-data gives."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.engine: Engine = engine_for(*MODULES)
        self.denied: set[str] = set()
        self.reads: list[Element] = []
        self.selection: Sequence[Element] | RpcError = ()
        self.part = Notifications(
            database,
            clock,
            inline,
            may_receive=lambda caller, content: local_name(content) not in self.denied,
            reading={GET_DATA: self._get_data},
            schema=load_schema(MODULES),
            modules=_modules(),
            poll=None,
        )
        self.streams = self.part.streams
        self._sessions = 0

    def check(self, message: bytes) -> None:
        """A notification is valid by its modules. What an edit names is in the datastore, which is not here."""
        try:
            self.engine.validate(message, what="notification")
        except Violation as violation:
            if "required instance not found" not in violation.message:
                raise

    def state(self, tag: str) -> Element:
        """A top-level node of what get shows."""
        node = self.part.state[tag]()
        assert node is not None
        return node

    def open(self, username: str = "alice") -> Session:
        self._sessions += 1
        session = Session(self, self._sessions, username)
        self.streams._live.add(self._sessions)
        return session

    def happen(self, name: str = "x", **more: Any) -> None:
        """One change of configuration: two notifications."""
        change(self.database, Author(more.get("actor", "op@cli"), None, "test"), [AddSpace(name)])

    async def tick(self, seconds: float = 0) -> None:
        """Time passes, and the server looks for news."""
        if seconds:
            self.clock.advance(seconds)
        await self.streams.tick()
        await self.settle()

    async def settle(self) -> None:
        """Until nobody has anything left to do, or waits for a client."""
        for _ in range(200):
            await asyncio.sleep(0)

    def at(self, seconds: float) -> str:
        """The time so many seconds from now."""
        return to_rfc3339(self.clock.now() + round(seconds * 1_000_000))

    def _get_data(self, caller: Caller, operation: Element) -> Answer:
        self.reads.append(operation)
        if isinstance(self.selection, RpcError):
            raise self.selection
        return Data(list(self.selection))


@cache
def _template() -> bytes:
    """An empty store: the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "casm.db"
        database, _ = create_store(str(path), ManualClock())
        database.close()
        return path.read_bytes()


def make_world(folder: Path) -> Iterator[World]:
    """A fixture's body: a world on an empty store in `folder`."""
    path = folder / "casm.db"
    path.write_bytes(_template())
    clock = ManualClock()
    database = open_database(str(path), clock)
    yield World(database, clock)
    database.close()


@cache
def _modules() -> Sequence[Module]:
    return [find_module(name) for name in MODULES]


def establish(inner: str) -> str:
    return f'<establish-subscription xmlns="{SUBSCRIBED}">{inner}</establish-subscription>'


def usage(free: str, pool: str = "p", allocated: str = "0") -> list[Element]:
    """/pools/pool/usage as get-data gives it."""
    return [
        etree.fromstring(
            f'<pools xmlns="{POOLS}"><pool><name>{pool}</name><usage>'
            f"<allocated-addresses>{allocated}</allocated-addresses>"
            f"<free-addresses>{free}</free-addresses></usage></pool></pools>"
        )
    ]


def push(trigger: str, selection: str = "", more: str = "") -> str:
    """The inside of an establish-subscription to the operational datastore."""
    return (
        f'<yp:datastore xmlns:yp="{PUSH}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
        f'ds:operational</yp:datastore>{selection}{more}<x xmlns="{PUSH}"/>'
    ).replace(f'<x xmlns="{PUSH}"/>', trigger)
