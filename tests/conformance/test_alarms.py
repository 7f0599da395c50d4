"""Alarms (RFC 8632), through the whole server."""

from __future__ import annotations

import pytest
from lxml import etree

from casm_ctrl.control.loop.alarming import OF_POOLS
from casm_ctrl.netconf.names import BASE, NOTIFICATION, Element
from casm_ctrl.service.alarms import clear_alarm, of_device, of_pool, raise_alarm
from casm_ctrl.service.configuration import AddAccessMember, SetDocument, change
from casm_ctrl.service.first_access import first_documents
from casm_ctrl.store.events import Author
from casm_ctrl.yang.engine import Engine, forest
from tests.northbound_harness import Client, Endpoint, Refused

AL = "urn:ietf:params:xml:ns:yang:ietf-alarms"
OURS = "urn:casm:yang:casm-alarms"
DEVICE = "/d:devices/d:device[d:name='bng1']"
KEYS = (
    f'<resource xmlns:d="urn:casm:yang:casm-devices">{DEVICE}</resource>'
    f'<alarm-type-id xmlns:t="{OURS}">t:drift</alarm-type-id><alarm-type-qualifier/>'
)
NOT_CLEARED = "<alarm-clearance-status>not-cleared</alarm-clearance-status>"
ANY = "<alarm-clearance-status>any</alarm-clearance-status>"


def _raise(endpoint: Endpoint, severity: str = "minor", text: str = "an entry is gone") -> None:
    endpoint.database.run(lambda tx: raise_alarm(tx, of_device("bng1"), "drift", severity, text))


def _clear(endpoint: Endpoint) -> None:
    endpoint.database.run(lambda tx: clear_alarm(tx, of_device("bng1"), "drift", "it is back"))


def _low(endpoint: Endpoint) -> None:
    endpoint.database.run(lambda tx: raise_alarm(tx, of_pool("v4"), "pool-low", "major", "little is left"))


@pytest.fixture
def alarmed(endpoint: Endpoint) -> Endpoint:
    """Two alarms: one of a device, one of a pool."""
    _raise(endpoint)
    _low(endpoint)
    return endpoint


async def _alarms(client: Client, inside: str = "") -> Element:
    filter_ = f'<filter><alarms xmlns="{AL}">{inside}</alarms></filter>'
    data = await client.data(f"<get>{filter_}</get>")
    return data[0] if len(data) else data


async def _act(client: Client, path: str) -> Element:
    return await client.rpc(
        f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><alarms xmlns="{AL}">{path}</alarms></action>'
    )


async def _set_state(client: Client, state: str, keys: str = KEYS, text: str = "") -> Element:
    said = f"<text>{text}</text>" if text else ""
    action = f"<set-operator-state><state>{state}</state>{said}</set-operator-state>"
    return await _act(client, f"<alarm-list><alarm>{keys}{action}</alarm></alarm-list>")


async def _configure(client: Client, control: str) -> None:
    config = f'<config><alarms xmlns="{AL}"><control>{control}</control></alarms></config>'
    await client.rpc(f"<edit-config><target><candidate/></target>{config}</edit-config>")
    await client.rpc("<commit/>")


def _types(alarms: Element, path: str = "{*}alarm-list/{*}alarm") -> set[str]:
    return {(each.findtext("{*}alarm-type-id") or "").rpartition(":")[2] for each in alarms.iterfind(path)}


SHELF = (
    "<alarm-shelving><shelf><name>work</name>"
    f'<resource xmlns:d="urn:casm:yang:casm-devices">{DEVICE}</resource></shelf></alarm-shelving>'
)


# --- The model ------------------------------------------------------------------------------------


async def test_features(endpoint: Endpoint) -> None:
    """RFC 8632 6: the features that are done are announced, and no others"""
    client = await endpoint.open()
    (found,) = [uri for uri in client.hello.capabilities if uri.startswith(f"{AL}?")]
    assert "features=operator-actions,alarm-shelving,alarm-history,alarm-summary" in found


async def test_data_is_valid(alarmed: Endpoint) -> None:
    """RFC 8632 6: all of /alarms is valid by the module, shelved alarms, histories and words of operators too"""
    client = await alarmed.open()
    await _set_state(client, "ack", text="on it")
    _clear(alarmed)
    await _configure(client, SHELF)
    data = await client.data(f'<get><filter><alarms xmlns="{AL}"/></filter></get>')
    engine: Engine = alarmed.server.models.engine
    engine.validate(forest(data), what="part")
    assert len(data[0].findall("{*}shelved-alarms/{*}shelved-alarm")) == 1


async def test_inventory(endpoint: Endpoint) -> None:
    """RFC 8632 4.2: the inventory has each type that there may be, with severities, resources and what to do"""
    client = await endpoint.open()
    inventory = (await _alarms(client, "<alarm-inventory/>"))[0]
    found = {entry.findtext("{*}alarm-type-id"): entry for entry in inventory}
    entry = found["casm-alarms:device-unreachable"]
    assert [leaf.text for leaf in entry.iterfind("{*}severity-level")] == ["warning", "major"]
    for name in ("decision-blocked", "drain-overdue"):
        levels = found[f"casm-alarms:{name}"].iterfind("{*}severity-level")
        assert [leaf.text for leaf in levels] == [OF_POOLS[name]], "no more than is raised"
    assert entry.findtext("{*}will-clear") == "true"
    assert entry.findtext("{*}resource") == "/casm-devices:devices/casm-devices:device"
    assert "does not answer" in (entry.findtext("{*}description") or "")
    assert {"pool-low", "drift", "bad-reading", "automation-stopped"} <= _types(inventory, "{*}alarm-type")


async def test_resources_are_instance_identifiers(alarmed: Endpoint) -> None:
    """RFC 8632 3.3: a resource that is modelled in YANG is named by an instance-identifier, whose prefixes are bound"""
    client = await alarmed.open()
    drift = f'<alarm-type-id xmlns:casm-alarms="{OURS}">casm-alarms:drift</alarm-type-id>'
    inside = f"<alarm-list><alarm>{drift}</alarm></alarm-list>"
    alarm = (await _alarms(client, inside)).find("{*}alarm-list/{*}alarm")
    assert alarm is not None
    resource = alarm.find("{*}resource")
    assert resource is not None
    assert resource.text == "/casm-devices:devices/casm-devices:device[casm-devices:name='bng1']"
    assert alarm.findtext("{*}alt-resource") == "device bng1"
    assert resource.nsmap["casm-devices"] == "urn:casm:yang:casm-devices"


# --- The life of an alarm -------------------------------------------------------------------------


async def test_an_alarm_is_one_entry(alarmed: Endpoint) -> None:
    """RFC 8632 3.4 and 4.4: raised, changed and cleared, it is one entry of the list, and stays there cleared"""
    client = await alarmed.open()
    _raise(alarmed, "major", "three entries are gone")
    _clear(alarmed)
    alarms = await _alarms(client, "<alarm-list/>")
    assert alarms.findtext("{*}alarm-list/{*}number-of-alarms") == "2"
    (alarm,) = [
        each
        for each in alarms.iterfind("{*}alarm-list/{*}alarm")
        if (each.findtext("{*}alarm-type-id") or "").endswith(":drift")
    ]
    assert alarm.findtext("{*}is-cleared") == "true"
    assert alarm.findtext("{*}perceived-severity") == "major"
    changes = alarm.findall("{*}status-change")
    assert [each.findtext("{*}perceived-severity") for each in changes] == ["cleared", "major", "minor"]
    assert changes[0].findtext("{*}time") == alarm.findtext("{*}last-changed")
    assert changes[0].findtext("{*}alarm-text") == alarm.findtext("{*}alarm-text") == "it is back"
    assert changes[-1].findtext("{*}time") == alarm.findtext("{*}time-created")
    assert alarm.findtext("{*}last-raised") == alarm.findtext("{*}time-created")


async def test_history_is_bounded(endpoint: Endpoint) -> None:
    """RFC 8632 4.1: of an alarm's changes so many are kept as max-alarm-status-changes says, the newest"""
    client = await endpoint.open("admin")
    await _configure(client, "<max-alarm-status-changes>3</max-alarm-status-changes>")
    for _ in range(3):
        _raise(endpoint)
        _clear(endpoint)
    alarms = await _alarms(client, "<alarm-list/>")
    changes = alarms.findall("{*}alarm-list/{*}alarm/{*}status-change")
    assert [each.findtext("{*}perceived-severity") for each in changes] == ["cleared", "minor", "cleared"]


async def test_summary(alarmed: Endpoint) -> None:
    """RFC 8632 4.3: alarms are counted by severity, and by what was said of them"""
    client = await alarmed.open()
    await _set_state(client, "closed")
    summary = (await _alarms(client, "<summary/>"))[0]
    found = {row.findtext("{*}severity"): row for row in summary.iterfind("{*}alarm-summary")}
    assert {severity: row.findtext("{*}not-cleared") for severity, row in found.items()} == {
        "major": "1",
        "minor": "1",
    }
    assert found["minor"].findtext("{*}not-cleared-closed") == "1"
    assert summary.find("{*}shelves-active") is None


# --- Operators ------------------------------------------------------------------------------------


async def test_operator_state(alarmed: Endpoint) -> None:
    """RFC 8632 3.5.2 and 4.4: an operator's state is kept with name, time and text, the latest first"""
    client = await alarmed.open("alice")
    assert (await _set_state(client, "ack", text="on it")).find(f"{{{BASE}}}ok") is not None
    await _set_state(client, "closed")
    alarms = await _alarms(client, "<alarm-list/>")
    said = alarms.findall("{*}alarm-list/{*}alarm/{*}operator-state-change")
    assert [each.findtext("{*}state") for each in said] == ["closed", "ack"]
    assert {each.findtext("{*}operator") for each in said} == {"alice@netconf"}
    assert said[1].findtext("{*}text") == "on it"


@pytest.mark.parametrize(
    ("state", "keys", "tag"),
    [
        ("shelved", KEYS, "invalid-value"),
        ("ack", KEYS.replace("bng1", "bng9"), "data-missing"),
        ("ack", KEYS.replace("t:drift", "t:nothing"), "invalid-value"),
    ],
)
async def test_operator_state_refused(alarmed: Endpoint, state: str, keys: str, tag: str) -> None:
    """RFC 8632 4.7: what is no state that operators set, and what is no alarm, is refused"""
    client = await alarmed.open()
    with pytest.raises(Refused) as caught:
        await _set_state(client, state, keys)
    assert caught.value.tags == [tag]


async def test_purge(alarmed: Endpoint) -> None:
    """RFC 8632 3.5.3 and 4.7: alarms that match all criteria are deleted, and counted; what is so appears again"""
    client = await alarmed.open()
    for criteria, count in (
        ("<alarm-clearance-status>cleared</alarm-clearance-status>", "0"),
        (f"{NOT_CLEARED}<severity><above>major</above></severity>", "0"),
        (f"{NOT_CLEARED}<older-than><hours>1</hours></older-than>", "0"),
        (f"{ANY}<operator-state-filter><state>ack</state></operator-state-filter>", "0"),
        (f"{NOT_CLEARED}<severity><below>major</below></severity>", "1"),
    ):
        reply = await _act(client, f"<alarm-list><purge-alarms>{criteria}</purge-alarms></alarm-list>")
        assert reply.findtext(f"{{{AL}}}purged-alarms") == count, criteria
    assert _types(await _alarms(client)) == {"pool-low"}
    _raise(alarmed)
    assert _types(await _alarms(client)) == {"pool-low", "drift"}


async def test_purge_needs_a_clearance_status(alarmed: Endpoint) -> None:
    """RFC 8632 4.7: the clearance status must be said"""
    client = await alarmed.open()
    with pytest.raises(Refused):
        await _act(client, "<alarm-list><purge-alarms/></alarm-list>")


async def test_compress(alarmed: Endpoint) -> None:
    """RFC 8632 3.5.3 and 4.7: of the alarms that match only the last change of status stays"""
    client = await alarmed.open()
    _clear(alarmed)
    match = '<resource xmlns:d="urn:casm:yang:casm-devices">//d:device</resource>'
    reply = await _act(client, f"<alarm-list><compress-alarms>{match}</compress-alarms></alarm-list>")
    assert reply.findtext(f"{{{AL}}}compressed-alarms") == "1"
    changes = (await _alarms(client)).findall("{*}alarm-list/{*}alarm/{*}status-change")
    assert sorted(each.findtext("{*}perceived-severity") or "" for each in changes) == ["cleared", "major"]


# --- Shelves --------------------------------------------------------------------------------------


async def test_shelving(alarmed: Endpoint) -> None:
    """RFC 8632 3.7 and 4.5: an alarm that matches a shelf is in the shelved list only, with the shelf's name and the
    state shelved; off the shelf it comes back, un-shelved"""
    client = await alarmed.open("admin")
    await _configure(client, SHELF)
    alarms = await _alarms(client)
    assert _types(alarms) == {"pool-low"}
    (shelved,) = alarms.iterfind("{*}shelved-alarms/{*}shelved-alarm")
    assert shelved.findtext("{*}shelf-name") == "work"
    assert shelved.findtext("{*}operator-state-change/{*}state") == "shelved"
    assert alarms.findtext("{*}shelved-alarms/{*}number-of-shelved-alarms") == "1"
    assert alarms.find("{*}summary/{*}shelves-active") is not None
    assert alarms.find("{*}control/{*}alarm-shelving/{*}shelf") is not None
    with pytest.raises(Refused):
        await _set_state(client, "ack")
    gone = '<alarm-shelving><shelf xmlns:nc="{0}" nc:operation="delete"><name>work</name></shelf></alarm-shelving>'
    await _configure(client, gone.format(BASE))
    alarms = await _alarms(client)
    assert _types(alarms) == {"pool-low", "drift"}
    states = [
        leaf.text for leaf in alarms.iterfind("{*}alarm-list/{*}alarm/{*}operator-state-change/{*}state")
    ]
    assert states == ["un-shelved", "shelved"]


async def test_purge_shelved(alarmed: Endpoint) -> None:
    """RFC 8632 4.7: shelved alarms are purged and compressed by actions of their own"""
    client = await alarmed.open("admin")
    await _configure(client, SHELF)
    _clear(alarmed)
    compress = "<shelved-alarms><compress-shelved-alarms/></shelved-alarms>"
    assert (await _act(client, compress)).findtext(f"{{{AL}}}compressed-alarms") == "1"
    purge = f"<shelved-alarms><purge-shelved-alarms>{ANY}</purge-shelved-alarms></shelved-alarms>"
    assert (await _act(client, purge)).findtext(f"{{{AL}}}purged-alarms") == "1"
    assert _types(await _alarms(client)) == {"pool-low"}


# --- Notifications --------------------------------------------------------------------------------


async def _subscribe(client: Client) -> None:
    """To alarms alone: that sessions begin is told, too."""
    filter_ = f'<filter type="subtree"><alarm-notification xmlns="{AL}"/><alarms xmlns="{AL}"/></filter>'
    await client.rpc(f'<create-subscription xmlns="{NOTIFICATION}">{filter_}</create-subscription>')


async def _told(client: Client) -> Element:
    return (await client.notification())[1]


async def test_notification(endpoint: Endpoint) -> None:
    """RFC 8632 4.8: a raise, a change and a clear are each told, with the keys, time, severity and text"""
    client = await endpoint.open()
    await _subscribe(client)
    engine: Engine = endpoint.server.models.engine
    for severity, act in (("minor", _raise), ("cleared", _clear)):
        act(endpoint)
        message = await client.notification()
        engine.validate(etree.tostring(message), what="notification")
        told = message[1]
        assert told.tag == f"{{{AL}}}alarm-notification"
        assert told.findtext("{*}perceived-severity") == severity
        assert told.findtext("{*}alarm-type-id") == "casm-alarms:drift"
    _raise(endpoint)
    _raise(endpoint, "major")
    assert [(await _told(client)).findtext("{*}perceived-severity") for _ in range(2)] == ["minor", "major"]


async def test_shelved_alarms_do_not_notify(endpoint: Endpoint) -> None:
    """RFC 8632 3.7: nobody is told of shelved alarms"""
    client = await endpoint.open("admin")
    await _configure(client, SHELF)
    await _subscribe(client)
    _raise(endpoint)
    _low(endpoint)
    told = await _told(client)
    assert told.findtext("{*}alarm-type-id") == "casm-alarms:pool-low"


async def test_only_raise_and_clear_are_told(endpoint: Endpoint) -> None:
    """RFC 8632 4.1: notify-status-changes says of which changes others are told"""
    client = await endpoint.open("admin")
    await _configure(client, "<notify-status-changes>raise-and-clear</notify-status-changes>")
    await _subscribe(client)
    _raise(endpoint)
    _raise(endpoint, "major")
    _clear(endpoint)
    assert [(await _told(client)).findtext("{*}perceived-severity") for _ in range(2)] == ["minor", "cleared"]


async def test_operator_action_is_told(alarmed: Endpoint) -> None:
    """RFC 8632 4.8: that an operator acted on an alarm is told within the alarm"""
    client, other = await alarmed.open("alice"), await alarmed.open("bob")
    await _subscribe(other)
    await _set_state(client, "ack", text="on it")
    message = await other.notification()
    engine: Engine = alarmed.server.models.engine
    engine.validate(etree.tostring(message), what="notification")
    action = message[1].find("{*}alarm-list/{*}alarm/{*}operator-action")
    assert action is not None
    assert (action.findtext("{*}operator"), action.findtext("{*}state")) == ("alice@netconf", "ack")


# --- Configuration and access ---------------------------------------------------------------------


async def test_severity_level_needs_a_level(endpoint: Endpoint) -> None:
    """RFC 8632 4.1: notify-status-changes of severity-level without a level is no valid configuration"""
    client = await endpoint.open("admin")
    with pytest.raises(Refused):
        await _configure(client, "<notify-status-changes>severity-level</notify-status-changes>")


async def test_profiles_are_not_there(endpoint: Endpoint) -> None:
    """RFC 8632 6: what belongs to a feature that is not announced is refused"""
    client = await endpoint.open("admin")
    profile = (
        f'<alarms xmlns="{AL}"><alarm-profile><alarm-type-id xmlns:t="{OURS}">t:drift</alarm-type-id>'
        "<alarm-type-qualifier-match>.*</alarm-type-qualifier-match><resource>/x</resource>"
        "<description>none</description></alarm-profile></alarms>"
    )
    with pytest.raises(Refused) as caught:
        await client.rpc(
            f"<edit-config><target><candidate/></target><config>{profile}</config></edit-config>"
        )
    assert caught.value.tags == ["unknown-element"]


async def test_access(filled_access: Endpoint) -> None:
    """RFC 8341 3.4.5: an action needs the right to read the way to it, and to execute it"""
    _raise(filled_access)
    reader, operator = [await filled_access.open(name, groups=frozenset()) for name in ("reader", "oscar")]
    assert _types(await _alarms(reader)) == {"drift"}
    with pytest.raises(Refused) as caught:
        await _set_state(reader, "ack")
    assert caught.value.tags == ["access-denied"]
    await _set_state(operator, "ack")
    with pytest.raises(Refused):
        await _configure(operator, SHELF)


@pytest.fixture
def filled_access(endpoint: Endpoint) -> Endpoint:
    """The rules of a new store, with one operator."""
    rules = [SetDocument(module, xml) for module, xml in first_documents().items()]
    change(endpoint.database, Author("tester"), [*rules, AddAccessMember("operator", "oscar")])
    return endpoint
