"""RFC 8639 and RFC 8640: dynamic subscriptions to events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.netconf.names import NOTIFICATION, Element, local_name
from casm_ctrl.netconf.rpc_error import RpcError
from casm_ctrl.northbound.notifications.names import PUSH, SUBSCRIBED, sn
from casm_ctrl.northbound.notifications.streams import FIRST_ID, MOST_OF_SESSION
from tests.notifications_world import EVENTS, Session, World, establish, make_world

BOTH = ["configuration-changed", "netconf-config-change"]
NETCONF = "<stream>NETCONF</stream>"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from make_world(tmp_path)


def operation(name: str, inner: str) -> str:
    return f'<{name} xmlns="{SUBSCRIBED}">{inner}</{name}>'


def by_id(name: str, number: int, more: str = "") -> str:
    return operation(name, f"<id>{number}</id>{more}")


def reason_of(message: Element) -> str:
    return message[1].findtext(sn("reason")) or ""


def subjects(session: Session) -> list[str]:
    return [m.findtext(f".//{{{EVENTS}}}subject") or local_name(m[1]) for m in session.received()]


async def test_establish_gives_an_id(world: World) -> None:
    """RFC 8639 2.4.2 and 2.6: the reply to establish-subscription has the id, and events follow it"""
    session = world.open()
    number = await session.establish(NETCONF)
    world.happen()
    await world.tick()
    assert number >= FIRST_ID
    assert session.names() == BOTH


async def test_ids_differ(world: World) -> None:
    """RFC 8639 2.4.2: each subscription has an id of its own"""
    one, other = world.open(), world.open()
    ids = [await one.establish(NETCONF), await one.establish(NETCONF), await other.establish(NETCONF)]
    assert len(set(ids)) == 3


async def test_several_subscriptions_of_a_session(world: World) -> None:
    """RFC 8639 2.4: a session may have several subscriptions, each with its filter"""
    session = world.open()
    for name in "ab":
        wanted = f'<configuration-changed xmlns="{EVENTS}"><subject>{name}</subject></configuration-changed>'
        await session.establish(f"{NETCONF}<stream-subtree-filter>{wanted}</stream-subtree-filter>")
    for name in "abc":
        world.happen(name)
    await world.tick()
    assert sorted(subjects(session)) == ["a", "b"]


async def test_not_beside_one_of_rfc_5277(world: World) -> None:
    """RFC 8640 3: a session that has a subscription by create-subscription has none by establish-subscription"""
    session = world.open()
    await session.create()
    assert (await session.refused(establish(NETCONF))).tag == "operation-not-supported"
    world.happen()
    await world.tick()
    assert sorted(session.names()) == sorted(BOTH)


async def test_one_of_rfc_5277_not_beside_it(world: World) -> None:
    """RFC 8640 3: nor the other way round; other sessions may have either, and so may this one afterwards"""
    session = world.open()
    number = await session.establish(NETCONF)
    create = f'<create-subscription xmlns="{NOTIFICATION}"/>'
    assert (await session.refused(create)).tag == "operation-not-supported"
    await world.open().create()
    await session.call(by_id("delete-subscription", number))
    await session.create()


async def test_an_unknown_stream(world: World) -> None:
    """RFC 8639 2.1: a stream that does not exist cannot be subscribed to"""
    error = await world.open().refused(establish("<stream>SYSLOG</stream>"))
    assert error.tag == "invalid-value"


async def test_a_target_must_be_named(world: World) -> None:
    """RFC 8639 4: the choice target is mandatory"""
    assert (await world.open().refused(establish(""))).tag == "missing-element"


async def test_an_encoding_that_is_not_done(world: World) -> None:
    """RFC 8639 2.4.6: another encoding than XML is encoding-unsupported"""
    inner = f'{NETCONF}<encoding xmlns:sn="{SUBSCRIBED}">sn:encode-json</encoding>'
    error = await world.open().refused(establish(inner))
    assert error.app_tag == "ietf-subscribed-notifications:encoding-unsupported"


async def test_the_encoding_xml(world: World) -> None:
    """RFC 8640 4: encode-xml may be asked for"""
    inner = f'{NETCONF}<encoding xmlns:sn="{SUBSCRIBED}">sn:encode-xml</encoding>'
    assert await world.open().establish(inner)


@pytest.mark.parametrize("leaf", ["dscp", "weighting", "dependency", "configured-replay"])
async def test_features_that_are_not_there(world: World, leaf: str) -> None:
    """RFC 7950 8.3.1: a parameter of a feature that is not announced does not exist"""
    assert (await world.open().refused(establish(f"{NETCONF}<{leaf}>1</{leaf}>"))).tag == "unknown-element"


async def test_an_xpath_filter(world: World) -> None:
    """RFC 8639 2.2: an event passes where the XPath expression is true"""
    session = world.open()
    expression = "/e:configuration-changed/e:subject = 'b'"
    await session.establish(
        f'{NETCONF}<stream-xpath-filter xmlns:e="{EVENTS}">{expression}</stream-xpath-filter>'
    )
    for name in "abc":
        world.happen(name)
    await world.tick()
    assert subjects(session) == ["b"]


async def test_the_context_of_an_xpath_filter_is_the_root(world: World) -> None:
    """RFC 8639 2.2: the context node is the root node above the event record"""
    session = world.open()
    expression = "not(e:configuration-changed)"
    await session.establish(
        f'{NETCONF}<stream-xpath-filter xmlns:e="{EVENTS}">{expression}</stream-xpath-filter>'
    )
    world.happen()
    await world.tick()
    assert session.names() == ["netconf-config-change"]


@pytest.mark.parametrize("expression", ["/e:a[", "unbound:x", "", "nothing-like-it()"])
async def test_a_filter_that_cannot_be(world: World, expression: str) -> None:
    """RFC 8639 2.4.6: a filter that cannot be evaluated is filter-unsupported, with a hint"""
    inner = f'{NETCONF}<stream-xpath-filter xmlns:e="{EVENTS}">{expression}</stream-xpath-filter>'
    error = await world.open().refused(establish(inner))
    assert (error.tag, error.app_tag) == ("invalid-value", "ietf-subscribed-notifications:filter-unsupported")
    (info,) = error.info
    assert info.tag == sn("establish-subscription-stream-error-info")
    assert info.findtext(sn("filter-failure-hint"))


async def test_a_filter_by_name(world: World) -> None:
    """RFC 8639 2.4.6 and 3.2: a filter that is not in /filters cannot be used"""
    error = await world.open().refused(establish(f"{NETCONF}<stream-filter-name>f</stream-filter-name>"))
    assert error.app_tag == "ietf-subscribed-notifications:filter-unsupported"


async def test_errors_name_their_identity_with_its_prefix(world: World) -> None:
    """RFC 8640 7: error-info repeats the identity, with a prefix that is bound there"""
    error = await world.open().refused(by_id("delete-subscription", 7))
    reason = error.info[0].find(sn("reason"))
    assert reason is not None
    assert reason.text == "sn:no-such-subscription"
    assert reason.nsmap["sn"] == SUBSCRIBED


async def test_too_many_subscriptions(world: World) -> None:
    """RFC 8639 2.4.6: more than the publisher bears is insufficient-resources"""
    session = world.open()
    for _ in range(MOST_OF_SESSION):
        await session.establish(NETCONF)
    error = await session.refused(establish(NETCONF))
    assert error.tag == "resource-denied"
    assert error.app_tag == "ietf-subscribed-notifications:insufficient-resources"


# --- Replay ---------------------------------------------------------------------------------------


async def test_replay(world: World) -> None:
    """RFC 8639 2.4.2.1 and 2.7.7: past events are sent from replay-start-time on, then replay-completed"""
    for name in "ab":
        world.happen(name)
        world.clock.advance(10)
    session = world.open()
    await session.establish(f"{NETCONF}<replay-start-time>{world.at(-15)}</replay-start-time>")
    world.happen("c")
    await world.tick()
    assert session.names() == [*BOTH, "replay-completed", *BOTH]


async def test_replay_revision(world: World) -> None:
    """RFC 8639 2.4.2.1: a start before the log is answered with replay-start-time-revision"""
    began = world.at(0)
    world.happen()
    world.clock.advance(5)
    session = world.open()
    answer = await session.call(
        establish(f"{NETCONF}<replay-start-time>1999-01-01T00:00:00Z</replay-start-time>")
    )
    nodes = answer.nodes  # type: ignore[union-attr]
    assert [local_name(node) for node in nodes] == ["id", "replay-start-time-revision"]  # type: ignore[arg-type]
    assert nodes[1].text == began  # type: ignore[union-attr]


async def test_replay_from_the_future(world: World) -> None:
    """RFC 8639 2.4.2.1: replay-start-time is in the past"""
    inner = f"{NETCONF}<replay-start-time>{world.at(5)}</replay-start-time>"
    assert (await world.open().refused(establish(inner))).tag == "bad-element"


async def test_replay_after_a_restart(world: World) -> None:
    """RFC 8639 2.4.2.1: the replay buffer outlives the server, and numbers go on"""
    world.happen("a")
    world.clock.advance(1)
    again = World(world.database, world.clock)  # the next server on the store
    session = again.open()
    await session.establish(f"{NETCONF}<replay-start-time>{world.at(-9)}</replay-start-time>")
    world.happen("b")
    await again.tick()
    got = [m.findtext(f".//{{{EVENTS}}}sequence") for m in session.received()]
    numbers = [int(number) for number in got if number]
    assert numbers == sorted(numbers)
    assert len(numbers) == 2


# --- Ends -----------------------------------------------------------------------------------------


async def test_stop_time(world: World) -> None:
    """RFC 8639 2.4.2 and 2.7.3: a subscription ends at its stop-time, and its receiver is told"""
    session = world.open()
    number = await session.establish(f"{NETCONF}<stop-time>{world.at(60)}</stop-time>")
    world.happen()
    await world.tick(61)
    messages = session.received()
    assert [local_name(m[1]) for m in messages] == [*BOTH, "subscription-terminated"]
    assert messages[-1][1].findtext(sn("id")) == str(number)
    assert reason_of(messages[-1]) == "sn:no-such-subscription"
    assert len(world.streams) == 0


async def test_a_stop_time_that_is_over(world: World) -> None:
    """RFC 8639 2.4.2: without a replay, stop-time is in the future"""
    error = await world.open().refused(establish(f"{NETCONF}<stop-time>{world.at(-1)}</stop-time>"))
    assert error.tag == "bad-element"


async def test_delete(world: World) -> None:
    """RFC 8639 2.4.4: delete-subscription ends it: nothing comes after its ok"""
    session = world.open()
    number = await session.establish(NETCONF)
    await session.call(by_id("delete-subscription", number))
    world.happen()
    await world.tick()
    assert session.names() == []


async def test_delete_of_another_session(world: World) -> None:
    """RFC 8639 2.4.4: only the subscriber's own session deletes it, another is told no-such-subscription"""
    one, other = world.open(), world.open()
    number = await one.establish(NETCONF)
    error = await other.refused(by_id("delete-subscription", number))
    assert error.app_tag == "ietf-subscribed-notifications:no-such-subscription"
    world.happen()
    await world.tick()
    assert one.names() == BOTH


async def test_delete_twice(world: World) -> None:
    """RFC 8639 2.4.4: what is deleted does not exist any more"""
    session = world.open()
    number = await session.establish(NETCONF)
    await session.call(by_id("delete-subscription", number))
    error = await session.refused(by_id("delete-subscription", number))
    assert error.app_tag == "ietf-subscribed-notifications:no-such-subscription"


async def test_kill(world: World) -> None:
    """RFC 8639 2.4.5 and 2.7.3: kill-subscription ends another session's, and its receiver is told"""
    one, operator = world.open(), world.open("root")
    number = await one.establish(NETCONF)
    await operator.call(by_id("kill-subscription", number))
    (message,) = one.received()
    assert local_name(message[1]) == "subscription-terminated"
    assert reason_of(message) == "sn:no-such-subscription"
    world.happen()
    await world.tick()
    assert one.names() == []


async def test_kill_of_nothing(world: World) -> None:
    """RFC 8639 2.4.5: there must be such a subscription"""
    error = await world.open().refused(by_id("kill-subscription", FIRST_ID))
    assert error.app_tag == "ietf-subscribed-notifications:no-such-subscription"


async def test_the_end_of_a_session(world: World) -> None:
    """RFC 8640 5: all dynamic subscriptions end with their session"""
    session = world.open()
    for _ in range(3):
        await session.establish(NETCONF)
    world.streams.session_ended(session.caller)
    await world.settle()
    assert len(world.streams) == 0


# --- Changes --------------------------------------------------------------------------------------


async def test_modify_the_filter(world: World) -> None:
    """RFC 8639 2.4.3: modify-subscription changes the filter for what is sent from then on"""
    session = world.open()
    number = await session.establish(NETCONF)
    wanted = f'<configuration-changed xmlns="{EVENTS}"/>'
    new = f"<stream-subtree-filter>{wanted}</stream-subtree-filter>"
    await session.call(by_id("modify-subscription", number, new))
    world.happen()
    await world.tick()
    assert session.names() == ["subscription-modified", "configuration-changed"]


async def test_modified_tells_all_terms(world: World) -> None:
    """RFC 8639 2.7.2: subscription-modified has the changed terms and the others"""
    session = world.open()
    number = await session.establish(NETCONF)
    stop = world.at(500)
    await session.call(by_id("modify-subscription", number, f"<stop-time>{stop}</stop-time>"))
    (message,) = session.received()
    assert message[1].findtext(sn("stream")) == "NETCONF"
    assert message[1].findtext(sn("stop-time")) == stop
    assert message[1].findtext(sn("encoding")) == "sn:encode-xml"


async def test_modify_the_stop_time(world: World) -> None:
    """RFC 8639 2.4.3: modify-subscription changes the stop-time"""
    session = world.open()
    number = await session.establish(f"{NETCONF}<stop-time>{world.at(10)}</stop-time>")
    await session.call(by_id("modify-subscription", number, f"<stop-time>{world.at(100)}</stop-time>"))
    await world.tick(50)
    assert session.names() == ["subscription-modified"]
    await world.tick(51)
    assert session.names() == ["subscription-terminated"]


async def test_modify_of_another_session(world: World) -> None:
    """RFC 8639 2.4.3: only the session that established it modifies it"""
    one, other = world.open(), world.open()
    number = await one.establish(NETCONF)
    error = await other.refused(by_id("modify-subscription", number))
    assert error.app_tag == "ietf-subscribed-notifications:no-such-subscription"
    assert error.info[0].tag == sn("modify-subscription-stream-error-info")


async def test_a_refused_modify_changes_nothing(world: World) -> None:
    """RFC 8639 2.4.3: where a change is refused, the subscription goes on as it was"""
    session = world.open()
    number = await session.establish(NETCONF)
    bad = "<stream-xpath-filter>((</stream-xpath-filter>"
    await session.refused(by_id("modify-subscription", number, bad))
    world.happen()
    await world.tick()
    assert session.names() == BOTH


async def test_state_changes_pass_every_filter(world: World) -> None:
    """RFC 8639 2.7: state change notifications are never held back by a filter or by access control"""
    session, operator = world.open(), world.open("root")
    number = await session.establish(f"{NETCONF}<stream-subtree-filter/>")
    world.denied.add("subscription-terminated")
    await operator.call(by_id("kill-subscription", number))
    assert session.names() == ["subscription-terminated"]


# --- What is shown --------------------------------------------------------------------------------


async def test_streams_are_listed(world: World) -> None:
    """RFC 8639 3.1: /streams lists the streams, and from when on there is replay"""
    world.happen()
    top = world.state(sn("streams"))
    world.engine.validate(etree.tostring(top), what="part")
    assert top.findtext(".//{*}name") == "NETCONF"
    assert top.find(".//{*}replay-support") is not None
    assert top.findtext(".//{*}replay-log-creation-time") == world.at(0)


async def test_subscriptions_are_listed(world: World) -> None:
    """RFC 8639 2.8 and 3.3: /subscriptions lists each with its terms, its receiver and counters"""
    session = world.open()
    expression = f'<stream-xpath-filter xmlns:e="{EVENTS}">/e:configuration-changed</stream-xpath-filter>'
    number = await session.establish(NETCONF + expression)
    world.happen()
    await world.tick()
    top = world.state(sn("subscriptions"))
    world.engine.validate(etree.tostring(top), what="part")
    assert top.findtext(".//{*}subscription/{*}id") == str(number)
    assert top.findtext(".//{*}sent-event-records") == "1"
    assert top.findtext(".//{*}excluded-event-records") == "1"
    assert top.findtext(".//{*}receiver/{*}state") == "active"


async def test_leaves_of_yang_push_need_a_datastore(world: World) -> None:
    """RFC 8641 4.4.1: an update trigger belongs to a datastore, not to a stream"""
    inner = f'{NETCONF}<periodic xmlns="{PUSH}"><period>500</period></periodic>'
    error: RpcError = await world.open().refused(establish(inner))
    assert error.tag == "unknown-element"
