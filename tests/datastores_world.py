"""A controller's datastores on a small network, asked in XML as a client does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lxml import etree

from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import CasmError
from casm_ctrl.netconf.messages import Ok
from casm_ctrl.netconf.names import (
    BASE,
    CANDIDATE,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    VALIDATE_1_0,
    VALIDATE_1_1,
    YANG,
    Element,
)
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.server.dispatch import Operations
from casm_ctrl.netconf.server.sessions import Sessions
from casm_ctrl.northbound.configuration.datastores import CheckChange, Datastores, PruneTree
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.northbound.refusals import rpc_error_of
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import engine_for
from casm_ctrl.yang.schema import load_schema
from tests.no_outlet import NoOutlet

MODULES = ("casm-devices", "casm-pools")
CAPABILITIES = (CANDIDATE, CONFIRMED_COMMIT_1_1, ROLLBACK_ON_ERROR, VALIDATE_1_0, VALIDATE_1_1)
POOLS = "urn:casm:yang:casm-pools"
DEVICES = "urn:casm:yang:casm-devices"

NETWORK: list[Edit] = [
    AddSpace("s", "the space"),
    AddPool("p", "s", ("10.0.0.0/16",), description="the pool", labels=(("region", "north"),)),
    AddPool("q", "s", ("10.1.0.0/16",)),
    AddDevice("bng1", "bng", "ietf-address-pool", "192.0.2.1", 830, "casm", "env:SECRET", "s"),
    AddDevicePool("bng1/internet", ("p", "q"), 24),
    AddDevice("bng2", "bng", "ietf-address-pool", "192.0.2.2", 830, "casm", "env:SECRET", "s"),
]


class World:
    """`alice` is session 1, `bob` session 2, `carol` session 3."""

    def __init__(
        self,
        database: Database,
        clock: ManualClock,
        check_change: CheckChange | None = None,
        prune_tree: PruneTree | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.check_change = check_change
        self.prune_tree = prune_tree
        self.callers: dict[int, Caller] = {}
        self.start()

    def start(self) -> None:
        """Another server on the store, with sessions of its own."""
        schema = load_schema(MODULES)
        self.callers = {
            number: Caller(number, name, "127.0.0.1", NoOutlet())
            for number, name in enumerate(("alice", "bob", "carol"), start=1)
        }
        self.running = Running(self.database, schema, engine_for(*MODULES))
        self.datastores = Datastores(
            self.database, self.running, self.callers, self.check_change, self.prune_tree
        )
        sessions = Sessions(self.clock, self.datastores.session_ended)
        self.operations = Operations(self.datastores, sessions, schema, CAPABILITIES, (), list)

    # --- Asking -----------------------------------------------------------------------------------

    def ok(self, operation: str, session: int = 1) -> None:
        """Do an operation that is answered `<ok/>`."""
        assert isinstance(self.operations.call(session, _operation(operation)), Ok)

    def refused(self, operation: str, session: int = 1) -> RpcError:
        """The error of an operation that is refused."""
        try:
            answer = self.operations.call(session, _operation(operation))
        except RpcError as error:
            return error
        except CasmError as error:
            return rpc_error_of(error)
        raise AssertionError(f"{operation} was answered {answer}")

    def edit(self, config: str, session: int = 1, **options: str) -> None:
        self.ok(edit(config, **options), session)

    def edit_refused(self, config: str, session: int = 1, **options: str) -> RpcError:
        """The error of an edit that is refused and has changed nothing."""
        before = etree.tostring(self.datastores.candidate.tree)
        error = self.refused(edit(config, **options), session)
        assert etree.tostring(self.datastores.candidate.tree) == before
        return error

    def end(self, session: int) -> None:
        """A session is gone."""
        del self.callers[session]
        self.datastores.session_ended(session)

    def pass_time(self, seconds: int) -> None:
        """Time passes, and the server does what it has to do at its deadlines."""
        until = self.clock.now() + seconds * SECOND
        while True:
            deadline = self.datastores.next_deadline()
            if deadline is None or deadline > until:
                break
            self.clock.advance(max(0, deadline - self.clock.now()) / SECOND)
            self.datastores.expire()
        self.clock.advance((until - self.clock.now()) / SECOND)

    # --- Looking ----------------------------------------------------------------------------------

    def find(self, datastore: str, path: str) -> list[str]:
        """The texts at an XPath of prefixes p and d in a datastore."""
        tree = self.datastores.content(datastore)
        found = tree.xpath(path, namespaces={"p": POOLS, "d": DEVICES})
        assert isinstance(found, list)
        return [str(node.text if isinstance(node, etree._Element) else node) for node in found]

    def spaces(self, datastore: str = "running") -> list[str]:
        return self.find(datastore, "p:address-spaces/p:address-space/p:name")

    def description(self, datastore: str = "running", pool: str = "p") -> str | None:
        return next(iter(self.find(datastore, f"p:pools/p:pool[p:name='{pool}']/p:description")), None)

    def cli(self, *edits: Edit) -> None:
        """Somebody changes the configuration without NETCONF."""
        change(self.database, Author("cli"), edits)


def edit(config: str, target: str = "candidate", **options: str) -> str:
    given = "".join(
        f"<{name.replace('_', '-')}>{value}</{name.replace('_', '-')}>" for name, value in options.items()
    )
    return f"<edit-config><target><{target}/></target>{given}<config>{config}</config></edit-config>"


def pool(name: str, inside: str = "", attributes: str = "") -> str:
    return f"<pools xmlns='{POOLS}'><pool{attributes}><name>{name}</name>{inside}</pool></pools>"


def space(name: str, inside: str = "", attributes: str = "") -> str:
    entry = f"<address-space{attributes}><name>{name}</name>{inside}</address-space>"
    return f"<address-spaces xmlns='{POOLS}'>{entry}</address-spaces>"


def device(name: str, inside: str = "", attributes: str = "") -> str:
    return f"<devices xmlns='{DEVICES}'><device{attributes}><name>{name}</name>{inside}</device></devices>"


def device_pool(inside: str, attributes: str = "", name: str = "internet") -> str:
    """The device pool of bng1."""
    return device("bng1", f"<device-pool{attributes}><name>{name}</name>{inside}</device-pool>")


def new_pool(name: str, prefix: str) -> str:
    return pool(
        name,
        f"<address-space>s</address-space><family>ipv4</family><prefix>{prefix}</prefix>",
    )


def op(name: str) -> str:
    """An operation attribute."""
    return f" nc:operation='{name}'"


def described(text: str, name: str = "p") -> str:
    return pool(name, f"<description>{text}</description>")


def _operation(text: str) -> Element:
    """Prefixes nc and yang may be used in it."""
    opened, found, rest = text.partition("/>" if text.endswith("/>") and text.count("<") == 1 else ">")
    return etree.fromstring(f"{opened} xmlns='{BASE}' xmlns:nc='{BASE}' xmlns:yang='{YANG}'{found}{rest}")


def open_world(
    database: Database,
    clock: ManualClock,
    check_change: CheckChange | None = None,
    prune_tree: PruneTree | None = None,
) -> World:
    change(database, Author("fixture"), NETWORK)
    return World(database, clock, check_change, prune_tree)


@contextmanager
def world_on(
    path: Path, check_change: CheckChange | None = None, prune_tree: PruneTree | None = None
) -> Iterator[World]:
    """The network in an empty store, by a clock that starts anew."""
    clock = ManualClock()
    database = open_database(str(path), clock)
    try:
        yield open_world(database, clock, check_change, prune_tree)
    finally:
        database.close()
