"""The lock of the running configuration, and a confirmed commit that is pending, in the store."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from casm_ctrl.base.clock import ManualClock
from casm_ctrl.base.errors import InUse, NotFound, Overlap, PendingConfirm, PlanOutdated, Refusal
from casm_ctrl.base.processes import Process, this_machine, this_process
from casm_ctrl.service import config_lock, pending_commit
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import (
    AddDevicePool,
    AddPool,
    AddSpace,
    ChangeDevice,
    Edit,
    RemoveDevicePool,
    change,
)
from casm_ctrl.service.pending_commit import Proposal
from casm_ctrl.service.replacement import ReplaceDevice, replace_device
from casm_ctrl.store import pending_commits, pools, spaces
from casm_ctrl.store.config_lock import ConfigLock, Holder
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, list_events
from casm_ctrl.store.pending_commits import ConfirmedCommit
from tests.exchange_world import give

AUTHOR = Author("tester")
OURS = this_process()
ALICE = Holder("server-1", 4, "alice", OURS)
BOB = Holder("server-1", 5, "bob", OURS)
FAR = Holder("server-2", 4, "carol", Process("another machine", "1/1"))
EDITS: list[Edit] = [AddPool("new", "s", ("10.9.0.0/16",)), AddDevicePool("bng1/new", ("new",), 24)]


def _revision(database: Database) -> int:
    with database.read() as tx:
        return spaces.get_store(tx).config_revision


def _begin(database: Database, edits: list[Edit] = EDITS, holder: Holder = ALICE) -> ConfirmedCommit:
    proposal = Proposal(edits, "", {"pool": ("new", "p"), "device-pool": ("bng1/new", "bng1/internet")})
    return pending_commit.begin(
        database, AUTHOR, holder, proposal, timeout=600, persist_id=None, revision=_revision(database)
    )


def _gone() -> Process:
    """A process of this machine that has ended, whose number may well be another's already."""
    run = subprocess.run(
        [sys.executable, "-c", "from casm_ctrl.base.processes import this_process; print(this_process().id)"],
        check=True,
        capture_output=True,
        text=True,
    )
    return Process(this_machine(), run.stdout.strip())


# --- Processes ------------------------------------------------------------------------------------


def test_a_process_is_there_or_gone() -> None:
    assert not OURS.is_gone()
    assert _gone().is_gone()
    assert Process(this_machine(), f"{os.getpid()}/1").is_gone()  # its number was given out again
    assert not FAR.process.is_gone()  # nobody here can know


# --- The lock -------------------------------------------------------------------------------------


def test_who_has_the_lock_may_change_and_nobody_else(network: Database) -> None:
    assert config_lock.lock(network, ALICE) is None
    for other in (None, BOB, FAR):
        with pytest.raises(InUse, match="locked by alice, NETCONF session 4, since"):
            change(network, replace(AUTHOR, session=other), [AddSpace("t")])
    change(network, replace(AUTHOR, session=ALICE), [AddSpace("t")])
    assert config_lock.unlock(network, ALICE)
    change(network, AUTHOR, [AddSpace("u")])


def test_what_else_changes_configuration_is_bound_too(network: Database) -> None:
    config_lock.lock(network, ALICE)
    with pytest.raises(InUse, match="alice"):
        give(network, "address-space,description\nt,\n", "csv")
    with pytest.raises(InUse, match="alice"):
        replace_device(network, Author("tester", reason="burnt"), ReplaceDevice("bng1", "ssh-ed25519 AAAA"))


def test_the_lock_is_denied_with_who_has_it(network: Database) -> None:
    config_lock.lock(network, ALICE)
    for other in (BOB, FAR, ALICE):
        held = config_lock.lock(network, other)
        assert isinstance(held, ConfigLock)
        assert held.holder == ALICE
    assert not config_lock.unlock(network, BOB)
    assert not config_lock.unlock(network, Holder("server-2", 4, "alice", OURS))


def test_a_lock_ends_when_its_server_does_not_renew_it(network: Database, clock: ManualClock) -> None:
    config_lock.lock(network, FAR)
    clock.advance(14)
    config_lock.renew(network, "server-2")
    clock.advance(14)
    with pytest.raises(InUse):
        change(network, AUTHOR, [AddSpace("t")])
    clock.advance(1)
    change(network, AUTHOR, [AddSpace("t")])
    assert config_lock.lock(network, ALICE) is None


def test_a_lock_ends_at_once_where_its_process_is_gone(network: Database) -> None:
    config_lock.lock(network, Holder("server-0", 9, "ghost", _gone()))
    change(network, AUTHOR, [AddSpace("t")])
    assert config_lock.lock(network, ALICE) is None


def test_another_servers_renewal_keeps_nothing(network: Database, clock: ManualClock) -> None:
    config_lock.lock(network, FAR)
    clock.advance(14)
    config_lock.renew(network, "server-1")
    clock.advance(1)
    assert config_lock.lock(network, ALICE) is None


# --- A confirmed commit ---------------------------------------------------------------------------


def test_nothing_is_made_before_it_is_confirmed(network: Database) -> None:
    before = _revision(network)
    commit = _begin(network)
    assert _revision(network) == before + 1  # what is running has changed
    with network.read() as tx:
        assert pools.find_pool(tx, "new") is None
    pending_commit.confirm(network, AUTHOR, ALICE, commit, EDITS, revision=before + 1)
    with network.read() as tx:
        assert pools.find_pool(tx, "new") is not None
        assert pending_commits.find_pending(tx) is None
        seen = [(e.verb, e.subject) for e in list_events(tx) if e.verb == "confirmed-commit"]
    assert seen == [("confirmed-commit", "start"), ("confirmed-commit", "complete")]


def test_what_confirm_would_refuse_is_refused_at_once(network: Database) -> None:
    allocate(network, AUTHOR, "bng1/internet")
    revision = _revision(network)
    with pytest.raises(InUse) as caught:
        _begin(network, [AddSpace("t"), RemoveDevicePool("bng1/internet")])
    assert caught.value.edit_index == 1
    with pytest.raises(Overlap):
        _begin(network, [AddPool("new", "s", ("10.0.128.0/17",))])
    assert _revision(network) == revision
    with network.read() as tx:
        assert spaces.find_space(tx, "t") is None
        assert pending_commits.find_pending(tx) is None


def test_nothing_is_allocated_from_what_it_touches(network: Database) -> None:
    _begin(network, [*EDITS, RemoveDevicePool("bng1/internet")])
    for label in ("bng1/new", "bng1/internet", "bng2/internet"):
        for dry_run in (False, True):
            with pytest.raises(PendingConfirm, match="confirmed commit of alice") as caught:
                allocate(network, Author("tester", "r-1"), label, dry_run=dry_run)
    assert "'p'" in caught.value.message
    pending_commit.cancel(network, AUTHOR)
    assert allocate(network, AUTHOR, "bng1/internet")["block"]


def test_what_was_drafted_before_is_not_used_while_it_is_pending(network: Database) -> None:
    """An allocation that is one statement looks at the revision only."""
    for number in range(3):
        allocate(network, Author("tester", f"r-{number}"), "bng1/internet")
    _begin(network)
    with pytest.raises(PendingConfirm):
        allocate(network, Author("tester", "r-9"), "bng1/internet")


def test_what_it_does_not_touch_is_allocated(network: Database) -> None:
    change(network, AUTHOR, [AddPool("q", "s", ("10.8.0.0/16",)), AddDevicePool("bng2/q", ("q",), 24)])
    _begin(network)
    assert allocate(network, AUTHOR, "bng2/q")["block"]


def test_nobody_changes_configuration_while_it_is_pending(network: Database) -> None:
    commit = _begin(network)
    for holder in (None, ALICE, BOB):
        with pytest.raises(InUse, match="confirmed commit of alice is pending until"):
            change(network, replace(AUTHOR, session=holder), [ChangeDevice("bng1", client="ncclient")])
    pending = config_lock.lock(network, BOB)
    assert isinstance(pending, ConfirmedCommit)
    assert pending.holder == ALICE
    assert config_lock.lock(network, ALICE) is None
    pending_commit.confirm(network, AUTHOR, ALICE, commit, [], revision=_revision(network))


def test_it_ends_with_its_time(network: Database, clock: ManualClock) -> None:
    commit = _begin(network, holder=FAR)
    for _ in range(60):
        clock.advance(10)
        config_lock.renew(network, "server-2")
    with pytest.raises(NotFound):
        pending_commit.confirm(network, AUTHOR, ALICE, commit, EDITS, revision=_revision(network))
    assert allocate(network, AUTHOR, "bng1/internet")["block"]
    assert pending_commit.sweep(network)
    assert not pending_commit.sweep(network)
    change(network, AUTHOR, EDITS)


def test_it_ends_with_its_server(network: Database, clock: ManualClock) -> None:
    _begin(network, holder=FAR)
    assert not pending_commit.sweep(network)
    clock.advance(15)
    assert pending_commit.sweep(network)
    _begin(network, holder=Holder("server-0", 1, "ghost", _gone()))
    assert pending_commit.sweep(network)


def test_a_confirmation_is_of_one_commit(network: Database, clock: ManualClock) -> None:
    """One that was extended meanwhile, or another, is not what was seen."""
    commit = _begin(network)
    clock.advance(1)
    _begin(network)
    with pytest.raises(NotFound):
        pending_commit.confirm(network, AUTHOR, ALICE, commit, EDITS, revision=_revision(network))
    with pytest.raises(PlanOutdated):
        pending_commit.confirm(network, AUTHOR, ALICE, commit, EDITS, revision=1)


def test_a_refused_change_says_which_edit(network: Database) -> None:
    with pytest.raises(Refusal) as caught:
        change(network, AUTHOR, [AddSpace("t"), AddSpace("t")])
    assert caught.value.edit_index == 1


def test_a_change_for_an_older_revision_is_refused(network: Database) -> None:
    with pytest.raises(PlanOutdated, match="at revision 1"):
        change(network, AUTHOR, [AddSpace("t")], revision=0)
    change(network, AUTHOR, [AddSpace("t")], revision=1)
