"""Every RPC of casm-operations, on a store and simulated devices. Each reply is judged by the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from casm_ctrl.netconf.client.session_pool import SessionPool
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound import verbs
from casm_ctrl.northbound.verbs.context import VerbContext
from casm_ctrl.service import control_state
from casm_ctrl.simulator import FaultKind
from casm_ctrl.store.control_state import open_breaker
from casm_ctrl.store.states import State
from tests.sync_world import World, Worlds, pool_xml
from tests.verbs_world import StrictWriter, Verbs, text, texts

PATIENCE = 30.0


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("northbound-verbs"))
    yield made
    made.close()


@pytest.fixture
def world(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(verbs, "OutputWriter", StrictWriter)
    with worlds.world() as made:
        monkeypatch.setenv("CASM_TEST_PASSWORD", "casm")
        monkeypatch.setenv("HOME", str(made.folder))
        yield made


@pytest.fixture
def called(world: World) -> Verbs:
    return Verbs(VerbContext(world.database))


def refused(action: Any, *arguments: str) -> RpcError:
    with pytest.raises(RpcError) as caught:
        action(*arguments)
    return caught.value


def until_asked(world: World, operation: str) -> None:
    end = time.monotonic() + PATIENCE
    while operation not in world.operations():
        assert time.monotonic() < end
        time.sleep(0.01)


ONCE = "<retries>0</retries><wait>5</wait>"


# --- On the store ---------------------------------------------------------------------------------


def test_allocate(world: World, called: Verbs) -> None:
    world.add()
    ask = "<device-pool>bng1/internet</device-pool><count>2</count><request-id>order</request-id>"
    reply = called.call("allocate", ask)
    assert texts(reply, "block/id") == ["b1", "b2"]
    assert texts(reply, "block/prefix") == ["198.51.100.0/26", "198.51.100.64/26"]
    again = called.call("allocate", ask)
    assert etree.tostring(again) == etree.tostring(reply)
    assert len(world.blocks()) == 2
    error = refused(called.call, "allocate", ask.replace("2", "3"))
    assert (error.tag, error.app_tag) == ("invalid-value", "request-id-reused")
    assert error.path == "/nc:rpc/casm-o:allocate/casm-o:request-id"
    called.user = "bob"  # an id belongs to its actor
    assert texts(called.call("allocate", ask), "block/id") == ["b3", "b4"]
    event = called.call("read-audit", "<block>b3</block>")
    assert text(event, "event/actor") == "bob@netconf"


def test_allocate_all_of_it(world: World, called: Verbs) -> None:
    world.add()
    adjacent = called.call(
        "allocate",
        "<device-pool>bng1/internet</device-pool><addresses>100</addresses><strategy>adjacent</strategy>"
        "<lifetime>86400</lifetime><pool>p</pool><reason>why not</reason>",
    )
    assert texts(adjacent, "block/prefix") == ["198.51.100.0/25"]
    assert text(adjacent, "routes") == "1"
    assert text(adjacent, "block/expires") is not None
    dry = called.call(
        "allocate",
        "<device-pool>bng1/internet</device-pool><prefix>198.51.101.0/26</prefix><dry-run>true</dry-run>",
    )
    assert text(dry, "block/prefix") == "198.51.101.0/26"
    assert len(world.blocks()) == 1
    labelled = "<label><name>scope</name><value>private</value></label>"
    assert called.call("allocate", f"<device-pool>bng1/internet</device-pool>{labelled}") is not None
    error = refused(
        called.call, "allocate", "<device-pool>bng1/internet</device-pool><prefix>198.51.100.0/26</prefix>"
    )
    assert error.tag == "operation-failed" or error.tag == "resource-denied"
    error = refused(called.call, "allocate", "<device-pool>bng1/internet</device-pool><count>1000</count>")
    assert (error.tag, error.app_tag) == ("resource-denied", "exhausted")


def test_life_of_a_block_in_the_store(world: World, called: Verbs) -> None:
    world.add()
    world.give(2)
    renewed = called.call("renew", "<block>b1</block><lifetime>3600</lifetime><reason>more</reason>")
    assert text(renewed, "block/expires") is not None
    forever = called.call("renew", "<block>198.51.100.0/26</block><expires>never</expires>")
    assert text(forever, "block/expires") is None
    drained = called.call("drain", "<block>b1</block><block>b2</block>")
    assert texts(drained, "block/wanted") == ["drained", "drained"]
    kept = called.call("cancel-drain", "<block>b2</block><address-space>s</address-space>")
    assert text(kept, "block/wanted") == "present"
    released = called.call("release", "<block>b1</block><reason>too many</reason>")
    assert text(released, "block/state") == "free"
    assert text(released, "block/address-space") is None
    forced = called.call("release", "<block>b2</block><force>true</force><reason>burned down</reason>")
    assert text(forced, "block/state") == "quarantined"
    assert text(forced, "block/quarantined-until") is not None
    error = refused(called.call, "drain", "<block>b2</block>")
    assert (error.tag, error.app_tag) == ("operation-failed", "illegal-transition")
    assert error.path == "/nc:rpc/casm-o:drain/casm-o:block[.='b2']"
    assert error.namespaces["casm-o"] == verbs.NAMESPACE


def test_one_bad_block_of_several_changes_nothing(world: World, called: Verbs) -> None:
    world.add()
    world.give(2)
    error = refused(called.call, "release", "<block>b1</block><block>b99</block>")
    assert (error.tag, error.app_tag) == ("data-missing", "not-found")
    assert error.path == "/nc:rpc/casm-o:release/casm-o:block[.='b99']"
    assert set(world.states()) == {"b1", "b2"}


def test_routes_and_clock(world: World, called: Verbs) -> None:
    world.add()
    world.give()
    error = refused(called.call, "confirm-routes", "<block>b1</block>")
    assert error.tag in ("invalid-value", "operation-failed")
    assert text(called.call("accept-clock", "<reason>NTP is right</reason>"), "clock-held") == "false"
    assert text(called.call("hold", "<device>bng1</device><reason>work</reason>"), "hold/subject") == "bng1"
    assert text(called.call("unhold", "<device>bng1</device>"), "hold/reason") == "work"


def test_resume_control(world: World, called: Verbs) -> None:
    """As `casm control resume`: it closes the breaker, once for a request, and who did it is in the audit."""
    world.database.run(lambda tx: open_breaker(tx, "5 changes failed"))
    ask = "<request-id>r</request-id><reason>looked</reason>"
    done = called.call("resume-control", ask)
    assert (text(done, "breaker/state"), text(done, "breaker/since")) == ("closed", None)
    world.database.run(lambda tx: open_breaker(tx, "again"))
    assert text(called.call("resume-control", ask), "breaker/state") == "closed"
    stands = control_state.status(world.database)["control"]["breaker"]
    assert (stands["state"], stands["reason"]) == ("open", "again")  # what was repeated did nothing
    told = called.call("read-audit", "<limit>10</limit>")
    verbs_by = dict(zip(texts(told, "event/verb"), texts(told, "event/actor"), strict=True))
    assert verbs_by["control-resume"] == "alice@netconf"
    assert "looked" in texts(told, "event/reason")


def test_replace_device(world: World, called: Verbs) -> None:
    device = world.add()
    world.give()
    other = world.lab.start("other")
    world.devices["other"] = other
    ask = f"<name>bng1</name><host-key>{other.host_key}</host-key>"
    dry = called.call("replace-device", f"{ask}<dry-run>true</dry-run><reason>new chassis</reason>")
    assert text(dry, "device/fingerprint") != text(dry, "device/old-fingerprint")
    done = called.call("replace-device", f"{ask}<reason>new chassis</reason><request-id>r</request-id>")
    assert text(done, "device/name") == "bng1"
    assert text(done, "config-revision") is not None
    assert device.host_key != other.host_key
    error = refused(called.call, "replace-device", "<name>bng1</name><accept-new/><reason>x</reason>")
    assert error.app_tag == "invalid-value"
    error = refused(called.call, "replace-device", "<name>bng9</name><accept-new/><reason>x</reason>")
    assert error.path == "/nc:rpc/casm-o:replace-device/casm-o:name"


def test_trace_and_audit(world: World, called: Verbs) -> None:
    world.add()
    world.give(2)
    world.take_back("b2")
    found = called.call("trace", "<address>198.51.100.7</address>")
    assert text(found, "block/device-pool") == "bng1/internet"
    assert text(found, "block/allocated/actor") == "tester"
    history = called.call("trace", "<address>b2</address>")
    assert text(history, "block/freed") is not None
    assert len(texts(history, "block/event/sequence")) >= 2
    nowhere = called.call("trace", "<address>198.51.100.70</address><address-space>s</address-space>")
    assert text(nowhere, "nearest/what") == "free"
    assert text(nowhere, "nearest/previous/id") == "b2"
    error = refused(called.call, "trace", "<address>b999</address>")
    assert error.path == "/nc:rpc/casm-o:trace/casm-o:address"
    assert len(texts(called.call("read-audit", "<limit>3</limit>"), "event/sequence")) == 3
    sealed = called.call("seal-audit")
    assert text(sealed, "unsealed") == "0"
    seal = f"{text(sealed, 'sealed')}:{text(sealed, 'hash')}"
    assert text(called.call("verify-audit", f"<expect>{seal}</expect>"), "findings") == "0"
    wrong = called.call("verify-audit", f"<expect>1:{'0' * 64}</expect>")
    assert text(wrong, "findings") == "1"
    assert "to be expected" in str(text(wrong, "finding"))


def test_check_access(world: World, called: Verbs) -> None:
    told = called.call("check-access", "<user>bob</user><operation>allocate</operation>")
    assert text(told, "permitted") in ("true", "false")
    assert text(told, "operation") == "allocate"
    data = called.call("check-access", "<user>bob</user><operation>read</operation><path>/pools</path>")
    assert text(data, "path") is not None
    error = refused(called.call, "check-access", "<user>bob</user><operation>dance</operation>")
    assert error.path == "/nc:rpc/casm-o:check-access/casm-o:operation"


def test_status(world: World, called: Verbs) -> None:
    world.add()
    world.give()
    reply = called.call("read-forecast", "<horizon>30</horizon><growth>all:+5%</growth>")
    assert text(reply, "forecast/growth") == "all:+5%"
    assert text(reply, "forecast/device-pool/pattern") == "none"
    assert refused(called.call, "read-forecast", "<growth>all</growth>").tag == "invalid-value"
    reply = called.call("plan-scarcity", "<pool>p</pool>")
    assert text(reply, "scarcity/share/device-pool") == "bng1/internet"
    reply = called.call("plan-defragmentation", "<pool>p</pool><length>25</length>")
    assert text(reply, "defragment/clearing/prefix") == "198.51.100.128/25"
    reply = called.call("why", "<subject>b1</subject>")
    assert text(reply, "subject/device-pool") == "bng1/internet"
    assert text(reply, "subject/origin/verb") == "allocate"
    reply = called.call("read-usage", "<since>3600</since><step>hour</step>")
    assert text(reply, "usage/step") == "hour"
    reply = called.call("read-status")
    assert text(reply, "pool/usage/allocated-addresses") == "64"
    assert text(reply, "device/sync/state") == "never"
    assert text(reply, "device/block-count/state") == "reserved"


def test_export_and_import(world: World, called: Verbs, tmp_path: Path) -> None:
    world.add()
    world.give()
    whole = called.call("export-store")
    document = text(whole, "document")
    assert document is not None
    assert text(whole, "exported/entries") == "1"
    escaped = document.replace("&", "&amp;").replace("<", "&lt;")
    same = called.call("import-store", f"<document>{escaped}</document>")
    assert set(texts(same, "imported/new")) == {"0"}
    table = text(called.call("export-store", "<format>csv</format><what>blocks</what>"), "document")
    assert table is not None
    assert "198.51.100.0/26" in table
    wrong = table.replace("bng1/internet", "bng1/away").replace("198.51.100.0", "198.51.101.0")
    told = called.call("import-store", f"<document>{wrong}</document><dry-run>true</dry-run>")
    assert "bng1/away" in str(text(told, "error/message"))
    more = "prefix,vrf\n192.0.2.0/24,\n"
    added = called.call("import-store", f"<document>{more}</document><address-space>s</address-space>")
    assert text(added, "format") == "netbox"
    assert text(added, "config-revision") is not None
    error = refused(called.call, "import-store", "<document>what is it</document>")
    assert error.app_tag == "invalid-value"


def test_export_and_import_of_what_automation_is_bound_by(world: World, called: Verbs) -> None:
    world.add()
    table = "limit,value\ngrow-per-hour,7\n\nhold,reason\ndevice bng1,work\n\nshelf,below\nquiet,major\n"
    added = called.call("import-store", f"<document>{table}</document>")
    assert texts(added, "imported/noun") == ["limit", "hold", "shelf"]
    assert texts(added, "imported/new") == ["1", "1", "1"]
    document = str(text(called.call("export-store", "<what>control</what>"), "document"))
    assert '"grow-per-hour": 7' in document
    assert text(called.call("read-status"), "hold/actor") == "alice@netconf"
    again = called.call("import-store", f"<document>{document}</document>")
    assert texts(again, "imported/unchanged") == ["1", "1", "1"]
    wrong = document.replace('"grow-per-hour": 7', '"grow-per-hour": 8')
    refusal = called.call("import-store", f"<document>{wrong}</document>")
    assert text(refusal, "error/path") == "/casm-control:control/grow-per-hour"
    assert "value is 7 there and 8 here" in str(text(refusal, "error/message"))


# --- On devices -----------------------------------------------------------------------------------


async def test_plan_and_apply(world: World, called: Verbs) -> None:
    world.add()
    world.give()
    planned = await called.ask("plan", f"<keep>true</keep>{ONCE}")
    assert text(planned, "device/result") == "changes"
    assert "198.51.100.0" in str(text(planned, "device/edit-config"))
    plan = str(text(planned, "plan/document")).replace("&", "&amp;").replace("<", "&lt;")
    applied = await called.ask("apply", f"<plan>{plan}</plan>{ONCE}")
    assert text(applied, "device/result") == "changed", etree.tostring(applied)
    assert text(applied, "device/change/action") == "add"
    assert world.states() == {"b1": State.INSTALLED}
    outdated = await called.ask("apply", f"<plan>{plan}</plan>{ONCE}")
    assert text(outdated, "device/error/app-tag") == "plan-outdated"
    again = await called.ask("apply", ONCE)
    assert text(again, "device/result") == "in-sync"
    assert text(await called.ask("plan", ONCE), "device/result") == "in-sync"
    world.check()


async def test_a_device_that_fails_is_a_result(world: World, called: Verbs) -> None:
    world.add("bng1")
    world.add("bng2")
    world.give(1, "bng1")
    world.give(1, "bng2")
    world.fault("bng2", FaultKind.REFUSE, "commit")
    reply = await called.ask("apply", ONCE)
    assert texts(reply, "device/name") == ["bng1", "bng2"]
    assert texts(reply, "device/result") == ["changed", "failed"]
    assert text(reply, "device/error/app-tag") == "device-refused"
    assert text(reply, "device/error/remedy") is not None
    world.clear_all_faults()
    atomic = await called.ask("apply", f"<device>bng1</device><device>bng2</device><atomic/>{ONCE}")
    assert text(atomic, "atomic-run/settled") == "true"
    assert texts(atomic, "device/result") == ["in-sync", "changed"]
    world.check()


async def test_apply_once_for_a_request_id(world: World, called: Verbs) -> None:
    """Promise 4, for work that is more than one transaction: a duplicate in flight waits for the first."""
    world.add()
    world.give()
    ask = f"{ONCE}<request-id>monday</request-id><reason>the usual</reason>"
    first, second = await asyncio.gather(called.ask("apply", ask), called.ask("apply", ask))
    assert text(first, "device/result") == "changed"
    assert etree.tostring(first) == etree.tostring(second)
    assert world.operations().count("edit-config:candidate") == 1
    with pytest.raises(RpcError) as caught:
        await called.ask("apply", f"{ask}<confirm-removal>1</confirm-removal>")
    assert caught.value.path == "/nc:rpc/casm-o:apply/casm-o:request-id"
    assert not called.context.repeats._turns


async def test_apply_that_is_cut_off_leaves_nothing_half_done(world: World, called: Verbs) -> None:
    """As where the client's session is killed: the same request then goes on."""
    world.add(deadlines=(("rpc", 2.0),))
    world.give()
    world.fault("bng1", FaultKind.NO_REPLY, "commit")
    ask = f"{ONCE}<request-id>monday</request-id>"
    work = asyncio.ensure_future(called.ask("apply", ask))
    await asyncio.to_thread(until_asked, world, "edit-config:candidate")
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    world.clear_all_faults()
    reply = await called.ask("apply", ask)
    assert text(reply, "device/result") in ("changed", "in-sync")
    world.check()


async def test_sessions_stay_warm(world: World) -> None:
    world.add()
    world.give()
    async with SessionPool() as pool:
        called = Verbs(VerbContext(world.database, pool))
        assert text(await called.ask("plan", ONCE), "device/result") == "changes"
        assert len(pool) == 1
        sessions = {text(await called.ask("check-devices", ONCE), "device/session-id") for _ in range(2)}
        assert len(sessions) == 1


async def test_release_to_the_end(world: World, called: Verbs) -> None:
    world.add()
    world.give()
    await called.ask("apply", ONCE)
    called.call("release", "<block>b1</block>")
    reply = await called.ask("apply", f"<device>bng1</device>{ONCE}")
    assert "remove" in texts(reply, "device/change/action")
    assert world.states() == {"b1": State.QUARANTINED}
    world.check()


async def test_drift_and_verify(world: World, called: Verbs) -> None:
    world.add()
    world.give()
    await called.ask("apply", ONCE)
    proven = await called.ask("verify", ONCE)
    assert text(proven, "result") == "proven"
    assert text(proven, "actor") == "alice@netconf"
    world.edit("bng1", pool_xml("other", "mine", "198.51.101.0", "198.51.101.9"))
    world.edit_range("bng1", "internet", world.mark(1), 0xC6336400, 0xC633641F)
    told = await called.ask("check-drift", f"{ONCE}<restore>never</restore>")
    assert text(told, "device/result") == "drift"
    assert text(told, "device/drift/kind") == "altered"
    assert "foreign" in texts(told, "device/finding/kind")
    found = await called.ask("verify", ONCE)
    assert text(found, "result") == "findings"
    assert {"stray", "different"} & set(texts(found, "finding/kind"))
    restored = await called.ask("check-drift", f"{ONCE}<restore>always</restore>")
    assert text(restored, "device/result") == "restored"


async def test_verify_of_a_device_that_is_dead(world: World, called: Verbs) -> None:
    device = world.add()
    world.lab.stop(device)
    del world.devices["bng1"]
    reply = await called.ask("verify", ONCE)
    assert text(reply, "device/result") == "unread"
    assert text(reply, "device/error/app-tag") == "unreachable"
    checked = await called.ask("check-devices", ONCE)
    assert text(checked, "device/result") == "failed"


async def test_adopt_and_manage(world: World, called: Verbs) -> None:
    world.add()
    world.edit("bng1", pool_xml("internet", "old", "198.51.100.0", "198.51.100.63"))
    world.edit("bng1", pool_xml("internet", "outside", "203.0.113.0", "203.0.113.63"))
    dry = await called.ask("adopt", f"<device>bng1</device><dry-run>true</dry-run>{ONCE}")
    assert text(dry, "blocks") == "1"
    assert world.blocks() == []
    done = await called.ask("adopt", f"<all/>{ONCE}<request-id>first</request-id>")
    assert text(done, "device/adopted/block/id") == "b1"
    assert text(done, "device/conflict/kind") == "outside"
    assert text(done, "proposal/kind") == "pool"
    same = await called.ask("adopt", f"<all/>{ONCE}<request-id>first</request-id>")
    assert etree.tostring(same) == etree.tostring(done)
    managed = called.call("manage-blocks", "<block>b1</block><split>false</split>")
    assert text(managed, "block/id") == "b1"


async def test_check_devices(world: World, called: Verbs) -> None:
    world.add(known=False)
    strange = await called.ask("check-devices", ONCE)
    assert text(strange, "device/error/app-tag") == "host-key-refused"
    fit = await called.ask("check-devices", f"<device>bng1</device><accept-new>true</accept-new>{ONCE}")
    assert text(fit, "device/result") == "fit"
    assert text(fit, "device/ability/usage") is not None
    assert texts(fit, "device/needed-module/name")
    with pytest.raises(RpcError) as caught:
        await called.ask("check-devices", "<device>bng9</device>")
    assert caught.value.path == "/nc:rpc/casm-o:check-devices/casm-o:device[.='bng9']"


def test_every_rpc_is_called_here() -> None:
    said = Path(__file__).read_text(encoding="utf-8")
    names = (*verbs.STORE_VERBS, *verbs.DEVICE_VERBS)
    assert [name for name in names if f'"{name}"' not in said] == []
    assert set(names) >= verbs.READING
