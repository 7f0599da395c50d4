"""An operator's `casm` as processes of their own on a store of their own, and what plain ncclient sees."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree
from ncclient import manager
from ncclient.transport import session as ncclient_session

from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddDevice, AddDevicePool, AddPool, AddSpace, Edit, change
from casm_ctrl.service.release import release
from casm_ctrl.service.verb import Document
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from casm_ctrl.store.migrate import create_store
from casm_ctrl.sync import reconciler
from tests.peers.netconfd import Netconfd
from tests.sync_world import Casm, shared_forks

NAMESPACE = "urn:ietf:params:xml:ns:yang:ietf-address-pool"
AUTHOR = Author("operator")
_PATIENCE = 60
"""Seconds that one command may take."""

Leaves = Mapping[str, str]
Pools = dict[str, dict[str, Leaves]]
"""Leaves by name, by the entry's key, by the pool's name."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def answer(self) -> Document:
        document: Document = json.loads(self.stdout)
        return document


@dataclass
class Controller:
    """`casm` with a database in `folder`, which is its user's home too: nobody's known hosts count."""

    folder: Path
    database: Path = field(init=False)

    def __post_init__(self) -> None:
        self.database = self.folder / "casm.db"

    def start(self, *words: str, **environment: str) -> Casm:
        """Start `casm --json`; `environment` is added to its environment."""
        arguments = ("--json", "--database", str(self.database), *words)
        return shared_forks().start(arguments, {**os.environ, "HOME": str(self.folder), **environment})

    def end(self, process: Casm) -> Ended:
        """Wait until it ends."""
        done = process.wait(_PATIENCE)
        return Ended(done.code, done.out, done.err)

    def run(self, *words: str, status: int = 0, **environment: str) -> Ended:
        """Run one command that must end with `status`."""
        ended = self.end(self.start(*words, **environment))
        assert ended.status == status, f"casm {' '.join(words)}: {ended}"
        return ended

    def __call__(self, *words: str, status: int = 0) -> Document:
        return self.run(*words, status=status).answer

    def apply(self, *words: str, status: int = 0) -> Document:
        """The result for each device, by its name."""
        return {device["name"]: device for device in self("apply", *words, status=status)["device"]}

    def add_device(self, name: str, server: Netconfd, role: str = "bng", host: str | None = None) -> None:
        self(
            *("device", "add", name, "--role", role, "--driver", "ietf-address-pool"),
            *("--host", host or server.host, "--port", str(server.port)),
            *("--user", server.user, "--credential", server.credential),
        )

    # --- The same without a process, where a test is about something else --------------------------

    def prepare(self, *edits: Edit) -> None:
        """Make the store and its one space, and then `edits`."""
        database, _ = create_store(str(self.database))
        try:
            change(database, AUTHOR, [AddSpace("default"), *edits])
        finally:
            database.close()

    @contextmanager
    def opened(self) -> Iterator[Database]:
        database = open_database(str(self.database))
        try:
            yield database
        finally:
            database.close()

    def allocate(self, device_pool: str, count: int = 1) -> list[str]:
        with self.opened() as database:
            return [block["id"] for block in allocate(database, AUTHOR, device_pool, count=count)["block"]]

    def release(self, *blocks: str) -> None:
        with self.opened() as database:
            release(database, AUTHOR, blocks)

    def apply_here(self, confirm_removal: int | None = None) -> Document:
        """The result for each device, by its name."""
        options = reconciler.Options(wait=10, confirm_removal=confirm_removal)
        with self.opened() as database:
            done = asyncio.run(reconciler.apply(database, AUTHOR, (), options, lambda device, what: None))
        return {device["name"]: device for device in done["device"]}

    def states(self) -> dict[str, str]:
        """The state of each live block by its id."""
        return {f"b{number}": state for number, state in self.query("SELECT id, state FROM block")}

    def pending(self) -> int:
        """How many confirmed commits may be pending, as far as the store knows."""
        return len(self.query("SELECT 1 FROM pending_commit"))

    def query(self, statement: str) -> list[Any]:
        with sqlite3.connect(self.database) as connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows

    def let_leases_end(self) -> None:
        """As if the 15 s had passed for which a killed process keeps a device."""
        self.query("UPDATE device_lease SET expires = 1 WHERE expires > 0")


def device(
    name: str, server: Netconfd, *, role: str = "bng", host: str | None = None, commit: float | None = None
) -> AddDevice:
    """`server` as a device whose host key is known."""
    return AddDevice(
        name=name,
        role=role,
        driver="ietf-address-pool",
        host=host or server.host,
        port=server.port,
        user=server.user,
        credential=server.credential,
        space="default",
        host_key=server.host_key,
        deadlines=() if commit is None else (("commit", commit),),
    )


def pool(name: str = "p4", prefix: str = "198.51.100.0/22", *, rest: int = 3600) -> AddPool:
    """A pool whose blocks rest for `rest` seconds."""
    return AddPool(name, "default", (prefix,), quarantine=rest, lease_time=rest)


def device_pool(name: str, length: int = 26) -> AddDevicePool:
    return AddDevicePool(name, ("p4",), length)


# --- What anybody sees with a standard client -----------------------------------------------------


def connect(server: Netconfd) -> Any:
    """A session of plain ncclient."""
    ncclient_session.TICK = 0.005  # what it waits before it sends; as shipped it is 0.1 s
    return manager.connect(
        host=server.host,
        port=server.port,
        username=server.user,
        key_filename=str(server.client_key),
        hostkey_verify=False,
        allow_agent=False,
        look_for_keys=False,
    )


def read(server: Netconfd, source: str = "running") -> str:
    """The whole configuration as ncclient prints it."""
    with connect(server) as session:
        return str(session.get_config(source).data_xml)


def read_pools(server: Netconfd, source: str = "running") -> Pools:
    """The address pools of `source` with their entries."""
    return pools_of(read(server, source))


def pools_of(configuration: str) -> Pools:
    found: Pools = {}
    for pool in etree.fromstring(configuration.encode()).iter(f"{{{NAMESPACE}}}address-pool"):
        entries = pool.iterfind("p:address-pool-entries/p:ipv4-address-range", {"p": NAMESPACE})
        found[_text(pool, "address-pool-name")] = {
            _text(entry, "ipv4-address-range-name"): {
                etree.QName(leaf).localname: leaf.text or ""
                for leaf in entry.iterchildren("{*}*")
                if etree.QName(leaf).localname != "ipv4-address-range-name"
            }
            for entry in entries
        }
    return found


def read_element(server: Netconfd, pool: str, path: str) -> list[bytes]:
    """What is at `path` (names with the prefix p) in one pool, byte by byte."""
    root = etree.fromstring(read(server).encode())
    nodes = root.iterfind(f".//p:address-pool[p:address-pool-name='{pool}']/{path}", {"p": NAMESPACE})
    return [etree.tostring(node, method="c14n") for node in nodes]


def edit(server: Netconfd, inside: str, *, default: str = "merge") -> None:
    """Somebody else's edit of the address pools, committed."""
    with connect(server) as session:
        stage(session, inside, default=default)
        session.commit()


def stage(session: Any, inside: str, *, default: str = "merge") -> None:
    """Somebody else's edit of the address pools in the candidate."""
    session.edit_config(
        target="candidate",
        default_operation=default,
        config=f'<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
        f' xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        f'<address-pools xmlns="{NAMESPACE}">{inside}</address-pools></config>',
    )


def a_range(pool: str, name: str, lower: str, upper: str, *more: str) -> str:
    """A pool with one range, for `edit`."""
    leaves = "".join(more)
    return (
        f"<address-pool><address-pool-name>{pool}</address-pool-name><address-pool-entries>"
        f"<ipv4-address-range><ipv4-address-range-name>{name}</ipv4-address-range-name>"
        f"<ip-lower-address>{lower}</ip-lower-address><ip-upper-address>{upper}</ip-upper-address>{leaves}"
        f"</ipv4-address-range></address-pool-entries></address-pool>"
    )


def _text(element: etree._Element, name: str) -> str:
    return element.findtext(f"{{{NAMESPACE}}}{name}") or ""
