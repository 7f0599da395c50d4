"""What holds for the configuration datastores of any server (RFC 6241, 5, 7 and 8.1 to 8.8): who may change what
when, what a candidate is, how a confirmed commit goes.

Where running is kept, and what a datastore's content is, the classes below it say. The content is never changed
once it is stored, so that a datastore is a reference. Nothing happens by itself: who serves calls `expire` at
`next_deadline` (each operation does so too).

A change is all or nothing, which satisfies each error-option. A content that was found valid is not validated
again: test-then-set of the candidate and its commit cost one validation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from lxml import etree

from casm_ctrl.base.clock import SECOND, Clock, Micros
from casm_ctrl.base.errors import YangInvalid, netconf_error
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.datastores.service import HeldLock
from casm_ctrl.netconf.names import DEFAULT_BASE, Element, nc
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.trees import Prefixes, schema_namespaces
from casm_ctrl.netconf.violations import to_rpc_error, xpath
from casm_ctrl.yang.engine import Violation
from casm_ctrl.yang.schema import Schema

RUNNING, CANDIDATE, STARTUP = "running", "candidate", "startup"

NO_SESSION = 0
"""The session-id of an entity that is no NETCONF session, or no longer (RFC 6241, 7.5)."""

Content = TypeVar("Content")
"""What a datastore holds."""


@dataclass(frozen=True)
class Pending:
    """A confirmed commit that waits for its confirmation (RFC 6241, 8.4)."""

    session_id: int
    persist: str | None
    deadline: Micros


class DatastoreRules(ABC, Generic[Content]):
    """One server's datastores, shared by all of its sessions.

    `confirmed_commit="1.0"` knows no persist and no cancel-commit; dispatch keeps such requests away, here it means
    that `persist` is refused. Errors are RpcError; a failed operation has changed nothing.
    """

    def __init__(
        self,
        schema: Schema,
        clock: Clock,
        *,
        writable_running: bool,
        confirmed_commit: Literal["1.0", "1.1"] = "1.1",
    ) -> None:
        self._schema = schema
        self._clock = clock
        self._writable_running = writable_running
        self._confirmed_commit = confirmed_commit
        self._candidate: Content | None = None
        """None: not modified, the same as running whatever becomes of that."""
        self._editor = NO_SESSION
        self._locks: dict[str, HeldLock] = {}
        self._valid: Content | None = None
        """What was accepted last."""

    # --- What they hold ---------------------------------------------------------------------------

    @property
    @abstractmethod
    def running(self) -> Content:
        """Not to be changed."""

    @property
    @abstractmethod
    def pending(self) -> Pending | None:
        """The confirmed commit that waits for its confirmation."""

    @property
    def candidate(self) -> Content:
        return self.running if self._candidate is None else self._candidate

    @property
    def startup(self) -> Content | None:
        """None: there is no such datastore."""
        return None

    @property
    def candidate_modified(self) -> bool:
        """True from the first edit of the candidate until it is committed or discarded."""
        return self._candidate is not None

    def locks(self) -> dict[str, HeldLock]:
        """By datastore, of those that are locked. On any thread."""
        return dict(self._locks)

    # --- What is done to it -----------------------------------------------------------------------

    @abstractmethod
    def _edited(self, content: Content, config: Element, default_operation: str) -> Content:
        """What the edit in `config` makes of it; RpcError where it cannot be applied."""

    @abstractmethod
    def _judge(self, content: Content) -> None:
        """YangInvalid or RpcError where a complete configuration is not valid."""

    @abstractmethod
    def _empty(self) -> Content: ...

    @abstractmethod
    def _store(self, session_id: int, target: str, content: Content) -> None:
        """Make it the content of running or startup."""

    @abstractmethod
    def _commit(self, session_id: int, content: Content) -> None:
        """Make it running for good; what was pending is confirmed by it."""

    @abstractmethod
    def _commit_confirmed(self, content: Content, pending: Pending, timeout: int) -> None:
        """Make it running until it is confirmed or `timeout` seconds are over; what was pending is extended by it."""

    @abstractmethod
    def _roll_back(self, session_id: int) -> None:
        """Make running what it was before what is pending, for a session; NO_SESSION: its time is over."""

    @abstractmethod
    def _leave(self) -> None:
        """The session of what is pending is gone, and it persists."""

    def _authorise(self, session_id: int, before: Content, after: Content) -> None:
        """RpcError where the session may not make that change (RFC 8341, 3.2)."""

    def _lock_running(self, session_id: int) -> None:
        """Lock running against others than NETCONF sessions; lock-denied where they are faster."""

    def _unlock_running(self, session_id: int) -> None: ...

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
        before = self._content(target)
        after = self._edited(before, config, default_operation)
        self._authorise(session_id, before, after)
        # Running must always be valid (RFC 7950, 8.1), whatever the test-option says.
        if target == RUNNING or test_option in ("test-then-set", "test-only"):
            self._validate(after)
        if test_option != "test-only":
            self._put(session_id, target, after)

    def copy_config(self, session_id: int, target: str, source: str | Element) -> None:
        """Replace a datastore by another, or by the configuration in a `<config>` element (7.3)."""
        self.expire()
        self._check_writable(session_id, target)
        if source == target:
            raise rpc_error.invalid_value(f"source and target are both {target}", layer="protocol")
        content = self._source(source)
        self._authorise(session_id, self._content(target), content)
        if target != CANDIDATE:
            self._validate(content)
        self._put(session_id, target, content)

    def delete_config(self, session_id: int, target: str) -> None:
        """Empty the startup datastore; no other can be deleted (7.4)."""
        self.expire()
        if target != STARTUP:
            raise rpc_error.invalid_value(f"{target} cannot be deleted", layer="protocol")
        self._check_writable(session_id, target)
        self._put(session_id, STARTUP, self._empty())

    def validate(self, source: str | Element) -> None:
        """Validate a datastore, or the configuration in a `<config>` element (8.6.4.1)."""
        self.expire()
        self._validate(self._source(source))

    # --- Locks (7.5, 7.6) -------------------------------------------------------------------------

    def lock(self, session_id: int, target: str) -> None:
        """Lock a datastore for a session; lock-denied with the session that stands in the way."""
        self.expire()
        self._content(target)
        held = self._locks.get(target)
        if held is not None:
            raise rpc_error.lock_denied(held.session_id)
        if target == CANDIDATE and self.candidate_modified:
            raise rpc_error.lock_denied(
                self._editor, "the candidate has been modified, and neither committed nor discarded"
            )
        if target == RUNNING:
            pending = self.pending
            if pending is not None and pending.session_id != session_id:
                raise rpc_error.lock_denied(
                    pending.session_id, "a confirmed commit of another session is pending"
                )
            self._lock_running(session_id)
        self._locks[target] = HeldLock(session_id, self._clock.now())

    def unlock(self, session_id: int, target: str) -> None:
        """Release a session's lock. Uncommitted changes of the candidate go with it (8.3.5.2)."""
        self.expire()
        self._content(target)
        held = self._locks.get(target)
        if held is None or held.session_id != session_id:
            raise rpc_error.operation_failed(
                f"session {session_id} does not hold the lock of {target}", layer="protocol"
            )
        self._release(session_id, target)

    def session_ended(self, session_id: int) -> None:
        """A session is gone: its locks go, and its confirmed commit is undone unless it persists (8.4.1)."""
        self.expire()
        for target in [target for target, held in self._locks.items() if held.session_id == session_id]:
            self._release(session_id, target)
        if self._editor == session_id:
            self._editor = NO_SESSION
        pending = self.pending
        if pending is not None and pending.session_id == session_id:
            if pending.persist is None:
                self._roll_back(session_id)
            else:
                self._leave()

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
        content = self._committable()
        self._authorise(session_id, self.running, content)
        self._validate(content)
        if confirmed:
            if persist is None and pending is not None:
                persist = pending.persist
            deadline = Micros(self._clock.now() + confirm_timeout * SECOND)
            self._commit_confirmed(content, Pending(session_id, persist, deadline), confirm_timeout)
        else:
            self._commit(session_id, content)
        self._candidate = None

    def _committable(self) -> Content:
        """What a commit makes of running."""
        return self.candidate

    def cancel_commit(self, session_id: int, persist_id: str | None = None) -> None:
        """Undo the pending confirmed commit at once (8.4.4.1)."""
        self.expire()
        pending = self._own_pending(session_id, persist_id)
        if pending is None:
            raise rpc_error.operation_failed("no confirmed commit is pending", layer="protocol")
        self._check_unlocked(session_id, RUNNING)
        self._roll_back(session_id)

    def discard_changes(self, session_id: int) -> None:
        """Make the candidate what running is (8.3.4.2)."""
        self.expire()
        self._check_unlocked(session_id, CANDIDATE)
        self._candidate = None

    # --- Time -------------------------------------------------------------------------------------

    def next_deadline(self) -> Micros | None:
        """When `expire` will have something to do."""
        pending = self.pending
        return None if pending is None else pending.deadline

    def expire(self) -> None:
        """Undo the pending confirmed commit where its time is over."""
        deadline = self.next_deadline()
        if self.pending is not None and deadline is not None and deadline <= self._clock.now():
            self._roll_back(NO_SESSION)

    # --- Rules ------------------------------------------------------------------------------------

    def _content(self, name: str) -> Content:
        content = None
        if name == RUNNING:
            content = self.running
        elif name == CANDIDATE:
            content = self.candidate
        elif name == STARTUP:
            content = self.startup
        if content is None:
            raise rpc_error.invalid_value(f"there is no datastore {name} here", layer="protocol")
        return content

    def _source(self, source: str | Element) -> Content:
        if isinstance(source, str):
            return self._content(source)
        return self._edited(self._empty(), source, "replace")

    def _check_writable(self, session_id: int, target: str) -> None:
        self._content(target)
        if target == RUNNING and not self._writable_running:
            raise rpc_error.operation_not_supported("running cannot be written here: use the candidate")
        self._check_unlocked(session_id, target)

    def _check_unlocked(self, session_id: int, target: str) -> None:
        held = self._locks.get(target)
        if held is not None and held.session_id != session_id:
            raise rpc_error.in_use(f"{target} is locked by session {held.session_id}")

    def _own_pending(self, session_id: int, persist_id: str | None) -> Pending | None:
        """The pending confirmed commit, where this session may confirm, extend or cancel it (8.4.5.1)."""
        pending = self.pending
        if persist_id is not None and (pending is None or pending.persist != persist_id):
            raise rpc_error.invalid_value(f"no confirmed commit '{persist_id}' is pending", layer="protocol")
        if pending is None or persist_id is not None:
            return pending
        if pending.persist is not None:
            raise rpc_error.in_use("a persistent confirmed commit is pending: its persist-id is needed")
        if pending.session_id != session_id:
            raise rpc_error.in_use(f"a confirmed commit of session {pending.session_id} is pending")
        return pending

    def _validate(self, content: Content) -> None:
        if content is self._valid:
            return
        try:
            self._judge(content)
        except YangInvalid as error:
            raise refusal(error, self._schema) from error
        self._valid = content

    def _put(self, session_id: int, target: str, content: Content) -> None:
        if target != CANDIDATE:
            self._store(session_id, target, content)
            return
        self._candidate = None if content is self.running else content
        self._editor = session_id

    def _release(self, session_id: int, target: str) -> None:
        del self._locks[target]
        if target == CANDIDATE:
            self._candidate = None
        elif target == RUNNING:
            self._unlock_running(session_id)


def empty_tree() -> Element:
    return etree.Element(nc("config"), nsmap=DEFAULT_BASE)


def refusal(error: YangInvalid, schema: Schema) -> RpcError:
    """What the engine found, as rpc-error; the engine names the tag where YANG gives one (RFC 7950, 8.3 and 15)."""
    # Its prefixes are module names, and those are what `Prefixes` makes of IETF-style namespaces.
    prefixes = Prefixes()
    for namespace in schema_namespaces(schema):
        prefixes.prefix(namespace)
    if isinstance(error, Violation):
        return to_rpc_error(error, prefixes.namespaces)
    row = netconf_error(error)
    path, bound = xpath(error.path or "", prefixes.namespaces)
    return RpcError(
        row.type, row.tag, app_tag=row.app_tag, path=path or None, message=error.message, namespaces=bound
    )
