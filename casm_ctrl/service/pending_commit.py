"""A confirmed commit of our configuration (RFC 6241, 8.4): rehearsed, kept beside the store's tables, and made when
it is confirmed.

So it always can be taken back. What it needs is checked when it begins, by making it and taking that back in one
transaction; so that the confirmation is not refused later, nothing is allocated meanwhile from what it touches, and
nobody else changes configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from casm_ctrl.base.clock import SECOND, Micros, to_rfc3339
from casm_ctrl.base.deadlines import LEASE
from casm_ctrl.base.errors import NotFound, PendingConfirm, Refusal
from casm_ctrl.service import configuration
from casm_ctrl.service.config_lock import check_free, standing_commit, standing_lock
from casm_ctrl.service.configuration import Edit
from casm_ctrl.service.verb import Document
from casm_ctrl.store import pending_commits, spaces
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author, Event, record
from casm_ctrl.store.pending_commits import ConfirmedCommit, Names
from casm_ctrl.store.savepoint import savepoint
from casm_ctrl.store.transaction import Mode, Transaction

VERB, KIND = "confirmed-commit", "configuration"
"""How the audit names what becomes of one; its subject is start, extend, complete, cancel or timeout."""


@dataclass(frozen=True)
class Proposal:
    """What a confirmed commit is to make. `edits` do it in the store; `edit` is the same as an edit-config's content,
    for who shows it; `touched` are the things that nothing may be allocated from until it is confirmed."""

    edits: Sequence[Edit]
    edit: str
    touched: Names


class _Rehearsed(Refusal):
    """Takes the rehearsal back."""


def begin(
    database: Database,
    author: Author,
    holder: Holder,
    proposal: Proposal,
    *,
    timeout: int,
    persist_id: str | None,
    revision: int,
) -> ConfirmedCommit:
    """Keep a confirmed commit for `timeout` seconds, instead of the one that is pending, where there is one.

    Raises what making its edits would raise; PlanOutdated where the configuration is not at `revision` any more;
    InUse where another has running locked.
    """

    def body(tx: Transaction) -> ConfirmedCommit:
        configuration.expect(tx, revision)
        check_free(tx, holder, settles=True)
        try:
            with savepoint(tx):
                configuration.apply_edits(tx, proposal.edits)
                raise _Rehearsed("")
        except _Rehearsed:
            pass
        before = standing_commit(tx)
        commit = ConfirmedCommit(
            holder=holder,
            persist_id=persist_id,
            began=tx.now,
            deadline=Micros(tx.now + timeout * SECOND),
            edit=proposal.edit,
            touched=proposal.touched,
            expires=Micros(tx.now + round(LEASE * SECOND)),
        )
        pending_commits.put_pending(tx, commit)
        words = f"until {to_rfc3339(commit.deadline)}, {len(proposal.edits)} change(s)"
        by_holder = replace(author, session=holder)
        what = "start" if before is None else "extend"
        _record(tx, by_holder, what, words, spaces.bump_config_revision(tx))
        return commit

    return database.run(body, Mode.CONFIGURE)


def confirm(
    database: Database,
    author: Author,
    holder: Holder,
    commit: ConfirmedCommit,
    edits: Sequence[Edit],
    *,
    revision: int,
) -> int:
    """Make `edits` for good instead of `commit`, which is pending no more. Returns the new config-revision.

    NotFound where that is not pending; besides, what `configuration.change` raises.
    """

    def body(tx: Transaction) -> int:
        configuration.expect(tx, revision)
        pending = standing_commit(tx)
        if pending is None or pending.began != commit.began:
            raise NotFound("the confirmed commit is not pending any more", "its time was over: commit again")
        pending_commits.delete_pending(tx)
        by_holder = replace(author, session=holder)
        _record(tx, by_holder, "complete", f"{len(edits)} change(s)", revision + 1)
        return configuration.make(tx, by_holder, edits)

    return database.run(body, Mode.CONFIGURE)


def cancel(database: Database, author: Author, why: str = "cancel") -> None:
    """Take back what is pending; nothing where that is so already. `why`: cancel or timeout."""

    def body(tx: Transaction) -> None:
        if pending_commits.delete_pending(tx):
            _record(tx, author, why, "", spaces.bump_config_revision(tx))

    database.run(body)


def sweep(database: Database) -> bool:
    """Take back what is pending and ended: its time is over, or its server dead. True where there was one."""
    with database.read() as tx:
        pending = pending_commits.find_pending(tx)
        if pending is None or not pending.ended(tx.now):
            return False

    def body(tx: Transaction) -> bool:
        found = pending_commits.find_pending(tx)
        if found is None or not found.ended(tx.now):
            return False
        pending_commits.delete_pending(tx)
        _record(tx, Author(found.holder.user), "timeout", "", spaces.bump_config_revision(tx))
        return True

    return database.run(body)


def leave(database: Database, server: str, session_id: int) -> None:
    """The session that began what is pending is gone, and it persists."""
    database.run(lambda tx: pending_commits.leave_pending(tx, server, session_id))


def check_untouched(tx: Transaction, device_pool: str, pools: Iterable[str] = ()) -> None:
    """PendingConfirm where a pending commit adds, changes or removes the device pool, or one of the pools.

    Costs nothing where nothing is pending, or nothing of these.
    """
    touched = pending_commits.touched_names(tx)
    if not touched:
        return
    for kind, names in (("device-pool", [device_pool]), ("pool", list(pools))):
        for name in names:
            if name in touched.get(kind, ()) and (pending := standing_commit(tx)) is not None:
                raise PendingConfirm(
                    f"{kind.replace('-', ' ')} '{name}' is changed by a confirmed commit of {pending.holder.user}"
                    f" that is pending until {to_rfc3339(pending.deadline)}",
                    "allocate when it was confirmed, or cancelled",
                )


def status(tx: Transaction) -> Document:
    """Who has running locked, and what is pending, in words of JSON; empty where nothing is."""
    document: Document = {}
    held, pending = standing_lock(tx), standing_commit(tx)
    if held is not None:
        document["configuration-lock"] = {
            "user": held.holder.user,
            "session-id": held.holder.session_id,
            "since": to_rfc3339(held.since),
        }
    if pending is not None:
        document["confirmed-commit"] = {
            "user": pending.holder.user,
            "began": to_rfc3339(pending.began),
            "deadline": to_rfc3339(pending.deadline),
            "persist": pending.persist_id is not None,
        }
        if pending.holder.session_id:
            document["confirmed-commit"]["session-id"] = pending.holder.session_id
    return document


def _record(tx: Transaction, author: Author, what: str, words: str, revision: int) -> None:
    record(tx, author, [Event(VERB, KIND, 0, what, reason=words)], revision=revision)
