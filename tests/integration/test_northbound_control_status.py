"""/control-status over NETCONF: what `casm control status` tells; and who may say that automation goes on."""

from __future__ import annotations

import pytest

from casm_ctrl.netconf.names import Element
from casm_ctrl.northbound import verbs
from casm_ctrl.service import control_state, holds
from casm_ctrl.service.configuration import AddDevice, AddSpace, SetLimits, change
from casm_ctrl.store import control_state as store
from casm_ctrl.store.database import Database
from casm_ctrl.store.events import Author
from tests.northbound_harness import Client, Endpoint, Refused

C = "{urn:casm:yang:casm-control}"
ME = Author("tester", reason="test")
GUEST: frozenset[str] = frozenset()
"""In no group but the one that everybody is in."""
STATUS = '<get><filter><control-status xmlns="urn:casm:yang:casm-control">{}</control-status></filter></get>'
LIMITS = '<get><filter><control xmlns="urn:casm:yang:casm-control"/></filter></get>'


def devices(database: Database) -> None:
    edits = [
        AddDevice(name, "bng", "ietf-address-pool", f"192.0.2.{number}", 830, "u", "env:X", "s")
        for number, name in enumerate(("bng1", "bng2", "bng3"))
    ]
    change(database, ME, [AddSpace("s"), *edits])


def texts(data: Element, *steps: str) -> list[str | None]:
    return [
        leaf.text for leaf in data.iterfind("/".join(f"{C}{step}" for step in ("control-status", *steps)))
    ]


async def ask(client: Client, wanted: str = "") -> Element:
    return await client.data(STATUS.format(wanted))


async def test_a_store_without_a_loop_says_so(endpoint: Endpoint) -> None:
    told = await ask(await endpoint.open("guest", groups=GUEST))
    assert texts(told, "breaker", "state") == ["closed"]
    assert [child.tag for child in told[0]] == [f"{C}breaker"]


async def test_it_is_what_the_command_tells(endpoint: Endpoint) -> None:
    devices(endpoint.database)
    first, second = control_state.begin(endpoint.database), control_state.begin(endpoint.database)
    control_state.keep(endpoint.database, first)
    control_state.keep(endpoint.database, second)
    control_state.note_failed_look(endpoint.database, "bng2", "no <answer>", lambda failures: 10.0)
    endpoint.database.run(lambda tx: store.open_breaker(tx, "5 changes failed"))
    holds.hold(endpoint.database, ME, "all")
    holds.hold(endpoint.database, ME, "device", "bng3")
    told = await ask(await endpoint.open("guest", groups=GUEST))
    found = control_state.status(endpoint.database)["control"]
    for name in ("name", "started", "expires"):
        assert texts(told, "controller", name) == [row[name] for row in found["controller"]]
    assert sorted(map(str, texts(told, "controller", "devices"))) == ["1", "2"]
    assert texts(told, "breaker", "state") == ["open"]
    assert texts(told, "breaker", "since") == [found["breaker"]["since"]]
    assert texts(told, "breaker", "reason") == ["5 changes failed"]
    assert texts(told, "hold", "kind") == ["all", "device"]
    assert texts(told, "hold", "subject") == [None, "bng3"]
    assert texts(told, "device", "name") == ["bng1", "bng2", "bng3"]
    assert texts(told, "device", "watched-by") == [row["watched-by"] for row in found["device"]]
    assert texts(told, "device", "next-poll") == [row["next-poll"] for row in found["device"]]
    assert texts(told, "device", "error") == ["no <answer>"]


async def test_a_part_of_it_is_selected(endpoint: Endpoint) -> None:
    devices(endpoint.database)
    control_state.keep(endpoint.database, control_state.begin(endpoint.database))
    client = await endpoint.open("guest", groups=GUEST)
    told = await ask(client, "<device><name>bng2</name><hot/></device>")
    assert texts(told, "device", "hot") == ["false"]
    assert texts(told, "breaker") == []
    xpath = '<get><filter type="xpath" xmlns:c="urn:casm:yang:casm-control" select="{}"/></get>'
    held = await client.data(xpath.format("/c:control-status/c:device[c:name='bng3']/c:next-poll"))
    assert len(texts(held, "device", "next-poll")) == 1


async def test_the_limits_are_read_as_before(endpoint: Endpoint) -> None:
    """What runs and what it may do are two nodes: who reads the limits gets them alone."""
    control_state.keep(endpoint.database, control_state.begin(endpoint.database))
    client = await endpoint.open("guest", groups=GUEST)
    assert len(await client.data(LIMITS)) == 0
    change(endpoint.database, ME, [SetLimits((("grow_per_hour", 7),))])
    (control,) = await client.data(LIMITS)
    assert [(leaf.tag, leaf.text) for leaf in control] == [(f"{C}grow-per-hour", "7")]
    whole = await client.data("<get-config><source><running/></source></get-config>")
    assert whole.find(f"{C}control-status") is None


async def test_it_cannot_be_configured(endpoint: Endpoint) -> None:
    client = await endpoint.open("admin", groups=frozenset({"admin"}))
    edit = '<control-status xmlns="urn:casm:yang:casm-control"><breaker><state>open</state></breaker></control-status>'
    with pytest.raises(Refused):
        await client.rpc(f"<edit-config><target><candidate/></target><config>{edit}</config></edit-config>")


async def test_operators_resume_and_guests_do_not(endpoint: Endpoint) -> None:
    """By the rules of a new store; each change is the user's in the audit."""
    endpoint.database.run(lambda tx: store.open_breaker(tx, "5 changes failed"))
    resume = f'<resume-control xmlns="{verbs.NAMESPACE}"><reason>looked</reason></resume-control>'
    with pytest.raises(Refused) as refused:
        await (await endpoint.open("guest", groups=GUEST)).rpc(resume)
    assert refused.value.tags == ["access-denied"]
    operator = await endpoint.open("olga", groups=frozenset({"operator"}))
    assert texts(await ask(operator), "breaker", "state") == ["open"]
    await operator.rpc(resume)
    assert texts(await ask(operator), "breaker", "state") == ["closed"]
    with endpoint.database.read() as tx:
        row = tx.one("SELECT actor, reason FROM event WHERE verb = 'control-resume'")
    assert tuple(row) == ("olga@netconf", "looked")
