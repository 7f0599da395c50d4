"""The RPCs of casm-operations through the server: sessions, replies, refusals, and the end of a session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from casm_ctrl.netconf.names import Element, nc
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.models import Models
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.states import State
from tests.northbound_harness import PATIENCE, Client, Endpoint, Refused, ruled_endpoint
from tests.sync_world import World, Worlds
from tests.verbs_world import ask, text, texts


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("northbound-served"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with worlds.world() as made:
        monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
        monkeypatch.setenv("HOME", str(made.folder))
        yield made


@pytest_asyncio.fixture
async def served(world: World, northbound_models: Models) -> AsyncIterator[Endpoint]:
    async with ruled_endpoint(world.database, northbound_models) as endpoint:
        yield endpoint


EVENTS = '<{} xmlns="urn:casm:yang:casm-events"/>'
RFC_6470 = '<{} xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"/>'


def subscribe(*told: str) -> str:
    """To some only: that the listener's own session began is told when it is."""
    return (
        '<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><filter type="subtree">'
        f"{''.join(told)}</filter></create-subscription>"
    )


async def until(world: World, operation: str) -> None:
    def wait() -> None:
        end = time.monotonic() + PATIENCE
        while operation not in world.operations():
            assert time.monotonic() < end
            time.sleep(0.01)

    await asyncio.to_thread(wait)


async def refused(client: Client, operation: str) -> Element:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    return caught.value.errors[0]


async def test_main_job(world: World, served: Endpoint) -> None:
    world.add()
    client = await served.open("alice")
    given = await client.rpc(ask("allocate", "<device-pool>bng1/internet</device-pool><count>2</count>"))
    assert texts(given, "block/id") == ["b1", "b2"]
    applied = await client.rpc(ask("apply", "<device>bng1</device><reason>go</reason>"))
    assert text(applied, "device/result") == "changed"
    proven = await client.rpc(ask("verify"))
    assert (text(proven, "result"), text(proven, "actor")) == ("proven", "alice@netconf")
    await client.rpc(ask("release", "<block>b1</block>"))
    await client.rpc(ask("apply"))
    assert world.states() == {"b1": State.QUARANTINED, "b2": State.INSTALLED}
    world.check()


async def test_refusals_on_the_wire(world: World, served: Endpoint) -> None:
    client = await served.open("alice")
    error = await refused(client, ask("release", "<block>b9</block>"))
    path = error.find(nc("error-path"))
    assert path is not None
    assert path.text == "/nc:rpc/casm-o:release/casm-o:block[.='b9']"
    assert path.nsmap["casm-o"] == verbs.NAMESPACE
    assert error.findtext(nc("error-app-tag")) == "not-found"
    missing = await refused(client, ask("allocate"))
    assert missing.findtext(f"{nc('error-info')}/{nc('bad-element')}") == "device-pool"
    unknown = await refused(client, ask("levitate"))
    assert unknown.findtext(nc("error-tag")) == "operation-not-supported"
    assert (await client.rpc(ask("read-status"))).find("{*}store-id") is not None


async def test_a_killed_session_ends_its_work(world: World, served: Endpoint) -> None:
    world.add(deadlines=(("rpc", 2.0),))
    world.give()
    world.fault("bng1", FaultKind.NO_REPLY, "commit")
    victim, other = await served.open("alice"), await served.open("bob")
    again = ask("apply", "<request-id>monday</request-id><retries>0</retries>")
    work = asyncio.ensure_future(victim.reply(again))
    await until(world, "edit-config:candidate")
    await other.rpc(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
    with pytest.raises(ConnectionResetError):
        await work
    with pytest.raises(ConnectionAbortedError):
        await victim.ended()
    world.clear_all_faults()
    later = await served.open("alice")
    reply = await later.rpc(again)
    assert text(reply, "device/result") in ("changed", "in-sync")
    world.check()


IMPORT = ask(
    "import-store", "<document>prefix,vrf\n192.0.2.0/24,\n</document><address-space>s</address-space>"
)
LOCK = "<{}lock><target><running/></target></{}lock>"


async def test_a_lock_keeps_back_others_and_not_its_own_session(world: World, served: Endpoint) -> None:
    """A host key that is recorded, an import and a device that is replaced are changes of configuration."""
    device = world.add(known=False)
    replace = (
        f"<name>bng1</name><host-key>{device.host_key}</host-key><dry-run>true</dry-run><reason>x</reason>"
    )
    changing = (
        IMPORT,
        ask("replace-device", replace),
        ask("adopt", "<all/><accept-new>true</accept-new>"),
    )
    alice, bob = await served.open("alice"), await served.open("bob")
    await alice.rpc(LOCK.format("", ""))
    for operation in changing[:2]:
        error = await refused(bob, operation)
        assert error.findtext(nc("error-tag")) == "in-use"
        assert "locked by alice" in (error.findtext(nc("error-message")) or "")
    kept_back = await bob.rpc(changing[2])
    assert text(kept_back, "device/error/tag") == "in-use"
    for operation in changing:
        reply = await alice.rpc(operation)
        assert reply.find("{*}device/{*}error") is None
    locked = await bob.rpc(ask("read-status"))
    assert text(locked, "configuration-lock/user") == "alice"
    assert text(locked, "configuration-lock/session-id") == str(alice.session_id)
    await alice.rpc(LOCK.format("un", "un"))
    await bob.rpc(IMPORT)
    assert (await bob.rpc(ask("read-status"))).find("{*}configuration-lock") is None


async def test_what_a_session_changed_is_told_with_its_number(world: World, served: Endpoint) -> None:
    alice, listener = await served.open("alice"), await served.open("bob")
    await listener.rpc(
        subscribe(EVENTS.format("configuration-changed"), RFC_6470.format("netconf-config-change"))
    )
    reply = await alice.rpc(IMPORT)
    ours = await listener.notification()
    assert text(ours, "configuration-changed/revision") == text(reply, "config-revision")
    theirs = await listener.notification()
    assert text(theirs, "netconf-config-change/changed-by/username") == "alice"
    assert text(theirs, "netconf-config-change/changed-by/session-id") == str(alice.session_id)
    audit = await alice.rpc(ask("read-audit"))
    rows = [row for row in audit.findall("{*}event") if row.findtext("{*}verb") == "pool-add"]
    assert rows[-1].findtext("{*}session-id") == str(alice.session_id)
    assert rows[-1].findtext("{*}config-revision") == text(reply, "config-revision")
    assert all(
        (row.find("{*}to") is not None) == (row.findtext("{*}subject-kind") == "block")
        for row in audit.findall("{*}event")
    )


async def test_who_is_gone_gets_the_answer_later(world: World, served: Endpoint) -> None:
    """The connection of the client breaks while an apply works on a device: it goes on to its end."""
    world.add()
    world.give()
    world.fault("bng1", FaultKind.DELAY_BEFORE, "edit-config:candidate", seconds=1.0)
    gone, again = (
        await served.open("alice"),
        ask("apply", "<request-id>monday</request-id><retries>0</retries>"),
    )
    work = asyncio.ensure_future(gone.reply(again))
    await until(world, "lock:candidate")
    work.cancel()
    await gone.close()
    later = await served.open("alice")
    reply = await later.rpc(again)
    assert text(reply, "device/result") == "changed"
    assert world.operations().count("confirmed-commit") == 1
    assert world.states() == {"b1": State.INSTALLED}
    world.check()


async def test_who_cancels_a_confirmed_commit_is_told(world: World, served: Endpoint) -> None:
    """RFC 6470, 2.5: of another session, and of another user, than began it."""
    alice, bob = await served.open("alice"), await served.open("bob")
    await bob.rpc(subscribe(RFC_6470.format("netconf-confirmed-commit")))
    await alice.rpc("<commit><confirmed/><persist>id-1</persist></commit>")
    begun = await bob.notification()
    await bob.rpc("<cancel-commit><persist-id>id-1</persist-id></cancel-commit>")
    ended = await bob.notification()
    for told, event, session in ((begun, "start", alice), (ended, "cancel", bob)):
        assert text(told, "netconf-confirmed-commit/confirm-event") == event
        assert text(told, "netconf-confirmed-commit/session-id") == str(session.session_id)
    assert text(begun, "netconf-confirmed-commit/username") == "alice"
    assert text(ended, "netconf-confirmed-commit/username") == "bob"
