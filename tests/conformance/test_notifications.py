"""RFC 5277 and RFC 6470: create-subscription, streams and replay, and the notifications of the NETCONF base."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.store.events import Author, Event, record
from tests.notifications_world import EVENTS, World, make_world

NCN = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
LEGACY = "{urn:ietf:params:xml:ns:netmod:notification}netconf"
BOTH = ["configuration-changed", "netconf-config-change"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from make_world(tmp_path)


def create(inner: str) -> str:
    return f'<create-subscription xmlns="{NOTIFICATION}">{inner}</create-subscription>'


def bad_element(error: RpcError) -> str | None:
    return error.info[0].text if error.info else None


def subjects(messages: list[Element]) -> list[str]:
    return [m.findtext(f".//{{{EVENTS}}}subject") or local_name(m[1]) for m in messages]


async def test_a_subscription_begins_after_its_ok(world: World) -> None:
    """RFC 5277 2.1.1: a positive response is ok, and the notifications follow it"""
    session = world.open()
    operation = etree.fromstring(create(""))
    await world.part.operations.awaited[str(operation.tag)](session.caller, operation)
    world.happen()
    await world.tick()
    assert session.received() == []
    for act in session.outlet.acts:
        act()
    await world.settle()
    assert session.names() == BOTH


async def test_the_default_stream_is_netconf(world: World) -> None:
    """RFC 5277 3.2.3: without a stream the events of the NETCONF stream are sent"""
    session = world.open()
    await session.create()
    world.happen()
    await world.tick()
    assert session.names() == BOTH


async def test_a_stream_by_name(world: World) -> None:
    """RFC 5277 3.2.5.2: the stream parameter names the stream"""
    session = world.open()
    await session.create("<stream>NETCONF</stream>")
    world.happen()
    await world.tick()
    assert session.names() == BOTH


async def test_an_unknown_stream_is_refused(world: World) -> None:
    """RFC 5277 2.1.1: subscription requests fail where a stream does not exist"""
    error = await world.open().refused(create("<stream>SYSLOG</stream>"))
    assert (error.type, error.tag) == ("protocol", "invalid-value")


async def test_an_invalid_filter_is_refused(world: World) -> None:
    """RFC 5277 2.1.1: subscription requests fail where a filter has a wrong syntax"""
    error = await world.open().refused(create('<filter type="xpath" select="/ev:[x"/>'))
    assert error.tag == "invalid-value"


async def test_a_filter_of_an_unknown_type_is_refused(world: World) -> None:
    """RFC 5277 2.1.1: a filter is of a type that get knows"""
    error = await world.open().refused(create('<filter type="regex"/>'))
    assert error.tag == "bad-attribute"


async def test_an_xpath_filter_needs_select(world: World) -> None:
    """RFC 5277 2.1.1: an XPath filter has its expression in select"""
    assert (await world.open().refused(create('<filter type="xpath"/>'))).tag == "missing-attribute"


async def test_stop_time_needs_start_time(world: World) -> None:
    """RFC 5277 2.1.1: stopTime without startTime is missing-element startTime"""
    error = await world.open().refused(create(f"<stopTime>{world.at(9)}</stopTime>"))
    assert (error.type, error.tag, bad_element(error)) == ("protocol", "missing-element", "startTime")


async def test_stop_time_before_start_time(world: World) -> None:
    """RFC 5277 2.1.1: a stopTime earlier than startTime is bad-element stopTime"""
    times = f"<startTime>{world.at(-5)}</startTime><stopTime>{world.at(-6)}</stopTime>"
    error = await world.open().refused(create(times))
    assert (error.type, error.tag, bad_element(error)) == ("protocol", "bad-element", "stopTime")


async def test_start_time_in_the_future(world: World) -> None:
    """RFC 5277 2.1.1: a startTime later than now is bad-element startTime"""
    error = await world.open().refused(create(f"<startTime>{world.at(5)}</startTime>"))
    assert (error.tag, bad_element(error)) == ("bad-element", "startTime")


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23", "2026-11-23T00:00:00", ""])
async def test_times_have_a_zone(world: World, text: str) -> None:
    """RFC 5277 2.1.1: times are those of RFC 3339, with a zone"""
    error = await world.open().refused(create(f"<startTime>{text}</startTime>"))
    assert (error.tag, bad_element(error)) == ("bad-element", "startTime")


async def test_an_unknown_parameter(world: World) -> None:
    """RFC 5277 2.1.1: nothing but stream, filter, startTime and stopTime"""
    assert (await world.open().refused(create("<start>x</start>"))).tag == "unknown-element"


async def test_one_subscription_of_a_session(world: World) -> None:
    """RFC 5277 2.1.1: a session has one subscription at a time"""
    session = world.open()
    await session.create()
    assert (await session.refused(create(""))).tag == "in-use"
    world.happen()
    await world.tick()
    assert session.names() == BOTH


async def test_a_refused_subscription_leaves_room_for_another(world: World) -> None:
    """RFC 5277 2.1.1: what was refused is no subscription"""
    session = world.open()
    await session.refused(create("<stream>none</stream>"))
    await session.create()


async def test_sessions_subscribe_for_themselves(world: World) -> None:
    """RFC 5277 2.1.1: notifications go to the session that asked"""
    one, other = world.open(), world.open()
    await one.create()
    world.happen()
    await world.tick()
    assert one.names() == BOTH
    assert other.names() == []


async def test_the_end_of_a_session_ends_its_subscription(world: World) -> None:
    """RFC 5277 2.3: a subscription ends with its session"""
    session = world.open()
    await session.create()
    world.streams.session_ended(session.caller)
    await world.settle()
    assert len(world.streams) == 0
    world.happen()
    await world.tick()
    assert session.names() == []


async def test_a_session_that_ended_meanwhile_has_no_subscription(world: World) -> None:
    """RFC 5277 2.3: what was asked for just before the session ended is not begun"""
    session = world.open()
    world.streams.session_ended(session.caller)
    with pytest.raises(ConnectionAbortedError):
        await session.create()
    assert len(world.streams) == 0


async def test_a_notification_has_its_event_time(world: World) -> None:
    """RFC 5277 2.2.1: eventTime is when it happened, with a zone, and comes first"""
    session = world.open()
    await session.create()
    moment = world.at(0)
    world.happen()
    await world.tick(7)
    for message in session.received():
        assert message.tag == f"{{{NOTIFICATION}}}notification"
        assert local_name(message[0]) == "eventTime"
        assert message[0].text == moment
        assert len(message) == 2


async def test_streams_are_listed(world: World) -> None:
    """RFC 5277 3.2.5.1: get shows /netconf/streams, with the NETCONF stream among them"""
    top = world.state(LEGACY)
    world.engine.validate(etree.tostring(top), what="part")
    assert top.tag == "{urn:ietf:params:xml:ns:netmod:notification}netconf"
    assert top.findtext(".//{*}name") == "NETCONF"
    assert top.findtext(".//{*}replaySupport") == "true"


async def test_the_log_says_when_it_begins(world: World) -> None:
    """RFC 5277 3.4: replayLogCreationTime is there where replay is supported"""
    began = world.at(0)
    world.happen()
    world.clock.advance(60)
    world.happen("y")
    assert world.state(LEGACY).findtext(".//{*}replayLogCreationTime") == began


async def test_replay_sends_what_happened(world: World) -> None:
    """RFC 5277 3.3.1: past events from startTime on are sent, in order"""
    for name in "abc":
        world.happen(name)
        world.clock.advance(10)
    session = world.open()
    await session.create(f"<startTime>{world.at(-25)}</startTime>")
    assert subjects(session.received()) == [
        "b",
        "netconf-config-change",
        "c",
        "netconf-config-change",
        "replayComplete",
    ]


async def test_replay_complete_comes_before_what_is_new(world: World) -> None:
    """RFC 5277 3.3.2: replayComplete follows the last replayed event, and live ones follow it"""
    world.happen("a")
    world.clock.advance(1)
    session = world.open()
    await session.create(f"<startTime>{world.at(-5)}</startTime>")
    world.happen("b")
    await world.tick()
    assert session.names() == [*BOTH, "replayComplete", *BOTH]


async def test_what_happens_during_a_replay_is_not_lost(world: World) -> None:
    """RFC 5277 3.3.2: a replay goes over into live events without a gap or a repetition"""
    for number in range(450):
        world.happen(f"s{number}")
    world.clock.advance(1)
    session = world.open()
    session.outlet.reading.clear()
    await session.create(f"<startTime>{world.at(-5)}</startTime>")
    for number in range(450, 460):
        world.happen(f"s{number}")
    await world.tick()
    session.outlet.reading.set()
    await world.settle()
    got = [name for name in subjects(session.received()) if name != "netconf-config-change"]
    expected = [f"s{number}" for number in range(450)]
    assert got == [*expected, "replayComplete", *(f"s{number}" for number in range(450, 460))]


async def test_an_empty_replay_is_complete_at_once(world: World) -> None:
    """RFC 5277 3.3.2: replayComplete is sent also where there was nothing"""
    session = world.open()
    await session.create(f"<startTime>{world.at(0)}</startTime>")
    assert session.names() == ["replayComplete"]


async def test_a_start_before_the_log(world: World) -> None:
    """RFC 5277 2.1.1: a startTime before the log begins is answered with all that there is"""
    world.happen()
    world.clock.advance(1)
    session = world.open()
    await session.create("<startTime>1970-01-01T00:00:00Z</startTime>")
    assert session.names() == [*BOTH, "replayComplete"]


async def test_without_start_time_nothing_is_replayed(world: World) -> None:
    """RFC 5277 2.1.1: without startTime the subscription is for what happens from now on"""
    world.happen()
    session = world.open()
    await session.create()
    await world.tick()
    assert session.names() == []


async def test_a_stop_time_in_the_past(world: World) -> None:
    """RFC 5277 3.3.1: with a stopTime that is over, the replay ends there"""
    for name in "abc":
        world.happen(name)
        world.clock.advance(10)
    session = world.open()
    await session.create(f"<startTime>{world.at(-35)}</startTime><stopTime>{world.at(-15)}</stopTime>")
    assert subjects(session.received()) == [
        "a",
        "netconf-config-change",
        "b",
        "netconf-config-change",
        "replayComplete",
        "notificationComplete",
    ]
    assert len(world.streams) == 0


async def test_a_stop_time_in_the_future(world: World) -> None:
    """RFC 5277 2.3: notificationComplete is sent when stopTime is reached, and nothing after it"""
    session = world.open()
    await session.create(f"<startTime>{world.at(0)}</startTime><stopTime>{world.at(60)}</stopTime>")
    world.happen("a")
    await world.tick(30)
    assert session.names() == ["replayComplete", *BOTH]
    world.happen("b")
    await world.tick(31)
    assert session.names() == [*BOTH, "notificationComplete"]
    world.happen("c")
    await world.tick()
    assert session.names() == []


async def test_after_notification_complete_another_may_be_created(world: World) -> None:
    """RFC 5277 2.3: the session is an ordinary one again after notificationComplete"""
    session = world.open()
    await session.create(f"<startTime>{world.at(0)}</startTime><stopTime>{world.at(1)}</stopTime>")
    await world.tick(2)
    assert session.names() == ["replayComplete", "notificationComplete"]
    await session.create()
    world.happen()
    await world.tick()
    assert session.names() == BOTH


async def test_far_after_a_past_stop_time_nothing_is_read(world: World) -> None:
    """RFC 5277 3.3.1: a replay that ended hours ago does not walk through what came since"""
    world.happen("a")
    world.clock.advance(10_000)
    for number in range(300):
        world.happen(f"s{number}")
    world.clock.advance(1)
    session = world.open()
    await session.create(
        f"<startTime>{world.at(-10_002)}</startTime><stopTime>{world.at(-10_000)}</stopTime>"
    )
    assert session.names() == [*BOTH, "replayComplete", "notificationComplete"]


async def test_a_subtree_filter(world: World) -> None:
    """RFC 5277 3.6 and 5.1: a subtree filter passes what it selects something of"""
    session = world.open()
    wanted = f'<configuration-changed xmlns="{EVENTS}"><subject>b</subject></configuration-changed>'
    await session.create(f'<filter type="subtree">{wanted}</filter>')
    for name in "abc":
        world.happen(name)
    await world.tick()
    assert subjects(session.received()) == ["b"]


async def test_a_filter_does_not_change_what_it_passes(world: World) -> None:
    """RFC 5277 3.6: a notification is sent whole or not at all"""
    session = world.open()
    wanted = f'<configuration-changed xmlns="{EVENTS}"><sequence/></configuration-changed>'
    await session.create(f"<filter>{wanted}</filter>")
    world.happen()
    await world.tick()
    (message,) = session.received()
    assert message.findtext(f".//{{{EVENTS}}}actor") == "op@cli"


async def test_an_xpath_filter(world: World) -> None:
    """RFC 5277 3.6 and 5.2: an XPath filter passes what its expression selects something of"""
    session = world.open()
    select = "/ev:configuration-changed[ev:subject='a' or ev:subject='c']"
    await session.create(f'<filter type="xpath" xmlns:ev="{EVENTS}" select="{select}"/>')
    for name in "abc":
        world.happen(name)
    await world.tick()
    assert subjects(session.received()) == ["a", "c"]


async def test_a_filter_holds_for_replay(world: World) -> None:
    """RFC 5277 3.3.2: filters hold for replayed events as for live ones"""
    for name in "abc":
        world.happen(name)
    world.clock.advance(1)
    session = world.open()
    select = "/ev:configuration-changed[ev:subject='b']"
    await session.create(
        f'<filter type="xpath" xmlns:ev="{EVENTS}" select="{select}"/><startTime>{world.at(-9)}</startTime>'
    )
    assert subjects(session.received()) == ["b", "replayComplete"]


async def test_a_filter_in_the_namespace_of_netconf(world: World) -> None:
    """RFC 5277 5.1: the filter may be that of the base protocol, and its attributes too"""
    session = world.open()
    select = "/ev:configuration-changed"
    nc = 'xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"'
    await session.create(f'<nc:filter {nc} nc:type="xpath" xmlns:ev="{EVENTS}" nc:select="{select}"/>')
    world.happen()
    await world.tick()
    assert session.names() == ["configuration-changed"]


async def test_an_empty_filter_passes_nothing(world: World) -> None:
    """RFC 6241 6.4.2: a filter without content selects nothing, of notifications too"""
    session = world.open()
    await session.create("<filter/>")
    world.happen()
    await world.tick()
    assert session.names() == []


async def test_a_slow_client_loses_nothing(world: World) -> None:
    """RFC 5277 2.2: each event that passes the filter is sent, also to a client that does not read for a while"""
    session = world.open()
    await session.create()
    session.outlet.reading.clear()
    for number in range(700):
        world.happen(f"s{number}")
        if number % 50 == 0:
            await world.tick()
    await world.tick()
    waiting = len(session.outlet.messages)
    assert waiting < 500  # one batch, not all
    session.outlet.reading.set()
    await world.settle()
    got = [name for name in subjects(session.received()) if name != "netconf-config-change"]
    assert got == [f"s{number}" for number in range(700)]


async def test_access_control_holds_notifications_back(world: World) -> None:
    """RFC 8341 3.4.6: what a user may not receive is dropped for that session"""
    session = world.open()
    world.denied.add("configuration-changed")
    await session.create(f"<startTime>{world.at(0)}</startTime>")
    world.happen()
    await world.tick()
    assert session.names() == ["replayComplete", "netconf-config-change"]


async def test_the_ends_of_a_replay_are_never_held_back(world: World) -> None:
    """RFC 8341 3.4.6: replayComplete and notificationComplete are never dropped"""
    world.denied.update(("replayComplete", "notificationComplete"))
    session = world.open()
    await session.create(f"<startTime>{world.at(0)}</startTime><stopTime>{world.at(1)}</stopTime>")
    await world.tick(2)
    assert session.names() == ["replayComplete", "notificationComplete"]


# --- RFC 6470 -------------------------------------------------------------------------------------


async def test_config_change(world: World) -> None:
    """RFC 6470 2.2: netconf-config-change says who, which datastore, which node and how"""
    session = world.open()
    await session.create()
    world.happen("lab", actor="bob@netconf")
    await world.tick()
    change = session.received()[1][1]
    assert change.tag == f"{{{NCN}}}netconf-config-change"
    assert change.findtext(f".//{{{NCN}}}username") == "bob"
    assert change.findtext(f"{{{NCN}}}datastore") == "running"
    target = change.find(f".//{{{NCN}}}target")
    assert target is not None
    assert target.text == "/p:address-spaces/p:address-space[p:name='lab']"
    assert target.nsmap["p"] == "urn:casm:yang:casm-pools"
    assert change.findtext(f".//{{{NCN}}}operation") == "create"


async def test_session_start(world: World) -> None:
    """RFC 6470 2.2: netconf-session-start says who opened which session, and from where"""
    watcher, other = world.open(), world.open("bob")
    await watcher.create()
    world.streams.session_started(other.caller)
    await world.settle()
    await world.tick()
    (message,) = watcher.received()
    start = message[1]
    assert start.tag == f"{{{NCN}}}netconf-session-start"
    assert start.findtext(f"{{{NCN}}}username") == "bob"
    assert start.findtext(f"{{{NCN}}}session-id") == "2"
    assert start.findtext(f"{{{NCN}}}source-host") == "192.0.2.9"


@pytest.mark.parametrize("ended", ["closed", "dropped", "timeout", "bad-hello", "other"])
async def test_session_end(world: World, ended: str) -> None:
    """RFC 6470 2.2: netconf-session-end says how a session ended"""
    watcher, other = world.open(), world.open("bob")
    await watcher.create()
    world.streams.session_ended(other.caller, ended)  # type: ignore[arg-type]
    await world.settle()
    await world.tick()
    (message,) = watcher.received()
    assert message[1].findtext(f"{{{NCN}}}termination-reason") == ended
    assert message[1].find(f"{{{NCN}}}killed-by") is None


async def test_session_killed(world: World) -> None:
    """RFC 6470 2.2: killed-by is the session that killed it"""
    watcher, other = world.open(), world.open("bob")
    await watcher.create()
    world.streams.session_ended(other.caller, "killed", 1)
    await world.settle()
    await world.tick()
    (message,) = watcher.received()
    assert message[1].findtext(f"{{{NCN}}}termination-reason") == "killed"
    assert message[1].findtext(f"{{{NCN}}}killed-by") == "1"


@pytest.mark.parametrize("what", ["start", "extend", "complete", "cancel", "timeout"])
async def test_confirmed_commit(world: World, what: str) -> None:
    """RFC 6470 2.2: netconf-confirmed-commit says what became of one, and for how long it waits"""
    watcher = world.open()
    await watcher.create()
    words = f"until {world.at(600)}, 2 change(s)" if what in ("start", "extend") else ""
    event = Event("confirmed-commit", "configuration", 0, what, reason=words)
    world.database.run(lambda tx: record(tx, Author("bob@netconf"), [event]))
    await world.tick()
    (message,) = watcher.received()
    assert message[1].findtext(f"{{{NCN}}}confirm-event") == what
    assert message[1].findtext(f"{{{NCN}}}timeout") == ("600" if what in ("start", "extend") else None)
