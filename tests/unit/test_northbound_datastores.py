"""The controller's datastores on both kinds of store: servers side by side, and what a process leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import InUse, PendingConfirm
from casm_ctrl.netconf.rpc_error import to_peer_error
from casm_ctrl.netconf.trees import same_configuration
from casm_ctrl.northbound.configuration.datastores import Datastores
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddSpace, ChangeDevice, change
from casm_ctrl.service.views import status
from casm_ctrl.store.database import Database, open_database
from casm_ctrl.store.events import Author
from tests.datastores_world import (
    NETWORK,
    World,
    described,
    device,
    device_pool,
    edit,
    new_pool,
    op,
    open_world,
    pool,
    space,
)

LOCK = "<lock><target><running/></target></lock>"
PERSIST = "<commit><confirmed/><persist>token</persist></commit>"
CONFIRMED = "<commit><confirmed/></commit>"


@pytest.fixture
def world(database: Database, clock: ManualClock) -> World:
    return open_world(database, clock)


def test_what_is_shown_after_a_commit_is_what_is_stored(world: World) -> None:
    """Only what was touched is rendered anew: the rest must still be what the store holds."""
    world.edit(
        space("t", "<description>x</description>")
        + new_pool("n", "10.9.0.0/16")
        + device_pool("<pool>n</pool><length>26</length>", name="new")
    )
    world.edit(device("bng2", attributes=op("delete")))
    world.edit(pool("q", f"<label><name>a</name><value/></label><prefix{op('create')}>10.2.0.0/16</prefix>"))
    world.ok("<commit/>")
    fresh = Running(world.database, world.running.schema, world.running.engine)
    assert same_configuration(world.running.tree()[1], fresh.tree()[1], fresh.schema)
    assert world.running.tree()[0] == fresh.tree()[0]


def test_what_is_pending_is_shown_until_it_is_taken_back(world: World) -> None:
    before = etree.tostring(world.datastores.content("running"))
    world.edit(device_pool("<pool>p</pool><length>26</length>", name="new") + described("new"))
    world.ok(CONFIRMED)
    fresh = Running(world.database, world.running.schema, world.running.engine)
    assert same_configuration(world.running.tree()[1], fresh.tree()[1], fresh.schema)
    with pytest.raises(PendingConfirm):
        allocate(world.database, Author("x"), "bng1/new")
    world.ok("<cancel-commit/>")
    assert etree.tostring(world.datastores.content("running")) == before


def test_servers_of_one_store_exclude_each_other(world: World) -> None:
    """Two processes with sessions of the same numbers."""
    first = world.datastores
    world.ok(LOCK, 1)
    world.start()
    error = world.refused(LOCK, 1)
    assert (error.tag, to_peer_error(error).session_id) == ("lock-denied", 0)
    world.edit(space("t"), 1)
    assert world.refused("<commit/>", 1).tag == "in-use"
    first.session_ended(1)
    world.ok("<commit/>", 1)
    assert world.spaces() == ["s", "t"]
    first.expire()
    assert b"<name>t</name>" in etree.tostring(first.content("running"))


def test_a_dead_servers_lock_and_commit_end(world: World, clock: ManualClock) -> None:
    """Nobody renews them, for its sessions are gone with it."""
    world.edit(described("new"))
    world.ok(PERSIST)
    world.ok(LOCK)
    world.start()
    assert world.refused(LOCK).tag == "lock-denied"
    assert world.description() == "new"
    clock.advance(15)
    world.datastores.expire()
    assert world.description() == "the pool"
    world.ok(LOCK)


def test_a_server_that_slept_does_not_bring_it_back(world: World, clock: ManualClock) -> None:
    """SIGSTOP: others took it for dead; it finds out, and what it had pending is gone."""
    world.edit(described("new"))
    world.ok(PERSIST)
    clock.advance(20)
    change(world.database, Author("cli"), [AddSpace("t")])
    world.datastores.expire()
    assert world.datastores.pending is None
    assert world.refused("<commit><persist-id>token</persist-id></commit>").tag == "invalid-value"
    assert (world.description(), world.spaces()) == ("the pool", ["s", "t"])


def test_a_commit_beside_others_changes_is_made_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at running and the transaction somebody was faster."""
    world.edit(described("mine"))
    placed = Datastores._placed
    raced: list[bool] = []

    def slow(self: Datastores, *arguments: object) -> object:
        found = placed(self, *arguments)  # type: ignore[arg-type]
        if not raced:
            raced.append(True)
            world.cli(ChangeDevice("bng1", client="ncclient"))
        return found

    monkeypatch.setattr(Datastores, "_placed", slow)
    world.ok("<commit/>")
    assert world.description() == "mine"
    assert world.find("running", "d:devices/d:device/d:client") == ["ncclient"]


def test_who_may_commit_is_checked_by_what_is_changed_then(world: World) -> None:
    world.edit(described("mine"))
    with pytest.raises(InUse):
        world.ok(CONFIRMED)
        world.cli(AddSpace("t"))
    assert status(world.database)["confirmed-commit"]["user"] == "alice"


def test_the_audit_names_the_user(world: World) -> None:
    from casm_ctrl.store.events import list_events

    world.edit(space("t"))
    world.ok("<commit/>", 2)
    with world.database.read() as tx:
        event = list_events(tx)[-1]
    assert (event.actor, event.verb, event.subject) == ("bob@netconf", "space-add", "t")


_PENDING = """
import sys
from casm_ctrl.store.database import open_database
from tests.datastores_world import World, described
database = open_database(sys.argv[1])
world = World(database, database.clock)
world.edit(described("new"))
world.ok("<commit><confirmed/><persist>token</persist></commit>")
world.ok("<lock><target><running/></target></lock>") if sys.argv[2] == "lock" else None
assert world.description() == "new"
print("pending", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("lock", ["lock", "no lock"])
def test_after_kill_9_the_next_start_has_the_old_configuration(store_path: Path, lock: str) -> None:
    """At once, and not when a lease has ended: it is known that the process is gone (promise 2)."""
    database = open_database(str(store_path))
    change(database, Author("fixture"), NETWORK)
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _PENDING, str(store_path), lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "pending\n"
        with pytest.raises(InUse):
            change(database, Author("cli"), [AddSpace("t")])
        process.send_signal(signal.SIGKILL)
        process.wait()
        world = World(database, ManualClock())
        assert world.description() == "the pool"
        assert world.datastores.pending is None
        change(database, Author("cli"), [AddSpace("t")])
        world.ok(edit(space("u")))
        world.ok("<commit/>")
        assert world.spaces() == ["s", "t", "u"]
    database.close()
