"""The datastores of the controller: running is the store, the candidate is in memory, one for all sessions.

A commit is the difference of two configurations, made in one transaction of the store; what the store refuses is
an rpc-error with its path, and changes nothing. What a confirmed commit makes is kept beside the store's tables until
it is confirmed (service.pending_commit).

Where others change the configuration, the candidate goes with it: its own difference is put on what is running now.
Where both touched the same piece, the commit is refused; docs/decisions says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from lxml import etree

from casm_ctrl.base.clock import SECOND, Micros
from casm_ctrl.base.deadlines import LEASE_RENEWAL
from casm_ctrl.base.errors import CasmError, PlanOutdated, YangInvalid
from casm_ctrl.base.processes import this_process
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.datastores.configuration import (
    Configuration,
    Name,
    changed,
    difference,
    path_of,
    same_piece,
)
from casm_ctrl.netconf.datastores.rules import NO_SESSION, RUNNING, DatastoreRules, Pending, refusal
from casm_ctrl.netconf.datastores.service import HeldLock
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.configuration.edits import PlacedEdit, edits_between
from casm_ctrl.northbound.configuration.judging import Judge
from casm_ctrl.northbound.configuration.prefix_values import with_canonical_prefixes
from casm_ctrl.northbound.configuration.refusals import commit_refusal
from casm_ctrl.northbound.configuration.running import Running
from casm_ctrl.northbound.configuration.touching import touched_by
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.service import config_lock, configuration, pending_commit
from casm_ctrl.service.pending_commit import Proposal
from casm_ctrl.store import pending_commits
from casm_ctrl.store.config_lock import ConfigLock, Holder
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from casm_ctrl.store.pending_commits import ConfirmedCommit

_TRIES = 20
"""Times that a commit is made anew because others change the configuration at the same time."""

CheckChange = Callable[[Caller, Element, Element], None]
"""Raises RpcError where the caller may not make the one configuration the other (RFC 8341)."""


PruneTree = Callable[[Caller, Element], Element]
"""A configuration without what the caller may not read."""


@dataclass(frozen=True)
class _View:
    """The configuration as it was looked at last."""

    revision: int
    stored: Configuration
    shown: Configuration
    commit: ConfirmedCommit | None


class Datastores(DatastoreRules[Configuration]):
    """`callers` are the live sessions by id. Not safe between threads: who serves does one operation after the
    other, but for `content` and `get_config`."""

    def __init__(
        self,
        database: Database,
        running: Running,
        callers: Mapping[int, Caller],
        check_change: CheckChange | None = None,
        prune_tree: PruneTree | None = None,
    ) -> None:
        """What a dead server left pending is taken back here (RFC 6241, 8.4: the server restarted)."""
        super().__init__(running.schema, database.clock, writable_running=False)
        self.server = token_hex(8)
        self._database = database
        self._rendered = running
        self._callers = callers
        self._check_change = check_change
        self._prune_tree = prune_tree
        self._process = this_process()
        self._judge_of = Judge(running.schema, running.engine)
        self._base: Configuration | None = None
        """What was running when the candidate was put on it."""
        self._conflicts: list[Name] = []
        """Pieces that both the candidate and others changed."""
        self._deadline: Micros | None = None
        """Of our own pending commit, in our clock."""
        self._renewed = Micros(0)
        pending_commit.sweep(database)
        self._view = self._look()
        self._valid = self._view.shown

    # --- What they hold ---------------------------------------------------------------------------

    @property
    def running(self) -> Configuration:
        return self._view.shown

    @property
    def pending(self) -> Pending | None:
        commit = self._view.commit
        if commit is None:
            return None
        ours = commit.holder.server == self.server
        session_id = commit.holder.session_id if ours else NO_SESSION
        deadline = self._deadline if ours and self._deadline is not None else commit.deadline
        return Pending(session_id, commit.persist_id, deadline)

    def content(self, source: str) -> Element:
        """The whole content of a datastore, not to be changed."""
        if source == RUNNING or (source == "candidate" and self._candidate is None):
            return self._rendered.tree()[1]
        return self._content(source).tree

    def get_config(self, source: str, subtree: Element | None = None) -> list[Element]:
        """Copies of a datastore's top-level nodes, or of what the `<filter>` selects (7.1)."""
        return apply_filter(self.content(source), subtree, self._schema)

    # --- Time -------------------------------------------------------------------------------------

    def next_deadline(self) -> Micros | None:
        """When `expire` will have something to do: a timeout, or to keep what we hold in the store."""
        ours = self._view.commit is not None and self._view.commit.holder.server == self.server
        if not ours and RUNNING not in self._locks:
            return None
        renewal = Micros(self._renewed + round(LEASE_RENEWAL * SECOND))
        return min(renewal, self._deadline) if ours and self._deadline is not None else renewal

    def expire(self) -> None:
        """Undo the pending confirmed commit where its time is over, keep what we hold, and look at what is running."""
        now = self._clock.now()
        self._view = self._look()
        if self._view.commit is None or self._view.commit.holder.server != self.server:
            self._deadline = None  # another server, which took ours for dead, took it back
        if self._deadline is not None and self._deadline <= now:
            self._take_back("timeout")
        elif self._view.commit is not None and pending_commit.sweep(self._database):
            self._view = self._look()
        deadline = self.next_deadline()
        if deadline is not None and deadline <= now:
            config_lock.renew(self._database, self.server)
            self._renewed = now
        self._rebase()

    def _look(self, renewed: tuple[int, Configuration, Sequence[Name]] | None = None) -> _View:
        """`renewed`: a revision that we made, what it was made from, and the pieces that it touched."""
        with self._database.read() as tx:
            if renewed is not None:
                self._rendered.renew(tx, *renewed)
            found = self._rendered.look_in(tx)
            commit = pending_commits.find_pending(tx) if found.pending else None
        return _View(found.revision, found.stored, found.shown, commit)

    def _rebase(self) -> None:
        """Put what the candidate changes on what is running now."""
        if self._candidate is None or self._base is self._view.shown or self._base is None:
            return
        base, shown, candidate = self._base, self._view.shown, self._candidate
        mine, theirs = changed(base, candidate), set(changed(base, shown))
        self._conflicts = [name for name in mine if name in theirs and not _agree(candidate, shown, name)]
        if not self._conflicts:
            self._candidate = shown.with_pieces({name: candidate.pieces.get(name) for name in mine})
            self._base = shown

    # --- What is done to it -----------------------------------------------------------------------

    def validate(self, source: str | Element) -> None:
        """Validate a datastore, or the configuration in a `<config>` element (8.6.4.1), and ask the store whether it
        would take it."""
        super().validate(source)
        content = self._source(source)
        names = changed(self._view.stored, content)
        placed = self._placed(content, names)
        try:
            with self._database.rehearse() as tx:
                configuration.apply_edits(tx, [one.edit for one in placed])
        except CasmError as error:
            raise commit_refusal(error, placed, content.part(names)) from error

    def copy_config(self, session_id: int, target: str, source: str | Element) -> None:
        """As in every server; of another datastore only what the session may read is copied (RFC 8341, 3.2.6)."""
        if isinstance(source, str) and source != target and self._prune_tree is not None:
            whole = self.content(source)
            pruned = self._prune_tree(self._callers[session_id], whole)
            if pruned is not whole:
                source = pruned
        super().copy_config(session_id, target, source)

    def close(self) -> None:
        """The server ends: what it has pending, persistent or not, is taken back, as by a restart (8.4.1)."""
        self.expire()
        if self._view.commit is not None and self._view.commit.holder.server == self.server:
            self._take_back("timeout")

    def _source(self, source: str | Element) -> Configuration:
        found = super()._source(source)
        if isinstance(source, str):
            return found
        shared = found.sharing(self._view.shown)
        return shared if changed(self._view.shown, shared) else self._view.shown

    def _edited(self, content: Configuration, config: Element, default_operation: str) -> Configuration:
        """A value that its type forbids is refused whatever the test-option says (RFC 7950, 8.3.1)."""
        try:
            edited = content.edited(with_canonical_prefixes(config), default_operation)
            return self._judge_of.canonical(content, edited)
        except YangInvalid as error:
            raise refusal(error, self._schema) from error

    def _judge(self, content: Configuration) -> None:
        self._judge_of.judge(content, self._valid)

    def _empty(self) -> Configuration:
        return Configuration(self._schema, {})

    def _authorise(self, session_id: int, before: Configuration, after: Configuration) -> None:
        if self._check_change is not None:
            names = changed(before, after)
            if names:
                self._check_change(self._callers[session_id], before.part(names), after.part(names))

    def _put(self, session_id: int, target: str, content: Configuration) -> None:
        if self._candidate is None:
            self._base, self._conflicts = self._view.shown, []
        super()._put(session_id, target, content)

    def _store(self, session_id: int, target: str, content: Configuration) -> None:
        raise rpc_error.operation_not_supported(f"{target} cannot be written here: use the candidate")

    def _committable(self) -> Configuration:
        if self._candidate is not None and self._conflicts:
            name = self._conflicts[0]
            holds = self._candidate if name in self._candidate.pieces else self._view.shown
            path = path_of(holds if name in holds.pieces else self._base or holds, name)
            raise RpcError(
                "application",
                "operation-failed",
                app_tag="candidate-outdated",
                path=path.text,
                namespaces=path.namespaces,
                message="others changed this since it was edited in the candidate: discard-changes, and edit again",
            )
        return self.candidate

    def _commit(self, session_id: int, content: Configuration) -> None:
        holder = self.holder(session_id)
        author = Author(self._callers[session_id].actor, session=holder)
        for _ in range(_TRIES):
            view = self._view
            names = changed(view.stored, content)
            placed = self._placed(content, names)
            edits = [one.edit for one in placed]
            try:
                if view.commit is not None:
                    revision = pending_commit.confirm(
                        self._database, author, holder, view.commit, edits, revision=view.revision
                    )
                elif edits:
                    done = configuration.change(self._database, author, edits, revision=view.revision)
                    revision = int(done["config-revision"])
                else:
                    return
            except PlanOutdated:
                content = self._again()
                continue
            except CasmError as error:
                raise commit_refusal(error, placed, content.part(names)) from error
            self._deadline = None
            self._view = self._look((revision, view.stored, names))
            self._valid = self._view.shown
            return
        raise rpc_error.in_use("others change the configuration all the time: commit again")

    def _commit_confirmed(self, content: Configuration, pending: Pending, timeout: int) -> None:
        holder = self.holder(pending.session_id)
        author = Author(self._callers[pending.session_id].actor, session=holder)
        for _ in range(_TRIES):
            view = self._view
            names = changed(view.stored, content)
            placed = self._placed(content, names)
            edit = difference(view.stored, content, names)
            proposal = Proposal(
                [one.edit for one in placed],
                etree.tostring(edit, encoding="unicode"),
                touched_by(view.stored, content, names),
            )
            try:
                pending_commit.begin(
                    self._database,
                    author,
                    holder,
                    proposal,
                    timeout=timeout,
                    persist_id=pending.persist,
                    revision=view.revision,
                )
            except PlanOutdated:
                content = self._again()
                continue
            except CasmError as error:
                raise commit_refusal(error, placed, content.part(names)) from error
            self._deadline, self._renewed = pending.deadline, self._clock.now()
            self._view = self._look((view.revision + 1, view.stored, ()))
            return
        raise rpc_error.in_use("others change the configuration all the time: commit again")

    def _again(self) -> Configuration:
        """What is to be committed, after others were faster."""
        self._view = self._look()
        self._rebase()
        content = self._committable()
        self._validate(content)
        return content

    def _roll_back(self, session_id: int) -> None:
        self._take_back("cancel", session_id)

    def _take_back(self, why: str, session_id: int = NO_SESSION) -> None:
        commit = self._view.commit
        if commit is not None:
            caller = self._callers.get(session_id)
            author = Author(f"{commit.holder.user}@netconf" if caller is None else caller.actor)
            if session_id != NO_SESSION:
                author = replace(author, session=self.holder(session_id))
            pending_commit.cancel(self._database, author, why)
        self._deadline = None
        self._view = self._look((self._view.revision + 1, self._view.stored, ()))
        self._rebase()

    def _leave(self) -> None:
        commit = self._view.commit
        assert commit is not None
        pending_commit.leave(self._database, self.server, commit.holder.session_id)
        self._view = self._look()

    # --- Locks ------------------------------------------------------------------------------------

    def _lock_running(self, session_id: int) -> None:
        found = config_lock.lock(self._database, self.holder(session_id))
        if found is not None:
            ours = found.holder.server == self.server
            what = "holds the lock" if isinstance(found, ConfigLock) else "has a confirmed commit pending"
            where = "" if ours else " of another server"
            raise rpc_error.lock_denied(
                found.holder.session_id if ours else NO_SESSION,
                f"session {found.holder.session_id} of {found.holder.user}{where} {what}",
            )
        self._renewed = self._clock.now()

    def _unlock_running(self, session_id: int) -> None:
        config_lock.unlock(self._database, self.holder(session_id))

    def locks(self) -> dict[str, HeldLock]:
        """That of running is in the store, and may be another server's."""
        found = super().locks()
        found.pop(RUNNING, None)
        with self._database.read() as tx:
            held = config_lock.standing_lock(tx)
        if held is not None:
            ours = held.holder.server == self.server
            found[RUNNING] = HeldLock(held.holder.session_id if ours else NO_SESSION, held.since)
        return found

    def holder(self, session_id: int) -> Holder:
        """What the store knows a session of this server by."""
        caller = self._callers.get(session_id)
        return Holder(self.server, session_id, "" if caller is None else caller.username, self._process)

    def _placed(self, content: Configuration, names: Sequence[Name]) -> list[PlacedEdit]:
        """The edits that make the store's configuration `content`, which differs in the pieces of `names`."""
        if not names:
            return []
        stored = self._view.stored
        return edits_between(stored.part(names), content.part(names))


def _agree(one: Configuration, other: Configuration, name: Name) -> bool:
    a, b = one.pieces.get(name), other.pieces.get(name)
    if a is None or b is None:
        return a is b
    return same_piece(a, b, one.schema)
