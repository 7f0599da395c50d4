"""RFC 6022 through the server: what it tells of itself and of its sessions, and get-schema."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.base.clock import ManualClock, from_rfc3339
from casm_ctrl.base.processes import this_process
from casm_ctrl.netconf.messages import Hello, build_hello, parse_document
from casm_ctrl.netconf.names import BASE, BASE_1_0, CANDIDATE, MONITORING, NOTIFICATION, STARTUP, Element
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.netconf.server.monitoring import find_schema, netconf_state
from casm_ctrl.netconf.server.sessions import Sessions
from casm_ctrl.service import config_lock
from casm_ctrl.store.config_lock import Holder
from casm_ctrl.yang.modules import Module
from tests.northbound_harness import Client, Endpoint, MemoryChannel, Refused

NS = {"m": MONITORING}
COUNTERS = ("in-rpcs", "in-bad-rpcs", "out-rpc-errors", "out-notifications")


async def state(client: Client, inner: str = "") -> Element:
    """The netconf-state that a get of it, or of what is named in it, gives."""
    data = await client.data(
        f'<get><filter type="subtree"><netconf-state xmlns="{MONITORING}">{inner}</netconf-state></filter></get>'
    )
    (found,) = data
    return found


def number(parent: Element, name: str) -> int:
    found = parent.findtext(f"m:{name}", namespaces=NS)
    assert found is not None, name
    return int(found)


async def statistics(client: Client) -> dict[str, int]:
    (found,) = await state(client, "<statistics/>")
    names = ("in-bad-hellos", "in-sessions", "dropped-sessions", *COUNTERS)
    return {name: number(found, name) for name in names}


async def session_of(client: Client, session_id: int) -> Element:
    (found,) = await state(
        client, f"<sessions><session><session-id>{session_id}</session-id></session></sessions>"
    )
    assert len(found) == 1
    return found[0]


def schema(identifier: str, more: str = "", attributes: str = "") -> str:
    return f'<get-schema xmlns="{MONITORING}" {attributes}><identifier>{identifier}</identifier>{more}</get-schema>'


# --- 2.1.1: capabilities --------------------------------------------------------------------------


async def test_capabilities_are_those_of_the_hello(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.1: the list includes all capabilities exchanged during session setup, and here no others."""
    client = await endpoint.open()
    (told,) = await state(client, "<capabilities/>")
    assert tuple(leaf.text for leaf in told) == client.hello.capabilities
    assert len(set(client.hello.capabilities)) == len(client.hello.capabilities)


async def test_the_module_is_announced(endpoint: Endpoint) -> None:
    """RFC 6022 2: a server that implements the data model advertises its capability URI."""
    client = await endpoint.open()
    assert f"{MONITORING}?module=ietf-netconf-monitoring&revision=2010-10-04" in client.hello.capabilities


# --- 2.1.2: datastores ----------------------------------------------------------------------------


async def test_datastores(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.2: the datastores that are there, without locks where nobody holds one."""
    (told,) = await state(await endpoint.open(), "<datastores/>")
    assert [[etree.QName(leaf).localname for leaf in entry] for entry in told] == [["name"], ["name"]]
    assert [entry[0].text for entry in told] == ["running", "candidate"]


@pytest.mark.parametrize("name", ["running", "candidate"])
async def test_a_global_lock_names_its_session_and_time(endpoint: Endpoint, name: str) -> None:
    """RFC 6022 2.1.2.1: locks tells of a global lock which session holds it, and since when."""
    holder, other = await endpoint.open("holder"), await endpoint.open("other")
    await holder.rpc(f"<lock><target><{name}/></target></lock>")
    wanted = f"<datastores><datastore><name>{name}</name><locks/></datastore></datastores>"
    ((told,),) = await state(other, wanted)
    (lock,) = told.iterfind("m:locks/m:global-lock", NS)
    assert number(lock, "locked-by-session") == holder.session_id
    since = lock.findtext("m:locked-time", namespaces=NS)
    assert since is not None
    assert from_rfc3339(since) <= endpoint.database.clock.now()
    await holder.rpc(f"<unlock><target><{name}/></target></unlock>")
    (told,) = await state(other, "<datastores/>")
    assert told.find(".//m:locks", NS) is None


async def test_a_lock_of_nobody_here(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.2.1: if the lock is held by a session that is not ours, its id is told as 0."""
    stranger = Holder("another server", 7, "carol", this_process())
    assert config_lock.lock(endpoint.database, stranger) is None
    (told,) = await state(await endpoint.open(), "<datastores/>")
    (lock,) = told.iterfind(".//m:global-lock", NS)
    assert number(lock, "locked-by-session") == 0


async def test_a_lock_goes_with_its_session(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.2: locks is present only while the datastore is locked."""
    holder, other = await endpoint.open(), await endpoint.open()
    await holder.rpc("<lock><target><candidate/></target></lock>")
    await other.rpc(f"<kill-session><session-id>{holder.session_id}</session-id></kill-session>")
    (told,) = await state(other, "<datastores/>")
    assert told.find(".//m:locks", NS) is None


def test_a_startup_datastore_is_told_where_there_is_one() -> None:
    """RFC 6022 2.1.2: startup and candidate are listed where the server has them."""
    sessions = Sessions(ManualClock(), lambda session_id: None)

    def names(*capabilities: str) -> list[str | None]:
        told = netconf_state(capabilities, (), sessions, {})
        return [leaf.text for leaf in told.iterfind("m:datastores/m:datastore/m:name", NS)]

    assert names() == ["running"]
    assert names(CANDIDATE, STARTUP) == ["running", "candidate", "startup"]


# --- 2.1.3: schemas -------------------------------------------------------------------------------


async def test_schemas_are_listed_to_be_had(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.3: identifier, version, format, namespace and location of each schema; get-schema has each."""
    client = await endpoint.open()
    (told,) = await state(client, "<schemas/>")
    keys = [tuple(leaf.text for leaf in entry)[:3] for entry in told]
    assert len(set(keys)) == len(keys) >= 20
    assert {"casm-pools", "casm-operations", "ietf-netconf", "ietf-yang-types", "notifications"} <= {
        key[0] for key in keys
    }
    for entry in told:
        identifier, version, form, namespace, location = (leaf.text for leaf in entry)
        assert (form, location) == ("yang", "NETCONF")
        reply = await client.rpc(schema(str(identifier), f"<version>{version}</version>"))
        text = reply[0].text or ""
        assert f"module {identifier}" in text
        assert str(version) in text
        assert f'namespace "{namespace}"' in text.replace("'", '"') or str(namespace) in text


def test_a_module_without_revisions_has_an_empty_version(tmp_path: Path) -> None:
    """RFC 6022 2.1.3: version is the empty string if no revision statement is present."""
    path = tmp_path / "bare.yang"
    path.write_text('module bare { namespace "urn:bare"; prefix b; }')
    told = netconf_state((), [Module("bare", "", path)], Sessions(ManualClock(), lambda session_id: None), {})
    (version,) = told.iterfind(".//m:schema/m:version", NS)
    assert not version.text


def test_a_submodule_has_the_namespace_of_its_module(tmp_path: Path) -> None:
    """RFC 6022 2.1.3: a submodule is listed by its own name, with the namespace of the module it belongs to."""
    (tmp_path / "whole.yang").write_text('module whole { namespace "urn:whole"; prefix w; include part; }')
    path = tmp_path / "part.yang"
    path.write_text("submodule part { belongs-to whole { prefix w; } }")
    told = netconf_state((), [Module("part", "", path)], Sessions(ManualClock(), lambda session_id: None), {})
    assert told.findtext(".//m:schema/m:identifier", namespaces=NS) == "part"
    assert told.findtext(".//m:schema/m:namespace", namespaces=NS) == "urn:whole"


# --- 2.1.4: sessions ------------------------------------------------------------------------------


async def test_all_sessions_are_listed(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.4: the session list includes all currently active sessions, with who, whence and since when."""
    alice = await endpoint.open("alice", source_host="192.0.2.7")
    bob = await endpoint.open("bob", source_host="2001:db8::7")
    (told,) = await state(alice, "<sessions/>")
    assert [
        tuple(
            entry.findtext(f"m:{name}", namespaces=NS) for name in ("session-id", "username", "source-host")
        )
        for entry in told
    ] == [(str(alice.session_id), "alice", "192.0.2.7"), (str(bob.session_id), "bob", "2001:db8::7")]
    assert {entry.findtext("m:transport", namespaces=NS) for entry in told} == {"netconf-ssh"}
    for entry in told:
        login = entry.findtext("m:login-time", namespaces=NS)
        assert login is not None
        assert from_rfc3339(login) <= endpoint.database.clock.now()
    await bob.rpc("<close-session/>")
    await bob.ended()
    (told,) = await state(alice, "<sessions/>")
    assert len(told) == 1


async def test_a_session_counts_its_requests(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.4: in-rpcs counts correct rpc messages, the one in progress among them."""
    client = await endpoint.open()
    before = number(await session_of(client, client.session_id), "in-rpcs")
    await client.rpc("<get-config><source><running/></source></get-config>")
    assert number(await session_of(client, client.session_id), "in-rpcs") == before + 2


async def test_a_session_counts_bad_messages(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.4: in-bad-rpcs counts messages that were no correct rpc: XML errors and errors on the rpc layer."""
    client, watcher = await endpoint.open(), await endpoint.open()
    client.send(b"<rpc")
    client.send(f'<rpc xmlns="{BASE}"><get/></rpc>'.encode())
    for tag in ("malformed-message", "missing-attribute"):
        assert parse_document(await client._message()).findtext(".//{*}error-tag") == tag
    told = await session_of(watcher, client.session_id)
    assert (number(told, "in-rpcs"), number(told, "in-bad-rpcs")) == (0, 2)
    assert number(told, "out-rpc-errors") == 2


async def test_a_session_counts_refusals(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.4: out-rpc-errors counts replies that held an rpc-error."""
    client = await endpoint.open()
    with pytest.raises(Refused):
        await client.rpc("<delete-config><target><running/></target></delete-config>")
    with pytest.raises(Refused):
        await client.rpc("<unlock><target><candidate/></target></unlock>")
    told = await session_of(client, client.session_id)
    assert (number(told, "out-rpc-errors"), number(told, "in-bad-rpcs")) == (2, 0)


async def test_a_session_counts_notifications(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.4: out-notifications counts what a subscriber was sent, and nobody else's."""
    listener, other = await endpoint.open(), await endpoint.open()
    await listener.rpc(f'<create-subscription xmlns="{NOTIFICATION}"/>')
    third = await endpoint.open("third")
    told = await listener.notification()
    assert told[1].tag.endswith("}netconf-session-start")
    assert number(await session_of(other, listener.session_id), "out-notifications") >= 1
    assert number(await session_of(other, third.session_id), "out-notifications") == 0


# --- 2.1.5: statistics ----------------------------------------------------------------------------


async def test_statistics_accumulate_all_sessions(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.5: global counters are accumulated from all sessions, those that ended among them."""
    watcher = await endpoint.open()
    before = await statistics(watcher)
    assert before == {**dict.fromkeys(before, 0), "in-sessions": 1, "in-rpcs": 1}
    client = await endpoint.open()
    with pytest.raises(Refused):
        await client.rpc("<delete-config><target><running/></target></delete-config>")
    await client.rpc("<close-session/>")
    await client.ended()
    after = await statistics(watcher)
    assert after == {**before, "in-sessions": 2, "in-rpcs": 4, "out-rpc-errors": 1}


async def test_the_server_tells_since_when_it_is_up(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.5: netconf-start-time is when the management subsystem was started."""
    client = await endpoint.open()
    (told,) = await state(client, "<statistics/>")
    started = told.findtext("m:netconf-start-time", namespaces=NS)
    login = (await session_of(client, client.session_id)).findtext("m:login-time", namespaces=NS)
    assert started is not None
    assert login is not None
    assert from_rfc3339(started) <= from_rfc3339(login)


async def test_dropped_sessions(endpoint: Endpoint) -> None:
    """RFC 6022 2.1.5: dropped-sessions counts those that ended by neither close-session nor kill-session."""
    watcher = await endpoint.open()
    closed, killed, dropped = [await endpoint.open() for _ in range(3)]
    await closed.rpc("<close-session/>")
    await closed.ended()
    await watcher.rpc(f"<kill-session><session-id>{killed.session_id}</session-id></kill-session>")
    await killed.ended()
    assert (await statistics(watcher))["dropped-sessions"] == 0
    await dropped.close()
    told = await statistics(watcher)
    assert (told["dropped-sessions"], told["in-bad-hellos"], told["in-sessions"]) == (1, 0, 4)


@pytest.mark.parametrize(
    "hello",
    [
        build_hello([BASE_1_0], 7),
        build_hello(["urn:example:nothing"]),
        build_hello([BASE_1_0]).replace(b"netconf:base:1.0", b"netconf:bass:1.0", 1),
        b"<hello",
    ],
    ids=["session-id", "no common version", "namespace", "no XML"],
)
async def test_bad_hellos(endpoint: Endpoint, hello: bytes) -> None:
    """RFC 6022 2.1.5: in-bad-hellos counts sessions dropped because of an invalid hello: session-id, namespace,
    capabilities."""
    watcher = await endpoint.open()
    channel = MemoryChannel("somebody", "127.0.0.1")
    serving = asyncio.ensure_future(endpoint.server.endpoint.converse(channel, frozenset()))
    channel.to_server.put_nowait(hello + b"]]>]]>")
    await asyncio.wait_for(serving, 30)
    told = await statistics(watcher)
    assert (told["in-bad-hellos"], told["in-sessions"], told["dropped-sessions"]) == (1, 2, 0)


# --- 3.1: get-schema ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "attributes"),
    [
        ("", ""),
        ("<version>2026-11-23</version>", ""),
        ("<format>yang</format>", ""),
        ("<format>m:yang</format>", f'xmlns:m="{MONITORING}"'),
        ("<version>2026-11-23</version><format> yang </format>", ""),
    ],
)
async def test_a_schema_is_its_text(endpoint: Endpoint, more: str, attributes: str) -> None:
    """RFC 6022 3.1: data holds the schema, asked for by identifier, and by version and format where these are given."""
    client = await endpoint.open()
    (data,) = await client.rpc(schema("casm-pools", more, attributes))
    assert data.tag == f"{{{MONITORING}}}data"
    (module,) = (one for one in endpoint.server.models.modules if one.name == "casm-pools")
    assert data.text == module.text


@pytest.mark.parametrize(
    ("identifier", "more"),
    [
        ("nothing", ""),
        ("casm-pools", "<version>2001-01-01</version>"),
        ("casm-pools", "<format>yin</format>"),
        ("casm-pools", "<format>xsd</format>"),
        ("casm-pools", '<format xmlns:o="urn:other">o:yang</format>'),
        ("", ""),
    ],
)
async def test_what_does_not_exist_is_an_invalid_value(
    endpoint: Endpoint, identifier: str, more: str
) -> None:
    """RFC 6022 3.1: if the requested schema does not exist, the error-tag is invalid-value."""
    with pytest.raises(Refused) as refused:
        await (await endpoint.open()).rpc(schema(identifier, more))
    assert refused.value.tags == ["invalid-value"]


async def test_an_identifier_is_needed(endpoint: Endpoint) -> None:
    """RFC 6022 3.1: identifier is mandatory; nothing but identifier, version and format is known."""
    client = await endpoint.open()
    for operation, tag in (
        (f'<get-schema xmlns="{MONITORING}"/>', "missing-element"),
        (schema("casm-pools", "<revision>2026-11-23</revision>"), "unknown-element"),
    ):
        with pytest.raises(Refused) as refused:
            await client.rpc(operation)
        assert refused.value.tags == [tag]


def test_more_than_one_version(tmp_path: Path) -> None:
    """RFC 6022 3.1: if more than one schema matches, operation-failed with the error-app-tag data-not-unique."""
    modules = []
    for revision in ("2025-01-01", "2026-01-01"):
        path = tmp_path / f"twice@{revision}.yang"
        path.write_text(f'module twice {{ namespace "urn:t"; prefix t; revision {revision}; }}')
        modules.append(Module("twice", revision, path))
    with pytest.raises(RpcError) as refused:
        find_schema(modules, etree.fromstring(schema("twice")))
    assert (refused.value.tag, refused.value.app_tag) == ("operation-failed", "data-not-unique")
    one = find_schema(modules, etree.fromstring(schema("twice", "<version>2025-01-01</version>")))
    assert "2025-01-01" in (one.text or "")


def test_a_submodule_can_be_had(tmp_path: Path) -> None:
    """RFC 6022 3.1: the identifier of a submodule is its own name."""
    path = tmp_path / "part.yang"
    path.write_text("submodule part { belongs-to whole { prefix w; } }")
    assert "belongs-to" in (
        find_schema([Module("part", "", path)], etree.fromstring(schema("part"))).text or ""
    )


async def test_the_schema_list_with_a_filter(endpoint: Endpoint) -> None:
    """RFC 6022 4.1: the schema list is retrieved with get, and each schema of the list with get-schema (4.2)."""
    client = await endpoint.open()
    assert Hello(client.hello.capabilities).modules["ietf-netconf-monitoring"] == "2010-10-04"
    data = await client.data(
        f'<get><filter type="subtree"><ncm:netconf-state xmlns:ncm="{MONITORING}"><ncm:schemas/>'
        "</ncm:netconf-state></filter></get>"
    )
    assert len(data.findall(".//m:schema", NS)) == len(endpoint.server.models.modules)
