"""The operations of RFC 6241 (and get-schema of RFC 6022) on a set of datastores.

What the capabilities do not announce does not exist: an operation is answered operation-not-supported,
an argument unknown-element, as a node whose if-feature is false (RFC 7950, 8.3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.arguments import Arguments
from casm_ctrl.netconf.datastores.service import DatastoreService
from casm_ctrl.netconf.messages import Answer, Data, Hello, Ok, Output
from casm_ctrl.netconf.names import (
    CANDIDATE,
    CONFIRMED_COMMIT_1_0,
    CONFIRMED_COMMIT_1_1,
    ROLLBACK_ON_ERROR,
    STARTUP,
    VALIDATE_1_0,
    VALIDATE_1_1,
    WRITABLE_RUNNING,
    XPATH,
    Element,
    local_name,
    namespace,
    nc,
)
from casm_ctrl.netconf.nmda import DATASTORE, EDIT_DATA, read_datastore
from casm_ctrl.netconf.nmda import NAMESPACE as NMDA
from casm_ctrl.netconf.retrieval.filter_argument import Filter, SubtreeFilter, filter_of
from casm_ctrl.netconf.retrieval.subtree import apply_filter
from casm_ctrl.netconf.retrieval.with_defaults import PARAMETER as WITH_DEFAULTS_PARAMETER
from casm_ctrl.netconf.retrieval.with_defaults import WITH_DEFAULTS, WORDS
from casm_ctrl.netconf.server.monitoring import GET_SCHEMA, find_schema
from casm_ctrl.netconf.server.sessions import Sessions
from casm_ctrl.yang.modules import Module
from casm_ctrl.yang.schema import Schema

DEFAULT_CONFIRM_TIMEOUT = 600
"""Seconds (RFC 6241, 8.4.1)."""

Operation = Callable[[int, Element], Answer]


class Operations:
    """Answers operations. `state` gives the top-level nodes of state data; one that stands where configuration
    does holds that configuration too. `others` are operations of other modules, by tag.

    Answers errors by raising RpcError or RpcErrors.
    """

    def __init__(
        self,
        datastores: DatastoreService,
        sessions: Sessions,
        schema: Schema,
        capabilities: Sequence[str],
        modules: Sequence[Module],
        state: Callable[[], Sequence[Element]],
        others: Mapping[str, Operation] | None = None,
    ) -> None:
        self._datastores = datastores
        self._sessions = sessions
        self._schema = schema
        self._has = Hello(tuple(capabilities)).has
        self._modules = tuple(modules)
        self._nmda = any(module.namespace == NMDA for module in modules)
        self._state = state
        self._table = {**self._build_table(), **(others or {})}

    def call(self, session_id: int, operation: Element) -> Answer:
        """Do one operation for a session."""
        method = self._table.get(str(operation.tag))
        if method is None:
            if namespace(operation) not in {etree.QName(tag).namespace for tag in self._table}:
                raise rpc_error.unknown_namespace(local_name(operation), namespace(operation) or "")
            raise rpc_error.operation_not_supported(f"this server has no operation <{local_name(operation)}>")
        return method(session_id, operation)

    def _build_table(self) -> Mapping[str, Operation]:
        table: dict[str, Operation] = {
            nc("get"): self._get,
            nc("get-config"): self._get_config,
            nc("edit-config"): self._edit_config,
            nc("copy-config"): self._copy_config,
            nc("delete-config"): self._delete_config,
            nc("lock"): self._lock,
            nc("unlock"): self._unlock,
            nc("close-session"): self._close_session,
            nc("kill-session"): self._kill_session,
            GET_SCHEMA: self._get_schema,
        }
        if self._nmda:
            table[EDIT_DATA] = self._edit_data
        if self._has(CANDIDATE):
            table[nc("commit")] = self._commit
            table[nc("discard-changes")] = self._discard_changes
        if self._has(CONFIRMED_COMMIT_1_1):
            table[nc("cancel-commit")] = self._cancel_commit
        if self._has(VALIDATE_1_0) or self._has(VALIDATE_1_1):
            table[nc("validate")] = self._validate
        return table

    def _stores(self, *, writable: bool = False) -> tuple[str, ...]:
        """The datastores that an argument may name."""
        stores = []
        if self._has(CANDIDATE):
            stores.append("candidate")
        if not writable or self._has(WRITABLE_RUNNING):
            stores.append("running")
        if self._has(STARTUP):
            stores.append("startup")
        return tuple(stores)

    # --- Reading (RFC 6241, 7.1, 7.7) -------------------------------------------------------------

    def _get(self, session_id: int, operation: Element) -> Answer:
        wanted = self._filter(Arguments(operation, ("filter",)))
        state = etree.Element("state")
        state.extend(self._state())
        both = {node.tag for node in state}
        subtree = wanted.element if isinstance(wanted, SubtreeFilter) else None
        nodes = [node for node in self._datastores.get_config("running", subtree) if node.tag not in both]
        if isinstance(wanted, SubtreeFilter):
            return Data(nodes + apply_filter(state, subtree, self._schema))
        state.extend(nodes)  # an expression may look at all of it
        return Data(wanted.apply(state, self._schema))

    def _get_config(self, session_id: int, operation: Element) -> Answer:
        arguments = Arguments(operation, ("source", "filter"))
        source = arguments.datastore("source", self._stores())
        wanted = self._filter(arguments)
        if isinstance(wanted, SubtreeFilter):
            return Data(self._datastores.get_config(source, wanted.element))
        configuration = etree.Element("configuration")
        configuration.extend(self._datastores.get_config(source))
        return Data(wanted.apply(configuration, self._schema))

    def _filter(self, arguments: Arguments) -> Filter:
        return filter_of(arguments.optional("filter"), xpath=self._has(XPATH))

    def _get_schema(self, session_id: int, operation: Element) -> Answer:
        return Output([find_schema(self._modules, operation)])

    # --- Writing (7.2 to 7.4) ---------------------------------------------------------------------

    def _edit_config(self, session_id: int, operation: Element) -> Answer:
        validates = self._has(VALIDATE_1_0) or self._has(VALIDATE_1_1)
        known = ["target", "default-operation", "error-option", "config", *(["test-option"] * validates)]
        arguments = Arguments(operation, known)
        target = arguments.datastore(
            "target", [store for store in self._stores(writable=True) if store != "startup"]
        )
        tests = ["test-then-set", "set", *(["test-only"] * self._has(VALIDATE_1_1))]
        on_errors = [
            "stop-on-error",
            "continue-on-error",
            *(["rollback-on-error"] * self._has(ROLLBACK_ON_ERROR)),
        ]
        self._datastores.edit_config(
            session_id,
            target,
            arguments.element("config"),
            arguments.choice("default-operation", ("merge", "replace", "none"), "merge"),
            arguments.choice("test-option", tests, tests[0]) if validates else None,
            arguments.choice("error-option", on_errors, on_errors[0]),
        )
        return Ok()

    def _copy_config(self, session_id: int, operation: Element) -> Answer:
        """with-defaults is for targets that are URLs, and ignored for datastores (RFC 6243, 4.5.1)."""
        arguments = Arguments(
            operation, ("target", "source", *([WITH_DEFAULTS_PARAMETER] * self._has(WITH_DEFAULTS)))
        )
        mode = arguments.text(WITH_DEFAULTS_PARAMETER)
        if mode is not None and mode.strip() not in WORDS:
            raise rpc_error.invalid_value(f"with-defaults is one of: {', '.join(WORDS)}", layer="protocol")
        target = arguments.datastore("target", self._stores(writable=True))
        self._datastores.copy_config(session_id, target, self._source(arguments))
        return Ok()

    def _delete_config(self, session_id: int, operation: Element) -> Answer:
        target = Arguments(operation, ("target",)).datastore("target", self._stores())
        self._datastores.delete_config(session_id, target)
        return Ok()

    def _validate(self, session_id: int, operation: Element) -> Answer:
        arguments = Arguments(operation, ("source",))
        named = self._identified(arguments, "source", ("config",))
        self._datastores.validate(self._source(arguments) if named is None else named)
        return Ok()

    def _source(self, arguments: Arguments) -> str | Element:
        """A datastore's name, or the configuration itself."""
        source = arguments.one_of("source", (*self._stores(), "config"))
        return source if source.tag == nc("config") else local_name(source)

    def _edit_data(self, session_id: int, operation: Element) -> Answer:
        """RFC 8526, 3.1.2: all of the edit or nothing, and tested as an edit-config is that does not say."""
        arguments = Arguments(operation, ("datastore", "default-operation", "config"))
        target = read_datastore(arguments.element("datastore"), self._stores(writable=True))
        self._datastores.edit_config(
            session_id,
            target,
            arguments.element("config"),
            arguments.choice("default-operation", ("merge", "replace", "none"), "merge"),
            "test-then-set",
            "rollback-on-error",
        )
        return Ok()

    # --- Locks (7.5, 7.6) -------------------------------------------------------------------------

    def _lock(self, session_id: int, operation: Element) -> Answer:
        self._datastores.lock(session_id, self._lockable(operation))
        return Ok()

    def _unlock(self, session_id: int, operation: Element) -> Answer:
        self._datastores.unlock(session_id, self._lockable(operation))
        return Ok()

    def _lockable(self, operation: Element) -> str:
        arguments = Arguments(operation, ("target",))
        named = self._identified(arguments, "target")
        return arguments.datastore("target", self._stores()) if named is None else named

    def _identified(self, arguments: Arguments, name: str, others: Sequence[str] = ()) -> str | None:
        """The datastore that an argument names by its identity (RFC 8526, 3.2); None where it does so by an element of
        its own, or is one of the `others`."""
        if not self._nmda:
            return None
        found = arguments.one_of(name, (*self._stores(), *others, DATASTORE))
        return read_datastore(found, self._stores()) if found.tag == DATASTORE else None

    # --- The candidate (8.3, 8.4) -----------------------------------------------------------------

    def _commit(self, session_id: int, operation: Element) -> Answer:
        known: list[str] = []
        if self._has(CONFIRMED_COMMIT_1_0) or self._has(CONFIRMED_COMMIT_1_1):
            known += ["confirmed", "confirm-timeout"]
        if self._has(CONFIRMED_COMMIT_1_1):
            known += ["persist", "persist-id"]
        arguments = Arguments(operation, known)
        confirmed = arguments.has("confirmed")
        persist = arguments.text("persist")
        if persist is not None and not confirmed:
            raise rpc_error.missing_element("confirmed", "<persist> is for a confirmed commit")
        self._datastores.commit(
            session_id,
            confirmed,
            arguments.number("confirm-timeout", DEFAULT_CONFIRM_TIMEOUT),
            persist,
            arguments.text("persist-id"),
        )
        return Ok()

    def _cancel_commit(self, session_id: int, operation: Element) -> Answer:
        self._datastores.cancel_commit(session_id, Arguments(operation, ("persist-id",)).text("persist-id"))
        return Ok()

    def _discard_changes(self, session_id: int, operation: Element) -> Answer:
        Arguments(operation, ())
        self._datastores.discard_changes(session_id)
        return Ok()

    # --- Sessions (7.8, 7.9) ----------------------------------------------------------------------

    def _close_session(self, session_id: int, operation: Element) -> Answer:
        Arguments(operation, ())
        return Ok()

    def _kill_session(self, session_id: int, operation: Element) -> Answer:
        arguments = Arguments(operation, ("session-id",))
        arguments.element("session-id")
        victim = arguments.number("session-id", session_id)
        if victim == session_id:
            raise rpc_error.invalid_value("a session cannot kill itself: use close-session", layer="protocol")
        if not self._sessions.kill(victim):
            raise rpc_error.invalid_value(f"there is no session {victim}", layer="protocol")
        return Ok()
