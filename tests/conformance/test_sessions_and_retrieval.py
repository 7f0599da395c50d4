"""RFC 6241 through the whole server: get and get-config, how sessions end, and what is not there."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.names import BASE, MONITORING, nc
from tests.northbound_harness import Client, Endpoint, Refused

POOLS = "urn:casm:yang:casm-pools"
SPACES = f'<address-spaces xmlns="{POOLS}"/>'


def get(inner: str = "") -> str:
    return f"<get>{inner}</get>"


def get_config(inner: str = "", source: str = "<running/>") -> str:
    return f"<get-config><source>{source}</source>{inner}</get-config>"


def subtree(inner: str) -> str:
    return f'<filter type="subtree">{inner}</filter>'


async def refused(client: Client, operation: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await client.rpc(operation)
    return caught.value


@pytest.fixture
async def client(endpoint: Endpoint) -> Client:
    """A session, where running has the space `one` and the candidate `two` as well."""
    session = await endpoint.open()
    for name in ("one", "two"):
        space = f"<address-space><name>{name}</name></address-space>"
        await session.rpc(
            "<edit-config><target><candidate/></target><config>"
            f'<address-spaces xmlns="{POOLS}">{space}</address-spaces></config></edit-config>'
        )
        if name == "one":
            await session.rpc("<commit/>")
    return session


async def spaces(client: Client, operation: str) -> list[str | None]:
    return [name.text for name in (await client.data(operation)).iter(f"{{{POOLS}}}name")]


# --- get-config, get ------------------------------------------------------------------------------


async def test_get_config_of_each_datastore(client: Client) -> None:
    """RFC 6241 7.1: source is the datastore that is queried."""
    assert await spaces(client, get_config(subtree(SPACES))) == ["one"]
    assert await spaces(client, get_config(subtree(SPACES), "<candidate/>")) == ["one", "two"]


async def test_get_config_has_no_state(client: Client) -> None:
    """RFC 6241 7.1: configuration only; RFC 6241 7.7: get has state as well."""
    monitoring = subtree(f'<netconf-state xmlns="{MONITORING}"/>')
    assert len(await client.data(get_config(monitoring))) == 0
    assert len(await client.data(get(monitoring))) == 1


async def test_get_config_without_a_filter(client: Client) -> None:
    """RFC 6241 7.1: where there is no filter the entire configuration is returned."""
    top = {str(node.tag) for node in await client.data(get_config())}
    assert f"{{{POOLS}}}address-spaces" in top
    assert "{urn:ietf:params:xml:ns:yang:ietf-netconf-acm}nacm" in top


@pytest.mark.parametrize(
    ("operation", "tag"),
    [
        ("<get-config/>", "missing-element"),
        (get_config(source=""), "missing-element"),
        (get_config(source="<startup/>"), "unknown-element"),
        (get_config(source="<running/><candidate/>"), "bad-element"),
        (get_config(source="<url>file:///etc/passwd</url>"), "unknown-element"),
        (get_config("<more/>"), "unknown-element"),
    ],
)
async def test_get_config_needs_one_source(client: Client, operation: str, tag: str) -> None:
    """RFC 6241 7.1: source is mandatory, and a datastore that there is."""
    assert (await refused(client, operation)).tags == [tag]


async def test_get_is_of_running(client: Client) -> None:
    """RFC 6241 7.7: get retrieves running configuration and state."""
    assert await spaces(client, get(subtree(SPACES))) == ["one"]


async def test_a_filter_that_selects_nothing(client: Client) -> None:
    """RFC 6241 7.7: data without children where nothing matches; nothing is no error."""
    assert len(await client.data(get(subtree('<x xmlns="urn:x"/>')))) == 0


@pytest.mark.parametrize(
    "filtered", ["<filter/>", '<filter type="subtree"/>', f'<x:filter xmlns:x="{BASE}" x:type="subtree"/>']
)
async def test_an_empty_filter(client: Client, filtered: str) -> None:
    """RFC 6241 6.4.2: an empty filter selects nothing, whatever prefix it has and however its type is written."""
    assert len(await client.data(get(filtered))) == 0


async def test_a_filter_of_a_type_that_nobody_knows(client: Client) -> None:
    """RFC 6241 7.7: type is subtree, or xpath where :xpath is announced."""
    assert (await refused(client, get('<filter type="regex"/>'))).tags == ["bad-attribute"]


# --- How sessions end -----------------------------------------------------------------------------


async def test_close_session(endpoint: Endpoint) -> None:
    """RFC 6241 7.8: close-session is answered with ok, locks are released, and the session is closed."""
    session, other = await endpoint.open(), await endpoint.open()
    await session.rpc("<lock><target><candidate/></target></lock>")
    assert (await session.rpc("<close-session/>")).find(nc("ok")) is not None
    await session.ended()
    await other.rpc("<lock><target><candidate/></target></lock>")


async def test_kill_session(endpoint: Endpoint) -> None:
    """RFC 6241 7.9: kill-session ends another session, and releases its locks."""
    victim, killer = await endpoint.open(), await endpoint.open()
    await victim.rpc("<lock><target><running/></target></lock>")
    await killer.rpc(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
    await victim.ended()
    await killer.rpc("<lock><target><running/></target></lock>")


async def test_kill_session_takes_back_what_is_not_confirmed(client: Client, endpoint: Endpoint) -> None:
    """RFC 6241 7.9: a confirmed commit that is in progress is undone when its session is killed."""
    killer = await endpoint.open()
    await client.rpc("<commit><confirmed/></commit>")
    assert await spaces(killer, get_config(subtree(SPACES))) == ["one", "two"]
    await killer.rpc(f"<kill-session><session-id>{client.session_id}</session-id></kill-session>")
    assert await spaces(killer, get_config(subtree(SPACES))) == ["one"]


@pytest.mark.parametrize(
    ("number", "tag"),
    [("999999", "invalid-value"), ("0", "bad-element"), ("x", "bad-element"), ("", "bad-element")],
)
async def test_kill_session_of_nobody(endpoint: Endpoint, number: str, tag: str) -> None:
    """RFC 6241 7.9: a session-id that is no session's is invalid-value; what is no number is a bad-element."""
    session = await endpoint.open()
    operation = f"<kill-session><session-id>{number}</session-id></kill-session>"
    assert (await refused(session, operation)).tags == [tag]


async def test_a_session_does_not_kill_itself(endpoint: Endpoint) -> None:
    """RFC 6241 7.9: one's own session-id is invalid-value."""
    session = await endpoint.open()
    operation = f"<kill-session><session-id>{session.session_id}</session-id></kill-session>"
    assert (await refused(session, operation)).tags == ["invalid-value"]


async def test_a_connection_that_ends_releases_what_its_session_held(endpoint: Endpoint) -> None:
    """RFC 6241 2.1: resources of a connection are released when it is lost, locks among them."""
    session, other = await endpoint.open(), await endpoint.open()
    await session.rpc("<lock><target><candidate/></target></lock>")
    await session.close()
    await other.rpc("<lock><target><candidate/></target></lock>")


# --- Capabilities ---------------------------------------------------------------------------------


async def test_what_is_announced(endpoint: Endpoint) -> None:
    """RFC 6241 8.1: the capabilities of the hello are those of the page that this test is listed on."""
    hello = (await endpoint.open()).hello
    named = "urn:ietf:params:netconf:capability:{}".format
    for there in (
        "candidate:1.0",
        "confirmed-commit:1.1",
        "rollback-on-error:1.0",
        "validate:1.1",
        "xpath:1.0",
    ):
        assert hello.has(named(there))
    for missing in ("writable-running:1.0", "startup:1.0", "url:1.0", "confirmed-commit:1.0"):
        assert not hello.has(named(missing))


@pytest.mark.parametrize(
    "operation",
    [
        "<copy-config><target><url>file:///tmp/x</url></target><source><running/></source></copy-config>",
        "<copy-config><target><candidate/></target><source><url>http://127.0.0.1/x</url></source></copy-config>",
        "<edit-config><target><candidate/></target><url>http://127.0.0.1/x</url></edit-config>",
        "<validate><source><url>file:///etc/passwd</url></source></validate>",
        "<delete-config><target><url>file:///etc/passwd</url></target></delete-config>",
    ],
)
async def test_no_url_is_fetched_or_written(endpoint: Endpoint, operation: str) -> None:
    """RFC 6241 8.8: without :url, url is no element that a request may have."""
    session = await endpoint.open()
    assert (await refused(session, operation)).tags[0] in ("invalid-value", "unknown-element", "bad-element")
