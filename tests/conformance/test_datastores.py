"""The controller's datastores (RFC 6241, 7.2 to 7.6 and 8.3 to 8.6), by the RFCs' own rules."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from casm_ctrl.base.errors import InUse, PendingConfirm
from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element
from casm_ctrl.netconf.rpc_error import to_peer_error
from casm_ctrl.northbound.interface import Caller
from casm_ctrl.service.allocation import allocate
from casm_ctrl.service.configuration import AddSpace, RemoveSpace
from casm_ctrl.store.events import Author
from tests.datastores_world import (
    DEVICES,
    POOLS,
    World,
    described,
    device,
    device_pool,
    edit,
    new_pool,
    op,
    pool,
    space,
    world_on,
)

COMMIT, DISCARD, CANCEL = "<commit/>", "<discard-changes/>", "<cancel-commit/>"
CONFIRMED = "<commit><confirmed/></commit>"
SPACE_PATH = "/casm-pools:address-spaces/casm-pools:address-space"
Q_PATH = "/casm-pools:pools/casm-pools:pool[casm-pools:name='q']"
P_PATH = "/casm-pools:pools/casm-pools:pool[casm-pools:name='p']"


def lock(target: str) -> str:
    return f"<lock><target><{target}/></target></lock>"


def unlock(target: str) -> str:
    return f"<unlock><target><{target}/></target></unlock>"


def confirmed(**options: str) -> str:
    given = "".join(
        f"<{name.replace('_', '-')}>{value}</{name.replace('_', '-')}>" for name, value in options.items()
    )
    return f"<commit><confirmed/>{given}</commit>"


@pytest.fixture
def world(store_path: Path) -> Iterator[World]:
    with world_on(store_path) as made:
        yield made


# --- 7.2, edit-config: the operations -------------------------------------------------------------


def test_merge_is_the_default(world: World) -> None:
    """RFC 6241 7.2: merge is the default operation, and keeps what the edit does not name."""
    world.edit(described("new"))
    assert world.description("candidate") == "new"
    assert world.find("candidate", "p:pools/p:pool[p:name='p']/p:prefix") == ["10.0.0.0/16"]


def test_merge_makes_what_is_not_there(world: World) -> None:
    """RFC 6241 7.2: what merge names and is not there is created."""
    world.edit(space("t", attributes=op("merge")))
    assert world.spaces("candidate") == ["s", "t"]


def test_replace_keeps_nothing_of_the_node(world: World) -> None:
    """RFC 6241 7.2: replace takes away what the edit does not name in the node that carries it."""
    world.edit(
        pool(
            "p",
            "<address-space>s</address-space><family>ipv4</family><prefix>10.0.0.0/16</prefix>",
            op("replace"),
        )
    )
    assert world.description("candidate") is None
    assert world.find("candidate", "p:pools/p:pool[p:name='p']/p:label") == []
    assert world.description("candidate", "q") is None
    assert world.find("candidate", "p:pools/p:pool/p:name") == ["p", "q"]


def test_replace_makes_what_is_not_there(world: World) -> None:
    """RFC 6241 7.2: replace creates a node that is not there."""
    world.edit(space("t", attributes=op("replace")))
    assert world.spaces("candidate") == ["s", "t"]


def test_replace_of_a_container(world: World) -> None:
    """RFC 6241 7.2: replace on a container takes away the entries that are not in the edit."""
    whole = new_pool("n", "10.9.0.0/16").replace("<pools", f"<pools{op('replace')}")
    world.edit(whole, test_option="set")
    assert world.find("candidate", "p:pools/p:pool/p:name") == ["n"]


def test_create(world: World) -> None:
    """RFC 6241 7.2: create makes what is not there."""
    world.edit(space("t", "<description>x</description>", op("create")))
    assert world.spaces("candidate") == ["s", "t"]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (space("s", attributes=op("create")), f"{SPACE_PATH}[casm-pools:name='s']"),
        (pool("p", f"<description{op('create')}>x</description>"), f"{P_PATH}/casm-pools:description"),
        (pool("p", f"<prefix{op('create')}>10.0.0.0/16</prefix>"), f"{P_PATH}/casm-pools:prefix[.='10.0.0.0/16']"),
        (f"<pools xmlns='{POOLS}'{op('create')}/>", "/casm-pools:pools"),
    ],
    ids=["entry", "leaf", "leaf-list entry", "container"],
)  # fmt: skip
def test_create_of_what_is_there(world: World, config: str, path: str) -> None:
    """RFC 6241 7.2: create of data that exists is data-exists, with the path."""
    error = world.edit_refused(config)
    assert (error.type, error.tag, error.path) == ("application", "data-exists", path)


def test_delete(world: World) -> None:
    """RFC 6241 7.2: delete takes away what is there."""
    world.edit(pool("p", f"<description{op('delete')}/>"))
    assert world.description("candidate") is None
    world.edit(device("bng2", attributes=op("delete")))
    assert world.find("candidate", "d:devices/d:device/d:name") == ["bng1"]


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (space("t", attributes=op("delete")), f"{SPACE_PATH}[casm-pools:name='t']"),
        (pool("q", f"<description{op('delete')}/>"), f"{Q_PATH}/casm-pools:description"),
        (pool("p", f"<prefix{op('delete')}>10.7.0.0/16</prefix>"), f"{P_PATH}/casm-pools:prefix[.='10.7.0.0/16']"),
        (f"<quotas xmlns='{DEVICES}'{op('delete')}/>", "/casm-devices:quotas"),
        (f"<owner-groups xmlns='{DEVICES}'><owner-group{op('delete')}><name>g</name></owner-group></owner-groups>",
         "/casm-devices:owner-groups/casm-devices:owner-group[casm-devices:name='g']"),
    ],
    ids=["entry", "leaf", "leaf-list entry", "container", "entry of an empty list"],
)  # fmt: skip
def test_delete_of_what_is_not_there(world: World, config: str, path: str) -> None:
    """RFC 6241 7.2: delete of data that does not exist is data-missing, with the path."""
    error = world.edit_refused(config)
    assert (error.type, error.tag, error.path) == ("application", "data-missing", path)


def test_remove(world: World) -> None:
    """RFC 6241 7.2: remove takes away what is there, and is silent where nothing is."""
    for _ in range(2):
        world.edit(pool("p", f"<description{op('remove')}/>"))
        world.edit(device("bng2", attributes=op("remove")))
    assert world.description("candidate") is None
    assert world.find("candidate", "d:devices/d:device/d:name") == ["bng1"]
    world.edit(f"<quotas xmlns='{DEVICES}'{op('remove')}/>")


def test_operations_nest(world: World) -> None:
    """RFC 6241 7.2: an operation holds for what is below it, until another is said there."""
    world.edit(
        f"<pools xmlns='{POOLS}'{op('merge')}><pool><name>p</name><description{op('delete')}/>"
        f"<label{op('replace')}><name>region</name><value>south</value></label></pool>"
        f"<pool{op('delete')}><name>q</name></pool></pools>",
        test_option="set",
    )
    assert world.description("candidate") is None
    assert world.find("candidate", "p:pools/p:pool/p:label/p:value") == ["south"]
    assert world.find("candidate", "p:pools/p:pool/p:name") == ["p"]


def test_an_unknown_operation(world: World) -> None:
    """RFC 6241 7.2: the values of the operation attribute are those of the RFC; another is bad-attribute."""
    error = world.edit_refused(space("t", attributes=op("upsert")))
    assert error.tag == "bad-attribute"
    assert to_peer_error(error).info == "operation address-space"


def test_several_edits_of_one_request(world: World) -> None:
    """RFC 6241 7.2: one edit-config changes any number of top-level nodes."""
    world.edit(space("t") + described("x") + device("bng2", "<port>831</port>"))
    assert world.spaces("candidate") == ["s", "t"]
    assert world.description("candidate") == "x"
    assert world.find("candidate", "d:devices/d:device/d:port") == ["831"]


def test_running_is_not_touched(world: World) -> None:
    """RFC 6241 8.3.1: an edit of the candidate does not show in running."""
    world.edit(described("x"))
    assert world.description() == "the pool"


# --- 7.2: default-operation, test-option, error-option --------------------------------------------


def test_default_operation_none(world: World) -> None:
    """RFC 6241 7.2: under none only what carries an operation is changed."""
    world.edit(pool("p", f"<description{op('delete')}/>"), default_operation="none")
    assert world.description("candidate") is None


@pytest.mark.parametrize(
    ("config", "path"),
    [
        (pool("n", f"<description{op('merge')}>x</description>"), Q_PATH.replace("'q'", "'n'")),
        (space("t"), f"{SPACE_PATH}[casm-pools:name='t']"),
        (pool("q", "<description>x</description>"), f"{Q_PATH}/casm-pools:description"),
    ],
)  # fmt: skip
def test_default_operation_none_leads_only_through_what_is_there(
    world: World, config: str, path: str
) -> None:
    """RFC 6241 7.2: under none, data that only leads the way and is not there is data-missing."""
    error = world.edit_refused(config, default_operation="none")
    assert (error.tag, error.path) == ("data-missing", path)


def test_default_operation_none_changes_no_leaf(world: World) -> None:
    """RFC 6241 7.2: under none a leaf without an operation keeps its value."""
    world.edit(described("x"), default_operation="none")
    assert world.description("candidate") == "the pool"


def test_default_operation_replace(world: World) -> None:
    """RFC 6241 7.2: with default-operation replace the edit is all of the configuration."""
    world.edit(space("t"), default_operation="replace")
    assert world.spaces("candidate") == ["t"]
    assert world.find("candidate", "p:pools | d:devices") == []


def test_an_unknown_default_operation(world: World) -> None:
    """RFC 6241 7.2: default-operation is merge, replace or none."""
    assert world.edit_refused(space("t"), default_operation="delete").tag == "bad-element"


def test_test_only_changes_nothing(world: World) -> None:
    """RFC 6241 8.6.5.1: test-only validates, and changes nothing."""
    world.edit(space("t"), test_option="test-only")
    assert world.spaces("candidate") == ["s"]
    assert not world.datastores.candidate_modified


@pytest.mark.parametrize("option", ["test-only", "test-then-set", None])
def test_what_is_not_valid_is_not_set(world: World, option: str | None) -> None:
    """RFC 6241 7.2: test-then-set, the default where :validate is, refuses an edit that is not valid."""
    options: dict[str, Any] = {} if option is None else {"test_option": option}
    error = world.edit_refused(pool("n", "<address-space>s</address-space>"), **options)
    assert error.type == "application"


def test_set_does_not_test(world: World) -> None:
    """RFC 6241 7.2: with set an edit is made that is not valid yet; the commit tests."""
    world.edit(pool("n", "<address-space>s</address-space>"), test_option="set")
    assert world.find("candidate", "p:pools/p:pool/p:name") == ["p", "q", "n"]
    world.refused(COMMIT)
    world.edit(pool("n", "<family>ipv4</family><prefix>10.9.0.0/16</prefix>"), test_option="set")
    world.ok(COMMIT)


def test_an_unknown_test_option(world: World) -> None:
    """RFC 6241 7.2: test-option is test-then-set, set or test-only."""
    assert world.edit_refused(space("t"), test_option="maybe").tag == "bad-element"


@pytest.mark.parametrize("option", ["stop-on-error", "continue-on-error", "rollback-on-error"])
def test_an_error_leaves_nothing_behind(world: World, option: str) -> None:
    """RFC 6241 8.5: after an error nothing of the edit is left; the other error-options may be stricter than said."""
    error = world.edit_refused(
        space("t") + space("u", attributes=op("delete")).replace(POOLS, "urn:x"), error_option=option
    )
    assert error.tag == "unknown-namespace"
    assert world.spaces("candidate") == ["s"]


def test_an_unknown_error_option(world: World) -> None:
    """RFC 6241 7.2: error-option is stop-on-error, continue-on-error or rollback-on-error."""
    assert world.edit_refused(space("t"), error_option="ignore").tag == "bad-element"


# --- 7.2: what an edit may hold -------------------------------------------------------------------


def test_the_target_must_be_named(world: World) -> None:
    """RFC 6241 7.2: target is mandatory."""
    assert world.refused("<edit-config><config/></edit-config>").tag == "missing-element"


def test_the_config_must_be_there(world: World) -> None:
    """RFC 6241 7.2: config is mandatory, where :url is not."""
    assert world.refused("<edit-config><target><candidate/></target></edit-config>").tag == "missing-element"


def test_running_is_no_target_here(world: World) -> None:
    """RFC 6241 8.2: without :writable-running, running cannot be edited."""
    assert world.edit_refused(space("t"), target="running").tag == "unknown-element"


def test_startup_is_no_target_here(world: World) -> None:
    """RFC 6241 8.7: without :startup there is no startup datastore."""
    assert world.edit_refused(space("t"), target="startup").tag == "unknown-element"


@pytest.mark.parametrize(
    ("config", "tag", "info"),
    [
        (f"<pools xmlns='{POOLS}'><pool/></pools>", "missing-element", "name"),
        (pool("p", "<colour>red</colour>"), "unknown-element", "colour"),
        (f"<nothing xmlns='{POOLS}'/>", "unknown-element", "nothing"),
        ("<pools xmlns='urn:none'/>", "unknown-namespace", "pools urn:none"),
        ("<pools/>", "unknown-element", "pools"),
        (pool("p", "<usage/>"), "unknown-element", "usage"),
        (pool("p", "<description>a</description><description>b</description>"), "bad-element", "description"),
        (pool("p", "<description><b/></description>"), "bad-element", "description"),
        (pool("p", "text"), "bad-element", "pool"),
        (pool("p", "<description colour='red'>a</description>"), "unknown-attribute", "colour description"),
        (pool("p", f"<name{op('delete')}>p</name>").replace("<name>p</name>", ""), "bad-attribute", "operation name"),
    ],
    ids=["no key", "unknown leaf", "unknown top", "unknown namespace", "no namespace", "state", "leaf twice",
         "element in leaf", "text in entry", "attribute", "key deleted"],
)  # fmt: skip
def test_what_does_not_fit_the_schema(world: World, config: str, tag: str, info: str) -> None:
    """RFC 7950 8.3.1: an edit that does not fit the schema is refused with the element to blame."""
    error = world.edit_refused(config)
    if config == "<pools/>":  # of NETCONF's own namespace, which has no data
        assert error.tag in ("unknown-element", "unknown-namespace")
        return
    assert (error.tag, to_peer_error(error).info) == (tag, info)


@pytest.mark.parametrize(
    ("config", "leaf"),
    [
        (pool("p", "<scope>secret</scope>"), "scope"),
        (pool("p", "<prefix>10.0.0.0/33</prefix>"), "prefix"),
        (pool("p", "<policy><quarantine>-1</quarantine></policy>"), "quarantine"),
        (pool("p", "<port-routed>yes</port-routed>"), "port-routed"),
        (space("b12"), "name"),
        (device("bng1", "<deadlines><tcp>0</tcp></deadlines>"), "tcp"),
    ],
    ids=["enumeration", "pattern", "range", "boolean", "key", "decimal"],
)
def test_a_bad_value(world: World, config: str, leaf: str) -> None:
    """RFC 7950 8.3.1: a value that its type forbids is invalid-value, with the leaf's path."""
    error = world.edit_refused(config)
    assert error.tag == "invalid-value"
    assert leaf in (error.path or error.message)


@pytest.mark.parametrize(
    ("config", "tag", "app_tag"),
    [
        (pool("p", "<address-space>none</address-space>"), "data-missing", "instance-required"),
        (
            device_pool("<max-blocks>1</max-blocks><min-blocks>2</min-blocks>"),
            "operation-failed",
            "must-violation",
        ),
        (pool("p", f"<prefix{op('delete')}>10.0.0.0/16</prefix>"), "operation-failed", "too-few-elements"),
        (pool("n", "<address-space>s</address-space><prefix>10.9.0.0/16</prefix>"), "data-missing", None),
        (space("s", attributes=op("delete")), "data-missing", "instance-required"),
    ],
    ids=["leafref", "must", "min-elements", "mandatory", "what others refer to"],
)
def test_what_is_not_valid(world: World, config: str, tag: str, app_tag: str | None) -> None:
    """RFC 7950 15: constraints have their own error-tags and error-app-tags."""
    error = world.edit_refused(config)
    assert (error.tag, error.app_tag) == (tag, app_tag) or (error.tag == tag and app_tag is None)


def test_lists_that_the_user_orders(world: World) -> None:
    """RFC 7950 7.7.9: yang:insert places an entry of a leaf-list that the user orders."""
    path = "d:devices/d:device/d:device-pool/d:pool"
    assert world.find("candidate", path) == ["p", "q"]
    world.edit(device_pool("<pool yang:insert='first'>q</pool>"))
    assert world.find("candidate", path) == ["q", "p"]
    world.edit(device_pool("<pool yang:insert='after' yang:value='p'>q</pool>"))
    assert world.find("candidate", path) == ["p", "q"]
    world.edit(device_pool("<pool yang:insert='last'>p</pool>"))
    world.ok(COMMIT)
    assert world.find("running", path) == ["q", "p"]


@pytest.mark.parametrize(
    ("attributes", "tag", "app_tag"),
    [
        (" yang:insert='before' yang:value='none'", "bad-attribute", "missing-instance"),
        (" yang:insert='before'", "missing-attribute", None),
        (" yang:insert='middle'", "bad-attribute", None),
        (f" yang:insert='first'{op('delete')}", "bad-attribute", None),
    ],
)
def test_bad_places(world: World, attributes: str, tag: str, app_tag: str | None) -> None:
    """RFC 7950 15.7: insert names an entry that is there, and goes with an operation that makes one."""
    error = world.edit_refused(device_pool(f"<pool{attributes}>q</pool>"))
    assert (error.tag, error.app_tag) == (tag, app_tag)


def test_white_space_around_elements_is_nothing(world: World) -> None:
    """RFC 7950 7.5.7: white space between elements is not content."""
    world.edit(
        f"\n <pools xmlns='{POOLS}'>\n <pool>\n<name>p</name>\n <!-- x --><description>y</description></pool>\n</pools>"
    )
    assert world.description("candidate") == "y"


def test_prefixes_do_not_matter(world: World) -> None:
    """RFC 6241 3.1: namespaces count, and not the prefixes that a message binds to them."""
    world.edit(
        f"<x:pools xmlns:x='{POOLS}'><x:pool><x:name>p</x:name><x:description>y</x:description></x:pool></x:pools>"
    )
    assert world.description("candidate") == "y"


# --- 7.3, 7.4, copy-config and delete-config ------------------------------------------------------


def _copy(source: str, target: str = "<candidate/>") -> str:
    return f"<copy-config><target>{target}</target><source>{source}</source></copy-config>"


def test_copy_running_to_the_candidate(world: World) -> None:
    """RFC 6241 7.3: copy-config replaces a datastore by another."""
    world.edit(space("t"))
    world.ok(_copy("<running/>"))
    assert world.spaces("candidate") == ["s"]


def test_copy_a_whole_configuration(world: World) -> None:
    """RFC 6241 7.3: copy-config takes the configuration in a config element, whole."""
    world.ok(_copy(f"<config>{space('t')}</config>"))
    assert world.find("candidate", "p:pools") == []
    assert world.spaces("candidate") == ["t"]


def test_copy_to_itself(world: World) -> None:
    """RFC 6241 7.3: source and target that are the same are refused."""
    assert world.refused(_copy("<candidate/>")).tag == "invalid-value"


def test_copy_to_running(world: World) -> None:
    """RFC 6241 8.2: without :writable-running, running is no target."""
    assert world.refused(_copy("<candidate/>", "<running/>")).tag == "unknown-element"


def test_copy_to_a_locked_candidate(world: World) -> None:
    """RFC 6241 7.3: a target that another has locked is in-use."""
    world.ok(lock("candidate"), 2)
    assert world.refused(_copy("<running/>")).tag == "in-use"


@pytest.mark.parametrize("target", ["running", "candidate"])
def test_delete_config(world: World, target: str) -> None:
    """RFC 6241 7.4: running cannot be deleted, and there is no startup here."""
    error = world.refused(f"<delete-config><target><{target}/></target></delete-config>")
    assert error.tag in ("invalid-value", "unknown-element", "operation-not-supported")
    assert world.spaces() == ["s"]


# --- 7.5, 7.6, locks ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["running", "candidate"])
def test_a_lock_is_denied_with_its_session(world: World, target: str) -> None:
    """RFC 6241 7.5: lock-denied names the session that holds the lock; its own session too."""
    world.ok(lock(target), 2)
    for session in (1, 2):
        error = world.refused(lock(target), session)
        assert (error.type, error.tag) == ("protocol", "lock-denied")
        assert to_peer_error(error).session_id == 2
    world.ok(unlock(target), 2)
    world.ok(lock(target))


@pytest.mark.parametrize("target", ["running", "candidate"])
def test_only_the_holder_unlocks(world: World, target: str) -> None:
    """RFC 6241 7.6: who does not hold a lock cannot release it."""
    assert world.refused(unlock(target)).tag == "operation-failed"
    world.ok(lock(target), 2)
    assert world.refused(unlock(target)).tag == "operation-failed"
    assert to_peer_error(world.refused(lock(target))).session_id == 2


def test_a_modified_candidate_cannot_be_locked(world: World) -> None:
    """RFC 6241 7.5: a candidate that has been modified and neither committed nor discarded is not locked."""
    world.edit(space("t"), 2)
    error = world.refused(lock("candidate"))
    assert (error.tag, to_peer_error(error).session_id) == ("lock-denied", 2)
    world.ok(DISCARD, 2)
    world.ok(lock("candidate"))


def test_locks_end_with_their_session(world: World) -> None:
    """RFC 6241 7.5: a session's locks are released when it ends."""
    world.ok(lock("running"), 2)
    world.ok(lock("candidate"), 2)
    world.end(2)
    world.ok(lock("running"))
    world.ok(lock("candidate"))


def test_what_was_not_committed_goes_with_the_lock(world: World) -> None:
    """RFC 6241 8.3.5.2: when the candidate's lock is released, what was not committed is discarded."""
    world.ok(lock("candidate"))
    world.edit(space("t"))
    world.ok(unlock("candidate"))
    assert world.spaces("candidate") == ["s"]
    world.ok(lock("candidate"), 2)
    world.edit(space("t"), 2)
    world.end(2)
    assert world.spaces("candidate") == ["s"]


def test_a_locked_candidate_is_edited_by_its_holder_only(world: World) -> None:
    """RFC 6241 7.2: a locked target is in-use for others: edit, commit and discard."""
    world.ok(lock("candidate"), 2)
    for operation in (edit(space("t")), COMMIT, DISCARD):
        assert world.refused(operation).tag == "in-use"
    world.edit(space("t"), 2)
    world.ok(COMMIT, 2)
    assert world.spaces() == ["s", "t"]


def test_a_lock_of_running_keeps_others_from_commit(world: World) -> None:
    """RFC 6241 8.3.4.1: commit is in-use where another session has running locked; the candidate can be edited."""
    world.ok(lock("running"), 2)
    world.edit(space("t"))
    assert world.refused(COMMIT).tag == "in-use"
    world.ok(COMMIT, 2)
    assert world.spaces() == ["s", "t"]


def test_a_lock_of_running_binds_who_does_not_speak_netconf(world: World) -> None:
    """RFC 6241 7.5: the lock keeps changes from other sources out: the command line, SNMP, other servers."""
    world.ok(lock("running"))
    with pytest.raises(InUse, match="locked by alice, NETCONF session 1"):
        world.cli(AddSpace("t"))
    world.ok(unlock("running"))
    world.cli(AddSpace("t"))
    assert world.spaces() == ["s", "t"]


def test_a_lock_of_running_ends_by_time_where_its_server_died(world: World) -> None:
    """RFC 6241 7.5: a lock is not left behind by a server that is gone."""
    world.ok(lock("running"))
    world.pass_time(60)
    with pytest.raises(InUse):
        world.cli(AddSpace("t"))
    world.clock.advance(15)
    world.cli(AddSpace("t"))


@pytest.mark.parametrize("operation", [lock, unlock])
def test_there_is_no_startup_to_lock(world: World, operation: object) -> None:
    """RFC 6241 8.7: without :startup there is nothing of that name."""
    assert callable(operation)
    assert world.refused(operation("startup")).tag == "unknown-element"


# --- 8.3, the candidate ---------------------------------------------------------------------------


def test_a_commit_makes_the_candidate_running(world: World) -> None:
    """RFC 6241 8.3.4.1: commit sets running to the candidate; they are the same afterwards."""
    world.edit(space("t") + described("new"))
    world.ok(COMMIT)
    assert world.spaces() == world.spaces("candidate") == ["s", "t"]
    assert world.description() == "new"
    assert not world.datastores.candidate_modified


def test_a_commit_of_nothing(world: World) -> None:
    """RFC 6241 8.3.4.1: a commit without changes is ok."""
    revision = world.running.tree()[0]
    world.ok(COMMIT)
    assert world.running.tree()[0] == revision


def test_discard_changes(world: World) -> None:
    """RFC 6241 8.3.4.2: discard-changes makes the candidate what running is."""
    world.edit(space("t"))
    world.ok(DISCARD)
    assert world.spaces("candidate") == ["s"]
    world.ok(DISCARD)


def test_the_candidate_is_shared(world: World) -> None:
    """RFC 6241 8.3.1: the candidate is one for all sessions."""
    world.edit(space("t"), 1)
    world.edit(space("u"), 2)
    world.ok(COMMIT, 3)
    assert world.spaces() == ["s", "t", "u"]


def test_what_the_store_refuses_is_an_error_with_its_path(world: World) -> None:
    """RFC 6241 8.3.4.1: where running cannot be set to the candidate, it stays as it was, and the error says where."""
    allocate(world.database, Author("x"), "bng1/internet")
    world.edit(
        space("t") + device("bng1", "<device-pool nc:operation='delete'><name>internet</name></device-pool>")
    )
    error = world.refused(COMMIT)
    assert (error.tag, error.app_tag) == ("in-use", "in-use")
    assert error.path is not None
    assert "bng1" in error.path
    assert "internet" in error.path
    assert world.spaces() == ["s"]
    assert world.datastores.candidate_modified


def test_two_sessions_that_change_one_after_the_other(world: World) -> None:
    """RFC 6241 8.3: each commit is of what is in the candidate then."""
    world.edit(described("one"), 1)
    world.ok(COMMIT, 1)
    world.edit(described("two"), 2)
    world.ok(COMMIT, 2)
    assert world.description() == "two"


# --- A change beside the candidate: docs/decisions ------------------------------------------------


def test_a_candidate_goes_with_what_others_change(world: World) -> None:
    """RFC 6241 8.3.1: a commit does not undo what others changed since the candidate was edited."""
    world.edit(described("mine"))
    world.cli(AddSpace("t"))
    world.ok(COMMIT)
    assert world.spaces() == ["s", "t"]
    assert world.description() == "mine"


def test_a_candidate_shows_what_others_changed(world: World) -> None:
    """RFC 6241 8.3.1: the candidate is running and what was edited in it."""
    world.edit(described("mine"))
    world.cli(AddSpace("t"))
    world.edit(space("u"))
    assert world.spaces("candidate") == ["s", "t", "u"]


def test_two_changes_of_the_same_are_refused(world: World) -> None:
    """RFC 6241 8.3.4.1: what others changed too since it was edited is not overwritten: operation-failed."""
    world.edit(space("t", "<description>mine</description>"))
    world.cli(AddSpace("t", "theirs"))
    error = world.refused(COMMIT)
    assert (error.tag, error.app_tag) == ("operation-failed", "candidate-outdated")
    assert error.path == f"{SPACE_PATH}[casm-pools:name='t']"
    world.ok(DISCARD)
    world.edit(space("t", "<description>mine</description>"))
    world.ok(COMMIT)
    assert world.find("running", "p:address-spaces/p:address-space/p:description") == ["the space", "mine"]


def test_the_same_change_twice_is_one(world: World) -> None:
    """RFC 6241 8.3.4.1: what others made just as the candidate has it is there already."""
    world.edit(space("t"))
    world.cli(AddSpace("t"))
    world.ok(COMMIT)
    assert world.spaces() == ["s", "t"]


def test_what_others_removed_meanwhile(world: World) -> None:
    """RFC 6241 8.3.4.1: what the candidate needs and others removed is found when it is committed."""
    world.cli(AddSpace("t"))
    world.edit(pool("n", "<address-space>t</address-space><family>ipv4</family><prefix>10.9.0.0/16</prefix>"))
    world.cli(RemoveSpace("t"))
    error = world.refused(COMMIT)
    assert (error.tag, error.app_tag) == ("data-missing", "instance-required")


# --- 8.4, confirmed commit ------------------------------------------------------------------------


def test_a_confirmed_commit_shows_in_running(world: World) -> None:
    """RFC 6241 8.4.1: a confirmed commit takes effect, and stays when it is confirmed."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    assert world.description() == "new"
    world.ok(COMMIT)
    world.clock.advance(601)
    world.datastores.expire()
    assert world.description() == "new"


def test_it_is_taken_back_after_600_seconds(world: World) -> None:
    """RFC 6241 8.4.1: without a confirm-timeout it is taken back after 600 seconds."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    world.pass_time(599)
    assert world.description() == "new"
    world.clock.advance(1)
    deadline = world.datastores.next_deadline()
    assert deadline is not None
    assert deadline <= world.clock.now()
    world.datastores.expire()
    assert world.description() == "the pool"


def test_confirm_timeout(world: World) -> None:
    """RFC 6241 8.4.5: confirm-timeout says after how many seconds."""
    world.edit(described("new"))
    world.ok(confirmed(confirm_timeout="5"))
    world.clock.advance(5)
    world.datastores.expire()
    assert world.description() == "the pool"
    assert world.refused(CANCEL).tag == "operation-failed"


@pytest.mark.parametrize("timeout", ["0", "-1", "x", "4294967296"])
def test_a_bad_confirm_timeout(world: World, timeout: str) -> None:
    """RFC 6241 8.4.5: confirm-timeout is from 1."""
    assert world.refused(confirmed(confirm_timeout=timeout)).tag == "bad-element"


def test_a_confirmation_after_the_timeout_is_another_commit(world: World) -> None:
    """RFC 6241 8.4.1: what was taken back is not brought back by a late confirmation."""
    world.edit(described("new"))
    world.ok(confirmed(confirm_timeout="5"))
    world.clock.advance(6)
    world.ok(COMMIT)
    assert world.description() == "the pool"


def test_another_confirmed_commit_extends_it(world: World) -> None:
    """RFC 6241 8.4.1: a confirmed commit while one is pending begins its time anew; all of it is taken back."""
    world.edit(described("one"))
    world.ok(confirmed(confirm_timeout="10"))
    world.clock.advance(9)
    world.edit(space("t"))
    world.ok(confirmed(confirm_timeout="10"))
    world.clock.advance(9)
    world.datastores.expire()
    assert (world.description(), world.spaces()) == ("one", ["s", "t"])
    world.clock.advance(1)
    world.datastores.expire()
    assert (world.description(), world.spaces()) == ("the pool", ["s"])


def test_the_confirming_commit_brings_more(world: World) -> None:
    """RFC 6241 8.4.1: what is in the candidate by then goes with the confirmation."""
    world.edit(described("one"))
    world.ok(CONFIRMED)
    world.edit(space("t"))
    world.ok(COMMIT)
    world.clock.advance(601)
    assert (world.description(), world.spaces()) == ("one", ["s", "t"])


def test_it_is_taken_back_when_its_session_ends(world: World) -> None:
    """RFC 6241 8.4.1: without persist it is taken back when its session ends."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    world.end(1)
    assert world.description() == "the pool"


def test_only_its_session_confirms(world: World) -> None:
    """RFC 6241 8.4.1: without persist only the session that began it confirms, extends or cancels."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    for operation in (COMMIT, CONFIRMED, CANCEL):
        assert world.refused(operation, 2).tag == "in-use"
    assert world.description() == "new"


def test_persist(world: World) -> None:
    """RFC 6241 8.4.5.1: with persist it outlives its session, and any session confirms it by persist-id."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    world.end(1)
    assert world.description() == "new"
    assert world.refused(COMMIT, 2).tag == "in-use"
    world.ok("<commit><persist-id>token</persist-id></commit>", 2)
    world.clock.advance(601)
    world.datastores.expire()
    assert world.description() == "new"


def test_a_wrong_persist_id(world: World) -> None:
    """RFC 6241 8.4.5.1: a persist-id that is not the pending one's is invalid-value."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    for operation in (
        "<commit><persist-id>x</persist-id></commit>",
        "<cancel-commit><persist-id>x</persist-id></cancel-commit>",
    ):
        assert world.refused(operation).tag == "invalid-value"
    assert world.refused(COMMIT).tag == "in-use"


def test_a_persist_id_where_nothing_is_pending(world: World) -> None:
    """RFC 6241 8.4.5.1: a persist-id where nothing is pending is invalid-value."""
    assert world.refused("<commit><persist-id>x</persist-id></commit>").tag == "invalid-value"


def test_persist_without_confirmed(world: World) -> None:
    """RFC 6241 8.4.5.1: persist is for a confirmed commit."""
    assert world.refused("<commit><persist>x</persist></commit>").tag == "missing-element"


def test_a_persistent_one_is_extended_by_its_id(world: World) -> None:
    """RFC 6241 8.4.1: a follow-up confirmed commit with persist-id extends it, and it stays persistent."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token", confirm_timeout="10"))
    world.clock.advance(9)
    world.ok(
        "<commit><confirmed/><confirm-timeout>10</confirm-timeout><persist-id>token</persist-id></commit>", 2
    )
    world.clock.advance(9)
    world.end(2)
    assert world.description() == "new"
    world.ok("<commit><persist-id>token</persist-id></commit>", 3)


def test_cancel_commit(world: World) -> None:
    """RFC 6241 8.4.4.1: cancel-commit takes it back at once."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    world.ok(CANCEL)
    assert world.description() == "the pool"
    assert world.refused(CANCEL).tag == "operation-failed"


def test_cancel_commit_by_another_session(world: World) -> None:
    """RFC 6241 8.4.4.1: with the persist-id another session cancels it."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    world.ok("<cancel-commit><persist-id>token</persist-id></cancel-commit>", 2)
    assert world.description() == "the pool"


def test_running_cannot_be_locked_by_others(world: World) -> None:
    """RFC 6241 7.5: while a confirmed commit of another session is pending, running is not locked."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    error = world.refused(lock("running"), 2)
    assert (error.tag, to_peer_error(error).session_id) == ("lock-denied", 1)
    world.ok(lock("running"), 1)


def test_a_lock_of_its_own_session_does_not_hinder(world: World) -> None:
    """RFC 6241 8.4.1: lock, confirmed commit, confirm, unlock: the way that the RFC advises."""
    world.ok(lock("running"))
    world.ok(lock("candidate"))
    world.edit(described("new"))
    world.ok(CONFIRMED)
    world.ok(COMMIT)
    world.ok(unlock("candidate"))
    world.ok(unlock("running"))
    assert world.description() == "new"


def test_what_cannot_be_made_is_refused_when_it_begins(world: World) -> None:
    """RFC 6241 8.4.1: a confirmed commit that could not be confirmed is refused, and nothing is pending."""
    allocate(world.database, Author("x"), "bng1/internet")
    world.edit(device("bng1", f"<device-pool{op('delete')}><name>internet</name></device-pool>"))
    error = world.refused(CONFIRMED)
    assert (error.tag, error.app_tag) == ("in-use", "in-use")
    assert error.path is not None
    assert world.datastores.pending is None
    assert world.find("running", "d:devices/d:device/d:device-pool/d:name") == ["internet"]


def test_nothing_is_given_from_what_is_not_confirmed(world: World) -> None:
    """RFC 6241 8.4.1: what may be taken back is not allocated from: resource-denied, pending-confirm."""
    world.edit(new_pool("n", "10.9.0.0/16") + device_pool("<pool>n</pool><length>24</length>", name="new"))
    world.ok(CONFIRMED)
    assert "new" in world.find("running", "d:devices/d:device/d:device-pool/d:name")
    with pytest.raises(PendingConfirm):
        allocate(world.database, Author("x"), "bng1/new")
    allocate(world.database, Author("x"), "bng1/internet")
    world.ok(COMMIT)
    allocate(world.database, Author("x"), "bng1/new")


def test_nothing_is_given_from_what_it_removes(world: World) -> None:
    """RFC 6241 8.4.1: what a pending commit removes is there until it is confirmed, and nothing is given from it."""
    world.edit(device("bng1", f"<device-pool{op('delete')}><name>internet</name></device-pool>"))
    world.ok(CONFIRMED)
    with pytest.raises(PendingConfirm):
        allocate(world.database, Author("x"), "bng1/internet")
    world.ok(COMMIT)
    assert world.find("running", "d:devices/d:device/d:device-pool") == []


def test_nothing_is_given_from_a_pool_that_it_shrinks(world: World) -> None:
    """RFC 6241 8.4.1: an allocation does not make the confirmation fail."""
    world.edit(pool("p", "<prefix>10.8.0.0/16</prefix><exclude>10.0.0.0/24</exclude>"))
    world.ok(CONFIRMED)
    with pytest.raises(PendingConfirm):
        allocate(world.database, Author("x"), "bng1/internet")
    world.ok(COMMIT)
    allocate(world.database, Author("x"), "bng1/internet")


def test_words_do_not_keep_from_allocating(world: World) -> None:
    """RFC 6241 8.4.1: a pending change on which no allocation stands keeps nobody from one."""
    world.edit(described("new") + device("bng1", "<port>831</port>"))
    world.ok(CONFIRMED)
    allocate(world.database, Author("x"), "bng1/internet")
    world.ok(COMMIT)


def test_nobody_else_changes_what_may_be_taken_back(world: World) -> None:
    """RFC 6241 8.4.1: other sources are kept out while it is pending, so that it can be taken back."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    with pytest.raises(InUse, match="confirmed commit of alice"):
        world.cli(AddSpace("t"))
    world.ok(CANCEL)
    world.cli(AddSpace("t"))
    assert world.spaces() == ["s", "t"]


def test_an_edit_on_what_is_not_confirmed_survives_its_end(world: World) -> None:
    """RFC 6241 8.4.1: the candidate that was edited meanwhile keeps its own changes only."""
    world.edit(described("new"))
    world.ok(CONFIRMED)
    world.edit(space("t"))
    world.ok(CANCEL)
    assert world.spaces("candidate") == ["s", "t"]
    assert world.description("candidate") == "the pool"


def test_a_restart_takes_it_back(world: World) -> None:
    """RFC 6241 8.4.1: a server that starts again has the configuration from before, persist or not."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    world.clock.advance(15)  # the old server renews no more
    world.start()
    assert world.description() == "the pool"
    assert world.datastores.pending is None
    world.cli(AddSpace("t"))


def test_an_end_of_the_server_takes_it_back(world: World) -> None:
    """RFC 6241 8.4.1: a server that ends in order leaves nothing that is not confirmed."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    world.datastores.close()
    world.start()
    assert world.description() == "the pool"
    assert world.datastores.pending is None


def test_a_second_server_shows_what_the_first_has_pending(world: World) -> None:
    """RFC 6241 8.4.1: running is one, whichever server of a store is asked."""
    world.edit(described("new"))
    world.ok(confirmed(persist="token"))
    first = world.datastores
    world.start()
    assert world.description() == "new"
    assert world.refused(COMMIT).tag == "in-use"
    assert to_peer_error(world.refused(lock("running"))).session_id == 0
    world.ok("<commit><persist-id>token</persist-id></commit>", 2)
    first.expire()
    assert first.pending is None
    assert world.description() == "new"


def test_two_servers_exclude_each_other(world: World) -> None:
    """RFC 6241 7.5: a lock that a session of another server holds is of no session of this one: session-id 0."""
    world.ok(lock("running"))
    world.start()
    error = world.refused(lock("running"), 2)
    assert (error.tag, to_peer_error(error).session_id) == ("lock-denied", 0)
    world.edit(space("t"), 2)
    assert world.refused(COMMIT, 2).tag == "in-use"


# --- 8.6, validate --------------------------------------------------------------------------------


def _validate(source: str) -> str:
    return f"<validate><source>{source}</source></validate>"


@pytest.mark.parametrize("source", ["running", "candidate"])
def test_validate_a_datastore(world: World, source: str) -> None:
    """RFC 6241 8.6.4.1: validate of a configuration that is valid is ok."""
    world.edit(space("t"))
    world.ok(_validate(f"<{source}/>"))


def test_validate_what_is_not_valid(world: World) -> None:
    """RFC 6241 8.6.4.1: validate tells what commit would refuse."""
    world.edit(space("s", attributes=op("delete")), test_option="set")
    assert world.refused(_validate("<candidate/>")).tag == "data-missing"
    assert world.spaces() == ["s"]


def test_validate_asks_the_store(world: World) -> None:
    """RFC 6241 8.6.1: validation is semantic too: what the store would refuse is found."""
    allocate(world.database, Author("x"), "bng1/internet")
    world.edit(device("bng1", f"<device-pool{op('delete')}><name>internet</name></device-pool>"))
    assert world.refused(_validate("<candidate/>")).tag == "in-use"
    world.edit(new_pool("n", "10.0.128.0/17"))
    world.refused(_validate("<candidate/>"))


def test_validate_a_configuration(world: World) -> None:
    """RFC 6241 8.6.4.1: validate takes a whole configuration."""
    world.ok(_validate(f"<config>{space('s')}</config>").replace(space("s"), space("s") + ""))
    error = world.refused(_validate(f"<config>{new_pool('n', '10.9.0.0/16')}</config>"))
    assert error.tag == "data-missing"
    assert world.spaces("candidate") == ["s"]


def test_validate_needs_a_source(world: World) -> None:
    """RFC 6241 8.6.4.1: source is mandatory."""
    assert world.refused("<validate/>").tag == "missing-element"


# --- Access (RFC 8341) ----------------------------------------------------------------------------


def test_only_what_may_be_read_is_copied(store_path: Path) -> None:
    """RFC 8341 3.2.6: copy-config from a datastore takes what the user may read, and leaves out the rest."""

    def prune(caller: Caller, tree: Element) -> Element:
        if caller.username == "alice":
            return tree
        pruned = deepcopy(tree)
        for devices in pruned.findall(f"{{{DEVICES}}}devices"):
            pruned.remove(devices)
        return pruned

    with world_on(store_path, prune_tree=prune) as world:
        world.ok(_copy("<running/>"), 1)
        assert not world.datastores.candidate_modified
        world.ok(_copy("<running/>"), 2)
        assert world.find("candidate", "d:devices") == []
        assert world.spaces("candidate") == ["s"]


def test_a_commit_is_checked_again(store_path: Path) -> None:
    """RFC 8341 3.2.8: a commit is checked by what it changes in running, whoever edited the candidate."""
    seen: list[tuple[str, int, int]] = []

    def check(caller: Caller, before: Element, after: Element) -> None:
        seen.append((caller.username, len(before), len(after)))
        if caller.username == "bob":
            raise rpc_error.access_denied()

    with world_on(store_path, check) as world:
        assert world.edit_refused(space("t"), 2).tag == "access-denied"
        world.edit(space("t"), 1)
        assert world.refused(COMMIT, 2).tag == "access-denied"
        assert world.spaces() == ["s"]
        world.ok(COMMIT, 1)
        world.ok(COMMIT, 2)  # nothing to be denied
        assert seen == [("bob", 0, 1), ("alice", 0, 1), ("bob", 0, 1), ("alice", 0, 1)]
