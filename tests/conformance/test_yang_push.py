"""RFC 8641: subscriptions to datastores, periodic and on change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from casm_ctrl.netconf import rpc_error
from casm_ctrl.netconf.names import Element, local_name
from casm_ctrl.northbound.notifications import push as push_module
from casm_ctrl.northbound.notifications.names import PUSH, SUBSCRIBED, sn, yp
from casm_ctrl.northbound.notifications.push import PATCHES, PushSubscription
from tests.notifications_world import POOLS, World, establish, make_world, push, usage

NMDA = "{urn:ietf:params:xml:ns:yang:ietf-netconf-nmda}"
SELECTION = (
    f'<datastore-subtree-filter xmlns="{PUSH}"><pools xmlns="{POOLS}"><pool><usage/></pool></pools>'
    "</datastore-subtree-filter>"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from make_world(tmp_path)


def on_change(inner: str = "") -> str:
    return push(f'<on-change xmlns="{PUSH}">{inner}</on-change>', SELECTION)


def periodic(period: int, inner: str = "", more: str = "") -> str:
    trigger = f'<periodic xmlns="{PUSH}"><period>{period}</period>{inner}</periodic>'
    return push(trigger, SELECTION, more)


def edits(message: Element) -> list[tuple[str | None, ...]]:
    return [
        tuple(edit.findtext(yp(name)) for name in ("operation", "target"))
        for edit in message.iter(yp("edit"))
    ]


# --- Periodic -------------------------------------------------------------------------------------


async def test_a_periodic_update_comes_at_once_and_then_in_time(world: World) -> None:
    """RFC 8641 3.1: without an anchor the first update follows the reply, others each period"""
    world.selection = usage("100")
    session = world.open()
    number = await session.establish(periodic(1000))
    (first,) = session.received()
    assert local_name(first[1]) == "push-update"
    assert first[1].findtext(yp("id")) == str(number)
    assert first[1].findtext(f".//{{{POOLS}}}free-addresses") == "100"
    await world.tick(9)
    assert session.names() == []
    world.selection = usage("50")
    await world.tick(1)
    (second,) = session.received()
    assert second[1].findtext(f".//{{{POOLS}}}free-addresses") == "50"


async def test_an_anchor(world: World) -> None:
    """RFC 8641 4.2: updates come at anchor-time plus a multiple of the period"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(periodic(6000, f"<anchor-time>{world.at(-45)}</anchor-time>"))
    assert session.names() == []
    await world.tick(14)
    assert session.names() == []
    await world.tick(1)
    assert session.names() == ["push-update"]
    await world.tick(60)
    assert session.names() == ["push-update"]


async def test_a_period_that_is_too_short(world: World) -> None:
    """RFC 8641 3.2: a period that is not supported is refused with a hint"""
    error = await world.open().refused(establish(periodic(5)))
    assert (error.tag, error.app_tag) == ("invalid-value", "ietf-yang-push:period-unsupported")
    (info,) = error.info
    assert info.tag == yp("establish-subscription-datastore-error-info")
    assert info.findtext(yp("period-hint")) == "100"


async def test_what_was_missed_is_not_sent_twice(world: World) -> None:
    """RFC 8641 3.4: a client that does not read for three periods gets one update, of now"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(periodic(100))
    session.received()
    session.outlet.reading.clear()
    await world.tick(1)
    for _ in range(3):
        await world.tick(1)
    session.outlet.reading.set()
    await world.settle()
    assert session.names() == ["push-update", "push-update"]


async def test_an_empty_selection(world: World) -> None:
    """RFC 8641 3.9: a periodic selection that matches nothing is sent empty"""
    session = world.open()
    await session.establish(periodic(100))
    (message,) = session.received()
    contents = message[1].find(yp("datastore-contents"))
    assert contents is not None
    assert len(contents) == 0


async def test_stop_time(world: World) -> None:
    """RFC 8639 2.4.2: a subscription to a datastore ends at its stop-time too"""
    session = world.open()
    stop = f'<stop-time xmlns="{SUBSCRIBED}">{world.at(5)}</stop-time>'
    await session.establish(periodic(1000, more=stop))
    await world.tick(6)
    assert session.names() == ["push-update", "subscription-terminated"]


# --- What is selected -----------------------------------------------------------------------------


async def test_the_selection_is_read_as_by_get_data(world: World) -> None:
    """RFC 8641 3.6: a subtree filter selects as in a get-data of the subscriber"""
    session = world.open()
    await session.establish(periodic(100))
    operation = world.reads[0]
    assert operation.tag == f"{NMDA}get-data"
    datastore = operation.find(f"{NMDA}datastore")
    assert datastore is not None
    assert datastore.text == "ds:operational"
    assert operation.find(f"{NMDA}subtree-filter/{{{POOLS}}}pools/{{{POOLS}}}pool") is not None


async def test_an_xpath_selection(world: World) -> None:
    """RFC 8641 3.6: an XPath filter keeps the prefixes that are bound where it stands"""
    session = world.open()
    selection = (
        f'<yp:datastore-xpath-filter xmlns:yp="{PUSH}" xmlns:q="{POOLS}">/q:pools/q:pool/q:usage'
        "</yp:datastore-xpath-filter>"
    )
    trigger = f'<periodic xmlns="{PUSH}"><period>100</period></periodic>'
    await session.establish(push(trigger, selection))
    made = world.reads[0].find(f"{NMDA}xpath-filter")
    assert made is not None
    assert made.text == "/q:pools/q:pool/q:usage"
    assert made.nsmap["q"] == POOLS


async def test_a_selection_that_cannot_be(world: World) -> None:
    """RFC 8641 3.2: a filter that cannot be evaluated is filter-unsupported"""
    selection = f'<datastore-xpath-filter xmlns="{PUSH}">/((</datastore-xpath-filter>'
    trigger = f'<periodic xmlns="{PUSH}"><period>100</period></periodic>'
    error = await world.open().refused(establish(push(trigger, selection)))
    assert error.app_tag == "ietf-subscribed-notifications:filter-unsupported"


@pytest.mark.parametrize("name", ["candidate", "startup", "intended"])
async def test_other_datastores(world: World, name: str) -> None:
    """RFC 8641 3.2: a datastore that is not served is datastore-not-subscribable"""
    inner = periodic(100).replace("ds:operational", f"ds:{name}")
    error = await world.open().refused(establish(inner))
    assert error.app_tag == "ietf-yang-push:datastore-not-subscribable"


async def test_what_may_not_be_read_is_refused(world: World) -> None:
    """RFC 8641 3.9: who may not read the selection has no subscription to it"""
    world.selection = rpc_error.access_denied()
    error = await world.open().refused(establish(periodic(100)))
    assert error.tag == "access-denied"
    assert len(world.streams) == 0


async def test_access_that_is_lost(world: World) -> None:
    """RFC 8641 3.9: where the selection can be read no more, the subscription is terminated"""
    session = world.open()
    await session.establish(periodic(100))
    session.received()
    world.selection = rpc_error.access_denied()
    await world.tick(1)
    (message,) = session.received()
    assert local_name(message[1]) == "subscription-terminated"
    assert message[1].findtext(sn("reason")) == "yp:datastore-not-subscribable"


async def test_a_trigger_must_be_named(world: World) -> None:
    """RFC 8641 4.4.1: a subscription to a datastore is periodic or on-change"""
    assert (await world.open().refused(establish(push("", SELECTION)))).tag == "missing-element"


# --- On change ------------------------------------------------------------------------------------


async def test_sync_on_start(world: World) -> None:
    """RFC 8641 3.1: an on-change subscription begins with everything, so that both ends agree"""
    world.selection = usage("100")
    session = world.open()
    await session.establish(on_change())
    (message,) = session.received()
    assert local_name(message[1]) == "push-update"


async def test_no_sync_on_start(world: World) -> None:
    """RFC 8641 4.2: with sync-on-start false only changes are sent"""
    world.selection = usage("100")
    session = world.open()
    await session.establish(on_change("<sync-on-start>false</sync-on-start>"))
    assert session.names() == []
    world.selection = usage("99")
    world.happen()
    await world.tick()
    assert session.names() == ["push-change-update"]


async def test_a_change_is_a_patch(world: World) -> None:
    """RFC 8641 3.7: what changed is told as a YANG patch with the new values"""
    world.selection = usage("100", allocated="0")
    session = world.open()
    number = await session.establish(on_change())
    session.received()
    world.selection = usage("84", allocated="16")
    world.happen()
    await world.tick()
    (message,) = session.received()
    assert message[1].findtext(yp("id")) == str(number)
    assert edits(message) == [
        ("replace", "/casm-pools:pools/pool=p/usage/allocated-addresses"),
        ("replace", "/casm-pools:pools/pool=p/usage/free-addresses"),
    ]
    values = [value[0].text for value in message.iter(yp("value"))]
    assert values == ["16", "84"]


async def test_entries_come_and_go(world: World) -> None:
    """RFC 8641 3.7: what came is create with its content, what went is delete without"""
    world.selection = usage("1", "one")
    session = world.open()
    await session.establish(on_change())
    session.received()
    world.selection = usage("1", "two/b")
    world.happen()
    await world.tick()
    (message,) = session.received()
    assert edits(message) == [
        ("delete", "/casm-pools:pools/pool=one"),
        ("create", "/casm-pools:pools/pool=two%2Fb"),
    ]
    assert len(list(message.iter(yp("value")))) == 1


async def test_patch_ids_differ(world: World) -> None:
    """RFC 8641 3.7: patch-id counts the patches of a subscription, from 0 on"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change())
    session.received()
    found = []
    for free in ("2", "3", "4"):
        world.selection = usage(free)
        world.happen(f"s{free}")
        await world.tick()
        (message,) = session.received()
        found.append(message.findtext(f".//{yp('patch-id')}"))
    assert found == ["0", "1", "2"]


async def test_patch_ids_begin_anew(world: World) -> None:
    """RFC 8641 3.7: the counter is reset to 0 whenever a push-update is sent, and after 4294967295"""
    world.selection = usage("1")
    session = world.open()
    number = await session.establish(on_change())

    async def change(free: str) -> str | None:
        world.selection = usage(free)
        world.happen(f"s{free}")
        await world.tick()
        return session.received()[-1].findtext(f".//{yp('patch-id')}")

    assert [await change(free) for free in "23"] == ["0", "1"]
    await session.call(f'<resync-subscription xmlns="{PUSH}"><id>{number}</id></resync-subscription>')
    await world.settle()
    assert session.names()[-1] == "push-update"
    assert await change("4") == "0"
    subscription = world.streams.find(number)
    assert isinstance(subscription, PushSubscription)
    subscription._patches = PATCHES - 1
    assert [await change(free) for free in "56"] == ["4294967295", "0"]


async def test_an_empty_selection_on_change(world: World) -> None:
    """RFC 8641 3.9: an on-change subscription to what is not there, or may not be read, is not told so"""
    session = world.open()
    await session.establish(on_change())
    await world.tick()
    assert session.received() == []
    world.selection = usage("1")
    world.happen()
    await world.tick()
    assert session.names() == ["push-change-update"]


async def test_without_an_event_nothing_is_read(world: World) -> None:
    """RFC 8641 3.1: on-change costs nothing while nothing happens"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change())
    before = len(world.reads)
    for _ in range(5):
        await world.tick(10)
    assert len(world.reads) == before


async def test_an_event_that_changes_nothing_selected(world: World) -> None:
    """RFC 8641 3.1: nothing is sent where nothing that is selected changed"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change())
    session.received()
    world.happen()
    await world.tick()
    assert session.names() == []


async def test_dampening(world: World) -> None:
    """RFC 8641 3.3: within the dampening period changes wait, and are told together with their last value"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change("<dampening-period>1000</dampening-period>"))
    session.received()
    for free in ("2", "3"):
        world.selection = usage(free)
        world.happen(f"s{free}")
        await world.tick(1)
    assert session.names() == []
    await world.tick(9)
    (message,) = session.received()
    assert [value[0].text for value in message.iter(yp("value"))] == ["3"]


async def test_a_value_that_came_back_is_no_change(world: World) -> None:
    """RFC 8641 3.1: what is as before at the end of the dampening period is not told"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change("<dampening-period>1000</dampening-period>"))
    session.received()
    for free in ("2", "1"):
        world.selection = usage(free)
        world.happen(f"s{free}")
        await world.tick(1)
    await world.tick(9)
    assert session.names() == []


async def test_excluded_changes(world: World) -> None:
    """RFC 8641 4.2: changes of an excluded kind are not told"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change("<excluded-change>replace</excluded-change>"))
    session.received()
    world.selection = usage("2")
    world.happen()
    await world.tick()
    assert session.names() == []
    world.selection = usage("2", "other")
    world.happen("y")
    await world.tick()
    (message,) = session.received()
    assert [operation for operation, _ in edits(message)] == ["delete", "create"]


async def test_an_unknown_kind_of_change(world: World) -> None:
    """RFC 8641 5: excluded-change names a kind of change"""
    error = await world.open().refused(establish(on_change("<excluded-change>merge2</excluded-change>")))
    assert error.tag == "bad-element"


async def test_resync(world: World) -> None:
    """RFC 8641 4.4.4: resync-subscription sends everything once more"""
    world.selection = usage("1")
    session = world.open()
    number = await session.establish(on_change())
    session.received()
    await session.call(f'<resync-subscription xmlns="{PUSH}"><id>{number}</id></resync-subscription>')
    assert session.names() == ["push-update"]


async def test_resync_of_what_is_not_there(world: World) -> None:
    """RFC 8641 4.4.4: only the session's own on-change subscriptions can be synchronised"""
    one, other = world.open(), world.open()
    number = await one.establish(on_change())
    regular = await other.establish(periodic(100))
    for wrong in (number, regular):
        error = await other.refused(
            f'<resync-subscription xmlns="{PUSH}"><id>{wrong}</id></resync-subscription>'
        )
        assert error.app_tag == "ietf-yang-push:no-such-subscription-resync"


# --- Changes of terms, and size -------------------------------------------------------------------


async def test_modify_the_period(world: World) -> None:
    """RFC 8641 4.4.2: modify-subscription changes the period"""
    session = world.open()
    number = await session.establish(periodic(10_000))
    session.received()
    datastore = periodic(500).partition("<datastore-subtree-filter")[0]
    new = f'{datastore}<periodic xmlns="{PUSH}"><period>500</period></periodic>'
    await session.call(
        f'<modify-subscription xmlns="{SUBSCRIBED}"><id>{number}</id>{new}</modify-subscription>'
    )
    assert session.names() == ["subscription-modified", "push-update"]
    await world.tick(5)
    assert session.names() == ["push-update"]


async def test_a_kind_of_trigger_stays(world: World) -> None:
    """RFC 8641 4.4.2: a periodic subscription does not become one on change"""
    session = world.open()
    number = await session.establish(periodic(100))
    error = await session.refused(
        f'<modify-subscription xmlns="{SUBSCRIBED}"><id>{number}</id><on-change xmlns="{PUSH}"/>'
        "</modify-subscription>"
    )
    assert error.tag == "bad-element"


async def test_too_large_an_update(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8641 3.2: a selection that is too large is refused with its size and the limit"""
    monkeypatch.setattr(push_module, "LARGEST", 10)
    world.selection = usage("1")
    error = await world.open().refused(establish(periodic(100)))
    assert (error.tag, error.app_tag) == ("too-big", "ietf-yang-push:update-too-big")
    assert error.info[0].findtext(yp("kilobytes-limit")) is not None


async def test_an_update_that_grew_too_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8639 2.7.4 and 2.7.5: a subscription that cannot be served is suspended, and resumed when it can"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(periodic(100))
    session.received()
    with monkeypatch.context() as patch:
        patch.setattr(push_module, "LARGEST", 10)
        await world.tick(1)
        await world.tick(1)
        (message,) = session.received()
        assert local_name(message[1]) == "subscription-suspended"
        assert message[1].findtext(sn("reason")) == "yp:update-too-big"
    await world.tick(1)
    assert session.names() == ["subscription-resumed", "push-update"]


async def test_on_change_after_a_suspension(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8641 3.11.1: after it was suspended, an on-change subscription begins with everything again"""
    world.selection = usage("1")
    session = world.open()
    await session.establish(on_change())
    session.received()
    with monkeypatch.context() as patch:
        patch.setattr(push_module, "LARGEST", 10)
        world.happen()
        await world.tick()
        assert session.names() == ["subscription-suspended"]
    await world.tick(61)
    assert session.names() == ["subscription-resumed", "push-update"]


async def test_subscriptions_to_datastores_are_listed(world: World) -> None:
    """RFC 8641 4.2: /subscriptions shows the datastore, the selection and the trigger"""
    session = world.open()
    await session.establish(on_change("<excluded-change>delete</excluded-change>"))
    top = world.state(sn("subscriptions"))
    world.engine.validate(etree.tostring(top), what="part")
    datastore = top.find(f".//{yp('datastore')}")
    assert datastore is not None
    assert datastore.text == "ds:operational"
    assert top.findtext(f".//{yp('excluded-change')}") == "delete"


async def test_the_namespace_of_patches(world: World) -> None:
    """RFC 8072 3: what YANG-Push uses of the module of YANG patches is in the namespace of YANG-Push"""
    session = world.open()
    await session.establish(on_change("<sync-on-start>false</sync-on-start>"))
    world.selection = usage("99")
    world.happen()
    await world.tick()
    ((_, change),) = session.received()
    told = {str(node.tag) for node in change.iter() if etree.QName(node).namespace != POOLS}
    named = ("yang-patch", "patch-id", "edit", "edit-id", "operation", "target", "value")
    assert {yp(name) for name in named} <= told
    assert {etree.QName(tag).namespace for tag in told} == {PUSH}
