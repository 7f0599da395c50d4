"""The rules of datastores: locks, the candidate, confirmed commits; and a model that they must agree with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from lxml import etree

from casm_ctrl.base.clock import SECOND, ManualClock
from casm_ctrl.base.errors import YangInvalid
from casm_ctrl.netconf.datastores.memory import Datastores
from casm_ctrl.netconf.names import BASE, Element
from casm_ctrl.netconf.rpc_error import RpcError, to_peer_error
from casm_ctrl.yang.engine import Violation
from casm_ctrl.yang.schema import Kind, Schema, SchemaNode

NS = "urn:ietf:params:xml:ns:yang:example-m"
TAG = f"{{{NS}}}v"
SCHEMA = Schema({TAG: SchemaNode(TAG, Kind.LEAF_LIST)})
BAD = "bad"


def config(*values: str) -> Element:
    """A configuration of those values."""
    return etree.fromstring(f"<config xmlns='{NS}'>{''.join(f'<v>{value}</v>' for value in values)}</config>")


def values(tree: Element | None) -> set[str]:
    assert tree is not None
    return {node.text or "" for node in tree}


def refuse_bad(tree: Element) -> None:
    if BAD in values(tree):
        raise YangInvalid(f"'{BAD}' is bad", "say something else", path="/example-m:v[.='bad']")


@dataclass
class Server:
    """Datastores on a clock that the test moves."""

    with_startup: bool = False
    writable_running: bool = True
    confirmed_commit: Literal["1.0", "1.1"] = "1.1"
    rollback_delay: int = 0
    validate: Callable[[Element], None] = refuse_bad
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.stores = Datastores(
            SCHEMA,
            self.validate,
            self.clock,
            running=config("old"),
            with_startup=self.with_startup,
            writable_running=self.writable_running,
            confirmed_commit=self.confirmed_commit,
            rollback_delay=self.rollback_delay,
        )

    def edit(self, session_id: int, *added: str, target: str = "candidate") -> None:
        self.stores.edit_config(session_id, target, config(*added))

    @property
    def running(self) -> set[str]:
        return values(self.stores.running)

    @property
    def candidate(self) -> set[str]:
        return values(self.stores.candidate)


@pytest.fixture
def server() -> Server:
    return Server()


def refused(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, int | None]:
    """Tag and session-id of the refusal."""
    with pytest.raises(RpcError) as caught:
        call(*args, **kwargs)
    error = to_peer_error(caught.value)
    return error.tag, error.session_id


# --- Reading and writing --------------------------------------------------------------------------


def test_reading_gives_copies(server: Server) -> None:
    [node] = server.stores.get_config("running")
    node.text = "changed"
    etree.Element("x").append(node)
    assert server.running == {"old"}


def test_reading_filters(server: Server) -> None:
    subtree = etree.fromstring(f"<filter><v xmlns='{NS}'/></filter>")
    assert len(server.stores.get_config("candidate", subtree)) == 1
    assert server.stores.get_config("running", etree.fromstring("<filter/>")) == []


@pytest.mark.parametrize("name", ["startup", "nonsense"])
def test_datastores_that_are_not_there(server: Server, name: str) -> None:
    stores = server.stores
    for call in (stores.get_config, stores.validate):
        assert refused(call, name) == ("invalid-value", None)
    for change in (stores.lock, stores.unlock, stores.delete_config):
        assert refused(change, 1, name) == ("invalid-value", None)
    assert refused(stores.edit_config, 1, name, config("x")) == ("invalid-value", None)
    assert refused(stores.copy_config, 1, name, "running") == ("invalid-value", None)
    assert refused(stores.copy_config, 1, "candidate", name) == ("invalid-value", None)


def test_the_initial_configuration_is_copied() -> None:
    initial = config("old")
    stores = Datastores(SCHEMA, refuse_bad, ManualClock(), running=initial)
    initial[0].text = "changed"
    assert values(stores.running) == {"old"}
    assert values(Datastores(SCHEMA, refuse_bad, ManualClock()).running) == set()


def test_an_edit_of_the_candidate_waits_for_commit(server: Server) -> None:
    server.edit(1, "new")
    assert (server.running, server.candidate) == ({"old"}, {"old", "new"})
    assert server.stores.candidate_modified
    server.stores.commit(1)
    assert (server.running, server.candidate) == ({"old", "new"}, {"old", "new"})
    assert not server.stores.candidate_modified


def test_running_is_written_where_it_may_be(server: Server) -> None:
    server.edit(1, "new", target="running")
    assert server.running == server.candidate == {"old", "new"}
    strict = Server(writable_running=False)
    assert refused(strict.edit, 1, "new", target="running")[0] == "operation-not-supported"
    assert refused(strict.stores.copy_config, 1, "running", "candidate")[0] == "operation-not-supported"


def test_stored_trees_never_change(server: Server) -> None:
    before = server.stores.running
    text = etree.tostring(before)
    server.edit(1, "new")
    server.stores.commit(1)
    assert server.stores.running is not before
    assert etree.tostring(before) == text


def test_a_failed_edit_changes_nothing(server: Server) -> None:
    edit = etree.fromstring(
        f"<config xmlns='{NS}' xmlns:nc='{BASE}'><v>new</v><v nc:operation='create'>old</v></config>"
    )
    for error_option in ("stop-on-error", "continue-on-error", "rollback-on-error"):
        for target in ("candidate", "running"):
            before = server.stores.running
            tag = refused(server.stores.edit_config, 1, target, edit, error_option=error_option)[0]
            assert tag == "data-exists"
            assert server.stores.running is before
            assert not server.stores.candidate_modified


@pytest.mark.parametrize(
    ("test_option", "tag", "result"),
    [
        (None, None, {"old", BAD}),
        ("set", None, {"old", BAD}),
        ("test-then-set", "invalid-value", {"old"}),
        ("test-only", "invalid-value", {"old"}),
    ],
)
def test_test_option(server: Server, test_option: str | None, tag: str | None, result: set[str]) -> None:
    if tag is None:
        server.stores.edit_config(1, "candidate", config(BAD), test_option=test_option)
    else:
        assert (
            refused(server.stores.edit_config, 1, "candidate", config(BAD), test_option=test_option)[0] == tag
        )
    assert server.candidate == result
    assert refused(server.stores.edit_config, 1, "running", config(BAD), test_option=test_option)[0] == (
        "invalid-value"
    )
    assert server.running == {"old"}


def test_test_only_changes_nothing(server: Server) -> None:
    server.stores.edit_config(1, "candidate", config("new"), test_option="test-only")
    server.stores.edit_config(1, "running", config("new"), test_option="test-only")
    assert server.running == server.candidate == {"old"}
    assert not server.stores.candidate_modified


@pytest.mark.parametrize(
    "arguments", [{"test_option": "x"}, {"error_option": "x"}, {"default_operation": "x"}]
)
def test_unknown_options(server: Server, arguments: dict[str, str]) -> None:
    assert refused(server.stores.edit_config, 1, "candidate", config("x"), **arguments)[0] == "invalid-value"


def test_copy(server: Server) -> None:
    server.stores.copy_config(1, "candidate", config("a", "b"))
    assert server.candidate == {"a", "b"}
    server.stores.copy_config(1, "running", "candidate")
    assert server.running == {"a", "b"}
    server.stores.copy_config(1, "candidate", "running")
    assert not server.stores.candidate_modified
    assert refused(server.stores.copy_config, 1, "running", "running")[0] == "invalid-value"
    assert refused(server.stores.copy_config, 1, "running", config(BAD))[0] == "invalid-value"
    unknown = etree.fromstring(f"<config><x xmlns='{NS}'/></config>")
    assert refused(server.stores.copy_config, 1, "candidate", unknown)[0] == "unknown-element"
    assert server.running == server.candidate == {"a", "b"}


def test_startup() -> None:
    server = Server(with_startup=True)
    server.edit(1, "new", target="running")
    assert values(server.stores.startup) == {"old"}
    server.stores.copy_config(1, "startup", "running")
    assert values(server.stores.startup) == {"old", "new"}
    assert refused(server.stores.edit_config, 1, "startup", config("x"))[0] == "invalid-value"
    server.stores.lock(2, "startup")
    assert refused(server.stores.delete_config, 1, "startup")[0] == "in-use"
    server.stores.delete_config(2, "startup")
    assert values(server.stores.startup) == set()


@pytest.mark.parametrize("target", ["running", "candidate"])
def test_only_startup_is_deleted(server: Server, target: str) -> None:
    assert refused(server.stores.delete_config, 1, target)[0] == "invalid-value"


# --- Validation -----------------------------------------------------------------------------------


def test_a_refusal_carries_path_and_message(server: Server) -> None:
    with pytest.raises(RpcError) as caught:
        server.stores.validate(config(BAD))
    error = caught.value
    assert (error.type, error.tag, error.app_tag) == ("application", "invalid-value", "yang-invalid")
    assert (error.path, error.message) == ("/example-m:v[.='bad']", "'bad' is bad")
    assert error.namespaces == {"example-m": NS}


def test_the_engine_names_the_tag() -> None:
    def refuse(tree: Element) -> None:
        raise Violation("no such pool", path=None, tag="data-missing", app_tag="instance-required")

    with pytest.raises(RpcError) as caught:
        Server(validate=refuse).stores.validate("running")
    assert (caught.value.tag, caught.value.app_tag) == ("data-missing", "instance-required")


def test_a_commit_that_is_not_valid_changes_nothing(server: Server) -> None:
    server.edit(1, BAD)
    assert refused(server.stores.validate, "candidate")[0] == "invalid-value"
    for confirmed in (False, True):
        assert refused(server.stores.commit, 1, confirmed)[0] == "invalid-value"
    assert (server.running, server.candidate) == ({"old"}, {"old", BAD})
    assert server.stores.next_deadline() is None


def test_an_invalid_follow_up_leaves_the_first_pending(server: Server) -> None:
    server.edit(1, "new")
    server.stores.commit(1, True, 60)
    deadline = server.stores.next_deadline()
    server.edit(1, BAD)
    server.clock.advance(1)
    assert refused(server.stores.commit, 1)[0] == "invalid-value"
    assert server.stores.next_deadline() == deadline
    assert server.running == {"old", "new"}


def test_a_tree_is_validated_once() -> None:
    seen: list[set[str]] = []
    server = Server(validate=lambda tree: seen.append(values(tree)))
    server.stores.edit_config(1, "candidate", config("new"), test_option="test-then-set")
    server.stores.commit(1, True)
    server.stores.commit(1)
    assert seen == [{"old", "new"}]


# --- Locks ----------------------------------------------------------------------------------------


def test_a_lock_is_held_by_one(server: Server) -> None:
    server.stores.lock(1, "running")
    assert refused(server.stores.lock, 2, "running") == ("lock-denied", 1)
    assert refused(server.stores.lock, 1, "running") == ("lock-denied", 1)
    assert refused(server.stores.unlock, 2, "running")[0] == "operation-failed"
    server.stores.unlock(1, "running")
    assert refused(server.stores.unlock, 1, "running")[0] == "operation-failed"
    server.stores.lock(2, "running")


def test_a_modified_candidate_is_not_locked(server: Server) -> None:
    server.edit(1, "new")
    assert refused(server.stores.lock, 2, "candidate") == ("lock-denied", 1)
    assert refused(server.stores.lock, 1, "candidate") == ("lock-denied", 1)
    server.stores.session_ended(1)
    assert server.candidate == {"old", "new"}
    assert refused(server.stores.lock, 2, "candidate") == ("lock-denied", 0)
    server.stores.discard_changes(2)
    server.stores.lock(2, "candidate")


def test_running_is_not_locked_under_anothers_confirmed_commit(server: Server) -> None:
    server.stores.commit(1, True)
    assert refused(server.stores.lock, 2, "running") == ("lock-denied", 1)
    server.stores.lock(1, "running")


def test_what_others_locked_is_in_use(server: Server) -> None:
    stores = server.stores
    stores.lock(1, "candidate")
    assert refused(server.edit, 2, "x")[0] == "in-use"
    assert refused(stores.copy_config, 2, "candidate", config("x"))[0] == "in-use"
    assert refused(stores.discard_changes, 2)[0] == "in-use"
    assert refused(stores.commit, 2)[0] == "in-use"
    server.edit(2, "y", target="running")
    stores.unlock(1, "candidate")
    stores.lock(1, "running")
    assert refused(server.edit, 2, "x", target="running")[0] == "in-use"
    assert refused(stores.commit, 2)[0] == "in-use"
    server.edit(2, "x")
    stores.discard_changes(2)
    stores.commit(1)
    assert len(stores.get_config("running")) == 2


@pytest.mark.parametrize("by", ["unlock", "session end"])
def test_releasing_the_candidate_discards_changes(server: Server, by: str) -> None:
    server.stores.lock(1, "candidate")
    server.edit(1, "new")
    if by == "unlock":
        server.stores.unlock(1, "candidate")
    else:
        server.stores.session_ended(1)
    assert not server.stores.candidate_modified
    server.stores.lock(2, "candidate")


def test_the_end_of_a_session_releases_its_locks_only(server: Server) -> None:
    server.stores.lock(1, "running")
    server.stores.lock(2, "candidate")
    server.edit(2, "new")
    server.stores.session_ended(1)
    assert server.candidate == {"old", "new"}
    server.stores.lock(2, "running")


# --- Confirmed commits ----------------------------------------------------------------------------


def pending(server: Server, session_id: int = 1, **arguments: Any) -> None:
    server.edit(session_id, "new")
    server.stores.commit(session_id, True, 60, **arguments)
    assert server.running == {"old", "new"}


def test_an_unconfirmed_commit_is_undone(server: Server) -> None:
    before = server.stores.running
    pending(server)
    assert server.stores.next_deadline() == server.clock.now() + 60 * SECOND
    server.clock.advance(59.999999)
    server.stores.expire()
    assert server.running == {"old", "new"}
    server.clock.advance(0.000001)
    server.stores.expire()
    assert server.stores.running is before
    assert server.stores.next_deadline() is None
    assert server.candidate == {"old"}


def test_time_passes_without_anyone_calling_expire(server: Server) -> None:
    pending(server)
    server.clock.advance(60)
    [node] = server.stores.get_config("running")
    assert node.text == "old"
    server.stores.commit(1)
    assert server.running == {"old"}


def test_a_confirmed_commit_stays(server: Server) -> None:
    pending(server)
    server.clock.advance(59)
    server.stores.commit(1)
    server.clock.advance(600)
    server.stores.expire()
    assert server.running == {"old", "new"}


def test_a_confirming_commit_brings_what_the_candidate_holds(server: Server) -> None:
    pending(server)
    server.edit(1, "newer")
    server.stores.commit(1)
    assert server.running == {"old", "new", "newer"}


def test_follow_ups_extend_and_the_first_state_is_restored(server: Server) -> None:
    before = server.stores.running
    pending(server)
    server.clock.advance(50)
    server.edit(1, "newer")
    server.stores.commit(1, True, 100)
    server.clock.advance(99)
    server.stores.expire()
    assert server.running == {"old", "new", "newer"}
    server.clock.advance(1)
    server.stores.expire()
    assert server.stores.running is before


def test_uncommitted_edits_outlive_a_rollback(server: Server) -> None:
    pending(server)
    server.edit(1, "newer")
    server.stores.cancel_commit(1)
    assert (server.running, server.candidate) == ({"old"}, {"old", "new", "newer"})


def test_others_may_not_touch_a_pending_commit(server: Server) -> None:
    pending(server)
    assert refused(server.stores.commit, 2)[0] == "in-use"
    assert refused(server.stores.commit, 2, True)[0] == "in-use"
    assert refused(server.stores.cancel_commit, 2)[0] == "in-use"
    assert refused(server.stores.commit, 2, persist_id="x")[0] == "invalid-value"
    assert refused(server.stores.cancel_commit, 1, "x")[0] == "invalid-value"
    server.stores.cancel_commit(1)
    assert server.running == {"old"}


def test_the_end_of_its_session_undoes_a_commit(server: Server) -> None:
    pending(server)
    server.stores.session_ended(2)
    assert server.running == {"old", "new"}
    server.stores.session_ended(1)
    assert server.running == {"old"}


def test_a_persistent_commit_outlives_its_session(server: Server) -> None:
    pending(server, persist="token")
    server.stores.session_ended(1)
    assert server.running == {"old", "new"}
    assert refused(server.stores.lock, 2, "running") == ("lock-denied", 0)
    assert refused(server.stores.commit, 2)[0] == "in-use"
    assert refused(server.stores.cancel_commit, 2)[0] == "in-use"
    assert refused(server.stores.commit, 2, persist_id="other")[0] == "invalid-value"
    server.clock.advance(59)
    server.stores.commit(2, True, 60, persist_id="token")
    server.clock.advance(59)
    server.stores.commit(3, persist_id="token")
    server.clock.advance(600)
    server.stores.expire()
    assert server.running == {"old", "new"}


def test_a_persistent_commit_wants_its_id_from_its_own_session_too(server: Server) -> None:
    pending(server, persist="token")
    assert refused(server.stores.commit, 1)[0] == "in-use"
    server.stores.cancel_commit(1, "token")
    assert server.running == {"old"}


def test_a_follow_up_may_set_a_token(server: Server) -> None:
    pending(server)
    server.stores.commit(1, True, 60, persist="token")
    server.stores.commit(2, persist_id="token")
    assert server.stores.next_deadline() is None


def test_a_persistent_commit_expires_too(server: Server) -> None:
    pending(server, persist="token")
    server.stores.session_ended(1)
    server.clock.advance(60)
    assert refused(server.stores.commit, 2, persist_id="token")[0] == "invalid-value"
    assert server.running == {"old"}


def test_cancel_needs_something_to_cancel(server: Server) -> None:
    assert refused(server.stores.cancel_commit, 1)[0] == "operation-failed"
    assert refused(server.stores.cancel_commit, 1, "x")[0] == "invalid-value"
    assert refused(server.stores.commit, 1, persist_id="x")[0] == "invalid-value"


def test_cancel_respects_the_lock_of_running(server: Server) -> None:
    pending(server, persist="token")
    server.stores.lock(1, "running")
    assert refused(server.stores.cancel_commit, 2, "token")[0] == "in-use"
    server.stores.cancel_commit(1, "token")


def test_arguments_of_commit(server: Server) -> None:
    assert refused(server.stores.commit, 1, persist="x")[0] == "invalid-value"
    assert refused(server.stores.commit, 1, True, 0)[0] == "invalid-value"
    old = Server(confirmed_commit="1.0")
    assert refused(old.stores.commit, 1, True, persist="x")[0] == "unknown-element"
    pending(old)
    old.clock.advance(60)
    old.stores.expire()
    assert old.running == {"old"}


def test_a_late_rollback(server: Server) -> None:
    late = Server(rollback_delay=5 * SECOND)
    pending(late)
    late.clock.advance(64)
    late.stores.expire()
    assert late.running == {"old", "new"}
    assert late.stores.next_deadline() == late.clock.now() + SECOND
    late.clock.advance(1)
    late.stores.expire()
    assert late.running == {"old"}


# --- Restarts -------------------------------------------------------------------------------------


def test_a_restart_forgets_sessions_and_undoes_what_is_pending(server: Server) -> None:
    server.stores.lock(1, "running")
    pending(server, persist="token")
    server.edit(1, "newer")
    server.stores.reboot()
    assert server.running == server.candidate == {"old"}
    assert server.stores.next_deadline() is None
    server.stores.lock(2, "running")
    server.stores.lock(2, "candidate")


def test_a_restart_loads_startup() -> None:
    server = Server(with_startup=True)
    server.edit(1, "new", target="running")
    server.stores.reboot()
    assert server.running == {"old"}
    server.stores.reboot(config("older"))
    assert server.running == values(server.stores.startup) == {"older"}


def test_a_restart_from_an_old_file(server: Server) -> None:
    server.edit(1, "new", target="running")
    server.stores.reboot()
    assert server.running == {"old", "new"}
    server.stores.reboot(config("older"))
    assert server.running == {"older"}
    assert server.stores.startup is None


# --- Against a model ------------------------------------------------------------------------------

# Mostly one session and valid edits: else nearly every step would be a refusal, and no story get far.
SESSIONS = st.sampled_from([1, 1, 1, 2])
WORDS = st.sampled_from(["a", "a", "b", "b", "c", BAD])
OPERATIONS = st.sampled_from(["merge", "merge", "remove", "create", "delete"])
STORES = st.sampled_from(["running", "candidate"])


class AgainstModel(RuleBasedStateMachine):
    """Datastores of sets of words, written down anew: the server must answer alike and hold the same."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server()
        self.running = frozenset({"old"})
        self.candidate: frozenset[str] | None = None
        self.locks: dict[str, int] = {}
        # (running before, owner, token, deadline in seconds since the start)
        self.waiting: tuple[frozenset[str], int, str | None, int] | None = None
        self.time = 0

    def outcome(self, call: Callable[..., Any], *args: Any) -> str | None:
        try:
            call(*args)
        except RpcError as error:
            return error.tag
        return None

    def locked_out(self, session_id: int, *stores: str) -> bool:
        return any(self.locks.get(name, session_id) != session_id for name in stores)

    def undo(self) -> None:
        assert self.waiting is not None
        self.running, self.waiting = self.waiting[0], None

    def token_error(self, session_id: int, token: str | None) -> str | None:
        if token is not None:
            return None if self.waiting and self.waiting[2] == token else "invalid-value"
        if self.waiting and (self.waiting[2] is not None or self.waiting[1] != session_id):
            return "in-use"
        return None

    @rule(session_id=SESSIONS, store=STORES, word=WORDS, operation=OPERATIONS)
    def edit(self, session_id: int, store: str, word: str, operation: str) -> None:
        change = etree.fromstring(
            f"<config xmlns='{NS}' xmlns:nc='{BASE}'><v nc:operation='{operation}'>{word}</v></config>"
        )
        found = self.outcome(self.server.stores.edit_config, session_id, store, change)
        content = self.running if store == "running" or self.candidate is None else self.candidate
        result = content | {word} if operation in ("merge", "create") else content - {word}
        if self.locked_out(session_id, store):
            assert found == "in-use"
        elif operation == "create" and word in content:
            assert found == "data-exists"
        elif operation == "delete" and word not in content:
            assert found == "data-missing"
        elif store == "running" and BAD in result:
            assert found == "invalid-value"
        else:
            assert found is None
            if store == "running":
                self.running = result
            else:
                self.candidate = result

    @rule(session_id=SESSIONS, store=STORES)
    def lock(self, session_id: int, store: str) -> None:
        denied = (
            store in self.locks
            or (store == "candidate" and self.candidate is not None)
            or (store == "running" and self.waiting is not None and self.waiting[1] != session_id)
        )
        assert self.outcome(self.server.stores.lock, session_id, store) == ("lock-denied" if denied else None)
        if not denied:
            self.locks[store] = session_id

    @rule(session_id=SESSIONS, store=STORES)
    def unlock(self, session_id: int, store: str) -> None:
        found = self.outcome(self.server.stores.unlock, session_id, store)
        if self.locks.get(store) != session_id:
            assert found == "operation-failed"
            return
        assert found is None
        del self.locks[store]
        if store == "candidate":
            self.candidate = None

    @rule(
        session_id=SESSIONS,
        timeout=st.none() | st.sampled_from([10, 20]),
        persist=st.sampled_from([None, None, "t"]),
        token=st.sampled_from([None, None, None, "t", "wrong"]),
    )
    def commit(self, session_id: int, timeout: int | None, persist: str | None, token: str | None) -> None:
        persist = persist if timeout else None
        found = self.outcome(
            self.server.stores.commit, session_id, timeout is not None, timeout or 600, persist, token
        )
        result = self.running if self.candidate is None else self.candidate
        if self.locked_out(session_id, "running", "candidate"):
            assert found == "in-use"
        elif (error := self.token_error(session_id, token)) is not None:
            assert found == error
        elif BAD in result:
            assert found == "invalid-value"
        else:
            assert found is None
            before, _, kept, _ = self.waiting or (self.running, 0, None, 0)
            self.running, self.candidate, self.waiting = result, None, None
            if timeout is not None:
                self.waiting = (before, session_id, persist or kept, self.time + timeout)

    @rule(session_id=SESSIONS, token=st.none() | st.just("t"))
    def cancel(self, session_id: int, token: str | None) -> None:
        found = self.outcome(self.server.stores.cancel_commit, session_id, token)
        error = self.token_error(session_id, token)
        if error is None and self.waiting is None:
            error = "operation-failed"
        if error is None and self.locked_out(session_id, "running"):
            error = "in-use"
        assert found == error
        if error is None:
            self.undo()

    @rule(session_id=SESSIONS)
    def discard(self, session_id: int) -> None:
        locked_out = self.locked_out(session_id, "candidate")
        assert self.outcome(self.server.stores.discard_changes, session_id) == (
            "in-use" if locked_out else None
        )
        if not locked_out:
            self.candidate = None

    @rule(session_id=SESSIONS)
    def end_session(self, session_id: int) -> None:
        self.server.stores.session_ended(session_id)
        if self.locks.get("candidate") == session_id:
            self.candidate = None
        self.locks = {store: holder for store, holder in self.locks.items() if holder != session_id}
        if self.waiting is not None and self.waiting[1] == session_id:
            if self.waiting[2] is None:
                self.undo()
            else:
                self.waiting = (self.waiting[0], 0, *self.waiting[2:])

    @rule(seconds=st.sampled_from([1, 5, 10]))
    def wait(self, seconds: int) -> None:
        self.time += seconds
        self.server.clock.advance(seconds)
        self.server.stores.expire()
        if self.waiting is not None and self.waiting[3] <= self.time:
            self.undo()

    @rule()
    def reboot(self) -> None:
        self.server.stores.reboot()
        if self.waiting is not None:
            self.undo()
        self.locks, self.candidate = {}, None

    @invariant()
    def holds_the_same(self) -> None:
        stores = self.server.stores
        assert values(stores.running) == self.running
        assert values(stores.candidate) == (self.running if self.candidate is None else self.candidate)
        assert stores.candidate_modified == (self.candidate is not None)
        assert (stores.next_deadline() is None) == (self.waiting is None)
        assert BAD not in self.running


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
