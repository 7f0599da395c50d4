"""Whatever is sent: a reply, a clean protocol error or the session's end, never a failure inside.

Requests that are nearly right come closest to the handlers, so that most of what is sent here is a good request
that was bent in some places.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from casm_ctrl.netconf.messages import parse_document
from casm_ctrl.netconf.names import BASE, MONITORING, Element, nc
from tests.error_tags import ERROR_TAGS
from tests.northbound_harness import Client, Endpoint

POOLS = "urn:casm:yang:casm-pools"
DEVICES = "urn:casm:yang:casm-devices"
OPERATIONS = "urn:casm:yang:casm-operations"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
NOTIFICATION = "urn:ietf:params:xml:ns:netconf:notification:1.0"
SUBSCRIBED = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"

GOOD = [
    f'<get><filter type="subtree"><pools xmlns="{POOLS}"><pool><name>p</name><usage/></pool></pools></filter></get>',
    f'<get><filter type="xpath" xmlns:p="{POOLS}" select="/p:pools/p:pool[p:name=\'p\']"/></get>',
    "<get-config><source><running/></source><filter/></get-config>",
    "<get-config><source><candidate/></source></get-config>",
    f'<get-data xmlns="{NMDA}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
    "<datastore>ds:operational</datastore><max-depth>3</max-depth></get-data>",
    f"<edit-config><target><candidate/></target><default-operation>merge</default-operation>"
    f'<config><pools xmlns="{POOLS}">'
    "<pool><name>p</name><address-space>s</address-space><family>ipv4</family><prefix>10.0.0.0/24</prefix>"
    "<policy><quarantine>10</quarantine></policy></pool></pools></config></edit-config>",
    f"<edit-config><target><candidate/></target><test-option>test-then-set</test-option>"
    f'<config><address-spaces xmlns="{POOLS}">'
    "<address-space><name>s</name><description>d</description></address-space></address-spaces></config></edit-config>",
    f'<edit-config><target><candidate/></target><config><devices xmlns="{DEVICES}"><device xmlns:nc="{BASE}" '
    'nc:operation="remove"><name>d</name></device></devices></config></edit-config>',
    "<validate><source><candidate/></source></validate>",
    "<commit/>",
    "<commit><confirmed/><confirm-timeout>5</confirm-timeout><persist>x</persist></commit>",
    "<cancel-commit><persist-id>x</persist-id></cancel-commit>",
    "<discard-changes/>",
    "<lock><target><running/></target></lock>",
    "<unlock><target><running/></target></unlock>",
    "<copy-config><target><candidate/></target><source><running/></source></copy-config>",
    "<delete-config><target><startup/></target></delete-config>",
    "<kill-session><session-id>1</session-id></kill-session>",
    f'<get-schema xmlns="{MONITORING}"><identifier>casm-pools</identifier></get-schema>',
    f'<allocate xmlns="{OPERATIONS}"><device-pool>d/x</device-pool><count>2</count></allocate>',
    f'<release xmlns="{OPERATIONS}"><block>b1</block></release>',
    f'<trace xmlns="{OPERATIONS}"><address>10.0.0.1</address></trace>',
    f'<create-subscription xmlns="{NOTIFICATION}"><stream>NETCONF</stream></create-subscription>',
    f'<establish-subscription xmlns="{SUBSCRIBED}"><stream>NETCONF</stream></establish-subscription>',
]
NASTY = [
    "",
    " ",
    "\n\t",
    "0",
    "-1",
    "99999999999999999999",
    "1e9",
    "NaN",
    "true",
    "b0",
    "b1",
    "../..",
    "/",
    "//*",
    "*",
    "[",
    "]]>]]>",
    "10.0.0.0/33",
    "10.0.0.1/8",
    "::/0",
    "fe80::1%eth0",
    "0.0.0.0/0",
    "a" * 5000,
    "é€😀",
    "' or 1=1 --",
    "%s%n",
    "{}",
    "\u202e",
    "running",
    "candidate",
    "startup",
    "count(//*)",
    "/" * 500,
    "(" * 500,
    "1970-01-01T00:00:00Z",
    "9999-99-99",
    "x:y",
    "&amp;",
]
NAMES = [
    "get",
    "config",
    "filter",
    "source",
    "target",
    "pool",
    "name",
    "nothing",
    "prefix",
    "commit",
    "rpc",
    "hello",
]
SPACES = [BASE, POOLS, DEVICES, OPERATIONS, NMDA, "urn:nobody", ""]


def bend(operation: Element, dice: random.Random) -> Element:
    """A copy with a few places changed."""
    operation = copy.deepcopy(operation)
    for _ in range(dice.randint(1, 4)):
        node = dice.choice([e for e in operation.iter() if isinstance(e.tag, str)])
        match dice.randrange(8):
            case 0:
                node.text = dice.choice(NASTY)
            case 1 if node is not operation:
                parent = node.getparent()
                assert parent is not None
                parent.remove(node)
            case 2:
                node.append(copy.deepcopy(node))
            case 3:
                node.tag = etree.QName(dice.choice(SPACES) or None, dice.choice(NAMES)).text
            case 4:
                name = etree.QName(node)
                node.tag = etree.QName(dice.choice(SPACES) or None, name.localname).text
            case 5:
                node.set(dice.choice(["type", "select", nc("operation"), "xmlnsx", "{urn:x}insert"]),
                         dice.choice([*(n for n in NASTY if n), "delete", "create", "xpath"]))  # fmt: skip
            case 6:
                deep = node
                for _ in range(dice.choice([3, 60, 240])):
                    deep = etree.SubElement(deep, dice.choice(NAMES))
            case _:
                node.append(
                    etree.fromstring(
                        f"<x xmlns='{dice.choice(SPACES[:6])}'>{dice.choice(['', 'x', '1'])}</x>"
                    )
                )
    return operation


@contextmanager
def no_failure_inside(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.clear()
    yield
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info] == []


def judge(reply: Element) -> None:
    assert reply.tag == nc("rpc-reply")
    for error in reply.findall(nc("rpc-error")):
        assert error.findtext(nc("error-tag")) in ERROR_TAGS
        assert error.findtext(nc("error-type")) in ("transport", "rpc", "protocol", "application")
        assert error.findtext(nc("error-app-tag")) != "internal-error", etree.tostring(error)


def served(client: Client) -> bool:
    return not client.serving.done()


async def exchange(endpoint: Endpoint, client: Client, message: bytes) -> Client:
    """Send it, take the reply where there must be one, and give a session that is open."""
    client.send(message)
    while True:
        try:
            answer = parse_document(await client._message())
        except ConnectionResetError:
            return await endpoint.open()
        if answer.tag == nc("rpc-reply"):
            judge(answer)
            return client


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_requests_that_are_nearly_right(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    dice = random.Random(seed)
    with no_failure_inside(caplog):
        client = await endpoint.open()
        for number in range(40):
            operation = bend(etree.fromstring(f"<rpc xmlns='{BASE}'>{dice.choice(GOOD)}</rpc>")[0], dice)
            rpc = etree.Element(nc("rpc"), {"message-id": str(number)}, nsmap={None: BASE})  # type: ignore[dict-item]
            rpc.append(operation)
            client = await exchange(endpoint, client, etree.tostring(rpc))
        other = await endpoint.open("somebody")
        judge(await other.reply("<get-config><source><running/></source></get-config>"))


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_bytes_that_are_nearly_a_request(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    dice = random.Random(seed)
    with no_failure_inside(caplog):
        client = await endpoint.open()
        for number in range(40):
            message = bytearray(
                f'<rpc message-id="{number}" xmlns="{BASE}">{dice.choice(GOOD)}</rpc>'.encode()
            )
            for _ in range(dice.randint(1, 3)):
                place = dice.randrange(len(message))
                match dice.randrange(3):
                    case 0:
                        message[place] = dice.randrange(256)
                    case 1:
                        del message[place : place + dice.randint(1, 9)]
                    case _:
                        message[place:place] = dice.choice(
                            [
                                b"<",
                                b">",
                                b"&",
                                b"\xff",
                                b"\x00",
                                b"<!--",
                                b"]]>",
                                b"<![CDATA[",
                                b"<?x?>",
                                b"\xc3",
                                b"&#0;",
                            ]
                        )
            client = await exchange(endpoint, client, bytes(message) or b"x")


BOMB = "<!DOCTYPE rpc [<!ENTITY a 'aaaaaaaaaa'>{}]>".format(
    "".join(f"<!ENTITY {c} '{f'&{b};' * 8}'>" for b, c in zip("abcdefgh", "bcdefghi", strict=True))
)


def request(inside: str, prologue: str = "", message_id: str = "1") -> str:
    return f'{prologue}<rpc message-id="{message_id}" xmlns="{BASE}">{inside}</rpc>'


def by_xpath(expression: str) -> str:
    return request(f'<get><filter type="xpath" select="{expression}"/></get>')


INCLUDE = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'
HURTING = {
    "entities": request("<get>&i;</get>", BOMB),
    "external entity": request("<get>&e;</get>", '<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
    "external DTD": request("<get/>", '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "deep": request("<a>" * 100_000 + "</a>" * 100_000),
    "attributes": request("<get " + " ".join(f"a{i}=''" for i in range(20_000)) + "/>"),
    "long id": request("<get/>", message_id="1" * 200_000),
    "XInclude": request(INCLUDE),
    "brackets": by_xpath("(" * 5000 + "1" + ")" * 5000),
    "steps": by_xpath("//*" * 60),
}


@pytest.mark.parametrize("message", HURTING.values(), ids=HURTING.keys())
async def test_what_is_made_to_hurt(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, message: str
) -> None:
    with no_failure_inside(caplog):
        client = await endpoint.open()
        other = await endpoint.open()
        await asyncio.wait_for(exchange(endpoint, client, message.encode()), 60)
        judge(await other.reply("<get-config><source><running/></source></get-config>"))
