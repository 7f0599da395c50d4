"""The configuration datastores of one server: running, candidate and startup (RFC 6241, 5, 7 and 8.1 to 8.8).

All in memory and synchronous; the time comes from a clock, and nothing happens by itself: who serves calls
`expire` at `next_deadline` (each operation does so too). Trees are never changed once they are stored, so
a datastore is a reference, commit and rollback cost nothing beyond validation, and a caller may keep
`running` to see later whether it is still the same object.

A change is all or nothing, which satisfies each error-option. A tree that was found valid is not validated
again: test-then-set of the candidate and its commit cost one validation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from lxml import etree

from casm_ctrl.base.clock import SECOND, Clock, Micros
from casm_ctrl.base.errors import YangInvalid, netconf_error
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.edit import apply_edit
from casm_ctrl.netconf.filters import apply_filter
from casm_ctrl.netconf.names import DEFAULT_BASE, Element, nc
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import Prefixes, schema_namespaces
from casm_ctrl.yang.engine import Violation
from casm_ctrl.yang.schema import Schema

RUNNING, CANDIDATE, STARTUP = "running", "candidate", "startup"

NO_SESSION = 0
"""The session-id of an entity that is no NETCONF session, or no longer (RFC 6241, 7.5)."""


@dataclass(frozen=True)
class _Pending:
    """A confirmed commit that waits for its confirmation (RFC 6241, 8.4)."""

    before: Element
    """Running as it was before the first confirmed commit of the sequence."""
    session_id: int
    persist: str | None
    deadline: Micros


class Datastores:
    """One server's datastores, shared by all of its sessions.

    `validate` gets a complete configuration and raises YangInvalid. `confirmed_commit="1.0"` knows no persist
    and no cancel-commit; dispatch keeps such requests away, here it means that `persist` is refused.
    `rollback_delay` is for faulty devices: how much later than promised a confirmed commit's timeout takes effect,
    in microseconds; until then a confirmation is still taken.

    Errors are RpcError; a failed operation has changed nothing.
    """

    def __init__(
        self,
        schema: Schema,
        validate: Callable[[Element], None],
        clock: Clock,
        *,
        running: Element | None = None,
        with_startup: bool = False,
        writable_running: bool = True,
        confirmed_commit: Literal["1.0", "1.1"] = "1.1",
        rollback_delay: int = 0,
    ) -> None:
        self.rollback_delay = rollback_delay
        self._schema = schema
        self._engine = validate
        self._clock = clock
        self._writable_running = writable_running
        self._confirmed_commit = confirmed_commit
        self._running = _empty() if running is None else copy.deepcopy(running)
        self._candidate: Element | None = None
        """None: not modified, the same as running whatever becomes of that."""
        self._editor = NO_SESSION
        self._startup = self._running if with_startup else None
        self._locks: dict[str, int] = {}
        self._pending: _Pending | None = None
        self._valid: Element | None = None
        """The tree that `validate` accepted last."""

    # --- What they hold ---------------------------------------------------------------------------

    @property
    def running(self) -> Element:
        """Not to be changed, and not to be moved into another document; so for the other two."""
        return self._running

    @property
    def candidate(self) -> Element:
        return self._running if self._candidate is None else self._candidate

    @property
    def startup(self) -> Element | None:
        return self._startup

    @property
    def candidate_modified(self) -> bool:
        """True from the first edit of the candidate until it is committed or discarded."""
        return self._candidate is not None

    def get_config(self, source: str, subtree: Element | None = None) -> list[Element]:
        """Copies of a datastore's top-level nodes, or of what the `<filter>` selects (7.1)."""
        self.expire()
        return apply_filter(self._content(source), subtree, self._schema)

    # --- Changing (7.2 to 7.4) --------------------------------------------------------------------

    def edit_config(
        self,
        session_id: int,
        target: str,
        config: Element,
        default_operation: str = "merge",
        test_option: str | None = None,
        error_option: str = "stop-on-error",
    ) -> None:
        """Apply the edit in `config`. Without a test-option (a server without :validate) only running is tested."""
        self.expire()
        if target == STARTUP:
            raise rpc_error.invalid_value("startup cannot be edited: copy to it", layer="protocol")
        self._check_writable(session_id, target)
        if test_option not in (None, "test-then-set", "set", "test-only"):
            raise rpc_error.invalid_value(f"'{test_option}' is not a test-option", layer="protocol")
        if error_option not in ("stop-on-error", "continue-on-error", "rollback-on-error"):
            raise rpc_error.invalid_value(f"'{error_option}' is not an error-option", layer="protocol")
        tree = apply_edit(self._content(target), config, self._schema, default_operation)
        # Running must always be valid (RFC 7950, 8.1), whatever the test-option says.
        if target == RUNNING or test_option in ("test-then-set", "test-only"):
            self._validate(tree)
        if test_option != "test-only":
            self._store(session_id, target, tree)

    def copy_config(self, session_id: int, target: str, source: str | Element) -> None:
        """Replace a datastore by another, or by the configuration in a `<config>` element (7.3)."""
        self.expire()
        self._check_writable(session_id, target)
        if source == target:
            raise rpc_error.invalid_value(f"source and target are both {target}", layer="protocol")
        tree = self._source(source)
        if target != CANDIDATE:
            self._validate(tree)
        self._store(session_id, target, tree)

    def delete_config(self, session_id: int, target: str) -> None:
        """Empty the startup datastore; no other can be deleted (7.4)."""
        self.expire()
        if target != STARTUP:
            raise rpc_error.invalid_value(f"{target} cannot be deleted", layer="protocol")
        self._check_writable(session_id, target)
        self._startup = _empty()

    def validate(self, source: str | Element) -> None:
        """Validate a datastore, or the configuration in a `<config>` element (8.6.4.1)."""
        self.expire()
        self._validate(self._source(source))

    # --- Locks (7.5, 7.6) -------------------------------------------------------------------------

    def lock(self, session_id: int, target: str) -> None:
        """Lock a datastore for a session; lock-denied with the session that stands in the way."""
        self.expire()
        self._content(target)
        holder = self._locks.get(target)
        if holder is not None:
            raise rpc_error.lock_denied(holder)
        if target == CANDIDATE and self.candidate_modified:
            raise rpc_error.lock_denied(
                self._editor, "the candidate has been modified, and neither committed nor discarded"
            )
        if target == RUNNING and self._pending is not None and self._pending.session_id != session_id:
            raise rpc_error.lock_denied(
                self._pending.session_id, "a confirmed commit of another session is pending"
            )
        self._locks[target] = session_id

    def unlock(self, session_id: int, target: str) -> None:
        """Release a session's lock. Uncommitted changes of the candidate go with it (8.3.5.2)."""
        self.expire()
        self._content(target)
        if self._locks.get(target) != session_id:
            raise rpc_error.operation_failed(
                f"session {session_id} does not hold the lock of {target}", layer="protocol"
            )
        self._release(target)

    def session_ended(self, session_id: int) -> None:
        """A session is gone: its locks go, and its confirmed commit is undone unless it persists (8.4.1)."""
        self.expire()
        for target in [target for target, holder in self._locks.items() if holder == session_id]:
            self._release(target)
        if self._editor == session_id:
            self._editor = NO_SESSION
        if self._pending is not None and self._pending.session_id == session_id:
            if self._pending.persist is None:
                self._roll_back(self._pending)
            else:
                self._pending = replace(self._pending, session_id=NO_SESSION)

    # --- The candidate (8.3, 8.4) -----------------------------------------------------------------

    def commit(
        self,
        session_id: int,
        confirmed: bool = False,
        confirm_timeout: int = 600,
        persist: str | None = None,
        persist_id: str | None = None,
    ) -> None:
        """Make the candidate the running configuration; for good, or until `confirm_timeout` seconds are over.

        While a confirmed commit is pending any commit confirms it; a confirmed one extends it, and what is
        restored in the end is running as it was before the first of them.
        """
        self.expire()
        if persist is not None and self._confirmed_commit == "1.0":
            raise rpc_error.unknown_element("persist", "confirmed-commit:1.0 has no <persist>")
        if persist is not None and not confirmed:
            raise rpc_error.invalid_value("persist is for a confirmed commit", layer="protocol")
        if confirm_timeout < 1:
            raise rpc_error.invalid_value("confirm-timeout is at least 1 second", layer="protocol")
        self._check_unlocked(session_id, RUNNING)
        self._check_unlocked(session_id, CANDIDATE)
        pending = self._own_pending(session_id, persist_id)
        self._validate(self.candidate)
        before = pending.before if pending else self._running
        self._running, self._candidate = self.candidate, None
        self._pending = None
        if confirmed:
            self._pending = _Pending(
                before=before,
                session_id=session_id,
                persist=persist if persist is not None or pending is None else pending.persist,
                deadline=Micros(self._clock.now() + confirm_timeout * SECOND),
            )

    def cancel_commit(self, session_id: int, persist_id: str | None = None) -> None:
        """Undo the pending confirmed commit at once (8.4.4.1)."""
        self.expire()
        pending = self._own_pending(session_id, persist_id)
        if pending is None:
            raise rpc_error.operation_failed("no confirmed commit is pending", layer="protocol")
        self._check_unlocked(session_id, RUNNING)
        self._roll_back(pending)

    def discard_changes(self, session_id: int) -> None:
        """Make the candidate what running is (8.3.4.2)."""
        self.expire()
        self._check_unlocked(session_id, CANDIDATE)
        self._candidate = None

    # --- Time -------------------------------------------------------------------------------------

    def next_deadline(self) -> Micros | None:
        """When `expire` will have something to do."""
        if self._pending is None:
            return None
        return Micros(self._pending.deadline + self.rollback_delay)

    def expire(self) -> None:
        """Undo the pending confirmed commit where its time is over."""
        deadline = self.next_deadline()
        if self._pending is not None and deadline is not None and deadline <= self._clock.now():
            self._roll_back(self._pending)

    def reboot(self, startup: Element | None = None) -> None:
        """Start again: no sessions, no locks, no candidate, no pending commit.

        Running comes from `startup` where given (an old file, a restored backup), else from the startup datastore,
        else it is what it was (8.4.1: without what was not confirmed).
        """
        if self._pending is not None:
            self._roll_back(self._pending)
        self._locks.clear()
        self._candidate = None
        if startup is not None:
            self._running = copy.deepcopy(startup)
            if self._startup is not None:
                self._startup = self._running
        elif self._startup is not None:
            self._running = self._startup

    # --- Rules ------------------------------------------------------------------------------------

    def _content(self, name: str) -> Element:
        content = {RUNNING: self._running, CANDIDATE: self.candidate, STARTUP: self._startup}.get(name)
        if content is None:
            raise rpc_error.invalid_value(f"there is no datastore {name} here", layer="protocol")
        return content

    def _source(self, source: str | Element) -> Element:
        if isinstance(source, str):
            return self._content(source)
        return apply_edit(_empty(), source, self._schema, "replace")

    def _check_writable(self, session_id: int, target: str) -> None:
        self._content(target)
        if target == RUNNING and not self._writable_running:
            raise rpc_error.operation_not_supported("running cannot be written here: use the candidate")
        self._check_unlocked(session_id, target)

    def _check_unlocked(self, session_id: int, target: str) -> None:
        holder = self._locks.get(target)
        if holder is not None and holder != session_id:
            raise rpc_error.in_use(f"{target} is locked by session {holder}")

    def _own_pending(self, session_id: int, persist_id: str | None) -> _Pending | None:
        """The pending confirmed commit, where this session may confirm, extend or cancel it (8.4.5.1)."""
        pending = self._pending
        if persist_id is not None and (pending is None or pending.persist != persist_id):
            raise rpc_error.invalid_value(f"no confirmed commit '{persist_id}' is pending", layer="protocol")
        if pending is None or persist_id is not None:
            return pending
        if pending.persist is not None:
            raise rpc_error.in_use("a persistent confirmed commit is pending: its persist-id is needed")
        if pending.session_id != session_id:
            raise rpc_error.in_use(f"a confirmed commit of session {pending.session_id} is pending")
        return pending

    def _validate(self, tree: Element) -> None:
        if tree is self._valid:
            return
        try:
            self._engine(tree)
        except YangInvalid as error:
            raise _refusal(error, self._schema) from error
        self._valid = tree

    def _store(self, session_id: int, target: str, tree: Element) -> None:
        if target == RUNNING:
            self._running = tree
        elif target == STARTUP:
            self._startup = tree
        else:
            self._candidate = None if tree is self._running else tree
            self._editor = session_id

    def _release(self, target: str) -> None:
        del self._locks[target]
        if target == CANDIDATE:
            self._candidate = None

    def _roll_back(self, pending: _Pending) -> None:
        self._running = pending.before
        self._pending = None


def _empty() -> Element:
    return etree.Element(nc("config"), nsmap=DEFAULT_BASE)


def _refusal(error: YangInvalid, schema: Schema) -> RpcError:
    """What the engine found, as rpc-error; the engine names the tag where YANG gives one (RFC 7950, 8.3 and 15)."""
    row = netconf_error(error)
    tag, app_tag = (error.tag, error.app_tag) if isinstance(error, Violation) else (row.tag, row.app_tag)
    # The engine's prefixes are module names, and those are what `Prefixes` makes of IETF-style namespaces.
    prefixes = Prefixes()
    for namespace in schema_namespaces(schema):
        prefixes.prefix(namespace)
    bound = {p: uri for p, uri in prefixes.namespaces.items() if f"{p}:" in (error.path or "")}
    return RpcError(row.type, tag, app_tag=app_tag, path=error.path, message=error.message, namespaces=bound)
