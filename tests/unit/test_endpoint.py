"""The northbound server's sessions, over memory."""

from __future__ import annotations

import asyncio

import pytest

from casm_ctrl.netconf.messages import Answer, Ok
from casm_ctrl.netconf.names import BASE_1_0, BASE_1_1, Element, nc
from casm_ctrl.northbound.endpoint import Ending
from casm_ctrl.northbound.interface import Caller, Operations
from tests.northbound_harness import Endpoint, Refused

PROBE = "{urn:test}probe"
PROBE_XML = '<probe xmlns="urn:test"/>'
NOTE = b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><a xmlns="urn:test"/></notification>'


async def test_hello_tells_capabilities_and_a_session_id(endpoint: Endpoint) -> None:
    first, second = await endpoint.open(), await endpoint.open(version=BASE_1_0)
    assert first.session_id != second.session_id
    assert first.hello.has(BASE_1_0) and first.hello.has(BASE_1_1)
    for client in (first, second):
        assert not any(
            "startup" in uri or "url" in uri.split("features=")[-1] for uri in client.hello.capabilities
        )
        assert (await client.data("<get-config><source><running/></source></get-config>")) is not None


async def test_an_unknown_operation_is_refused_and_the_session_goes_on(endpoint: Endpoint) -> None:
    client = await endpoint.open()
    with pytest.raises(Refused) as refused:
        await client.rpc("<nonsense/>")
    assert refused.value.tags == ["operation-not-supported"]
    with pytest.raises(Refused) as refused:
        await client.rpc('<nonsense xmlns="urn:nobody"/>')
    assert refused.value.tags == ["unknown-namespace"]
    await client.rpc("<close-session/>")
    await client.ended()


async def test_a_fault_of_ours_is_logged_and_the_session_goes_on(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(caller: Caller, operation: Element) -> Answer:
        raise KeyError("secret")

    endpoint.server.endpoint.install(Operations(plain={PROBE: fail}))
    client = await endpoint.open()
    with pytest.raises(Refused) as refused:
        await client.rpc(PROBE_XML)
    assert (refused.value.tags, refused.value.app_tags) == (["operation-failed"], ["internal-error"])
    assert "secret" not in str(refused.value)
    assert "secret" in caplog.text
    await client.rpc("<close-session/>")


async def test_a_killed_session_is_released_before_the_reply(endpoint: Endpoint) -> None:
    released: list[int] = []
    endings: list[Ending] = []
    endpoint.server.endpoint.releases.append(released.append)
    endpoint.server.endpoint.on_end.append(lambda caller, ending: endings.append(ending))
    killer, victim = await endpoint.open(), await endpoint.open("bob")
    await killer.rpc(f"<kill-session><session-id>{victim.session_id}</session-id></kill-session>")
    assert released == [victim.session_id]
    assert endings == [Ending("killed", killed_by=killer.session_id)]
    await victim.ended()
    for wrong in (victim.session_id, killer.session_id):
        with pytest.raises(Refused) as refused:
            await killer.rpc(f"<kill-session><session-id>{wrong}</session-id></kill-session>")
        assert refused.value.tags == ["invalid-value"]


async def test_a_client_that_hangs_up_leaves_nothing(endpoint: Endpoint) -> None:
    released: list[int] = []
    endpoint.server.endpoint.releases.append(released.append)
    client = await endpoint.open()
    await client.close()
    assert released == [client.session_id]
    assert len(endpoint.server.endpoint.sessions) == 0
    assert endpoint.server.endpoint.callers == {}


async def test_notifications_come_between_replies(endpoint: Endpoint) -> None:
    async def probe(caller: Caller, operation: Element) -> Answer:
        caller.outlet.after_reply(lambda: caller.outlet.send(NOTE))
        caller.outlet.send(NOTE)
        return Ok()

    endpoint.server.endpoint.install(Operations(awaited={PROBE: probe}))
    client = await endpoint.open()
    assert (await client.rpc(PROBE_XML)).find(nc("ok")) is not None
    for _ in range(2):
        assert (await client.notification())[0].tag == "{urn:test}a"


async def test_writes_of_datastores_are_done_one_after_the_other(endpoint: Endpoint) -> None:
    inside, most = 0, 0

    async def commit(caller: Caller, operation: Element) -> Answer:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        for _ in range(20):
            await asyncio.sleep(0)
        inside -= 1
        return Ok()

    endpoint.server.endpoint.install(Operations(awaited={nc("commit"): commit}))
    endpoint.server.endpoint._plain.pop(nc("commit"), None)
    clients = [await endpoint.open() for _ in range(3)]
    await asyncio.gather(*(client.rpc("<commit/>") for client in clients))
    assert most == 1


@pytest.mark.parametrize("datastore", ["running", "candidate", "operational"])
async def test_get_data_reads_a_datastore(endpoint: Endpoint, datastore: str) -> None:
    client = await endpoint.open()
    nmda = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
    reply = await client.rpc(
        f'<get-data xmlns="{nmda}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
        f"<datastore>ds:{datastore}</datastore><subtree-filter>"
        '<nacm xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"/></subtree-filter></get-data>'
    )
    data = reply.find(f"{{{nmda}}}data")
    assert data is not None
    assert [node.tag for node in data] == ["{urn:ietf:params:xml:ns:yang:ietf-netconf-acm}nacm"]


async def test_who_may_not_is_refused_and_reads_nothing_hidden(endpoint: Endpoint) -> None:
    client = await endpoint.open("guest", groups=frozenset())
    data = await client.data("<get-config><source><running/></source></get-config>")
    assert len(data) == 0
    with pytest.raises(Refused) as refused:
        await client.rpc("<discard-changes/>")
    assert refused.value.tags == ["access-denied"]
    with pytest.raises(Refused) as refused:
        await client.rpc("<kill-session><session-id>1</session-id></kill-session>")
    assert refused.value.tags == ["access-denied"]
    await client.rpc("<close-session/>")
